"""`obverse reviewer`: whose answers count, with which keys, and how good their answers are."""

from __future__ import annotations

import math
import os
import secrets
import stat
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
import msgspec

from obverse.cli.answering import now, queue_of
from obverse.cli.exit_codes import ExitCode
from obverse.cli.output import json_option, note, one_line, print_json, say

if TYPE_CHECKING:
    from obverse.campaign.reviewers import Reviewer
    from obverse.guard.people import Person, PublicKey
    from obverse.stats.estimates import Estimate, NoEstimate
    from obverse.stats.quantiles import Median

_LARGEST_KEY = 65_536
_LARGEST_SEEDS = 4 * 1024 * 1024
_ROLES = ("approve", "grant", "stop")

_folder = click.argument("folder", metavar="DIR", type=click.Path(path_type=Path))


@click.group()
def reviewer() -> None:
    """The people of a guard: who may approve, grant or stop, with which keys, and how good their answers are."""


@reviewer.command("key", short_help="Make a private key in FILE.")
@click.argument("file", type=click.Path(path_type=Path, dir_okay=False))
@click.option("--password", is_flag=True, help="Ask for a password that protects the file.")
def key_(file: Path, *, password: bool) -> ExitCode:
    """Make an Ed25519 key in FILE, readable by you alone, and print its public half for whoever runs the guard."""
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

    from obverse.guard.people import public_text
    from obverse.ledger.keys import key_file

    secret = None
    if password:
        secret = str(click.prompt("password", hide_input=True, confirmation_prompt=True, err=True)).encode()
    private = Ed25519PrivateKey.generate()
    handle = os.open(file, os.O_WRONLY | os.O_CREAT | os.O_EXCL, stat.S_IRUSR | stat.S_IWUSR)
    with os.fdopen(handle, "wb") as out:
        out.write(key_file(private, secret))
    click.echo(public_text(private.public_key().public_bytes_raw()), nl=False)
    return ExitCode.HOLDS


@reviewer.command(short_help="Let somebody's answers count.")
@_folder
@click.argument("name")
@click.option(
    "--key", required=True, type=click.Path(path_type=Path), help="Their public key: PEM, or `ssh-ed25519 …`."
)
@click.option(
    "--role", "roles", multiple=True, type=click.Choice(_ROLES), help="What they may do; `approve` if not said."
)
@click.option("--holder", is_flag=True, help="They may do none of this: they hold grants, and may hand them on.")
@click.option("--level", "levels", multiple=True, help="Of the clauses that their grants may lift.")
@click.option("--label", default="", help="Of the key: `laptop`, `token in the safe`.")
@json_option
def add(
    folder: Path,
    name: str,
    *,
    key: Path,
    roles: tuple[Any, ...],
    holder: bool,
    levels: tuple[str, ...],
    label: str,
    as_json: bool,
) -> ExitCode:
    """Let the answers of NAME count in the guard of DIR, by this key beside those that they have."""
    from obverse.cli.load import read_file
    from obverse.core.errors import MisuseError
    from obverse.guard.home import open_home
    from obverse.guard.people import Person, check_name, edwards_key, read_people, read_public, write_person

    home = open_home(folder)
    public = edwards_key(read_public(read_file(key, _LARGEST_KEY, "the key")), added=now(), label=label)
    first: tuple[Any, ...] = () if holder else ("approve",)
    known = read_people(home.people).get(check_name(name)) or Person(name=name, roles=roles or first)
    if any(one.id == public.id and one.revoked is not None for one in known.keys):
        raise MisuseError(f"this key of `{name}` was revoked, and stays so", code="G204", hint="make a new one")
    given = tuple(dict.fromkeys((*known.roles, *roles)))
    keys = (*(one for one in known.keys if one.id != public.id), public)
    person = msgspec.structs.replace(
        known, roles=given, levels=tuple(dict.fromkeys((*known.levels, *levels))), keys=keys, removed=None
    )
    write_person(home.people, person)
    _show(person, as_json)
    return ExitCode.HOLDS


@reviewer.command(short_help="Let somebody's answers, or one key, count no more.")
@_folder
@click.argument("name")
@click.option("--key", metavar="ID", help="Only this key of theirs, by its id or the beginning of it.")
@json_option
def remove(folder: Path, name: str, *, key: str | None, as_json: bool) -> ExitCode:
    """Let nothing count that NAME signs from now on; their record stays, so that what they signed before can be checked."""
    from obverse.core.errors import MisuseError
    from obverse.guard.home import open_home
    from obverse.guard.people import read_people, write_person

    home, at = open_home(folder), now()
    person = read_people(home.people).get(name)
    if person is None:
        raise MisuseError(f"nobody is named `{name}`", code="G211", hint="`obverse reviewer list DIR`")
    hit = [one.id for one in person.keys if key is None or (key and one.id.startswith(key))]
    if key is not None and len(hit) != 1:
        raise MisuseError(f"`{name}` has {len(hit) or 'no'} keys that begin with `{key}`", code="G211")
    keys = tuple(_ended(one, at) if one.id in hit else one for one in person.keys)
    person = msgspec.structs.replace(person, keys=keys, removed=at if key is None else person.removed)
    write_person(home.people, person)
    _show(person, as_json)
    return ExitCode.HOLDS


