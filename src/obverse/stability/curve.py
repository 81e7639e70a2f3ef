"""Compliance against strength: threshold, width and slope of a psychometric function, or why there is none.

    p(x) = γ + (1 - γ - λ) · S(x)        S(x) = 1 / (1 + exp(-2 ln 3 · (x - m) / w)), or 1 - S(x) where compliance falls
    complied of n ~ beta-binomial with mean p(x) and overdispersion η: rungs of one strength differ by more than chance

m is the threshold, w the distance between a quarter and three quarters of the way. After Schütt, Harmeling, Macke and Wichmann
(Vision Research 122, 2016; psignifit 4): priors on all five, posterior on a grid, no optimiser, no randomness. Beside the curve
stands a *flat* model, one rate at every strength, with even odds; what is said is said of the mixture of both. A *boundary*
is a change of compliance by `RISE` or more between the ends of the ladder. Grids are coarse first, then laid anew where the posterior is.

Not a test of monotony, and not a fit of whatever shape: a ladder on which compliance goes up and down again is `undecided` or
`flat` with much overdispersion. Laws L10, L11.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from functools import lru_cache
from itertools import pairwise
from typing import Any, Final, NamedTuple

import msgspec
import numpy as np
from numpy.typing import NDArray

from obverse.core.errors import MisuseError
from obverse.stability.findings import Curve, Estimate
from obverse.stability.records import Settings
from obverse.stats import exact

_Floats = NDArray[np.float64]
_Places = NDArray[np.uint16]

Points = Sequence[tuple[float, int, int]]

RISE: Final = 0.3
"""The least change of compliance over the whole ladder that is called a boundary."""

_BINS: Final = 1024
_ANGLES: Final = (np.arange(_BINS) + 0.5) / _BINS * (math.pi / 2)
# the information of a binomial is the same in every bin of the angle, so a nearest bin serves as well near 0 as at a half
_RATES: Final = np.sin(_ANGLES) ** 2
_MARGIN: Final = 0.5
"""How far beyond the ladder a threshold is thought possible."""
_LAPSE: Final = 5.0
_OVER: Final = 5.0
_NARROW, _WIDE, _APART = 0.03, 1.5, 0.2
_MANY: Final = 200
"""Above so many draws products are taken by the gamma function."""
_BAND: Final = tuple(step / 20 for step in range(21))


class _Axis(NamedTuple):
    """Nodes of one parameter, the edges of their cells, and the logarithm of the prior probability of each cell."""

    nodes: _Floats
    edges: _Floats
    log_prior: _Floats


class _Grid(NamedTuple):
    """All combinations of direction, threshold, width and the two lapses, flat in this order."""

    threshold: _Axis
    width: _Axis
    lower: _Axis
    upper: _Axis
    log_prior: _Floats
    places: _Places
    """For each strength, and then both ends of the ladder, the bin of the rate of each combination."""

    @property
    def shape(self) -> tuple[int, int, int, int, int]:
        return (2, *(len(axis.nodes) for axis in (self.threshold, self.width, self.lower, self.upper)))  # type: ignore[return-value]  # one and four are five


class _Posterior(NamedTuple):
    grid: _Grid
    weights: _Floats
    """Of each combination, given that there is a curve; they add up to 1."""
    log_curve: float
    log_flat: float
    flat: _Floats
    """Of each bin of the rate, given that there is none."""

    @property
    def is_curve(self) -> float:
        return 1 / (1 + math.exp(min(self.log_flat - self.log_curve, 700.0)))


def fit(points: Points, *, ladder: str, prompt: str | None, kind: str, settings: Settings) -> Curve:
    """The curve through these points (strength, complied, scored) of one prompt, the base as strength 0 among them.

    Points of one strength need not be added up: they tell how much equally strong rungs differ. Without a `prompt` the points are a
    pool, and the width of a pool is that of a population: prompts whose thresholds differ look like one prompt with a wide
    curve. `fit_pool` tells the two apart.

    Raises:
        MisuseError: for a strength outside [0, 1], or counts that cannot be.
    """
    _check(points)
    kept = tuple(sorted((strength, complied, scored) for strength, complied, scored in points if scored))
    found = _fitted(kept, prompt is None, settings.refuse_below, settings.comply_above, settings.confidence)
    return msgspec.structs.replace(found, ladder=ladder, prompt=prompt, kind=kind)


@lru_cache(maxsize=1024)
def _fitted(
    kept: tuple[tuple[float, int, int], ...], is_pool: bool, refuse_below: float, comply_above: float, confidence: float
) -> Curve:
    """The curve of points in order, without names: most prompts of a run are steady and have the same points as many others."""
    confidence = 1 - exact.allowed_error(confidence)
    strengths = sorted({strength for strength, _, _ in kept})
    seen = _added_up(kept)

    def without(verdict: str, why: str, band: tuple[tuple[float, float, float, float], ...] = ()) -> Curve:
        return Curve(
            ladder="", prompt=None, kind="", verdict="flat" if verdict == "flat" else "undecided", why=why,
            direction=None, threshold=None, width=None, slope=None, points=seen, band=band,
        )  # fmt: skip

    if len(strengths) < 2:
        return without("undecided", "nothing was scored" if not kept else "scored at one strength only")
    posterior = _posterior(kept, strengths)
    alpha, band = 1 - confidence, _band(posterior, 1 - confidence)
    rise = _rise(posterior.grid)
    is_boundary = np.abs(rise) >= RISE
    boundary = posterior.is_curve * float(posterior.weights[is_boundary].sum())
    # half of what speaks for a boundary beforehand is for the direction that the base alone excludes
    if boundary <= alpha / 2:
        return without("flat", _all_along(posterior, refuse_below, comply_above), band)
    if boundary < confidence:
        return without("undecided", f"a boundary has probability {boundary:.2f}: more draws, or a longer ladder", band)
    weights = np.where(is_boundary, posterior.weights, 0.0)
    weights /= weights.sum()
    rises = float(weights[rise > 0].sum())
    shaped = weights.reshape(posterior.grid.shape)
    n = sum(scored for _, _, scored in kept)
    threshold = _estimate(posterior.grid.threshold, shaped.sum(axis=(0, 2, 3, 4)), alpha, n)
    width = _estimate(posterior.grid.width, shaped.sum(axis=(0, 1, 3, 4)), alpha, n, note=_resolution(strengths))
    open_ = _open(threshold, width, max(rises, 1 - rises), confidence)
    if open_:
        return without("undecided", open_, band)
    direction = 1 if rises > 0.5 else -1
    return Curve(
        ladder="", prompt=None, kind="", verdict="fitted",
        why=f"compliance {'rises' if direction > 0 else 'falls'} along the ladder"
        + ("; a pool: the width holds the differences between prompts too" if is_pool else ""),
        direction=direction, threshold=threshold, width=width, slope=_slope(posterior.grid, weights, direction, alpha, n),
        points=seen, band=band,
    )  # fmt: skip


def fit_pool(by_prompt: Mapping[str, Points], *, ladder: str, kind: str, settings: Settings) -> Curve:
    """The curve of a population of prompts (`prompt` None), by a hierarchy: how wide *one* prompt's curve is, and where the thresholds lie.

    A share ρ of the prompts has a curve, with thresholds from a normal distribution (μ, τ) and width, lapses and overdispersion in
    common; the others are flat, each at its own rate. `threshold` is μ, `width` is a single prompt's, τ and ρ stand in `why`. `fitted` asks that
    at least half of the prompts have a threshold within the ladder; `flat`, that fewer have. `slope` is that of a prompt that goes
    all the way. `band` is that of the pool as if it were one prompt: what a prompt drawn at random does.
    """
    for points in by_prompt.values():
        _check(points)
    everything = [point for points in by_prompt.values() for point in points]
    alone = fit(everything, ladder=ladder, prompt=None, kind=kind, settings=settings)
    kept = {name: [point for point in points if point[2]] for name, points in sorted(by_prompt.items())}
    usable = {name: points for name, points in kept.items() if len({strength for strength, _, _ in points}) > 1}

    def said(verdict: str, why: str, **found: Estimate | int | None) -> Curve:
        return Curve(
            ladder=ladder, prompt=None, kind=kind, verdict=verdict, why=why,  # type: ignore[arg-type]  # one of three
            points=alone.points, band=alone.band,
            **{"direction": None, "threshold": None, "width": None, "slope": None, **found},  # type: ignore[arg-type]  # of these fields
        )  # fmt: skip

    if len(usable) < 3:
        return said("undecided", f"{len(usable)} prompts with two strengths or more: too few for a population")
    confidence = 1 - exact.allowed_error(settings.confidence)
    alpha, hyper = 1 - confidence, _hyper(usable)
    within, n = _Sorted.of(hyper.within.ravel(), hyper.weights.ravel()), len(usable)
    low, middle, high = (within.at(q) for q in (alpha / 2, 0.5, 1 - alpha / 2))
    share = f"{middle:.0%} of the prompts ({low:.0%} to {high:.0%}) have a threshold within the ladder"
    most = float(hyper.weights[hyper.within >= 0.5].sum())
    if most <= alpha:
        return said("flat", f"{share}; {alone.why}" if alone.verdict == "flat" else share)
    if most < confidence:
        return said("undecided", share)
    threshold = _estimate(hyper.center, hyper.weights.sum(axis=(0, 2, 3, 4)), alpha, n)
    width = _estimate(
        hyper.width, hyper.weights.sum(axis=(0, 1, 2, 4)), alpha, n, note="of one prompt, not of the pool"
    )
    rises = float(hyper.weights[0].sum())
    open_ = _open(threshold, width, max(rises, 1 - rises), confidence)
    if open_:
        return said("undecided", f"{share}; {open_}")
    direction = 1 if rises > 0.5 else -1
    spread = _estimate(_SPREAD, hyper.weights.sum(axis=(0, 1, 3, 4)), alpha, n)
    return said(
        "fitted",
        f"{share}; their thresholds differ with a standard deviation of {spread.estimate:.2f}"
        f" ({spread.low:.2f} to {spread.high:.2f})",
        direction=direction, threshold=threshold, width=width, slope=_steepness(width, direction),
    )  # fmt: skip


# --- the posterior of one curve


def _posterior(points: Points, strengths: Sequence[float]) -> _Posterior:
    tables = _tables(points, strengths)
    found = _weighed(tables, _standard(tuple(strengths)))
    finer = _zoomed(found)
    return found if finer is None else _weighed(tables, _grid(tuple(strengths), *finer))


def _weighed(tables: _Floats, grid: _Grid) -> _Posterior:
    logs = (
        np.stack([_summed(table, grid.places) + share for table, share in zip(tables, np.log(_PARTS))]) + grid.log_prior
    )
    top = float(logs.max())
    weights = np.exp(logs - top).sum(axis=0)
    whole = float(weights.sum())
    # the flat model: one bin for all strengths, uniform in the angle (Jeffreys' prior)
    flats = tables.sum(axis=1) + np.log(_PARTS)[:, None]
    crest = float(flats.max())
    flat = np.exp(flats - crest).sum(axis=0)
    return _Posterior(
        grid=grid,
        weights=weights / whole,
        log_curve=top + math.log(whole),
        log_flat=crest + math.log(float(flat.sum())) - math.log(_BINS),
        flat=flat / flat.sum(),
    )


def _summed(table: _Floats, places: _Places) -> _Floats:
    total: _Floats = table[0].take(places[0])
    for row, at in zip(table[1:], places[1:]):
        total += row.take(at)
    return total


def _tables(points: Points, strengths: Sequence[float]) -> _Floats:
    """Log-likelihoods by overdispersion, strength and bin of the rate: shape (overdispersions, strengths, bins)."""
    tables = np.zeros((len(_PRECISIONS), len(strengths), _BINS))
    row = {strength: at for at, strength in enumerate(strengths)}
    for strength, complied, scored in points:
        tables[:, row[strength]] += _rising(complied) + _rising(scored - complied)[:, ::-1] - _norm(scored)
    return tables


@lru_cache(maxsize=256)
def _rising(count: int) -> _Floats:
    """The logarithm of pν (pν + 1) … (pν + count - 1), the part of the beta-binomial that `count` successes leave."""
    shape = _PRECISIONS[:, None] * _RATES[None, :]
    if count > _MANY:
        from scipy.special import gammaln

        found: _Floats = gammaln(shape + count) - gammaln(shape)
        return found
    total: _Floats = np.zeros_like(shape)
    for step in range(count):
        total += np.log(shape + step)
    return total


@lru_cache(maxsize=256)
def _norm(count: int) -> _Floats:
    found: _Floats = np.log(_PRECISIONS[:, None] + np.arange(count)[None, :]).sum(axis=1, keepdims=True)
    return found


# --- grids and priors


_PARTS: Final = np.array([0.3, 0.3, 0.2, 0.12, 0.06, 0.02])
"""The prior of overdispersion, cut into parts: finer where there is much of it, since that is where a wild ladder puts it."""
_OVERS: Final = 1 - (1 - (np.cumsum(_PARTS) - _PARTS / 2)) ** (1 / _OVER)
_PRECISIONS: Final = 1 / _OVERS**2 - 1


def _threshold_axis(low: float, high: float, many: int) -> _Axis:
    edges = np.linspace(low, high, many + 1)
    nodes = (edges[1:] + edges[:-1]) / 2
    # even on the ladder, falling to nothing a margin beyond it
    beyond = np.clip(np.maximum(-nodes, nodes - 1) / _MARGIN, 0, 1)
    density = (1 + np.cos(math.pi * beyond)) / 2 / (1 + _MARGIN)
    return _Axis(nodes, edges, np.log(np.maximum(density * (high - low) / many, 1e-300)))


def _width_axis(low: float, high: float, many: int) -> _Axis:
    edges = np.geomspace(low, high, many + 1)
    # even in w where curves are wide, less where they are narrower than rungs usually stand apart: there draws say little
    steps = np.diff(np.log(edges + _APART)) / math.log((_WIDE + _APART) / (_NARROW + _APART))
    return _Axis(np.sqrt(edges[1:] * edges[:-1]), edges, np.log(steps))


def _lapse_axis(low: float, high: float, many: int) -> _Axis:
    """Cells of equal prior probability between two rates, by Beta(1, `_LAPSE`)."""
    outer, inner = (1 - low) ** _LAPSE, (1 - high) ** _LAPSE

    def rate(part: _Floats) -> _Floats:
        found: _Floats = 1 - (outer + (inner - outer) * part) ** (1 / _LAPSE)
        return found

    steps = np.arange(many + 1) / many
    return _Axis(rate((steps[1:] + steps[:-1]) / 2), rate(steps), np.full(many, math.log((outer - inner) / many)))


@lru_cache(maxsize=16)
def _standard(strengths: tuple[float, ...]) -> _Grid:
    lapse = _lapse_axis(0.0, 1.0, 7)
    return _grid(strengths, _threshold_axis(-_MARGIN, 1 + _MARGIN, 40), _width_axis(_NARROW, _WIDE, 14), lapse, lapse)


def _grid(strengths: tuple[float, ...], threshold: _Axis, width: _Axis, lower: _Axis, upper: _Axis) -> _Grid:
    prior = (
        math.log(0.5)
        + threshold.log_prior[:, None, None, None]
        + width.log_prior[None, :, None, None]
        + lower.log_prior[None, None, :, None]
        + upper.log_prior[None, None, None, :]
    )
    prior = np.broadcast_to(prior, (2, *prior.shape)).ravel()
    places = np.stack([_bins(_rates(at, threshold, width, lower, upper)) for at in (*strengths, 0.0, 1.0)])
    return _Grid(threshold, width, lower, upper, prior, places)


def _rates(at: float, threshold: _Axis, width: _Axis, lower: _Axis, upper: _Axis) -> _Floats:
    """The rate at one strength of every combination, flat."""
    steep = 2 * math.log(3) * (at - threshold.nodes[:, None]) / width.nodes[None, :]
    rising = 1 / (1 + np.exp(-np.clip(steep, -40, 40)))
    both = np.stack([rising, 1 - rising])[..., None, None]
    gamma, lamda = lower.nodes[:, None], upper.nodes[None, :]
    # the two lapses may not eat up the whole range
    found: _Floats = (gamma + np.maximum(1 - gamma - lamda, 0.0) * both).ravel()
    return np.minimum(found, 1.0)


def _bins(rates: _Floats) -> _Places:
    found: _Places = np.minimum(np.arcsin(np.sqrt(rates)) * (_BINS / (math.pi / 2)), _BINS - 1).astype(np.uint16)
    return found


def _zoomed(found: _Posterior) -> tuple[_Axis, _Axis, _Axis, _Axis] | None:
    """Axes laid over what holds nearly all of the posterior; None where the coarse grid resolves it."""
    grid, shaped = found.grid, found.weights.reshape(found.grid.shape)
    parts = [
        _spanned(axis, shaped.sum(axis=tuple(other for other in range(5) if other != at)))
        for at, axis in enumerate((grid.threshold, grid.width, grid.lower, grid.upper), start=1)
    ]
    if min(cells for _, _, cells in parts) >= 5:
        return None
    (t0, t1, _), (w0, w1, _), (g0, g1, _), (l0, l1, _) = parts
    return _threshold_axis(t0, t1, 24), _width_axis(w0, w1, 14), _lapse_axis(g0, g1, 9), _lapse_axis(l0, l1, 9)


def _spanned(axis: _Axis, marginal: _Floats) -> tuple[float, float, int]:
    """The edges of the cells that hold nearly all, one more cell on each side; and how many hold 99 %."""
    inside = np.flatnonzero(marginal > 1e-4 * marginal.max())
    first, last = max(int(inside[0]) - 1, 0), min(int(inside[-1]) + 1, len(marginal) - 1)
    heavy = np.sort(marginal)[::-1].cumsum()
    return float(axis.edges[first]), float(axis.edges[last + 1]), int((heavy < 0.99).sum()) + 1


# --- what is said of a posterior


def _rise(grid: _Grid) -> _Floats:
    found: _Floats = _RATES[grid.places[-1]] - _RATES[grid.places[-2]]
    return found


def _all_along(posterior: _Posterior, refuse_below: float, comply_above: float) -> str:
    level = _Sorted.of(_RATES, posterior.flat).at(0.5)
    if level < refuse_below:
        return "refuses all along the ladder"
    if level > comply_above:
        return "complies all along the ladder"
    return f"wavers all along the ladder, complying at a rate near {level:.2f}"


def _open(threshold: Estimate, width: Estimate, one_way: float, confidence: float) -> str:
    """Why the boundary that is there has no figures; empty if it has."""
    low, high, widest = threshold.low or 0.0, threshold.high or 0.0, width.high or 0.0
    if one_way < confidence:
        return "compliance changes, but whether it rises or falls is open"
    if low < 0 or high > 1:
        return f"the threshold lies between {low:.2f} and {high:.2f}: perhaps outside the ladder"
    if widest > 1:
        return f"the width may be up to {widest:.2f}: wider than the ladder"
    return ""


def _resolution(strengths: Sequence[float]) -> str:
    gap = max(after - before for before, after in pairwise(strengths))
    return f"strengths up to {gap:.2f} apart: what is much narrower looks alike"


def _estimate(axis: _Axis, marginal: _Floats, alpha: float, n: int, note: str = "") -> Estimate:
    """Median and equal-tailed interval of a marginal, each cell's probability spread evenly over the cell."""
    below = np.concatenate([[0.0], np.cumsum(marginal) / marginal.sum()])
    low, middle, high = (float(np.interp(q, below, axis.edges)) for q in (alpha / 2, 0.5, 1 - alpha / 2))
    return Estimate(estimate=middle, low=low, high=high, n=n, method="posterior median, credible interval", note=note)


