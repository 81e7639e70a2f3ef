"""What servers say of their tools, pinned: a digest of each definition, a lock of all, and what differs from it.

A definition is all that an agent is shown of a tool: name, title, description, schemas, annotations. A model acts on it, so a server
that changes a description has changed what the model is told to do. The lock is what somebody agreed to; whatever differs is held
until they agree to that too: it is neither shown nor called. `read_lock` and `write_lock` turn it into bytes and back; a folder's
lock is a file that people read and keep in version control.

Laws: the digest covers the whole definition; a tool is held unless it is in the lock, byte for byte of its canonical form; what a
server says of itself (`instructions`) is pinned like a tool. Not a judgement of the words: a bad description that was there from
the first day is agreed to by who agrees to it.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import Any, Final

import msgspec

from obverse.core.canon import digest
from obverse.core.errors import UntrustedInputError
from obverse.policy.decision import Unknown
from obverse.policy.reading import read_json

SCHEMA: Final = "obverse.mcp-lock/1"
LARGEST: Final = 50_000_000


class Definition(msgspec.Struct, frozen=True, kw_only=True):
    """A tool of one server as that server defines it: `said` is everything, in JSON's own types."""

    server: str
    name: str
    said: Mapping[str, Any]

    @property
    def digest(self) -> str:
        """Over the whole of it."""
        return digest_of(self.said)


class Pinned(msgspec.Struct, frozen=True, kw_only=True):
    """What was agreed to of one server: its instructions and its tools by name."""

    instructions: str | None = None
    tools: Mapping[str, Mapping[str, Any]] = {}


class Lock(msgspec.Struct, frozen=True, kw_only=True):
    """What was agreed to, by server."""

    schema: str = SCHEMA
    servers: Mapping[str, Pinned] = {}


class Change(msgspec.Struct, frozen=True, kw_only=True):
    """One thing that is not as agreed: `what` is `new`, `gone`, or the parts that differ: `changed: description`."""

    server: str
    tool: str
    what: str


INSTRUCTIONS: Final = "(instructions)"
"""Stands for the tool's name in a change of a server's instructions; no tool has it."""


def lock_of(servers: Mapping[str, tuple[str | None, Sequence[Definition]]]) -> Lock:
    """The lock that agrees to all of this: instructions and definitions by server."""
    return Lock(
        servers={
            name: Pinned(instructions=instructions, tools={one.name: one.said for one in definitions})
            for name, (instructions, definitions) in sorted(servers.items())
        }
    )


def without(lock: Lock, servers: Collection[str]) -> Lock:
    """The lock without these servers, as if they had never been seen."""
    return Lock(servers={name: pinned for name, pinned in lock.servers.items() if name not in servers})


def changes(pinned: Pinned, server: str, instructions: str | None, now: Sequence[Definition]) -> tuple[Change, ...]:
    """What differs from what was agreed to of this server, in the order in which it says it now; at the end what is gone."""
    found = []
    if instructions != pinned.instructions:
        found.append(Change(server=server, tool=INSTRUCTIONS, what="changed" if pinned.instructions else "new"))
    for one in now:
        agreed = pinned.tools.get(one.name)
        if agreed is None:
            found.append(Change(server=server, tool=one.name, what="new"))
        elif digest_of(agreed) != one.digest:
            found.append(Change(server=server, tool=one.name, what=f"changed: {', '.join(_parts(agreed, one.said))}"))
    names = {one.name for one in now}
    found.extend(Change(server=server, tool=name, what="gone") for name in pinned.tools if name not in names)
    return tuple(found)


def read_lock(data: bytes, *, source: str) -> Lock:
    """The lock in these bytes.

    Raises:
        UntrustedInputError: they hold none.
    """
    try:
        if len(data) > LARGEST or isinstance(read_json(data.decode()), Unknown):
            raise UntrustedInputError("not JSON, or with a key twice in one object", code="G501", source=source)
        lock = msgspec.json.decode(data, type=Lock)
    except (msgspec.MsgspecError, UnicodeDecodeError) as error:
        raise UntrustedInputError("no lock of tool definitions", code="G501", source=source) from error
    if lock.schema != SCHEMA:
        raise UntrustedInputError(
            f"a lock of another version: `{lock.schema[:40]}`",
            code="G501",
            source=source,
            hint=f"it must be `{SCHEMA}`",
        )
    return lock


def write_lock(lock: Lock) -> bytes:
    """The lock as a file that people read: sorted, indented, one final line end."""
    return msgspec.json.format(msgspec.json.encode(lock, order="sorted"), indent=2) + b"\n"


def digest_of(said: Mapping[str, Any]) -> str:
    """Over canonical JSON of a definition; numbers are exact."""
    value = read_json(msgspec.json.encode(said).decode())
    if isinstance(value, Unknown):  # too deep, or endless numbers: it is equal to nothing but itself
        return digest({"unreadable": repr(said)})
    return digest(value)


def _parts(agreed: Mapping[str, Any], now: Mapping[str, Any]) -> list[str]:
    """The members that differ; two programs' spellings of one number differ in none, and yet in the digest."""
    return sorted(key for key in {*agreed, *now} if agreed.get(key) != now.get(key)) or ["numbers"]
