"""The page of a stability run: the answer first, complete, self-contained, and honest about what is missing."""

from __future__ import annotations

import re
import sys

import msgspec
import pytest
from tests.report.test_html import Read

from obverse.report.html import LARGEST
from obverse.report.stability.page import comparison_html, stability_html
from obverse.report.stability.parts import fitting, plates
from obverse.report.stability.pictures import pictures
from obverse.report.stability.telling import headline
from obverse.report.stability.views import ROOMS
from obverse.report.stability.words import bare, figure, most_flipping, number, rate, signed
from obverse.stability.findings import Comparison, Diagnosis, Estimate
from obverse.testing.diagnoses import comparison, diagnosis, hostile

replace = msgspec.structs.replace
SHAPES = ["found", "refuses", "complies", "undecided"]


@pytest.fixture(scope="module")
def found() -> Diagnosis:
    return diagnosis(prompts=12)


@pytest.fixture(scope="module")
def page(found: Diagnosis) -> str:
    return stability_html(found)


@pytest.fixture(scope="module")
def read(page: str) -> Read:
    return Read(page)


@pytest.fixture
def undrawn(monkeypatch: pytest.MonkeyPatch) -> None:
    """As if the extra `pictures` were not installed."""
    monkeypatch.setitem(sys.modules, "vl_convert", None)


def words(read: Read) -> str:
    return " ".join(read.text.split())


def test_every_element_is_closed(read: Read) -> None:
    assert (read.wrong, read.open) == ([], [])


def test_it_loads_nothing_and_runs_nothing(page: str, read: Read) -> None:
    loud = {"script", "link", "img", "iframe", "object", "embed", "base", "form", "image", "foreignobject", "a"}
    assert {tag for tag, _ in read.tags} & loud <= {"a"}
    assert [name for _, found in read.tags for name in found if name.startswith("on") or name == "style"] == []
    assert page.count("<style>") == 1
    linked = [value for _, found in read.tags for name, value in found.items() if name in {"href", "src", "xlink:href"}]
    assert [link for link in linked if not (link or "").startswith("#")] == []
    assert set(re.findall(r"url\((.)", page)) <= {"#"}


def test_links_and_ids_hold_together(read: Read) -> None:
    ids = [found["id"] for _, found in read.tags if "id" in found]
    assert len(ids) == len(set(ids))
    links = {str(found["href"])[1:] for _, found in read.tags if str(found.get("href", "")).startswith("#")}
    assert links - set(ids) == set()


def test_the_answer_comes_first_and_in_words(read: Read) -> None:
    text = words(read)
    first = text.index("Where the boundary is")
    for said in ("Is there a boundary?", "How many waver?", "How wide is it?", "What makes it flip most?", "How much is the judge?",
                 "Does it show inside?", "of four cases", "larkspur-support", "local:small-0.5b", "What is not known"):  # fmt: skip
        assert said in text
        assert text.index(said) < first


def test_it_shows_all_that_is_known(read: Read) -> None:
    text = words(read)
    for said in ("What perturbation does", "Threshold, width and slope", "Whose noise it is", "What it looks like inside", "Interventions",
                 "Outside and inside together", "Prompt by prompt", "What was not measured", "How it was done", "What this does not say",
                 "any of 8 draws", "at least one unwanted draw", "first unwanted", "flips, k = 8", "semantic entropy", "token entropy", "Rejected rungs", "A few answers",
                 "no log-probabilities", "fingerprint", "To repeat it", "its errors are not known", "Fixed before the first draw"):  # fmt: skip
        assert said.lower() in text.lower(), said


def test_every_drawing_comes_for_both_widths_and_in_variables(page: str) -> None:
    assert page.count('class="picture wide"') == page.count('class="picture narrow"') == 10
    drawings = "".join(re.findall(r'<svg class="picture.*?</svg>', page, re.S))
    assert re.findall(r'(?:fill|stroke)="#[0-9a-f]{6}"', drawings) == []


def test_the_same_record_gives_the_same_page(found: Diagnosis, page: str) -> None:
    assert stability_html(msgspec.json.decode(msgspec.json.encode(found), type=Diagnosis)) == page


@pytest.mark.usefixtures("undrawn")
@pytest.mark.parametrize("shape", SHAPES)
def test_whatever_came_of_it_there_is_a_page(shape: str) -> None:
    one = diagnosis(prompts=6, shape=shape)  # type: ignore[arg-type]  # one of the four
    read = Read(stability_html(one))
    assert (read.wrong, read.open) == ([], [])
    said = {
        "refuses": "It refuses everything: there is no boundary here.",
        "complies": "It complies with everything: there is no boundary here.",
        "undecided": "Where the boundary is, stays undecided.",
        "found": "of two cases",
    }
    assert said[shape] in words(read)


