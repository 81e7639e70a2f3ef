"""Resolved expressions with parts of them changed: what an analysis asks about is the policy's own words, a little different.

Trees are never mutated; a part that is not changed is the same object, so that the finder knows it again. Not here: what to
change, and why.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final, TypeAlias, TypeVar

import msgspec

from obverse.policy import ast

_Node = TypeVar("_Node", bound=ast.Node)
Change: TypeAlias = "Callable[[ast.Node, int], ast.Node | None]"
"""What stands in place of a node, given how many events are in scope there; None: the node, with its parts changed."""

LOOKING_BACK: Final = (ast.Once, ast.Last, ast.Previous, ast.Since, ast.CountEvents, ast.SumEvents)
"""The operators that bring an event into the scope of their conditions."""


def rewritten(node: _Node, change: Change, depth: int = 0) -> _Node:
    """The expression with everything changed that `change` answers for, top down."""
    found = change(node, depth)
    if found is not None:
        return found  # type: ignore[return-value]  # a change keeps a condition a condition
    inner = depth + isinstance(node, LOOKING_BACK)
    changes: dict[str, Any] = {}
    for name in node.__struct_fields__:
        old = getattr(node, name)
        # what a pattern says is meant outside of the scope of its event
        new = _part(old, change, depth if isinstance(old, ast.Pattern) else inner)
        if new is not old:
            changes[name] = new
    return msgspec.structs.replace(node, **changes) if changes else node


def _part(part: Any, change: Change, depth: int) -> Any:
    if isinstance(part, ast.Node):
        return rewritten(part, change, depth)
    if isinstance(part, tuple):
        items = tuple(_part(item, change, depth) for item in part)
        return items if any(new is not old for new, old in zip(items, part, strict=True)) else part
    return part


def answered(expr: _Node, names: frozenset[str], answer: ast.Expr | Callable[[ast.JudgedAnswer], ast.Expr]) -> _Node:
    """The expression with these judged predicates answered: by one answer for all, or by what stands for each."""

    def change(node: ast.Node, _: int) -> ast.Node | None:
        if not isinstance(node, ast.JudgedAnswer) or node.name not in names:
            return None
        return answer(node) if callable(answer) else answer

    return rewritten(expr, change)


def judged_in(expr: ast.Node) -> frozenset[str]:
    """The judged predicates that an expression asks."""
    return frozenset(node.name for node in ast.walk(expr) if isinstance(node, ast.JudgedAnswer))


def all_of(parts: tuple[ast.Expr, ...]) -> ast.Expr:
    """Their conjunction, flattened; `true` for none."""
    items = tuple(item for part in parts for item in (part.items if isinstance(part, ast.And) else (part,)))
    return items[0] if len(items) == 1 else ast.And(items=items) if items else ast.Boolean(value=True)


def any_of(parts: tuple[ast.Expr, ...]) -> ast.Expr:
    """Their disjunction, flattened; `false` for none."""
    items = tuple(item for part in parts for item in (part.items if isinstance(part, ast.Or) else (part,)))
    return items[0] if len(items) == 1 else ast.Or(items=items) if items else ast.Boolean(value=False)


def negated(expr: ast.Expr) -> ast.Expr:
    """`not expr`, without a double negation."""
    return expr.body if isinstance(expr, ast.Not) else ast.Not(body=expr)
