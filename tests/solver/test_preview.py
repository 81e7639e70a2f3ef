"""Previews of grants: what they newly allow is shown, what stays blocked too, and where nothing is new that is proved."""

from __future__ import annotations

from pathlib import Path

import pytest

from obverse.core.errors import ManyErrors
from obverse.core.events import Call, Result
from obverse.core.verdicts import Truth, Verdict
from obverse.policy.check import check
from obverse.policy.checked import Checked
from obverse.policy.decide import decide
from obverse.policy.grants import Grant, InForce, read_scope
from obverse.policy.parse import parse
from obverse.policy.relax import relax
from obverse.solver.preview import Preview, preview, previewed
from obverse.solver.settings import Settings

POLICY = """\
---
policy: shop
---
```terms
tool pay(to: text, amount: number) effect money
tool wipe(id: text) effect write
tool look(id: text) -> (open: bool) effect read
judged message.agrees "The user agrees." yes "yes" no "no"
```

## Large {#large}

```rule
forbid pay when amount > 100
ask pay when amount > 50 by 2 people
```

## Often {#often}

```rule
limit pay to 2 per 1d by to
```

## Names {#names level=platform}

```rule
forbid pay when to = "mallory"
```

## Looking {#looking}

```rule
forbid wipe(id: i) unless last look(id: i) has open
forbid any call with effect write when turn.calls > 1
```

## Agreed {#agreed}

```rule
forbid pay unless last message has message.agrees trusting judge
```

## Never {#never inviolable}

```rule
forbid pay when amount > 1000
```

## Ends {#ends}

```rule
stop wipe when id = "all"
```
"""
POLICIES = sorted((Path(__file__).parents[2] / "benchmarks" / "policies").glob("*.md"))


@pytest.fixture(scope="module")
def shop() -> Checked:
    return check(parse(POLICY))


def seen(checked: Checked, clauses: str, scope: str, *above: str, levels: tuple[str, ...] = ()) -> Preview:
    def terms(text: str) -> Grant:
        return Grant(
            by="ana", time=0, holder="agent", clauses=tuple(clauses.split()), scope=text, purpose="a test", uses=1,
            not_before=0, not_after=1, nonce="n", policy=checked.digest,
        )  # fmt: skip

    return preview(checked, terms(scope), above=[terms(text) for text in above], levels=levels)


def told(found: Preview) -> set[tuple[str, str, str]]:
    return {(change.old.value, change.new.value, change.rules[0].clause) for change in found.changes}


TOLD = {
    "a rule with a condition": (
        "large",
        "pay when amount <= 200",
        {("deny", "allow", "large"), ("ask", "allow", "large")},
    ),
    "a milder one alone": ("large", "pay when amount <= 80", {("ask", "allow", "large")}),
    "a limit": ("often", "pay", {("deny", "allow", "often")}),
    "what looks back": ("looking", "wipe", {("deny", "allow", "looking")}),
    "a judged condition": ("agreed", 'pay when to = "shop"', {("deny", "allow", "agreed")}),
    "every call": ("looking", "any call", {("deny", "allow", "looking")}),
    "nothing, since nothing is there": ("large", "pay when amount < 20", set()),
    "nothing, since another clause denies": ("large", "pay when amount > 2000", set()),
    "nothing, since the scope speaks of another step": ("large", "wipe", set()),
    "nothing, since the scope is never true": ("large", "pay when amount > 5 and amount < 5", set()),
}


@pytest.mark.parametrize("name", TOLD)
def test_a_preview_shows_what_becomes_allowed(shop: Checked, name: str) -> None:
    clauses, scope, expected = TOLD[name]
    found = seen(shop, clauses, scope)
    assert {one for one in told(found) if one[2] in clauses} >= expected
    assert bool(found.changes) is bool(expected)
    assert found.nothing is (Truth.FALSE if expected else Truth.TRUE)
    assert found.undecided == ()


def test_every_witness_is_replayed_by_decide_and_relax(shop: Checked) -> None:
    for clauses, scope, _ in TOLD.values():
        found = seen(shop, clauses, scope)
        grant = InForce(id="g", clauses=frozenset(found.clauses), scopes=(read_scope(shop, scope),))
        for change in found.changes:
            history, step = change.scenario.history, change.scenario.step
            decision = decide(shop, history, step)
            assert decision.verdict is change.old
            assert relax(shop, decision, [grant], history, step).decision.verdict is change.new
            assert change.new.strictness < change.old.strictness


