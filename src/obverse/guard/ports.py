"""What the guard needs of the world, as protocols: a place to record, somebody who judges, people who are asked, grants.

Each has one real implementation in this project and may have others. A port that raises, hangs or lies makes a verdict stricter,
never milder (L16).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Protocol, TypeAlias

from obverse.core.events import AnyEvent, Step
from obverse.core.verdicts import Truth
from obverse.guard.records import Request, Said, Standing
from obverse.ledger.entries import Entry, Payload
from obverse.policy.ast import JudgedTerm
from obverse.policy.decision import Decision

Clock: TypeAlias = Callable[[], int]
"""Milliseconds since the epoch (UTC)."""

Fresh: TypeAlias = Callable[[int], bytes]
"""So many random bytes, from the system's own randomness; seeded in tests."""

Item: TypeAlias = tuple[Entry, Mapping[str, Payload]]
"""An entry and the payloads that it commits to."""


class Recorder(Protocol):
    """Where everything is written down first (L13). `ledger.log.Log` is one, `testing.MemoryRecorder` another."""

    def record(self, items: Sequence[Item]) -> int:
        """The place of the first of these entries, once all of them are durable; all or none.

        Raises:
            OSError: they could not be written; nothing that they speak of may happen.
        """
        ...


class Answerer(Protocol):
    """Somebody who answers a judged predicate about a text. May be slow, raise or lie; the guard holds the deadline."""

    @property
    def identity(self) -> str:
        """What its answers depend on; it stands in the ledger with each of them."""
        ...

    def answer(self, term: JudgedTerm, text: str, before: str | None) -> Truth:
        """The answer about this text; `before` is what it answers, where that is known."""
        ...


class People(Protocol):
    """The queue of requests for approval, and the signatures that come back. `guard.approvals.Queue` is one."""

    def ask(self, request: Request, shown: Mapping[str, object]) -> None:
        """Put the request where people see it; `shown` is what they are shown beside it."""
        ...

    def answers(self, request: str) -> tuple[Said, ...]:
        """What was said to this request, each with a signature that was checked just now against the keys in force."""
        ...

    def wait(self, request: str, seconds: float) -> None:
        """Returns when something was said to the request, or after this long."""
        ...

    def close(self, request: str, why: str) -> None:
        """Nobody need answer any more: it was used, it expired, the session went on."""
        ...


class Grants(Protocol):
    """The grants in force. `guard.grants.Register` is one; `policy.relax` says what a grant does to a decision (L12)."""

    def lift(
        self,
        decision: Decision,
        history: Sequence[AnyEvent],
        step: Step,
        *,
        session: str,
        holder: str,
        now: int,
        taken: Sequence[str] = (),
    ) -> Lifted:
        """The decision without the reasons that a grant in force lifts, and which grants those were. It uses nothing up.

        `taken` are the grants that earlier steps of the same turn will use, each as often as it is named.
        """
        ...

    def use(self, grants: Sequence[str], *, session: str, step: str, now: int) -> tuple[Item, ...]:
        """Counts one use of each of these, atomically over all sessions, and what to record of it.

        Raises:
            EvidenceError: one of them is used up, revoked or expired by now; none was counted.
        """
        ...

    def news(self, now: int) -> tuple[Item, ...]:
        """What to record of grants that were given or revoked, until it was `noted`."""
        ...

    def noted(self, items: Sequence[Item]) -> None:
        """These are in the ledger now."""
        ...


class Orders(Protocol):
    """What is ordered from outside of this process: leases, and stops. `guard.leases.Control` is one."""

    def begin(self, session: str, holder: str, *, now: int, until: int | None) -> None:
        """A session begins; where it needs a lease, it may run until then, unless somebody renews it."""
        ...

    def standing(self, session: str) -> Standing:
        """What is ordered for this session now. A lease that is gone or cannot be read is none."""
        ...

    def drop(self, session: str) -> None:
        """The session is over."""
        ...


class Lifted(Protocol):
    """A decision after grants. A `Decision` with the ids of the grants that made it milder."""

    @property
    def decision(self) -> Decision: ...

    @property
    def grants(self) -> tuple[str, ...]: ...
