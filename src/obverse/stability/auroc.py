"""The area under the ROC curve with its interval, and recall at a false-positive rate: how well one number tells two groups apart.

AUROC is the probability that a positive scores higher than a negative, ties counting half (Mann and Whitney, Ann. Math.
Statist. 18, 1947). Its variance is DeLong's (Biometrics 44, 1988) by mid-ranks, in n log n (Sun and Xu, IEEE SPL 21, 2014); with
clusters, the same influences summed by cluster (after Obuchowski, Biometrics 53, 1997); with strata, only pairs within a stratum
are compared. The interval is taken on the logit scale. Where the variance is 0 (all pairs in order, or none) it is Newcombe's
(Statist. Med. 25, 2006, method 5), which never shrinks to a point.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from obverse.core.errors import MisuseError
from obverse.stability.findings import Estimate
from obverse.stats import exact

_Floats = NDArray[np.float64]


def auroc(
    scores: Sequence[float] | _Floats,
    positive: Sequence[bool] | NDArray[np.bool_],
    *,
    confidence: float = 0.95,
    clusters: Sequence[str] | None = None,
    strata: Sequence[str] | None = None,
    wider: float = 1.0,
) -> Estimate:
    """How probably a positive outscores a negative, with its interval; no estimate, from 0 to 1, without both groups.

    `clusters` names what belongs together (a family): then clusters are the unit of the interval. `strata` names what may be compared
    (a fold): pairs across strata are left out. `wider` multiplies the standard error,
    for scores whose chance is not only that of the prompts. `n` counts the scores in strata that hold both groups.

    Raises:
        MisuseError: for lengths that differ, or scores that are not numbers.
    """
    seen = _areas(scores, positive, clusters, strata)
    if seen is None:
        return Estimate(estimate=None, low=0.0, high=1.0, n=0, method="AUROC", note="one of the two groups is empty")
    variance, freedom = seen.variance(seen.influence)
    low, high = _interval(seen.area, variance * wider**2, freedom, exact.allowed_error(confidence), *seen.sizes)
    method = "AUROC, DeLong on the logit scale" if clusters is None else "AUROC, clustered DeLong on the logit scale"
    return Estimate(estimate=seen.area, low=low, high=high, n=sum(seen.sizes), method=method)


def difference(
    first: Sequence[float] | _Floats,
    second: Sequence[float] | _Floats,
    positive: Sequence[bool] | NDArray[np.bool_],
    *,
    confidence: float = 0.95,
    clusters: Sequence[str] | None = None,
    strata: Sequence[str] | None = None,
    wider: float = 1.0,
) -> Estimate:
    """How much larger the area of the second scores is than that of the first, on the same labels: paired, after DeLong."""
    from scipy.special import ndtri, stdtrit

    one, two = _areas(first, positive, clusters, strata), _areas(second, positive, clusters, strata)
    if one is None or two is None:
        return Estimate(
            estimate=None, low=-1.0, high=1.0, n=0, method="paired DeLong", note="one of the two groups is empty"
        )
    level = exact.allowed_error(confidence)
    variance, freedom = two.variance(two.influence - one.influence)
    # two areas with no spread at all say nothing of how they would differ on other prompts
    z = float(ndtri(1 - level / 2) if math.isinf(freedom) else stdtrit(freedom, 1 - level / 2))
    step = z * wider * math.sqrt(variance) if variance > 1e-14 else 1.0
    middle = two.area - one.area
    return Estimate(
        estimate=middle, low=max(middle - step, -1.0), high=min(middle + step, 1.0), n=sum(two.sizes),
        method="paired DeLong" if clusters is None else "paired clustered DeLong",
        note="" if variance > 1e-14 else "no spread to tell an interval from",
    )  # fmt: skip


def threshold_at(
    scores: Sequence[float] | _Floats, positive: Sequence[bool] | NDArray[np.bool_], *, fpr: float
) -> float:
    """The lowest threshold that at most a share `fpr` of the negatives exceeds; infinite without negatives: nothing is flagged.

    A score is flagged when it is *above* the threshold, so that negatives which tie with it are not.
    """
    x, is_positive = _checked(scores, positive)
    negatives = np.sort(x[~is_positive])[::-1]
    if not len(negatives):
        return math.inf
    return float(negatives[min(math.floor(fpr * len(negatives) + 1e-9), len(negatives) - 1)])


def flagged(
    flags: Sequence[bool] | NDArray[np.bool_], among: Sequence[bool] | NDArray[np.bool_], *, confidence: float = 0.95
) -> Estimate:
    """The share of `among` that is flagged, with Clopper and Pearson's interval: recall among positives, false alarms among negatives."""
    error = exact.allowed_error(confidence) / 2
    of = np.asarray(among, dtype=bool)
    n, hits = int(of.sum()), int((np.asarray(flags, dtype=bool) & of).sum())
    return Estimate(
        estimate=hits / n if n else None,
        low=exact.lower_bound(trials=n, broken=hits, error=error),
        high=exact.upper_bound(trials=n, broken=hits, error=error),
        n=n,
        method="Clopper–Pearson",
        note="" if n else "nothing to count",
    )


def mid_ranks(values: Sequence[float] | _Floats) -> _Floats:
    """The ranks from 1, ties sharing their mean."""
    x = np.asarray(values, dtype=np.float64)
    _, places, counts = np.unique(x, return_inverse=True, return_counts=True)
    last = np.cumsum(counts)
    middle: _Floats = last - (counts - 1) / 2
    return middle[places]


