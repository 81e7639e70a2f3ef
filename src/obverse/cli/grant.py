"""`obverse grant`: let named clauses be relaxed for a holder: within a scope, so many times, until then, under a signature.

`obverse grant DIR …` gives one; `list`, `show`, `revoke`, `narrow` go on from there. What it would newly allow is shown before anybody
signs (`solver.preview`). How things are shown stands in `granted`.
"""

from __future__ import annotations

import secrets
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, TypeVar

import click
import msgspec

from obverse.cli.answering import now, read_key
from obverse.cli.exit_codes import ExitCode
from obverse.cli.numbers import Finite
from obverse.cli.output import json_option, note, print_json, say

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

    from obverse.guard.grants.register import Register
    from obverse.guard.home import Home
    from obverse.policy.grants import Grant
    from obverse.solver.preview import Preview

_F = TypeVar("_F", bound=Callable[..., Any])
_NONCE_SIZE: Final = 16
_FOLDER = click.argument("folder", metavar="DIR", type=click.Path(path_type=Path))
_GRANT = click.argument("grant_id", metavar="GRANT")


class GrantGroup(click.Group):
    """A group of which the first word may be a folder: then it is `give`."""

    usual = "give"

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """The arguments, with `give` where no command is named."""
        if args and args[0] not in {*self.commands, "-h", "--help"}:
            args.insert(0, self.usual)
        return super().parse_args(ctx, args)


@click.group(cls=GrantGroup, invoke_without_command=False)
def grant() -> None:
    """Let clauses be relaxed for one holder: within a scope, so many times, until then, under your signature.

    `obverse grant DIR --clauses … --for … --scope …` gives one (so does `obverse grant give DIR …`). An inviolable clause is
    never relaxed, and nothing that an agent or a user says is ever taken for a grant.
    """


def _signing(command: _F) -> _F:
    """Who signs, and whether they are shown what they sign."""
    options = [
        click.option("--key", type=click.Path(path_type=Path), help="Your private key."),
        click.option("--as", "by", metavar="NAME", help="Your name, as in the guard's `people`."),
        click.option("--yes", is_flag=True, help="Sign without being asked again."),
    ]
    for option in reversed(options):
        command = option(command)
    return command


def _previewing(command: _F) -> _F:
    """What is shown before it is signed."""
    options = [
        click.option("--preview", "only_preview", is_flag=True, help="Show what it would newly allow, and sign nothing."),
        click.option("--no-preview", is_flag=True, help="Sign unseen; only with `--yes`."),
        click.option(
            "--timeout", type=Finite(min=0.01, max=86_400), default=10.0, show_default=True, help="Seconds per question."
        ),
    ]  # fmt: skip
    for option in reversed(options):
        command = option(command)
    return command


@grant.command(short_help="Give a grant.")
@_FOLDER
@click.option("--clauses", required=True, help="Ids of the clauses that it relaxes, with commas.")
@click.option("--for", "holder", help="Who holds it: the holder of a session.")
@click.option("--scope", required=True, help="Where it holds, in the rule language: `pay when amount <= 200`.")
@click.option("--purpose", help="What it is for.")
@click.option("--uses", type=click.IntRange(min=1), default=1, show_default=True, help="How often it can be used.")
@click.option("--until", help="When it ends: a time, or how long from now (`2h`).")
@click.option("--from", "since", help="When it begins, the same way; now, if not said.")
@click.option(
    "--follow", is_flag=True, help="Stay in force while its clauses stay the same, though the policy changes."
)
@_previewing
@_signing
@json_option
def give(
    folder: Path,
    *,
    clauses: str,
    holder: str | None,
    scope: str,
    purpose: str | None,
    uses: int,
    until: str | None,
    since: str | None,
    follow: bool,
    only_preview: bool,
    no_preview: bool,
    timeout: float,
    key: Path | None,
    by: str | None,
    yes: bool,
    as_json: bool,
) -> ExitCode:
    """Relax clauses for a holder of sessions of the guard in DIR.

    Shows first what becomes allowed that was not, each with a transcript, and what stays blocked all the same. Exits 4 where the
    preview left a question open and nothing was signed.
    """
    from obverse.core.errors import MisuseError
    from obverse.guard.home import open_home
    from obverse.policy.grants import Grant, ground

    missing = [name for name, value in (("--for", holder), ("--purpose", purpose), ("--until", until)) if not value]
    if missing and not only_preview:
        raise MisuseError(f"a grant needs {' and '.join(f'`{name}`' for name in missing)}", code="G332")
    home, at = open_home(folder), now()
    checked, names = home.loaded.checked, _names(clauses)
    terms = Grant(
        by=by or "", time=at, holder=holder or "anybody", clauses=names, scope=scope, purpose=purpose or "a preview",
        uses=uses, not_before=at if since is None else _moment(since, at), not_after=_moment(until or "1h", at),
        nonce=secrets.token_hex(_NONCE_SIZE), policy=checked.digest,
    )  # fmt: skip
    if follow:
        _check(home, terms, (), at)
        terms = msgspec.structs.replace(terms, follows=ground(checked, names, scope))
    return _give(
        home, terms, (), key=key, only_preview=only_preview, no_preview=no_preview, yes=yes, timeout=timeout,
        as_json=as_json, at=at,
    )  # fmt: skip


