"""Whether a streamed text may leave sentence by sentence, as far as the policy goes. Pure.

A sentence that was sent cannot be taken back. So each beginning of a reply that leaves has itself been decided and recorded as the
reply so far: at every moment what the client holds is a reply that the policy allows. That alone is not enough; a text leaves
early only if moreover

1. nothing decides about a reply but the text that is there: a rule about replies that looks at the past, at a judge's answer, at the
   turn or at a number of replies, or that asks people, may say another thing of the whole than of its beginnings; so may one that
   wants a word (`require text contains "Yours"`), a length or an end, which a beginning lacks;
2. nothing looks back at replies, since the history then holds a reply once for each beginning;
3. no call of the same turn could hold the text back (the turn is released as a whole, and tools are offered), and no rule about calls
   looks at the text of its turn.

Otherwise the whole turn is held and decided at once.
"""

from __future__ import annotations

from collections.abc import Iterator

from obverse.policy import ast
from obverse.policy.checked import Checked, CheckedRule


def held_because(checked: Checked) -> tuple[str, ...]:
    """Why no text may leave before its turn is decided as a whole; empty if sentences may, where no tool is offered."""
    return tuple(dict.fromkeys(_reasons(checked)))


def held_with_tools(checked: Checked) -> tuple[str, ...]:
    """The same where tools are offered, so that calls may stand beside the text."""
    reasons = list(held_because(checked))
    if checked.default.turn == "whole":
        reasons.append("a turn is released as a whole")
    if any(isinstance(node, ast.TurnHasText) for rule in checked.rules for node in nodes(rule.fires)):
        reasons.append("a rule looks at whether the turn has text")
    return tuple(reasons)


def _reasons(checked: Checked) -> Iterator[str]:
    if checked.default.replies != "allow":
        yield "replies are denied by default"
    for rule in checked.rules:
        if rule.kind == "permit":
            continue  # it blocks nothing
        about = any(head.kind == "reply" for head in rule.heads)
        if about and not _by_its_text_alone(rule):
            yield f"rule `{rule.id}` may say of a whole reply what it does not say of its beginnings"
        if any(_looks_back(node) for node in nodes(rule.fires)):
            yield f"rule `{rule.id}` looks back at replies"


def _by_its_text_alone(rule: CheckedRule) -> bool:
    """Whether it says of a beginning nothing that it would not say of the whole: what fired once must go on to fire."""
    return rule.kind != "ask" and _stays(rule.fires, true=True)


def _stays(expr: ast.Expr, *, true: bool) -> bool:
    """Whether what is true of a beginning is true of every longer text; or what is false, false."""
    match expr:
        case ast.Boolean():
            return True
        case ast.And(items=items) | ast.Or(items=items):
            return all(_stays(item, true=true) for item in items)
        case ast.Not(body=body):
            return _stays(body, true=not true)
        case ast.TextTest(op="contains", subject=ast.StepPart(), pattern=ast.Text()):
            return true  # a word that is not there may still come
        case ast.TextTest(op="starts with", subject=ast.StepPart(), pattern=ast.Text()):
            return True  # pieces are longer than what they may begin with
    return False


def _looks_back(node: ast.Node) -> bool:
    if isinstance(node, ast.Previous):
        return True
    if isinstance(node, ast.Pattern):
        return node.kind in {"reply", "any"}
    if isinstance(node, ast.Exceeds):
        return any(head.kind == "reply" for head in node.heads)
    return isinstance(node, ast.JudgedAnswer) and node.name.startswith("reply.")


def nodes(node: object) -> Iterator[ast.Node]:
    """Every node of a tree."""
    if isinstance(node, ast.Node):
        yield node
        for part in node.parts():
            yield from nodes(part)
    elif isinstance(node, tuple):
        for part in node:
            yield from nodes(part)
