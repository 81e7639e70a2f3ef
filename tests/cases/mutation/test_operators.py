"""Every operator, shown on a small rule: what stands there instead, as its author would write it."""

from __future__ import annotations

import pytest

from cases.policies import TERMS, policy
from obverse.cases.mutation.mutants import mutants
from obverse.cases.mutation.operators import NAMES
from obverse.policy.check import check
from obverse.policy.checked import Checked
from obverse.policy.parse import parse

FOUND = "last find_booking(id: r) has"
BY_HAND = {
    "drop condition": (
        "forbid issue_voucher when amount > 100 and user.verified",
        {
            ("amount > 100 and user.verified", "user.verified"),
            ("amount > 100 and user.verified", "amount > 100"),
            ("forbid issue_voucher when amount > 100 and user.verified", "forbid issue_voucher"),
        },
    ),
    "negate condition": (
        "forbid issue_voucher when amount > 100 or not user.verified",
        {("amount > 100", "amount <= 100"), ("not user.verified", "user.verified")},
    ),
    "and/or": (
        "forbid issue_voucher when amount > 100 and user.verified",
        {("amount > 100 and user.verified", "amount > 100 or user.verified")},
    ),
    "threshold": (
        "forbid issue_voucher when amount > 2.5",
        {("amount > 2.5", "amount > 2.6"), ("amount > 2.5", "amount > 2.4")},
    ),
    "comparison": ("forbid issue_voucher when amount > 100", {("amount > 100", "amount >= 100")}),
    "window": (
        "forbid cancel_booking(id: r) unless once find_booking(id: r) within 1h",
        {
            ("once find_booking(id: r) within 1h", f"once find_booking(id: r){window}")
            for window in (" within 1h1s", " within 59m59s", " within 2h", "")
        },
    ),
    "look back": (
        f"forbid cancel_booking(id: r) when {FOUND} insured",
        {
            (f"{FOUND} insured", "once find_booking(id: r) where insured"),
            (f"{FOUND} insured", "previous find_booking(id: r) has insured"),
        },
    ),
    "event": (
        "forbid cancel_booking when once call send_mail",
        {("call send_mail", f"{kind}send_mail") for kind in ("proposed ", "", "denied ")},
    ),
    "binding": (
        "forbid cancel_booking(id: r) unless once find_booking(id: r)",
        {("find_booking(id: r)", "find_booking")},
    ),
    "exception": (
        "forbid issue_voucher when amount > 100 unless user.verified",
        {
            (
                "forbid issue_voucher when amount > 100 unless user.verified",
                "forbid issue_voucher when amount > 100",
            )
        },
    ),
    "drop rule": ("forbid send_mail", {("forbid send_mail", "")}),
    "verdict": ("forbid send_mail", {("forbid send_mail", f"{kind} send_mail") for kind in ("stop", "ask", "warn")}),
    "head": (
        "forbid send_mail, cancel_booking",
        {
            ("forbid send_mail, cancel_booking", changed)
            for changed in (
                "forbid any call, cancel_booking", "forbid find_booking, cancel_booking", "forbid cancel_booking",
                "forbid send_mail, any call", "forbid send_mail, issue_voucher", "forbid send_mail",
            )
        },
    ),
    "key": (
        "limit issue_voucher to 2 per 24h by user",
        {("limit issue_voucher to 2 per 24h by user", "limit issue_voucher to 2 per 24h")},
    ),
    "limit": (
        "limit issue_voucher to 2",
        {("limit issue_voucher to 2", "limit issue_voucher to 3"), ("limit issue_voucher to 2", "limit issue_voucher to 1")},
    ),
    "people": (
        "ask send_mail by 2 people",
        {("ask send_mail by 2 people", "ask send_mail by 3 people"), ("ask send_mail by 2 people", "ask send_mail")},
    ),
    "widen test": (
        'forbid send_mail unless to like "?@example.com"',
        {
            ('to like "?@example.com"', f"to like {glob}")
            for glob in ('"?@example.com*"', '"*?@example.com"', '"*@example.com"')
        },
    ),
    "text": (
        f'forbid cancel_booking(id: r) when {FOUND} cabin = "basic"',
        {('cabin = "basic"', 'cabin = "business"')},
    ),
    "list": (
        'forbid send_mail when to in ["a", "b"]',
        {('to in ["a", "b"]', 'to in ["b"]'), ('to in ["a", "b"]', 'to in ["a"]')},
    ),
    "quantifier": (
        'forbid send_mail when any x in [to, body]: x = "a"',
        {('any x in [to, body]: x = "a"', 'all x in [to, body]: x = "a"')},
    ),
    "arithmetic": (
        f"forbid cancel_booking(id: r) when {FOUND} made < now - 24h",
        {("made < now - 24h", "made < now + 24h")},
    ),
    "precedence": (
        "forbid send_mail\nask send_mail",
        {("forbid send_mail\nask send_mail", "ask send_mail\nforbid send_mail")},
    ),
}  # fmt: skip


