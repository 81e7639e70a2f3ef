"""An interval as a picture: where its parts stand on the axis, as percentages of its length. Pure geometry, no figures.

The axis goes from 0 to 100 % by the square root, so that 0.1 % and 1 % are told apart and 0 is still a place on it.
`mirrored` axes run from right to left: violations grow to the left of the middle, over-refusals to the right.
"""

from __future__ import annotations

import math
from typing import Final

import msgspec

TICKS: Final = (0.01, 0.05, 0.2, 0.5)
_THINNEST: Final = 0.8  # per cent of the axis; a narrower bar could not be seen


class Stretch(msgspec.Struct, frozen=True, kw_only=True):
    """From `x`, `width` long; both as SVG percentages."""

    x: str
    width: str


class Bar(msgspec.Struct, frozen=True, kw_only=True):
    """The parts of one drawn interval, lightest first; None is not drawn."""

    allowed: Stretch | None
    wider: Stretch | None
    interval: Stretch | None
    exact: Stretch | None
    seen: Stretch | None
    estimate: str | None
    threshold: str | None
    mirrored: bool


class Tick(msgspec.Struct, frozen=True, kw_only=True):
    """A mark on the axis."""

    x: str
    label: str


def place(rate: float, *, mirrored: bool) -> float:
    """Where a rate stands, in per cent of the axis."""
    along = 100 * math.sqrt(min(max(rate, 0.0), 1.0))
    return 100 - along if mirrored else along


def stretch(low: float | None, high: float | None, *, mirrored: bool) -> Stretch | None:
    """The part of the axis between two rates, wide enough to be seen; None where one is not known."""
    if low is None or high is None:
        return None
    start, end = sorted((place(low, mirrored=mirrored), place(high, mirrored=mirrored)))
    if end - start < _THINNEST:
        middle = min(max((start + end) / 2, _THINNEST / 2), 100 - _THINNEST / 2)
        start, end = middle - _THINNEST / 2, middle + _THINNEST / 2
    return Stretch(x=_at(start), width=_at(end - start))


def bar(
    *,
    threshold: float | None,
    interval: tuple[float | None, float | None],
    exact: tuple[float | None, float | None] = (None, None),
    wider: tuple[float | None, float | None] = (None, None),
    seen: tuple[float | None, float | None] = (None, None),
    estimate: float | None = None,
    mirrored: bool = False,
) -> Bar:
    """The drawing of one rate. Where nothing is known, only the axis and the claimed zone are left.

    `wider` lies behind the interval; `seen` is the share of broken trials, whatever those without a score were.
    """
    return Bar(
        allowed=stretch(0, threshold, mirrored=mirrored),
        wider=stretch(*wider, mirrored=mirrored),
        interval=stretch(*interval, mirrored=mirrored),
        exact=stretch(*exact, mirrored=mirrored),
        seen=stretch(*seen, mirrored=mirrored),
        estimate=None if estimate is None else _at(place(estimate, mirrored=mirrored)),
        threshold=None if threshold is None else _at(place(threshold, mirrored=mirrored)),
        mirrored=mirrored,
    )


def ticks(*, mirrored: bool) -> tuple[Tick, ...]:
    """The marks between the ends of an axis."""
    return tuple(Tick(x=_at(place(rate, mirrored=mirrored)), label=f"{rate * 100:g}") for rate in TICKS)


def _at(along: float) -> str:
    return f"{along:.2f}%"
