"""Plans: what trials can show, against the exact figures and Wald's bound."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from obverse.core.errors import MisuseError
from obverse.stats import betting
from obverse.stats.power import divergence, more_trials, smallest_ruled_out, trials_needed, wald_bound

ZERO_FAILURES = {0.05: 59, 0.02: 149, 0.01: 299, 0.005: 598, 0.001: 2_995}


@pytest.mark.parametrize(("threshold", "trials"), ZERO_FAILURES.items())
def test_without_a_failure_the_exact_design_needs_the_known_numbers(threshold: float, trials: int) -> None:
    assert trials_needed(threshold, method="exact") == trials


@pytest.mark.parametrize("threshold", ZERO_FAILURES)
def test_stopping_at_will_costs_a_fifth_without_failures(threshold: float) -> None:
    anytime = trials_needed(threshold)
    assert anytime is not None
    assert ZERO_FAILURES[threshold] < anytime <= 1.2 * ZERO_FAILURES[threshold]


@given(trials=st.integers(1, 5_000))
def test_what_is_ruled_out_is_what_needs_no_more_trials(trials: int) -> None:
    for method in ("exact", "anytime"):
        rate = smallest_ruled_out(trials, method=method)
        assert rate is not None
        needed = trials_needed(min(rate * (1 + 1e-6), 1 - 1e-12), method=method)
        assert needed is not None
        assert needed <= trials


def test_no_trials_rule_out_nothing() -> None:
    assert smallest_ruled_out(0) is None


def test_wald_without_failures_is_the_zero_failure_design() -> None:
    assert wald_bound(0.05, rate=0.0) == pytest.approx(math.log(20) / -math.log(0.95))
    assert wald_bound(0.05, rate=0.02) > wald_bound(0.05, rate=0.01) > wald_bound(0.05, rate=0.0)
    assert wald_bound(0.05, rate=0.0, power=0.8) < wald_bound(0.05, rate=0.0)


@pytest.mark.parametrize(("rate", "toward"), [(0.02, "below"), (0.15, "above")])
def test_more_trials_at_this_rate_show_it(rate: float, toward: str) -> None:
    more = more_trials(0.05, trials=50, broken=2, toward=toward, rate=rate)  # type: ignore[arg-type]  # one of the list
    assert more is not None
    evidence = betting.evidence_below if toward == "below" else betting.evidence_above
    broken = 2 + (math.ceil(rate * more) if toward == "below" else math.floor(rate * more))
    assert evidence(0.05, trials=50 + more, broken=broken) >= math.log(20)


def test_a_rate_on_the_wrong_side_never_shows_it() -> None:
    assert trials_needed(0.05, rate=0.05) is None
    assert more_trials(0.05, trials=9, broken=0, toward="above", rate=0.04) is None


def test_a_rate_too_close_is_out_of_reach() -> None:
    assert trials_needed(0.05, rate=0.04999) is None


def test_divergence_is_zero_only_of_itself() -> None:
    assert divergence(0.3, 0.3) == pytest.approx(0)
    assert divergence(0.0, 0.3) > 0
    with pytest.raises(MisuseError):
        divergence(0.3, 0.0)
    with pytest.raises(MisuseError, match=r"`1\.5` is no rate"):
        more_trials(0.05, trials=1, broken=0, toward="below", rate=1.5)
