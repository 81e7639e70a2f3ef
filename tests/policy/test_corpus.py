"""The clean policies under `benchmarks/policies/` mean what they say: each has a page of decisions in `corpus/`.

A page holds scenarios only (see `scenarios.py`); its policy is the file of the same name. That `obverse check` finds nothing in
any of them is measured in `benchmarks/check_corpus.py`.
"""

from __future__ import annotations

from functools import cache
from pathlib import Path

import pytest
from tests.policy.scenarios import SCENARIO, Expectation, scenario

from obverse.policy.check import check
from obverse.policy.checked import Checked
from obverse.policy.decide import decide
from obverse.policy.decision import Decision
from obverse.policy.format import format_document
from obverse.policy.monitor import Monitor
from obverse.policy.parse import parse

POLICIES = sorted((Path(__file__).parents[2] / "benchmarks" / "policies").glob("*.md"))
PAGES = Path(__file__).parent / "corpus"
by_policy = pytest.mark.parametrize("path", POLICIES, ids=lambda path: str(path.stem))


@cache
def checked_of(path: Path) -> Checked:
    return check(parse(path.read_text(), source=path.name))


def expectations(path: Path) -> list[Expectation]:
    """What the page of this policy says."""
    page = PAGES / path.name
    text = page.read_text()
    return [
        expectation
        for block in SCENARIO.finditer(text)
        for expectation in scenario(page.name, text[: block.start(1)].count("\n") + 1, block[1])
    ]


@by_policy
def test_a_policy_of_the_corpus_is_in_canonical_form(path: Path) -> None:
    text = path.read_text()
    assert format_document(text, source=path.name) == text


@by_policy
def test_a_policy_of_the_corpus_decides_as_its_page_says(path: Path) -> None:
    checked = checked_of(path)
    wrong = [
        f"{expected.page}:{expected.line}: expected {said(expected)}, found {shown(decision)}"
        for expected in expectations(path)
        if shown(decision := decide(checked, expected.history, expected.step)) != said(expected)
    ]
    assert wrong == []


@by_policy
def test_the_monitor_decides_as_the_page_says(path: Path) -> None:
    checked = checked_of(path)
    for expected in expectations(path):
        monitor = Monitor(checked)
        for event in expected.history:
            monitor.observe(event)
        assert shown(monitor.decide(expected.step)) == said(expected), f"{expected.page}:{expected.line}"


def test_the_corpus_is_large_and_varied() -> None:
    checked = [checked_of(path) for path in POLICIES]
    assert len(checked) >= 30
    assert all(len(expectations(path)) >= 4 for path in POLICIES)
    sizes = [len(one.rules) for one in checked]
    assert min(sizes) <= 4
    assert max(sizes) >= 40
    assert {rule.kind for one in checked for rule in one.rules} == {
        "forbid", "stop", "ask", "warn", "require", "permit", "limit",
    }  # fmt: skip


def said(expected: Expectation) -> tuple[str, str, tuple[str, ...]]:
    return expected.verdict, expected.certain, expected.clauses


def shown(decision: Decision) -> tuple[str, str, tuple[str, ...]]:
    return decision.verdict.value, decision.certain.value, decision.clauses
