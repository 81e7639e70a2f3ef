"""The coverage lattice of a suite, drawn: levels as boxes with their counts, lines from each to what follows from it.

Plain SVG as text, light and dark by the reader's own choice; nothing is computed but where things stand. What a line claims is
said in `cases.lattice`.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from html import escape
from typing import Final

from obverse.cases.lattice import ARROWS, highest
from obverse.cases.records import Count, Level
from obverse.report.visible import one_line

_WIDTH, _HEIGHT = 1010, 560
_BOX, _TALL = 166, 62
_TOP: Final = (505, 62)
_PLACES: Final[Mapping[Level, tuple[int, int]]] = {
    Level.TWAY: (97, 166),
    Level.ORDER: (279, 166),
    Level.PAIR: (461, 166),
    Level.BOUNDARY: (643, 166),
    Level.MCDC: (822, 166),
    Level.EXCEPTION: (912, 262),
    Level.TWIN: (643, 358),
    Level.CONDITION: (812, 438),
    Level.RULE: (552, 438),
    Level.CLAUSE: (552, 518),
}
"""The middle of each box."""
_STYLE: Final = """
  svg { font: 13px system-ui, -apple-system, "Segoe UI", Roboto, sans-serif; }
  .ground { fill: #fbfaf6; } .box { fill: #ffffff; stroke: #b9b2a4; } .none { stroke-dasharray: 4 3; }
  .name { font-weight: 600; fill: #1c1b19; } .said { font-size: 11.5px; fill: #69655d; } .line { stroke: #a59e90; fill: none; }
  .met { fill: #17636c; } .infeasible { fill: #bdb6a8; } .open { fill: #b23a1c; } .bar { fill: #e2ddd2; }
  @media (prefers-color-scheme: dark) {
    .ground { fill: #141412; } .box { fill: #1c1b19; stroke: #55514a; } .name { fill: #ebe7dd; } .said { fill: #a19b8f; }
    .line { stroke: #6b665d; } .met { fill: #72c1c8; } .infeasible { fill: #6f6a61; } .open { fill: #ff8d6e; } .bar { fill: #35322c; }
  }
"""


def lattice_svg(levels: Mapping[Level, Count], *, title: str, cases: int) -> str:
    """The picture. A level that was not asked for is drawn with a broken line and no counts."""
    told = one_line(title)
    return "\n".join(
        [
            f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {_WIDTH} {_HEIGHT}" role="img" aria-labelledby="t d">',
            f'<title id="t">{escape(told)}: the coverage lattice</title>',
            f'<desc id="d">{escape(_description(levels))}</desc>',
            f"<style>{_STYLE}</style>",
            f'<rect class="ground" width="{_WIDTH}" height="{_HEIGHT}"/>',
            *_lines(),
            *_head(told, cases),
            *(line for level in _PLACES for line in _level(level, levels.get(level))),
            *_legend(),
            "</svg>",
            "",
        ]
    )


def _lines() -> Iterator[str]:
    for level in highest():
        yield _line(_TOP, _PLACES[level])
    for arrow in ARROWS:
        yield _line(_PLACES[arrow.upper], _PLACES[arrow.lower])


def _line(upper: tuple[int, int], lower: tuple[int, int]) -> str:
    half = _TALL // 2
    return f'<line class="line" x1="{upper[0]}" y1="{upper[1] + half}" x2="{lower[0]}" y2="{lower[1] - half}"/>'


def _box(middle: tuple[int, int], width: int, kind: str = "box") -> str:
    x, y = middle[0] - width // 2, middle[1] - _TALL // 2
    return f'<rect class="{kind}" x="{x}" y="{y}" width="{width}" height="{_TALL}" rx="7"/>'


def _text(x: int, y: int, kind: str, said: str, anchor: str = "middle") -> str:
    return f'<text class="{kind}" x="{x}" y="{y}" text-anchor="{anchor}">{escape(said)}</text>'


def _head(title: str, cases: int) -> Iterator[str]:
    x, y = _TOP
    shown = title if len(title) <= 40 else f"{title[:39]}…"
    yield _box(_TOP, 320)
    yield _text(x, y - 4, "name", shown)
    yield _text(x, y + 15, "said", f"all levels, {cases:,} cases")


def _level(level: Level, count: Count | None) -> Iterator[str]:
    x, y = _PLACES[level]
    yield _box((x, y), _BOX, "box" if count is not None else "box none")
    yield _text(x, y - 11, "name", _named(level))
    yield _text(x, y + 7, "said", _said(count))
    if count is not None:
        yield from _bar(x - _BOX // 2 + 12, y + 16, _BOX - 24, count)


def _bar(x: int, y: int, width: int, count: Count) -> Iterator[str]:
    yield f'<rect class="bar" x="{x}" y="{y}" width="{width}" height="6" rx="3"/>'
    total = count.met + count.infeasible + count.open
    at = 0.0
    for kind, number in (("met", count.met), ("infeasible", count.infeasible), ("open", count.open)):
        if number:
            wide = width * number / total
            yield f'<rect class="{kind}" x="{x + at:.1f}" y="{y}" width="{max(wide, 2.0):.1f}" height="6" rx="1"/>'
            at += wide


def _named(level: Level) -> str:
    return "MC/DC" if level is Level.MCDC else str(level)


def _said(count: Count | None) -> str:
    if count is None:
        return "not asked for"
    parts = [f"{count.met:,} met"]
    parts += [
        f"{number:,} {word}" for number, word in ((count.infeasible, "infeasible"), (count.open, "open")) if number
    ]
    return ", ".join(parts)


def _legend() -> Iterator[str]:
    x, y = 14, 466
    yield _text(x, y, "said", "a line: who meets all of the upper level", "start")
    yield _text(x, y + 16, "said", "meets all of the lower one, rule by rule", "start")
    for place, (kind, said) in enumerate(
        (("met", "met by a case"), ("infeasible", "proved infeasible"), ("open", "open"))
    ):
        at = x + (0, 104, 232)[place]
        yield f'<rect class="{kind}" x="{at}" y="{y + 32}" width="10" height="10" rx="2"/>'
        yield _text(at + 15, y + 41, "said", said, "start")


def _description(levels: Mapping[Level, Count]) -> str:
    return "; ".join(f"{_named(level)}: {_said(levels.get(level))}" for level in _PLACES)
