"""The pictures: there where there is something to draw, true to the records, the same each time, and safe."""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator
from html import unescape
from typing import Any
from xml.etree import ElementTree

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from obverse.report.stability.boundary import by_rate, lanes, row_height, spaced
from obverse.report.stability.layers import _runs, _tone
from obverse.report.stability.palette import TONES, strangers
from obverse.report.stability.picture import Picture
from obverse.report.stability.pictures import comparison_pictures, pictures
from obverse.report.stability.plotting import label, measure, wrapped
from obverse.report.visible import one_line
from obverse.stability.findings import Diagnosis
from obverse.testing.diagnoses import comparison, diagnosis, hostile

pytest.importorskip("vl_convert", reason="the extra `pictures` is not installed")

replace = msgspec.structs.replace
ALL = ["map", "flips", "curves", "variance", "layers", "routing", "heat-1", "heat-2", "harm", "joint"]
HOSTILE = "<script>alert(1)</script>\"'];alert(2);//\u202e\x1b[31m\x00{{7*7}}"


@pytest.fixture(scope="module")
def found() -> Diagnosis:
    return diagnosis(prompts=12)


@pytest.fixture(scope="module")
def drawn(found: Diagnosis) -> dict[str, Picture]:
    return pictures(found)


def values(spec: Any) -> Iterator[dict[str, Any]]:
    """Every row of data in a specification."""
    if isinstance(spec, dict):
        yield from spec.get("data", {}).get("values", ())
        for part in spec.values():
            yield from values(part)
    elif isinstance(spec, list):
        for part in spec:
            yield from values(part)


def expressions(spec: Any) -> Iterator[str]:
    """Everything in a specification that the renderer would run."""
    if isinstance(spec, dict):
        for name, part in spec.items():
            if name != "data":
                if name in {"expr", "labelExpr", "filter", "calculate", "signal", "transform", "params", "format"}:
                    yield str(part)
                yield from expressions(part)
    elif isinstance(spec, list):
        for part in spec:
            yield from expressions(part)


def test_every_part_of_a_diagnosis_has_its_picture(drawn: dict[str, Picture]) -> None:
    assert list(drawn) == ALL


def test_what_is_missing_has_no_picture() -> None:
    assert list(pictures(diagnosis(prompts=6, inside=False))) == ["map", "flips", "curves", "variance"]
    assert list(pictures(diagnosis(prompts=6, shape="undecided", inside=False))) == ["map", "flips"]
    assert "routing" not in pictures(diagnosis(prompts=6, experts=None))
    empty = replace(
        diagnosis(prompts=3), prompts=(), flips=(), curves=(), components=None, inside=None, joint=None, tallies=()
    )
    assert pictures(empty) == {}


def thinned(spec: Any) -> Any:
    """The specification with one row in each layer: enough to check its form, and quick."""
    if isinstance(spec, dict):
        return {name: part[:1] if name == "values" else thinned(part) for name, part in spec.items()}
    return [thinned(part) for part in spec] if isinstance(spec, list) else spec


@pytest.mark.slow
def test_every_specification_is_valid_vega_lite(drawn: dict[str, Picture]) -> None:
    altair = pytest.importorskip("altair")
    for picture in drawn.values():
        altair.Chart.from_dict(thinned(picture.wide), validate=True)


def test_a_picture_is_the_same_each_time_and_well_formed(found: Diagnosis) -> None:
    for name, one in pictures(found).items():
        again = pictures(msgspec.json.decode(msgspec.json.encode(found), type=Diagnosis))[name]
        text = one.svg()
        assert text == again.svg()
        assert ElementTree.fromstring(text).tag.endswith("svg")
        assert strangers(text) == set()
        assert one.title in text


def test_no_light_colour_remains_in_the_dark(drawn: dict[str, Picture]) -> None:
    for picture in drawn.values():
        dark = picture.svg(dark=True)
        assert TONES["paper"] not in dark
        assert TONES["ink"] not in dark


def test_an_inline_picture_is_drawn_in_variables(drawn: dict[str, Picture]) -> None:
    text = drawn["map"].inline("wide")
    assert "#" not in text.replace("url(#", "").partition("aria-label")[2].partition(">")[2]
    assert 'fill="var(--pic-unstable)"' in text
    assert "font-family" not in text
    assert "style=" not in text


def test_a_png_is_a_png(drawn: dict[str, Picture]) -> None:
    assert drawn["variance"].png(scale=1).startswith(b"\x89PNG\r\n\x1a\n")


def test_the_map_has_every_prompt_in_its_zone(found: Diagnosis, drawn: dict[str, Picture]) -> None:
    rows = [row for row in values(drawn["map"].wide) if "shape" in row and "name" in row]
    seen = {(row["x"], row["l"], row["h"], row["tone"], row["fill"]) for row in rows}
    for one in found.prompts:
        zone = one.placement.zone
        tone = TONES["unsure" if zone == "undecided" else zone]
        fill = TONES["paper"] if zone == "undecided" else tone
        rate = one.placement.rate
        assert (rate.estimate, rate.low, rate.high, tone, fill) in seen


