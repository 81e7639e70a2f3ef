"""Are the gradients of incoming training data larger than those of plain data? An early sign, before anything is trained.

Takes one row of gradient norms an example (`local.gradients`), reads no model. The ratio of layer l is geometric and paired,

    R_l = exp( mean over pairs of  log‖∇_l suspect‖ − log‖∇_l benign‖ ),

over pairs of equal answer length: a mean over few tokens has a larger gradient than one over many, whatever they say. `beyond` is
the intercept of the same differences regressed on those of log loss and log length: what the gradient knows that the loss does
not. Its p is Freedman and Lane's (J. Bus. Econ. Stat. 1, 1983): signs of the residuals of the model without intercept are flipped.

A large gradient says that the answer is far from what the model would say. It is no sign of harm by itself, and the loss alone
often says as much: both stand side by side, as detectors (`auroc`).
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence
from typing import TYPE_CHECKING, Final, Literal, TypeAlias

import msgspec
import numpy as np

from obverse.core.errors import MisuseError
from obverse.stability.auroc import auroc, flagged, mid_ranks, threshold_at
from obverse.stability.findings import DetectorLine, Estimate
from obverse.stability.inside.routing import adjusted

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Floats = NDArray[np.float64]

Verdict: TypeAlias = Literal["larger", "smaller", "not shown", "undecided"]

TOLERANCE: Final = 1.25
"""Two answers are of equal length when neither is more than this many times as long as the other."""

_LEAST_PAIRS: Final = 6  # with five, no two-sided sign test reaches 5 %
_LEAST_BEYOND: Final = 12  # three numbers are fitted; resamples of fewer pairs often hold too few different ones
_OVERLAP: Final = 0.05  # of AUROC: below, or above 1 minus it, two sets of losses hardly overlap
_METHOD: Final = "geometric mean over matched pairs, expanded percentile bootstrap"


class GradientRow(msgspec.Struct, frozen=True, kw_only=True):
    """One training example as the model meets it, before it learns: `tokens` of the answer, `loss` in nats per such token, and the
    norm of the gradient of that loss in each layer, the first first. `error` is a kind, and then there are no norms.
    """

    line: int
    tokens: int
    loss: float | None = None
    norms: tuple[float, ...] = ()
    error: str | None = None

    @property
    def total(self) -> float:
        """The norm over all layers together."""
        return math.sqrt(sum(norm * norm for norm in self.norms))


class LayerRatio(msgspec.Struct, frozen=True, kw_only=True):
    """How many times as large the suspect gradients are as the benign ones, in one layer (from 1) or in all together (0).

    `beyond` is the same at equal loss and length. `q` and `q_beyond` are Benjamini and Hochberg's over the layers; of all together, p.
    """

    layer: int
    ratio: Estimate
    p: float | None
    q: float | None
    beyond: Estimate
    p_beyond: float | None
    q_beyond: float | None


class GradientWarning(msgspec.Struct, frozen=True, kw_only=True):
    """What the gradients of two sets of training data say. `gain` is the AUROC of the gradient norm minus that of the loss.

    `correlations` are Spearman's among the benign examples, of the norm over all layers with `tokens` and `loss`; `left_out` counts
    examples without norms by the kind of their error.
    """

    schema: str = "obverse.stability.gradients/1"
    model: str
    suspect: int
    benign: int
    pairs: int
    left_out: dict[str, int]
    verdict: Verdict
    says: str
    total: LayerRatio
    layers: tuple[LayerRatio, ...]
    correlations: dict[str, float | None]
    detectors: tuple[DetectorLine, ...]
    gain: Estimate
    confidence: float
    seed: int
    notes: tuple[str, ...] = ()


def warning(
    suspect: Sequence[GradientRow], benign: Sequence[GradientRow], *, model: str, confidence: float = 0.95, seed: int = 0,
    draws: int = 2000, flips: int = 9999, fpr: float = 0.05,
) -> GradientWarning:  # fmt: skip
    """What the two sets of rows say of each other; with too few pairs the verdict is `undecided`, with the reason.

    Raises:
        MisuseError: if rows are of models with different numbers of layers.
    """
    ours, theirs = _usable(suspect), _usable(benign)
    widths = {len(row.norms) for row in (*ours, *theirs)}
    if len(widths) > 1:
        raise MisuseError("the rows are of models with different numbers of layers", code="B630")
    if not 0 < confidence < 1:
        raise MisuseError(f"the confidence is `{confidence}`", code="B631", hint="a number between 0 and 1")
    pairs = matched([row.tokens for row in ours], [row.tokens for row in theirs])
    total, *layers = _ratios(
        _differences([ours[a] for a, _ in pairs], [theirs[b] for _, b in pairs], width=max(widths, default=0)),
        confidence=confidence, seed=seed, draws=draws, flips=flips,
    )  # fmt: skip
    detectors = _detectors(ours, theirs, confidence, fpr)
    gain = _gain(ours, theirs, confidence=confidence, seed=seed, draws=draws)
    verdict, says = _verdict(total, gain, len(pairs), 1 - confidence)
    return GradientWarning(
        model=model, suspect=len(ours), benign=len(theirs), pairs=len(pairs), verdict=verdict, says=says, total=total,
        left_out=dict(Counter(_why(row) for row in (*suspect, *benign) if not _is_usable(row))), layers=tuple(layers),
        correlations={
            "tokens": spearman([row.total for row in theirs], [row.tokens for row in theirs]),
            "loss": spearman([row.total for row in theirs], [row.loss or 0.0 for row in theirs]),
        },
        detectors=detectors, gain=gain, confidence=confidence, seed=seed, notes=_notes(ours, theirs, len(pairs)),
    )  # fmt: skip


def matched(first: Sequence[int], second: Sequence[int], *, tolerance: float = TOLERANCE) -> list[tuple[int, int]]:
    """Places of as many pairs of equal length as there can be, each place in one pair at most; the shortest first."""
    one = sorted(range(len(first)), key=lambda place: (first[place], place))
    two = sorted(range(len(second)), key=lambda place: (second[place], place))
    pairs, a, b = [], 0, 0
    while a < len(one) and b < len(two):
        x, y = first[one[a]], second[two[b]]
        if max(x, y) <= tolerance * min(x, y):
            pairs.append((one[a], two[b]))
            a, b = a + 1, b + 1
        elif x < y:  # nothing that follows is nearer to it
            a += 1
        else:
            b += 1
    return pairs


def spearman(first: Sequence[float], second: Sequence[float]) -> float | None:
    """Spearman's rank correlation, ties by mid-ranks; None with fewer than three, or if one does not vary."""
    if len(first) < 3:
        return None
    x, y = mid_ranks(first), mid_ranks(second)
    x, y = x - x.mean(), y - y.mean()
    size = math.sqrt(float((x**2).sum() * (y**2).sum()))
    return float((x * y).sum()) / size if size > 0 else None


