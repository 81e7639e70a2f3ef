"""What is exported to Dogwood decides there as `decide` does here, by Dogwood's own interpreter."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pytest

from obverse.core.events import AnyEvent, Call, Denied, Result, Step
from obverse.interchange.dogwood import EVENTS, export_dogwood
from obverse.policy.check import check
from obverse.policy.checked import Checked
from obverse.policy.decide import decide
from obverse.policy.parse import parse

POLICY = """\
---
policy: shop
version: 1
---
```terms
tool get(id: text) -> (cabin: one of "basic", "business", price: integer, cost: number, ok: bool) effect read
tool pay(id: text, amount: integer, note: text optional) effect money
judged message.yes "The user agrees." yes "Yes." no "No."
```

## One {#one}

```rule
RULES
```
"""
SCOPE = 'scope(principal: Agent::User::"u", resource: Agent::Session::"s")'
ASKED = f'{SCOPE} request_context(well_formed: true, input: {{id: "A", amount: 5}})'


def policy(*rules: str) -> Checked:
    return check(parse(POLICY.replace("RULES", "\n".join(rules))))


def replayed(checked: Checked, lines: Sequence[str]) -> list[bool]:
    native: Any = pytest.importorskip("dogwood.native", reason="dogwood-py is there on Linux only")
    exported = export_dogwood(checked)
    assert exported.left_out == ()
    assert native.validate_policy(exported.text, exported.schema, EVENTS)["passed"]
    printed = native.replay(exported.text, exported.schema, "\n".join(lines) + "\n", EVENTS)
    return [line.rpartition(": ")[2].strip() == "true" for line in printed.splitlines()]


def log(*events: tuple[int, str, str]) -> tuple[list[str], list[AnyEvent | Step]]:
    """The same log twice: as Dogwood reads it, and as ours. Each event: seconds, what, fields."""
    lines, ours = [], list[AnyEvent | Step]()
    for number, (second, what, output) in enumerate(events):
        common: dict[str, Any] = {"id": f"e{number}", "time": second * 1000, "call_id": f"c{number}"}
        tool, _, kind = what.partition(" ")
        given = '{id: "A", amount: 5}' if tool == "pay" else '{id: "A"}'
        arguments = '{"id": "A", "amount": 5}' if tool == "pay" else '{"id": "A"}'
        if kind == "asked":
            call = Call(**common, tool=tool, arguments=arguments)
            ours.append(Step(event=call, turn=(call,)))
            lines.append(f'@{second} {ASKED} Agent::Action::"{tool}"::request(input: {given})')
            continue
        if kind in ("done", "denied"):
            ours.append((Call if kind == "done" else Denied)(**common, tool=tool, arguments=arguments))
            name, more = ("executed" if kind == "done" else "denied"), ""
        else:
            failed = kind == "failed"
            ours.append(Call(**common, tool=tool, arguments=arguments))
            ours.append(Result(**common | {"id": f"r{number}"}, tool=tool, output=output or "no", failed=failed))
            lines.append(f'@{second} {SCOPE} Agent::Action::"{tool}"::executed(input: {given})')
            name, more = ("failure" if failed else "response"), (f", output: {output}" if output else "")
        lines.append(f'@{second} {SCOPE} Agent::Action::"{tool}"::{name}(input: {given}{more})')
    return lines, ours


def decided(checked: Checked, events: Sequence[AnyEvent | Step]) -> list[bool]:
    history: list[AnyEvent] = []
    found = []
    for event in events:
        if isinstance(event, Step):
            found.append(not decide(checked, tuple(history), event).verdict.blocks)
        else:
            history.append(event)
    return found


BASIC = '{"cabin": "basic", "price": 100, "cost": 1, "ok": true}'
BUSINESS = '{"cabin": "business", "price": 300, "cost": 1, "ok": false}'
LOG = (
    (0, "pay asked", ""), (1, "get result", BASIC), (1, "pay asked", ""), (2, "pay done", ""), (3, "get result", BUSINESS),
    (4, "pay asked", ""), (5, "get failed", ""), (6, "pay asked", ""), (7, "pay denied", ""), (3606, "pay asked", ""),
    (3607, "pay done", ""), (3608, "pay asked", ""),
)  # fmt: skip
RULES = [
    "forbid pay unless once get(id: id)",
    "forbid pay when once get(id: id) within 1h",
    'forbid pay when last get(id: id) has cabin = "basic"',
    'forbid pay unless last get has (cabin != "basic" and price > 100)',
    "forbid pay unless last get has (ok or price > 200)",
    "forbid pay when once result get failed within 1m",
    "forbid pay when once denied pay",
    "forbid pay unless no call pay since get(id: id)",
    "forbid pay when count(get within 1h) >= 2",
    "forbid pay when sum(args.amount of call pay within 1h) > 4",
    "limit pay to 1 per 1h by id",
    'ask pay when amount > 3 and not once get where (cabin = "business" and price > 200)',
]


@pytest.mark.parametrize("rule", RULES)
def test_a_rule_about_the_past_means_the_same_in_dogwood(rule: str) -> None:
    checked = policy(rule)
    lines, events = log(*LOG)
    wanted = decided(checked, events)
    assert (
        replayed(
            checked,
            [
                line.replace('"cabin"', "cabin").replace('"price"', "price").replace('"ok"', "ok")
                for line in without_cost(lines)
            ],
        )
        == wanted
    )
    assert len(set(wanted)) == 2, "a rule that never changes its mind shows nothing"


def without_cost(lines: Sequence[str]) -> list[str]:
    """Dogwood's decimals are written in its own way."""
    return [line.replace('"cost": 1', 'cost: decimal("1.0")') for line in lines]


LEFT_OUT = {
    "forbid pay when once get where cost > 5": "numbers that are no integers",
    'forbid pay when once pay where (args.note = "x")': "may be missing",
    "forbid pay when previous call get": "it looks at the history",
    "forbid pay when once message where message.yes": "messages are no events there",
    "limit sum(amount) of pay to 5 per 1h": "a limit to a sum",
    "forbid pay when once get within 10ms": "less than a second",
    'forbid pay when once get where (cabin = "basic" or ok)': "comparisons of fields",
}


@pytest.mark.parametrize(("rule", "reason"), LEFT_OUT.items(), ids=LEFT_OUT)
def test_what_dogwood_cannot_say_is_named(rule: str, reason: str) -> None:
    exported = export_dogwood(policy(rule.replace("once pay where", "once call pay where")))
    assert exported.rules == ()
    assert reason in exported.left_out[0].reason
