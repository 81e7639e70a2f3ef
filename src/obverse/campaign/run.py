"""A run from its folder: start it, go on with it, or read it again.

A folder holds `journal.sqlite` (plan, trials), `run.json` (policy and suite as they were) and the reports. What a report says
is computed from these alone, so that it can be written again years later.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Final

import msgspec

from obverse.campaign.asking import Asker
from obverse.campaign.book import Book
from obverse.campaign.claiming import Claims
from obverse.campaign.journal import Journal, open_journal, read_plan, read_trials
from obverse.campaign.judging import Bench
from obverse.campaign.keys import Planned
from obverse.campaign.planning import Design, asked, plan_run, schedule
from obverse.campaign.records import JudgeLine, Plan, Summary, Trial
from obverse.campaign.runner import Clock, Ended, Pace, Runner, TrialForms
from obverse.campaign.summary import summarise
from obverse.cases.records import Suite
from obverse.core.chat import ToolSpec
from obverse.core.errors import UntrustedInputError
from obverse.core.files import write_whole
from obverse.core.verdicts import Outcome
from obverse.judges.judgement import JudgeCard
from obverse.policy import ast
from obverse.policy.check import check
from obverse.policy.checked import REFUSES, Checked
from obverse.policy.tools import tool_spec
from obverse.targets.protocol import Target

RUN: Final = "run.json"


class Kept(msgspec.Struct, frozen=True, kw_only=True):
    """What a run stands on, beside its plan."""

    schema: str = "obverse.run/1"
    policy: ast.Policy
    suite: Suite
    cards: tuple[JudgeCard, ...]
    judges: tuple[JudgeLine, ...]


class Ending(msgspec.Struct, frozen=True, kw_only=True):
    """How the last start of a run ended; absent while one is under way or after a kill."""

    why: str
    complete: bool
    started: str
    seconds: float


class Run:
    """One run, prepared: its plan is fixed and can be looked at before anything is asked."""

    def __init__(
        self, checked: Checked, suite: Suite, design: Design, target: Target, bench: Bench, *, step_limit: int = 16
    ) -> None:
        self.checked, self.suite, self.target, self.bench = checked, suite, target, bench
        self.tools: tuple[ToolSpec, ...] = tuple(tool_spec(tool) for tool in checked.tools.values())
        self.cases = {case.id: case for case in asked(suite)}
        self.step_limit = step_limit
        self.plan = plan_run(
            checked, suite, design, target=target.name, fingerprint=target.fingerprint(), tools=self.tools,
            judges=[f"{name}={judge.identity}" for name, judge in sorted(bench.judges.items())],
        )  # fmt: skip
        self.book = _book(checked, suite, self.plan, tuple(bench.cards.values()))
        self.runner: Runner[Planned, Trial] | None = None

    async def execute(
        self,
        folder: Path,
        *,
        pace: Pace,
        clock: Clock,
        started: str,
        resume: bool,
        retry_errors: bool = False,
        told: Callable[[Trial], None] = lambda _trial: None,
    ) -> Summary:
        """The summary of the run when it has ended; `stop` ends it early, and nothing that was answered is lost.

        `retry_errors` asks again what ended in an error, save where the content was what the provider refused.

        Raises:
            MisuseError: the folder holds another run, or somebody is at work in it.
            UntrustedInputError: the journal that it holds is damaged.
            UnavailableError: the target never answered, or the journal cannot be written.
        """
        journal = open_journal(folder, self.plan, resume=resume)
        try:
            self._keep(folder)
            retried = []
            for trial in journal.answered():
                if retry_errors and _may_be_retried(trial):
                    retried.append(trial)
                else:
                    self.book.add(trial)
            return await self._go(journal, pace, clock, started, told, retried)
        finally:
            journal.close()

    def stop(self, why: str) -> None:
        """Begin nothing more."""
        if self.runner is not None:
            self.runner.stop(why)

    async def _go(
        self,
        journal: Journal,
        pace: Pace,
        clock: Clock,
        started: str,
        told: Callable[[Trial], None],
        retried: Sequence[Trial],
    ) -> Summary:
        ask = Asker(
            self.checked, self.cases, self.target, self.bench, tools=self.tools, sampling=self.plan.sampling,
            mode=self.plan.mode, step_limit=self.step_limit,
        )  # fmt: skip
        await journal.note("ending", None)  # until this start has one of its own
        began = clock.now()
        self.runner = Runner(
            ask=ask, forms=TrialForms(), journal=journal, book=self.book, pace=pace, caps=self.plan.caps, clock=clock,
            seed=self.plan.seed,
        )  # fmt: skip
        ended = await self.runner.run(schedule(self.plan, asked(self.suite)), told)
        for trial in retried:  # those whose turn did not come again are what they were
            self.book.add(trial)
        ending = Ending(why=ended.why, complete=ended.complete, started=started, seconds=round(clock.now() - began, 3))
        await journal.note("ending", ending)
        return _summary(self.checked, self.suite, self.plan, self.book, self.bench.lines(), ending)

    def _keep(self, folder: Path) -> None:
        kept = Kept(
            policy=self.checked.source,
            suite=self.suite,
            cards=tuple(self.bench.cards.values()),
            judges=self.bench.lines(),
        )
        if not (folder / RUN).exists():
            write_whole(folder / RUN, msgspec.json.encode(kept))


def read_run(folder: Path) -> Summary:
    """The summary of a run, from its folder alone.

    Raises:
        UntrustedInputError: it is no run, or was damaged.
    """
    plan, notes = read_plan(folder)
    kept = _kept(folder)
    checked = check(kept.policy, source=str(folder))
    known = {case.id for case in asked(kept.suite)}
    planned = {case for claim in plan.claims for case in claim.cases}
    if checked.digest != plan.policy or kept.suite.digest != plan.suite or not planned <= known:
        raise UntrustedInputError(
            f"policy or suite in `{folder / RUN}` are not those of the plan",
            code="R108",
            hint="the run was tampered with",
        )
    book = _book(checked, kept.suite, plan, kept.cards)
    for trial in read_trials(folder):
        book.add(trial)
    return _summary(checked, kept.suite, plan, book, kept.judges, _ending(notes, folder))


def _book(checked: Checked, suite: Suite, plan: Plan, cards: Sequence[JudgeCard]) -> Book:
    cases = {case.id: case for case in asked(suite)}
    card = next((card for card in cards if card.predicate == REFUSES), None)
    return Book(plan, cases, Claims(checked, plan, cases, card))


def _summary(
    checked: Checked, suite: Suite, plan: Plan, book: Book, judges: Sequence[JudgeLine], ending: Ending
) -> Summary:
    return summarise(
        checked, suite, plan, book, judges, ended=ending.why, complete=ending.complete,
        started=ending.started or None, seconds=ending.seconds or None,
    )  # fmt: skip


def _may_be_retried(trial: Trial) -> bool:
    """Whether another try is a fair one: what was refused for its content would be asked until it slips through."""
    return trial.outcome is Outcome.ERROR and trial.error != "content-filter"


def _ending(notes: Mapping[str, bytes], folder: Path) -> Ending:
    try:
        found = msgspec.json.decode(notes.get("ending", b"null"), type=Ending | None)
    except (msgspec.MsgspecError, UnicodeDecodeError) as error:
        raise UntrustedInputError(f"the journal in `{folder}` cannot be read: {error}", code="R104") from error
    return found or Ending(why="it was cut off", complete=False, started="", seconds=0.0)


def _kept(folder: Path) -> Kept:
    try:
        return msgspec.json.decode((folder / RUN).read_bytes(), type=Kept)
    except (OSError, msgspec.MsgspecError, UnicodeDecodeError) as error:
        reason = (error.strerror or "").lower() if isinstance(error, OSError) else str(error)
        raise UntrustedInputError(f"`{folder / RUN}` cannot be read: {reason}", code="R109") from error


__all__ = ["Design", "Ended", "Ending", "Kept", "Run", "read_run"]
