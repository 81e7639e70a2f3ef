"""The runner: asks what the plan says, no more than the caps allow, and never the same thing twice.

    (1) A trial that the journal holds is not asked again.
    (2) A trial is begun in the journal before its call, and counted only when its answer is durable there.
    (3) The same failure a few times over is an `error`, never an endless loop; what may pass is waited for, bounded.
    (4) A claim that is settled stops the trials that only it needs; a cap stops all.
    (5) If nothing at all was ever answered, the run ends with the reason, and those failures are not held.

Order matters: claims are fed in the order of the plan, whatever order the answers come in, since a refusal is quick to come
and a claim that is fed by speed is fed by outcome.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import Awaitable, Callable, Iterable, Iterator
from decimal import Decimal
from typing import Final, Protocol

import msgspec

from obverse.campaign.book import Book
from obverse.campaign.journal import Journal
from obverse.campaign.keys import Planned
from obverse.campaign.records import Caps, Trial
from obverse.core.errors import UnavailableError
from obverse.core.verdicts import Outcome
from obverse.targets.protocol import TargetError

LONGEST_WAIT_S: Final = 60.0


class Clock(Protocol):
    """Time, as the edge gives it: seconds that never go back, and a way to wait."""

    def now(self) -> float: ...

    async def sleep(self, seconds: float) -> None: ...


class Pace(msgspec.Struct, frozen=True, kw_only=True):
    """How hard to press the target."""

    concurrency: int = 16
    """Calls under way at once; more than the target has slots only makes a queue there."""
    per_second: float | None = None
    """Calls begun per second at most, spread evenly; None is as fast as they come."""
    attempts: int = 5
    """How often one trial is tried when the failure may pass."""
    same_error: int = 3
    """The same failure this often in a row is an error, whatever attempts are left; a rate limit is waited for instead."""
    first_wait_s: float = 0.5
    """Before the second attempt; doubled each time, with a seeded jitter of up to a half."""


Ask = Callable[[Planned], Awaitable[Trial]]
"""Makes the calls of one trial and scores it. Raises TargetError where there was no answer."""


class Ended(msgspec.Struct, frozen=True, kw_only=True):
    """Why a run came to its end: `all asked`, `settled`, `interrupted`, or the cap that was reached."""

    why: str
    complete: bool


class Runner:
    """Runs the trials of one plan. `run` may be interrupted at any point; what was answered stays in the journal."""

    def __init__(
        self, *, ask: Ask, journal: Journal, book: Book, pace: Pace, caps: Caps, clock: Clock, seed: int
    ) -> None:
        self._ask, self._journal, self._book = ask, journal, book
        self._pace, self._caps, self._clock = pace, caps, clock
        self._jitter = random.Random(seed)  # noqa: S311  # spreads retries, guards nothing
        self._next_start = self._started = clock.now()
        self._stop: str | None = None
        self._failures: list[Trial] = []

    def stop(self, why: str) -> None:
        """Begin nothing more; what is under way is awaited."""
        self._stop = self._stop or why

    async def run(self, planned: Iterable[Planned], told: Callable[[Trial], None] = lambda _trial: None) -> Ended:
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
        for trial in self._failures:
            await self._hold(trial, told)
        why = self._stop or ("settled" if self._book.skipped else "all asked")
        return Ended(why=why, complete=self._stop is None)

    def _waiting(self, planned: Iterable[Planned]) -> Iterator[Planned]:
        for trial in planned:
            if self._stop is not None:
                return
            if trial.key in self._book.keys:  # (1)
                continue
            if not self._book.is_needed(trial.case):  # (4)
                self._book.skip()
                continue
            if (cap := self._cap_reached()) is not None:
                self.stop(cap)
                return
            yield trial

    async def _work(self, waiting: Iterator[Planned], told: Callable[[Trial], None]) -> None:
        for planned in waiting:
            await self._await_turn()
            await self._journal.begin([planned.key])  # (2)
            trial = await self._try(planned)
            if trial.outcome is Outcome.ERROR and not self._book.answered:
                self._failures.append(trial)
                if len(self._failures) >= max(3, min(self._pace.concurrency, 16)):
                    self.stop("the target never answered")  # (5)
                continue
            await self._hold(trial, told)

    async def _hold(self, trial: Trial, told: Callable[[Trial], None]) -> None:
        await self._journal.answer(trial)
        self._book.add(trial)
        told(trial)

    async def _try(self, planned: Planned) -> Trial:
        """One trial, tried as often as makes sense (3)."""
        began, last, same = self._clock.now(), "", 0
        for attempt in range(1, self._pace.attempts + 1):
            self._book.calls += 1
            try:
                trial = await self._ask(planned)
            except TargetError as error:
                kind = f"{error.kind}: {error.message}"
                same = same + 1 if kind == last else 1
                last = kind
                patient = error.kind == "rate-limit" or same < self._pace.same_error
                if not error.is_retryable or not patient or attempt == self._pace.attempts or self._stop:
                    return _failed(planned, error, attempt, self._clock.now() - began)
                await self._clock.sleep(self._wait(attempt, error.retry_after_s))
            else:
                seconds = round(self._clock.now() - began, 4)
                return msgspec.structs.replace(trial, attempts=attempt, seconds=seconds)
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
            await self._clock.sleep(start - now)

    def _cap_reached(self) -> str | None:
        caps, book = self._caps, self._book
        if caps.calls is not None and book.calls >= caps.calls:
            return f"the cap of {caps.calls} calls was reached"
        if caps.tokens is not None and book.tokens >= caps.tokens:
            return f"the cap of {caps.tokens} tokens was reached"
        if caps.money is not None and book.money is not None and book.money >= Decimal(caps.money):
            return f"the cap of {caps.money} in money was reached"
        if caps.seconds is not None and self._clock.now() - self._started >= caps.seconds:
            return f"the cap of {caps.seconds:g} s was reached"
        return None


def _failed(planned: Planned, error: TargetError, attempts: int, seconds: float) -> Trial:
    return Trial(
        key=planned.key,
        case=planned.case,
        round=planned.round,
        outcome=Outcome.ERROR,
        reason=error.message,
        attempts=attempts,
        seconds=round(seconds, 4),
        error=error.kind,
    )


def _never_answered(failures: list[Trial]) -> UnavailableError:
    first = failures[0]
    return UnavailableError(
        f"the target never answered: {first.reason}",
        code="R107",
        hint=f"{len(failures)} trials ended like this; nothing was counted. Mend it and go on with --resume",
    )