def test_L10_a_prompt_without_a_score_has_no_dot(found: Diagnosis) -> None:
    first = found.prompts[0]
    rate = replace(first.placement.rate, estimate=None, low=None, high=None, n=0)
    bare = replace(first, placement=replace(first.placement, rate=rate, zone="undecided"))
    picture = pictures(replace(found, prompts=(bare,)))["map"]
    assert [row for row in values(picture.wide) if row.get("dot")] == []
    assert picture.svg()


@pytest.mark.parametrize("number", [1, 12, 60, 300, 1000])
def test_the_map_stays_readable(number: int) -> None:
    found = diagnosis(prompts=number, inside=False)
    assert row_height(number) * number <= max(1100, 13 * 75)
    for lane in lanes(found):
        if lane.step < 13:
            named = sorted(spaced(lane, 13))
            assert named
            assert all((after - before) * lane.step >= 13 for before, after in itertools.pairwise(named))
            unstable = [n for n, one in enumerate(lane.members) if one.placement.zone == "unstable"]
            assert not unstable or set(named) & set(unstable)


def test_prompts_stand_by_rate_and_unscored_ones_last(found: Diagnosis) -> None:
    rates = [one.placement.rate.estimate for one in by_rate(found.prompts)]
    assert rates == sorted(rates, key=lambda rate: 2.0 if rate is None else rate)


def test_a_rising_ladder_rises_in_its_panel(drawn: dict[str, Picture]) -> None:
    rows = [row for row in values(drawn["curves"].wide) if "mid" in row and row["tone"] == TONES["case"]]
    assert rows
    assert all(row["high"] <= row["mid"] <= row["low"] for row in rows)  # pixels count downwards


@given(st.lists(st.one_of(st.none(), st.floats(-3, 3), st.just(math.nan)), max_size=30), st.booleans())
def test_merged_cells_say_the_same_as_single_ones(row: list[float | None], centred: bool) -> None:
    ends = (-3.0, 3.0)
    slow = [_tone(value, ends, centred=centred) for value in row]
    merged: list[str | None] = [None] * len(row)
    last = None
    for start, end, tone in _runs(row, ends, centred=centred):
        assert (start, tone) != last
        last = (end, tone)
        merged[start:end] = [tone] * (end - start)
    assert merged == slow


def test_the_middle_of_a_centred_palette_is_zero_and_its_ends_are_alike() -> None:
    assert _tone(0.0, (-1, 3), centred=True) == "heat-5"
    assert _tone(3.0, (-1, 3), centred=True) == "heat-10"
    assert _tone(-1.0, (-1, 3), centred=True) == "heat-3"
    assert _tone(math.nan, (0, 1), centred=False) is None
    assert _tone(2.0, (2, 2), centred=False) == "ramp-4"


@given(st.text(max_size=80), st.integers(20, 300))
def test_a_name_fits_its_room_and_a_short_one_stays(text: str, room: int) -> None:
    said = label(text, room, 12)
    assert measure(said, 12) <= max(room, measure("…", 12)) + 1e-6
    if measure(one_line(text, 200), 12) <= room:
        assert said == one_line(text, 200)


@given(st.text(max_size=200))
def test_wrapped_lines_fit(text: str) -> None:
    assert all(measure(line, 13) <= 200 + 1e-6 for line in wrapped(text, 200, 13))


@pytest.mark.parametrize(
    "text", [HOSTILE, "ا" * 40 + "\u2067x", "word" * 2_500], ids=["markup", "right to left", "long"]
)
def test_hostile_names_stay_text(text: str) -> None:
    for picture in pictures(hostile(text, prompts=3)).values():
        svg = picture.svg()
        root = ElementTree.fromstring(svg)
        assert {each.tag.rpartition("}")[2] for each in root.iter()} <= {
            "svg", "g", "path", "line", "rect", "circle", "text", "tspan", "title", "defs", "clipPath",
        }  # fmt: skip
        assert "<script" not in svg
        assert not {"\u202e", "\u2067", "\x1b", "\x00"} & set(unescape(svg))
        assert "<script" not in picture.inline("narrow")


def test_nothing_foreign_is_ever_run_by_the_renderer() -> None:
    for picture in pictures(hostile("ZZZ", prompts=3)).values():
        for spec in (picture.wide, picture.narrow):
            assert [each for each in expressions(spec) if "ZZZ" in each] == []


def test_two_runs_have_three_pictures() -> None:
    both, first, _ = comparison(prompts=9)
    found = comparison_pictures(both, first)
    assert list(found) == ["moves", "pairs", "widths"]
    for picture in found.values():
        assert strangers(picture.svg()) == set()
    rows = [row for row in values(found["pairs"].wide) if "way" in row and "d" in row]
    assert len({(row["a"], row["b"], row["y"]) for row in rows}) == 9
    assert comparison_pictures(replace(both, pairs=(), moved={}, widths=()), first) == {}
