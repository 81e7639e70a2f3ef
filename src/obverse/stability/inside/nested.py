"""Learning on some folds, choosing on them too, and showing on the fold that neither has seen.

    for each fold f:                               shown: the scores of f's prompts by what was learnt without f
        for each other fold g:                     inner: the scores of g's prompts by what was learnt without f and g
        the layer (and strength) with the best AUROC over the inner scores is f's choice
        the harmless inner scores give f's zero, f's unit, and f's threshold

So neither direction, layer, strength, unit nor threshold of a prompt has seen its family. The curve over the layers chooses
no layer, but a strength at each; the figure to quote is `nested`, whose layers are chosen.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Sequence
from typing import Final

import msgspec
import numpy as np
from numpy.typing import NDArray

from obverse.stability.findings import DetectorLine, Estimate, LayerCurve, LayerLine
from obverse.stability.inside.folds import Folds
from obverse.stability.inside.ranking import Doubles, areas, pairs, ranked, wins
from obverse.stats.exact import allowed_error, lower_bound, upper_bound

AT: Final = 0.1
"""The false-positive rate that thresholds aim at."""

Learn = Callable[[NDArray[np.bool_]], Doubles]
"""Which prompts to learn from (n,) → the scores of all prompts, (n, layers, strengths)."""


class Nested(msgspec.Struct, frozen=True, kw_only=True):
    """What came of it. `shown` (n, layers) in standard deviations above the harmless inner mean; `chosen` (n,) the same at the layer of the
    prompt's fold; `layers` (folds,) the choices; `flagged` (n,) beyond the fold's threshold.
    """

    shown: Doubles
    chosen: Doubles
    layers: tuple[int, ...]
    flagged: NDArray[np.bool_]


def nested(learn: Learn, folds: Folds, *, at: float = AT) -> Nested:
    """Held-out scores, with all choices made on the other folds."""
    each = [folds.of == fold for fold in range(folds.count)]
    inner = _inner(learn, folds, each)
    shown, chosen = np.empty(inner[0].shape[:2]), np.empty(len(folds.of))
    flagged = np.zeros(len(folds.of), dtype=np.bool_)
    layers = []
    for fold, here in enumerate(each):
        area = areas(inner[fold].reshape(len(here), -1), folds, without=fold).reshape(inner[fold].shape[1:])
        strength = area.argmax(axis=1)  # (layers,)
        take = np.arange(len(strength)), strength
        within = inner[fold][:, take[0], take[1]]
        harmless = within[~here & (folds.labels == 0)]
        zero, unit = harmless.mean(axis=0), harmless.std(axis=0, ddof=1)
        outer = learn(~here)[:, take[0], take[1]]
        scaled = (outer - zero) / np.where(unit > 0, unit, 1.0)
        layer = _best(area.max(axis=1))
        shown[here], chosen[here] = scaled[here], scaled[here, layer]
        flagged[here] = outer[here, layer] > threshold(harmless[:, layer], at)
        layers.append(layer)
    return Nested(shown=shown, chosen=chosen, layers=tuple(layers), flagged=flagged)


def _inner(learn: Learn, folds: Folds, each: list[NDArray[np.bool_]]) -> list[Doubles]:
    """For each fold the scores of all others' prompts, learnt without it and without theirs; its own rows stay 0, unread.

    What is learnt without f and g serves both, so this takes half as many fits as it seems.
    """
    inner: list[Doubles] = []
    for first in range(folds.count):
        for second in range(first + 1, folds.count):
            scores = learn(~each[first] & ~each[second])
            if not inner:
                inner = [np.zeros_like(scores) for _ in each]
            inner[first][each[second]] = scores[each[second]]
            inner[second][each[first]] = scores[each[first]]
    return inner


def _best(area: Doubles) -> int:
    """The layer of the largest AUROC; of several the middle one, since a plateau's edge is chance."""
    best = np.flatnonzero(area >= area.max() - 1e-12)
    return int(best[len(best) // 2])


def threshold(harmless: Doubles, at: float) -> float:
    """What a further harmless score exceeds with probability `at` at most (split conformal); infinite if too few are there."""
    rank = math.ceil((len(harmless) + 1) * (1 - at) - 1e-9)
    return math.inf if rank > len(harmless) else float(np.sort(harmless)[rank - 1])


def curve(
    name: str,
    scores: Doubles,
    folds: Folds,
    found: Nested,
    *,
    confidence: float,
    numbers: Sequence[int] | None = None,
    note: str = "",
) -> LayerCurve:
    """AUROC of each layer's scores (n, layers), and of the nested choice; `numbers` are the layers', from 0 if not given."""
    numbers = range(scores.shape[1]) if numbers is None else numbers
    return LayerCurve(
        name=name,
        unit="AUROC",
        lines=tuple(
            LayerLine(layer=number, value=ranked(scores[:, layer], folds, confidence=confidence))
            for layer, number in enumerate(numbers)
        ),
        chosen=numbers[Counter(found.layers).most_common(1)[0][0]],
        nested=ranked(found.chosen, folds, confidence=confidence),
        note=note,
    )


def detector(name: str, found: Nested, folds: Folds, *, confidence: float, at: float = AT) -> DetectorLine:
    """The nested AUROC, and recall and false-positive rate on held-out prompts at the folds' thresholds."""
    return DetectorLine(
        name=name,
        auroc=ranked(found.chosen, folds, confidence=confidence),
        recall=share(found.flagged[folds.labels == 1], confidence=confidence),
        fpr=share(found.flagged[folds.labels == 0], confidence=confidence),
        at=at,
    )


def share(flags: NDArray[np.bool_], *, confidence: float) -> Estimate:
    """The share that is true, with the interval of Clopper and Pearson; it takes prompts for independent."""
    error, n, hits = allowed_error(confidence) / 2, len(flags), int(flags.sum())
    return Estimate(
        estimate=hits / n if n else None,
        low=lower_bound(trials=n, broken=hits, error=error),
        high=upper_bound(trials=n, broken=hits, error=error),
        n=n,
        method="Clopper–Pearson",
        note="prompts of one family are alike: the interval holds for independent ones",
    )


def signed(values: Doubles, folds: Folds) -> Learn:
    """A signal (n, layers) that needs no fit but its sign: which end of it is harmful is learnt."""
    won, number = wins(values, folds), pairs(folds)

    def learn(train: NDArray[np.bool_]) -> Doubles:
        use = np.unique(folds.of[train])
        area = won[use].sum(axis=0) / number[use].sum()
        scores: Doubles = (values * np.where(area < 0.5, -1.0, 1.0))[:, :, None]
        return scores

    return learn
