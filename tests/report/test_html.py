"""The page of a run: complete, self-contained, and the answer first."""

from __future__ import annotations

import re
from html.parser import HTMLParser

import msgspec
import pytest
from tests.report.sim import SKETCHES, large, summary

from obverse.campaign.records import Summary
from obverse.report.claims import answer
from obverse.report.html import LARGEST, render_html

VOID = {"meta", "input", "br", "link", "img", "hr"}


class Read(HTMLParser):
    """What a browser would see: elements in balance, attributes, text."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.text = ""
        self.wrong: list[str] = []
        self.feed(text)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))

    def handle_endtag(self, tag: str) -> None:
        if not self.open or self.open.pop() != tag:
            self.wrong.append(tag)

    def handle_data(self, data: str) -> None:
        if self.open and self.open[-1] != "style":
            self.text += data


@pytest.fixture(scope="module")
def page() -> str:
    return render_html(summary())


@pytest.fixture(scope="module")
def read(page: str) -> Read:
    return Read(page)


def test_every_element_is_closed(read: Read) -> None:
    assert (read.wrong, read.open) == ([], [])


def test_it_loads_nothing_and_runs_nothing(page: str, read: Read) -> None:
    assert {tag for tag, _ in read.tags} & {
        "script",
        "link",
        "img",
        "iframe",
        "object",
        "embed",
        "base",
        "form",
    } == set()
    assert [
        name for _, attributes in read.tags for name in attributes if name.startswith("on") or name == "style"
    ] == []
    linked = [value for _, found in read.tags for name, value in found.items() if name in {"href", "src", "xlink:href"}]
    assert [link for link in linked if not (link or "").startswith("#")] == []
    assert "url(http" not in page
    assert "@import" not in page


def test_the_policy_of_the_page_allows_its_style_sheet_and_nothing_else(page: str) -> None:
    policy = re.search(r'Content-Security-Policy" content="([^"]*)"', page)
    assert policy is not None
    assert policy[1].startswith("default-src &#39;none&#39;; style-src &#39;sha256-") or policy[1].startswith(
        "default-src 'none'; style-src 'sha256-"
    )
    assert "unsafe" not in policy[1]


def test_links_within_the_page_lead_somewhere(read: Read) -> None:
    ids = {attributes["id"] for _, attributes in read.tags if "id" in attributes}
    links = {str(found["href"])[1:] for _, found in read.tags if str(found.get("href", "")).startswith("#")}
    assert links - ids == set()


def test_ids_are_unique(read: Read) -> None:
    ids = [attributes["id"] for _, attributes in read.tags if "id" in attributes]
    assert len(ids) == len(set(ids))


def test_the_answer_comes_first_and_in_words(read: Read) -> None:
    text = " ".join(read.text.split())
    for said in (
        "Two clauses fail, one is undecided and three hold.",
        "harbour-air-agent",
        "openai:harbour-agent-2026-10",
        "What is not known",
    ):
        assert said in text
        assert text.index(said) < text.index("Clause by clause")


def test_it_shows_all_that_is_known_of_a_clause(read: Read) -> None:
    text = " ".join(read.text.split())
    for said in ("nothing else counts", "forbid cancel_reservation", "proved impossible", "exclude each other", "this broke the clause",
                 "the allowed act did not come", "get_reservation_details", "220 calls", "Holm", "sensitivity", "its errors are not known", "What this does not say"):  # fmt: skip
        assert said.lower() in text.lower()


def test_what_differs_between_a_case_and_its_twin_is_marked(page: str) -> None:
    assert re.search(r'<dt>cabin</dt><dd dir="auto"><mark>&#34;business&#34;</mark>', page)


def test_an_undecided_claim_says_how_many_more_trials(read: Read) -> None:
    assert re.search(r"\d+ more trials without a failure", read.text)


def test_a_run_that_was_cut_short_says_so() -> None:
    cut = msgspec.structs.replace(summary(), complete=False, ended="the cap of 500 calls was reached")
    assert "the cap of 500 calls was reached" in render_html(cut)
    assert "The run was cut short" in render_html(cut)


def test_an_empty_run_is_a_page_too() -> None:
    empty = msgspec.structs.replace(summary(), clauses=(), overall=(), judges=(), errors={})
    read = Read(render_html(empty))
    assert "Nothing was tried." in read.text
    assert read.wrong == []


def test_the_same_record_gives_the_same_page() -> None:
    assert render_html(summary()) == render_html(msgspec.json.decode(msgspec.json.encode(summary()), type=Summary))


def test_the_answer_counts_clauses_by_their_worst_side() -> None:
    clauses = summary().clauses
    assert answer(clauses) == "Two clauses fail, one is undecided and three hold."
    assert answer(clauses[1:4]) == "All three clauses hold."
    assert answer([clauses[1], clauses[6]]) == "One clause holds."
    assert answer(clauses[6:]) == "Nothing was tried."


@pytest.mark.slow
def test_a_hundred_clauses_and_ten_thousand_trials_stay_readable() -> None:
    text = render_html(large())
    assert len(text.encode()) <= LARGEST
    assert text.count('class="clause ') == 100


@pytest.mark.slow
def test_a_page_that_would_be_too_large_leaves_out_cases_and_says_so() -> None:
    heavy = summary(sketches=SKETCHES[:1], reply="long words " * 9_000, shown=5, per_case=5)
    many = msgspec.structs.replace(heavy, clauses=heavy.clauses * 60)
    text = render_html(many)
    assert len(text.encode()) <= LARGEST
    assert "characters are not shown here" in text
    assert "in the journal of the run" in text
