"""Invitations: leave, given on the terminal, to register one passkey for one person, once and soon.

A token is shown once and kept as its digest only; who has it registers a key in that person's name. The file of an invitation is
renamed before the key is written, so of two who come at once one is refused.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from pathlib import Path
from typing import Final

import msgspec

from obverse.core.errors import MisuseError, UntrustedInputError
from obverse.core.files import write_whole
from obverse.guard.people import Person, PublicKey, Role, check_name, read_people, write_person

FOLDER: Final = "invitations"
LIFETIME: Final = 24 * 60 * 60 * 1000
_TOKEN_BYTES: Final = 24


class Invitation(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """For whom a key may be registered, what they may do, and until when (milliseconds since the epoch)."""

    name: str
    roles: tuple[Role, ...]
    expires: int


def invite(
    home: Path, name: str, roles: tuple[Role, ...], *, people: Path, now: int, fresh: Callable[[int], bytes]
) -> tuple[str, Invitation]:
    """A new invitation and its token. A person who is there keeps the roles that they have.

    Raises:
        MisuseError: if the name is none, or the person was removed.
    """
    person = read_people(people).get(check_name(name))
    if person is not None and person.removed is not None:
        raise MisuseError(f"`{name}` was removed", code="G610", hint="a name is not used again")
    token = fresh(_TOKEN_BYTES).hex()
    kept = Invitation(name=name, roles=person.roles if person else roles, expires=now + LIFETIME)
    path = _path(home, token)
    path.parent.mkdir(mode=0o700, exist_ok=True)
    write_whole(path, msgspec.json.encode(kept))
    return token, kept


def invited(home: Path, token: str, *, now: int) -> Invitation:
    """The invitation of this token.

    Raises:
        UntrustedInputError: if there is none, it was used, or it is over.
    """
    try:
        found = msgspec.json.decode(_path(home, token).read_bytes(), type=Invitation)
    except (OSError, msgspec.MsgspecError) as error:
        raise _refused() from error
    if now >= found.expires:
        raise _refused()
    return found


def accept(home: Path, token: str, key: PublicKey, *, people: Path, now: int) -> Person:
    """The person with this key as one more of theirs; the invitation is used up.

    Raises:
        UntrustedInputError: if there is no such invitation any more.
        MisuseError: if the key is somebody else's already.
    """
    found = invited(home, token, now=now)
    path = _path(home, token)
    try:
        path.rename(path.with_suffix(".used"))
    except OSError as error:
        raise _refused() from error
    before = read_people(people).get(found.name) or Person(name=found.name, roles=found.roles)
    if before.removed is not None:
        raise _refused()
    person = msgspec.structs.replace(before, keys=(*before.keys, key))
    write_person(people, person)
    return person


def _refused() -> UntrustedInputError:
    return UntrustedInputError(
        "this invitation is not good: it was used, it is over, or there was none", code="G611", hint="ask for another"
    )


def _path(home: Path, token: str) -> Path:
    """Named by the token's digest: nobody reads a token from the disk, and none leads to another file."""
    return home / FOLDER / f"{hashlib.sha256(token.encode()).hexdigest()}.json"