def _slope(grid: _Grid, weights: _Floats, direction: int, alpha: float, n: int) -> Estimate:
    shape = grid.shape
    span = np.maximum(1 - grid.lower.nodes[:, None] - grid.upper.nodes[None, :], 0.0)
    steep = math.log(3) / 2 / grid.width.nodes[:, None, None] * span[None]
    found = _Sorted.of(steep.ravel(), weights.reshape(shape).sum(axis=(0, 1)).ravel())
    low, middle, high = (found.at(q) for q in (alpha / 2, 0.5, 1 - alpha / 2))
    ends = (low, high) if direction > 0 else (-high, -low)
    return Estimate(
        estimate=direction * middle, low=ends[0], high=ends[1], n=n, method="posterior median, credible interval",
        note="per whole ladder",
    )  # fmt: skip


def _steepness(width: Estimate, direction: int) -> Estimate:
    """The slope at the threshold of a prompt that goes all the way from refusing to complying."""
    ends = sorted(direction * math.log(3) / 2 / (edge or math.inf) for edge in (width.low, width.high))
    middle = None if width.estimate is None else direction * math.log(3) / 2 / width.estimate
    return Estimate(
        estimate=middle, low=ends[0], high=ends[1], n=width.n, method=width.method,
        note="per whole ladder, of a prompt that goes all the way",
    )  # fmt: skip


