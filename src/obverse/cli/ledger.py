"""`obverse ledger`: begin a log, verify one, prove one entry, hand it to somebody."""

from __future__ import annotations

import os
import secrets
import stat
import time
from pathlib import Path
from typing import TYPE_CHECKING

import click

from obverse.cli.exit_codes import ExitCode
from obverse.cli.ledger_files import LARGEST_NOTE, files_at, head_of, key_option, read_keys, read_trust
from obverse.cli.ledger_verify import fsck, verify
from obverse.cli.ledger_witness import cosign, witness
from obverse.cli.output import json_option, one_line, print_json, say

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

    from obverse.ledger.keys import FileSigner

_LARGEST_ENTRY = 65_535


@click.group()
def ledger() -> None:
    """The append-only log of what was decided and measured: begin one, verify one, prove an entry, hand it on.

    It lies on disk in the public form of C2SP tlog-tiles, so other software can verify it too.
    """


@ledger.command("key", short_help="Make a private key in FILE.")
@click.argument("file", type=click.Path(path_type=Path, dir_okay=False))
@click.option("--name", required=True, help="Of the key, without blanks or `+`: `log.example.com`.")
@click.option("--witness", is_flag=True, help="A key that cosigns the logs of others.")
@click.option(
    "--algorithm", type=click.Choice(["ed25519", "ml-dsa-44"]), default="ed25519", show_default=True,
    help="ml-dsa-44 withstands quantum computers; it is for witnesses.",
)  # fmt: skip
@json_option
def key_(file: Path, *, name: str, witness: bool, algorithm: str, as_json: bool) -> ExitCode:
    """Make a key in FILE, readable by you alone, and print its public half, which verifiers need."""
    from obverse.ledger.keys import FileSigner, key_file, new_key
    from obverse.ledger.note import read_key

    if algorithm == "ml-dsa-44" and not witness:
        raise click.UsageError("--algorithm ml-dsa-44 goes with --witness: a log signs by Ed25519")
    private = new_key("ed25519" if algorithm == "ed25519" else "ml-dsa-44-cosignature")
    public = FileSigner(name, private, clock=(lambda: 0) if witness else None).key
    read_key(str(public))  # a name that cannot be read back is none
    handle = os.open(file, os.O_WRONLY | os.O_CREAT | os.O_EXCL, stat.S_IRUSR | stat.S_IWUSR)
    with os.fdopen(handle, "wb") as out:
        out.write(key_file(private))
    if as_json:
        print_json({"file": str(file), "key": str(public)})
    else:
        say(str(public))
    return ExitCode.HOLDS


@ledger.command(short_help="Begin a log in DIR.")
@click.argument("folder", metavar="DIR", type=click.Path(path_type=Path))
@click.option("--key-file", required=True, type=click.Path(path_type=Path), help="The private key that signs.")
@click.option("--name", required=True, help="Of the key, as it was made with.")
@click.option("--origin", help="Of the log; the name of the key if not said.")
@json_option
def init(folder: Path, *, key_file: Path, name: str, origin: str | None, as_json: bool) -> ExitCode:
    """Begin a log in DIR, with a signed checkpoint of nothing."""
    from obverse.ledger.log import Log

    signer = _signer(key_file, name)
    with Log.create(folder, origin or name, [signer]) as log:
        found = {"folder": str(folder), "origin": log.origin, "key": str(signer.key)}
    if as_json:
        print_json(found)
    else:
        say(f"{found['origin']}\n{found['key']}")
    return ExitCode.HOLDS


