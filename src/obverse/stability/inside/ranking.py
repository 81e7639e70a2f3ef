"""The area under the ROC curve over held-out prompts, with an interval that knows of families.

    θ = Σ_f #{harmful above harmless in fold f, ties half} / Σ_f n⁺_f n⁻_f

Pairs are only formed within a fold: scores of different folds come from different directions and have no common zero, and
pooling them pulls the AUROC below 1/2 where nothing is to be found (Airola et al., Comput. Stat. Data Anal. 55, 2011).

The interval inverts a score test, |θ̂ - θ| = t √(D V(θ)): V is the variance of Hanley and McNeil (Radiology 143, 1982) in the
form of Newcombe (Stat. Med. 25, 2006, method 5), which does not collapse at 0 or 1; D ≥ 1 is the design effect, how much more the
folds differ (by the jackknife over folds) than V says; t is Student's, with one degree of freedom fewer than there are
folds of equal weight, (Σ n⁺n⁻)² / Σ (n⁺n⁻)²: a fold that outweighs the others leaves little to learn the spread from.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from obverse.stability.findings import Estimate
from obverse.stability.inside.folds import Folds
from obverse.stats.exact import allowed_error

Doubles = NDArray[np.float64]

METHOD = "AUROC within held-out folds; score interval, design effect of folds, t"


def wins(scores: Doubles, folds: Folds) -> Doubles:
    """Per fold and column how many pairs (harmful, harmless) are in order, ties half: (folds, columns). `scores` is (n, columns)."""
    won = np.zeros((folds.count, scores.shape[1]))
    for fold in range(folds.count):
        here = folds.of == fold
        upper, lower = scores[here & (folds.labels == 1)], scores[here & (folds.labels == 0)]
        for row in upper:  # row by row: (harmful × harmless × columns) at once may be large
            won[fold] += (row > lower).sum(axis=0) + 0.5 * (row == lower).sum(axis=0)
    return won


def pairs(folds: Folds) -> Doubles:
    """How many pairs each fold has: (folds,)."""
    return _each(folds, 1) * _each(folds, 0)


def areas(scores: Doubles, folds: Folds, *, without: int | None = None) -> Doubles:
    """The AUROC of each column of (n, columns), over all folds but one: (columns,)."""
    use = np.arange(folds.count) != (-1 if without is None else without)
    area: Doubles = wins(scores, folds)[use].sum(axis=0) / pairs(folds)[use].sum()
    return area


def ranked(scores: Doubles, folds: Folds, *, confidence: float) -> Estimate:
    """The AUROC of these held-out scores (n,), with its interval. `n` counts the labelled prompts."""
    from scipy.special import stdtrit

    won, number = wins(scores[:, None], folds)[:, 0], pairs(folds)
    total = number.sum()
    area = float(won.sum() / total)
    plain = variance(area, folds)
    effect = max(1.0, _jackknife(won, number) / plain) if plain > 0 else 1.0
    freedom = max(1.0, float(total**2 / (number**2).sum()) - 1)
    reach = float(stdtrit(freedom, 1 - allowed_error(confidence) / 2)) ** 2 * effect
    return Estimate(
        estimate=area,
        low=_end(area, 0.0, reach, folds),
        high=_end(area, 1.0, reach, folds),
        n=int((folds.labels >= 0).sum()),
        method=METHOD,
    )


def _jackknife(won: Doubles, number: Doubles) -> float:
    """The variance of the AUROC between folds, by leaving each out in turn (Quenouille; Miller, Biometrika 61, 1974)."""
    left = (won.sum() - won) / (number.sum() - number)
    count = len(number)
    return float((count - 1) / count * ((left - won.sum() / number.sum()) ** 2).sum())


def variance(area: float, folds: Folds) -> float:
    """Newcombe's variance of an AUROC of this size, if prompts were independent; strata are folds."""
    upper, lower = _each(folds, 1), _each(folds, 0)
    number = upper * lower
    like = (upper + lower) / 2 - 1
    each = area * (1 - area) / number * (1 + like * ((1 - area) / (2 - area) + area / (1 + area)))
    return float((number**2 * each).sum() / number.sum() ** 2)


def difference(first: Estimate, second: Estimate) -> Estimate:
    """First minus second AUROC of the same prompts: squares of the two intervals' arms added (Zou and Donner, 2008).

    Taken as if the two were independent; they go together, so the interval is wide rather than narrow.
    """
    ends = (first.estimate, first.low, first.high, second.estimate, second.low, second.high)
    if any(end is None for end in ends):
        return Estimate(estimate=None, low=None, high=None, n=0, method="difference of AUROCs")
    one, one_low, one_high, two, two_low, two_high = (float(end) for end in ends if end is not None)
    gap = one - two
    return Estimate(
        estimate=gap,
        low=max(-1.0, gap - math.hypot(one - one_low, two_high - two)),
        high=min(1.0, gap + math.hypot(one_high - one, two - two_low)),
        n=min(first.n, second.n),
        method="difference of AUROCs, arms squared and added",
    )


def _end(area: float, end: float, reach: float, folds: Folds) -> float:
    """Between the AUROC and this end: the farthest value that the score test does not reject, by bisection."""
    inside, outside = area, end
    for _ in range(60):
        middle = (inside + outside) / 2
        if (area - middle) ** 2 <= reach * variance(middle, folds):
            inside = middle
        else:
            outside = middle
    return inside


def _each(folds: Folds, label: int) -> Doubles:
    return np.bincount(folds.of[folds.labels == label], minlength=folds.count).astype(np.float64)