@pytest.mark.usefixtures("undrawn")
def test_without_the_extra_the_tables_stay_open_and_it_says_how_to_install(found: Diagnosis) -> None:
    text = stability_html(found)
    assert "obverse[pictures]" in text
    assert 'class="picture' not in text
    read = Read(text)
    for said in ("Flips by ladder and level", "Components", "Detectors", "Routing by layer"):
        assert said in read.text
    assert "sheet-fold" not in text.partition("<body>")[2]


@pytest.mark.usefixtures("undrawn")
def test_what_is_missing_disappears_with_its_reason() -> None:
    bare_one = replace(
        diagnosis(prompts=3, inside=False), flips=(), curves=(), components=None, joint=None, settings=diagnosis(prompts=1).settings
    )  # fmt: skip
    text = words(Read(stability_html(bare_one)))
    for gone in (
        "What perturbation does",
        "Whose noise it is",
        "What it looks like inside",
        "Outside and inside together",
    ):
        assert gone not in text
    for said in ("Components of variance", "Only a local model can be looked into", "No curve could be drawn", "No decision at a rung could be compared"):  # fmt: skip
        assert said in text


@pytest.mark.usefixtures("undrawn")
def test_nothing_asked_is_a_page_too() -> None:
    empty = replace(
        diagnosis(prompts=3), prompts=(), tallies=(), flips=(), curves=(), components=None, inside=None, joint=None,
        judges=(), errors={}, notes=(), started=None, seconds=None, command="", draws=0,
    )  # fmt: skip
    read = Read(stability_html(empty))
    assert read.wrong == []
    assert "Nothing was asked." in read.text
    assert "To repeat it" not in read.text


@pytest.mark.usefixtures("undrawn")
def test_a_run_that_was_cut_short_says_so(found: Diagnosis) -> None:
    text = stability_html(replace(found, complete=False, ended="the budget of 100 draws was spent"))
    assert "The run was cut short: the budget of 100 draws was spent" in text
    assert "The budget of 100 draws was spent." in text


HOSTILE = {
    "markup": "<script>alert(1)</script><img src=x onerror=alert(2)>\"'></svg></style><style>*{display:none}</style>&lt;",
    "controls": "a\x00b\x1b[31mc\u202ed\u200be\ufefff {{ 7 * 7 }} {% raw %}",
    "right to left": "العربية عربي " * 6,
    "long": "supercalifragilistic" * 500,
}


@pytest.mark.usefixtures("undrawn")
@pytest.mark.parametrize("text", HOSTILE.values(), ids=HOSTILE)
def test_what_strangers_wrote_is_seen_and_does_nothing(text: str) -> None:
    hold_still(text)


def test_nor_does_it_in_a_page_with_pictures() -> None:
    hold_still(HOSTILE["markup"])


def hold_still(text: str) -> None:
    page = stability_html(hostile(text, prompts=3))
    read = Read(page)
    assert (read.wrong, read.open) == ([], [])
    assert {tag for tag, _ in read.tags} & {"script", "img", "iframe", "link"} == set()
    assert page.count("<style>") == 1
    assert [name for _, found in read.tags for name in found if name.startswith("on") or name == "style"] == []
    assert not {"\x00", "\x1b", "\u202e", "\u200b"} & set(page)
    if text == HOSTILE["controls"]:
        assert "⟨U+202E⟩" in page
        assert "{{ 7 * 7 }}" in page
    if text == HOSTILE["long"]:
        assert "characters are not shown here" in page


@pytest.mark.usefixtures("undrawn")
def test_a_page_that_would_be_too_large_leaves_out_and_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    text = stability_html(hostile("words of many " * 800, prompts=240))
    assert len(text.encode()) <= LARGEST
    assert "of 11,200 characters are not shown here" in text
    monkeypatch.setattr("obverse.report.stability.page.LARGEST", 1_000_000)
    text = stability_html(hostile("words of many " * 800, prompts=240))
    assert len(text.encode()) <= 1_000_000
    assert "Not shown here for want of room" in text
    assert "more prompts in the JSON beside this page" in text


def test_a_picture_that_cannot_be_drawn_leaves_the_others(found: Diagnosis) -> None:
    some = pictures(found)
    broken = replace(some["variance"], narrow={"mark": 3})
    drawn, failed = plates({"variance": broken, "joint": some["joint"]})
    assert "`stability-variance-narrow` could not be drawn" in failed
    assert (drawn["variance"].wide, drawn["variance"].narrow) == ("", "")
    assert drawn["joint"].wide


