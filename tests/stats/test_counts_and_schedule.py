"""Counts keep every trial in sight; a schedule is fixed by cases, seed and block alone."""

from __future__ import annotations

from collections import Counter
from itertools import islice

import pytest
from hypothesis import given
from hypothesis import strategies as st

from obverse.core.errors import MisuseError
from obverse.core.verdicts import Outcome
from obverse.stats.counts import Cluster, Counts, together
from obverse.stats.schedule import Schedule

TWELVE = tuple(f"case {i}" for i in range(12))


@given(outcomes=st.lists(st.sampled_from(list(Outcome))))
def test_every_outcome_is_counted_once(outcomes: list[Outcome]) -> None:
    counts = Counts.of(outcomes)
    assert counts.trials == len(outcomes)
    assert (counts.kept, counts.error) == (outcomes.count(Outcome.KEPT), outcomes.count(Outcome.ERROR))
    assert counts.at_worst == len(outcomes) - outcomes.count(Outcome.KEPT)


def test_a_case_that_comes_twice_is_refused() -> None:
    twice = [Cluster(case="a", counts=Counts(kept=1)), Cluster(case="a", counts=Counts(kept=1))]
    with pytest.raises(MisuseError, match="`a` comes twice"):
        together(twice)


def test_a_count_below_zero_is_refused() -> None:
    with pytest.raises(MisuseError, match="below zero"):
        Counts(kept=-1)


def test_the_first_block_is_the_whole_suite_and_each_later_one_without_repeats() -> None:
    schedule = Schedule(cases=TWELVE, seed=7, look=5)
    assert sorted(schedule.block(0)) == sorted(TWELVE)
    for block in range(1, 20):
        assert len(set(schedule.block(block))) == schedule.size(block) == 5


def test_without_a_look_every_block_is_a_round() -> None:
    schedule = Schedule(cases=TWELVE, seed=7)
    assert [block for block, _ in islice(schedule, 30)] == [0] * 12 + [1] * 12 + [2] * 6
    assert schedule.block(0) != schedule.block(1), "in an order of its own"
    assert schedule.block(3) == Schedule(cases=TWELVE[::-1], seed=7).block(3), "whatever the order of the cases"


def test_each_case_is_drawn_as_often_as_any_other() -> None:
    schedule = Schedule(cases=TWELVE, seed=1, look=3)
    drawn = Counter(case for block in range(1, 2_001) for case in schedule.block(block))
    assert min(drawn.values()) > 420, "500 expected, standard deviation 19"
    assert max(drawn.values()) < 580


@pytest.mark.parametrize(("trials", "blocks"), [(11, 0), (12, 1), (16, 1), (17, 2), (22, 3)])
def test_a_budget_pays_for_whole_blocks(trials: int, blocks: int) -> None:
    assert Schedule(cases=TWELVE, seed=0, look=5).blocks_within(trials) == blocks


@pytest.mark.parametrize("wrong", [{"cases": ()}, {"cases": ("a", "a")}, {"cases": ("a",), "look": 0}])
def test_a_schedule_of_nothing_is_refused(wrong: dict[str, object]) -> None:
    with pytest.raises(MisuseError):
        Schedule(seed=0, **wrong)  # type: ignore[arg-type]  # that is what is tried