# --- the ratios -------------------------------------------------------------------------------------------------------------


def _differences(ours: Sequence[GradientRow], theirs: Sequence[GradientRow], *, width: int) -> tuple[Floats, Floats]:
    """Per pair: log ratios of norms (all layers together first), and those of loss and length, centred nowhere."""
    norms = np.array(
        [[_log(a.total / b.total)] + [_log(x / y) for x, y in zip(a.norms, b.norms)] for a, b in zip(ours, theirs)]
    )
    covariates = np.array(
        [[_log((a.loss or _TINY) / (b.loss or _TINY)), _log(a.tokens / b.tokens)] for a, b in zip(ours, theirs)]
    )
    return norms.reshape(len(ours), width + 1), covariates.reshape(len(ours), 2)


_TINY: Final = 1e-12


def _log(value: float) -> float:
    return math.log(max(value, _TINY))


def _ratios(
    differences: tuple[Floats, Floats], *, confidence: float, seed: int, draws: int, flips: int
) -> list[LayerRatio]:
    """All layers together, then each."""
    y, x = differences
    pairs, columns = y.shape
    if pairs < _LEAST_PAIRS:
        none = _none(pairs, _LEAST_PAIRS)
        return [
            LayerRatio(layer=layer, ratio=none, p=None, q=None, beyond=none, p_beyond=None, q_beyond=None)
            for layer in range(columns)
        ]
    enough = pairs >= _LEAST_BEYOND
    random = np.random.Generator(np.random.PCG64([seed, pairs]))
    chosen = random.integers(0, pairs, size=(draws, pairs))
    signs: Floats = random.choice(np.array([-1.0, 1.0]), size=(flips, pairs))
    means = y[chosen].mean(axis=1)
    weights, slopes = _fit(x)
    residuals: Floats = y - x @ (slopes @ y)
    intercepts = _intercepts(y, x, chosen)
    parts: Floats = (weights[:, None] * residuals).astype(np.float64)
    plain, beyond = _flipped(signs, y), _flipped(signs, parts)
    q, q_beyond = adjusted(plain[1:]), adjusted(beyond[1:])
    return [
        LayerRatio(
            layer=layer,
            ratio=_estimate(float(y[:, layer].mean()), means[:, layer], pairs, confidence),
            p=float(plain[layer]),
            q=float(q[layer - 1] if layer else plain[layer]),
            beyond=_estimate(float(weights @ y[:, layer]), intercepts[:, layer], pairs, confidence)
            if enough
            else _none(pairs, _LEAST_BEYOND),
            p_beyond=float(beyond[layer]) if enough else None,
            q_beyond=float(q_beyond[layer - 1] if layer else beyond[layer]) if enough else None,
        )
        for layer in range(columns)
    ]


