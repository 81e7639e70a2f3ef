"""A picture: what it is called, what it says in words, what its signs mean, and its specification for two widths of paper."""

from __future__ import annotations

from html import escape
from typing import Final, Literal, TypeAlias

import msgspec

from obverse.report.stability.palette import TONES, as_variables, recoloured
from obverse.report.stability.plotting import WIDE, measure, wrapped
from obverse.report.stability.rendering import FONT, Drawing, Spec, drawn, png

Sign: TypeAlias = Literal[
    "dot", "diamond", "square", "triangle", "hollow", "bar", "thin", "band", "dashes", "line", "broken", "dots", "ribbon", "tick",
]  # fmt: skip
SERIF: Final = "Palatino Linotype, Palatino, P052, TeX Gyre Pagella, URW Palladio L, Georgia, serif"
_MARGIN: Final = 28
_SCALE: Final = 2.0


class Key(msgspec.Struct, frozen=True, kw_only=True):
    """One sign and what it means. `tone` is a name of the palette."""

    sign: Sign
    tone: str
    means: str


class Picture(msgspec.Struct, frozen=True, kw_only=True):
    """A picture and everything that it must not go without. `wide` and `narrow` are Vega-Lite specifications."""

    name: str
    title: str
    says: tuple[str, ...]
    keys: tuple[Key, ...]
    wide: Spec
    narrow: Spec

    def svg(self, dark: bool = False) -> str:
        """The picture as a file of its own, with title, figures and signs.

        Raises: `UnavailableError` without the extra `pictures`.
        """
        text = _sheet(self, drawn(self.wide, name=self.name))
        return recoloured(text) if dark else text

    def png(self, *, dark: bool = False, scale: float = _SCALE) -> bytes:
        """The same in pixels.

        Raises: `UnavailableError` without the extra `pictures`.
        """
        return png(self.svg(dark), scale=scale)

    def inline(self, form: Literal["wide", "narrow"]) -> str:
        """The bare picture for a page, in the variables of its style sheet; what it says stands in the page.

        Raises: `UnavailableError` without the extra `pictures`.
        """
        drawing = drawn(self.wide if form == "wide" else self.narrow, name=f"{self.name}-{form}")
        said = escape(" ".join((f"{self.title}.", *self.says)), quote=True)
        opening = (
            f'<svg class="picture {form}" viewBox="0 0 {drawing.width} {drawing.height}" width="{drawing.width}" '
            f'height="{drawing.height}" role="img" aria-label="{said}">'
        )
        return as_variables(f"{opening}{drawing.body}</svg>")


def sign(key: Key) -> str:
    """The sign alone, as what stands in an SVG of 22 by 14."""
    tone = TONES[key.tone]
    paint, line = f'fill="{tone}"', f'stroke="{tone}" fill="none"'
    match key.sign:
        case "dot":
            return f'<circle cx="11" cy="7" r="4.5" {paint}/>'
        case "diamond":
            return f'<path d="M11 1L17 7L11 13L5 7Z" {paint}/>'
        case "square":
            return f'<rect x="6.5" y="2.5" width="9" height="9" {paint}/>'
        case "triangle":
            return f'<path d="M11 2L16.5 11.5H5.5Z" {paint}/>'
        case "hollow":
            return f'<circle cx="11" cy="7" r="4.2" stroke-width="1.6" {line}/>'
        case "bar":
            return f'<rect x="1" y="4.5" width="20" height="5" rx="2" {paint} fill-opacity="0.5"/>'
        case "thin":
            return f'<path d="M1 7H21" {line} stroke-width="1"/>'
        case "band" | "ribbon":
            shade = ' fill-opacity="0.22"' if key.sign == "ribbon" else ""
            return f'<rect x="1" y="1" width="20" height="12" {paint}{shade}/>'
        case "dashes":
            return f'<path d="M11 0V14" {line} stroke-width="1.4" stroke-dasharray="2 2.5"/>'
        case "tick":
            return f'<path d="M2 7H20M11 2V12" {line} stroke-width="1.8"/>'
        case "line":
            return f'<path d="M1 7H21" {line} stroke-width="2"/>'
        case "broken":
            return f'<path d="M1 7H21" {line} stroke-width="2" stroke-dasharray="6 3"/>'
        case "dots":
            return f'<path d="M1 7H21" {line} stroke-width="2" stroke-dasharray="2 2.5"/>'


def inline_sign(key: Key) -> str:
    """The sign for a page."""
    return as_variables(f'<svg class="sign" viewBox="0 0 22 14" aria-hidden="true">{sign(key)}</svg>')


def _sheet(picture: Picture, drawing: Drawing) -> str:
    """Title, figures and signs above the drawing, on paper."""
    width = max(drawing.width, WIDE.width) + 2 * _MARGIN
    room = width - 2 * _MARGIN
    parts, y = [], _MARGIN + 14.0
    for line in wrapped(picture.title, room, 21):
        parts.append(_text(line, _MARGIN, y, size=21, tone="ink", font=SERIF))
        y += 26
    for line in (line for text in picture.says for line in wrapped(text, room, 13)):
        parts.append(_text(line, _MARGIN, y, size=13, tone="soft"))
        y += 19
    x, y = float(_MARGIN), y + 4
    for key in picture.keys:
        needs = 28 + measure(key.means, 12) + 18
        if x > _MARGIN and x + needs > width - _MARGIN:
            x, y = float(_MARGIN), y + 20
        parts.append(f'<g transform="translate({x:.0f},{y - 11:.0f})">{sign(key)}</g>')
        parts.append(_text(key.means, x + 28, y, size=12, tone="soft"))
        x += needs
    top = y + 14
    height = round(top + drawing.height + _MARGIN)
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{width}" height="{height}" viewBox="0 0 {width} {height}" '
        f'font-family="{FONT}" role="img"><title>{escape(picture.title)}</title>'
        f'<rect width="{width}" height="{height}" fill="{TONES["paper"]}"/>{"".join(parts)}'
        f'<g transform="translate({_MARGIN},{top:.0f})">{drawing.body}</g></svg>\n'
    )


def _text(text: str, x: float, y: float, *, size: int, tone: str, font: str | None = None) -> str:
    family = f' font-family="{font}"' if font else ""
    return f'<text x="{x:.0f}" y="{y:.0f}" font-size="{size}px" fill="{TONES[tone]}"{family}>{escape(text)}</text>'
