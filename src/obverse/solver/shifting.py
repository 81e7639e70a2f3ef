"""A rule's condition as it was at an earlier call: what the rule would have said of that call, written for `where`.

The arguments of the step become those of the event in scope, `now` its time, and the operators look back from it, as they do
inside of `where`. What the agent chose beside it (how many calls in the turn, a text) is not in a history: taken as one call
alone. A `limit` has no such form. Not here: what that is good for.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Final

from obverse.policy import ast
from obverse.solver.rewriting import all_of, any_of, rewritten

_OF_OTHERS: Final = ("message", "result", "approval", "grant", "fact", "any")
"""Events that the agent does not make by itself."""


def at_event(fires: ast.Expr) -> ast.Expr | None:
    """The condition of a rule about a call, to stand in `where` of that call or its result; None if it has no such form."""
    if any(isinstance(node, ast.Exceeds) for node in ast.walk(fires)):
        return None

    def change(node: ast.Node, depth: int) -> ast.Node | None:
        match node:
            case ast.Argument():
                return ast.EventPart(depth=depth, part="argument", name=node.name)
            case ast.StepPart(part="tool"):
                return ast.EventPart(depth=depth, part="tool")
            case ast.Now():
                return ast.EventPart(depth=depth, part="stamp")
            case _:
                return _alone(node)

    return rewritten(fires, change)


def at_step(fires: ast.Expr, arguments: Mapping[str, ast.Expr]) -> ast.Expr:
    """The same condition at the step, with these values for the arguments."""

    def change(node: ast.Node, _: int) -> ast.Node | None:
        return arguments.get(node.name) if isinstance(node, ast.Argument) else _alone(node)

    return rewritten(fires, change)


def unavoidable(fires: ast.Expr, fixed: frozenset[str]) -> ast.Expr:
    """The part of a condition that the agent cannot keep from being true: by other arguments than the fixed ones, or other acts.

    A condition that rests on the agent's doing alone is taken to come out as it likes.
    """
    return _kept(fires, lambda node: _is_given(node, fixed), wanted=False)


def _kept(expr: ast.Expr, is_given: Callable[[ast.Node], bool], *, wanted: bool) -> ast.Expr:
    match expr:
        case ast.Not():
            body = _kept(expr.body, is_given, wanted=not wanted)
            return ast.Boolean(value=not body.value) if isinstance(body, ast.Boolean) else ast.Not(body=body)
        case ast.And() | ast.Or():
            absorbing = isinstance(expr, ast.Or)
            items = [_kept(item, is_given, wanted=wanted) for item in expr.items]
            if ast.Boolean(value=absorbing) in items:
                return ast.Boolean(value=absorbing)
            left = tuple(item for item in items if not isinstance(item, ast.Boolean))
            return any_of(left) if absorbing else all_of(left)
        case ast.Boolean():
            return expr
    return expr if is_given(expr) else ast.Boolean(value=wanted)


def _is_given(expr: ast.Node, fixed: frozenset[str]) -> bool:
    """Whether this hangs on something that others do or say, and on no argument that the agent is free to choose."""
    nodes = list(ast.walk(expr))
    asked_for = {id(node.event) for node in nodes if isinstance(node, ast.Once) and node.where is None}
    free = any(isinstance(node, ast.Argument) and node.name not in fixed for node in nodes)
    if free:
        return False
    if any(_is_of_others(node, asked_for) for node in nodes):
        return True
    return any(isinstance(node, ast.Argument) for node in nodes) and not any(isinstance(n, ast.Pattern) for n in nodes)


def _is_of_others(node: ast.Node, asked_for: set[int]) -> bool:
    """A result is, but for that one came back at all: the agent need only ask."""
    if isinstance(node, ast.Pattern):
        return node.kind in _OF_OTHERS and not (node.kind == "result" and not node.failed and id(node) in asked_for)
    return isinstance(node, ast.FactValue | ast.Now)


def _alone(node: ast.Node) -> ast.Node | None:
    """What is said of the turn, for a call that was made alone."""
    if isinstance(node, ast.TurnCalls):
        return ast.Number(value=1)
    return ast.Boolean(value=False) if isinstance(node, ast.TurnHasText) else None
