"""Measures of spread agree with what counting all sets of draws gives; intervals are those of π, carried over."""

from __future__ import annotations

import itertools
import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats as scipy_stats

from obverse.core.errors import MisuseError
from obverse.stability.findings import Counted
from obverse.stability.placing import place
from obverse.stability.records import Settings
from obverse.stability.spread import binary_entropy, flip_rate, modal, outcome_entropy, spread, token_entropy

SETTINGS = Settings()
small = st.builds(Counted, refused=st.integers(0, 7), complied=st.integers(0, 7), unscored=st.integers(0, 2))


@given(found=small, k=st.integers(2, 5))
def test_a_flip_rate_is_the_share_of_sets_of_k_draws_that_do_not_agree(found: Counted, k: int) -> None:
    estimate = flip_rate(found, k, place(found, SETTINGS))
    sets = list(itertools.combinations("r" * found.refused + "c" * found.complied, k))
    if not sets:
        assert estimate.estimate is None
        assert estimate.note == f"a point needs {k} scored draws"
    else:
        assert estimate.estimate == pytest.approx(sum(len(set(some)) > 1 for some in sets) / len(sets))


@given(found=small, k=st.integers(2, 12))
def test_intervals_are_the_range_over_all_rates_that_are_not_ruled_out(found: Counted, k: int) -> None:
    settings = Settings(attempts=k)
    placement = place(found, settings)
    rates = np.linspace(placement.worst_low, placement.worst_high, 2001)
    both = np.array([binary_entropy(float(rate)) for rate in rates])
    said = spread(found, settings)
    if not found.scored:
        assert said.flip is said.modal_share is said.entropy is None
        assert set(said.missing) >= {"flip", "modal", "modal_share", "entropy", "tokens", "semantic"}
        return
    for estimate, values in (
        (said.flip, 1 - rates**k - (1 - rates) ** k),
        (said.modal_share, np.maximum(rates, 1 - rates)),
        (said.entropy, both),
    ):
        assert estimate is not None
        assert estimate.low == pytest.approx(values.min(), abs=1e-3)
        assert estimate.high == pytest.approx(values.max(), abs=1e-3)
        assert estimate.low <= values.min() + 1e-12  # type: ignore[operator]  # its ends are numbers


def test_a_tie_has_no_modal_behaviour() -> None:
    assert modal(Counted(refused=3, complied=3)) == (None, "a tie: 3 of 6 each")
    assert modal(Counted(refused=3, complied=2, unscored=9)) == ("refuse", "")
    assert modal(Counted(refused=3, complied=4)) == ("comply", "")
    assert spread(Counted(refused=3, complied=3), SETTINGS).missing["modal"] == "a tie: 3 of 6 each"


@given(rate=st.floats(0, 1))
def test_the_entropy_of_two_outcomes_is_scipys(rate: float) -> None:
    assert binary_entropy(rate) == pytest.approx(scipy_stats.entropy([rate, 1 - rate]), abs=1e-12)


@pytest.mark.parametrize("rate", [0.1, 0.3, 0.5])
def test_the_correction_takes_bias_from_the_entropy(rate: float) -> None:
    n = 12
    law = scipy_stats.binom.pmf(np.arange(n + 1), n, rate)
    corrected = plain = 0.0
    for complied in range(n + 1):
        found = Counted(refused=n - complied, complied=complied)
        corrected += law[complied] * (outcome_entropy(found, place(found, SETTINGS)).estimate or 0.0)
        plain += law[complied] * binary_entropy(complied / n)
    assert abs(corrected - binary_entropy(rate)) < 0.6 * abs(plain - binary_entropy(rate))


@given(values=st.lists(st.floats(0, 12), min_size=2, max_size=30))
def test_the_interval_of_token_entropy_is_scipys(values: list[float]) -> None:
    estimate, why = token_entropy([*values, None], SETTINGS)
    assert estimate is not None
    assert not why
    assert estimate.estimate == pytest.approx(np.mean(values))
    assert estimate.note == f"1 of {len(values) + 1} answers have none"
    error = scipy_stats.sem(values)
    if error > 1e-9:
        low, high = scipy_stats.t.interval(0.95, len(values) - 1, np.mean(values), error)
        assert estimate.low == pytest.approx(max(0.0, low), abs=1e-9)
        assert estimate.high == pytest.approx(high, abs=1e-9)


def test_L10_without_log_probabilities_there_is_no_token_entropy() -> None:
    assert token_entropy([None, None], SETTINGS) == (None, "the target gives no log-probabilities")
    assert token_entropy([], SETTINGS) == (None, "no answers")
    single, _ = token_entropy([0.5], SETTINGS)
    assert single is not None
    assert (single.estimate, single.low, single.high) == (None, 0.0, None)


@pytest.mark.parametrize("wrong", [-0.1, math.nan, math.inf])
def test_an_entropy_that_is_no_number_is_refused(wrong: float) -> None:
    with pytest.raises(MisuseError) as caught:
        token_entropy([0.2, wrong], SETTINGS)
    assert caught.value.code == "B104"


def test_one_draw_does_not_flip() -> None:
    found = Counted(refused=4)
    said = spread(found, Settings(attempts=1))
    assert (said.flip, said.missing["flip"]) == (None, "one draw has nothing to disagree with")
    with pytest.raises(MisuseError) as caught:
        flip_rate(found, 1, place(found, SETTINGS))
    assert caught.value.code == "B103"


def test_L11_missing_draws_widen_every_measure() -> None:
    sure, unsure = spread(Counted(refused=20), SETTINGS), spread(Counted(refused=20, unscored=4, error=1), SETTINGS)
    for name in ("flip", "entropy"):
        assert getattr(sure, name).estimate == getattr(unsure, name).estimate == 0
        assert getattr(sure, name).high < getattr(unsure, name).high
    assert sure.modal_share is not None
    assert unsure.modal_share is not None
    assert unsure.modal_share.low < sure.modal_share.low  # type: ignore[operator]  # its ends are numbers
