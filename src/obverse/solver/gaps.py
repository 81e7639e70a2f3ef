"""What of a condition may be unknown though a transcript lacks nothing that is declared, and the condition with a guard for it.

Two things: a value that is declared `optional`, and a division by what may be zero. A guard is put where an author would put it,
before the test that asks for the value: `cc is present and cc = …`, so that the test is false where there is nothing to test;
the same below a `not`. Values that a count or a sum ranges over are guarded outside of it. Not here: whether it matters.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import msgspec

from obverse.policy import agree, ast
from obverse.policy.checked import Checked, CheckedRule
from obverse.policy.types import Field, ListType, MapType, RecordType, Type
from obverse.solver.rewriting import LOOKING_BACK, all_of, any_of, negated

_ZERO = ast.Number(value=0)


class Gap(msgspec.Struct, frozen=True, kw_only=True):
    """A part that may be unknown, and the condition under which it is known."""

    part: ast.Expr
    known: ast.Expr

    @property
    def is_division(self) -> bool:
        """Whether it is a division, not a value that may be missing."""
        return isinstance(self.part, ast.Arith)


class Scope(msgspec.Struct, frozen=True):
    """What stands around a part: the tools of the step, the patterns of events (outermost first), the types of variables."""

    tools: tuple[ast.Tool, ...]
    events: tuple[ast.Pattern, ...] = ()
    locals: tuple[tuple[str, Type | None], ...] = ()


def gaps_of(checked: Checked, rule: CheckedRule) -> tuple[Gap, ...]:
    """Every part of the rule's condition that may be unknown, each once."""
    tools = tuple(
        tool for name, tool in checked.tools.items() if any(checked.matches(head, "call", name) for head in rule.heads)
    )
    roots = [root for root in (rule.when, rule.exception) if root is not None] or [rule.fires]
    found = [gap for root in roots for gap in _gaps(checked, root, Scope(tools))]
    return tuple(dict.fromkeys(found))


class Guarded(msgspec.Struct, frozen=True, kw_only=True):
    """What a rule would fire on with a guard, and the guard as it stands before the first test."""

    fires: ast.Expr
    guard: ast.Expr


def guarded(rule: CheckedRule, gap: Gap) -> Guarded:
    """The rule had its author guarded that part in the condition and in the exception."""
    guards: list[ast.Expr] = []
    parts = [] if rule.when is None else [_guard(rule.when, gap, guards, wanted=True)]
    if rule.exception is not None:
        parts.append(negated(_guard(rule.exception, gap, guards, wanted=True)))
    return Guarded(fires=all_of(tuple(parts)) if parts else rule.fires, guard=guards[0] if guards else gap.known)


# --- the guard ----------------------------------------------------------------------------------------------------------


def _guard(expr: ast.Expr, gap: Gap, guards: list[ast.Expr], *, wanted: bool) -> ast.Expr:
    match expr:
        case ast.Not():
            return negated(_guard(expr.body, gap, guards, wanted=not wanted))
        case ast.And() | ast.Or():
            items = tuple(_guard(one, gap, guards, wanted=wanted) for one in expr.items)
            return msgspec.structs.replace(expr, items=items)
        case ast.Quantified() if _known(_outside(expr), gap) is None:
            return msgspec.structs.replace(expr, body=_guard(expr.body, gap, guards, wanted=wanted))
        case ast.Present():
            return expr
        case ast.Once() | ast.Last() | ast.Previous() | ast.Since() if _known(_outside(expr), gap) is None:
            inner = {name: getattr(expr, name) for name in ("where", "has", "body") if getattr(expr, name, None)}
            changed = {name: _guard(part, gap, guards, wanted=wanted) for name, part in inner.items()}
            return msgspec.structs.replace(expr, **changed)
    known = _known(_outside(expr), gap)
    if known is None:
        return expr
    guards.append(known)
    return all_of((known, expr)) if wanted else any_of((negated(known), expr))


def _outside(expr: ast.Expr) -> ast.Node:
    """What of a condition is asked at its own place: the list that it ranges over, the event that it looks for, or all of it."""
    match expr:
        case ast.Quantified():
            return expr.over
        case ast.Once() | ast.Last() | ast.Previous() | ast.Since():
            return expr.event
    return expr


