"""Orders from outside of the guard's process: stops, and leases that somebody else renews. Files in one folder of the home.

    lease-HASH.json   until when a session may run; written by the guard when it begins, then by whoever renews it
    stop-HASH.json    this session must stop; `stop-all.json`: every session

A renewal is plain (whoever may write into the folder) or signed by somebody with the role `stop` (`guard.toml` says which). Where
it must be signed, a lease that nobody signed, or that is of another session, is no lease but tampering. Stopping needs no
signature: it makes nothing milder.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import msgspec

from obverse.core.errors import EvidenceError, ObverseError
from obverse.core.files import write_whole
from obverse.guard.people import Person
from obverse.guard.ports import Clock
from obverse.guard.records import Standing
from obverse.guard.signing import check, read_envelope, sign

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

KIND: Final = "obverse.lease/1"
ALL: Final = "all"
_LARGEST: Final = 65_536


class Lease(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A plain lease: until when, in milliseconds since the epoch, and who gave or renewed it."""

    session: str
    holder: str
    until: int
    by: str


class Stop(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """An order to stop; `session` None means every session that was open at that time."""

    session: str | None
    by: str
    why: str
    time: int


class Control:
    """The folder, as the guard reads it. `people` are asked only where renewals must be signed."""

    def __init__(self, folder: Path, *, clock: Clock, people: Callable[[], Mapping[str, Person]] | None = None) -> None:
        self._folder = folder
        self._clock = clock
        self._people = people
        self._begun: dict[str, tuple[int, frozenset[bytes]]] = {}
        self._given: dict[str, Lease] = {}

    def begin(self, session: str, holder: str, *, now: int, until: int | None) -> None:
        """A session begins, with its first lease where it needs one; what was ordered before is not meant for it."""
        self._begun[session] = now, self._lying(session)
        if until is not None:
            lease = self._given[session] = Lease(session=session, holder=holder, until=until, by="guard")
            write_whole(lease_file(self._folder, session), msgspec.json.encode(lease))

    def drop(self, session: str) -> None:
        """The session is over."""
        self._given.pop(session, None)
        self._begun.pop(session, None)
        lease_file(self._folder, session).unlink(missing_ok=True)
        stop_file(self._folder, session).unlink(missing_ok=True)

    def standing(self, session: str) -> Standing:
        """What is ordered for the session now.

        Raises:
            OSError: the folder cannot be read.
        """
        stop = self._stop(session)
        if stop is not None:
            return Standing(stop=stop.why, stopped_by=stop.by)
        given = self._given.get(session)
        if given is None:
            return Standing()
        try:
            data = _read(lease_file(self._folder, session))
        except FileNotFoundError:
            return Standing(tampering="the lease was removed")
        try:
            return self._lease(session, given, data)
        except (ObverseError, msgspec.MsgspecError, ValueError, RecursionError) as error:
            return Standing(tampering=f"a lease that is none: {error}")

    def ordered(self) -> frozenset[str]:
        """The names of files with an order to stop; `stop-all.json` among them, if it is there."""
        return frozenset(path.name for path in self._folder.glob("stop-*.json"))

    def _stop(self, session: str) -> Stop | None:
        """An order that came since the session began: by its time, or since it did not lie there then, whatever the clock says."""
        begun, before = self._begun.get(session, (0, frozenset()))
        for path in _stop_files(self._folder, session):
            try:
                data = _read(path)
                stop = msgspec.json.decode(data, type=Stop)
            except FileNotFoundError:
                continue
            except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
                return Stop(session=session, by="somebody", why="an order that cannot be read", time=0)
            if stop.session in {session, None} and (stop.time >= begun or _mark(data) not in before):
                return stop
        return None

    def _lying(self, session: str) -> frozenset[bytes]:
        """What orders lie there now that this session would follow."""
        found = set[bytes]()
        for path in _stop_files(self._folder, session):
            with contextlib.suppress(FileNotFoundError):
                found.add(_mark(_read(path)))
        return frozenset(found)

    def _lease(self, session: str, given: Lease, data: bytes) -> Standing:
        if self._people is None or data == msgspec.json.encode(given):
            lease = msgspec.json.decode(data, type=Lease)
            if lease.session != session:
                raise EvidenceError("it is of another session", code="G141")
            return Standing(until=lease.until, by=lease.by)
        signed = read_envelope(json.loads(data))
        attested = check(signed, self._people(), kind=KIND, role="stop", at=self._clock())
        until = attested.statement.get("until")
        if attested.statement.get("session") != session or type(until) is not int:
            raise EvidenceError("it is of another session, or of no time", code="G141")
        return Standing(until=until, by=attested.by)


def renew(folder: Path, session: str, *, until: int, by: str, time: int, key: Ed25519PrivateKey | None = None) -> None:
    """The lease of the session runs until then.

    Raises:
        FileNotFoundError: it has no lease.
    """
    path = lease_file(folder, session)
    data = _read(path)
    if key is not None:
        statement: dict[str, Any] = {"_type": KIND, "session": session, "until": until, "by": by, "time": time}
        write_whole(path, json.dumps(sign(statement, key).envelope).encode())
        return
    holder = json.loads(data).get("holder", "")
    write_whole(path, msgspec.json.encode(Lease(session=session, holder=str(holder), until=until, by=by)))


def order_stop(folder: Path, session: str | None, *, by: str, why: str, time: int) -> None:
    """This session must stop; None: every one that is open now."""
    write_whole(stop_file(folder, session), msgspec.json.encode(Stop(session=session, by=by, why=why, time=time)))


def lease_file(folder: Path, session: str) -> Path:
    """Where the lease of a session is; ids are anybody's, so they name no files."""
    return folder / f"lease-{_hash(session)}.json"


def stop_file(folder: Path, session: str | None) -> Path:
    """Where an order to stop is."""
    return folder / f"stop-{ALL if session is None else _hash(session)}.json"


def _stop_files(folder: Path, session: str) -> tuple[Path, Path]:
    return stop_file(folder, session), stop_file(folder, None)


def _mark(data: bytes) -> bytes:
    return hashlib.sha256(data).digest()


def _hash(session: str) -> str:
    return hashlib.sha256(session.encode(errors="backslashreplace")).hexdigest()[:32]


def _read(path: Path) -> bytes:
    with path.open("rb") as file:
        return file.read(_LARGEST)