def small(rules: str) -> Checked:
    """The harbour desk with a clause of these rules."""
    return check(parse(f"{TERMS}\n## One {{#one}}\n\nWhat is said.\n\n```rule\n{rules}\n```\n"))


@pytest.mark.parametrize("name", NAMES)
def test_an_operator_gives_what_it_says(name: str) -> None:
    rules, wanted = BY_HAND[name]
    assert {(one.before, one.after) for one in mutants(small(rules), operators={name})} == wanted


@pytest.mark.parametrize("name", NAMES)
def test_a_mutant_is_a_policy_with_other_rules(name: str) -> None:
    checked = small(BY_HAND[name][0])
    for mutant in mutants(checked, operators={name}):
        assert mutant.of(checked).rules != checked.rules
        assert mutant.of(checked).digest != checked.digest
        assert mutant.operator == name
        assert mutant.clause == "one"


def test_mutants_say_where_the_fault_is() -> None:
    mutant = mutants(policy("threshold"), operators={"comparison"})[0]
    rule = policy("threshold").source.clauses[0].rules[0]
    assert mutant.rule == "threshold/1"
    assert mutant.at is not None
    assert rule.at is not None
    assert mutant.at.line == rule.at.line


def test_what_would_not_be_well_typed_is_no_mutant() -> None:
    heads = {one.after for one in mutants(small("forbid issue_voucher when amount > 1"), operators={"head"})}
    assert heads == set()  # no other tool has an amount


def test_two_ways_to_the_same_rules_are_one_mutant() -> None:
    made = mutants(small("forbid issue_voucher when amount > 100"))
    assert len({one.id for one in made}) == len(made)
    assert {one.operator for one in made if one.after == "amount > 101"} == {"threshold"}


def test_a_definition_is_changed_for_all_rules_that_use_it() -> None:
    text = TERMS.replace("judged reply", "let large(n) = n > 100\njudged reply", 1) + (
        "\n## One {#one}\n\n```rule\nforbid issue_voucher when large(amount)\nwarn issue_voucher unless large(amount)\n```\n"
    )
    changed = [one for one in mutants(check(parse(text))) if one.rule == "let large"]
    assert changed
    assert all(one.touched == ("one/1", "one/2") for one in changed)


def test_a_permit_has_mutants_only_where_its_answer_is_a_verdict() -> None:
    made = mutants(small("permit send_mail when user.verified"))
    assert [(one.operator, one.after) for one in made] == [("verdict", "forbid send_mail when user.verified")]


def test_a_judge_may_decide_alone_in_a_mutant() -> None:
    made = mutants(policy("confirmed"), operators={"exception", "negate condition"})
    assert {one.operator for one in made} == {"exception", "negate condition"}


def test_mutants_of_a_large_policy_are_bounded() -> None:
    assert len(mutants(policy("threshold", "limit"), most=5)) == 5