def _known(node: ast.Node, gap: Gap) -> ast.Expr | None:
    """Under which condition, at the place of this node, the part is known in it; None if it is not in it."""
    if node == gap.part:
        return gap.known
    inside = [found for found in (_known(child, gap) for child in ast.children(node)) if found is not None]
    if not inside:
        return None
    known = inside[0]
    if isinstance(node, ast.CountIn | ast.SumIn | ast.Quantified):
        return ast.Quantified(kind="all", variable=node.variable, over=node.over, body=known)
    if isinstance(node, LOOKING_BACK):
        return ast.Not(body=ast.Once(event=node.event, where=negated(known)))
    return known


# --- what may be unknown ------------------------------------------------------------------------------------------------


def _gaps(checked: Checked, node: ast.Node, scope: Scope) -> Iterator[Gap]:
    if isinstance(node, ast.Arith) and node.op == "/" and not _is_not_zero(node.right):
        yield Gap(part=node, known=ast.Compare(op="!=", left=node.right, right=_ZERO))
    if isinstance(node, ast.Argument | ast.EventPart | ast.Member) and _is_optional(checked, node, scope):
        yield Gap(part=node, known=ast.Present(body=node))
    if isinstance(node, ast.Present):
        return
    for child in ast.children(node):
        yield from _gaps(checked, child, _around(checked, node, child, scope))


def _around(checked: Checked, node: ast.Node, child: ast.Node, scope: Scope) -> Scope:
    if isinstance(child, ast.Pattern):
        return scope
    if isinstance(node, LOOKING_BACK):
        held = isinstance(node, ast.Since) and child is node.body
        event = ast.Pattern(kind="any") if held else node.event
        return Scope(scope.tools, (*scope.events, event), scope.locals)
    if isinstance(node, ast.Quantified | ast.CountIn | ast.SumIn) and child is not node.over:
        over = type_of(checked, node.over, scope)
        item = over.item if isinstance(over, ListType | MapType) else None
        return Scope(scope.tools, scope.events, ((node.variable, item), *scope.locals))
    return scope


def _is_not_zero(expr: ast.Expr) -> bool:
    return isinstance(expr, ast.Number) and expr.value != 0


def _is_optional(checked: Checked, node: ast.Argument | ast.EventPart | ast.Member, scope: Scope) -> bool:
    match node:
        case ast.Argument():
            fields = [tool.parameter(node.name) for tool in scope.tools]
        case ast.EventPart(part="argument"):
            fields = [tool.parameter(node.name or "") for tool in _meant(checked, node, scope)]
        case ast.EventPart(part="value") if node.name is not None:
            returned = [tool.returns for tool in _meant(checked, node, scope)]
            fields = [one.field(node.name) for one in returned if isinstance(one, RecordType)]
        case ast.Member():
            base = type_of(checked, node.base, scope)
            fields = [base.field(node.name)] if isinstance(base, RecordType) else []
        case _:
            fields = []
    return any(field is not None and field.optional for field in fields)


def _meant(checked: Checked, node: ast.EventPart, scope: Scope) -> Sequence[ast.Tool]:
    """The tools that the event in scope may be of."""
    pattern = scope.events[-1 - node.depth]
    if pattern.tool is not None:
        return [checked.tools[pattern.tool]] if pattern.tool in checked.tools else []
    return [tool for tool in checked.tools.values() if pattern.effect is None or pattern.effect in tool.effects]


def type_of(checked: Checked, expr: ast.Node, scope: Scope) -> Type | None:
    """The declared type of a value, where it is one that is read from somewhere."""
    match expr:
        case ast.Argument():
            return _first(tool.parameter(expr.name) for tool in scope.tools)
        case ast.EventPart(part="argument"):
            return _first(tool.parameter(expr.name or "") for tool in _meant(checked, expr, scope))
        case ast.EventPart(part="value"):
            pattern = scope.events[-1 - expr.depth]
            if pattern.kind == "fact":
                whole: Type | None = checked.facts[pattern.fact].type if pattern.fact in checked.facts else None
            else:
                whole = next((tool.returns for tool in _meant(checked, expr, scope) if tool.returns), None)
            return whole if expr.name is None else agree.member(whole, expr.name)[1]
        case ast.FactValue():
            return checked.facts[expr.name].type
        case ast.Local():
            return next((kind for name, kind in scope.locals if name == expr.name), None)
        case ast.Member():
            return agree.member(type_of(checked, expr.base, scope), expr.name)[1]
        case _:
            return None


def _first(fields: Iterator[Field | None]) -> Type | None:
    return next((field.type for field in fields if field is not None), None)
