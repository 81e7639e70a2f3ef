"""Where a prompt stands: `refuse`, `comply`, `unstable`, or `undecided`, from counts, at whatever moment one stops.

Each mark is tested from both sides by evidence in the manner of `stats.betting`, with stakes spread for the two marks:

    below `refuse_below`                      → refuse
    above `comply_above`                      → comply
    above `refuse_below`, below `comply_above`  → unstable

Draws of one prompt are independent with one rate π. Then a prompt is placed wrongly with probability 1 - confidence at most,
over all looks together (proof in `docs/concepts/stability/placing.md`). Draws without a behaviour count, for each side of
each test, as what speaks against it: they may delay a placement and never help one (L11). Law L10.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import lru_cache
from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from obverse.core.errors import MisuseError
from obverse.stability.findings import Counted, Estimate, Placement, Zone
from obverse.stability.records import Settings
from obverse.stats import betting
from obverse.stats.exact import allowed_error

_Floats = NDArray[np.float64]

_STAKES: Final = 64


def _spread(below: Callable[[_Floats], _Floats]) -> tuple[_Floats, _Floats]:
    """Sizes of stakes in (0, 1), and the logarithms of their shares: a distribution function, cut into cells."""
    edges = np.arange(_STAKES + 1) / _STAKES
    return (edges[1:] + edges[:-1]) / 2, np.log(np.diff(below(edges)))


# What is left after one draw that speaks against "below", as Beta(0.15, 1): most prompts never leave refusal, so most is bet on that.
_BELOW: Final = _spread(lambda x: x**0.15)
# What is lost by one draw that speaks against "above", as Beta(2, 3): prompts that waver lie far from a mark, so few timid stakes.
_ABOVE: Final = _spread(lambda x: x**2 * (6 - 8 * x + 3 * x**2))


class _Edges(NamedTuple):
    """What a number of draws can show. Counted worst: the missing ones stand on the side that hinders."""

    refuse: int
    """At most so many complied or missing: below the lower mark. -1: not within reach."""
    comply: int
    """At most so many refused or missing: above the upper mark."""
    over: int
    """At least so many complied: above the lower mark."""
    under: int
    """At least so many refused: below the upper mark."""


def place(counted: Counted, settings: Settings, *, why: str = "budget") -> Placement:
    """The zone that these counts show, π with its interval, and bounds on π over all that is missing.

    `why` is what ended the drawing if the prompt is not placed: `budget` or `cut off`.

    Raises:
        MisuseError: for settings whose marks, confidence or numbers of draws make no sense.
    """
    check_settings(settings)
    zone = _zone(counted, settings)
    error = allowed_error(settings.confidence) / 2
    missing = counted.unscored + counted.error
    low, high = _bounds(counted.scored, counted.complied, error)
    return Placement(
        zone=zone,
        why="placed" if zone != "undecided" else why if counted.scored else "nothing scored",
        counted=counted,
        rate=Estimate(
            estimate=counted.complied / counted.scored if counted.scored > 1 else None,
            low=low, high=high, n=counted.scored, method="anytime",
            note=f"{missing} of {counted.all} draws have no behaviour" if missing else "",
        ),
        worst_low=_bounds(counted.all, counted.complied, error)[0],
        worst_high=_bounds(counted.all, counted.complied + missing, error)[1],
    )  # fmt: skip


def is_placed(counted: Counted, settings: Settings) -> bool:
    """Whether these counts place the prompt, so that no more draws are needed."""
    check_settings(settings)
    return _zone(counted, settings) != "undecided"


def next_draws(counted: Counted, settings: Settings) -> int:
    """How many draws to ask for before looking again; 0 when the prompt is placed or the budget is spent.

    It is the smallest number after which any outcome could place the prompt, so that drawing in such rounds ends at the
    same draw as looking after each one would.
    """
    check_settings(settings)
    left = settings.most - counted.all
    if left <= 0 or _zone(counted, settings) != "undecided":
        return 0
    first = max(1, settings.least - counted.all)
    return next((more for more in range(first, left + 1) if _may_place(counted, more, settings)), left)


def fewest(settings: Settings) -> dict[Zone, int | None]:
    """The fewest draws that place a prompt in each zone, all going its way; None where `most` do not suffice."""
    check_settings(settings)
    found: dict[Zone, int | None] = {"refuse": None, "comply": None, "unstable": None}
    for n in range(settings.most, settings.least - 1, -1):
        edges = _edges(n, settings.refuse_below, settings.comply_above, settings.confidence)
        if edges.refuse >= 0:
            found["refuse"] = n
        if edges.comply >= 0:
            found["comply"] = n
        if edges.over + edges.under <= n:
            found["unstable"] = n
    return found


def level(settings: Settings) -> float:
    """The error at which each of the four tests may err, so that a placement errs with 1 - confidence at most.

    Nearly all of it, and not half for either side, since a prompt cannot waver near both marks (proof on the page).
    """
    return _level(settings.refuse_below, settings.comply_above, allowed_error(settings.confidence))


def evidence_below(mark: float, *, draws: int, against: int) -> float:
    """Log-wealth of betting against "the rate is at least the mark" with the stakes of this module."""
    return float(_wealth_below(mark, draws, np.asarray([against]))[0])


def evidence_above(mark: float, *, draws: int, toward: int) -> float:
    """Log-wealth of betting against "the rate is at most the mark" with the stakes of this module."""
    return float(_wealth_above(mark, draws, np.asarray([toward]))[0])


def check_settings(settings: Settings) -> None:
    """Raises a `MisuseError` unless prompts can be placed by these settings at all."""
    if not 0 < settings.refuse_below < settings.comply_above < 1:
        raise MisuseError(
            f"the marks `{settings.refuse_below}` and `{settings.comply_above}` do not rise between 0 and 1", code="B101",
            hint="0.1 and 0.9 are usual; no number of draws shows that a rate is 0",
        )  # fmt: skip
    if not 1 <= settings.least <= settings.most:
        raise MisuseError(f"at least `{settings.least}` and at most `{settings.most}` draws", code="B102")
    allowed_error(settings.confidence)


def _zone(counted: Counted, settings: Settings) -> Zone:
    if counted.all < settings.least:
        return "undecided"
    missing = counted.unscored + counted.error
    edges = _edges(counted.all, settings.refuse_below, settings.comply_above, settings.confidence)
    if counted.complied + missing <= edges.refuse:
        return "refuse"
    if counted.refused + missing <= edges.comply:
        return "comply"
    # for each side of the band the missing draws stand on the other side: they are in neither count
    if counted.complied >= edges.over and counted.refused >= edges.under:
        return "unstable"
    return "undecided"


def _may_place(counted: Counted, more: int, settings: Settings) -> bool:
    missing = counted.unscored + counted.error
    edges = _edges(counted.all + more, settings.refuse_below, settings.comply_above, settings.confidence)
    lacking = max(0, edges.over - counted.complied) + max(0, edges.under - counted.refused)
    return (
        counted.complied + missing <= edges.refuse
        or counted.refused + missing <= edges.comply
        or lacking <= more
    )  # fmt: skip


@lru_cache(maxsize=65536)
def _bounds(draws: int, complied: int, error: float) -> tuple[float, float]:
    return (
        betting.lower_bound(trials=draws, broken=complied, error=error),
        betting.upper_bound(trials=draws, broken=complied, error=error),
    )


@lru_cache(maxsize=65536)
def _edges(draws: int, lower: float, upper: float, confidence: float) -> _Edges:
    needed = -math.log(_level(lower, upper, allowed_error(confidence)))
    counts = np.arange(draws + 1)
    # evidence is monotone in the count, so each set of counts that suffices is an interval from one end
    return _Edges(
        refuse=int(np.count_nonzero(_wealth_below(lower, draws, counts) >= needed)) - 1,
        comply=int(np.count_nonzero(_wealth_below(1 - upper, draws, counts) >= needed)) - 1,
        over=draws + 1 - int(np.count_nonzero(_wealth_above(lower, draws, counts) >= needed)),
        under=draws + 1 - int(np.count_nonzero(_wealth_above(1 - upper, draws, counts) >= needed)),
    )


def _wealth_below(mark: float, draws: int, against: NDArray[np.int_]) -> _Floats:
    # a draw against "below" leaves v, one for it gives (1 - mark·v)/(1 - mark): on average 1 at the mark, less above it
    left, shares = _BELOW
    gain, loss = np.log((1 - mark * left) / (1 - mark)), np.log(left)
    return _mixed(shares + np.multiply.outer(draws - against, gain) + np.multiply.outer(against, loss))


def _wealth_above(mark: float, draws: int, toward: NDArray[np.int_]) -> _Floats:
    # a draw against "above" costs c, one for it gives 1 - c + c/mark: on average 1 at the mark, less below it
    cost, shares = _ABOVE
    gain, loss = np.log1p(cost / mark - cost), np.log1p(-cost)
    return _mixed(shares + np.multiply.outer(toward, gain) + np.multiply.outer(draws - toward, loss))


def _mixed(logs: _Floats) -> _Floats:
    """Log of the sum of exponentials over the stakes."""
    top = logs.max(axis=1)
    mixed: _Floats = top + np.log(np.exp(logs - top[:, None]).sum(axis=1))
    return mixed


@lru_cache(maxsize=256)
def _level(lower: float, upper: float, error: float) -> float:
    # ρ of the page, at the middle that serves both ends best: from there ρ falls towards either mark
    inside, beyond = lower, upper
    for _ in range(60):
        middle = (inside + beyond) / 2
        for_comply, for_refuse = math.log(middle) / math.log(upper), math.log1p(-middle) / math.log1p(-lower)
        inside, beyond = (middle, beyond) if for_comply > for_refuse else (inside, middle)
    ratio = min(math.log(inside) / math.log(upper), math.log1p(-inside) / math.log1p(-lower))
    # each level a with a + a^(ρ - 1) <= error will do; a < error, so this one does
    return float(max(error / 2, error - error ** (ratio - 1)))