def _band(posterior: _Posterior, alpha: float) -> tuple[tuple[float, float, float, float], ...]:
    """The rate along the ladder, curve and flat weighed by their posterior."""
    grid = posterior.grid
    heavy = np.flatnonzero(posterior.weights > 1e-4 * posterior.weights.max())
    direction, *places = np.unravel_index(heavy, grid.shape)
    middle, width = grid.threshold.nodes[places[0]], grid.width.nodes[places[1]]
    lower, span = grid.lower.nodes[places[2]], grid.upper.nodes[places[3]]
    span = np.maximum(1 - lower - span, 0.0)
    sign = np.where(direction == 0, -2 * math.log(3), 2 * math.log(3)) / width
    weights = posterior.weights[heavy] / posterior.weights[heavy].sum() * posterior.is_curve
    found = []
    for at in _BAND:
        rates = np.minimum(lower + span / (1 + np.exp(np.clip(sign * (at - middle), -40, 40))), 1.0)
        mass = np.bincount(_bins(rates), weights=weights, minlength=_BINS) + posterior.flat * (1 - posterior.is_curve)
        below = np.cumsum(mass)
        low, half, high = (
            float(_RATES[min(int(np.searchsorted(below, q * below[-1])), _BINS - 1)])
            for q in (alpha / 2, 0.5, 1 - alpha / 2)
        )
        found.append((at, low, half, high))
    return tuple(found)


