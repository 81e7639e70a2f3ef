"""L11, L13, L18 and L19 of a run: what is claimed is fixed first, nothing missing helps, nothing answered is lost or asked again."""

from __future__ import annotations

import asyncio
import itertools
import random
from collections.abc import Sequence
from pathlib import Path

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from obverse.campaign.book import Book
from obverse.campaign.claiming import Claims
from obverse.campaign.journal import Journal, begun_times, open_journal, read_plan, read_trials
from obverse.campaign.keys import Planned
from obverse.campaign.planning import schedule
from obverse.campaign.records import ClaimLine, Trial
from obverse.campaign.run import read_run
from obverse.campaign.runner import Pace
from obverse.campaign.summary import plan_digest
from obverse.core.chat import ChatMessage, Completion, Sampling, ToolSpec
from obverse.core.errors import MisuseError
from obverse.core.verdicts import Outcome, Side
from obverse.targets.protocol import GREEDY, TargetError
from obverse.testing.runs import FaultyTarget, desk, desk_run, execute

RUN = desk_run(rounds=60, max_violation=0.2, max_over_refusal=0.2)
PLANNED = tuple(schedule(RUN.plan, tuple(RUN.cases.values())))
KEPT, BROKEN, UNSCORED, ERROR = Outcome.KEPT, Outcome.BROKEN, Outcome.UNSCORED, Outcome.ERROR


def book() -> Book:
    return Book(RUN.plan, RUN.cases, Claims(desk(), RUN.plan, RUN.cases, None))


def ended(planned: Planned, outcome: Outcome) -> Trial:
    return Trial(key=planned.key, case=planned.case, round=planned.round, outcome=outcome, reason="")


def lines(trials: Sequence[Trial]) -> tuple[ClaimLine, ...]:
    found = book()
    for trial in trials:
        found.add(trial)
    return found.claim_lines()


def outcomes(seed: int, *, broken: float, missing: float = 0.0) -> list[Trial]:
    rng = random.Random(seed)

    def drawn() -> Outcome:
        if rng.random() < missing:
            return rng.choice([UNSCORED, ERROR])
        return BROKEN if rng.random() < broken else KEPT

    return [ended(planned, drawn()) for planned in PLANNED]


# L11 ------------------------------------------------------------------------------------------------------------------


@settings(max_examples=30, deadline=None)
@given(seed=st.integers(0, 999), broken=st.floats(0, 0.4), missing=st.floats(0.01, 0.6))
def test_L11_what_is_missing_never_counts_as_kept(seed: int, broken: float, missing: float) -> None:
    trials = outcomes(seed, broken=broken, missing=missing)
    as_broken = [msgspec.structs.replace(t, outcome=BROKEN) if t.outcome in {UNSCORED, ERROR} else t for t in trials]
    for line, worst in zip(lines(trials), lines(as_broken), strict=True):
        assert line.n + line.unscored + line.error >= line.n
        if line.verdict == "holds":
            assert worst.verdict == "holds"  # it would hold, were all that is missing broken
        if line.n:
            assert line.worst_low is not None
            assert line.worst_high is not None
            assert line.worst_low <= line.broken / (line.n + line.unscored + line.error) + 1e-12
            assert (
                line.worst_high
                >= (line.broken + line.unscored + line.error) / (line.n + line.unscored + line.error) - 1e-12
            )


@pytest.mark.parametrize("outcome", [UNSCORED, ERROR])
def test_L11_a_run_in_which_nothing_was_scored_says_nothing(outcome: Outcome) -> None:
    for line in lines([ended(planned, outcome) for planned in PLANNED]):
        assert (line.verdict, line.estimate, line.n) == ("undecided", None, 0)


def test_L11_the_four_outcomes_are_counted_apart_and_add_up(tmp_path: Path) -> None:
    faults = [None, None, TargetError("no", kind="auth"), None, None]
    target = FaultyTarget(desk_run("sim:breaks=saver,p=0.5").target, faults, for_ever=True)
    run = desk_run(target, rounds=20, max_violation=0.001, max_over_refusal=0.001)
    tally = execute(run, tmp_path).tally
    assert tally.kept + tally.broken + tally.unscored + tally.error == target.asked
    assert tally.error == target.asked // 5
    assert tally.broken > 0


# L13 ------------------------------------------------------------------------------------------------------------------


def test_L13_no_call_is_made_that_was_not_first_durably_recorded(tmp_path: Path) -> None:
    calls = 0

    class Watching(FaultyTarget):
        def fail(self) -> None:
            nonlocal calls
            calls += 1
            assert len(begun_times(tmp_path)) >= calls  # read from the file, by another connection

    run = desk_run(Watching(desk_run().target, []), rounds=3)
    execute(run, tmp_path, pace=Pace(concurrency=5))
    assert calls == len(begun_times(tmp_path)) > 0


# L18 ------------------------------------------------------------------------------------------------------------------


def test_L18_the_plan_is_durable_before_the_first_call(tmp_path: Path) -> None:
    class Watching(FaultyTarget):
        def fail(self) -> None:
            assert plan_digest(read_plan(tmp_path)[0]) == digest

    run = desk_run(Watching(desk_run().target, []), rounds=2)
    digest = plan_digest(run.plan)
    assert execute(run, tmp_path).plan_digest == digest


def test_L18_a_resumed_run_must_have_the_same_plan(tmp_path: Path) -> None:
    execute(desk_run(rounds=2), tmp_path)
    before = sorted(trial.key for trial in read_trials(tmp_path))
    for other in ({"max_violation": 0.5}, {"rounds": 3}, {"seed": 4}, {"confidence": 0.9}, {"target": "sim:refuses"}):
        with pytest.raises(MisuseError, match="another plan"):
            execute(desk_run(**({"rounds": 2} | other)), tmp_path, resume=True)
    assert sorted(trial.key for trial in read_trials(tmp_path)) == before
    assert execute(desk_run(rounds=2), tmp_path, resume=True).complete


