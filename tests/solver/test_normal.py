"""The normal form means what the condition means, and `implies` is never wrong, on random pasts with anything missing."""

from __future__ import annotations

from random import Random

import pytest

from obverse.core.verdicts import Truth
from obverse.policy import ast
from obverse.policy.evaluate import truth
from obverse.solver.answers import Act
from obverse.solver.normal import implies, normal, shape

from .changing import changed, with_holes
from .policies import policy
from .randomly import ANSWER, CHECKED, PAY, Conditions, Scenarios


def form(condition: str) -> ast.Expr:
    """The normal form of a condition about a refund."""
    return normal(policy(f"c: forbid refund when {condition}").rules[0].fires)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("amount > 1 and note is present", "note is present and amount > 1"),
        ("not (amount > 1 or customer.verified)", "not customer.verified and amount <= 1"),
        ("not not customer.verified", "customer.verified"),
        ("1 < amount", "amount > 1"),
        ("amount = 1", "1 = amount"),
        ("not amount = 1", "amount != 1"),
        ("customer.verified and true", "customer.verified"),
        ("customer.verified or (customer.verified or false)", "customer.verified"),
        ("once find_order where (not not total > 1)", "once find_order where 1 < total"),
    ],
)
def test_what_the_laws_of_logic_make_equal_has_one_form(one: str, other: str) -> None:
    assert shape(form(one)) == shape(form(other))


def test_what_is_not_equal_by_logic_alone_keeps_its_form() -> None:
    assert shape(form("customer.verified or not customer.verified")) != shape(form("true"))  # it may be unknown


@pytest.mark.parametrize(
    ("one", "other", "said"),
    [
        ("amount > 5", "amount > 4", True),
        ("amount > 5", "amount >= 5", True),
        ("amount >= 5", "amount > 5", False),
        ("amount < 4", "amount < 5", True),
        ("amount > 4", "amount > 5", False),
        ("amount > 5 and customer.verified", "amount > 3", True),
        ("amount > 5", "amount > 3 or customer.verified", True),
        ("amount > 5 or customer.verified", "amount > 3", False),
        ("once find_order within 1h", "once find_order within 2h", True),
        ("once find_order within 1h", "once find_order", True),
        ("once find_order", "once find_order within 1h", False),
        ("amount > 5", "not customer.verified", False),
    ],
)
def test_what_one_form_implies_is_seen(one: str, other: str, said: bool) -> None:
    assert implies(form(one), form(other)) is said


def test_a_limit_of_less_in_a_longer_time_is_implied() -> None:
    narrow, wide = (policy(f"c: limit refund to {one}").rules[0].fires for one in ("5 per 1h by id", "3 per 2h by id"))
    assert implies(normal(narrow), normal(wide))
    assert not implies(normal(wide), normal(narrow))


@pytest.mark.parametrize("act", [PAY, ANSWER], ids=["a call", "a reply"])
@pytest.mark.parametrize("seed", range(2))
def test_forms_and_what_they_imply_hold_on_every_past(seed: int, act: Act) -> None:
    random = Random(f"normal {seed} {act.kind}")
    implied = 0
    for _ in range(120):
        one = Conditions(random, act).condition(3)
        other = changed(random, one, act)
        said = implies(normal(one), normal(other))
        implied += said
        for _ in range(12):
            scenario = Scenarios(random, act).scenario()
            scenario = with_holes(random, scenario) if random.random() < 0.5 else scenario
            past = (scenario.history, scenario.step)
            value = truth(CHECKED, one, *past)
            assert truth(CHECKED, normal(one), *past) is value, one
            if said and value is not Truth.FALSE:
                assert truth(CHECKED, other, *past) is not Truth.FALSE, (one, other)
    assert implied > 10