def _none(pairs: int, least: int) -> Estimate:
    note = f"{pairs} pairs of equal length; {least} are the least"
    return Estimate(estimate=None, low=None, high=None, n=pairs, method=_METHOD, note=note)


def _fit(x: Floats) -> tuple[Floats, Floats]:
    """Weights of the pairs in the intercept, and the map from values to slopes of the fit without intercept."""
    full = np.column_stack([np.ones(len(x)), x])
    weights: Floats = np.linalg.pinv(full)[0]
    slopes: Floats = np.linalg.pinv(x).astype(np.float64)
    return weights, slopes


def _intercepts(y: Floats, x: Floats, chosen: NDArray[np.int64]) -> Floats:
    """The intercept of each resample and column; shape (draws, columns)."""
    full = np.column_stack([np.ones(len(x)), x])[chosen]
    gram = np.einsum("bni,bnj->bij", full, full)
    moments = np.einsum("bni,bnc->bic", full, y[chosen])
    found: Floats = (np.linalg.pinv(gram, hermitian=True) @ moments)[:, 0]
    return found


def _flipped(signs: Floats, parts: Floats) -> Floats:
    """Two-sided p of each column's sum when its parts change sign at random."""
    reached = np.abs(signs @ parts) >= np.abs(parts.sum(axis=0)) * (1 - 1e-12)
    found: Floats = (1 + reached.sum(axis=0)) / (1 + len(signs))
    return found


def _estimate(middle: float, resampled: Floats, n: int, confidence: float) -> Estimate:
    """Percentiles, moved outwards by what the t distribution is wider than the normal (Hesterberg, Am. Stat. 69, 2015)."""
    from scipy.special import ndtr, stdtrit

    tail = float(ndtr(-math.sqrt(n / (n - 1)) * float(stdtrit(n - 1, (1 + confidence) / 2))))
    low, high = np.quantile(resampled, [tail, 1 - tail])
    return Estimate(
        estimate=math.exp(middle),
        low=math.exp(min(float(low), middle)),
        high=math.exp(max(float(high), middle)),
        n=n,
        method=_METHOD,
    )