def test_L18_the_plan_holds_population_thresholds_stopping_rule_and_seed() -> None:
    plan = RUN.plan
    assert {case for claim in plan.claims for case in claim.cases} == set(RUN.cases)
    assert {(claim.side, claim.threshold) for claim in plan.claims} == {(side, 0.2) for side in Side}
    assert (plan.seed, plan.per_case, plan.confidence) == (0, 60, 0.95)
    for words in (plan.stopping, plan.family_wise, plan.attacker):
        assert words in str(msgspec.to_builtins(plan))
        assert plan_digest(msgspec.structs.replace(plan, **{_field(words): "another"})) != plan_digest(plan)


def _field(words: str) -> str:
    return next(name for name in ("stopping", "family_wise", "attacker") if getattr(RUN.plan, name) == words)


# L19 ------------------------------------------------------------------------------------------------------------------


@settings(max_examples=25, deadline=None)
@given(seed=st.integers(0, 999), broken=st.sampled_from([0.0, 0.02, 0.2, 0.5, 1.0]), order=st.randoms())
def test_L19_the_order_in_which_answers_come_does_not_matter(seed: int, broken: float, order: random.Random) -> None:
    trials = outcomes(seed, broken=broken, missing=0.02)
    shuffled = trials.copy()
    order.shuffle(shuffled)
    assert lines(shuffled) == lines(trials)


@settings(max_examples=25, deadline=None)
@given(seed=st.integers(0, 999), broken=st.sampled_from([0.0, 0.1, 0.2, 0.3, 1.0]), cut=st.integers(0, len(PLANNED)))
def test_L19_a_claim_that_was_settled_stays_settled(seed: int, broken: float, cut: int) -> None:
    trials = outcomes(seed, broken=broken)
    for early, late in zip(lines(trials[:cut]), lines(trials), strict=True):
        if early.verdict != "undecided":
            said = (early.verdict, early.n, early.low, early.high)
            assert (late.verdict, late.n, late.low, late.high) == said


def test_L19_whoever_answers_quickest_does_not_settle_a_claim(tmp_path: Path) -> None:
    """A target that is quick to keep and slow to break: what came back by then is not the suite."""
    quick = [ended(planned, KEPT) for planned in PLANNED if planned.case != PLANNED[0].case]
    assert all(
        line.verdict == "undecided" for line in lines(quick) if line.clause == "*" and _has(line, PLANNED[0].case)
    )


def _has(line: ClaimLine, case: str) -> bool:
    return any(
        claim.side is line.side and claim.clause == line.clause and case in claim.cases for claim in RUN.plan.claims
    )


def test_L19_exact_bounds_stand_only_where_all_planned_trials_ended() -> None:
    whole = lines(outcomes(3, broken=0.18))
    assert all(line.exact_low is not None and line.exact_high is not None for line in whole)
    part = lines(outcomes(3, broken=0.18)[:-1])
    missing = [line for line in part if line.exact_low is None]
    assert {line.clause for line in missing} == {"*", RUN.cases[PLANNED[-1].case].clause}


@settings(max_examples=5, deadline=None)
@given(stops=st.lists(st.integers(1, 60), min_size=1, max_size=4), at_once=st.sampled_from([1, 7]))
def test_L19_a_run_that_was_stopped_and_resumed_says_what_one_in_one_go_says(
    stops: list[int], at_once: int, tmp_path_factory: pytest.TempPathFactory
) -> None:
    folder = tmp_path_factory.mktemp("runs")
    design = {"rounds": 30, "max_violation": 0.25, "max_over_refusal": 0.25}
    whole = execute(desk_run("sim:breaks=saver,p=0.5", **design), folder / "whole", pace=Pace(concurrency=3))
    target = FaultyTarget(desk_run("sim:breaks=saver,p=0.5").target, [])  # which counts
    for place, stop in enumerate(stops):
        run = desk_run(target, **design)
        heard = itertools.count(1)
        execute(
            run, folder / "parts", resume=place > 0, pace=Pace(concurrency=at_once),
            told=lambda _trial, run=run, heard=heard, stop=stop: run.stop("test") if next(heard) == stop else None,
        )  # fmt: skip
    last = execute(desk_run(target, **design), folder / "parts", resume=True)
    assert [*last.overall, *(c for view in last.clauses for c in view.claims)] == [
        *whole.overall, *(c for view in whole.clauses for c in view.claims)
    ]  # fmt: skip
    assert target.asked == len(list(read_trials(folder / "parts")))
    assert read_run(folder / "parts") == last


def test_L19_what_was_answered_is_not_asked_again(tmp_path: Path) -> None:
    asked: list[int] = []

    class Counting(FaultyTarget):
        async def complete(
            self, messages: Sequence[ChatMessage], *, tools: Sequence[ToolSpec] = (), sampling: Sampling = GREEDY
        ) -> Completion:
            raise AssertionError("a case is met, not a chat")

        def fail(self) -> None:
            asked.append(1)

    async def half(journal: Journal) -> None:
        for planned in PLANNED[:100]:
            await journal.begin(planned.key)
            await journal.answer(ended(planned, KEPT))

    journal = open_journal(tmp_path, RUN.plan, resume=False)
    asyncio.run(half(journal))
    journal.close()
    target = Counting(desk_run().target, [])
    run = desk_run(target, rounds=60, max_violation=0.2, max_over_refusal=0.2)
    summary = execute(run, tmp_path, resume=True)
    assert summary.complete
    assert len(asked) == len(begun_times(tmp_path)) - 100
