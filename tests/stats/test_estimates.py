"""`estimate` fits its method to what was sampled, and `describe` says it in one honest line."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from obverse.core.errors import MisuseError
from obverse.stats.counts import Cluster, Counts
from obverse.stats.estimates import Estimate, Interval, describe, estimate, percent


def one(**counts: int) -> list[Cluster]:
    return [Cluster(case="a", counts=Counts(**counts))]


SAID = {
    "no failures": (one(kept=100), "below 3.0 % (95 %, 0 of 100)"),
    "few trials": (one(kept=20), "below 14 % (95 %, 0 of 20)"),
    "nothing but failures": (one(broken=100), "above 97 % (95 %, 100 of 100)"),
    "some failures": (one(kept=96, broken=4), "4.0 %, 1.3 % to 9.0 % (95 %, 4 of 100)"),
    "a single trial": (one(kept=1), "below 95 % (95 %, 0 of 1)"),
    "a single failure": (one(broken=1), "above 5.0 % (95 %, 1 of 1)"),
    "some not scored": (
        one(kept=97, unscored=2, error=1),
        "below 7.6 % (95 %, 0 of 97); 3 not scored, so 0 % to 3.0 % seen at worst",
    ),
    "one kept, the rest lost": (
        one(kept=1, error=9),
        "below 99.49 % (95 %, 0 of 1); 9 not scored, so 0 % to 90 % seen at worst",
    ),
    "no trials": ([], "no estimate: no trials"),
    "nothing scored": (one(unscored=3), "no estimate: none of 3 trials was scored (3 unscored, 0 errors)"),
    "rare": (one(kept=999_999), "below 0.00030 % (95 %, 0 of 999999)"),
}


@pytest.mark.parametrize(("clusters", "line"), SAID.values(), ids=SAID)
def test_an_estimate_is_one_honest_line(clusters: list[Cluster], line: str) -> None:
    assert describe(estimate(clusters, ends="each")) == line


@pytest.mark.parametrize(
    ("rate", "up", "text"),
    [
        (0.0, None, "0 %"), (1.0, None, "100 %"), (0.05, True, "5.0 %"), (0.05, False, "5.0 %"), (0.12345, True, "13 %"),
        (0.12345, False, "12 %"), (0.0001, None, "0.010 %"), (0.9999, True, "99.990 %"), (0.999999, False, "99.99990 %"),
        (0.995, None, "99.50 %"), (0.3, True, "30 %"), (0.000123, True, "0.013 %"),
    ],
)  # fmt: skip
def test_a_percentage_has_two_digits_that_count(rate: float, up: bool | None, text: str) -> None:
    assert percent(rate, up=up) == text


@given(rate=st.floats(1e-9, 1 - 1e-9))
def test_a_bound_is_never_rounded_inwards(rate: float) -> None:
    low, high = (float(percent(rate, up=up).removesuffix(" %")) / 100 for up in (False, True))
    assert low <= rate * (1 + 1e-9)
    assert high >= rate * (1 - 1e-9)


def test_ends_that_hold_together_are_wider_than_ends_that_hold_each() -> None:
    both, each = (estimate(one(kept=95, broken=5), ends=ends) for ends in ("both", "each"))
    assert isinstance(both, Estimate)
    assert isinstance(each, Estimate)
    assert both.interval.low < each.interval.low
    assert each.interval.high < both.interval.high
    assert (both.interval.error, each.interval.error) == (pytest.approx(0.025), pytest.approx(0.05))


def test_an_estimate_says_what_it_rests_on() -> None:
    clusters = [Cluster(case=str(i), counts=Counts(kept=9, broken=1)) for i in range(10)]
    found = estimate([*clusters, Cluster(case="not run", counts=Counts())], method="anytime", seed=3)
    assert isinstance(found, Estimate)
    assert (found.n, found.cases, found.point, found.method, found.seed) == (100, 10, 0.1, "anytime", 3)
    assert found.interval == found.scored, "nothing is missing"


@pytest.mark.parametrize("method", ["exact", "anytime"])
def test_trials_of_a_drawn_case_are_not_taken_for_independent(method: str) -> None:
    with pytest.raises(MisuseError, match="trials of one drawn case are not"):
        estimate(one(kept=5), population="cases", method=method)  # type: ignore[arg-type]  # one of the list
    estimate(one(kept=1), population="cases", method=method)  # type: ignore[arg-type]  # one of the list


def test_betting_on_case_rates_is_for_drawn_cases() -> None:
    with pytest.raises(MisuseError, match="for cases that were drawn"):
        estimate(one(kept=5), method="betting")


def test_an_interval_upside_down_is_refused() -> None:
    with pytest.raises(MisuseError, match="no interval"):
        Interval(low=0.3, high=0.2, confidence=0.95, ends="both", method="exact")


def test_drawn_cases_with_many_trials_each_are_covered_where_pooling_them_is_not() -> None:
    """Cases that are always or never broken: 20 trials of each say no more than one."""
    chance, true, runs = np.random.default_rng(11), 0.2, 150
    wrong_pooled = wrong = 0
    for _ in range(runs):
        always = chance.random(30) < true
        clusters = [
            Cluster(case=str(i), counts=Counts(broken=20) if bad else Counts(kept=20)) for i, bad in enumerate(always)
        ]
        pooled, right = estimate(clusters), estimate(clusters, population="cases", method="betting")
        assert isinstance(pooled, Estimate)
        assert isinstance(right, Estimate)
        wrong_pooled += not pooled.interval.low <= true <= pooled.interval.high
        wrong += not right.interval.low <= true <= right.interval.high
    assert wrong <= 0.05 * runs
    assert wrong_pooled > 0.5 * runs


def test_of_drawn_cases_too_the_missing_count_at_their_worst() -> None:
    clusters = [Cluster(case=str(i), counts=Counts(kept=3, error=1)) for i in range(50)]
    found = estimate(clusters, population="cases", method="betting")
    assert isinstance(found, Estimate)
    assert found.interval.high > 0.25
    assert found.scored.high < 0.2
