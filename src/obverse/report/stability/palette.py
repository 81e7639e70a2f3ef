"""The colours of the pictures: each has a name, a value on light and on dark paper, and a variable of the style sheet.

A picture is drawn once, in the values for light paper, which are all different. So `recoloured` can put it on dark paper, and
`as_variables` into a page that changes with the reader's screen; no other colour comes into a picture.

Zones are told apart by people who see red and green alike (blue, plum, orange), and each has a shape besides. Text keeps a
contrast of 4.5 to 1 and more on paper in both.
"""

from __future__ import annotations

import re
from typing import Final

COLOURS: Final[dict[str, tuple[str, str]]] = {
    "paper": ("#fbfaf6", "#141412"),
    "ink": ("#1c1b19", "#ebe7dd"),
    "soft": ("#69655d", "#a19b8f"),
    "line": ("#e2ddd2", "#35322c"),
    "wanted": ("#e4eceb", "#1a2a2b"),
    "band": ("#efe6ee", "#2c2330"),
    "refuse": ("#1f5f8f", "#74b3e2"),
    "unstable": ("#7d3a80", "#d795d8"),
    "comply": ("#a8480f", "#f0995c"),
    "unsure": ("#6a665e", "#a29c90"),
    "judge": ("#86650d", "#dfb955"),
    "case": ("#2a2826", "#e2ddd3"),
    "twin": ("#17646d", "#73c2c9"),
    "control": ("#8a4f7d", "#d29cc4"),
    "heat-0": ("#7a4410", "#f0c087"),
    "heat-1": ("#98632c", "#d09d63"),
    "heat-2": ("#b78446", "#b07b3f"),
    "heat-3": ("#d0a772", "#855b2c"),
    "heat-4": ("#e2cbad", "#533e28"),
    "heat-5": ("#f2efe7", "#24231f"),
    "heat-6": ("#b9d3ca", "#2e4741"),
    "heat-7": ("#7fb6ae", "#316e67"),
    "heat-8": ("#4f968f", "#43948c"),
    "heat-9": ("#30736d", "#69b9b1"),
    "heat-10": ("#0c524d", "#8fe0d6"),
    "ramp-0": ("#f1eee5", "#23221e"),
    "ramp-1": ("#ccdad3", "#253433"),
    "ramp-2": ("#a8c5c2", "#234649"),
    "ramp-3": ("#83afae", "#265c62"),
    "ramp-4": ("#609396", "#3b7a7f"),
    "ramp-5": ("#3b797f", "#51999e"),
    "ramp-6": ("#266066", "#76b6ba"),
    "ramp-7": ("#1a484d", "#a2d2d5"),
    "ramp-8": ("#0f3236", "#cdeff0"),
}
"""Name → (on light paper, on dark paper)."""

TONES: Final[dict[str, str]] = {name: light for name, (light, _) in COLOURS.items()}
"""Name → what a picture is drawn in."""

HEAT: Final = tuple(f"heat-{step}" for step in range(11))
"""From far below 0 to far above it; the middle one is near paper."""
RAMP: Final = tuple(f"ramp-{step}" for step in range(9))
"""From little to much."""

_NAMES: Final = {light: name for name, (light, _) in COLOURS.items()}


def recoloured(svg: str) -> str:
    """The picture on dark paper; a colour that has no name stays."""
    return _PAINTED.sub(lambda found: f'{found[1]}="{_dark(found[2])}"', svg)


def as_variables(svg: str) -> str:
    """The picture in variables of the style sheet, so that it follows the reader's screen and prints on white."""
    return _PAINTED.sub(lambda found: f'{found[1]}="{_variable(found[2])}"', svg)


def strangers(svg: str) -> set[str]:
    """Colours of the picture that have no name here."""
    return {found[2] for found in _PAINTED.finditer(svg)} - {*_NAMES, "none", "currentColor"}


def style_variables(*, dark: bool) -> str:
    """The declarations that the style sheet must hold for the pictures."""
    return " ".join(f"--pic-{name}: {colours[dark]};" for name, colours in COLOURS.items())


# a painted attribute; text cannot look like one, since a quotation mark in a text is escaped
_PAINTED: Final = re.compile(r'\b(fill|stroke|stop-color)="([^"]*)"')


def _dark(colour: str) -> str:
    return COLOURS[_NAMES[colour]][1] if colour in _NAMES else colour


def _variable(colour: str) -> str:
    return f"var(--pic-{_NAMES[colour]})" if colour in _NAMES else colour
