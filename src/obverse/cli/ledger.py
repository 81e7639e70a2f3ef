"""`obverse ledger`: begin a log, verify one, prove one entry, hand it to somebody."""

from __future__ import annotations

import os
import secrets
import stat
import time
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import click

from obverse.cli.exit_codes import ExitCode
from obverse.cli.output import json_option, note, one_line, print_json, say

if TYPE_CHECKING:
    from obverse.ledger.checkpoint import Trust
    from obverse.ledger.note import Key, Note
    from obverse.ledger.reader import Files
    from obverse.ledger.verify import Verification

_LARGEST_NOTE = 1_000_000
_LARGEST_ENTRY = 65_535

_key_option = click.option(
    "--key", "keys", multiple=True, metavar="KEY", help="A key of the log, `name+id+base64`, or a file of such lines."
)


@click.group()
def ledger() -> None:
    """The append-only log of what was decided and measured: begin one, verify one, prove an entry, hand it on.

    It lies on disk in the public form of C2SP tlog-tiles, so other software can verify it too.
    """


@ledger.command("key", short_help="Make a private key in FILE.")
@click.argument("file", type=click.Path(path_type=Path, dir_okay=False))
@click.option("--name", required=True, help="Of the key, without blanks or `+`: `log.example.com`.")
@json_option
def key_(file: Path, *, name: str, as_json: bool) -> ExitCode:
    """Make an Ed25519 key in FILE, readable by you alone, and print its public half, which verifiers need."""
    from obverse.ledger.keys import FileSigner, key_file, new_key
    from obverse.ledger.note import read_key

    private = new_key()
    public = FileSigner(name, private).key
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
@click.option("--origin", help="Of the log; a random one below the key's name if not said.")
@json_option
def init(folder: Path, *, key_file: Path, name: str, origin: str | None, as_json: bool) -> ExitCode:
    """Begin a log in DIR, with a signed checkpoint of nothing."""
    from obverse.cli.load import read_file
    from obverse.ledger.keys import FileSigner, read_key_file
    from obverse.ledger.log import Log

    signer = FileSigner(name, read_key_file(read_file(key_file, _LARGEST_NOTE, "the key")))
    with Log.create(folder, origin or f"{name}/{secrets.token_hex(8)}", [signer]) as log:
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
    from obverse.ledger.keys import FileSigner, read_key_file
    from obverse.ledger.log import Log

    contents = [read_file(path, LONGEST_PAYLOAD, "the file") for path in files]
    signer = FileSigner(name, read_key_file(read_file(key_file, _LARGEST_NOTE, "the key")))
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


@ledger.command(short_help="Does the evidence hold?")
@click.argument("log", metavar="DIR|BUNDLE", type=click.Path(path_type=Path))
@_key_option
@click.option("--witness", "witnesses", multiple=True, metavar="KEY", help="A witness's key, the same way.")
@click.option("--quorum", type=click.IntRange(min=0), help="How many witnesses must have signed; all, if not said.")
@click.option("--origin", help="The log must be this one.")
@click.option(
    "--older", multiple=True, type=click.Path(path_type=Path),
    help="A checkpoint that you kept: it must be a beginning of this log.",
)  # fmt: skip
@json_option
def verify(
    log: Path,
    *,
    keys: tuple[str, ...],
    witnesses: tuple[str, ...],
    quorum: int | None,
    origin: str | None,
    older: tuple[Path, ...],
    as_json: bool,
) -> ExitCode:
    """Check a log, or a bundle of one, from its checkpoint down to its last byte, and say what that does not prove.

    Exits 0 where it holds, 4 without a key (nobody vouches for the checkpoint then), 5 where it does not hold.
    """
    from obverse.cli.load import read_file
    from obverse.ledger.verify import read_older
    from obverse.ledger.verify import verify as verified

    kept = [read_older(read_file(path, _LARGEST_NOTE, "the checkpoint")) for path in older]
    found = verified(_files(log), _trust(keys, witnesses, quorum), origin=origin, older=kept)
    if as_json:
        print_json(_document(log, found))
    else:
        _print(found)
    return {"holds": ExitCode.HOLDS, "fails": ExitCode.UNVERIFIED, "not checked": ExitCode.UNDECIDED}[found.outcome]