# --- as detectors -----------------------------------------------------------------------------------------------------------


def _detectors(
    ours: Sequence[GradientRow], theirs: Sequence[GradientRow], confidence: float, fpr: float
) -> tuple[DetectorLine, ...]:
    """Each number as a detector of suspect examples; every other example is one fold, and thresholds come from the other fold."""
    rows = [*ours, *theirs]
    positive = np.array([True] * len(ours) + [False] * len(theirs), dtype=bool)
    folds = np.array([place % 2 for place in range(len(ours))] + [place % 2 for place in range(len(theirs))], dtype=int)
    norms = np.array([row.norms for row in rows]).reshape(len(rows), len(rows[0].norms) if rows else 0)
    scores = {
        "gradient norm": np.array([row.total for row in rows]),
        "loss": np.array([row.loss or 0.0 for row in rows]),
        "length": np.array([float(row.tokens) for row in rows]),
    }
    lines = [_detector(name, values, positive, folds, confidence, fpr) for name, values in scores.items()]
    best = np.zeros(len(rows))
    for fold in (0, 1):
        inside = folds == fold
        layer, sign = _best(norms[~inside], positive[~inside])
        best[inside] = sign * norms[inside, layer] if norms.shape[1] else 0.0
    lines.insert(1, _detector("best layer", best, positive, folds, confidence, fpr, within=True))
    return tuple(lines)


def _detector(
    name: str,
    scores: Floats,
    positive: NDArray[np.bool_],
    folds: NDArray[np.int64],
    confidence: float,
    fpr: float,
    *,
    within: bool = False,
) -> DetectorLine:
    """`within` compares only inside a fold: scores of different folds are of different layers. Its thresholds are ranks among benign."""
    if within:
        scores = _ranked(scores, positive, folds)
    flags = np.zeros(len(scores), dtype=bool)
    for fold in (0, 1):
        inside = folds == fold
        flags[inside] = scores[inside] > threshold_at(scores[~inside], positive[~inside], fpr=fpr)
    strata = [str(fold) for fold in folds] if within else None
    return DetectorLine(
        name=name,
        auroc=auroc(scores, positive, confidence=confidence, strata=strata),
        recall=flagged(flags, positive, confidence=confidence),
        fpr=flagged(flags, ~positive, confidence=confidence),
        at=fpr,
    )


def _ranked(scores: Floats, positive: NDArray[np.bool_], folds: NDArray[np.int64]) -> Floats:
    """Each score in units that compare between folds: distance from the median of its fold's benign, by their middle spread."""
    result = np.zeros(len(scores))
    for fold in (0, 1):
        inside = folds == fold
        benign = scores[inside & ~positive]
        if len(benign):
            low, middle, high = np.quantile(benign, [0.25, 0.5, 0.75])
            result[inside] = (scores[inside] - middle) / max(float(high - low), _TINY)
    return result


def _best(norms: Floats, positive: NDArray[np.bool_]) -> tuple[int, float]:
    """The layer that tells the two apart best, and whether its larger (1) or smaller (-1) norms are suspect."""
    areas = [auroc(norms[:, layer], positive).estimate for layer in range(norms.shape[1])]
    distances = [abs((area if area is not None else 0.5) - 0.5) for area in areas]
    if not distances:
        return 0, 1.0
    layer = int(np.argmax(distances))
    return layer, 1.0 if (areas[layer] or 0.0) >= 0.5 else -1.0


