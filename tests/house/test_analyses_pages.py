"""Every analysis has a page, and every page is true: its policy has the finding, in these words, and mended has it no more."""

from __future__ import annotations

from pathlib import Path

import pytest

from analyses import INDEX, POLICY, SHOWN, faults, index, pages
from obverse.policy.format import format_document
from obverse.solver.findings import MEANINGS

by_page = pytest.mark.parametrize("page", pages(), ids=lambda page: str(page.stem))


@by_page
def test_a_page_of_an_analysis_is_true(page: Path, tmp_path: Path) -> None:
    assert faults(page.read_text(), page.stem, tmp_path) == []


@by_page
def test_the_policies_of_a_page_are_in_canonical_form(page: Path) -> None:
    for _, policy in POLICY.findall(page.read_text()):
        assert format_document(policy) == policy


def test_every_analysis_has_a_page_and_every_page_an_analysis() -> None:
    assert [page.stem for page in pages()] == sorted(MEANINGS)


def test_the_index_lists_every_analysis() -> None:
    assert INDEX.read_text() == index(), "run python tests/house/analyses.py"


def test_a_page_that_is_wrong_is_found(tmp_path: Path) -> None:
    page = next(page for page in pages() if page.stem == "S201")
    text = page.read_text()
    assert faults(text.replace("S201: a rule", "S201: no rule"), "S201", tmp_path) != []
    assert faults(SHOWN.sub("```text\nerror S201 x: y\n```\n", text), "S201", tmp_path) != []
    first, second = POLICY.findall(text)
    assert faults(text.replace(second[1], first[1]), "S201", tmp_path) != []
    assert faults(text.replace("## How to mend it", "## Mending"), "S201", tmp_path) != []
