"""The rules next to a rule: what somebody may have meant instead. One small change each.

They are what a confirming question is chosen by: a scenario on which a rule and many of its neighbours differ tells most. Not a
mutation score, which `cases` computes; here nothing is counted, and a neighbour that means the same is simply told from nothing.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final

import msgspec

from obverse.policy import ast

_EDGES: Final[dict[str, tuple[Any, ...]]] = {
    "<": ("<=", ">="), "<=": ("<", ">"), ">": (">=", "<="), ">=": (">", "<"), "=": ("!=",), "!=": ("=",),
}  # fmt: skip
_KINDS: Final[dict[str, tuple[Any, ...]]] = {
    "forbid": ("ask",), "ask": ("forbid",), "stop": ("forbid",), "warn": ("forbid", "ask"), "require": (), "permit": (), "limit": (),
}  # fmt: skip
_PARTS: Final = ("when", "unless", "requirement")


def variants(rules: tuple[ast.Rule, ...]) -> Iterator[tuple[ast.Rule, ...]]:
    """The rules with one of them gone, or one small change in one of them; none of them twice."""
    seen = {rules}
    for place, rule in enumerate(rules):
        for other in (None, *_beside(rule)):
            changed = (*rules[:place], *(() if other is None else (other,)), *rules[place + 1 :])
            if changed not in seen:
                seen.add(changed)
                yield changed


def _beside(rule: ast.Rule) -> Iterator[ast.Rule]:
    replace = msgspec.structs.replace
    for kind in _KINDS[rule.kind]:
        yield replace(rule, kind=kind, people=1)
    for part in _PARTS:
        value = getattr(rule, part)
        for other in _changed(value) if value is not None else ():
            yield replace(rule, **{part: other})
    if rule.when is not None:
        yield replace(rule, when=None)
        yield replace(rule, when=ast.Not(body=rule.when))
    if rule.unless is not None:
        yield replace(rule, unless=None)
    if rule.requirement is not None:
        yield replace(rule, requirement=ast.Not(body=rule.requirement))
    if rule.to is not None:
        for number in (rule.to.value + 1, rule.to.value - 1):
            yield replace(rule, to=ast.Number(value=number))
    if rule.per is not None:
        for ms in (rule.per.ms * 2, rule.per.ms // 2):
            yield replace(rule, per=ast.Duration(ms=ms))
        yield replace(rule, per=None)
    if rule.by is not None:
        yield replace(rule, by=None)
    for place in range(len(rule.heads) if len(rule.heads) > 1 else 0):
        yield replace(rule, heads=(*rule.heads[:place], *rule.heads[place + 1 :]))


def _changed(node: Any) -> Iterator[Any]:
    """The condition with one small change at any place in it."""
    yield from _here(node)
    if not isinstance(node, ast.Node):
        return
    for name in node.__struct_fields__:
        value = getattr(node, name)
        items = value if isinstance(value, tuple) else (value,)
        for place, item in enumerate(items):
            if not isinstance(item, ast.Node):
                continue
            for other in _changed(item):
                both = (*items[:place], other, *items[place + 1 :])
                yield msgspec.structs.replace(node, **{name: both if isinstance(value, tuple) else other})


def _here(node: Any) -> Iterator[Any]:
    match node:
        case ast.Compare():
            for op in _EDGES[node.op]:
                yield msgspec.structs.replace(node, op=op)
        case ast.And() | ast.Or():
            for place in range(len(node.items)):
                rest = (*node.items[:place], *node.items[place + 1 :])
                yield rest[0] if len(rest) == 1 else type(node)(items=rest)
            yield ast.Or(items=node.items) if isinstance(node, ast.And) else ast.And(items=node.items)
        case ast.Number():
            yield from (ast.Number(value=node.value + step) for step in (1, -1))
        case ast.Duration():
            yield from (ast.Duration(ms=ms) for ms in (node.ms * 2, node.ms // 2))
        case ast.Once(within=ast.Duration()) | ast.CountEvents(within=ast.Duration()):
            yield msgspec.structs.replace(node, within=None)
        case ast.Not():
            yield node.body
        case ast.In() | ast.TextTest() | ast.Present() | ast.Once() | ast.Previous():
            yield ast.Not(body=node)
        case _:
            return
