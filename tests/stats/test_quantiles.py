"""The median and its interval, from order statistics."""

from __future__ import annotations

import math

import numpy as np
import pytest
from scipy import stats as scipy_stats

from obverse.core.errors import MisuseError
from obverse.stats.quantiles import median


@pytest.mark.parametrize("n", [6, 7, 10, 25, 100])
@pytest.mark.parametrize("confidence", [0.9, 0.95, 0.99])
def test_the_interval_covers_the_median_as_often_as_it_says_whatever_the_distribution(
    n: int, confidence: float
) -> None:
    """Computed: the ranks that it takes leave out no more of the binomial distribution than they may."""
    found = median(range(n), confidence=confidence)
    if found.low is None or found.high is None:
        assert 2 * 0.5**n > 1 - confidence
        return
    left, right = int(found.low), int(found.high)
    outside = scipy_stats.binom.cdf(left, n, 0.5) + scipy_stats.binom.sf(right, n, 0.5)
    assert outside <= 1 - confidence + 1e-12
    wider = scipy_stats.binom.cdf(left + 1, n, 0.5) * 2
    assert wider > 1 - confidence  # one rank less on each side would not do


def test_the_interval_covers_in_a_simulation() -> None:
    draws = np.random.default_rng(5).exponential(size=(2000, 15))
    found = [median(row) for row in draws]
    covered = sum(one.low <= math.log(2) <= one.high for one in found if one.low is not None and one.high is not None)
    assert covered >= 1880  # 96.5 % are expected


def test_few_values_give_no_interval_and_one_no_median() -> None:
    assert [median([1.0] * n).median for n in (0, 1)] == [None, None]
    assert [median([1.0] * n).low for n in (2, 5)] == [None, None]
    assert median([1.0] * 6).low == 1.0


def test_what_never_happened_counts_as_later_than_all_else() -> None:
    found = median([1, 2, 3, *[math.inf] * 4])
    assert (found.median, found.low, found.high) == (math.inf, 1, math.inf)


def test_the_order_of_values_does_not_matter() -> None:
    assert median([3, 1, 2, 9, 7, 5, 4]) == median(sorted([3, 1, 2, 9, 7, 5, 4]))
    with pytest.raises(MisuseError):
        median([1, 2], confidence=0.5)
