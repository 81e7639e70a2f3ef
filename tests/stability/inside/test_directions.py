from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from obverse.stability.inside.directions import difference_of_means, direction, projected


@given(st.integers(0, 10_000), st.integers(2, 9), st.integers(1, 4), st.integers(1, 5))
def test_directions_and_projections_against_loops(seed: int, n: int, layers: int, width: int) -> None:
    rng = np.random.default_rng(seed)
    states = rng.standard_normal((n, layers, width)).astype(np.float32)
    labels = np.array([0, 1, *rng.integers(-1, 2, n - 2)])
    unit, norm = direction(states, labels)
    scores = projected(states, unit)
    for layer in range(layers):
        mean = {}
        for label in (0, 1):
            rows = [states[row, layer] for row in range(n) if labels[row] == label]
            mean[label] = [sum(float(row[place]) for row in rows) / len(rows) for place in range(width)]
        gap = [one - other for one, other in zip(mean[1], mean[0])]
        length = math.sqrt(sum(value**2 for value in gap))
        assert norm[layer] == pytest.approx(length, rel=1e-5, abs=1e-6)
        for row in range(n):
            dot = sum(float(states[row, layer, place]) * gap[place] for place in range(width))
            assert scores[row, layer] == pytest.approx(dot / length, rel=1e-3, abs=1e-4)


def test_what_is_not_trained_on_does_not_matter() -> None:
    rng = np.random.default_rng(0)
    states = rng.standard_normal((12, 2, 4)).astype(np.float32)
    labels, train = np.tile([0, 1], 6), np.arange(12) < 8
    before = difference_of_means(states, labels)(train)
    states[8:] += 100
    after = difference_of_means(states, labels)(train)
    assert np.array_equal(before[:8], after[:8])


def test_no_difference_is_a_direction_of_zero() -> None:
    states = np.ones((4, 1, 3), dtype=np.float32)
    unit, norm = direction(states, np.array([0, 1, 0, 1]))
    assert (unit == 0).all()
    assert (norm == 0).all()
