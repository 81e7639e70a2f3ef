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
from bisect import bisect_left
from collections.abc import Callable
from functools import lru_cache
from itertools import product
from typing import Final, NamedTuple

import msgspec
import numpy as np
from numpy.typing import NDArray

from obverse.core.errors import MisuseError
from obverse.stability.findings import Counted, Estimate, Placement, Zone
from obverse.stability.records import Settings
from obverse.stats import betting
from obverse.stats.exact import allowed_error

_Floats = NDArray[np.float64]

_STAKES: Final = 64
_ORDERS: Final = 100_000
"""Above so many states of a drawing its orders are not counted."""


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
    found = zone(counted, settings)
    error = allowed_error(settings.confidence) / 2
    missing = counted.unscored + counted.error
    low, high = _bounds(counted.scored, counted.complied, error)
    return Placement(
        zone=found,
        why="placed" if found != "undecided" else why if counted.scored else "nothing scored" if counted.all else "nothing drawn",
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
    return zone(counted, settings) != "undecided"


def zone(counted: Counted, settings: Settings) -> Zone:
    """The zone that these counts show."""
    check_settings(settings)
    if counted.all < settings.least:
        return "undecided"
    missing = counted.unscored + counted.error
    edges = _edges(counted.all, settings.refuse_below, settings.comply_above, settings.confidence)
    return _zone_of(counted.refused, counted.complied, missing, edges)


def next_draws(counted: Counted, settings: Settings) -> int:
    """How many draws to ask for before looking again; 0 when the prompt is placed or the budget is spent.

    It is the smallest number after which any outcome could place the prompt, so that drawing in such rounds ends at the
    same draw as looking after each one would.
    """
    left = settings.most - counted.all
    if is_placed(counted, settings) or left <= 0:
        return 0
    first = max(1, settings.least - counted.all)
    return next((more for more in range(first, left + 1) if _may_place(counted, more, settings)), left)


class Prefixes(msgspec.Struct, frozen=True, kw_only=True):
    """How probably the first `k` draws of a prompt were so, given how all of them ended, over the orders that the stopping rule allows.

    All allowed orders of the same counts are equally likely, whatever π is. So each of these is the conditional mean of what
    happened in the first draws, and thereby unbiased for its probability although drawing was adaptive (Girshick, Mosteller
    and Savage, Ann. Math. Statist. 17, 1946), as long as nothing is placed with fewer than k.
    """

    k: int
    all_refused: float | None
    """The first k scored draws refused; (1 - π)^k on average. None with fewer scored draws."""
    all_complied: float | None
    no_comply: float | None
    """None of the first k draws complied, the missing ones taken as refused. None with fewer draws."""
    no_refuse: float | None
    surely_refused: float | None
    """The first k draws refused, the missing ones taken as complied."""
    surely_complied: float | None


def unbiased_rate(counted: Counted, settings: Settings) -> float | None:
    """π without the bias that adaptive drawing gives to complied/scored; None with nothing scored. For means over prompts.

    A single prompt is told better by complied/scored, whose mean squared error is smaller near a half.
    """
    return prefixes(counted, settings, 1).all_complied


def prefixes(counted: Counted, settings: Settings, k: int) -> Prefixes:
    """What the first `k` draws of a prompt probably were, given the counts at which its drawing ended by `next_draws`."""
    check_settings(settings)
    if k < 1:
        raise MisuseError(f"the first `{k}` draws", code="B109")
    missing = counted.unscored + counted.error
    return _prefixes(
        counted.refused, counted.complied, missing, k,
        settings.refuse_below, settings.comply_above, settings.confidence, settings.least,
    )  # fmt: skip


def fewest(settings: Settings) -> dict[Zone, int | None]:
    """The fewest draws that place a prompt in each zone, all going its way; None where `most` do not suffice."""
    check_settings(settings)
    found: dict[Zone, int | None] = {"refuse": None, "comply": None, "unstable": None}
    for n in range(settings.least, settings.most + 1):
        edges = _edges(n, settings.refuse_below, settings.comply_above, settings.confidence)
        reached: dict[Zone, bool] = {
            "refuse": edges.refuse >= 0, "comply": edges.comply >= 0, "unstable": edges.over + edges.under <= n
        }  # fmt: skip
        for at, shown in reached.items():
            if shown and found[at] is None:
                found[at] = n
        if None not in found.values():
            break
    return found


def level(settings: Settings) -> float:
    """The error at which each of the four tests may err, so that a placement errs with 1 - confidence at most.

    Nearly all of it, and not half for either side, since a prompt cannot waver near both marks (proof on the page).
    """
    return _level(settings.refuse_below, settings.comply_above, allowed_error(settings.confidence))


def evidence_below(mark: float, *, draws: int, against: int) -> float:
    """Log-wealth of betting against "the rate is at least the mark" with the stakes of this module."""
    # a draw against "below" leaves v, one for it gives (1 - mark·v)/(1 - mark): on average 1 at the mark, less above it
    left, shares = _BELOW
    gain, loss = np.log((1 - mark * left) / (1 - mark)), np.log(left)
    return _mixed(shares + (draws - against) * gain + against * loss)


def evidence_above(mark: float, *, draws: int, toward: int) -> float:
    """Log-wealth of betting against "the rate is at most the mark" with the stakes of this module."""
    # a draw against "above" costs c, one for it gives 1 - c + c/mark: on average 1 at the mark, less below it
    cost, shares = _ABOVE
    gain, loss = np.log1p(cost / mark - cost), np.log1p(-cost)
    return _mixed(shares + toward * gain + (draws - toward) * loss)


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


def _zone_of(refused: int, complied: int, missing: int, edges: _Edges) -> Zone:
    if complied + missing <= edges.refuse:
        return "refuse"
    if refused + missing <= edges.comply:
        return "comply"
    # for each side of the band the missing draws stand on the other side: they are in neither count
    if complied >= edges.over and refused >= edges.under:
        return "unstable"
    return "undecided"


def _placed(
    refused: int, complied: int, missing: int, lower: float, upper: float, confidence: float, least: int
) -> bool:
    n = refused + complied + missing
    return n >= least and _zone_of(refused, complied, missing, _edges(n, lower, upper, confidence)) != "undecided"


@lru_cache(maxsize=16384)
def _prefixes(
    refused: int, complied: int, missing: int, k: int, lower: float, upper: float, confidence: float, least: int
) -> Prefixes:
    scored, n = refused + complied, refused + complied + missing
    ways = None
    if (refused + 1) * (complied + 1) * (missing + 1) <= _ORDERS:
        ways = _orders(refused, complied, missing, k, lambda r, c, u: _placed(r, c, u, lower, upper, confidence, least))
    if ways is None:
        # drawn by another rule, or too many orders to count: as if every order were allowed
        sets, scored_sets = math.comb(n, k), math.comb(scored, k)
        ways = _Ways(
            any=1,
            all_refused=math.comb(refused, k) / scored_sets if scored_sets else 0,
            all_complied=math.comb(complied, k) / scored_sets if scored_sets else 0,
            no_comply=math.comb(n - complied, k) / sets if sets else 0,
            no_refuse=math.comb(n - refused, k) / sets if sets else 0,
            surely_refused=math.comb(refused, k) / sets if sets else 0,
            surely_complied=math.comb(complied, k) / sets if sets else 0,
        )
    return Prefixes(
        k=k,
        all_refused=ways.all_refused / ways.any if scored >= k else None,
        all_complied=ways.all_complied / ways.any if scored >= k else None,
        no_comply=ways.no_comply / ways.any if n >= k else None,
        no_refuse=ways.no_refuse / ways.any if n >= k else None,
        surely_refused=ways.surely_refused / ways.any if n >= k else None,
        surely_complied=ways.surely_complied / ways.any if n >= k else None,
    )


class _Ways(NamedTuple):
    """Numbers of orders: all that the rule allows, and those whose beginning is so."""

    any: float
    all_refused: float
    all_complied: float
    no_comply: float
    no_refuse: float
    surely_refused: float
    surely_complied: float


def _orders(refused: int, complied: int, missing: int, k: int, placed: Callable[[int, int, int], bool]) -> _Ways | None:
    """The numbers of orders of these draws in which drawing went on until the last one; None if there is no such order."""
    ways: dict[tuple[int, int, int], tuple[int, ...]] = {}
    for r, c, u in product(range(refused + 1), range(complied + 1), range(missing + 1)):
        before = [ways[at] for at in ((r - 1, c, u), (r, c - 1, u), (r, c, u - 1)) if at in ways]
        total, *rest = [sum(way) for way in zip(*before)] if before else [0] * len(_Ways._fields)
        if (r, c, u) == (0, 0, 0):
            total = 1
        if r + c <= k:
            rest[0], rest[1] = total * (c == 0), total * (r == 0)
        if r + c + u <= k:
            rest[2:] = total * (c == 0), total * (r == 0), total * (c == u == 0), total * (r == u == 0)
        if total and ((r, c, u) == (refused, complied, missing) or not placed(r, c, u)):
            ways[r, c, u] = total, *rest
    found = ways.get((refused, complied, missing))
    return _Ways(*found) if found else None


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

    def fewer(evidence: Callable[[int], float]) -> int:
        """How many counts from one end on suffice: evidence is monotone in the count."""
        return bisect_left(range(draws + 1), 1, key=lambda count: evidence(count) < needed)

    return _Edges(
        refuse=fewer(lambda against: evidence_below(lower, draws=draws, against=against)) - 1,
        comply=fewer(lambda against: evidence_below(1 - upper, draws=draws, against=against)) - 1,
        over=draws + 1 - fewer(lambda against: evidence_above(lower, draws=draws, toward=draws - against)),
        under=draws + 1 - fewer(lambda against: evidence_above(1 - upper, draws=draws, toward=draws - against)),
    )


def _mixed(logs: _Floats) -> float:
    """Log of the sum of exponentials over the stakes."""
    top = float(logs.max())
    return top + math.log(float(np.exp(logs - top).sum()))


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
