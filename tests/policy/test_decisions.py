"""The pages in `decisions/`, step by step; and that the streaming monitor says the same of them (L05)."""

from __future__ import annotations

import pytest
from tests.policy.scenarios import Expectation, pages, policies_of

from obverse.policy.checked import Checked
from obverse.policy.decide import decide
from obverse.policy.decision import Decision
from obverse.policy.monitor import Monitor

CASES = [
    pytest.param(checked, expected, id=f"{expected.page}:{expected.line}")
    for page in pages()
    for checked, found in policies_of(page)
    for expected in found
]


@pytest.mark.parametrize(("checked", "expected"), CASES)
def test_the_page_is_right(checked: Checked, expected: Expectation) -> None:
    decision = decide(checked, expected.history, expected.step)
    assert shown(decision) == (expected.verdict, expected.certain, expected.clauses)


@pytest.mark.parametrize(("checked", "expected"), CASES)
def test_the_monitor_agrees_with_the_page(checked: Checked, expected: Expectation) -> None:
    monitor = Monitor(checked)
    for event in expected.history:
        monitor.observe(event)
    assert shown(monitor.decide(expected.step)) == (expected.verdict, expected.certain, expected.clauses)


def test_the_pages_hold_enough() -> None:
    assert len(CASES) > 100


def shown(decision: Decision) -> tuple[str, str, tuple[str, ...]]:
    return decision.verdict.value, decision.certain.value, decision.clauses
