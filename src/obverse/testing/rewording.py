"""A rule said otherwise: in forms that mean the same, and with the slips that people and models make.

Both are by construction, not by proof: a form that was meant to be the same, or to differ, is for `compare` to confirm.
"""

from __future__ import annotations

from collections.abc import Iterator
from decimal import Decimal
from typing import Any, Final

import msgspec

from obverse.policy import ast

_TURNED: Final[dict[str, Any]] = {"<": ">", "<=": ">=", ">": "<", ">=": "<=", "=": "=", "!=": "!="}
_NEGATED: Final[dict[str, Any]] = {"<": ">=", "<=": ">", ">": "<=", ">=": "<", "=": "!=", "!=": "="}
_SLIPPED: Final[dict[str, Any]] = {"<": "<=", "<=": "<", ">": ">=", ">=": ">", "=": "!=", "!=": "="}
_SEVERITY: Final[dict[str, Any]] = {
    "forbid": "ask",
    "ask": "forbid",
    "stop": "forbid",
    "warn": "ask",
    "permit": "forbid",
}


def same(rule: ast.Rule) -> list[ast.Rule]:
    """The rule in other forms that mean the same."""
    found: list[ast.Rule] = []
    if rule.kind == "require" and rule.when is None:
        found.append(msgspec.structs.replace(rule, kind="forbid", requirement=None, unless=rule.requirement))
    if rule.kind == "forbid" and rule.unless is not None and not rule.trusting_judge and rule.when is None:
        found.append(msgspec.structs.replace(rule, kind="require", requirement=rule.unless, unless=None))
    if rule.unless is not None and not rule.trusting_judge:
        when = ast.Not(body=rule.unless)
        joined = when if rule.when is None else ast.And(items=(*_parts(rule.when), when))
        found.append(msgspec.structs.replace(rule, when=joined, unless=None))
    for part, turned in (("when", _other_way_round), ("unless", _other_way_round), ("requirement", _other_way_round)):
        value = getattr(rule, part)
        if value is not None and turned(value) != value:
            found.append(msgspec.structs.replace(rule, **{part: turned(value)}))
    if len(rule.heads) > 1:
        found.append(msgspec.structs.replace(rule, heads=tuple(reversed(rule.heads))))
    return list(dict.fromkeys(found))


def slips(rule: ast.Rule) -> list[ast.Rule]:
    """The rule with one slip each: an edge, a number, a window, a lost condition or exception, a negation, the verdict."""
    found: list[ast.Rule] = []
    for part in ("when", "unless", "requirement", "amount", "by"):
        value = getattr(rule, part)
        if value is not None:
            found += [msgspec.structs.replace(rule, **{part: other}) for other in _slipped(value)]
    if rule.when is not None:
        found += [msgspec.structs.replace(rule, when=other) for other in (None, ast.Not(body=rule.when))]
    if rule.unless is not None:
        found.append(msgspec.structs.replace(rule, unless=None))
    if rule.to is not None:
        found.append(msgspec.structs.replace(rule, to=ast.Number(value=rule.to.value + 1)))
    if rule.per is not None:
        found += [
            msgspec.structs.replace(rule, per=ast.Duration(ms=rule.per.ms * 2)),
            msgspec.structs.replace(rule, per=None),
        ]
    if rule.by is not None and rule.kind == "limit":
        found.append(msgspec.structs.replace(rule, by=None))
    if rule.kind in _SEVERITY and not (rule.kind == "permit" and rule.when is None):
        found.append(msgspec.structs.replace(rule, kind=_SEVERITY[rule.kind], people=1))
    if len(rule.heads) > 1:
        found.append(msgspec.structs.replace(rule, heads=rule.heads[:-1]))
    return [other for other in dict.fromkeys(found) if other != rule]


def _parts(expr: Any) -> tuple[Any, ...]:
    return expr.items if isinstance(expr, ast.And) else (expr,)


def _other_way_round(expr: Any) -> Any:
    """The condition with its parts in another order, and its comparisons turned round."""
    match expr:
        case ast.And() | ast.Or():
            return type(expr)(items=tuple(_other_way_round(item) for item in reversed(expr.items)))
        case ast.Compare(left=ast.Name(), right=ast.Number()) if expr.op in {"<", "<=", ">", ">="}:
            return ast.Not(body=msgspec.structs.replace(expr, op=_NEGATED[expr.op]))
        case ast.Compare():
            return ast.Compare(op=_TURNED[expr.op], left=expr.right, right=expr.left)
        case ast.Not(body=ast.Not() as inner):
            return inner.body
    return expr


def _slipped(node: Any) -> Iterator[Any]:
    """The tree with one slip somewhere in it."""
    yield from _here(node)
    if not isinstance(node, ast.Node):
        return
    for name in node.__struct_fields__:
        value = getattr(node, name)
        if isinstance(value, ast.Node):
            yield from (msgspec.structs.replace(node, **{name: other}) for other in _slipped(value))
        elif isinstance(value, tuple):
            for place, item in enumerate(value):
                if isinstance(item, ast.Node):
                    yield from _with_item(node, name, value, place, _slipped(item))


def _with_item(node: Any, name: str, items: tuple[Any, ...], place: int, others: Iterator[Any]) -> Iterator[Any]:
    for other in others:
        yield msgspec.structs.replace(node, **{name: (*items[:place], other, *items[place + 1 :])})


def _here(node: Any) -> Iterator[Any]:
    match node:
        case ast.Compare():
            yield msgspec.structs.replace(node, op=_SLIPPED[node.op])
        case ast.And():
            yield from (_rest(node, place) for place in range(len(node.items)))
            yield ast.Or(items=node.items)
        case ast.Or():
            yield from (_rest(node, place) for place in range(len(node.items)))
        case ast.Number():
            yield ast.Number(value=node.value + (1 if isinstance(node.value, int) else Decimal("0.01")))
            yield ast.Number(value=node.value * 10)
        case ast.Duration():
            yield ast.Duration(ms=node.ms * 7)
        case ast.Once(within=ast.Duration()):
            yield msgspec.structs.replace(node, within=None)
        case ast.Not():
            yield node.body
        case _:
            return


def _rest(node: Any, place: int) -> Any:
    items = (*node.items[:place], *node.items[place + 1 :])
    return items[0] if len(items) == 1 else type(node)(items=items)
