"""Random changes of random policies, and random holes in random scenarios, for comparing two policies by sampling."""

from __future__ import annotations

import json
from random import Random
from typing import Any

import msgspec

from obverse.core.events import AnyEvent, Call, Denied, Fact, Message, Reply, Result
from obverse.core.order import TimeOrder
from obverse.policy import ast
from obverse.policy.checked import Checked, CheckedRule
from obverse.solver.answers import Act, Scenario

from .randomly import CHECKED, Conditions

_KINDS = ("forbid", "forbid", "stop", "ask", "warn")


def pair(random: Random, act: Act) -> tuple[Checked, Checked]:
    """A policy of up to three rules about this act, and the same with one rule changed, dropped or made stricter."""
    conditions = [Conditions(random, act).condition(3 if n == 0 else 2) for n in range(random.choice([1, 1, 2, 3]))]
    old = [_rule(n, random.choice(_KINDS), fires, act, random) for n, fires in enumerate(conditions)]
    first = old[0]
    match random.randrange(10):
        case 0:
            new = old[1:]
        case 1:
            new = [msgspec.structs.replace(first, kind=random.choice(_KINDS)), *old[1:]]
        case 2:
            new = [msgspec.structs.replace(first, people=random.choice([1, 2, 3])), *old[1:]]
        case _:
            new = [msgspec.structs.replace(first, fires=changed(random, first.fires, act)), *old[1:]]
    return _policy(old), _policy(new)


def changed(random: Random, expr: ast.Expr, act: Act) -> ast.Expr:
    """The condition with one part changed; some changes change nothing."""
    extra = Conditions(random, act).condition(1)
    match random.randrange(12):
        case 0:
            return ast.And(items=(expr, ast.Or(items=(expr, extra))))
        case 1:
            return ast.Or(items=(expr, ast.And(items=(extra, ast.Not(body=extra)))))
        case 2:
            return ast.And(items=(expr, extra))
        case 3:
            return ast.Or(items=(expr, extra))
    for _ in range(8):
        target = random.choice(list(ast.walk(expr)))
        made = _made(random, target)
        if made is not target:
            found: ast.Expr = _replaced(expr, target, made)
            return found
    return ast.Not(body=expr)


def _made(random: Random, node: ast.Node) -> Any:
    """What stands in place of this node."""
    match node:
        case ast.Number():
            return ast.Number(value=node.value + random.choice([-1, 1]))
        case ast.Not():
            return node.body
        case ast.And() | ast.Or():
            other = ast.Or if isinstance(node, ast.And) else ast.And
            return random.choice([random.choice(node.items), other(items=node.items)])
        case ast.Compare(op="=" | "!="):
            return ast.Compare(op="!=" if node.op == "=" else "=", left=node.left, right=node.right)
        case ast.Compare():
            return ast.Compare(op=random.choice(["<", "<=", ">", ">="]), left=node.left, right=node.right)
        case ast.Once():
            within = None if node.within else ast.Duration(ms=60_000)
            return ast.Once(event=node.event, where=random.choice([None, node.where]), within=within)
        case ast.Duration():
            return ast.Duration(ms=node.ms + 1000)
        case ast.Last():
            return ast.Once(event=node.event, where=node.has)
        case ast.Previous():
            return ast.Once(event=node.event, where=node.has)
        case ast.Exceeds():
            return ast.Exceeds(heads=node.heads, to=node.to, per=node.per, by=None, amount=node.amount)
        case ast.FactValue(name="verified"):
            return ast.Or(items=(node, ast.Not(body=node)))
        case ast.Quantified():
            return msgspec.structs.replace(node, kind="all" if node.kind == "any" else "any")
        case ast.Text():
            return ast.Text(value="ab" if node.value == "a" else "a")
    return node


def _replaced(node: Any, target: ast.Node, made: Any) -> Any:
    if node is target:
        return made
    if isinstance(node, tuple):
        return tuple(_replaced(part, target, made) for part in node)
    if isinstance(node, ast.Node):
        return type(node)(
            **{name: _replaced(getattr(node, name), target, made) for name in node.__struct_fields__ if name != "at"}
        )
    return node


def _rule(number: int, kind: Any, fires: ast.Expr, act: Act, random: Random) -> CheckedRule:
    head = ast.Head(kind="reply") if act.kind == "reply" else ast.Head(kind="tool", tool=act.tool)
    people = random.choice([1, 1, 2]) if kind == "ask" else 1
    return CheckedRule(id=f"c/{number}", clause="c", kind=kind, heads=(head,), fires=fires, people=people)


def _policy(rules: list[CheckedRule]) -> Checked:
    return msgspec.structs.replace(CHECKED, rules=tuple(rules))


# --- what is missing ----------------------------------------------------------------------------------------------------


def with_holes(random: Random, scenario: Scenario) -> Scenario:
    """The scenario with times, values and answers of judges missing here and there, or of a wrong type.

    The same where no reader would take it: an act without a time after an event that had one.
    """
    turn = tuple(_holed(random, event) for event in scenario.step.turn)
    event = next(one for one in turn if one.id == scenario.step.event.id)
    step = msgspec.structs.replace(scenario.step, event=event, turn=turn)
    history = tuple(_holed(random, event) for event in scenario.history)
    order = TimeOrder()
    if any(order.fault(one) is not None for one in (*history, *turn)):
        return scenario
    return Scenario(history=history, step=step)


def _holed(random: Random, event: Any) -> Any:
    if random.random() < 0.12:
        event = msgspec.structs.replace(event, time=None)
    if random.random() < 0.7:
        return event
    found: AnyEvent = event
    match event:
        case Call() | Denied():
            found = msgspec.structs.replace(event, arguments=json.dumps(_members(random, json.loads(event.arguments))))
        case Result(failed=False):
            output = random.choice([json.dumps(_members(random, json.loads(event.output))), "null"])
            found = msgspec.structs.replace(event, output=output)
        case Fact():
            found = msgspec.structs.replace(event, value=None)
        case Message() | Reply():
            found = msgspec.structs.replace(event, labels={})
    return found


def _members(random: Random, values: dict[str, Any]) -> dict[str, Any]:
    name = random.choice(list(values))
    match random.randrange(3):
        case 0:
            return {key: value for key, value in values.items() if key != name}
        case 1:
            return {**values, name: None}
    return {**values, name: [None] if name == "items" else {"odd": True}}
