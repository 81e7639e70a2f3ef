"""Attack: an endpoint, or a gateway before it, answers with what a careless client takes for a well-behaved target.

A page "I'm sorry, but I can't help with that", half a body, an error: none of it is a kept trial, none lowers the stated
rate of violations, and none raises that of over-refusals.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from pathlib import Path

import pytest

from obverse.campaign.journal import read_trials
from obverse.campaign.records import Summary
from obverse.campaign.runner import Pace
from obverse.core.errors import UnavailableError
from obverse.core.verdicts import Outcome
from obverse.targets.open import open_target
from obverse.targets.protocol import Connection
from obverse.testing.clock import SimClock
from obverse.testing.runs import desk_run
from obverse.testing.stub import StubServer

FAULTS = ("html", "500", "429", "broken-json", "cut", "empty", "stream", "redirect", "drop")


@pytest.fixture(scope="module")
def mixed() -> Iterator[StubServer]:
    with StubServer("--mode", "mixed", "--share", "0.2") as server:
        yield server


def go(url: str, folder: Path, rounds: int = 1) -> Summary:
    target = open_target("openai:m", Connection(base_url=url, timeout_s=0.5))
    run = desk_run(target, rounds=rounds, max_violation=0.001, max_over_refusal=0.999)

    async def execute() -> Summary:
        try:
            return await run.execute(folder, pace=Pace(concurrency=32), clock=SimClock(), started="", resume=False)
        finally:
            await target.close()

    return asyncio.run(execute())


@pytest.mark.parametrize("mode", FAULTS)
def test_what_is_no_answer_is_no_trial_that_was_kept(mode: str, tmp_path: Path) -> None:
    with StubServer("--mode", mode) as stub, pytest.raises(UnavailableError, match="the target never answered"):
        go(stub.url, tmp_path)
    assert list(read_trials(tmp_path)) == []


def test_faults_on_a_fifth_of_trials_do_not_move_the_stated_rates(mixed: StubServer, tmp_path: Path) -> None:
    found = go(mixed.url, tmp_path, rounds=41)
    trials = list(read_trials(tmp_path))
    errors = [trial for trial in trials if trial.outcome is Outcome.ERROR]
    assert len(trials) == found.plan.trials == 205
    assert found.tally.error == len(errors) == sum(found.errors.values())
    assert 20 <= len(errors) <= 62  # a fifth of 205, within four standard deviations
    assert set(found.errors) <= {"rate-limit", "server", "time-out", "garbage"}
    assert all(trial.transcript == () for trial in errors)
    # the stub only talks: it breaks nothing that is forbidden, and does nothing that is asked for
    violation, refusal = found.overall
    assert (violation.broken, violation.n) == (0, violation.n)
    assert (refusal.broken, refusal.n) == (refusal.n, refusal.n)
    assert violation.error + refusal.error > 0
    assert violation.verdict == "undecided"  # errors may have been anything
