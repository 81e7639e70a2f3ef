"""Limits beside limits: asked about by small ones, so that hundreds of calls leave nothing open; and large ones that are idle."""

from __future__ import annotations

import pytest

from obverse.solver.analyse import analyse

from .planted import workshop
from .test_planted import told

APART = {
    "a day and a month": ("limit refund to 5 per 24h", "limit refund to 500 per 30d"),
    "by two keys": ("limit refund to 3 per 24h by id", "limit refund to 400 per 24h"),
    "with no window": ("limit refund to 5 per 1h", "limit refund to 900"),
    "beside a count": ("limit refund to 20 per 24h", "forbid refund when count(call refund within 1h) > 4"),
    "beside a look": ("limit refund to 300 per 24h", "forbid refund when once call refund within 1m"),
    "a sum and a number": ("limit refund to 200 per 24h", "limit sum(amount) of refund to 500 per 24h"),
}
IDLE = {
    "a larger number": ("limit refund to 5 per 24h", "limit refund to 10 per 24h"),
    "a shorter window": ("limit refund to 5 per 24h", "limit refund to 5 per 1h"),
    "a smaller key": ("limit refund to 5 per 24h", "limit refund to 5 per 24h by id"),
}


@pytest.mark.parametrize("rules", APART.values(), ids=APART.keys())
def test_limits_that_each_have_a_say_are_no_finding_and_leave_nothing_open(rules: tuple[str, str]) -> None:
    analysis = analyse(workshop(*(f"c{number}: {rule}" for number, rule in enumerate(rules))))
    assert ([one.message for one in told(analysis)], analysis.undecided) == ([], ())


@pytest.mark.parametrize("rules", IDLE.values(), ids=IDLE.keys())
def test_a_limit_inside_of_another_is_redundant(rules: tuple[str, str]) -> None:
    analysis = analyse(workshop(*(f"c{number}: {rule}" for number, rule in enumerate(rules))))
    assert [(one.code, one.clause) for one in told(analysis)] == [("S213", "c1")]