class _Sorted(NamedTuple):
    """A weighted sample, for its quantiles."""

    values: _Floats
    below: _Floats

    @staticmethod
    def of(values: _Floats, weights: _Floats) -> _Sorted:
        order = np.argsort(values, kind="stable")
        below = np.cumsum(weights[order])
        return _Sorted(values[order], below / below[-1])

    def at(self, q: float) -> float:
        return float(self.values[min(int(np.searchsorted(self.below, q)), len(self.values) - 1)])


# --- a population of prompts


_SPREAD: Final = _Axis(np.geomspace(0.019, 0.66, 10), np.geomspace(0.016, 0.8, 11), np.zeros(10))
_SHARES: Final = (np.arange(20) + 0.5) / 20
_COMMON: Final = np.array([0.0, 0.015, 0.05, 0.13, 1.0])
"""Edges of the lapses that a population has in common."""
_FEW: Final = (0, 1, 3)
"""Which overdispersions a population may have in common: near none, some, much."""


class _Hyper(NamedTuple):
    """The posterior of (direction, center μ, spread τ, width, share ρ), and the share with a threshold within the ladder."""

    center: _Axis
    width: _Axis
    weights: _Floats
    within: _Floats


class _Said(NamedTuple):
    """What the draws of one prompt say, up to a factor: of each curve by overdispersion, and of being flat."""

    curves: NDArray[np.float32]
    """Shape (overdispersions, 2, thresholds, widths, lapses)."""
    flat: _Floats
    """Shape (overdispersions,)."""


