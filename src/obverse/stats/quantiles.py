"""The median of a sample with an interval that holds whatever its distribution: order statistics and the sign test.

Source: H. A. David and H. N. Nagaraja, Order Statistics, 3rd ed., section 7.1. A value may be infinite: something that did not
happen within the time that was watched. Too few values give no interval, and no median stands alone (L10).
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable

import msgspec

from obverse.stats.exact import allowed_error


class Median(msgspec.Struct, frozen=True, kw_only=True):
    """The median of `n` values and its interval; each is None where so few values do not give it."""

    n: int
    median: float | None
    low: float | None
    high: float | None
    confidence: float
    method: str = "order statistics"


def median(values: Iterable[float], *, confidence: float = 0.95) -> Median:
    """The median, with the narrowest symmetric pair of order statistics that encloses it with this confidence or more."""
    from scipy.special import bdtr

    ordered = sorted(values)
    n = len(ordered)
    outside = allowed_error(confidence) / 2
    rank = bisect_right(range(n // 2), outside, key=lambda under: float(bdtr(under, n, 0.5)))
    middle = None if n < 2 else (ordered[(n - 1) // 2] + ordered[n // 2]) / 2
    if rank == 0:
        return Median(n=n, median=middle, low=None, high=None, confidence=confidence)
    return Median(n=n, median=middle, low=ordered[rank - 1], high=ordered[n - rank], confidence=confidence)