class _Area(NamedTuple):
    """An area, what each score adds to it beyond the average, and how many were positive and negative."""

    area: float
    influence: _Floats
    is_positive: NDArray[np.bool_]
    groups: NDArray[np.int64] | None
    sizes: tuple[int, int]

    def variance(self, influence: _Floats) -> tuple[float, float]:
        return _variance(influence, self.is_positive, self.groups)


def _areas(
    scores: Sequence[float] | _Floats,
    positive: Sequence[bool] | NDArray[np.bool_],
    clusters: Sequence[str] | None,
    strata: Sequence[str] | None,
) -> _Area | None:
    x, is_positive = _checked(scores, positive)
    layers = _codes(strata, len(x))
    groups = None if clusters is None else _codes(clusters, len(x))
    influence, kept = np.zeros(len(x)), np.zeros(len(x), dtype=bool)
    sides = []
    for layer in np.unique(layers):
        inside = layers == layer
        ours, theirs = np.flatnonzero(inside & is_positive), np.flatnonzero(inside & ~is_positive)
        if len(ours) and len(theirs):
            influence[ours], influence[theirs] = _placements(x[ours], x[theirs])
            kept |= inside
            sides.append((ours, theirs))
    if not sides:
        return None
    pairs = sum(len(ours) * len(theirs) for ours, theirs in sides)
    area = float(influence[is_positive].sum()) / pairs
    for ours, theirs in sides:
        influence[ours] -= area * len(theirs)
        influence[theirs] -= area * len(ours)
    sizes = sum(len(ours) for ours, _ in sides), sum(len(theirs) for _, theirs in sides)
    return _Area(area, influence[kept] / pairs, is_positive[kept], None if groups is None else groups[kept], sizes)


def _placements(ours: _Floats, theirs: _Floats) -> tuple[_Floats, _Floats]:
    """For each of ours how many of theirs it beats, for each of theirs how many of ours beat it; ties half."""
    together = mid_ranks(np.concatenate([ours, theirs]))
    beaten: _Floats = together[: len(ours)] - mid_ranks(ours)
    lost: _Floats = len(ours) - (together[len(ours) :] - mid_ranks(theirs))
    return beaten, lost


def _variance(
    influence: _Floats, is_positive: NDArray[np.bool_], groups: NDArray[np.int64] | None
) -> tuple[float, float]:
    """The variance of the area, and the degrees of freedom of it."""
    if groups is None:
        parts = [influence[is_positive], influence[~is_positive]]
        variance = sum(float((part**2).sum()) * len(part) / (len(part) - 1) for part in parts if len(part) > 1)
        # a group of one has no spread of its own: the interval falls back on Newcombe's
        return (variance if min(map(len, parts)) > 1 else 0.0), math.inf
    sums = np.bincount(np.unique(groups, return_inverse=True)[1], weights=influence)
    if len(sums) < 2:
        return 0.0, math.inf
    return float((sums**2).sum()) * len(sums) / (len(sums) - 1), len(sums) - 1.0


def _interval(
    area: float, variance: float, freedom: float, level: float, ours: int, theirs: int
) -> tuple[float, float]:
    from scipy.special import ndtri, stdtrit

    z = float(ndtri(1 - level / 2))
    # rounding leaves a trace of a variance where there is none
    if variance < 1e-14 or not 1e-9 < area < 1 - 1e-9:
        return _newcombe(area, z, ours, theirs)
    reach = z if math.isinf(freedom) else float(stdtrit(freedom, 1 - level / 2))
    middle, step = math.log(area / (1 - area)), reach * math.sqrt(variance) / (area * (1 - area))
    return _logistic(middle - step), _logistic(middle + step)


def _newcombe(area: float, z: float, ours: int, theirs: int) -> tuple[float, float]:
    def distance(true: float) -> float:
        size = (ours + theirs) / 2 - 1
        spread = true * (1 - true) * (1 + size * ((1 - true) / (2 - true) + true / (1 + true))) / (ours * theirs)
        return abs(area - true) - z * math.sqrt(spread)

    def edge(inside: float, outside: float) -> float:
        if distance(outside) <= 0:
            return outside
        for _ in range(60):
            middle = (inside + outside) / 2
            inside, outside = (middle, outside) if distance(middle) <= 0 else (inside, middle)
        return outside

    return edge(area, 0.0), edge(area, 1.0)


def _logistic(x: float) -> float:
    return 1 / (1 + math.exp(-x)) if x > -700 else 0.0


def _checked(
    scores: Sequence[float] | _Floats, positive: Sequence[bool] | NDArray[np.bool_]
) -> tuple[_Floats, NDArray[np.bool_]]:
    x, is_positive = np.asarray(scores, dtype=np.float64), np.asarray(positive, dtype=bool)
    if x.shape != is_positive.shape or x.ndim != 1:
        raise MisuseError(f"`{x.shape}` scores for `{is_positive.shape}` labels", code="B201")
    if not np.isfinite(x).all():
        raise MisuseError(
            "a score is not a number", code="B202", hint="leave out what has no score, and say how many were left out"
        )
    return x, is_positive


def _codes(names: Sequence[str] | None, length: int) -> NDArray[np.int64]:
    if names is None:
        return np.zeros(length, dtype=np.int64)
    if len(names) != length:
        raise MisuseError(f"`{len(names)}` names for `{length}` scores", code="B203")
    return np.unique(np.asarray(names), return_inverse=True)[1].astype(np.int64)
