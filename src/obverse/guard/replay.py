"""Replay: every verdict in a ledger computed again, from the ledger alone. What a guard claims, a stranger recomputes.

Each session is followed entry by entry (`guard.retold`): its history, its head, what was decided, what was released and why. The policy
is the one that lies in the log, if it has the digest that the session names. Whether the log itself holds is asked before, by
`ledger.verify`; whether a decision was wise is asked by nobody here.

What was erased cannot be replayed: it is named, and never counted as good. Not checked either: signatures of people whose keys the
reader does not give.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any, Final

import msgspec

from obverse.core.errors import EvidenceError, ObverseError, UntrustedInputError
from obverse.guard.people import Person
from obverse.guard.records import ENTRY
from obverse.guard.retold import Retold
from obverse.guard.tally import Replayed, Tally
from obverse.guard.warrants import Warrants
from obverse.ledger.contents import Item
from obverse.policy.check import check
from obverse.policy.checked import Checked
from obverse.policy.monitor import Monitor, Plan, Watches
from obverse.policy.parse import parse

SILENCE: Final = 180_000
"""Milliseconds without a sign of life of a guard that gives some, after which there is a gap."""

_RECORDED: Final = frozenset(ENTRY.values())
_OF_A_GUARD: Final = frozenset(ENTRY[name] for name in ("start", "stop", "heartbeat", "canary", "tampering"))


def replay(
    items: Iterable[Item],
    *,
    people: Mapping[str, Person] | None = None,
    silence: int = SILENCE,
    watching: Callable[[Checked], Callable[[], Watches]] | None = None,
) -> Replayed:
    """What came out when everything that guards recorded was decided again, in order.

    `people` are the keys by which approvals and grants are checked; without them neither is. `watching` makes the evaluator of a
    policy's sessions; by default it is the reference.
    """
    found = Replaying(people, silence=silence, watching=watching)
    for item in items:
        found.take(item)
    return found.end()


def reference(checked: Checked) -> Callable[[], Watches]:
    """Makes monitors that decide by the reference evaluator."""
    plan = Plan(checked)
    return lambda: Monitor(checked, plan)


class _Guard(msgspec.Struct):
    """A guard's life, as far as it was read."""

    id: str
    seen: int
    beats: bool = False
    stopped: bool = False