@ledger.command(short_help="Record files.")
@click.argument("folder", metavar="DIR", type=click.Path(path_type=Path, exists=True, file_okay=False))
@click.argument("files", nargs=-1, required=True, type=click.Path(path_type=Path))
@click.option("--key-file", required=True, type=click.Path(path_type=Path), help="The private key that signs.")
@click.option("--name", required=True, help="Of the key, as it was made with.")
@click.option(
    "--type", "kind", default="file", show_default=True, help="What they are: `policy`, `report`, `transcript`."
)
@json_option
def record(folder: Path, *, files: tuple[Path, ...], key_file: Path, name: str, kind: str, as_json: bool) -> ExitCode:
    """Record FILES, such as a policy, its cases or the report of a run: each an entry that commits to its content.

    The content lies beside the log, under a salt, and can be erased; the entry keeps its digest out of sight.
    """
    from obverse.cli.load import read_file
    from obverse.ledger.entries import LONGEST_PAYLOAD, Entry, payload_of
    from obverse.ledger.log import Log

    contents = [read_file(path, LONGEST_PAYLOAD, "the file") for path in files]
    signer = _signer(key_file, name)
    places = []
    with Log.open(folder, [signer]) as log:
        for path, content in zip(files, contents, strict=True):
            payload = payload_of(content, secrets.token_bytes(32))
            entry = Entry(
                type=kind, time=time.time_ns() // 1_000_000, body={"name": path.name, "size": len(content)},
                payloads={"content": payload.commitment},
            )  # fmt: skip
            places.append({"file": str(path), "index": log.append(entry, {"content": payload})})
        size = log.publish().size
    if as_json:
        print_json({"recorded": places, "size": size})
    else:
        for place in places:
            say(one_line(f"{place['index']}  {place['file']}"))
    return ExitCode.HOLDS


@ledger.command(short_help="Forget payloads of one entry.")
@click.argument("folder", metavar="DIR", type=click.Path(path_type=Path, exists=True, file_okay=False))
@click.argument("index", type=click.IntRange(min=0))
@click.argument("names", nargs=-1)
@json_option
def erase(folder: Path, index: int, *, names: tuple[str, ...], as_json: bool) -> ExitCode:
    """Erase what entry INDEX commits to: the payloads NAMES, or all. The entry, its place and every proof stay.

    Bundles that were handed on, and backups, keep what they hold.
    """
    from obverse.ledger.log import erase as erased

    count = erased(folder, index, names or None)
    if as_json:
        print_json({"index": index, "erased": count})
    else:
        say(f"{count} payloads of entry {index:,} erased")
    return ExitCode.HOLDS