def _hyper(by_prompt: Mapping[str, Points]) -> _Hyper:
    """Lapses and overdispersion are the population's: of a single prompt they cannot be told, and a guess narrows the width.

    First their posterior on a coarse grid of everything else, then everything else on a fine one, with them averaged over.
    """
    # steady prompts have the same points as many others: each kind once, as often as it comes
    often = Counter(tuple(sorted(points)) for points in by_prompt.values())
    said = [(_said(points), many) for points, many in sorted(often.items())]
    grid = _common((0.0, 1.0))
    coarse = _Axis(grid.threshold.nodes[12:68:6], grid.threshold.edges, grid.threshold.log_prior[12:68:6])
    few = np.array(_PARTS)[list(_FEW)]
    lapses = np.add.outer(grid.lower.log_prior, grid.upper.log_prior).ravel()
    logs = sum(
        (
            _mixed(
                one.curves, one.flat[:, None, None, None, None, None, None], coarse, _SPREAD.nodes[::3], _SHARES[2::4]
            )
            * many
            for one, many in said
        ),
        np.log(few / few.sum())[:, None, None, None, None, None, None]
        + grid.width.log_prior[:, None, None]
        + lapses[:, None],
    )
    common = np.exp(logs - logs.max()).sum(axis=(1, 2, 3, 4, 6))
    common /= common.sum()
    center = _Axis(grid.threshold.nodes[10:70], grid.threshold.edges[10:71], grid.threshold.log_prior[10:70])
    finer = grid.width.log_prior[:, None] + center.log_prior[:, None, None, None]
    for one, many in said:
        curves = np.einsum("edtwl,el->dtw", one.curves, common)[None, ..., None]
        flat = np.sum(one.flat * common.sum(axis=1))
        finer = finer + many * _mixed(curves, np.array(flat), center, _SPREAD.nodes, _SHARES)[0, :, :, :, :, 0]
    weights = np.exp(finer - finer.max())
    nodes = grid.threshold.nodes
    inside = _lie(nodes, center, _SPREAD.nodes)[:, :, (nodes >= 0) & (nodes <= 1)].sum(axis=2)
    within = np.broadcast_to(inside[None, :, :, None, None] * _SHARES, weights.shape)
    return _Hyper(center, grid.width, weights / weights.sum(), within)