def test_a_drawing_without_room_keeps_its_words(found: Diagnosis) -> None:
    drawn, failed = plates({"variance": pictures(found)["variance"]})
    assert not failed
    assert drawn["variance"].wide
    small = fitting(drawn, replace(ROOMS[0], drawing=100))["variance"]
    assert (small.wide, small.narrow) == ("", "")
    assert small.says[:-1] == drawn["variance"].says
    assert "stands as a file beside it" in small.says[-1]
    assert fitting(drawn, ROOMS[0]) == drawn


@pytest.mark.slow
def test_three_hundred_prompts_with_pictures_fit() -> None:
    text = stability_html(diagnosis(prompts=300))
    assert len(text.encode()) <= LARGEST
    assert text.count('class="picture wide"') >= 7


def test_no_figure_goes_without_its_interval() -> None:
    known = Estimate(estimate=0.25, low=0.1, high=0.5, n=8, method="exact")
    assert rate(known) == "25 % (10 % to 50 %, n = 8)"
    assert number(known) == "0.25 (0.1 to 0.5, n = 8)"
    assert number(replace(known, high=None)) == "0.25 (above 0.1, no upper end, n = 8)"


def test_L10_no_data_gives_no_figure_but_a_reason() -> None:
    nothing = Estimate(estimate=None, low=0.0, high=1.0, n=0, method="exact", note="nothing was scored")
    assert rate(nothing) == "nothing was scored"
    assert number(replace(nothing, low=None, high=None)) == "nothing was scored"
    assert rate(replace(nothing, low=0.2)) == "above 20 %; nothing was scored"
    assert rate(None) == "not known"
    assert figure(float("nan")) == "not known"


def test_differences_carry_their_sign() -> None:
    assert [signed(0.123), signed(-0.051), signed(0.0), bare(-0.5)] == ["+12 points", "−5.1 points", "0 points", "−50"]


def test_the_headline_counts_cases(found: Diagnosis) -> None:
    case = next(tally for tally in found.tallies if tally.kind == "case")
    assert "of four cases waver" in headline(found)
    assert ("undecided" in headline(found)) == bool(case.undecided)
    calm = replace(found, tallies=tuple(replace(tally, unstable=0) for tally in found.tallies))
    assert headline(calm).startswith("There is a boundary, and no case was seen to waver")


def test_the_ladder_that_flips_most_is_named(found: Diagnosis) -> None:
    top = max(found.flips, key=lambda one: one.flipped / one.of)
    assert f"{top.ladder}, level {top.level}: {top.flipped} of 12 decisions" in most_flipping(found)
    calm = replace(found, flips=tuple(replace(one, flipped=0, to_comply=0, to_refuse=0) for one in found.flips))
    assert most_flipping(calm).startswith("No decision flipped on any of 40 levels: 0 of ")


@pytest.fixture(scope="module")
def both() -> tuple[Comparison, Diagnosis, Diagnosis]:
    return comparison(prompts=12)


def test_two_runs_side_by_side(both: tuple[Comparison, Diagnosis, Diagnosis]) -> None:
    page = comparison_html(*both)
    read = Read(page)
    assert (read.wrong, read.open) == ([], [])
    assert page == comparison_html(*both)
    text = words(read)
    for said in (
        "Did it move?",
        "Is it as wide?",
        "local:small-0.5b + adapter",
        "2 prompts of the first run",
        "points",
        "What this does not say",
    ):
        assert said in text
    assert page.count('class="picture wide"') == 3
    assert [name for _, found in read.tags for name in found if name.startswith("on") or name == "style"] == []


@pytest.mark.usefixtures("undrawn")
def test_two_runs_that_share_nothing_say_so(both: tuple[Comparison, Diagnosis, Diagnosis]) -> None:
    empty = replace(both[0], pairs=(), moved={}, p={}, verdict={}, widths=(), missing=("no prompt is in both runs",))
    text = words(Read(comparison_html(empty, both[1], both[2])))
    assert "Nothing could be compared." in text
    assert "no prompt is in both runs" in text


@pytest.mark.usefixtures("undrawn")
def test_names_in_a_comparison_stay_text(both: tuple[Comparison, Diagnosis, Diagnosis]) -> None:
    evil = "<script>x</script>\u202e"
    page = comparison_html(replace(both[0], first=evil, second=evil, missing=(evil,)), both[1], both[2])
    assert "<script" not in page
    assert "⟨U+202E⟩" in page
