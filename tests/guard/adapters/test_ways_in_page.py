"""The guide “Which way in” names a test for each cell of its tables; they are there."""

from __future__ import annotations

import re
from pathlib import Path

ROOT = Path(__file__).parents[3]


def test_every_test_that_the_page_names_exists() -> None:
    named = set(re.findall(r"`(test_\w+)`", (ROOT / "docs" / "guides" / "ways-in.md").read_text()))
    written = {
        name for file in (ROOT / "tests").rglob("test_*.py") for name in re.findall(r"def (test_\w+)", file.read_text())
    }
    assert named - written == set()
    assert len(named) > 30


def test_no_row_of_a_guarantee_is_without_a_test() -> None:
    page = (ROOT / "docs" / "guides" / "ways-in.md").read_text().partition("## The turn as a whole")[2]
    rows = [line for line in page.splitlines() if line.startswith("| ") and not line.startswith("| way")]
    assert [row for row in rows if "`test_" not in row] == []