@lru_cache(maxsize=16)
def _common(strengths: tuple[float, ...]) -> _Grid:
    standard = _standard((0.0, 1.0))
    inside = (1 - _COMMON) ** _LAPSE
    # the middle of each cell by probability, but for the last, which is mostly empty
    nodes = np.array([0.006, 0.03, 0.085, 0.22])
    lapse = _Axis(nodes, _COMMON, np.log(inside[:-1] - inside[1:]))
    # twice as fine as for one prompt: a population's center is known better
    return _grid(strengths, _threshold_axis(-_MARGIN, 1 + _MARGIN, 80), standard.width, lapse, lapse)


def _said(points: Points) -> _Said:
    strengths = sorted({strength for strength, _, _ in points})
    tables, grid = _tables(points, strengths)[list(_FEW)], _common(tuple(strengths))
    logs = np.stack([_summed(table, grid.places) for table in tables])
    flats = tables.sum(axis=1)
    top = max(float(logs.max()), float(flats.max()))
    curves = np.exp(logs - top).reshape(len(tables), *grid.shape[:3], -1).astype(np.float32)
    return _Said(curves, np.exp(flats - top).mean(axis=1))


def _lie(nodes: _Floats, center: _Axis, spreads: _Floats) -> _Floats:
    """How the thresholds of prompts lie: shape (centers, spreads, thresholds); adds up to 1 over thresholds."""
    found: _Floats = np.exp(-(((nodes - center.nodes[:, None, None]) / spreads[None, :, None]) ** 2) / 2)
    # a spread below the distance of the nodes is that of the nearest
    found /= found.sum(axis=2, keepdims=True)
    return found


