"""The runner: asks what the plan says, no more than the caps allow, and never the same thing twice.

    (1) A trial that the journal holds is not asked again.
    (2) A trial is begun in the journal before its call, and counted only when it is durable there.
    (3) The same failure a few times over is an `error`, never an endless loop; what may pass is waited for, bounded.
    (4) A case that no unsettled claim rests on is not asked any more; a cap stops all.
    (5) A failure is held as an `error` once an answer came after it, or when all is asked. Where nothing is answered any
        more, the run ends with the reason and holds none of them: that was the world, and --resume asks them again.
    (6) After `stop` no call is made; those under way are awaited. A cap lets through what it counted already.

Not a scorer: what a trial came to is the business of `Ask`.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import Awaitable, Callable, Collection, Iterable, Iterator, Sequence
from decimal import Decimal
from typing import Final, Generic, Protocol, TypeAlias, TypeVar

import msgspec

from obverse.campaign.journal import JournalOf
from obverse.campaign.keys import Planned
from obverse.campaign.planning import cost
from obverse.campaign.records import Caps, Price, Trial
from obverse.campaign.spending import Meter
from obverse.core.errors import UnavailableError
from obverse.core.verdicts import Outcome
from obverse.targets.protocol import TargetError


class Due(Protocol):
    """What is asked: it has a content key, and belongs to something that may need it no more."""

    @property
    def key(self) -> str: ...

    @property
    def case(self) -> str: ...


class Came(Protocol):
    """What it came to. `error` is the kind of failure, None where there was an answer."""

    @property
    def key(self) -> str: ...

    @property
    def reason(self) -> str: ...

    @property
    def error(self) -> str | None: ...


_D = TypeVar("_D", bound=Due)
_C = TypeVar("_C", bound=Came)
_D_contra = TypeVar("_D_contra", bound=Due, contravariant=True)
_C_contra = TypeVar("_C_contra", bound=Came, contravariant=True)

LONGEST_WAIT_S: Final = 60.0
UNANSWERED: Final = 16
"""So many failures of trials begun since the last answer mean that nothing is answered any more (5). With faults on a fifth of
trials that would come by chance once in 10^11."""
NEVER_ANSWERED: Final = 5
"""The same where nothing was ever answered: an endpoint that is down or mistyped is told of soon."""


class Clock(Protocol):
    """Time, as the edge gives it: seconds that never go back, and a way to wait."""

    def now(self) -> float: ...

    async def sleep(self, seconds: float) -> None: ...


class Pace(msgspec.Struct, frozen=True, kw_only=True):
    """How hard to press the target."""

    concurrency: int = 16
    """Trials under way at once; more than the target has slots only makes a queue there."""
    per_second: float | None = None
    """Attempts begun per second at most, spread evenly; None is as fast as they come."""
    attempts: int = 5
    """How often one trial is tried when the failure may pass."""
    same_error: int = 3
    """The same failure this often in a row is an error, whatever attempts are left; a rate limit is waited for instead."""
    first_wait_s: float = 0.5
    """Before the second attempt; doubled each time, with a seeded jitter of up to a half."""


Ask: TypeAlias = Callable[[_D, Meter], Awaitable[_C]]
"""Makes the calls of one trial, counts them with the meter, and scores it. Raises TargetError where there was no answer."""


class Spent(msgspec.Struct, frozen=True):
    """What one trial took, over all its attempts."""

    meter: Meter
    attempts: int
    seconds: float


class Keeps(Protocol[_C_contra]):
    """The book that trials are counted in."""

    answered: int

    @property
    def keys(self) -> Collection[str]: ...

    @property
    def price(self) -> Price | None: ...

    @property
    def is_settled(self) -> bool: ...

    def is_needed(self, case: str) -> bool: ...

    def add(self, trial: _C_contra) -> None: ...


class Forms(Protocol[_D_contra, _C]):
    """How what a trial took, and its failure, stand in the record of it."""

    def failed(self, planned: _D_contra, error: TargetError, spent: Spent) -> _C: ...

    def ended(self, trial: _C, spent: Spent) -> _C: ...


class TrialForms:
    """Those of `obverse run`."""

    def failed(self, planned: Planned, error: TargetError, spent: Spent) -> Trial:
        """The trial that this planned one was, without an answer."""
        trial = Trial(
            key=planned.key, case=planned.case, round=planned.round, outcome=Outcome.ERROR, reason=error.message,
            error=error.kind,
        )  # fmt: skip
        return self.ended(trial, spent)

    def ended(self, trial: Trial, spent: Spent) -> Trial:
        """The trial with what it took."""
        return msgspec.structs.replace(
            trial, calls=spent.meter.calls, usage=spent.meter.tokens.usage, attempts=spent.attempts,
            seconds=round(spent.seconds, 4),
        )  # fmt: skip


class Ended(msgspec.Struct, frozen=True, kw_only=True):
    """Why a run came to its end: `all asked`, `settled`, `interrupted`, the cap that was reached, or that nothing was answered."""

    why: str
    complete: bool


class Runner(Generic[_D, _C]):
    """Runs the trials of one plan. `run` may be interrupted at any point; what was answered stays in the journal.

    It may be called again with what is due next, unless it ended early: caps, and failures since the last answer, are those of all
    calls together.
    """

    def __init__(
        self,
        *,
        ask: Ask[_D, _C],
        forms: Forms[_D, _C],
        journal: JournalOf[_C],
        book: Keeps[_C],
        pace: Pace,
        caps: Caps,
        clock: Clock,
        seed: int,
    ) -> None:
        self._ask, self._forms, self._journal, self._book = ask, forms, journal, book
        self._pace, self._caps, self._clock = pace, caps, clock
        self._jitter = random.Random(seed)  # noqa: S311  # spreads retries, guards nothing
        self._next_start = self._started = clock.now()
        self._spent = Meter()
        self._starting = 0  # trials that were let through, but made no call yet: caps must count them
        self._why: str | None = None
        self._ending = asyncio.Event()  # nothing more is let through, nothing is tried again
        self._halted = asyncio.Event()  # no call is made
        self._answers = 0  # of this start
        self._failures: list[_C] = []  # since the last answer
        self._unanswered = 0  # those of them that began since the last answer

    def stop(self, why: str) -> None:
        """Call nothing more (6)."""
        self._end(why)
        self._halted.set()

    async def run(self, planned: Iterable[_D], told: Callable[[_C], None] = lambda _trial: None) -> Ended:
        """Ask what is still to be asked. `told` hears of each trial once it is durable.

        Raises:
            UnavailableError: the target never answered (5), or the journal cannot be written.
        """
        waiting = self._waiting(planned)
        workers = [asyncio.create_task(self._work(waiting, told)) for _ in range(self._pace.concurrency)]
        try:
            await asyncio.gather(*workers)
        finally:
            for worker in workers:
                worker.cancel()
            await asyncio.gather(*workers, return_exceptions=True)
        if self._failures and not self._book.answered:
            raise _never_answered(self._failures)
        if self._why is None:
            await self._hold(self._taken_failures(), told)
        why = self._why or ("settled" if self._book.is_settled else "all asked")
        return Ended(why=why, complete=self._why is None)

    def _end(self, why: str) -> None:
        self._why = self._why or why
        self._ending.set()

    def _waiting(self, planned: Iterable[_D]) -> Iterator[_D]:
        for trial in planned:
            if trial.key in self._book.keys:  # (1)
                continue
            if not self._book.is_needed(trial.case):  # (4)
                continue
            if self._is_over():
                return
            self._starting += 1
            yield trial

    async def _work(self, waiting: Iterator[_D], told: Callable[[_C], None]) -> None:
        for planned in waiting:
            answers = self._answers
            await self._journal.begin(planned.key)  # (2)
            trial = await self._try(planned)
            if trial is None:
                continue
            if trial.error is not None:
                self._set_aside(trial, begun_since=answers == self._answers)
                continue
            self._answers += 1
            self._unanswered = 0
            await self._hold([trial, *self._taken_failures()], told)

    def _set_aside(self, trial: _C, *, begun_since: bool) -> None:
        """(5) Keep a failure until it is known whose fault it was."""
        self._failures.append(trial)
        # a provider that refuses the content is there, however many it refuses in a row
        self._unanswered += begun_since and trial.error != "content-filter"
        if self._unanswered >= (UNANSWERED if self._book.answered else NEVER_ANSWERED):
            self._end(f"the target answers no more: {trial.reason}")

    def _taken_failures(self) -> list[_C]:
        """(5) The failures so far, for which there is an answer now: they were those of their trials."""
        failures, self._failures = self._failures, []
        return failures

    async def _hold(self, trials: list[_C], told: Callable[[_C], None]) -> None:
        for trial in trials:
            await self._journal.answer(trial)
            self._book.add(trial)
            told(trial)

    async def _try(self, planned: _D) -> _C | None:
        """One trial, tried as often as makes sense (3); None if the run was stopped before it came to anything."""
        began, meter, last, same = self._clock.now(), Meter(self._spent), "", 0
        for attempt in range(1, self._pace.attempts + 1):
            if attempt > 1 and self._is_over():
                return None
            await self._await_turn()
            self._starting -= attempt == 1
            if self._halted.is_set():  # (6)
                return None
            try:
                trial = await self._ask(planned, meter)
            except TargetError as error:
                kind = f"{error.kind}: {error.message}"
                same = same + 1 if kind == last else 1
                last = kind
                patient = error.kind == "rate-limit" or same < self._pace.same_error
                if not error.is_retryable or not patient or attempt == self._pace.attempts:
                    return self._forms.failed(planned, error, Spent(meter, attempt, self._clock.now() - began))
                await self._pause(self._wait(attempt, error.retry_after_s), unless=self._ending)
            else:
                return self._forms.ended(trial, Spent(meter, attempt, self._clock.now() - began))
        raise AssertionError("a trial is tried at least once")

    def _wait(self, attempt: int, asked: float | None) -> float:
        own = self._pace.first_wait_s * 2 ** (attempt - 1) * (1 + self._jitter.random() / 2)
        return float(min(max(own, asked or 0.0), LONGEST_WAIT_S))

    async def _await_turn(self) -> None:
        if self._pace.per_second is None:
            return
        now = self._clock.now()
        start = max(now, self._next_start)
        self._next_start = start + 1 / self._pace.per_second
        if start > now:
            await self._pause(start - now, unless=self._halted)

    async def _pause(self, seconds: float, *, unless: asyncio.Event) -> None:
        """Wait so long, or until this happens."""
        waits = [asyncio.ensure_future(self._clock.sleep(seconds)), asyncio.ensure_future(unless.wait())]
        try:
            await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for wait in waits:
                wait.cancel()

    def _is_over(self) -> bool:
        """Whether nothing more is let through, be it for a cap that is reached now."""
        if self._why is None and (cap := self._cap_reached()) is not None:
            self._end(cap)
        return self._why is not None

    def _cap_reached(self) -> str | None:
        caps, spent = self._caps, self._spent
        if caps.calls is not None and spent.calls + self._starting >= caps.calls:
            return f"the cap of {caps.calls:,} calls was reached"
        if caps.tokens is not None and spent.tokens.total >= caps.tokens:
            return f"the cap of {caps.tokens:,} tokens was reached"
        money = cost(self._book.price, spent.tokens.prompt, spent.tokens.completion)
        if caps.money is not None and money is not None and money >= Decimal(caps.money):
            return f"the cap of {caps.money} in money was reached"
        if caps.seconds is not None and self._clock.now() - self._started >= caps.seconds:
            return f"the cap of {caps.seconds:g} s was reached"
        return None


def _never_answered(failures: Sequence[Came]) -> UnavailableError:
    first = failures[0]
    return UnavailableError(
        f"the target never answered: {first.reason}",
        code="R107",
        hint=f"{len(failures)} trials ended like this; nothing was counted. Mend it and go on with --resume",
    )
