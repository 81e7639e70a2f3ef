"""The colours: all different, readable, and the same in the style sheet."""

from __future__ import annotations

import re

import pytest

from obverse.report.html import TEMPLATES
from obverse.report.stability.palette import COLOURS, TONES, as_variables, recoloured, strangers, style_variables

STYLE = (TEMPLATES / "style.css").read_text(encoding="utf-8")


def luminance(colour: str) -> float:
    """Relative luminance as in WCAG 2.2."""
    parts = [int(colour[at : at + 2], 16) / 255 for at in (1, 3, 5)]
    linear = [part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def contrast(one: str, other: str) -> float:
    low, high = sorted((luminance(one), luminance(other)))
    return (high + 0.05) / (low + 0.05)


def test_no_two_names_share_a_colour_on_light_paper() -> None:
    lights = [light for light, _ in COLOURS.values()]
    assert len(set(lights)) == len(lights)


@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
@pytest.mark.parametrize("tone", ["ink", "soft", "refuse", "unstable", "comply", "unsure", "judge", "case", "twin"])
def test_text_and_signs_stand_out_from_paper_and_band(tone: str, dark: bool) -> None:
    for ground in ("paper", "band", "wanted"):
        assert contrast(COLOURS[tone][dark], COLOURS[ground][dark]) >= (4.5 if ground == "paper" else 4.3)


def test_the_style_sheet_has_the_same_colours() -> None:
    assert f":root {{ {style_variables(dark=False)} }}" in STYLE
    assert f"@media (prefers-color-scheme: dark) {{ :root {{ {style_variables(dark=True)} }} }}" in STYLE


def test_paper_prints_white_and_all_else_as_on_a_light_screen() -> None:
    printed = style_variables(dark=False).replace("--pic-paper: #fbfaf6", "--pic-paper: #ffffff")
    assert f"@media print {{ :root {{ {printed} }} }}" in STYLE


def test_recolouring_touches_paint_and_nothing_else() -> None:
    svg = f'<path fill="{TONES["refuse"]}" stroke="none"/><text fill="{TONES["ink"]}">fill=&quot;{TONES["ink"]}&quot;</text>'
    dark = recoloured(svg)
    assert COLOURS["refuse"][1] in dark
    assert f"fill=&quot;{TONES['ink']}&quot;" in dark
    assert as_variables(svg).startswith('<path fill="var(--pic-refuse)" stroke="none"/><text fill="var(--pic-ink)">')


def test_a_colour_without_a_name_is_found() -> None:
    assert strangers('<path fill="#123456" stroke="none"/>') == {"#123456"}
    assert strangers(f'<path fill="{TONES["ink"]}"/>') == set()


def test_every_variable_that_a_page_may_use_is_declared() -> None:
    used = set(re.findall(r"var\(--pic-([\w-]+)\)", STYLE))
    assert used <= set(COLOURS)