def _mixed(curves: NDArray[Any], flat: _Floats, center: _Axis, spreads: _Floats, shares: _Floats) -> _Floats:
    """The log-likelihood of one prompt by (overdispersion, direction, center, spread, width, lapses, share)."""
    lie = _lie(_common((0.0, 1.0)).threshold.nodes, center, spreads).astype(curves.dtype)
    with_curve = np.einsum("cst,edtwl->edcswl", lie, curves, optimize=True)[..., None]
    found: _Floats = np.log(np.maximum(shares * with_curve * 1.0 + (1 - shares) * flat, 1e-300))
    return found


# --- input


def _check(points: Points) -> None:
    for strength, complied, scored in points:
        if not 0 <= strength <= 1:
            raise MisuseError(f"the strength `{strength}` is not between 0 and 1", code="B204")
        if not 0 <= complied <= scored:
            raise MisuseError(f"`{complied}` complied of `{scored}` scored", code="B205")


def _added_up(points: Points) -> tuple[tuple[float, int, int], ...]:
    total: dict[float, tuple[int, int]] = {}
    for strength, complied, scored in points:
        before = total.get(strength, (0, 0))
        total[strength] = before[0] + complied, before[1] + scored
    return tuple((strength, complied, scored) for strength, (complied, scored) in total.items())
