"""A page that names a test as its proof names one that exists."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from house import ROOT

NAMED = re.compile(r"(tests/[\w/]+\.py)::(test_\w+)")
PAGES = [page for page in sorted((ROOT / "docs").rglob("*.md")) if NAMED.search(page.read_text())]


def missing(text: str) -> list[str]:
    """The tests that a text names and nobody wrote."""
    return [f"{file}::{name}" for file, name in NAMED.findall(text) if not _is_there(ROOT / file, name)]


def _is_there(file: Path, name: str) -> bool:
    return file.is_file() and re.search(rf"^(async )?def {name}\(", file.read_text(), re.M) is not None


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_the_tests_that_a_page_names_exist(page: Path) -> None:
    assert missing(page.read_text()) == []


def test_a_test_that_nobody_wrote_is_found() -> None:
    assert missing("`tests/house/test_named_tests.py::test_nothing`") == [
        "tests/house/test_named_tests.py::test_nothing"
    ]