@ledger.command(short_help="Give the log another key.")
@click.argument("folder", metavar="DIR", type=click.Path(path_type=Path, exists=True, file_okay=False))
@click.option("--key-file", required=True, type=click.Path(path_type=Path), help="The private key of now.")
@click.option("--name", required=True, help="Of that key, as it was made with.")
@click.option("--new-key-file", required=True, type=click.Path(path_type=Path), help="The private key from now on.")
@click.option("--new-name", help="Of the new key; the same, if not said.")
@json_option
def rotate(
    folder: Path, *, key_file: Path, name: str, new_key_file: Path, new_name: str | None, as_json: bool
) -> ExitCode:
    """Enter another key into the log, under a checkpoint that both keys sign. Who knows the old key finds the new one."""
    from obverse.ledger.rotation import rotate as rotated

    new = _signer(new_key_file, new_name or name)
    head = rotated(folder, [_signer(key_file, name)], new, time=time.time_ns() // 1_000_000)
    if as_json:
        print_json({"key": str(new.key), "size": head.size})
    else:
        say(str(new.key))
    return ExitCode.HOLDS


@ledger.command(short_help="A receipt for one entry.")
@click.argument("log", metavar="DIR|BUNDLE", type=click.Path(path_type=Path))
@click.argument("index", type=click.IntRange(min=0))
@click.option(
    "-o", "--output", required=True, type=click.Path(path_type=Path, dir_okay=False), help="The receipt, `.tlog-proof`."
)
@json_option
def prove(log: Path, index: int, *, output: Path, as_json: bool) -> ExitCode:
    """Write a receipt for entry INDEX, and the entry itself beside it, as `.json`."""
    from obverse.core.errors import MisuseError
    from obverse.core.files import write_whole
    from obverse.ledger.checkpoint import read_checkpoint
    from obverse.ledger.merkle import inclusion_proof
    from obverse.ledger.proof import Receipt
    from obverse.ledger.reader import Reader

    files = files_at(log)
    head = head_of(files, log)
    size = read_checkpoint(head.text).size
    if index >= size:
        raise MisuseError(f"there is no entry {index}: the checkpoint covers {size:,}", code="E102")
    reader = Reader(files, size)
    receipt = Receipt(index=index, hashes=inclusion_proof(index, size, reader.hashes), checkpoint=head)
    entry = output.with_suffix(".json")
    write_whole(output, str(receipt).encode())
    write_whole(entry, reader.entry(index))
    if as_json:
        print_json({"receipt": str(output), "entry": str(entry), "index": index, "hashes": len(receipt.hashes)})
    else:
        say(f"{output} proves {entry}, {len(receipt.hashes)} hashes")
    return ExitCode.HOLDS


@ledger.command(short_help="Check a receipt.")
@click.argument("receipt", type=click.Path(path_type=Path))
@click.argument("entry", type=click.Path(path_type=Path))
@key_option
@json_option
def check(receipt: Path, entry: Path, *, keys: tuple[str, ...], as_json: bool) -> ExitCode:
    """Does RECEIPT show that ENTRY is in the log of this key? Needs no log. Exits 5 where it does not."""
    from obverse.cli.load import read_file
    from obverse.core.errors import MisuseError
    from obverse.ledger.proof import check_receipt, read_receipt

    trust = read_trust(keys)
    if trust is None:
        raise MisuseError("a receipt is worth what its log's key is worth", code="E109", hint="give the key by --key")
    found = read_receipt(read_file(receipt, LARGEST_NOTE, "the receipt"))
    head, _ = check_receipt(found, read_file(entry, _LARGEST_ENTRY, "the entry"), trust)
    if as_json:
        print_json({"index": found.index, "origin": head.origin, "size": head.size})
    else:
        say(one_line(f"entry {found.index} of {head.size:,} in `{head.origin}`"))
    return ExitCode.HOLDS


@ledger.command(short_help="The log as one zip file.")
@click.argument("folder", metavar="DIR", type=click.Path(path_type=Path, exists=True, file_okay=False))
@click.option("-o", "--output", required=True, type=click.Path(path_type=Path, dir_okay=False))
@click.option("--without-payloads", is_flag=True, help="Leave out what entries commit to: texts, arguments.")
@click.option("--key-file", type=click.Path(path_type=Path), help="Sign a statement about the log by this private key.")
@click.option("--prove", "proved", multiple=True, type=click.IntRange(min=0), help="Add a receipt for this entry.")
@key_option
@json_option
def bundle(
    folder: Path,
    *,
    output: Path,
    without_payloads: bool,
    key_file: Path | None,
    proved: tuple[int, ...],
    keys: tuple[str, ...],
    as_json: bool,
) -> ExitCode:
    """Write the log in DIR, its keys and its policies as one file that somebody else verifies offline.

    With --key-file a summary goes with it, as an in-toto statement in a DSSE envelope, which other tools read.
    """
    from obverse.campaign.attesting import claim_of, policies_of
    from obverse.ledger.bundle import write_bundle
    from obverse.ledger.reader import Folder, held

    files = held(Folder(folder))
    private = None if key_file is None else _edwards(key_file)
    beside = output.with_name(f".{output.name}.tmp")
    try:
        count = write_bundle(
            files, read_keys(keys), beside, payloads=not without_payloads, proved=proved,
            extra={} if without_payloads else policies_of(files), claim=claim_of(files) if private else None, private=private,
        )  # fmt: skip
        beside.replace(output)
    finally:
        beside.unlink(missing_ok=True)
    if as_json:
        print_json({"bundle": str(output), "files": count})
    else:
        say(f"{output}: {count:,} files")
    return ExitCode.HOLDS


def _signer(key_file: Path, name: str) -> FileSigner:
    from obverse.cli.load import read_file
    from obverse.ledger.keys import FileSigner, read_key_file

    return FileSigner(name, read_key_file(read_file(key_file, LARGEST_NOTE, "the key")))


def _edwards(key_file: Path) -> Ed25519PrivateKey:
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

    from obverse.cli.load import read_file
    from obverse.core.errors import MisuseError
    from obverse.ledger.keys import read_key_file

    found = read_key_file(read_file(key_file, LARGEST_NOTE, "the key"))
    if not isinstance(found, Ed25519PrivateKey):
        raise MisuseError("statements are signed by Ed25519 keys", code="E109")
    return found


for _command in (verify, fsck, witness, cosign):
    ledger.add_command(_command)
