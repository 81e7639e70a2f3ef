"""The life of a session: what its host tells it, and what ends it: its owner, a person, a lost lease, the guard's own faults.

    (1) Once it is not open, nothing is released any more, and no permit is worth anything.
    (2) An order to stop takes effect at once, also while a turn is being decided; that it cannot be recorded does not hinder it.
    (3) What cannot be known (an order that cannot be read, a record that hangs) ends it (L16).

Not here: turns (`session`).
"""

from __future__ import annotations

import threading
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from typing import Any, Final, Self

from obverse.core.canon import Value, digest_bytes
from obverse.core.errors import MisuseError
from obverse.core.events import AnyEvent, Fact, Message, Result, System, Thought
from obverse.guard.bounded import DoubtError
from obverse.guard.history import History
from obverse.guard.parts import Parts
from obverse.guard.records import Permit, Standing, State
from obverse.guard.suspended import Suspended, encode
from obverse.guard.turn import readable

FAILURES: Final = 2
"""So many turns in a row that the core could not settle stop the session."""
TAMPERING: Final = "guard.tampering"
"""The fact that says what was tampered with, where the policy declares it."""


class Life(ABC):
    """A session without its turns."""

    __slots__ = (
        "_doubtful", "_failed_at", "_failures", "_jumps", "_lease", "_lock", "_names", "_parts", "_past", "_permits", "_stirred", "_stopping",
        "_turns", "holder", "id", "left", "state",
    )  # fmt: skip

    def __init__(self, parts: Parts, *, session: str, holder: str) -> None:
        self.id = session
        self.holder = holder
        self.state: State = "open"
        self.left = False
        """Whether its owner ended it, be it stopped before or not: nobody looks for it any more."""
        self._parts = parts
        self._past = History(parts, session)
        self._lock = threading.RLock()
        self._stirred: threading.Event | None = None
        self._stopping: tuple[str, str] | None = None
        self._permits: dict[str, Permit] = {}
        self._names: dict[str, str] = {}
        """The permits that were given, by the agent's name of the call; until it has a result."""
        self._turns = 0
        self._failures = 0
        self._failed_at = -1
        self._doubtful = False
        self._lease: int | None = None
        self._jumps = 0 if parts.pace is None else parts.pace.jumps
        start = {"guard": parts.guard, "policy": parts.checked.digest, "holder": holder, "head": self.head}
        self._past.note(self._past.write.item("session", self._past.time(), start))

    @property
    def head(self) -> str:
        """The digest that chains all that happened."""
        return self._past.head

    # --- what the host tells --------------------------------------------------------------------------------------------

    def system(self, text: str) -> str:
        """The id of this instruction of the operator."""
        with self._lock:
            return self._note(System(id=self._past.name(), time=self._past.time(), text=readable(text)))

    def message(self, text: str, labels: Mapping[str, bool] | None = None) -> str:
        """The id of what the user said; `labels` are answers to judged predicates that the host vouches for."""
        with self._lock:
            said = Message(id=self._past.name(), time=self._past.time(), text=readable(text), labels=labels or {})
            return self._note(said)

    def thought(self, text: str) -> str:
        """The id of what the agent wrote for itself."""
        with self._lock:
            return self._note(Thought(id=self._past.name(), time=self._past.time(), text=readable(text)))

    def fact(self, name: str, value: Value) -> str:
        """The id of a fact that the host vouches for."""
        with self._lock:
            return self._note(Fact(id=self._past.name(), time=self._past.time(), name=name, value=value))

    def result(self, call_id: str, output: str, *, failed: bool = False) -> str:
        """The id of what a released call gave back.

        Raises:
            MisuseError: if no call of this id was released and is open.
        """
        with self._lock:
            tool = self._past.open.get(call_id)
            if tool is None:
                raise MisuseError(
                    f"no open call `{call_id[:80]}`", code="G101", hint="a result answers one released call, once"
                )
            self._permits.pop(self._names.pop(call_id, ""), None)  # what has a result does not run any more
            return self._note(
                Result(
                    id=self._past.name(), time=self._past.time(), call_id=call_id, tool=tool, output=readable(output),
                    failed=failed,
                )
            )  # fmt: skip

    def _note(self, event: AnyEvent) -> str:
        """Something happened: into the history and the head, and on record with the next decision at the latest."""
        if self.state == "ended":
            raise MisuseError(f"the session `{self.id}` has ended", code="G102")
        self._supersede("superseded", "the session went on")
        self._past.add(event)
        if self._past.waiting >= self._parts.settings.most_waiting or self.state != "open":
            self._flush()
        return event.id

    # --- its end --------------------------------------------------------------------------------------------------------

    def stop(self, by: str, why: str) -> None:
        """Nothing is released any more, from this moment on: a turn that is being decided is denied."""
        self._order(by, why)
        with self._lock:
            self._close("stopped", by, why)

    def end(self) -> None:
        """The session is over; what happened is recorded."""
        with self._lock:
            self.left = True
            self._close("ended", "owner", "ended by its owner")

    def suspend(self) -> tuple[bytes, str]:
        """The session as bytes, and their digest, which is on record: it ends here, and may go on elsewhere, once.

        Raises:
            MisuseError: it is not open.
            OSError: it could not be recorded; then it ends, and goes on nowhere.
        """
        with self._lock:
            self._obey()  # who is to stop does not go on elsewhere
            self._supersede("superseded", "the session was suspended")
            if self.state != "open":
                raise MisuseError(f"the session `{self.id}` is {self.state}", code="G102")
            data = encode(self._past.suspended(session=self.id, holder=self.holder, turns=self._turns))
            self._abandon("ended")
            body = {"digest": digest_bytes(data), "head": self.head}
            self._past.record([self._past.write.item("suspend", self._past.now, body)])
            if self._stopping is not None:  # the order came meanwhile: nobody gets the bytes
                raise MisuseError(f"the session `{self.id}` is stopped", code="G102")
            return data, body["digest"]

    def take_up(self, found: Suspended, digest: str) -> None:
        """Goes on where another process suspended it; called before anything else."""
        self._past.take_up(found)
        self._turns = found.turns
        body = {
            "guard": self._parts.guard, "policy": found.policy, "holder": found.holder, "head": found.head, "digest": digest,
        }  # fmt: skip
        try:
            self._past.record([self._past.write.item("restore", self._past.time(), body)])
        except Exception:
            self._abandon("ended")
            raise

    def tampered(self, what: str, detail: str = "") -> None:
        """Something was tampered with: a fact of this session from now on, and the end of it if the settings say so."""
        settings = self._parts.settings
        if settings.on_tampering == "stop" and what not in settings.tolerated:
            self._order("guard", f"tampering: {what}")
        with self._lock:
            if detail:
                body = {"guard": self._parts.guard, "what": what}
                self._past.note(self._past.write.item("tampering", self._past.now, body, {"detail": detail.encode()}))
            if TAMPERING in self._parts.checked.facts and self.state == "open":
                self._note(Fact(id=self._past.name(), time=self._past.now, name=TAMPERING, value=what))
            if self._stopping is not None:
                self._close("stopped", *self._stopping)
            self._flush()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.end()

    def _order(self, by: str, why: str) -> None:
        """(2) Seen by a turn that is being decided, which holds the lock."""
        self._stopping = self._stopping or (by, why)
        if self._stirred is not None:
            self._stirred.set()

    def _close(self, state: State, by: str, why: str) -> None:
        """The end, unless it came before: the turn that waits is denied, and everything is on record if it can be."""
        try:
            if self.state == "open":
                self._supersede("stopped", "the session is over")
            if self.state == "open":  # a record that failed may have ended it by now
                self._shut(state, by, why)
                self._flush()
        finally:
            self._abandon(state)

    def _shut(self, state: State, by: str, why: str) -> None:
        """(1) The end itself, to be recorded."""
        self._abandon(state)
        kind = "session stop" if state == "stopped" else "session end"
        self._past.note(self._past.write.item(kind, self._past.now, {"why": why, "by": by, "head": self.head}))
        orders = self._parts.orders
        if orders is not None:
            self._try(lambda: self._parts.bounded(lambda: orders.drop(self.id), "the orders"))

    def _abandon(self, state: State) -> None:
        """(1) The end, on record or not."""
        self.state = state if self.state == "open" else self.state
        self._permits.clear()

    @abstractmethod
    def _supersede(self, ended: str, why: str) -> None:
        """The turn that waits for people, if one does, is denied: the session goes on without it."""

    # --- orders from outside --------------------------------------------------------------------------------------------

    def look(self) -> None:
        """Follows what is ordered for the session, though it proposes nothing. One that is deciding does so by itself."""
        if self._lock.acquire(blocking=False):
            try:
                self._obey()
            finally:
                self._lock.release()

    def _obey(self) -> None:
        """What is ordered for this session, followed; (3) what cannot be read is an order to stop."""
        if self.state != "open":
            return None
        pace, orders = self._parts.pace, self._parts.orders
        if pace is not None and pace.look() != self._jumps:
            self._jumps = pace.jumps
            self.tampered("clock", pace.detail)
        if self._stopping is not None:
            return self._close("stopped", *self._stopping)
        if orders is None or self.state != "open":
            return None
        try:
            found = self._parts.bounded(lambda: orders.standing(self.id), "the orders")
            now = self._past.time()
        except Exception as fault:  # boundary: who cannot be told to stop stops; it is recorded
            return self._close("stopped", "guard", f"the orders cannot be read: {said_of(fault)}")
        return self._follow(found, now)

    def _follow(self, found: Standing, now: int) -> None:
        if found.tampering is not None:
            self.tampered("lease", found.tampering)
        if found.stop is not None:
            self._close("stopped", "person", f"{found.stopped_by or 'somebody'}: {found.stop}")
        elif self._parts.settings.lease_seconds is not None and (found.until is None or found.until < now):
            self._note_lease("lost", found.until, found.by)
            self._close("stopped", "lease", "its lease was not renewed")
        elif found.until is not None and found.until != self._lease:
            self._note_lease("given" if self._lease is None else "renewed", found.until, found.by)

    def _note_lease(self, what: str, until: int | None, by: str | None) -> None:
        self._lease = until
        body = {"what": what, "holder": self.holder, "until": until, "by": by}
        self._past.note(self._past.write.item("lease", self._past.now, body))

    # --- faults ---------------------------------------------------------------------------------------------------------

    def _fail(self, fault: Exception) -> None:
        """Something raised: once a turn it counts, and the second in a row ends the session; so does what leaves it in doubt."""
        if self._failed_at != self._turns:
            self._failures, self._failed_at = self._failures + 1, self._turns
        doubtful = self._doubtful or isinstance(fault, DoubtError)
        if doubtful:
            self._past.lose()
        if self.state == "open" and (doubtful or self._failures >= FAILURES):
            self._shut("stopped", "guard", f"the guard failed: {said_of(fault)}")

    def _flush(self) -> None:
        """Everything that waits is on record, or goes on waiting."""
        try:
            self._past.record(())
        except Exception as fault:  # boundary: it counts as a failure; nothing is released without its record
            self._fail(fault)

    def _try(self, work: Callable[[], Any]) -> None:
        """For what is only a courtesy to others."""
        try:
            work()
        except Exception:  # boundary: the session's own state says what holds; nobody relies on this
            return


def said_of(fault: Exception) -> str:
    """A fault in one short line, for the log."""
    return f"{type(fault).__name__}: {fault}"[:300]
