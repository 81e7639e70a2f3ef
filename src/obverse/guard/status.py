"""What a guard's home tells whoever looks from outside, while it runs or afterwards: from its log, its lock and its orders.

Reads what is under a checkpoint, which may be a moment behind. Not evidence: `obverse ledger verify` is for that.
"""

from __future__ import annotations

import fcntl
from collections.abc import Iterable
from typing import Literal, TypeAlias

import msgspec

from obverse.core.errors import EvidenceError
from obverse.guard.home import Home
from obverse.guard.leases import Lease, Stop
from obverse.guard.records import ENTRY
from obverse.ledger.contents import Contents, Item
from obverse.ledger.log import LOCK
from obverse.ledger.reader import Folder

SessionState: TypeAlias = Literal["open", "stopped", "ended", "lost"]
"""`lost`: it was open when the guard died, and is open nowhere."""


class SessionStatus(msgspec.Struct, frozen=True, kw_only=True):
    """A session of the newest guard; `until` is when its lease ends."""

    session: str
    holder: str
    state: SessionState
    since: int
    until: int | None = None


class Status(msgspec.Struct, frozen=True, kw_only=True):
    """The newest guard of a home. Times are milliseconds since the epoch; None is never."""

    home: str
    policy: str
    running: bool
    entries: int
    started: int | None
    heartbeat: int | None
    sessions: tuple[SessionStatus, ...]
    stops: tuple[str, ...]
    tampering: tuple[str, ...]


def status_of(home: Home) -> Status:
    """How it stands.

    Raises:
        EvidenceError: the log cannot be read.
    """
    try:
        return _status(home)
    except (KeyError, TypeError, ValueError, AttributeError) as error:  # a hostile body
        raise EvidenceError("the log holds entries that no guard writes", code="G160") from error


def _status(home: Home) -> Status:
    contents = Contents(Folder(home.ledger))
    running = is_running(home)
    items: list[Item] = []
    started: int | None = None
    heartbeat: int | None = None
    for item in contents.items():
        if item.entry.type == ENTRY["start"]:
            items, started, heartbeat = [], item.entry.time, None
        elif item.entry.type == ENTRY["heartbeat"]:
            heartbeat = item.entry.time
        items.append(item)
    return Status(
        home=str(home.folder), policy=home.loaded.checked.name, running=running, entries=contents.size,
        started=started, heartbeat=heartbeat, sessions=_sessions(home, items, running=running), stops=_stops(home),
        tampering=tuple(str(one.entry.body["what"]) for one in items if one.entry.type == ENTRY["tampering"]),
    )  # fmt: skip


def is_running(home: Home) -> bool:
    """Whether a process holds the log of this home."""
    with (home.ledger / LOCK).open("ab") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            return True
        fcntl.flock(lock, fcntl.LOCK_UN)
        return False


def _sessions(home: Home, items: Iterable[Item], *, running: bool) -> tuple[SessionStatus, ...]:
    """The sessions of these entries, and those that have a lease and no entry yet."""
    leases = {lease.session: lease for lease in _leases(home)}
    found: dict[str, SessionStatus] = {}
    for item in items:
        entry, name = item.entry, item.entry.session or ""
        if entry.type == ENTRY["session"]:
            lease = leases.pop(name, None)
            found[name] = SessionStatus(
                session=name, holder=str(entry.body["holder"]), state="open" if running else "lost", since=entry.time,
                until=None if lease is None else lease.until,
            )  # fmt: skip
        elif entry.type in {ENTRY["session stop"], ENTRY["session end"]} and name in found:
            state: SessionState = "stopped" if entry.type == ENTRY["session stop"] else "ended"
            found[name] = msgspec.structs.replace(found[name], state=state)
    return tuple(found.values())


def _leases(home: Home) -> list[Lease]:
    found = []
    for path in sorted(home.control.glob("lease-*.json")):
        try:
            found.append(msgspec.json.decode(path.read_bytes(), type=Lease))
        except (OSError, msgspec.MsgspecError, UnicodeDecodeError):
            continue  # signed, or none: the guard itself says which
    return found


def _stops(home: Home) -> tuple[str, ...]:
    found = []
    for path in sorted(home.control.glob("stop-*.json")):
        try:
            stop = msgspec.json.decode(path.read_bytes(), type=Stop)
        except (OSError, msgspec.MsgspecError, UnicodeDecodeError):
            found.append(f"an order that cannot be read: {path.name}")
        else:
            found.append(f"{stop.session or 'every session'}, by {stop.by}: {stop.why}")
    return tuple(found)
