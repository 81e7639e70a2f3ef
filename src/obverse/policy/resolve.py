"""Resolves and types the conditions of a rule: names become what they mean, definitions are expanded, types agree.

One method per node; each returns the resolved node and its type, or notes a fault and returns a type of `None`, with which
everything agrees, so that one fault is told once. A definition means what its body would mean in the place of its use.
"""

from __future__ import annotations

from typing import Any, Final

import msgspec

from obverse.policy import agree, ast
from obverse.policy.agree import BOOL, DURATION, NUMBER, TEXT, TIME, Maybe
from obverse.policy.faults import Faults, did_you_mean, quoted
from obverse.policy.names import Found, Names
from obverse.policy.print import text_of, type_text
from obverse.policy.scope import (
    EventScope,
    LocalScope,
    Scope,
    World,
    chain,
)
from obverse.policy.syntax import DEEPEST
from obverse.policy.text import unsound
from obverse.policy.types import EnumType, ListType, MapType, TextType, TimeType

LARGEST: Final = 4_000
"""Nodes that one rule may have after its definitions are expanded."""


class TooLargeError(Exception):
    """A rule grows beyond what can be decided; noted as a fault by who asked."""


class Resolver(Names):
    """Resolves the expressions of one rule."""

    def __init__(self, world: World, faults: Faults) -> None:
        super().__init__(world, faults)
        self.made = 0
        self.depth = 0

    # --- entry points ---------------------------------------------------------------------------------------------------

    def condition(self, expr: ast.Expr, scope: Scope, level: int = 0) -> ast.Expr:
        """The resolved condition; a fault if it is not one."""
        node, kind = self.resolve(expr, scope, level)
        if not agree.is_condition(kind):
            hint = "compare it with something" if not agree.is_json(kind) else "declare its type"
            self._fault(f"{self._shown(expr)} is {self._named(kind)}, not a condition", expr.at, code="P211", hint=hint)
        return node

    def resolve(self, expr: ast.Expr, scope: Scope, level: int = 0) -> Found:
        """The resolved expression and its type.

        Raises:
            TooLargeError: if the expansion of definitions grows without measure.
        """
        self.made += 1
        self.depth += 1
        if self.made > LARGEST or self.depth > DEEPEST:
            raise TooLargeError
        found = self._resolve(expr, scope, level)
        self.depth -= 1
        return found

    def _resolve(self, expr: ast.Expr, scope: Scope, level: int) -> Found:
        match expr:
            case ast.Text():
                return expr, TEXT
            case ast.Number():
                return expr, NUMBER
            case ast.Boolean():
                return expr, BOOL
            case ast.Duration():
                return expr, DURATION
            case ast.Time() | ast.Now():
                return expr, TIME
            case ast.TurnHasText():
                return expr, BOOL
            case ast.TurnCalls():
                return expr, NUMBER
            case ast.Name():
                return self._name(expr, scope, level)
            case ast.Use():
                return self._use(expr, scope, level)
            case ast.Member():
                base, kind = self.resolve(expr.base, scope, level)
                return self._members(base, kind, (expr.name,), expr.at)
            case ast.Listing():
                return self._listing(expr, scope, level)
            case ast.Not():
                return msgspec.structs.replace(expr, body=self.condition(expr.body, scope, level)), BOOL
            case ast.And() | ast.Or():
                return self._joined(expr, scope, level), BOOL
            case ast.Compare():
                return self._compare(expr, scope, level), BOOL
            case ast.Arith():
                return self._arith(expr, scope, level)
            case ast.In():
                return self._in(expr, scope, level), BOOL
            case ast.TextTest():
                return self._text_test(expr, scope, level), BOOL
            case ast.Within():
                return self._within(expr, scope, level), BOOL
            case ast.Present():
                return msgspec.structs.replace(expr, body=self.resolve(expr.body, scope, level)[0]), BOOL
            case ast.Quantified():
                return self._quantified(expr, scope, level), BOOL
            case ast.CountIn():
                return self._quantified(expr, scope, level), NUMBER
            case ast.SumIn():
                return self._sum_in(expr, scope, level), NUMBER
            case ast.Length():
                return self._length(expr, scope, level), NUMBER
            case ast.Once() | ast.CountEvents():
                return self._happened(expr, scope, level), BOOL if isinstance(expr, ast.Once) else NUMBER
            case ast.SumEvents():
                return self._sum_events(expr, scope, level), NUMBER
            case ast.Last():
                return self._last(expr, scope, level), BOOL
            case ast.Previous():
                return self._previous(expr, scope, level), BOOL
            case ast.Since():
                return self._since(expr, scope, level), BOOL
        raise TypeError(f"not a node that the parser makes: {type(expr).__name__}")

    # --- logic ----------------------------------------------------------------------------------------------------------

    def _joined(self, expr: ast.And | ast.Or, scope: Scope, level: int) -> ast.Expr:
        items: list[ast.Expr] = []
        for item in expr.items:
            node = self.condition(item, scope, level)
            items += node.items if isinstance(node, ast.And | ast.Or) and type(node) is type(expr) else (node,)
        return msgspec.structs.replace(expr, items=tuple(items))

    def _compare(self, expr: ast.Compare, scope: Scope, level: int) -> ast.Expr:
        left, one = self.resolve(expr.left, scope, level)
        right, other = self.resolve(expr.right, scope, level)
        node = msgspec.structs.replace(expr, left=left, right=right)
        if expr.op in ("=", "!="):
            if not agree.equal(one, other):
                self._unequal(expr, one, other)
            else:
                self._value_exists(left, one, right, other)
                self._value_exists(right, other, left, one)
        elif not agree.ordered(one, other):
            kinds = f"{self._named(one)} with {self._named(other)}"
            hint = self._instead(one, other) or "only numbers, times and durations have an order"
            self._fault(f"`{expr.op}` cannot compare {kinds}", expr.at, code="P210", hint=hint)
        return node

    def _unequal(self, expr: ast.Compare, one: Maybe, other: Maybe) -> None:
        kinds = f"{self._named(one)} with {self._named(other)}"
        hint = self._instead(one, other)
        self._fault(f"`{expr.op}` cannot compare {kinds}", expr.at, code="P210", hint=hint)

    def _instead(self, one: Maybe, other: Maybe) -> str | None:
        kinds = (one, other)
        if any(isinstance(kind, ListType) for kind in kinds):
            return "say `any x in LIST: …` or `all x in LIST: …`"
        if any(agree.is_json(kind) for kind in kinds):
            return "a `json` can only be compared with another: declare its type"
        if any(isinstance(kind, TimeType) for kind in kinds) and any(isinstance(kind, TextType) for kind in kinds):
            return 'write a time as `time "2026-05-15T15:00:00Z"`'
        if any(agree.is_number(kind) for kind in kinds) and any(isinstance(kind, TextType) for kind in kinds):
            return "a number in a text is read where its type is `number from text`"
        return None

    def _value_exists(self, literal: ast.Expr, _kind: Maybe, other: ast.Expr, declared: Maybe) -> None:
        """A text that is compared with a `one of …` is one of them: anything else is a slip of the pen."""
        if isinstance(literal, ast.Listing) and isinstance(declared, ListType):
            for item in literal.items:
                self._value_exists(item, None, other, declared.item)
        if isinstance(literal, ast.Text) and isinstance(declared, EnumType) and literal.value not in declared.values:
            hint = did_you_mean(literal.value, declared.values)
            message = f"{quoted(text_of(other))} is never {quoted(literal.value)}"
            self._fault(message, literal.at, code="P212", hint=hint)

    def _in(self, expr: ast.In, scope: Scope, level: int) -> ast.Expr:
        item, kind = self.resolve(expr.item, scope, level)
        over, container = self.resolve(expr.over, scope, level)
        found, inner = agree.items_of(container)
        wanted: Maybe = TEXT if isinstance(container, MapType) else inner
        if not found:
            hint = "a part of a text is tested by `contains`" if agree.is_text(container) else None
            self._fault(
                f"{self._shown(expr.over)} is {self._named(container)}, not a list", expr.at, code="P214", hint=hint
            )
        elif not agree.equal(kind, wanted):
            kinds = f"{self._named(kind)} in {self._named(container)}"
            self._fault(f"`in` cannot look for {kinds}", expr.at, code="P210", hint=self._instead(kind, None))
        elif not isinstance(container, MapType):
            self._value_exists(item, kind, over, wanted)
            if isinstance(over, ast.Listing):
                for one in over.items:
                    self._value_exists(one, None, item, kind)
        return msgspec.structs.replace(expr, item=item, over=over)

    def _text_test(self, expr: ast.TextTest, scope: Scope, level: int) -> ast.Expr:
        subject, kind = self.resolve(expr.subject, scope, level)
        pattern, other = self.resolve(expr.pattern, scope, level)
        for part, found in ((expr.subject, kind), (expr.pattern, other)):
            if not agree.is_text(found):
                hint = "say `any x in LIST: x …`" if isinstance(found, ListType) else None
                message = f"`{expr.op}` tests texts, {self._shown(part)} is {self._named(found)}"
                self._fault(message, part.at, code="P213", hint=hint)
        if expr.op in ("like", "matches", "at domain"):
            self._pattern_is_sound(expr, pattern)
        return msgspec.structs.replace(expr, subject=subject, pattern=pattern)

    def _pattern_is_sound(self, expr: ast.TextTest, pattern: ast.Expr) -> None:
        if not isinstance(pattern, ast.Text):
            self._fault(f"the pattern of `{expr.op}` is not written out as a text", expr.pattern.at, code="P215")
            return
        reason = unsound(expr.op, pattern.value) if expr.op in ("like", "matches") else None
        if reason is not None:
            self._fault(
                f"{quoted(pattern.value)} is not in the safe subset of regular expressions: {reason}",
                pattern.at or expr.at, code="P215", hint="no look-around and no back-references: matching is linear",
            )  # fmt: skip

    def _within(self, expr: ast.Within, scope: Scope, level: int) -> ast.Expr:
        parts: dict[str, Any] = {}
        for name, wanted in (("left", TIME), ("span", DURATION), ("right", TIME)):
            part = getattr(expr, name)
            parts[name], kind = self.resolve(part, scope, level)
            if not agree.equal(kind, wanted):
                message = f"{self._shown(part)} is {self._named(kind)}, not a {type_text(wanted)}"
                self._fault(message, part.at, code="P216", hint="write `TIME within DURATION of TIME`")
        return msgspec.structs.replace(expr, **parts)

    # --- values ---------------------------------------------------------------------------------------------------------

    def _listing(self, expr: ast.Listing, scope: Scope, level: int) -> Found:
        items, types = [], []
        for item in expr.items:
            node, kind = self.resolve(item, scope, level)
            items.append(node)
            types.append(kind)
        odd = next((place for place, kind in enumerate(types) if not agree.equal(types[0], kind)), None)
        if odd is not None:
            kinds = f"{self._named(types[0])} and {self._named(types[odd])}"
            self._fault(f"a list cannot hold {kinds}", expr.items[odd].at, code="P210")
        kind = next((kind for kind in types if kind is not None), None)
        whole = ListType(item=kind) if kind is not None and odd is None else None
        return msgspec.structs.replace(expr, items=tuple(items)), whole

    def _arith(self, expr: ast.Arith, scope: Scope, level: int) -> Found:
        left, one = self.resolve(expr.left, scope, level)
        right, other = self.resolve(expr.right, scope, level)
        found, kind = agree.arithmetic(expr.op, one, other)
        if not found:
            kinds = f"{self._named(one)} and {self._named(other)}"
            self._fault(f"`{expr.op}` does not work on {kinds}", expr.at, code="P210", hint=self._instead(one, other))
        return msgspec.structs.replace(expr, left=left, right=right), kind

    def _length(self, expr: ast.Length, scope: Scope, level: int) -> ast.Expr:
        body, kind = self.resolve(expr.body, scope, level)
        if not agree.is_text(kind) and not isinstance(kind, ListType | MapType):
            self._fault(f"{self._shown(expr.body)} is {self._named(kind)}, it has no length", expr.at, code="P214")
        return msgspec.structs.replace(expr, body=body)

    def _quantified(self, expr: ast.Quantified | ast.CountIn, scope: Scope, level: int) -> ast.Expr:
        over, inner = self._over(expr, scope, level)
        body = self.condition(expr.body, inner, level)
        return msgspec.structs.replace(expr, variable=inner.known_as, over=over, body=body)

    def _sum_in(self, expr: ast.SumIn, scope: Scope, level: int) -> ast.Expr:
        over, inner = self._over(expr, scope, level)
        body = self.number(expr.body, inner, level)
        return msgspec.structs.replace(expr, variable=inner.known_as, over=over, body=body)

    def _over(
        self, expr: ast.Quantified | ast.CountIn | ast.SumIn, scope: Scope, level: int
    ) -> tuple[ast.Expr, LocalScope]:
        """What a quantifier ranges over, and the scope of its body: with a name that nothing around it has."""
        over, kind = self.resolve(expr.over, scope, level)
        found, item = agree.items_of(kind)
        if not found:
            self._fault(f"{self._shown(expr.over)} is {self._named(kind)}, not a list", expr.over.at, code="P214")
        taken = {one.known_as for one in chain(scope) if isinstance(one, LocalScope)}
        name, number = expr.variable, 2
        while name in taken:
            name, number = f"{expr.variable}_{number}", number + 1
        return over, LocalScope(scope, expr.variable, name, item)

    def number(self, expr: ast.Expr, scope: Scope, level: int = 0) -> ast.Expr:
        """The resolved expression; a fault if it is not a number."""
        node, kind = self.resolve(expr, scope, level)
        if not agree.is_number(kind):
            self._fault(f"{self._shown(expr)} is {self._named(kind)}, not a number", expr.at, code="P217")
        return node

    # --- the past -------------------------------------------------------------------------------------------------------

    def _inside(self, event: ast.Pattern, scope: Scope, level: int) -> tuple[ast.Pattern, EventScope, int]:
        """The resolved pattern, the scope of an event that it means, and the level of that scope."""
        resolved = self._event(event, scope, level)
        return resolved, EventScope(scope, resolved, level + 1), level + 1

    def _where(self, expr: ast.Expr | None, scope: Scope, level: int) -> ast.Expr | None:
        return None if expr is None else self.condition(expr, scope, level)

    def _happened(self, expr: ast.Once | ast.CountEvents, scope: Scope, level: int) -> ast.Expr:
        event, inner, below = self._inside(expr.event, scope, level)
        return msgspec.structs.replace(expr, event=event, where=self._where(expr.where, inner, below))

    def _sum_events(self, expr: ast.SumEvents, scope: Scope, level: int) -> ast.Expr:
        event, inner, below = self._inside(expr.event, scope, level)
        value = self.number(expr.value, inner, below)
        return msgspec.structs.replace(expr, value=value, event=event, where=self._where(expr.where, inner, below))

    def _last(self, expr: ast.Last, scope: Scope, level: int) -> ast.Expr:
        event, inner, below = self._inside(expr.event, scope, level)
        where, has = self._where(expr.where, inner, below), self.condition(expr.has, inner, below)
        return msgspec.structs.replace(expr, event=event, where=where, has=has)

    def _previous(self, expr: ast.Previous, scope: Scope, level: int) -> ast.Expr:
        event, inner, below = self._inside(expr.event, scope, level)
        return msgspec.structs.replace(expr, event=event, has=self._where(expr.has, inner, below))

    def _since(self, expr: ast.Since, scope: Scope, level: int) -> ast.Expr:
        event, inner, below = self._inside(expr.event, scope, level)
        where = self._where(expr.where, inner, below)
        if expr.absent is not None:
            absent = self._event(expr.absent, scope, level)
            return msgspec.structs.replace(expr, absent=absent, event=event, where=where)
        held = EventScope(scope, ast.Pattern(kind="any"), level + 1)
        body = self.condition(expr.body or ast.Boolean(value=True), held, level + 1)
        return msgspec.structs.replace(expr, body=body, event=event, where=where)

    def _event(self, event: ast.Pattern, scope: Scope, level: int) -> ast.Pattern:
        """The pattern with its tool, effect and arguments tested, and the values of these resolved outside of it."""
        tool = self.world.tools.get(event.tool or "")
        if event.tool is not None and tool is None:
            self.unknown_tool(event.tool, event.at)
        if event.effect is not None:
            self.known_effect(event.effect, event.at)
        if event.fact is not None and event.fact not in self.world.facts:
            hint = did_you_mean(event.fact, self.world.facts, otherwise="declare it by `fact`")
            self._fault(f"unknown fact {quoted(event.fact)}", event.at, code="P207", hint=hint)
        bindings = []
        for binding in event.arguments:
            value, kind = self.resolve(binding.value, scope, level)
            bindings.append(msgspec.structs.replace(binding, value=value))
            field = tool.parameter(binding.name) if tool else None
            if tool is not None and field is None:
                self.unknown_argument(tool, binding.name, binding.at)
            elif field is not None and not agree.equal(kind, field.type):
                kinds = f"{self._named(field.type)} with {self._named(kind)}"
                self._fault(f"{quoted(binding.name)} cannot be compared: {kinds}", binding.at, code="P210")
            elif field is not None:
                name = ast.Name(path=(binding.name,))
                self._value_exists(value, kind, name, field.type)
        return msgspec.structs.replace(event, arguments=tuple(bindings))
