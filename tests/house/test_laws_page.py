"""docs/laws.md and the tests of the laws say the same: each law that is built is tried, each law that is tried stands."""

from __future__ import annotations

import re

import pytest

from house import ROOT

PAGE = (ROOT / "docs" / "laws.md").read_text()
LAW = re.compile(r"^\| (L\d\d) \|[^|]*(\| planned )?\|$", re.MULTILINE)
TRIED = re.compile(r"^\s*(?:async )?def test_(L\d\d)_", re.MULTILINE)


def untested(page: str, tests: str) -> set[str]:
    """Laws that the page calls built and no test carries."""
    return {law for law, planned in LAW.findall(page) if not planned} - set(TRIED.findall(tests))


def unlisted(page: str, tests: str) -> set[str]:
    """Laws that a test carries and the page does not call built."""
    return set(TRIED.findall(tests)) - {law for law, planned in LAW.findall(page) if not planned}


def all_tests() -> str:
    return "\n".join(path.read_text() for path in sorted((ROOT / "tests").rglob("test_*.py")))


def test_each_built_law_has_a_test() -> None:
    assert untested(PAGE, all_tests()) == set()


def test_each_tried_law_is_listed_as_built() -> None:
    assert unlisted(PAGE, all_tests()) == set()


def test_the_laws_are_numbered_without_a_gap() -> None:
    numbers = sorted(int(law[1:]) for law, _ in LAW.findall(PAGE))
    assert numbers == list(range(1, len(numbers) + 1))


ROW = "| L99 | nothing is forgotten |"


@pytest.mark.parametrize(
    ("page", "tests", "missing", "extra"),
    [
        (ROW, "def test_L99_x(): ...", set(), set()),
        (ROW, "def test_x(): ...", {"L99"}, set()),
        (f"{ROW} planned |", "def test_x(): ...", set(), set()),
        (f"{ROW} planned |", "    async def test_L99_x(): ...", set(), {"L99"}),
        ("", "def test_L99_x(): ...", set(), {"L99"}),
    ],
)
def test_a_law_without_a_test_and_a_test_without_a_law_are_found(
    page: str, tests: str, missing: set[str], extra: set[str]
) -> None:
    assert (untested(page, tests), unlisted(page, tests)) == (missing, extra)
