"""Places on the axis: in order, inside it, and mirrored exactly."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from obverse.report.drawing import bar, place, stretch, ticks

rates = st.floats(min_value=0, max_value=1)


@given(rates, rates)
def test_a_greater_rate_stands_further_along(one: float, other: float) -> None:
    assert (one <= other) == (place(one, mirrored=False) <= place(other, mirrored=False)) or one == pytest.approx(other)


@given(rates)
def test_a_mirrored_axis_is_the_same_from_the_other_side(rate: float) -> None:
    assert place(rate, mirrored=True) == pytest.approx(100 - place(rate, mirrored=False))


@given(rates, rates, st.booleans())
def test_every_stretch_can_be_seen_and_lies_on_the_axis(one: float, other: float, mirrored: bool) -> None:
    found = stretch(min(one, other), max(one, other), mirrored=mirrored)
    assert found is not None
    x, width = (float(text.rstrip("%")) for text in (found.x, found.width))
    assert width >= 0.79
    assert -0.01 <= x <= x + width <= 100.02


def test_what_is_not_known_is_not_drawn() -> None:
    empty = bar(threshold=0.05, interval=(None, None))
    assert (empty.interval, empty.exact, empty.seen, empty.estimate) == (None, None, None, None)
    assert bar(threshold=None, interval=(0.1, 0.2)).threshold is None


def test_ticks_stand_where_their_rates_do() -> None:
    assert next((tick.x, tick.label) for tick in ticks(mirrored=False)) == ("10.00%", "1")
    assert next((tick.x, tick.label) for tick in ticks(mirrored=True)) == ("90.00%", "1")
