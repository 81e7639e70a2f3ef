"""Each window and threshold: can it be reached while the policy itself is kept? No solver is asked.

    S224 a condition asks for calls that the policy never lets happen: of a tool that is banned, or more than a `limit` allows;
         or a window holds no time at all, or more than any transcript

The solver takes any past for possible, so that a rule holds even where another one was broken: what is said here is only so as
long as the policy is kept, and no rule is wrong for it: a note. A window of no time is a warning.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from typing import Final

import msgspec

from obverse.policy import ast
from obverse.policy.checked import Checked, CheckedRule
from obverse.policy.print import duration_text
from obverse.solver.findings import Severity
from obverse.solver.grounds import rests_on
from obverse.solver.questions import Desk, Outcome, Question
from obverse.solver.sentences import named, short

ENDLESS_MS: Final = 10 * 366 * 86_400_000
"""From here on a window leaves nothing out: no transcript is ten years long."""


def questions(checked: Checked) -> Iterator[Question]:
    """One for every finding."""
    for rule in checked.rules:
        for one in _unreachable(checked, rule):
            yield Question(
                code="S224",
                clause=rule.clause,
                rule=rule.id,
                rests_on=rests_on(checked, [rule, *one.others], also=["S224", one.message]),
                answer=partial(_answer, rule, one),
                asks_solver=False,
            )


class _Unreachable(msgspec.Struct, frozen=True):
    message: str
    others: tuple[CheckedRule, ...] = ()
    severity: Severity = "info"


def _unreachable(checked: Checked, rule: CheckedRule) -> Iterator[_Unreachable]:
    for node in ast.walk(rule.fires):
        window = _window(node)
        if window is not None and window.ms == 0:
            yield _Unreachable(f"{named(rule)} has a window of 0s, which is no time at all", severity="warning")
        elif window is not None and window.ms >= ENDLESS_MS:
            span = duration_text(window.ms)
            yield _Unreachable(
                f"{named(rule)} has a window of {span}, longer than any transcript: it leaves nothing out"
            )
        match node:
            case ast.Once() | ast.Last():
                banned = _ban(checked, node.event)
                if banned is not None and banned is not rule:
                    message = f"{named(rule)} asks `{short(node)}`, and {named(banned)} lets no such call happen"
                    yield _Unreachable(message, (banned,))
            case ast.Compare():
                yield from _counted(checked, rule, node)


def _window(node: ast.Node) -> ast.Duration | None:
    if isinstance(node, ast.Once | ast.CountEvents | ast.SumEvents):
        return node.within
    return node.per if isinstance(node, ast.Exceeds) else None


def _ban(checked: Checked, event: ast.Pattern) -> CheckedRule | None:
    """The rule that denies every such call; `denied` and `proposed` ones happen all the same."""
    if event.kind not in ("call", "result") or event.tool is None:
        return None
    for rule in checked.rules:
        always = rule.fires == ast.Boolean(value=True) and rule.kind in ("forbid", "stop")
        if always and any(checked.matches(head, "call", event.tool) for head in rule.heads):
            return rule
    return None


def _counted(checked: Checked, rule: CheckedRule, node: ast.Compare) -> Iterator[_Unreachable]:
    """`count(call T within W) >= N` where a limit allows fewer in a window at least as long."""
    count, least = _wanted(node)
    if count is None:
        return
    for limit in checked.rules:
        bound = limit.fires
        if limit is rule or not isinstance(bound, ast.Exceeds) or bound.amount is not None or bound.by is not None:
            continue
        tool = count.event.tool
        covers = tool is not None and any(checked.matches(head, "call", tool) for head in bound.heads)
        if covers and bound.to.value < least and _as_long(bound.per, count.within):
            most = f"{named(limit)} lets no more than {bound.to.value} such calls happen"
            yield _Unreachable(f"{named(rule)} asks `{short(node)}`, and {most}", (limit,))
            return


def _wanted(node: ast.Compare) -> tuple[ast.CountEvents | None, int]:
    """What is counted, and how many make the comparison true."""
    sides = ((node.left, node.op, node.right), (node.right, _TURNED.get(node.op, node.op), node.left))
    for count, op, number in sides:
        counts = isinstance(count, ast.CountEvents) and count.event.kind in ("call", "result")
        if counts and isinstance(count, ast.CountEvents) and isinstance(number, ast.Number) and op in (">", ">=", "="):
            return count, int(number.value) + (op == ">")
    return None, 0


_TURNED: Final = {"<": ">", "<=": ">=", ">": "<", ">=": "<="}


def _as_long(limit: ast.Duration | None, counted: ast.Duration | None) -> bool:
    """Whether everything that is counted stands in one window of the limit."""
    return limit is None or (counted is not None and counted.ms <= limit.ms)


def _answer(rule: CheckedRule, one: _Unreachable, desk: Desk) -> Outcome:
    return (desk.finding("S224", one.message, rule=rule, others=one.others, severity=one.severity),)
