"""A run from its folder: what is read again is what was said, at any time."""

from __future__ import annotations

from pathlib import Path

import pytest

from obverse.campaign.journal import read_trials
from obverse.campaign.records import Price
from obverse.campaign.run import read_run
from obverse.campaign.runner import Pace
from obverse.core.verdicts import Outcome
from obverse.testing.runs import desk_run, execute
from obverse.testing.sim import SimTarget


@pytest.mark.parametrize("target", ["sim:perfect", "sim:breaks=saver,p=0.4", "sim:refuses,p=0.3"])
@pytest.mark.parametrize("mode", ["step", "dialogue"])
def test_a_run_that_is_read_again_says_the_same(target: str, mode: str, tmp_path: Path) -> None:
    run = desk_run(target, mode=mode, rounds=12, price=Price(prompt="1", completion="2"))
    summary = execute(run, tmp_path, pace=Pace(concurrency=7))
    assert read_run(tmp_path) == summary


@pytest.mark.parametrize("mode", ["step", "dialogue"])
def test_the_stated_rate_is_that_of_the_target(mode: str, tmp_path: Path) -> None:
    run = desk_run("sim:breaks=saver,p=0.3", mode=mode, rounds=40, max_violation=0.3, max_over_refusal=0.001)
    assert isinstance(run.target, SimTarget)
    execute(run, tmp_path)
    trials = list(read_trials(tmp_path))
    saver = {case.id for case in run.cases.values() if case.clause == "saver" and case.side == "violation"}
    broken = [trial for trial in trials if trial.outcome is Outcome.BROKEN]
    assert {trial.case for trial in broken} == saver
    assert all(trial.clauses == ("saver",) and trial.offending for trial in broken)
    assert 4 <= len(broken) <= 20  # 12 are expected of 40; which they are follows from the seed


def test_a_run_that_was_cut_off_says_so(tmp_path: Path) -> None:
    def breaks(_: object) -> None:
        raise ConnectionAbortedError

    with pytest.raises(ConnectionAbortedError):
        execute(desk_run(rounds=5), tmp_path, told=breaks)
    found = read_run(tmp_path)
    assert (found.complete, found.ended) == (False, "it was cut off")
    assert sum([found.tally.kept, found.tally.broken, found.tally.unscored, found.tally.error]) >= 1


def test_two_runs_of_one_plan_make_the_same_trials(tmp_path: Path) -> None:
    def trials(folder: Path, at_once: int) -> dict[str, Outcome]:
        execute(desk_run("sim:breaks=large,p=0.5", rounds=9), folder, pace=Pace(concurrency=at_once))
        return {trial.key: trial.outcome for trial in read_trials(folder)}

    one, many = trials(tmp_path / "a", 1), trials(tmp_path / "b", 9)
    assert one.items() <= many.items()  # a few more were under way when their claim was settled
    assert len(many) < len(one) + 9