def test_what_stays_blocked_is_shown_and_an_inviolable_clause_is_told(shop: Checked) -> None:
    found = seen(shop, "large", "pay")
    stays = {one.clause: one for one in found.stays}
    assert stays.keys() == {"often", "names", "agreed", "never"}
    assert [name for name, one in stays.items() if one.inviolable] == ["never"]
    for one in found.stays:
        assert one.verdict is Verdict.DENY


def test_a_stop_stays_though_its_clause_is_granted(shop: Checked) -> None:
    found = seen(shop, "ends looking", "wipe")
    assert [(one.rule, one.verdict) for one in found.stays] == [("ends/1", Verdict.STOP)]
    assert told(found) == {("deny", "allow", "looking")}


def test_a_clause_that_may_not_be_lifted_is_named_and_left_out(shop: Checked) -> None:
    found = seen(shop, "large never names", "pay")
    assert (found.clauses, found.kept) == (("large",), ("never", "names"))
    found = seen(shop, "names never", "pay", levels=("platform",))
    assert (found.clauses, found.kept) == (("names",), ("never",))
    assert told(found) == {("deny", "allow", "names")}


def test_the_scopes_above_a_derived_grant_count(shop: Checked) -> None:
    assert seen(shop, "large", "pay when amount <= 300", "pay when amount <= 20").nothing is Truth.TRUE
    assert seen(shop, "large", "pay", "wipe").nothing is Truth.TRUE
    found = seen(shop, "large", "pay when amount > 110", "any call when turn.calls = 1")
    assert told(found) == {("deny", "allow", "large")}


def test_a_limit_is_shown_by_what_was_done_before(shop: Checked) -> None:
    (change,) = seen(shop, "often", 'pay when to = "shop"').changes
    done = [event for event in change.scenario.history if isinstance(event, Call)]
    assert [event.tool for event in done] == ["pay", "pay"]
    assert any(isinstance(event, Result) for event in change.scenario.history) or done


def test_a_scope_with_a_fault_is_told_with_its_place(shop: Checked) -> None:
    with pytest.raises(ManyErrors, match=r"1:10: .* unknown name `amuont`"):
        seen(shop, "large", "pay when amuont < 5")


def test_a_reply_beside_calls_is_shown_where_no_tool_is_declared() -> None:
    text = '---\npolicy: p\n---\n## A {#a}\n\n```rule\nforbid reply when text contains "x"\n```\n'
    (change,) = seen(check(parse(text)), "a", "reply when turn.calls = 1").changes
    assert [type(event).__name__ for event in change.scenario.step.turn] == ["Reply", "Call"]


def test_what_was_not_proved_is_undecided(shop: Checked) -> None:
    grant = InForce(id="g", clauses=frozenset({"large"}), scopes=(read_scope(shop, "pay when count(call pay) > 300"),))
    found = previewed(shop, grant, settings=Settings(most_repeats=3))
    assert (found.changes, found.nothing) == ((), Truth.UNKNOWN)
    assert found.undecided


@pytest.mark.slow
@pytest.mark.parametrize("path", POLICIES[::6], ids=lambda path: path.stem)
def test_a_grant_of_one_clause_newly_allows_nothing_that_another_clause_blocks(path: Path) -> None:
    """The matrix: clause by clause, granted without a condition. No spill-over, and no verdict that `relax` does not give."""
    checked = check(parse(path.read_bytes()))
    for clause in checked.clauses:
        for scope in ("any call", "reply"):
            grant = InForce(id="g", clauses=frozenset({clause.id}), scopes=(read_scope(checked, scope),))
            found = previewed(checked, grant, settings=Settings(timeout_ms=2_000))
            assert not (clause.inviolable and found.changes)
            for change in found.changes:
                before = decide(checked, change.scenario.history, change.scenario.step)
                assert {one.clause for one in before.reasons if one.verdict.blocks} & {clause.id}
                after = relax(checked, before, [grant], change.scenario.history, change.scenario.step)
                assert {one.clause for one in after.lifted} == {clause.id}
