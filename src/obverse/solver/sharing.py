"""Which conditions can bear on each other at all: those that speak of the same arguments, facts or events, or of what connects.

Conditions that share nothing are true together whenever each can be true: their events do not meet in any operator, and a
window counts back from the step, so that the past of one can be laid between the past of the other. So a question about many
rules is a question about those that share something, and a rule that shares nothing with others is not covered by them.

# UNSOUND IF an operator reads what is not named here: a finding is still replayed, but one could be missed.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

from obverse.policy import ast
from obverse.policy.checked import Checked, CheckedRule
from obverse.solver.answers import Act
from obverse.solver.questions import acts_of

_SPOKEN = ("message", "reply", "thought", "approval", "grant")
_CALLS = ("call", "denied", "proposed", "result")


def touched(checked: Checked, expr: ast.Node) -> frozenset[str]:
    """The names of all that the truth of this hangs on."""
    return frozenset(name for node in ast.walk(expr) for name in _of(checked, node))


def bearing_on(checked: Checked, expr: ast.Node, rules: Sequence[CheckedRule]) -> tuple[CheckedRule, ...]:
    """Those of the rules that share something with this condition, or with one of them that does."""
    reached = touched(checked, expr)
    waiting = [(rule, touched(checked, rule.fires)) for rule in rules]
    found: set[str] = set()
    while True:
        near = [(rule, names) for rule, names in waiting if rule.id not in found and names & reached]
        if not near:
            return tuple(rule for rule in rules if rule.id in found)
        found |= {rule.id for rule, _ in near}
        reached = reached.union(*(names for _, names in near))


def by_act(checked: Checked, rules: Iterable[CheckedRule]) -> dict[Act, tuple[CheckedRule, ...]]:
    """For each act that some rule speaks of, the rules that do, in their order."""
    found: dict[Act, list[CheckedRule]] = {}
    for rule in rules:
        for act in acts_of(checked, rule):
            found.setdefault(act, []).append(rule)
    return {act: tuple(rules) for act, rules in found.items()}


def beside(checked: Checked, rules: Sequence[CheckedRule]) -> dict[str, tuple[CheckedRule, ...]]:
    """For each of these rules, by its id, the others that speak of some act that it speaks of, in their order."""
    places = {rule.id: place for place, rule in enumerate(rules)}
    near: dict[str, set[int]] = {rule.id: set() for rule in rules}
    for together in by_act(checked, rules).values():
        some = {places[rule.id] for rule in together}
        for rule in together:
            near[rule.id] |= some
    return {rule: tuple(rules[place] for place in sorted(found - {places[rule]})) for rule, found in near.items()}


def groups(checked: Checked, rules: Sequence[CheckedRule]) -> list[tuple[CheckedRule, ...]]:
    """The rules in as many groups as can be, so that no two of different groups share anything."""
    left, found = list(rules), []
    while left:
        group = (left[0], *bearing_on(checked, left[0].fires, left[1:]))
        ids = {rule.id for rule in group}
        left = [rule for rule in left if rule.id not in ids]
        found.append(group)
    return found


def _of(checked: Checked, node: ast.Node) -> Iterator[str]:
    match node:
        case ast.Argument():
            yield f"argument {node.name}"
        case ast.StepPart(part="text"):
            yield "text"
        case ast.JudgedAnswer(depth=None):
            yield f"answer {node.name}"
        case ast.FactValue():
            yield f"fact {node.name}"
        case ast.Now() | ast.EventPart(part="stamp"):
            yield "now"
        case ast.TurnCalls() | ast.TurnHasText():
            yield "turn"
        case ast.Previous() | ast.Since():
            yield from _everything(checked)
        case ast.Pattern():
            yield from _meant(checked, node)
        case ast.Exceeds():
            for head in node.heads:
                yield from _headed(checked, head)
        case _:
            pass


def _meant(checked: Checked, pattern: ast.Pattern) -> Iterator[str]:
    if pattern.kind == "any":
        yield from _everything(checked)
    elif pattern.kind == "fact":
        yield from (f"fact {name}" for name in ([pattern.fact] if pattern.fact else checked.facts))
    elif pattern.kind in _CALLS:
        yield from _tools(checked, pattern.tool, pattern.effect)
    else:
        yield pattern.kind


def _headed(checked: Checked, head: ast.Head) -> Iterator[str]:
    if head.kind == "reply":
        yield "reply"
    else:
        yield from _tools(checked, head.tool, head.effect)


def _tools(checked: Checked, tool: str | None, effect: str | None) -> Iterable[str]:
    if tool is not None:
        return (f"tool {tool}",)
    return (f"tool {name}" for name, one in checked.tools.items() if effect is None or effect in one.effects)


def _everything(checked: Checked) -> Iterator[str]:
    yield from _SPOKEN
    yield from (f"tool {name}" for name in checked.tools)
    yield from (f"fact {name}" for name in checked.facts)
