"""Exact bounds agree with scipy; betting bounds invert their tests, and behave as the proofs need."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats as scipy_stats

from obverse.core.errors import MisuseError
from obverse.stats import betting, exact

rates = st.floats(0.0005, 0.9995)
trials_and_broken = st.integers(1, 3_000).flatmap(lambda n: st.tuples(st.just(n), st.integers(0, n)))


@given(seen=trials_and_broken, error=st.floats(0.001, 0.2))
def test_clopper_pearson_is_scipys(seen: tuple[int, int], error: float) -> None:
    n, k = seen
    test = scipy_stats.binomtest(k, n)
    both = test.proportion_ci(1 - 2 * error, method="exact")
    assert exact.lower_bound(trials=n, broken=k, error=error) == pytest.approx(both.low, rel=1e-9, abs=1e-12)
    assert exact.upper_bound(trials=n, broken=k, error=error) == pytest.approx(both.high, rel=1e-9, abs=1e-12)


@given(seen=trials_and_broken, threshold=rates)
def test_tails_are_scipys_binomial_test(seen: tuple[int, int], threshold: float) -> None:
    n, k = seen
    less = scipy_stats.binomtest(k, n, threshold, alternative="less").pvalue
    greater = scipy_stats.binomtest(k, n, threshold, alternative="greater").pvalue
    assert exact.p_below(threshold, trials=n, broken=k) == pytest.approx(less, rel=1e-7, abs=1e-13)
    assert exact.p_above(threshold, trials=n, broken=k) == pytest.approx(greater, rel=1e-7, abs=1e-13)


@pytest.mark.parametrize("bounds", [exact, betting])
def test_without_trials_anything_is_possible(bounds: object) -> None:
    assert bounds.lower_bound(trials=0, broken=0, error=0.05) == 0.0  # type: ignore[attr-defined]  # a module
    assert bounds.upper_bound(trials=0, broken=0, error=0.05) == 1.0  # type: ignore[attr-defined]  # a module


def test_shares_of_wealth_add_up_to_one() -> None:
    for evidence in (betting.evidence_below, betting.evidence_above):
        assert evidence(0.3, trials=0, broken=0) == pytest.approx(0, abs=1e-12)


@given(seen=trials_and_broken, one=rates, other=rates)
def test_evidence_is_monotone_in_the_threshold_and_in_what_was_seen(
    seen: tuple[int, int], one: float, other: float
) -> None:
    n, k = seen
    low, high = sorted((one, other))
    near = 1e-9
    assert betting.evidence_below(low, trials=n, broken=k) <= betting.evidence_below(high, trials=n, broken=k) + near
    assert betting.evidence_above(high, trials=n, broken=k) <= betting.evidence_above(low, trials=n, broken=k) + near
    if k < n:
        assert betting.evidence_below(one, trials=n, broken=k + 1) < betting.evidence_below(one, trials=n, broken=k)
        assert betting.evidence_above(one, trials=n, broken=k) < betting.evidence_above(one, trials=n, broken=k + 1)


@given(seen=trials_and_broken, error=st.floats(0.001, 0.2))
@settings(max_examples=40)
def test_a_betting_bound_is_where_its_evidence_is_enough(seen: tuple[int, int], error: float) -> None:
    n, k = seen
    needed = math.log(1 / error)
    high = betting.upper_bound(trials=n, broken=k, error=error)
    low = betting.lower_bound(trials=n, broken=k, error=error)
    assert low <= k / n <= high
    if high < 1:
        assert (
            betting.evidence_below(high, trials=n, broken=k)
            >= needed
            > betting.evidence_below(high * (1 - 1e-6), trials=n, broken=k)
        )
    if low > 1e-4:
        assert (
            betting.evidence_above(low, trials=n, broken=k)
            >= needed
            > betting.evidence_above(low + 1e-6, trials=n, broken=k)
        )


@given(seen=trials_and_broken)
@settings(max_examples=40)
def test_holding_at_any_time_costs_width(seen: tuple[int, int]) -> None:
    n, k = seen
    assert (
        betting.upper_bound(trials=n, broken=k, error=0.05) >= exact.upper_bound(trials=n, broken=k, error=0.05) - 1e-9
    )
    assert (
        betting.lower_bound(trials=n, broken=k, error=0.05) <= exact.lower_bound(trials=n, broken=k, error=0.05) + 1e-9
    )


@given(seen=st.lists(st.booleans(), min_size=1, max_size=60), threshold=rates)
def test_means_of_zeros_and_ones_are_rates(seen: list[bool], threshold: float) -> None:
    n, k = len(seen), sum(seen)
    below = betting.mean_evidence_below(threshold, [float(value) for value in seen])
    above = betting.mean_evidence_above(threshold, [float(value) for value in seen])
    assert below == pytest.approx(betting.evidence_below(threshold, trials=n, broken=k), rel=1e-6, abs=1e-6)
    assert above == pytest.approx(betting.evidence_above(threshold, trials=n, broken=k), rel=1e-6, abs=1e-6)


def test_bounds_on_a_mean_narrow_around_it() -> None:
    values = list(np.random.default_rng(5).beta(2, 18, size=400))
    low, high = betting.mean_lower_bound(values, error=0.025), betting.mean_upper_bound(values, error=0.025)
    assert low < 0.1 < high
    assert high - low < 0.06
    assert betting.mean_upper_bound([1.0, 1.0], error=0.05) == 1.0
    assert betting.mean_lower_bound([], error=0.05) == 0.0


def test_an_observation_outside_its_range_is_refused() -> None:
    with pytest.raises(MisuseError, match=r"`1\.2` is not between 0 and 1"):
        betting.mean_upper_bound([0.1, 1.2], error=0.05)


def test_many_trials_without_a_failure_stay_finite() -> None:
    high = betting.upper_bound(trials=10**9, broken=0, error=0.05)
    assert 2.9e-9 < high < 5e-9
    assert betting.upper_bound(trials=10**6, broken=10**6, error=0.05) == 1.0
    assert betting.lower_bound(trials=10**6, broken=10**6, error=0.05) > 0.999


@pytest.mark.parametrize(("trials", "broken"), [(3, 4), (3, -1), (-1, 0)])
def test_counts_that_cannot_be_are_refused(trials: int, broken: int) -> None:
    with pytest.raises(MisuseError, match="broken of"):
        exact.upper_bound(trials=trials, broken=broken, error=0.05)
    with pytest.raises(MisuseError, match="broken of"):
        betting.evidence_below(0.1, trials=trials, broken=broken)


@pytest.mark.parametrize("threshold", [0.0, 1.0, -0.1, 1.5, math.nan])
def test_a_threshold_that_nothing_can_show_is_refused(threshold: float) -> None:
    with pytest.raises(MisuseError, match="is not between 0 and 1"):
        betting.evidence_above(threshold, trials=3, broken=1)
    with pytest.raises(MisuseError, match="is not between 0 and 1"):
        exact.p_below(threshold, trials=3, broken=1)


@pytest.mark.parametrize("error", [0.0, 0.3, -1.0, math.nan])
def test_a_confidence_without_sense_is_refused(error: float) -> None:
    with pytest.raises(MisuseError, match=r"is not between 0\.75 and 1"):
        betting.lower_bound(trials=3, broken=1, error=error)
