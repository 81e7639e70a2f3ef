"""`obverse ledger witness` and `cosign`: sign the checkpoints of others, and have one's own signed. The network is only here."""

from __future__ import annotations

import sys
import time
from http.client import HTTPConnection, HTTPException, HTTPSConnection
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import click

from obverse.cli.exit_codes import ExitCode
from obverse.cli.ledger_files import LARGEST_NOTE, read_keys
from obverse.cli.output import json_option, note, one_line, print_json, say

if TYPE_CHECKING:
    from obverse.ledger.note import Note
    from obverse.ledger.witness import Witness

_PAUSE = 10.0  # seconds that a client may take for its request


@click.command(short_help="Sign checkpoints of logs that only grow.")
@click.argument("folder", metavar="DIR", type=click.Path(path_type=Path, file_okay=False))
@click.option("--key-file", required=True, type=click.Path(path_type=Path), help="The private key of the witness.")
@click.option("--name", required=True, help="Of the witness: `witness.example.com`.")
@click.option(
    "--log", "logs", multiple=True, required=True, metavar="KEY", help="A log's key; its name is the log's origin."
)
@click.option("--listen", default="127.0.0.1", show_default=True, help="The address to listen at.")
@click.option("--port", type=click.IntRange(0, 65535), default=8089, show_default=True, help="0 takes a free one.")
def witness(folder: Path, *, key_file: Path, name: str, logs: tuple[str, ...], listen: str, port: int) -> ExitCode:
    """Run a witness: it signs a checkpoint of a log only if it goes on from the last one that it signed, kept in DIR.

    It speaks C2SP tlog-witness (`POST /add-checkpoint`). Let somebody else than the log's owner run it: that is its worth.
    """
    made = _witness(folder, key_file, name, logs)
    server = _server(made, listen, port)
    for signer in made.signers:
        say(str(signer.key))
    say(f"http://{listen}:{server.server_port}")
    sys.stdout.flush()
    try:
        server.serve_forever()
    finally:
        server.server_close()
    return ExitCode.HOLDS


def _witness(folder: Path, key_file: Path, name: str, logs: tuple[str, ...]) -> Witness:
    from obverse.cli.load import read_file
    from obverse.ledger.keys import FileSigner, read_key_file
    from obverse.ledger.witness import Memory, Witness

    def clock() -> int:
        return int(time.time())

    private = read_key_file(read_file(key_file, LARGEST_NOTE, "the key"))
    known: dict[str, list[Any]] = {}
    for key in read_keys(logs):
        known.setdefault(key.name, []).append(key)
    return Witness([FileSigner(name, private, clock=clock)], known, Memory(folder), refused=_refused)


def _refused(why: str, found: Note) -> None:
    """What may be proof that a log misbehaves: whole, so that it can be shown."""
    note(one_line(f"refused: {why}"))
    note(one_line(str(found)))


def _server(made: Witness, listen: str, port: int) -> ThreadingHTTPServer:
    from obverse.core.errors import EvidenceError
    from obverse.ledger.witness import LARGEST_BODY, Answer

    class Handler(BaseHTTPRequestHandler):
        """One call: `add-checkpoint`."""

        protocol_version = "HTTP/1.1"
        timeout = _PAUSE

        def do_POST(self) -> None:
            if self.path.rpartition("/")[2] != "add-checkpoint":
                self._send(Answer(status=404, body="no such call\n"))
                return
            length = self.headers.get("Content-Length", "")
            if not length.isascii() or not length.isdigit() or int(length) > LARGEST_BODY:
                self.close_connection = True
                self._send(Answer(status=413, body="too much, or of no length\n"))
                return
            body = self.rfile.read(int(length))
            try:
                self._send(made.add_checkpoint(body))
            except (OSError, EvidenceError) as error:  # a memory that cannot be kept signs nothing
                note(one_line(f"cannot sign: {error}"))
                self._send(Answer(status=500, body="the witness cannot sign now\n"))

        def _send(self, answer: Answer) -> None:
            data = answer.body.encode()
            self.send_response(answer.status)
            self.send_header("Content-Type", answer.type)
            self.send_header("Content-Length", str(len(data)))
            self.end_headers()
            self.wfile.write(data)

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002  # the name of the base class
            pass

    return ThreadingHTTPServer((listen, port), Handler)


@click.command(short_help="Have witnesses sign a log.")
@click.argument("folder", metavar="DIR", type=click.Path(path_type=Path, exists=True, file_okay=False))
@click.option(
    "--witness", "urls", multiple=True, metavar="URL", help="Where a witness is asked: its submission prefix."
)
@click.option(
    "--witness-key", "keys", multiple=True, metavar="KEY", help="A key of these witnesses, or a file of keys."
)
@click.option("--trust", type=click.Path(path_type=Path), help="A C2SP tlog-policy file that names witnesses and URLs.")
@click.option(
    "--timeout", type=click.FloatRange(min=0.1), default=30.0, show_default=True, help="Seconds for a witness."
)
@json_option
def cosign(
    folder: Path, *, urls: tuple[str, ...], keys: tuple[str, ...], trust: Path | None, timeout: float, as_json: bool
) -> ExitCode:
    """Ask witnesses to sign the checkpoint of the log in DIR, also while a guard writes it. Exits 4 if none does."""
    from obverse.ledger.cosigning import Asked, ask_witnesses
    from obverse.ledger.log import cosign as cosigned

    asked = [Asked(url=url, keys=tuple(read_keys(keys))) for url in urls] + _of_policy(trust)
    if not asked:
        raise click.UsageError("name witnesses by --witness and --witness-key, or by --trust")
    found = cosigned(folder, lambda files, head: ask_witnesses(files, head, asked, _post(timeout)))
    if as_json:
        print_json({"cosigned": found.names, "missing": found.missing})
    else:
        for name in found.names:
            say(one_line(name))
        for url, why in found.missing.items():
            note(one_line(f"{url}: {why}"))
    return ExitCode.HOLDS if found.names else ExitCode.UNDECIDED


def _of_policy(trust: Path | None) -> list[Any]:
    from obverse.cli.load import read_file
    from obverse.ledger.cosigning import Asked
    from obverse.ledger.trust import read_trust_policy

    if trust is None:
        return []
    policy = read_trust_policy(read_file(trust, LARGEST_NOTE, "the trust policy"))
    return [Asked(url=policy.urls[key.name], keys=(key,)) for key in policy.trust.witnesses if key.name in policy.urls]


def _post(timeout: float) -> Any:
    """Sends over HTTP or HTTPS; follows nothing, reads no more than a note can be."""
    from obverse.core.errors import UnavailableError
    from obverse.ledger.note import LONGEST_NOTE

    def post(url: str, body: bytes) -> tuple[int, bytes]:
        parts = urlsplit(url)
        kind = {"http": HTTPConnection, "https": HTTPSConnection}.get(parts.scheme)
        if kind is None or not parts.hostname:
            raise UnavailableError(f"`{url[:200]}` is no http or https address", code="E147")
        try:
            connection = kind(parts.hostname, parts.port, timeout=timeout)
            try:
                connection.request("POST", parts.path, body, {"Content-Type": "text/plain; charset=utf-8"})
                answer = connection.getresponse()
                return answer.status, answer.read(LONGEST_NOTE)
            finally:
                connection.close()
        except (OSError, HTTPException, ValueError) as error:
            raise UnavailableError(f"no answer: {error}", code="E147") from error

    return post
