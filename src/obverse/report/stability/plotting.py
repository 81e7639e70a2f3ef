"""The few forms that all pictures are put together from: layers of marks with their own rows, on axes of one look.

Rows carry their colour and shape as data, never as an expression: what strangers wrote is only ever drawn as text.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Iterable, Mapping, Sequence
from functools import lru_cache
from typing import Any, Final, TypeAlias

import msgspec

from obverse.report.stability.palette import TONES
from obverse.report.stability.rendering import FONT, Spec
from obverse.report.visible import one_line

Row: TypeAlias = dict[str, object]
Encoding: TypeAlias = dict[str, Any]

SHAPES: Final[dict[str, str]] = {
    "refuse": "circle", "unstable": "diamond", "comply": "square", "undecided": "circle", "case": "circle",
    "twin": "triangle-up", "control": "square",
}  # fmt: skip
TONE_OF_ZONE: Final[dict[str, str]] = {
    "refuse": "refuse", "unstable": "unstable", "comply": "comply", "undecided": "unsure",
}  # fmt: skip
DASHES: Final[dict[str, tuple[int, int]]] = {"case": (1, 0), "twin": (6, 3), "control": (2, 2.5)}  # type: ignore[dict-item]  # pixels may be halves
KINDS: Final = ("case", "twin", "control")
MANY: Final = {"case": "cases", "twin": "twins", "control": "controls"}


class Form(msgspec.Struct, frozen=True, kw_only=True):
    """The paper that a picture is drawn for: its width and the size of its text, in pixels."""

    name: str
    width: int
    text: float

    @property
    def narrow(self) -> bool:
        """Whether it is a phone's."""
        return self.width < 500


WIDE: Final = Form(name="wide", width=792, text=12)
NARROW: Final = Form(name="narrow", width=354, text=11.5)


def layer(mark: str, rows: Iterable[Mapping[str, object]], encoding: Encoding, **options: object) -> Spec:
    """One kind of mark over its own rows."""
    return {"data": {"values": list(rows)}, "mark": {"type": mark, **options}, "encoding": encoding}


def places(name: str, low: float, high: float, **axis: object) -> Encoding:
    """A quantitative channel from `low` to `high`; without axis options it has no axis."""
    return {
        "field": name,
        "type": "quantitative",
        "scale": {"domain": [low, high], "nice": False, "zero": False},
        "axis": axis or None,
        "title": None,
    }


def down(name: str, height: float) -> Encoding:
    """Pixels from the top."""
    return places(name, height, 0)


def field(name: str) -> Encoding:
    """The other end of a mark, or a text."""
    return {"field": name}


def as_is(name: str = "tone") -> Encoding:
    """A colour, shape or size that stands in the row."""
    return {"field": name, "type": "nominal", "scale": None, "legend": None}


def sized(name: str) -> Encoding:
    """A size in square pixels that stands in the row."""
    return {"field": name, "type": "quantitative", "scale": None, "legend": None}


def config(form: Form) -> Spec:
    """The look of all pictures."""
    return {
        "font": FONT,
        "background": "transparent",
        "padding": {"left": 1, "right": 1, "top": 2, "bottom": 2},
        "view": {"stroke": None},
        "axis": {
            "labelColor": TONES["soft"],
            "titleColor": TONES["soft"],
            "gridColor": TONES["line"],
            "tickColor": TONES["line"],
            "domainColor": TONES["line"],
            "labelFontSize": form.text,
            "titleFontSize": form.text,
            "titleFontWeight": "normal",
            "labelOverlap": "greedy",
            "tickSize": 4,
        },
        "header": {
            "labelColor": TONES["ink"],
            "labelFontSize": form.text + 1,
            "labelFontWeight": 600,
            "labelAnchor": "start",
            "labelPadding": 6,
            "title": None,
        },
        "line": {"strokeCap": "round", "strokeJoin": "round"},
    }


def plot(form: Form, *layers: Spec, width: float, height: float, **more: object) -> Spec:
    """Layers over each other as one specification."""
    return {
        "$schema": "https://vega.github.io/schema/vega-lite/v6.json",
        "config": config(form),
        **panel(*layers, width=width, height=height),
        **more,
    }


def panel(*layers: Spec, width: float, height: float) -> Spec:
    """Layers over each other, as a part of a specification; layers without a row are left out."""
    full = [each for each in layers if "data" not in each or each["data"]["values"]]
    return {"width": width, "height": height, "layer": full}


def percent_axis(form: Form, values: Sequence[float], **more: object) -> dict[str, object]:
    """The options of an axis in per cent."""
    return {
        "values": list(values),
        "labelExpr": "format(datum.value * 100, '~r') + ' %'",
        "grid": False,
        "labelFontSize": form.text,
        **more,
    }


@lru_cache(maxsize=8_192)
def label(text: str, room: float, size: float) -> str:
    """A name that fits so many pixels: the middle goes first, since what tells names apart is often their end."""
    shown = one_line(text, 200)
    widths = [size * _width(letter) for letter in shown]
    if sum(widths) <= room:
        return shown
    room -= size * _width("…")
    stop, start = len(shown) // 2, len(shown) // 2  # `stop` letters of the beginning stay, and all from `start`
    before, after = sum(widths[:stop]), sum(widths[start:])
    while before + after > room and (stop or start < len(shown)):
        if stop and (after <= room * 0.55 or start == len(shown) - 1):
            stop -= 1
            before -= widths[stop]
        else:
            after -= widths[start]
            start += 1
    return f"{shown[:stop]}…{shown[start:]}"


def measure(text: str, size: float) -> float:
    """About how wide a text is, in pixels: a little more than most fonts need."""
    return size * sum(map(_width, text))


def _width(letter: str) -> float:
    return _WIDTHS.get(letter) or (1.05 if unicodedata.east_asian_width(letter) in "WF" else 0.59)


def wrapped(text: str, room: float, size: float) -> list[str]:
    """The text in lines that fit; a word longer than a line is cut."""
    lines: list[str] = []
    for word in text.split():
        fits = label(word, room, size)
        if lines and measure(f"{lines[-1]} {fits}", size) <= room:
            lines[-1] = f"{lines[-1]} {fits}"
        else:
            lines.append(fits)
    return lines


def numbered(rows: Sequence[Mapping[str, object]]) -> list[Row]:
    """The rows with their number, so that a line is drawn in their order."""
    return [{**row, "order": number} for number, row in enumerate(rows)]


_WIDTHS: Final[dict[str, float]] = {
    **dict.fromkeys("iljI.,:;'|!", 0.29), **dict.fromkeys("tfr-()[] ", 0.38), **dict.fromkeys("mwMW@%", 0.92),
    **dict.fromkeys("ABCDEFGHKLNOPQRSTUVXYZ", 0.68),
}  # fmt: skip