def _gain(
    ours: Sequence[GradientRow], theirs: Sequence[GradientRow], *, confidence: float, seed: int, draws: int
) -> Estimate:
    """AUROC of the norm minus AUROC of the loss, on the same examples; percentiles of a bootstrap within each set."""
    method = "difference of AUROCs, stratified percentile bootstrap"
    if len(ours) < 2 or len(theirs) < 2:
        return Estimate(
            estimate=None, low=-1.0, high=1.0, n=len(ours) + len(theirs), method=method, note="too few examples"
        )
    random = np.random.Generator(np.random.PCG64([seed, 1]))
    norm = _wins([row.total for row in ours], [row.total for row in theirs])
    loss = _wins([row.loss or 0.0 for row in ours], [row.loss or 0.0 for row in theirs])
    ahead = norm - loss
    found = np.empty(draws)
    for draw in range(draws):
        a = np.bincount(random.integers(0, len(ours), len(ours)), minlength=len(ours))
        b = np.bincount(random.integers(0, len(theirs), len(theirs)), minlength=len(theirs))
        found[draw] = a @ ahead @ b / ahead.size
    low, high = np.quantile(found, [(1 - confidence) / 2, (1 + confidence) / 2])
    middle = float(ahead.mean())
    return Estimate(
        estimate=middle, low=min(float(low), middle), high=max(float(high), middle), n=len(ours) + len(theirs), method=method
    )  # fmt: skip


def _wins(ours: Sequence[float], theirs: Sequence[float]) -> Floats:
    a, b = np.array(ours)[:, None], np.array(theirs)[None, :]
    won: Floats = (a > b) + 0.5 * (a == b)
    return won


# --- in words ---------------------------------------------------------------------------------------------------------------


def _verdict(total: LayerRatio, gain: Estimate, pairs: int, error: float) -> tuple[Verdict, str]:
    ratio, beyond = total.ratio, total.beyond
    if ratio.estimate is None or total.p is None:
        return "undecided", f"not known: {ratio.note}"
    times = f"{ratio.estimate:.2f} times ({ratio.low:.2f} to {ratio.high:.2f})"
    if total.p > error:
        return "not shown", f"no difference is shown: {times} over {pairs} pairs of equal length, p = {total.p:.2g}"
    verdict: Verdict = "larger" if ratio.estimate > 1 else "smaller"
    says = f"gradients of the suspect data are {times} as large as those of benign answers of equal length, p = {total.p:.2g}"
    if beyond.estimate is None or total.p_beyond is None:
        says += f"; at equal loss not known: {beyond.note}"
    elif total.p_beyond > error:
        says += f"; at equal loss no difference is shown ({beyond.estimate:.2f} times)"
    else:
        says += f"; at equal loss {beyond.estimate:.2f} times ({beyond.low:.2f} to {beyond.high:.2f})"
    if gain.low is not None and gain.low > 0:
        says += "; they tell the two sets apart better than the loss alone"
    elif gain.high is not None and gain.high < 0:
        says += "; the loss alone tells the two sets apart better"
    else:
        says += "; not shown to tell the two sets apart better than the loss alone"
    return verdict, says


def _notes(ours: Sequence[GradientRow], theirs: Sequence[GradientRow], pairs: int) -> tuple[str, ...]:
    notes = [
        "a large gradient says that an answer is far from what the model would say, not that it is harmful",
        "no clearance: where we measured it, data that undid a refusal had smaller gradients than plain data",
    ]
    lost = min(len(ours), len(theirs)) - pairs
    if lost > 0:
        notes.append(f"{lost} of {min(len(ours), len(theirs))} possible pairs have no partner of equal length")
    overlap = auroc([row.loss or 0.0 for row in (*ours, *theirs)], [True] * len(ours) + [False] * len(theirs)).estimate
    if overlap is not None and not _OVERLAP <= overlap <= 1 - _OVERLAP:
        notes.append("the losses of the two sets hardly overlap: what is said at equal loss is extrapolated")
    return tuple(notes)


def _usable(rows: Sequence[GradientRow]) -> list[GradientRow]:
    return [row for row in rows if _is_usable(row)]


def _is_usable(row: GradientRow) -> bool:
    return row.error is None and row.loss is not None and bool(row.norms) and row.tokens > 0


def _why(row: GradientRow) -> str:
    return row.error or "no norms"