@grant.command(short_help="Hand a narrower one on.")
@_FOLDER
@_GRANT
@click.option("--for", "holder", required=True, help="Who is to hold it.")
@click.option("--clauses", help="Fewer clauses; the same, if not said.")
@click.option("--scope", help="Where it holds: there, and where the one above holds as well.")
@click.option("--purpose", help="What it is for; the same, if not said.")
@click.option("--uses", type=click.IntRange(min=1), default=1, show_default=True, help="Counted above as well.")
@click.option("--until", help="When it ends: a time, or how long from now; with the one above, if not said.")
@_previewing
@_signing
@json_option
def narrow(
    folder: Path,
    *,
    grant_id: str,
    holder: str,
    clauses: str | None,
    scope: str | None,
    purpose: str | None,
    uses: int,
    until: str | None,
    only_preview: bool,
    no_preview: bool,
    timeout: float,
    key: Path | None,
    by: str | None,
    yes: bool,
    as_json: bool,
) -> ExitCode:
    """Derive a narrower grant from GRANT, which you hold, for somebody else. Its uses count for GRANT as well."""
    from obverse.guard.home import open_home
    from obverse.policy.grants import Grant, ground

    home, at = open_home(folder), now()
    with _register(home) as register:
        parent = register.held(register.find(grant_id), at)
        above = tuple(link.grant for link in register.chain(parent.id))
    names = parent.grant.clauses if clauses is None else _names(clauses)
    where = parent.grant.scope if scope is None else scope
    terms = Grant(
        by=by or parent.grant.holder, time=at, holder=holder, clauses=names, scope=where, uses=uses,
        purpose=purpose or parent.grant.purpose, not_before=max(at, parent.grant.not_before),
        not_after=parent.grant.not_after if until is None else _moment(until, at),
        nonce=secrets.token_hex(_NONCE_SIZE), policy=home.loaded.checked.digest, parent=parent.id,
    )  # fmt: skip
    if parent.grant.follows is not None:
        _check(home, terms, above, at)
        terms = msgspec.structs.replace(terms, follows=ground(home.loaded.checked, names, where))
    return _give(
        home, terms, above, key=key, only_preview=only_preview, no_preview=no_preview, yes=yes, timeout=timeout,
        as_json=as_json, at=at,
    )  # fmt: skip


@grant.command("list", short_help="The grants, and how they stand.")
@_FOLDER
@click.option("--for", "holder", help="Only those of this holder.")
@json_option
def list_(folder: Path, *, holder: str | None, as_json: bool) -> ExitCode:
    """The grants that were ever given by the guard in DIR, and how each stands."""
    from obverse.cli.granted import grant_line, grant_object
    from obverse.guard.home import open_home

    at = now()
    with _register(open_home(folder)) as register:
        held = [register.held(name, at) for name in register.known()]
    found = [one for one in held if holder in (None, one.grant.holder)]
    if as_json:
        print_json({"grants": [grant_object(one) for one in found]})
        return ExitCode.HOLDS
    for one in found:
        say(grant_line(one))
    if not found:
        note("no grants")
    return ExitCode.HOLDS


@grant.command(short_help="One grant, whole.")
@_FOLDER
@_GRANT
@json_option
def show(folder: Path, *, grant_id: str, as_json: bool) -> ExitCode:
    """One grant: its terms, whom it was derived from, its uses, and how it stands. GRANT is how its id begins."""
    from obverse.cli.granted import grant_lines, grant_object
    from obverse.guard.home import open_home

    at = now()
    with _register(open_home(folder)) as register:
        name = register.find(grant_id)
        held, uses = register.held(name, at), register.uses(name)
        above = [link.grant for link in register.chain(name)][1:]
        envelope = register.chain(name)[0].signed.envelope
    if as_json:
        print_json({**grant_object(held), "uses_counted": uses, "above": [one.id for one in above], "dsse": envelope})
    else:
        for line in grant_lines(held, above, uses):
            say(line)
    return ExitCode.HOLDS