@reviewer.command("list", short_help="Whose answers count.")
@_folder
@json_option
def list_(folder: Path, *, as_json: bool) -> ExitCode:
    """Who may approve, grant or stop in the guard of DIR, and by which keys."""
    from obverse.guard.home import open_home
    from obverse.guard.people import read_people

    people = read_people(open_home(folder).people).values()
    if as_json:
        print_json({"people": [_document(person) for person in people]})
    else:
        for person in people:
            _say(person)
        if not people:
            note("nobody; `obverse reviewer add DIR NAME --key FILE` lets somebody's answers count")
    return ExitCode.HOLDS


@reviewer.command(short_help="Mix in requests that must be rejected.")
@_folder
@click.argument("file", type=click.Path(path_type=Path))
@click.option(
    "--rate", type=click.FloatRange(0, 1), default=0.05, show_default=True, help="How many for each real one."
)
def seed(folder: Path, file: Path, *, rate: float) -> ExitCode:
    """Mix requests of FILE in with real ones, to see who looks: a JSON list of `{tool, arguments, why, clauses}`.

    No session waits for one, so that approving it executes nothing. Takes hold when the guard starts the next time.
    """
    from obverse.cli.load import read_file
    from obverse.guard.approvals.canaries import MARK_SIZE, read_canaries, read_seeds, write_canaries
    from obverse.guard.home import open_home

    home = open_home(folder)
    seeds = read_seeds(read_file(file, _LARGEST_SEEDS, "the seeds"))
    known = read_canaries(home.folder)
    key = bytes.fromhex(known.key) if known is not None else secrets.token_bytes(MARK_SIZE)
    write_canaries(home.folder, seeds, rate=rate, key=key)
    say(f"{len(seeds)} requests to mix in, {rate:g} for each real one")
    return ExitCode.HOLDS


@reviewer.command(short_help="How good their answers are.")
@_folder
@click.option("--fast", type=click.FloatRange(0), default=5.0, show_default=True, help="Seconds in which nobody reads.")
@json_option
def stats(folder: Path, *, fast: float, as_json: bool) -> ExitCode:
    """How long decisions take, how many come too fast to have been read, and which seeded errors were let pass."""
    from obverse.campaign.reviewers import reviews

    found = reviews(queue_of(folder).measured(), fast=fast)
    if as_json:
        print_json(_without_infinity(msgspec.to_builtins(found)))
        return ExitCode.HOLDS
    for one in (*found.reviewers, found.everybody) if len(found.reviewers) != 1 else found.reviewers:
        _say_reviewer(one)
    say(f"until a request is first seen: {_median(found.until_seen)}")
    say(f"until it is first answered: {_median(found.until_answered)}")
    say(f"{found.unanswered} were never answered, {found.waiting} wait")
    return ExitCode.HOLDS


def _say_reviewer(one: Reviewer) -> None:
    say(f"{one.name}: {one.answers} answers, {one.approved} approved, {one.unseen} without a look that is known")
    say(f"  time on a decision: {_median(one.decision)}")
    say(f"  answered within {one.fast_seconds:g} s: {_rate(one.fast)}")
    say(f"  seeded errors let pass: {_rate(one.missed)}")


def _rate(found: Estimate | NoEstimate) -> str:
    from obverse.stats.estimates import describe

    return describe(found) if found.counts.trials else "none seen yet"


def _median(found: Median) -> str:
    if found.median is None:
        return f"no median of {found.n}"
    if found.low is None or found.high is None:
        return f"too few for an interval (n = {found.n})"
    span = f"{_seconds(found.low)} to {_seconds(found.high)}"
    return f"{_seconds(found.median)}, {span} ({found.confidence * 100:g} %, n = {found.n})"


def _seconds(value: float) -> str:
    return "never" if math.isinf(value) else f"{value:.1f} s" if value < 100 else f"{value / 60:.1f} min"


def _without_infinity(value: Any) -> Any:
    match value:
        case dict():
            return {name: _without_infinity(item) for name, item in value.items()}
        case list():
            return [_without_infinity(item) for item in value]
        case float() if not math.isfinite(value):
            return "never"
    return value


def _ended(key: PublicKey, at: int) -> PublicKey:
    """The key, revoked; one that was revoked before keeps its date. Who comes back comes back with a new key."""
    return key if key.revoked is not None else msgspec.structs.replace(key, revoked=at)


def _show(person: Person, as_json: bool) -> None:
    if as_json:
        print_json(_document(person))
    else:
        _say(person)


def _say(person: Person) -> None:
    gone = "" if person.removed is None else "  removed"
    say(f"{person.name}  {', '.join(person.roles)}{gone}")
    for key in person.keys:
        say(one_line(f"  {key.id}  {key.kind}{f'  {key.label}' if key.label else ''}{_revoked(key)}"))


def _revoked(key: PublicKey) -> str:
    from obverse.guard.approvals.page import moment

    return "" if key.revoked is None else f"  revoked {moment(key.revoked)}"


def _document(person: Person) -> dict[str, Any]:
    keys = [
        {"id": key.id, "kind": key.kind, "label": key.label, "added": key.added, "revoked": key.revoked}
        for key in person.keys
    ]
    return {
        "name": person.name, "roles": person.roles, "levels": person.levels, "removed": person.removed, "keys": keys,
    }  # fmt: skip