class Replaying:
    """A replay under way: `take` each entry of a log in order, then `end`."""

    def __init__(
        self,
        people: Mapping[str, Person] | None = None,
        *,
        silence: int = SILENCE,
        watching: Callable[[Checked], Callable[[], Watches]] | None = None,
    ) -> None:
        self.tally = Tally()
        self.silence = silence
        self.watching = watching or reference
        self.warrants = Warrants(people, self.tally)
        self.guard: _Guard | None = None
        self.policies: dict[str, tuple[Checked, Callable[[], Watches]] | None] = {}
        self.sessions: dict[str, Retold] = {}
        self.over: set[str] = set()
        self.suspended: dict[str, Retold] = {}

    def take(self, item: Item) -> None:
        """The next entry."""
        entry = item.entry
        self.tally.guarded |= entry.type in _OF_A_GUARD or (entry.session is not None and entry.type in _RECORDED)
        try:
            if entry.type in _OF_A_GUARD:
                self._guard(item)
            elif entry.type == ENTRY["policy"]:
                self._policy(item)
            elif entry.type in (ENTRY["grant"], ENTRY["revocation"]):
                self.warrants.take(item)
            elif entry.type == ENTRY["session"]:
                self._session(item)
            elif entry.type == ENTRY["restore"]:
                self._restored(item)
            elif entry.session is not None and entry.type in _OF_A_SESSION:
                self._of_session(item, entry.session)
        except (
            ObverseError,
            LookupError,
            TypeError,
            ValueError,
            ArithmeticError,
            AttributeError,
            RecursionError,
        ) as error:
            # a hostile body
            said = error.message if isinstance(error, ObverseError) else "its body is not of a known form"
            self.tally.fault(item.index, f"{entry.type}: {said}")

    def end(self) -> Replayed:
        """What was found."""
        for name in list(self.sessions):
            self._closed(name)
        self.warrants.end()
        return self.tally.replayed

    def _guard(self, item: Item) -> None:
        entry, name = item.entry, str(item.entry.body["guard"])
        if entry.type == ENTRY["start"]:
            if self.guard is not None and not self.guard.stopped:
                self.tally.gap(f"the guard before entry {item.index:,} ended without a word, as by a kill")
            for session in list(self.sessions):
                self._closed(session)
            self.guard = _Guard(id=name, seen=entry.time)
            return
        if self.guard is None or self.guard.id != name or self.guard.stopped:
            raise EvidenceError(f"the guard `{name[:40]}` is not the one that runs", code="G170")
        self._alive(item)
        self.guard.beats |= entry.type == ENTRY["heartbeat"]
        if entry.type == ENTRY["stop"]:
            self.guard.stopped = True
        if entry.type == ENTRY["tampering"]:
            self.tally.gap(f"entry {item.index:,}: the guard found that it was tampered with")

    def _alive(self, item: Item) -> None:
        """Any entry is a sign of life; a guard that sends heartbeats is not silent for long."""
        if self.guard is None:
            return
        quiet = item.entry.time - self.guard.seen
        if self.guard.beats and quiet > self.silence:
            self.tally.gap(f"{quiet / 1000:,.0f} s without a sign of life before entry {item.index:,}")
        self.guard.seen = max(self.guard.seen, item.entry.time)

    def _policy(self, item: Item) -> None:
        """The policy is the one that the digest names, or nothing under it can be replayed."""
        wanted = str(item.entry.body["policy"])
        names = [str(name) for name in item.entry.body["files"]]
        files = {name: item.payloads.get(f"file.{number}") for number, name in enumerate(names)}
        if self.policies.get(wanted) is not None:
            return
        self.policies[wanted] = None
        if not names or None in files.values():
            self.tally.erased(item.index, "the policy")
            return
        there = {name: data for name, data in files.items() if data is not None}
        checked = _checked(names[0], there)
        if checked.digest != wanted:
            raise EvidenceError("the policy that is kept is not the one that is named", code="G171")
        self.policies[wanted] = checked, self.watching(checked)

    def _session(self, item: Item) -> None:
        entry = item.entry
        name, policy = str(entry.session), str(entry.body["policy"])
        if name in self.sessions or name in self.over:
            raise EvidenceError(f"there was a session `{name[:80]}` already", code="G172")
        if self.guard is None or self.guard.stopped or self.guard.id != entry.body["guard"]:
            raise EvidenceError("a session of a guard that does not run", code="G170")
        if policy not in self.policies:
            raise EvidenceError("a session under a policy that was never loaded", code="G171")
        self._alive(item)
        known = self.policies[policy]
        checked, watch = (None, None) if known is None else (known[0], known[1]())
        self.tally.sessions += 1
        self.sessions[name] = Retold(item, checked, watch, self.warrants, self.tally)

    def _of_session(self, item: Item, name: str) -> None:
        session = self.sessions.get(name)
        if session is None:
            gone = "is over" if name in self.over else "never began"
            raise EvidenceError(f"an entry of a session that {gone}", code="G172")
        self._alive(item)
        if item.entry.type == ENTRY["suspend"]:
            self.suspended[session.suspend(item)] = self.sessions.pop(name)
            self.over.add(name)
            return
        session.take(item)
        if item.entry.type == ENTRY["session end"]:
            self._closed(name)

    def _restored(self, item: Item) -> None:
        """A session that was suspended goes on, once."""
        entry = item.entry
        session = self.suspended.pop(str(entry.body["digest"]), None)
        if session is None or session.id != entry.session:
            raise EvidenceError("a session goes on that was not suspended, or went on before", code="G172")
        if self.guard is None or self.guard.stopped or self.guard.id != entry.body["guard"]:
            raise EvidenceError("a session of a guard that does not run", code="G170")
        self._alive(item)
        session.restore(item)
        self.over.discard(session.id)
        self.sessions[session.id] = session

    def _closed(self, name: str) -> None:
        self.sessions.pop(name).close()
        self.over.add(name)


_OF_A_SESSION: Final = frozenset(ENTRY.values()) - _OF_A_GUARD - {
    ENTRY["policy"], ENTRY["grant"], ENTRY["revocation"], ENTRY["lease"], ENTRY["session"], ENTRY["restore"]
}  # fmt: skip


def _checked(name: str, files: Mapping[str, bytes]) -> Checked:
    """The policy in these files.

    Raises:
        EvidenceError: if it is none any more.
    """

    def beside(other: str) -> bytes:
        if other not in files:
            raise UntrustedInputError(f"`{other}` is not in the log", code="G171")
        return files[other]

    try:
        return check(parse(files[name], source=name, files=beside), source=name)
    except ObverseError as error:
        raise EvidenceError(f"the policy that is kept has faults: {error.message}", code="G171") from error


def lines(found: Replayed) -> list[str]:
    """What replay does not prove, for who reads the verdict of it."""
    said: list[Any] = [
        "that the agent had no other way to act: only what passed the guard is here",
        "that tools did what their results say, or that answers of judges are right: replay takes them as they stand",
    ]
    if found.approvals:
        said.append("that who approved understood it, or was shown the page that they signed for")
    if found.unreplayable_count:
        said.append(f"anything about {found.unreplayable_count:,} decisions: what they rest on was erased")
    return said
