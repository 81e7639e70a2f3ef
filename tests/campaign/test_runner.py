"""The runner: bounded retries, caps, pace, and what it does when nothing is answered any more."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from obverse.campaign.journal import begun_times, read_trials
from obverse.campaign.records import Caps, Price, Summary, Trial
from obverse.campaign.run import Run, read_run
from obverse.campaign.runner import NEVER_ANSWERED, UNANSWERED, Pace
from obverse.core.errors import UnavailableError
from obverse.core.verdicts import Outcome
from obverse.targets.open import open_target
from obverse.targets.protocol import Connection, FailureKind, TargetError
from obverse.testing.clock import SimClock
from obverse.testing.runs import FaultyTarget, desk, desk_run, execute
from obverse.testing.sim import sim_opener

ALONE = Pace(concurrency=1)
OPEN: dict[str, Any] = {"max_violation": 0.001, "max_over_refusal": 0.001}
"""Thresholds that few trials settle: everything is asked."""


def fault(kind: FailureKind, message: str = "it failed", wait: float | None = None) -> TargetError:
    return TargetError(message, kind=kind, retry_after_s=wait)


def faulty(faults: Sequence[TargetError | None], *, for_ever: bool = False) -> FaultyTarget:
    perfect = open_target("sim:perfect", Connection(), extra={"sim": sim_opener(desk())})
    return FaultyTarget(perfect, faults, for_ever=for_ever)


def total(summary: Summary) -> int:
    tally = summary.tally
    return tally.kept + tally.broken + tally.unscored + tally.error


def trial_with_error(folder: Path) -> Trial:
    (found,) = [trial for trial in read_trials(folder) if trial.outcome is Outcome.ERROR]
    return found


def test_a_failure_that_passes_costs_an_attempt_and_no_trial(tmp_path: Path) -> None:
    target = faulty([None, fault("server"), fault("connection"), None])
    summary = execute(desk_run(target, rounds=2, **OPEN), tmp_path, pace=ALONE)
    assert (summary.tally.error, total(summary)) == (0, summary.plan.trials)
    assert max(trial.attempts for trial in read_trials(tmp_path)) == 3
    assert summary.calls == target.asked == summary.plan.trials + 2


@pytest.mark.parametrize(
    ("faults", "attempts"),
    [
        ([fault("server")] * 3, 3),  # the same thing three times
        ([fault("server"), fault("connection"), fault("server"), fault("connection"), fault("server")], 5),
        ([fault("rate-limit", wait=7.0)] * 5, 5),  # waited for, but not for ever
        ([fault("auth")], 1),  # asking again does not help
        ([fault("content-filter")], 1),
    ],
    ids=["same", "alternating", "rate limit", "auth", "filtered"],
)
def test_retries_are_bounded_and_the_trial_is_an_error(
    faults: list[TargetError | None], attempts: int, tmp_path: Path
) -> None:
    summary = execute(desk_run(faulty([None, *faults]), rounds=2, **OPEN), tmp_path, pace=ALONE)
    assert (summary.tally.error, total(summary)) == (1, summary.plan.trials)
    assert trial_with_error(tmp_path).attempts == attempts
    assert summary.errors == {trial_with_error(tmp_path).error: 1}


def test_a_server_that_asks_to_wait_is_waited_for_and_never_for_more_than_a_minute(tmp_path: Path) -> None:
    clock = SimClock()
    target = faulty([None, fault("rate-limit", wait=20.0), fault("rate-limit", wait=86_400.0)])
    execute(desk_run(target, rounds=2, **OPEN), tmp_path, pace=ALONE, clock=clock)
    assert 80 <= clock.now() < 85


def test_an_endpoint_that_never_answers_ends_the_run_in_one_line_and_nothing_is_counted(tmp_path: Path) -> None:
    run = desk_run(faulty([fault("connection", "cannot talk to `x`")], for_ever=True), rounds=50)
    with pytest.raises(UnavailableError, match="the target never answered: cannot talk to `x`") as caught:
        execute(run, tmp_path)
    assert "\n" not in str(caught.value)
    assert list(read_trials(tmp_path)) == []
    assert len(begun_times(tmp_path)) < NEVER_ANSWERED + 4
    assert total(execute(desk_run(rounds=50), tmp_path, resume=True)) > 0  # mended: it goes on, and asks those again


def test_one_that_answers_429_for_ever_is_no_endless_loop(tmp_path: Path) -> None:
    clock = SimClock()
    run = desk_run(faulty([fault("rate-limit", wait=1.0)], for_ever=True), rounds=50)
    with pytest.raises(UnavailableError, match="never answered"):
        execute(run, tmp_path, clock=clock)
    assert clock.now() < 120


def test_an_outage_in_the_middle_ends_the_run_and_makes_no_errors_of_its_trials(tmp_path: Path) -> None:
    target = faulty([*[None] * 10, *[fault("connection")] * 10_000])
    summary = execute(desk_run(target, rounds=50, **OPEN), tmp_path)
    assert (summary.tally.error, total(summary), summary.complete) == (0, 10, False)
    assert summary.ended.startswith("the target answers no more: it failed")
    assert len(begun_times(tmp_path)) <= 10 + UNANSWERED + 2 * 4
    again = execute(desk_run(rounds=50, **OPEN), tmp_path, resume=True)
    assert (total(again), again.complete) == (again.plan.trials, True)


def test_faults_on_a_fifth_of_the_trials_are_errors_and_no_outage(tmp_path: Path) -> None:
    target = faulty([None, None, None, fault("auth"), None], for_ever=True)
    summary = execute(desk_run(target, rounds=30, **OPEN), tmp_path, pace=Pace(concurrency=8))
    assert (total(summary), summary.complete) == (summary.plan.trials, True)
    assert summary.tally.error == summary.plan.trials // 5


@pytest.mark.parametrize("at_once", [1, 8])
def test_a_cap_on_calls_is_kept_to_the_call(at_once: int, tmp_path: Path) -> None:
    target = faulty([])
    summary = execute(desk_run(target, caps=Caps(calls=20), **OPEN), tmp_path, pace=Pace(concurrency=at_once))
    assert (target.asked, total(summary), summary.complete) == (20, 20, False)
    assert summary.ended == "the cap of 20 calls was reached"


def test_a_cap_on_calls_counts_those_that_failed(tmp_path: Path) -> None:
    target = faulty([None, *[fault("server"), fault("connection"), None] * 100])
    summary = execute(desk_run(target, caps=Caps(calls=20), **OPEN), tmp_path)
    assert (target.asked, summary.complete) == (20, False)


def test_a_cap_is_of_one_start_so_that_a_run_can_go_on(tmp_path: Path) -> None:
    for start in range(1, 3):
        run = desk_run(caps=Caps(calls=20), **OPEN)
        assert total(execute(run, tmp_path, resume=start > 1)) == 20 * start


def test_a_dialogue_counts_each_of_its_calls(tmp_path: Path) -> None:
    target = faulty([])
    run = desk_run(target, mode="dialogue", caps=Caps(calls=20), **OPEN)
    summary = execute(run, tmp_path, pace=ALONE)
    assert summary.calls == target.asked
    assert 20 <= target.asked < 20 + run.step_limit
    assert total(summary) < 20


@pytest.mark.parametrize(
    ("caps", "ended"),
    [
        (Caps(tokens=30), "the cap of 30 tokens was reached"),
        (Caps(money="0.00003"), "the cap of 0.00003 in money was reached"),
    ],
)
def test_what_is_spent_ends_a_run(caps: Caps, ended: str, tmp_path: Path) -> None:
    run = desk_run("sim:refuses", caps=caps, price=Price(prompt="1", completion="1"), **OPEN)
    summary = execute(run, tmp_path, pace=ALONE)
    assert summary.ended == ended
    assert 30 <= (summary.completion_tokens or 0) < 45


def test_a_cap_on_time_is_that_of_the_clock(tmp_path: Path) -> None:
    pace = Pace(concurrency=4, per_second=10)
    summary = execute(desk_run(caps=Caps(seconds=2.0), **OPEN), tmp_path, pace=pace)
    assert summary.ended == "the cap of 2 s was reached"
    assert 20 <= total(summary) <= 25


def test_the_pace_is_even_and_never_above_the_rate(tmp_path: Path) -> None:
    clock, starts = SimClock(), []

    class Watched(FaultyTarget):
        def fail(self) -> None:
            starts.append(clock.now())

    run = desk_run(Watched(faulty([])._inner, []), rounds=5, **OPEN)
    execute(run, tmp_path, pace=Pace(concurrency=8, per_second=4), clock=clock)
    gaps = [later - earlier for earlier, later in itertools.pairwise(starts)]
    assert len(starts) == run.plan.trials
    assert min(gaps) >= 0.25 - 1e-9


def test_a_stop_begins_nothing_more_waits_for_no_retry_and_loses_no_answer(tmp_path: Path) -> None:
    target = faulty([*[None] * 9, *[fault("rate-limit", wait=60.0)] * 10_000])
    run = desk_run(target, rounds=50, **OPEN)
    clock = SimClock()

    async def go() -> Summary:
        def told(_trial: Trial) -> None:
            if run.book.answered == 9:
                asyncio.get_running_loop().call_later(0.05, run.stop, "interrupted")

        return await run.execute(
            tmp_path, pace=Pace(concurrency=4, attempts=10_000), clock=clock, started="", resume=False, told=told
        )

    summary = asyncio.run(go())
    assert (summary.ended, summary.complete, total(summary)) == ("interrupted", False, 9)
    assert read_run(tmp_path).tally == summary.tally


def test_errors_are_final_unless_they_are_asked_for_again(tmp_path: Path) -> None:
    def run(target: FaultyTarget) -> Run:
        return desk_run(target, rounds=3, **OPEN)

    faults = [None, fault("auth"), fault("content-filter"), fault("quota")]
    assert execute(run(faulty(faults)), tmp_path, pace=ALONE).tally.error == 3
    again = faulty([])
    assert execute(run(again), tmp_path, resume=True).tally.error == 3
    assert again.asked == 0
    summary = execute(run(again), tmp_path, resume=True, retry_errors=True)
    # what was refused for its content is not asked until it slips through
    assert (summary.errors, again.asked) == ({"content-filter": 1}, 2)
    assert total(summary) == summary.plan.trials
    assert read_run(tmp_path).tally == summary.tally


def test_an_error_whose_turn_did_not_come_again_stays_one(tmp_path: Path) -> None:
    def run(*faults: TargetError | None, calls: int | None = None) -> Run:
        return desk_run(faulty(faults), rounds=3, caps=Caps(calls=calls), **OPEN)

    execute(run(None, *[fault("auth")] * 4, calls=10), tmp_path, pace=ALONE)
    summary = execute(run(None, None, fault("quota"), calls=10), tmp_path, resume=True, retry_errors=True, pace=ALONE)
    assert summary.errors == {"quota": 1}
    assert read_run(tmp_path) == summary
    last = execute(run(fault("redirect"), calls=10), tmp_path, resume=True, retry_errors=True, pace=ALONE)
    assert read_run(tmp_path) == last


def test_a_run_whose_rounds_are_over_is_not_called_settled(tmp_path: Path) -> None:
    summary = execute(desk_run("sim:breaks=saver", rounds=12), tmp_path)
    assert {claim.verdict for view in summary.clauses for claim in view.claims} == {"fails", "undecided"}
    assert (summary.ended, summary.complete) == ("all asked", True)


def test_a_settled_claim_ends_the_trials_that_only_it_needs(tmp_path: Path) -> None:
    summary = execute(desk_run(rounds=1000, max_violation=0.3, max_over_refusal=0.3), tmp_path)
    assert (summary.verdict, summary.ended, summary.complete) == ("holds", "settled", True)
    assert total(summary) < 500
