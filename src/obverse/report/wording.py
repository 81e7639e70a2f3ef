"""How figures are said: with their interval, their number and their confidence, never bare.

Bounds are rounded outward, so what is printed is never tighter than what was found. L10: no data gives no figure, and none
broken is said as the bound that it proves, `below 3.0 % (95 %, 0 of 100)`.
"""

from __future__ import annotations

import datetime
from collections.abc import Sequence
from decimal import Decimal
from typing import Final, Literal, TypeAlias

from obverse.campaign.records import ClaimLine, Tally
from obverse.core.canon import number_text
from obverse.stats import estimates

Rounding: TypeAlias = Literal["down", "near", "up"]
_ROUNDED: Final = {"down": False, "near": None, "up": True}
_NUMBERS: Final = (
    "no",
    "one",
    "two",
    "three",
    "four",
    "five",
    "six",
    "seven",
    "eight",
    "nine",
    "ten",
    "eleven",
    "twelve",
)
_THOUSAND: Final = 1000
_NEXT_TO_NOTHING: Final = 0.0005


def percent(rate: float, rounding: Rounding = "near") -> str:
    """`3.0 %`, `14 %`, `0.12 %`: two digits that count; bounds are rounded outward."""
    return estimates.percent(rate, up=_ROUNDED[rounding])


def plain_percent(rate: float) -> str:
    """A threshold or a confidence as it was chosen: `5 %`, `0.1 %`, `97.5 %`."""
    return f"{number_text(Decimal(repr(round(rate * 100, 9))).normalize())} %"


def interval(low: float | None, high: float | None) -> str:
    """`8.1 % to 23 %`, `no interval`; an end at 0 or 100 % is said as `below` or `above`."""
    floor = low is None or low <= 0
    ceiling = high is None or high >= 1
    if low is None and high is None:
        return "no interval"
    if floor and ceiling:
        return "anything from 0 % to 100 %"
    if floor:
        return f"below {percent(high or 0, 'up')}"
    if ceiling:
        return f"above {percent(low or 0, 'down')}"
    return f"{percent(low or 0, 'down')} to {percent(high or 0, 'up')}"


def rough_interval(low: float | None, high: float | None) -> str:
    """The same for small places: `up to 7.0 %` where the lower end is next to nothing."""
    if low is not None and high is not None and 0 < low < _NEXT_TO_NOTHING and high < 1:
        return f"up to {percent(high, 'up')}"
    if low is not None and high is not None and low <= 0 and high >= 1:
        return "0 % to 100 %"
    return interval(low, high)


def share(part: int, whole: int) -> str:
    """`12 of 84`."""
    return f"{part:,} of {whole:,}"


def rate(claim: ClaimLine) -> str:
    """The rate of broken trials with everything that it must not go without: `below 3.0 % (95 %, 0 of 100)`."""
    if claim.n == 0:
        return "no data"
    known = f"({plain_percent(claim.confidence)}, {share(claim.broken, claim.n)})"
    return f"{interval(claim.low, claim.high)} {known}"


def count(number: int, one: str, many: str | None = None) -> str:
    """`1 case`, `1,240 trials`."""
    return f"{number:,} {one if number == 1 else many or one + 's'}"


def spelled(number: int) -> str:
    """`two`; from thirteen on in digits."""
    return _NUMBERS[number] if number < len(_NUMBERS) else f"{number:,}"


def listed(items: Sequence[str]) -> str:
    """`a, b and c`."""
    return items[0] if len(items) == 1 else f"{', '.join(items[:-1])} and {items[-1]}" if items else ""


def tally(of: Tally) -> str:
    """`3 broken, 80 kept, 1 error`: what there is of the four; `not tried` for none."""
    parts = (("broken", of.broken), ("kept", of.kept), ("unscored", of.unscored), ("error", of.error))
    return ", ".join(f"{number:,} {word}" for word, number in parts if number) or "not tried"


def seconds(time: float) -> str:
    """`0.4 s`, `12 s`, `3 min 20 s`, `2 h 5 min`."""
    if time < 10:
        return f"{time:.1f} s"
    whole = round(time)
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60} s"
    return f"{whole // 3600:,} h {whole % 3600 // 60} min"


def moment(time: int) -> str:
    """A time stamp in milliseconds, in words that sort: `2024-05-15 15:00:00 UTC`."""
    try:
        stamp = datetime.datetime(1970, 1, 1, tzinfo=datetime.UTC) + datetime.timedelta(milliseconds=time)
    except OverflowError:
        return f"{time} ms"
    text = stamp.strftime("%Y-%m-%d %H:%M:%S")
    return f"{text}{f'.{time % _THOUSAND:03}' if time % _THOUSAND else ''} UTC"


def short(digest: str) -> str:
    """The first twelve digits of a digest: enough to tell two apart at a glance, never to trust."""
    kind, colon, digits = digest.rpartition(":")
    return f"{kind}{colon}{digits[:12]}"
