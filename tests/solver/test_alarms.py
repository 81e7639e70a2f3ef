"""What `analyse` once said wrongly of policies that people wrote: each is clean, or open, and never an error."""

from __future__ import annotations

import json

from obverse.core.events import Call, Fact, Result, Step
from obverse.policy import ast
from obverse.policy.check import check
from obverse.policy.parse import parse
from obverse.solver.analyse import analyse
from obverse.solver.answers import Act, Found, Goal, Impossible, Scenario, Undecided
from obverse.solver.find import Finder

from .policies import policy

START = 1_767_607_260_000


def codes(*clauses: str) -> tuple[list[str], list[str]]:
    """The codes of errors and warnings about clauses, and those that stayed open."""
    analysis = analyse(policy(*clauses))
    found = [one.code for one in analysis.findings if one.severity != "info" and one.clause is not None]
    return found, [one.code for one in analysis.undecided]


def test_an_exception_matters_where_the_rule_speaks_for_not_knowing() -> None:
    first = "first: ask refund(id: r, amount: n) when last call refund(id: r) has n > args.amount * 4"
    assert codes(f"{first} unless not once call refund(id: r)") == ([], [])
    idle = "idle: ask refund(id: r) when last call refund(id: r) has args.amount > 100"
    assert codes(f"{idle} unless last call refund(id: r) has args.amount < 50") == (["S207"], [])


def test_a_limit_on_lengths_can_be_exceeded_however_large_it_is() -> None:
    assert codes("text: limit sum(length(body)) of mail to 2000000 per 24h") == ([], [])
    terms = "list: limit sum(length(to) + length(body)) of mail to 90 per 24h"
    assert codes(terms, "few: limit mail to 30 per 24h") == ([], [])


def test_a_text_longer_than_the_bound_is_not_called_impossible() -> None:
    found, undecided = codes("long: forbid mail when length(body) > 1000000")
    assert found == []
    assert "S201" in undecided


FOLDED = """---
policy: folded
---
```terms
tool supplier(id: text) -> (owner: text folded, iban: text) effect read
tool order(supplier: text) effect money
fact buyer.relatives: list of text folded
```
## Relatives {#relatives}
```rule
ask order(supplier: s) when last supplier(id: s) has owner in buyer.relatives
```
"""


def test_a_text_that_only_an_earlier_scenario_knew_is_folded_like_others() -> None:
    checked = check(parse(FOLDED))
    rule, act = checked.rules[0].fires, Act(kind="call", tool="order")
    finder = Finder(checked)
    for names in (["r1"], ["R1"], ["R1", "r2"], ["Ann", "ANN"]):
        for owner in ("R1", "r1", "ANN", "x"):
            near = scenario(names, owner)
            for wish in (rule, ast.Not(body=rule)):
                for _ in range(2):
                    answer = finder.find(Goal(head=act, wishes=(wish,)), near=near)  # replays what it finds
                    assert isinstance(answer, Found)
                    near = answer.scenario


def scenario(names: list[str], owner: str) -> Scenario:
    """A supplier was looked up, whose owner is like one of the names, and is to get an order."""
    times = iter(range(1_767_607_200_000, 1_767_607_300_000, 1_000))
    call = Call(id="e2", time=next(times), call_id="c1", tool="supplier", arguments='{"id": "R1"}')
    output = json.dumps({"owner": owner, "iban": "DE"})
    event = Call(id="step", time=START, turn=9, call_id="c2", tool="order", arguments='{"supplier": "R1"}')
    return Scenario(
        history=(
            Fact(id="e1", time=call.time, name="buyer.relatives", value=names),
            call,
            Result(id="e3", time=next(times), call_id="c1", tool="supplier", output=output),
        ),
        step=Step(event=event, turn=(event,)),
    )


def test_what_excludes_each_other_is_impossible_though_the_rest_needs_a_longer_list() -> None:
    checked = policy(
        "many: forbid cancel(id: r) when last find_order(id: r) has length(items) > 40", "no: ask cancel when id = id"
    )
    many, always = (rule.fires for rule in checked.rules)
    act = Act(kind="call", tool="cancel")
    wishes = (ast.Not(body=always), ast.Not(body=many))
    assert isinstance(Finder(checked).find(Goal(head=act, wishes=wishes)), Impossible)
    assert isinstance(Finder(checked).find(Goal(head=act, wishes=(many,))), Undecided)


def test_an_empty_text_is_in_every_text_and_a_longer_one_in_none() -> None:
    checked = policy(
        "code: forbid mail(to: t) when length(t) >= 4 and once message where text contains t",
        'yes: forbid mail when body starts with "x"',
    )
    code, other = (rule.fires for rule in checked.rules)
    act = Act(kind="call", tool="mail")
    for wishes in ((code, ast.Not(body=other)), (other, ast.Not(body=code)), (other, code)):
        assert isinstance(Finder(checked).find(Goal(head=act, wishes=wishes)), Found)
