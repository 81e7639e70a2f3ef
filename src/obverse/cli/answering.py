"""What `approve` and `reject` share: a request is shown whole, confirmed by typing, signed with a key of its reader, handed in."""

from __future__ import annotations

import json
import secrets
import time
from pathlib import Path
from typing import TYPE_CHECKING

import click

from obverse.cli.exit_codes import ExitCode
from obverse.cli.load import read_file
from obverse.cli.output import json_option, note, print_json, say
from obverse.core.errors import MisuseError, UntrustedInputError

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

    from obverse.guard.approvals.asked import Asked
    from obverse.guard.approvals.queue import Queue
    from obverse.guard.approvals.statement import Answer
    from obverse.guard.records import Request, Said
    from obverse.guard.signing import Signed

_LARGEST_KEY = 65_536
_LARGEST_STATEMENT = 8 * 1024 * 1024
_SHORTEST_PREFIX = 12


def queue_of(folder: Path) -> Queue:
    """The queue of the guard in this folder."""
    from obverse.guard.approvals.local import open_queue
    from obverse.guard.home import open_home

    return open_queue(open_home(folder), clock=now, fresh=secrets.token_bytes)


def now() -> int:
    """Milliseconds since the epoch."""
    return time.time_ns() // 1_000_000


def command(what: Answer, text: str, short: str) -> click.Command:
    """The command that signs this answer."""

    @click.command(what, help=text, short_help=short)
    @click.argument("folder", metavar="DIR", type=click.Path(path_type=Path))
    @click.argument("request", metavar="[ID]", required=False)
    @click.option("--key", type=click.Path(path_type=Path), help="Your private key.")
    @click.option("--as", "name", metavar="NAME", help="Your name, as `obverse reviewer add` put it on record.")
    @click.option("--because", default="", metavar="TEXT", help="Why; it is signed and recorded.")
    @click.option("--yes", is_flag=True, help="Do not ask for confirmation; needs --digest.")
    @click.option("--digest", metavar="PREFIX", help="The digest of the page, as `obverse inbox DIR ID` showed it.")
    @click.option("--statement", type=click.Path(path_type=Path), help="Or a DSSE envelope that was signed elsewhere.")
    @json_option
    def run(
        folder: Path, *, request: str | None, key: Path | None, name: str | None, because: str, yes: bool,
        digest: str | None, statement: Path | None, as_json: bool,
    ) -> ExitCode:  # fmt: skip
        queue = queue_of(folder)
        if statement is not None:
            return _told(queue, queue.submit(_handed(statement, what)), as_json)
        if request is None or key is None or name is None:
            hint = "or --statement with what was signed elsewhere"
            raise MisuseError(f"`{what}` needs the ID of a request, --key and --as", code="G241", hint=hint)
        asked = queue.find(request)
        if asked.closed is not None:
            raise MisuseError(f"the request is closed: {asked.closed}", code="G225")
        queue.view(asked.request.id, name)
        _confirm(asked, what, name, yes=yes, digest=digest, quiet=as_json)
        return _told(queue, queue.submit(_signed(asked, what, key, name, because)), as_json)

    return run


def in_brief(request: Request, limit: int = 120) -> str:
    """What would be executed, on one line, made visible."""
    from obverse.guard.approvals.exact import brief
    from obverse.guard.approvals.sight import seen_line

    if request.tool is None:
        return f"reply {seen_line(request.arguments, limit)}"
    return f"{seen_line(request.tool, 40)} {seen_line(brief(request.arguments), limit)}"


def _confirm(asked: Asked, what: str, name: str, *, yes: bool, digest: str | None, quiet: bool) -> None:
    """Returns if the page was seen: here and now, confirmed by typing, or before, by naming its digest."""
    page = asked.page.digest.removeprefix("sha256:")
    if digest is not None:
        given = digest.removeprefix("sha256:").lower()
        if len(given) < _SHORTEST_PREFIX or not page.startswith(given):
            raise MisuseError(
                f"the page has the digest `{page}`, not `{digest[:80]}`", code="G242",
                hint=f"at least {_SHORTEST_PREFIX} digits of what `obverse inbox DIR ID` shows",
            )  # fmt: skip
    elif yes:
        raise MisuseError(
            "nobody signs what was not shown",
            code="G242",
            hint="with --yes, name the page by --digest, as `inbox` shows it",
        )
    if not quiet:
        say(asked.page.text)
        say(f"page\n  {asked.page.digest}")
    if yes:
        return
    word = f"{what} {page[:4]}"
    note(f"You sign all of this, as `{name}`: {in_brief(asked.request)}")  # a long page has scrolled away
    note(f"Type `{word}` to {what}, anything else to leave it.")
    try:
        typed = click.prompt("", prompt_suffix="> ", err=True, default="", show_default=False)
    except click.Abort as stop:
        raise MisuseError("nothing was signed", code="G242") from stop
    if " ".join(str(typed).split()) != word:
        raise MisuseError("nothing was signed", code="G242", hint=f"`{word}` was not typed")


def _signed(asked: Asked, what: Answer, key: Path, name: str, because: str) -> Signed:
    from obverse.guard.approvals.statement import statement_of
    from obverse.guard.signing import sign

    said = statement_of(asked.request, asked.page.digest, answer=what, by=name, time=now(), because=because)
    return sign(said, read_key(key))


def read_key(path: Path) -> Ed25519PrivateKey:
    """The private key in this file; a password is asked for where it has one."""
    from obverse.guard.signing import read_signing_key

    data = read_file(path, _LARGEST_KEY, "the key")
    password = None
    if b"ENCRYPTED" in data:
        password = str(click.prompt("password of the key", hide_input=True, err=True)).encode()
    return read_signing_key(data, password)


def _handed(path: Path, what: str) -> Signed:
    """What somebody signed elsewhere: a DSSE envelope in a file, saying what this command is called for."""
    from obverse.guard.approvals.statement import KIND
    from obverse.guard.signing import read_envelope, read_statement

    try:
        found = json.loads(read_file(path, _LARGEST_STATEMENT, "the statement"))
    except (ValueError, RecursionError) as error:
        raise UntrustedInputError("not a signed statement: no JSON", code="G210", source=str(path)) from error
    signed = read_envelope(found)
    if read_statement(signed.payload, KIND).get("answer") != what:
        raise MisuseError(f"the statement does not {what}", code="G241", hint="`approve` and `reject` take their own")
    return signed


def _told(queue: Queue, said: Said, as_json: bool) -> ExitCode:
    """Say what was recorded; only now, whether it was a seeded request."""
    asked = queue.find(said.request)
    seeded = queue.seeded(asked)
    others = [who for who, what in queue.said(said.request) if what == "approve"]
    if as_json:
        print_json(
            {"request": said.request, "answer": said.answer, "by": said.by, "time": said.time,
             "approved_by": others, "people": asked.request.people, "seeded": seeded}
        )  # fmt: skip
        return ExitCode.HOLDS
    missing = asked.request.people - len(others)
    rest = f"; {missing} more must approve" if said.answer == "approve" and missing > 0 else ""
    say(f"{'approved' if said.answer == 'approve' else 'rejected'} by {said.by}{rest}")
    if seeded is not None:
        from obverse.guard.approvals.sight import seen_line

        good = "and you saw it" if said.answer == "reject" else "and it had to be rejected"
        say(f"This request was a test, {good}: {seen_line(seeded, 400)}")
    return ExitCode.HOLDS
