"""The AUROC against counting, and its interval against what it promises."""

from __future__ import annotations

import math
from itertools import product

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from obverse.stability.findings import Estimate
from obverse.stability.inside.folds import Folds
from obverse.stability.inside.ranking import areas, difference, ranked, variance

SCORED = st.lists(
    st.tuples(st.integers(0, 3), st.sampled_from([-1, 0, 1]), st.integers(-4, 4)), min_size=1, max_size=60
)


def made(rows: list[tuple[int, int, int]]) -> tuple[Folds, np.ndarray]:
    """Four folds with a pair each, and what was drawn."""
    rows = [*rows, *((fold, label, label) for fold in range(4) for label in (0, 1))]
    of, labels, scores = (np.array(column) for column in zip(*rows))
    return Folds(of=of, labels=labels, count=4), scores.astype(float)


@given(SCORED)
def test_the_area_is_the_share_of_pairs_in_order(rows: list[tuple[int, int, int]]) -> None:
    by, scores = made(rows)
    right = total = 0.0
    for one, other in product(range(len(scores)), repeat=2):
        if by.of[one] == by.of[other] and by.labels[one] == 1 and by.labels[other] == 0:
            total += 1
            right += 1.0 if scores[one] > scores[other] else 0.5 if scores[one] == scores[other] else 0.0
    found = ranked(scores, by, confidence=0.95)
    assert found.estimate == pytest.approx(right / total)
    assert areas(scores[:, None], by)[0] == pytest.approx(right / total)
    assert found.low is not None
    assert found.high is not None
    assert 0 <= found.low <= right / total <= found.high <= 1
    assert found.n == int((by.labels >= 0).sum())


@given(SCORED)
def test_turning_the_scores_round_turns_the_interval_round(rows: list[tuple[int, int, int]]) -> None:
    by, scores = made(rows)
    one, other = ranked(scores, by, confidence=0.9), ranked(-scores, by, confidence=0.9)
    assert one.low == pytest.approx(1 - other.high, abs=1e-9)  # type: ignore[operator]  # scores of both kinds have an interval
    assert one.high == pytest.approx(1 - other.low, abs=1e-9)  # type: ignore[operator]  # scores of both kinds have an interval


@given(st.floats(0.01, 0.99), st.integers(1, 30), st.integers(1, 30))
def test_one_fold_has_the_variance_of_hanley_and_mcneil(area: float, upper: int, lower: int) -> None:
    by = Folds(of=np.zeros(upper + lower, dtype=int), labels=np.array([1] * upper + [0] * lower), count=1)
    q1, q2 = area / (2 - area), 2 * area**2 / (1 + area)
    like = (upper + lower) / 2 - 1  # Newcombe: the mean size in place of both
    written = (area * (1 - area) + like * (q1 - area**2) + like * (q2 - area**2)) / (upper * lower)
    assert variance(area, by) == pytest.approx(written, rel=1e-9, abs=1e-15)


def test_L10_perfect_separation_is_not_certainty() -> None:
    by, scores = made([])
    found = ranked(scores, by, confidence=0.95)
    assert found.estimate == 1.0
    assert found.low is not None
    assert found.low < 0.6


EVEN = ((8, 8),) * 6
UNEVEN = ((30, 5), (5, 30), (2, 2), (3, 3), (10, 10), (1, 8), (8, 1), (6, 6))
ONE_LARGE = ((30, 30), *((2, 2),) * 5)


def coverage(sizes: tuple[tuple[int, int], ...], shift: float, family: float, runs: int) -> tuple[float, float]:
    """Share of intervals that hold the truth, and the mean error; each family moves its harmful scores by a draw of its own."""
    rng = np.random.default_rng(3)
    of = np.concatenate([np.full(upper + lower, fold) for fold, (upper, lower) in enumerate(sizes)])
    labels = np.concatenate([[1] * upper + [0] * lower for upper, lower in sizes])
    by = Folds(of=of, labels=labels, count=len(sizes))
    truth = 0.5 * math.erfc(-shift / math.sqrt(2 + family**2) / math.sqrt(2))
    held, error = 0, 0.0
    for _ in range(runs):
        scores = rng.standard_normal(len(of)) + labels * (shift + family * rng.standard_normal(len(sizes))[of])
        found = ranked(scores, by, confidence=0.95)
        assert found.low is not None
        assert found.high is not None
        assert found.estimate is not None
        held += found.low <= truth <= found.high
        error += found.estimate - truth
    return held / runs, error / runs


@pytest.mark.parametrize(
    ("sizes", "shift", "family"),
    [
        (EVEN, 0.0, 0.0), (EVEN, 0.0, 1.0), (EVEN, 1.2, 0.7), (EVEN, 2.5, 0.0), (UNEVEN, 0.0, 1.0), (UNEVEN, 1.2, 0.7),
        (ONE_LARGE, 0.0, 1.0), (ONE_LARGE, 1.2, 0.0),
    ],
    ids=[
        "null", "null, families differ", "some, families differ", "strong", "uneven null, families differ",
        "uneven, some, families differ", "one large, families differ", "one large",
    ],
)  # fmt: skip
def test_the_interval_covers_and_the_area_is_unbiased(
    sizes: tuple[tuple[int, int], ...], shift: float, family: float
) -> None:
    held, error = coverage(sizes, shift, family, 200)
    assert held >= 0.92  # 200 runs at 0.95: two standard errors are 0.03
    assert abs(error) < 0.04


def test_a_difference_holds_the_difference() -> None:
    def one(value: float, low: float, high: float) -> Estimate:
        return Estimate(estimate=value, low=low, high=high, n=40, method="")

    gap = difference(one(0.9, 0.8, 0.95), one(0.6, 0.5, 0.7))
    assert gap.estimate == pytest.approx(0.3)
    assert gap.low == pytest.approx(0.3 - math.hypot(0.1, 0.1))
    assert gap.high == pytest.approx(0.3 + math.hypot(0.05, 0.1))
    none = Estimate(estimate=None, low=None, high=None, n=0, method="")
    assert difference(none, one(0.6, 0.5, 0.7)).estimate is None