@ledger.command(short_help="A second opinion, by other code.")
@click.argument("folder", metavar="DIR", type=click.Path(path_type=Path, exists=True, file_okay=False))
@_key_option
@json_option
def fsck(folder: Path, *, keys: tuple[str, ...], as_json: bool) -> ExitCode:
    """Check a log by code that shares no line with what wrote it. Exits 5 where anything is wrong."""
    from obverse.ledger.fsck import fsck as faults_of

    began = time.monotonic()
    faults = faults_of(folder, [str(key) for key in _keys(keys)])
    if as_json:
        print_json({"log": str(folder), "faults": faults, "seconds": round(time.monotonic() - began, 3)})
    else:
        for fault in faults:
            say(one_line(fault))
        note(f"{len(faults)} faults" if faults else "nothing is wrong")
    return ExitCode.UNVERIFIED if faults else ExitCode.HOLDS


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

    files = _files(log)
    head = _head(files, log)
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
@_key_option
@json_option
def check(receipt: Path, entry: Path, *, keys: tuple[str, ...], as_json: bool) -> ExitCode:
    """Does RECEIPT show that ENTRY is in the log of this key? Needs no log. Exits 5 where it does not."""
    from obverse.cli.load import read_file
    from obverse.core.errors import MisuseError
    from obverse.ledger.proof import check_receipt, read_receipt

    trust = _trust(keys, (), None)
    if trust is None:
        raise MisuseError("a receipt is worth what its log's key is worth", code="E109", hint="give the key by --key")
    found = read_receipt(read_file(receipt, _LARGEST_NOTE, "the receipt"))
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
@_key_option
@json_option
def bundle(folder: Path, *, output: Path, without_payloads: bool, keys: tuple[str, ...], as_json: bool) -> ExitCode:
    """Write the log in DIR, with its keys, as one file that somebody else verifies offline."""
    from obverse.ledger.bundle import write_bundle
    from obverse.ledger.reader import Folder

    beside = output.with_name(f".{output.name}.tmp")
    try:
        count = write_bundle(Folder(folder), _keys(keys), beside, payloads=not without_payloads)
        beside.replace(output)
    finally:
        beside.unlink(missing_ok=True)
    if as_json:
        print_json({"bundle": str(output), "files": count})
    else:
        say(f"{output}: {count:,} files")
    return ExitCode.HOLDS


# --- what the commands share ----------------------------------------------------------------------------------------------


def _files(path: Path) -> Files:
    from obverse.ledger.bundle import Bundle
    from obverse.ledger.reader import Folder

    return Folder(path) if path.is_dir() else Bundle(path)


def _head(files: Files, path: Path) -> Note:
    from obverse.core.errors import MisuseError
    from obverse.ledger.reader import read_head

    head = read_head(files)
    if head is None:
        raise MisuseError(f"no log in `{path}`", code="E107")
    return head


def _keys(given: Sequence[str]) -> list[Key]:
    from obverse.cli.load import read_file
    from obverse.ledger.note import read_key

    lines: list[str] = []
    for one in given:
        path = Path(one)
        is_file = len(one) < 4096 and path.is_file()  # the longest path there is
        text = read_file(path, _LARGEST_NOTE, "the keys").decode(errors="replace") if is_file else one
        lines += [line for line in text.splitlines() if line.strip()]
    return [read_key(line) for line in lines]


def _trust(keys: Sequence[str], witnesses: Sequence[str], quorum: int | None) -> Trust | None:
    from obverse.ledger.checkpoint import Trust

    seen = tuple(_keys(witnesses))
    return (
        Trust(log=tuple(_keys(keys)), witnesses=seen, quorum=len(seen) if quorum is None else quorum) if keys else None
    )


def _document(path: Path, found: Verification) -> dict[str, object]:
    head = found.head
    return {
        "log": str(path),
        "outcome": found.outcome,
        "checkpoint": {"origin": head.origin, "size": head.size, "root": head.root.hex()} if head else None,
        "checks": found.checks,
        "witnesses": [{"name": one.key.name, "time": one.time} for one in found.witnesses],
        "pending": found.pending,
        "not_proved": found.not_proved,
    }


def _print(found: Verification) -> None:
    width = max(len(check.name) for check in found.checks)
    for check in found.checks:
        say(one_line(f"{check.outcome:<11}  {check.name:<{width}}  {check.found}"))
    say()
    say(
        {"holds": "The log holds.", "fails": "The log does not hold: do not trust it."}.get(
            found.outcome, "Nobody vouches for it."
        )
    )
    if found.head is not None:
        say("It does not prove")
        for line in found.not_proved:
            say(f"  - {line}")
