"""Linear probes: logistic regression with an L2 penalty on the states of one layer, by Newton's method.

    minimise  ½‖w‖² + C Σ_i log(1 + exp(-y_i (x_i·w + b))),   y = ±1, b not penalised

Features are standardised by the training prompts' mean and deviation and divided by √d, so that C means the same at every
width. With more features than prompts the solution lies in the span of the training prompts, so the fit runs in the basis of
their principal components (all of them up to `COMPONENTS`: then it is exact; else the smallest are dropped).
C is chosen by `nested`, like the layer.
"""

from __future__ import annotations

from typing import Final

import numpy as np
from numpy.typing import NDArray

from obverse.core.errors import MisuseError
from obverse.stability.inside.directions import Floats
from obverse.stability.inside.nested import Learn
from obverse.stability.inside.ranking import Doubles

STRENGTHS: Final = (0.01, 0.1, 1.0, 10.0)
"""The C that are tried."""
COMPONENTS: Final = 64
_STEPS: Final = 50


def probe(states: Floats, labels: NDArray[np.int64], *, components: int = COMPONENTS) -> Learn:
    """Learns one probe a layer and strength from the labelled prompts of the training folds; scores are log-odds."""

    def learn(train: NDArray[np.bool_]) -> Doubles:
        rows = train & (labels >= 0)
        target = np.where(labels[rows] == 1, 1.0, -1.0)
        scores = np.empty((*states.shape[:2], len(STRENGTHS)))
        for layer in range(states.shape[1]):
            features = reduced(states[:, layer].astype(np.float64), rows, components)
            start = None
            for place, strength in enumerate(STRENGTHS):
                start = logistic(features[rows], target, strength=strength, start=start)
                scores[:, layer, place] = features @ start[:-1] + start[-1]
        return scores

    return learn


def reduced(values: Doubles, rows: NDArray[np.bool_], components: int) -> Doubles:
    """All values (n, d), standardised by these rows, in the principal components of these rows: (n, at most `components`)."""
    mean, deviation = values[rows].mean(axis=0), values[rows].std(axis=0)
    scaled = (values - mean) / np.where(deviation > 0, deviation, np.inf) / np.sqrt(values.shape[1])
    kernel = scaled @ scaled[rows].T
    size, basis = np.linalg.eigh(kernel[rows])
    keep = np.flatnonzero(size > max(size[-1], 0.0) * 1e-10)[-components:]
    result: Doubles = kernel @ (basis[:, keep] / np.sqrt(size[keep]))
    return result


def logistic(features: Doubles, target: Doubles, *, strength: float, start: Doubles | None = None) -> Doubles:
    """The minimising weights, the bias last: (d + 1,). `target` is ±1.

    Raises:
        MisuseError: if only one kind is there, since its bias would have no end.
    """
    if len(set(target.tolist())) != 2:
        raise MisuseError("a probe needs prompts of both kinds to learn from", code="B401")
    design = np.hstack([features, np.ones((len(features), 1))])
    penalty = np.append(np.ones(features.shape[1]), 0.0)
    weights = np.zeros(design.shape[1]) if start is None else start.copy()
    value = _loss(design, target, weights, penalty, strength)
    for _ in range(_STEPS):
        chance = _expit(-target * (design @ weights))
        slope = penalty * weights - strength * (design.T @ (target * chance))
        bend = (design.T * (strength * chance * (1 - chance))) @ design
        bend[np.diag_indices_from(bend)] += penalty + 1e-12
        step = np.linalg.solve(bend, slope)
        gain = float(slope @ step)
        size = 1.0
        while (
            _loss(design, target, weights - size * step, penalty, strength) > value - 1e-4 * size * gain and size > 1e-8
        ):
            size /= 2
        weights = weights - size * step
        value = _loss(design, target, weights, penalty, strength)
        if gain < 1e-12 * max(1.0, value):
            break
    return weights


def _loss(design: Doubles, target: Doubles, weights: Doubles, penalty: Doubles, strength: float) -> float:
    margins = target * (design @ weights)
    return float(0.5 * (penalty * weights**2).sum() + strength * np.logaddexp(0.0, -margins).sum())


def _expit(values: Doubles) -> Doubles:
    result: Doubles = np.exp(-np.logaddexp(0.0, -values))
    return result
