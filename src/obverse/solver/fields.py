"""Which declared fields a rule's tests of literals are about: `cabin = "basic"` asks the result of `get`, or an argument.

Knows types and scopes, and no solver. What is compared with anything but a literal is *whole*: every value of it may matter.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

import msgspec

from obverse.core.verdicts import Truth
from obverse.policy import ast
from obverse.policy.checked import Checked, CheckedRule
from obverse.policy.text import test
from obverse.policy.types import EnumType, Field, ListType, MapType, RecordType, Type


class Declared(msgspec.Struct, frozen=True):
    """A field as it is declared: which declaration it stands in (`tool refund`), and what it is called there."""

    about: str
    name: str
    values: tuple[str, ...]


class Tested(msgspec.Struct, frozen=True):
    """A test of a field: the values that pass it; None where every value may give another answer."""

    field: Declared
    passing: frozenset[str] | None
    rule: str


class _Scope(msgspec.Struct, frozen=True):
    heads: tuple[str, ...]
    events: tuple[ast.Pattern, ...] = ()
    locals: tuple[tuple[str, tuple[tuple[str, str, Type], ...]], ...] = ()


_Typed = tuple[tuple[str, str, Type], ...]
"""Where a value is declared, under which name, and as what; several where a rule is about several tools."""


def enum_fields(checked: Checked) -> Iterator[Declared]:
    """Every `one of` that is declared: in parameters, results and facts, at any depth."""
    for tool in checked.tools.values():
        for field in tool.parameters:
            yield from _enums(f"tool {tool.name}", field.name, field.type)
        if tool.returns is not None:
            yield from _enums(f"tool {tool.name}", "the result", tool.returns)
    for fact in checked.facts.values():
        yield from _enums(f"fact {fact.name}", fact.name, fact.type)


def _enums(about: str, name: str, of: Type) -> Iterator[Declared]:
    match of:
        case EnumType():
            yield Declared(about, name, of.values)
        case ListType() | MapType():
            yield from _enums(about, name, of.item)
        case RecordType():
            for field in of.fields:
                yield from _enums(about, _member_name(name, field), field.type)


def _member_name(name: str, field: Field) -> str:
    return field.name if name == "the result" else f"{name}.{field.name}"


def tests_of(checked: Checked, rule: CheckedRule) -> Iterator[Tested]:
    """Every test of an enumerated field in this rule."""
    tools = [head.tool for head in rule.heads if head.kind == "tool" and head.tool]
    if any(head.kind == "any" for head in rule.heads):
        tools += [name for name in checked.tools if any(checked.matches(head, "call", name) for head in rule.heads)]
    scope = _Scope(tuple(dict.fromkeys(tools)))
    for expr in (rule.when, rule.exception, None if rule.when or rule.exception else rule.fires):
        if expr is not None:
            yield from _Tests(checked, rule.id).inside(expr, scope)


class _Tests:
    def __init__(self, checked: Checked, rule: str) -> None:
        self.checked = checked
        self.rule = rule

    def inside(self, node: ast.Node, scope: _Scope) -> Iterator[Tested]:
        yield from self._here(node, scope)
        match node:
            case ast.Once() | ast.CountEvents() | ast.Last() | ast.Previous() | ast.Since() | ast.SumEvents():
                yield from self._pattern(node.event, scope)
                inner = _Scope(scope.heads, (*scope.events, node.event), scope.locals)
                for part in ("where", "has", "value"):
                    body = getattr(node, part, None)
                    if body is not None:
                        yield from self.inside(body, inner)
                if isinstance(node, ast.Since):
                    anything = _Scope(scope.heads, (*scope.events, ast.Pattern(kind="any")), scope.locals)
                    yield from self.inside(node.body, anything) if node.body is not None else ()
                    yield from self._pattern(node.absent, scope) if node.absent is not None else ()
            case ast.Quantified() | ast.CountIn() | ast.SumIn():
                yield from self.inside(node.over, scope)
                items = _items(self.typed(node.over, scope))
                bound = _Scope(scope.heads, scope.events, ((node.variable, items), *scope.locals))
                yield from self.inside(node.body, bound)
            case _:
                for child in ast.children(node):
                    yield from self.inside(child, scope)

    def _pattern(self, pattern: ast.Pattern, scope: _Scope) -> Iterator[Tested]:
        for binding in pattern.arguments:
            found = self._argument(_tools(self.checked, pattern), binding.name)
            yield from self._compared(found, binding.value, scope)
            yield from self.inside(binding.value, scope)

    def _here(self, node: ast.Node, scope: _Scope) -> Iterator[Tested]:
        match node:
            case ast.Compare(op="=" | "!="):
                yield from self._compared(self.typed(node.left, scope), node.right, scope)
                yield from self._compared(self.typed(node.right, scope), node.left, scope)
            case ast.In():
                yield from self._among(self.typed(node.item, scope), node.over)
                if not isinstance(node.item, ast.Text):
                    yield from self._whole(self.typed(node.over, scope))
                else:
                    yield from self._passing(_items(self.typed(node.over, scope)), {node.item.value})
            case ast.TextTest():
                for about, name, of in self.typed(node.subject, scope):
                    if isinstance(of, EnumType) and isinstance(node.pattern, ast.Text):
                        passing = {v for v in of.values if test(node.op, v, node.pattern.value) is Truth.TRUE}
                        yield from self._passing(((about, name, of),), passing)
                    else:
                        yield from self._whole(((about, name, of),))

    def _compared(self, fields: _Typed, other: ast.Expr, scope: _Scope) -> Iterator[Tested]:
        match other:
            case ast.Text():
                yield from self._passing(fields, {other.value})
            case ast.Listing():
                texts = {item.value for item in other.items if isinstance(item, ast.Text)}
                yield from self._passing(_items(fields), texts)
            case _:
                yield from self._whole(fields)

    def _among(self, fields: _Typed, over: ast.Expr) -> Iterator[Tested]:
        if isinstance(over, ast.Listing) and all(isinstance(item, ast.Text) for item in over.items):
            yield from self._passing(fields, {item.value for item in over.items if isinstance(item, ast.Text)})
        else:
            yield from self._whole(fields)

    def _passing(self, fields: _Typed, values: set[str]) -> Iterator[Tested]:
        for about, name, of in fields:
            if isinstance(of, EnumType):
                yield Tested(Declared(about, name, of.values), frozenset(values) & frozenset(of.values), self.rule)

    def _whole(self, fields: _Typed) -> Iterator[Tested]:
        for about, name, of in fields:
            for field in _enums(about, name, of):
                yield Tested(field, None, self.rule)

    # --- what a value is declared as ------------------------------------------------------------------------------------

    def typed(self, expr: ast.Expr, scope: _Scope) -> _Typed:
        """The declarations of the value of an expression; nothing where it is no declared value."""
        match expr:
            case ast.Argument():
                return self._argument(scope.heads, expr.name)
            case ast.FactValue():
                return ((f"fact {expr.name}", expr.name, self.checked.facts[expr.name].type),)
            case ast.Local():
                return next((typed for name, typed in scope.locals if name == expr.name), ())
            case ast.EventPart() if expr.depth < len(scope.events):
                return self._part(expr, scope.events[-1 - expr.depth])
            case ast.Member():
                return tuple(one for base in self.typed(expr.base, scope) for one in _member(base, expr.name))
        return ()

    def _argument(self, tools: Sequence[str], name: str) -> _Typed:
        found = ((tool, self.checked.tools[tool].parameter(name)) for tool in tools if tool in self.checked.tools)
        return tuple((f"tool {tool}", field.name, field.type) for tool, field in found if field is not None)

    def _part(self, expr: ast.EventPart, pattern: ast.Pattern) -> _Typed:
        if expr.part == "argument":
            return self._argument(_tools(self.checked, pattern), expr.name or "")
        if expr.part != "value":
            return ()
        if pattern.kind == "fact" and pattern.fact in self.checked.facts:
            whole: _Typed = ((f"fact {pattern.fact}", pattern.fact or "", self.checked.facts[pattern.fact or ""].type),)
        else:
            returned = ((name, self.checked.tools[name].returns) for name in _tools(self.checked, pattern))
            whole = tuple((f"tool {name}", "the result", of) for name, of in returned if of is not None)
        return whole if expr.name is None else tuple(one for base in whole for one in _member(base, expr.name or ""))


def _tools(checked: Checked, pattern: ast.Pattern) -> tuple[str, ...]:
    """The tools that a pattern may be about."""
    if pattern.tool is not None:
        return (pattern.tool,) if pattern.tool in checked.tools else ()
    if pattern.kind not in ("call", "denied", "proposed", "result", "any"):
        return ()
    known: Mapping[str, ast.Tool] = checked.tools
    return tuple(name for name, tool in known.items() if pattern.effect is None or pattern.effect in tool.effects)


def _member(base: tuple[str, str, Type], name: str) -> Iterator[tuple[str, str, Type]]:
    about, before, of = base
    if isinstance(of, RecordType):
        field = of.field(name)
        if field is not None:
            yield about, _member_name(before, field), field.type
    elif isinstance(of, ListType | MapType):
        for inner_about, inner, inner_of in _member((about, before, of.item), name):
            yield inner_about, inner, ListType(item=inner_of)


def _items(fields: _Typed) -> _Typed:
    """The elements of those that are lists or maps."""
    return tuple((about, name, of.item) for about, name, of in fields if isinstance(of, ListType | MapType))