@grant.command(short_help="Take one out of force.")
@_FOLDER
@_GRANT
@click.option("--why", required=True, help="The reason; it is recorded.")
@_signing
@json_option
def revoke(
    folder: Path, *, grant_id: str, why: str, key: Path | None, by: str | None, yes: bool, as_json: bool
) -> ExitCode:
    """Take GRANT, and all that was derived from it, out of force: by who granted it, or one above it, or who may stop."""
    from obverse.cli.granted import grant_line, grant_object
    from obverse.guard.grants.statements import Revocation
    from obverse.guard.home import open_home
    from obverse.guard.signing import sign

    at = now()
    with _register(open_home(folder)) as register:
        name = register.find(grant_id)
        held = register.held(name, at)
        if not yes and not as_json:
            say(grant_line(held))
            click.confirm("revoke it", abort=True, err=True)
        statement = Revocation(by=by or held.grant.by, time=at, grant=name, why=why).statement
        held = register.revoke(sign(statement, _private(key)), name, at)
    if as_json:
        print_json(grant_object(held))
    else:
        say(grant_line(held))
    return ExitCode.HOLDS


# --- giving -------------------------------------------------------------------------------------------------------------


def _give(
    home: Home, terms: Grant, above: Sequence[Grant], *, key: Path | None, only_preview: bool, no_preview: bool,
    yes: bool, timeout: float, as_json: bool, at: int,
) -> ExitCode:  # fmt: skip
    """Shown, then signed and put in force."""
    from obverse.cli.granted import grant_line, grant_object, preview_lines, preview_object
    from obverse.core.errors import MisuseError
    from obverse.guard.signing import sign

    if no_preview and not yes:
        raise MisuseError("a grant is not signed unseen", code="G330", hint="`--no-preview` needs `--yes`")
    if not only_preview and not yes and as_json:
        raise MisuseError("nobody is asked with `--json`", code="G330", hint="look by `--preview`, sign by `--yes`")
    if not only_preview and not terms.by:
        raise MisuseError("nobody signs", code="G332", hint="say who you are by `--as NAME`")
    levels = _check(home, terms, above, at)
    private = None if only_preview else _private(key)  # before the solver is asked, not after
    found = None if no_preview else _previewed(home, terms, above, levels, timeout)
    shown: dict[str, object] = {} if found is None else {"preview": preview_object(found)}
    if not as_json and found is not None:
        for line in preview_lines(found, home.loaded.checked):
            say(line)
    if private is None:
        if as_json:
            print_json({"terms": terms, **shown})
        return ExitCode.UNDECIDED if found is not None and found.undecided else ExitCode.HOLDS
    if not yes:
        click.confirm(f"sign this as {terms.by}", abort=True, err=True)
    with _register(home) as register:
        held = register.add(sign(terms.statement, private), at)
    if as_json:
        print_json({**grant_object(held), **shown})
    else:
        say(grant_line(held))
    return ExitCode.HOLDS


def _check(home: Home, terms: Grant, above: Sequence[Grant], at: int) -> tuple[str, ...]:
    """The levels that the root's signer may lift, if these terms mean something; nothing is signed yet."""
    from obverse.core.errors import MisuseError
    from obverse.guard.people import read_people
    from obverse.policy.grants import check_grant

    people = read_people(home.people)
    root = people.get((above[-1] if above else terms).by)
    if terms.by and (root is None or not root.may("grant", at)):
        raise MisuseError(
            f"`{(above[-1] if above else terms).by[:80]}` may not grant in this guard", code="G331",
            hint="`obverse reviewer` gives people the role `grant`",
        )  # fmt: skip
    levels = root.levels if root is not None else home.loaded.checked.levels
    check_grant(home.loaded.checked, terms, levels)
    return levels


def _previewed(home: Home, terms: Grant, above: Sequence[Grant], levels: Sequence[str], timeout: float) -> Preview:
    from obverse.solver.preview import preview
    from obverse.solver.settings import Settings

    settings = Settings(timeout_ms=max(1, round(timeout * 1000)))
    return preview(home.loaded.checked, terms, above=above, levels=levels, settings=settings)


# --- what all of them need ----------------------------------------------------------------------------------------------


def _register(home: Home) -> Register:
    from obverse.guard.grants.local import open_register

    return open_register(home, fresh=secrets.token_bytes)


def _private(path: Path | None) -> Ed25519PrivateKey:
    """The key of whom signs."""
    from obverse.core.errors import MisuseError

    if path is None:
        raise MisuseError("nobody signs", code="G332", hint="name your private key by `--key`")
    return read_key(path)


def _names(text: str) -> tuple[str, ...]:
    return tuple(name.strip() for name in text.split(",") if name.strip())


def _moment(text: str, at: int) -> int:
    """The time that is meant: `2h` from now, or a time with its offset (UTC, if it names none)."""
    from obverse.core.errors import MisuseError
    from obverse.policy.reading import instant, lapse

    span = lapse(text)
    moment = None if span is not None else instant(text, 0)
    found = at + int(span.ms) if span is not None else None if moment is None else int(moment.ms)
    if found is None or not 0 <= found < _LAST:
        raise MisuseError(f"`{text[:60]}` is no time", code="G333", hint="`2h`, `7d`, or `2026-05-15T15:00:00Z`")
    return found


_LAST: Final = 253_402_300_800_000  # the year 10000
