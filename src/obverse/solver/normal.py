"""One form for conditions that mean the same by the laws of Kleene's logic alone: no solver, no search.

Equal forms mean the same for every completion, whatever is unknown: commuted, regrouped or repeated parts, De Morgan's laws,
double negation, turned comparisons. Unequal forms say nothing.
"""

from __future__ import annotations

from typing import Any, Final

import msgspec

from obverse.policy import ast

_OPPOSITE: Final[dict[str, Any]] = {"=": "!=", "!=": "=", "<": ">=", ">=": "<", ">": "<=", "<=": ">"}
_TURNED: Final[dict[str, Any]] = {">": "<", ">=": "<="}


def normal(expr: ast.Expr) -> ast.Expr:
    """The condition in its one form, with the same value in every place."""
    match expr:
        case ast.Not():
            return _negated(expr.body)
        case ast.And() | ast.Or():
            return _joined(type(expr), [normal(item) for item in expr.items])
        case ast.Compare():
            return _compared(expr.op, normal(expr.left), normal(expr.right))
        case _:
            found: ast.Expr = _inside(expr)
            return found


def implies(one: ast.Expr, other: ast.Expr) -> bool:
    """Whether the second, of two normal forms, may be (true or unknown) wherever the first may; False says nothing."""
    match one, other:
        case (ast.Boolean(value=False), _) | (_, ast.Boolean(value=True)):
            return True
        case ast.Or(), _:
            return all(implies(item, other) for item in one.items)
        case _, ast.And():
            return all(implies(one, item) for item in other.items)
        case ast.And(), _ if any(implies(item, other) for item in one.items):
            return True
        case _, ast.Or():
            return any(implies(one, item) for item in other.items)
        case ast.Once(), ast.Once() if one.event == other.event and one.where == other.where:
            return _as_long(one.within, other.within)
        case ast.Exceeds(amount=None), ast.Exceeds(amount=None) if one.heads == other.heads and one.by == other.by:
            return one.to.value >= other.to.value and _as_long(one.per, other.per)
        case ast.Compare(op="<" | "<="), ast.Compare(op="<" | "<="):
            return _as_far(one, other)
    return one == other


def _as_long(window: ast.Duration | None, other: ast.Duration | None) -> bool:
    """Whether the second window holds the first."""
    return other is None or (window is not None and window.ms <= other.ms)


def _as_far(one: ast.Compare, other: ast.Compare) -> bool:
    """Whether `x < 3` is the first and `x < 5` the second, or the same from below."""
    strict = one.op == "<" or other.op == "<="
    match one.left, one.right, other.left, other.right:
        case mine, ast.Number(value=a), theirs, ast.Number(value=b) if mine == theirs:
            return a < b or (a == b and strict)
        case ast.Number(value=a), mine, ast.Number(value=b), theirs if mine == theirs:
            return a > b or (a == b and strict)
    return one == other


def shape(node: Any) -> str:
    """A text that two nodes share exactly if they are equal: for sorting, and as a key."""
    if isinstance(node, ast.Node):
        return f"{type(node).__name__}({','.join(shape(part) for part in node.parts())})"
    if isinstance(node, tuple):
        return f"({','.join(shape(part) for part in node)})"
    return repr(node)


def _negated(expr: ast.Expr) -> ast.Expr:
    match expr:
        case ast.Boolean():
            return ast.Boolean(value=not expr.value)
        case ast.Not():
            return normal(expr.body)
        case ast.And():
            return _joined(ast.Or, [_negated(item) for item in expr.items])
        case ast.Or():
            return _joined(ast.And, [_negated(item) for item in expr.items])
        case ast.Compare():
            return _compared(_OPPOSITE[expr.op], normal(expr.left), normal(expr.right))
        case ast.Quantified():
            kind = "all" if expr.kind == "any" else "any"
            return msgspec.structs.replace(expr, kind=kind, over=normal(expr.over), body=_negated(expr.body))
        case _:
            return ast.Not(body=_inside(expr))


def _joined(kind: type[ast.And | ast.Or], items: list[ast.Expr]) -> ast.Expr:
    """`and` or `or` of parts in normal form: flat, each once, in a fixed order, without what changes nothing."""
    settles = kind is ast.Or  # the value that settles the whole
    parts: dict[str, ast.Expr] = {}
    for item in items:
        for part in item.items if isinstance(item, ast.And | ast.Or) and type(item) is kind else (item,):
            if isinstance(part, ast.Boolean):
                if part.value is settles:
                    return part
            else:
                parts[shape(part)] = part
    if not parts:
        return ast.Boolean(value=not settles)
    ordered = tuple(parts[key] for key in sorted(parts))
    return ordered[0] if len(ordered) == 1 else kind(items=ordered)


def _compared(op: Any, left: ast.Expr, right: ast.Expr) -> ast.Expr:
    if op in _TURNED or (op in ("=", "!=") and shape(right) < shape(left)):
        return ast.Compare(op=_TURNED.get(op, op), left=right, right=left)
    return ast.Compare(op=op, left=left, right=right)


def _inside(node: Any) -> Any:
    """The same node with the conditions in it in normal form."""
    if isinstance(node, tuple):
        return tuple(_below(part) for part in node)
    found = {name: getattr(node, name) for name in node.__struct_fields__ if name != "at"}
    return type(node)(**{name: _below(part) for name, part in found.items()})


def _below(part: Any) -> Any:
    if isinstance(part, ast.Not | ast.And | ast.Or | ast.Compare):
        return normal(part)
    return _inside(part) if isinstance(part, ast.Node | tuple) else part
