"""What a dotted name means at its place: the innermost scope that has its first part, then facts, judged ones, definitions.

A definition is expanded where it is used: it means what its body would mean there. Names of its own cannot be captured.
"""

from __future__ import annotations

import abc
from typing import TypeAlias

from obverse.core.errors import Span
from obverse.policy import agree, ast
from obverse.policy.agree import BOOL, TEXT, Maybe
from obverse.policy.faults import Faults, did_you_mean, quoted
from obverse.policy.lower_terms import SUBJECTS
from obverse.policy.print import text_of, type_text
from obverse.policy.scope import (
    EventScope,
    LocalScope,
    Scope,
    StepScope,
    UseScope,
    World,
    argument_type,
    chain,
    event_arguments,
    event_parts,
    step_of,
)
from obverse.policy.types import EnumType, MapType, RecordType, Type

Found: TypeAlias = tuple[ast.Expr, Maybe]


class Names(abc.ABC):
    """Resolves names; what stands around them is resolved by who inherits."""

    def __init__(self, world: World, faults: Faults) -> None:
        self.world = world
        self.faults = faults

    @abc.abstractmethod
    def resolve(self, expr: ast.Expr, scope: Scope, level: int = 0) -> Found:
        """The resolved expression and its type."""

    # --- names ----------------------------------------------------------------------------------------------------------

    def _name(self, expr: ast.Name, scope: Scope, level: int) -> Found:
        """What a dotted name means: the innermost scope that has its first part, then facts, judged ones, definitions."""
        path = expr.path
        near = self._in_scope(expr, scope, level)
        if near is not None and agree.follows(near[1], near[2]):
            return self._members(near[0], near[1], near[2], expr.at)
        far = self._fact(expr) or self._judged(expr, scope, level)
        if far is not None:
            return far
        if near is not None:
            return self._members(near[0], near[1], near[2], expr.at)
        if path[0] in self.world.lets:
            node, kind = self._expanded(ast.Use(name=path[0], arguments=(), at=expr.at), scope, level)
            return self._members(node, kind, path[1:], expr.at)
        return self._unknown_name(expr, scope)

    def _in_scope(self, expr: ast.Name, scope: Scope, level: int) -> tuple[ast.Expr, Maybe, tuple[str, ...]] | None:
        """What the first part of a name means here, its type, and the parts that follow."""
        first, *rest = expr.path
        for one in chain(scope):
            found: tuple[ast.Expr, Maybe, tuple[str, ...]] | None = None
            match one:
                case LocalScope() if one.variable == first:
                    found = ast.Local(name=one.known_as, at=expr.at), one.type, tuple(rest)
                case UseScope() if first in one.arguments:
                    node, kind = self.resolve(one.arguments[first], one.outer, level)
                    found = node, kind, tuple(rest)
                case EventScope():
                    found = self._of_event(expr, one, level)
                case StepScope():
                    found = self._of_step(expr, one)
            if found is not None:
                return found
        return None

    def _of_event(
        self, expr: ast.Name, scope: EventScope, level: int
    ) -> tuple[ast.Expr, Maybe, tuple[str, ...]] | None:
        path, depth = expr.path, level - scope.level
        if path[0] == "args" and len(path) > 1:
            kind = event_arguments(self.world, scope.pattern).get(path[1])
            if kind is not None:
                return ast.EventPart(depth=depth, part="argument", name=path[1], at=expr.at), kind, path[2:]
        if path[0] == scope.pattern.kind and len(path) > 1 and path[1] in ("text", "stamp", "failed", "by", "value"):
            path = path[1:]
        found = event_parts(self.world, scope.pattern).get(path[0])
        if found is None:
            return None
        part, name, known = found
        return ast.EventPart(depth=depth, part=part, name=name, at=expr.at), known, path[1:]

    def _of_step(self, expr: ast.Name, scope: StepScope) -> tuple[ast.Expr, Maybe, tuple[str, ...]] | None:
        path, kinds = expr.path, {head.kind for head in scope.heads}
        if kinds == {"reply"}:
            words = path in (("text",), ("reply", "text"))
            return (ast.StepPart(part="text", at=expr.at), TEXT, ()) if words else None
        if path[0] == "args" and len(path) > 1:
            path = path[1:]
        found = self._argument(path[0], scope, expr.at)
        if found is not None:
            return found[0], found[1], path[1:]
        if kinds == {"any"} and path == ("tool",):
            return ast.StepPart(part="tool", at=expr.at), TEXT, ()
        return None

    def _argument(self, name: str, scope: StepScope, at: Span | None) -> Found | None:
        """An argument of the call that is decided, by its own name or a binder's; it must be there for every head."""
        meant = [self._meant_by(name, head) for head in scope.heads]
        if not any(meant):
            return None
        names = {argument for argument, _ in filter(None, meant)}
        types = [found[1] if found else None for found in meant]
        argument = min(names)
        if len(names) > 1 or not all(types) or any(one != types[0] for one in types):
            self._fault(
                f"{quoted(name)} is not the same argument of every tool that the rule is about", at, code="P203",
                hint="write one rule for each of them",
            )  # fmt: skip
            return ast.Argument(name=argument, at=at), None
        return ast.Argument(name=argument, at=at), types[0]

    def _meant_by(self, name: str, head: ast.Head) -> tuple[str, Type] | None:
        """The argument that a name means under one head, with its type."""
        if head.kind == "reply":
            return None
        bound = next((argument for argument, binder in head.binders if binder == name), name)
        kind = argument_type(self.world.meant(head.tool, head.effect), bound)
        return (bound, kind) if kind is not None else None

    def _fact(self, expr: ast.Name) -> Found | None:
        for end in range(len(expr.path), 0, -1):
            name = ".".join(expr.path[:end])
            if name in self.world.facts:
                node = ast.FactValue(name=name, at=expr.at)
                return self._members(node, self.world.facts[name].type, expr.path[end:], expr.at)
        return None

    def _judged(self, expr: ast.Name, scope: Scope, level: int) -> Found | None:
        """A judged predicate: of the event in scope, of the step that is a reply, or of the newest such text."""
        name = ".".join(expr.path)
        if name not in self.world.judged:
            return None
        subject = self.world.judged[name].subject
        for one in chain(scope):
            if isinstance(one, EventScope) and one.pattern.kind == subject:
                return ast.JudgedAnswer(name=name, depth=level - one.level, at=expr.at), BOOL
        kinds = {head.kind for head in step_of(scope).heads}
        if subject == "reply" and "reply" in kinds:
            if len(kinds) > 1:
                self._fault(
                    f"{quoted(name)} is of the step in one head and of the past in another", expr.at, code="P203",
                    hint="write one rule for replies and one for calls",
                )  # fmt: skip
            return ast.JudgedAnswer(name=name, depth=None, at=expr.at), BOOL
        asked = ast.JudgedAnswer(name=name, depth=0, at=expr.at)
        return ast.Last(event=ast.Pattern(kind=subject, at=expr.at), has=asked, at=expr.at), BOOL

    def _members(self, base: ast.Expr, kind: Maybe, rest: tuple[str, ...], at: Span | None) -> Found:
        """The base with the rest of its dotted name."""
        for name in rest:
            found, inner = agree.member(kind, name)
            if not found:
                known = agree.members(kind)
                what = f"has no field {quoted(name)}" if known else f"has no fields, it is {self._named(kind)}"
                hint = did_you_mean(name, known) if known else self._instead_of_member(kind)
                self._fault(f"{quoted(text_of(base))} {what}", at, code="P206", hint=hint)
                return base, None
            base, kind = ast.Member(base=base, name=name, at=at), inner
        return base, kind

    def _instead_of_member(self, kind: Maybe) -> str | None:
        if isinstance(kind, MapType):
            return "test the keys of a map by `in`, its values by `any x in …`"
        return "declare its type" if agree.is_json(kind) else None

    def _unknown_name(self, expr: ast.Name, scope: Scope) -> Found:
        name = ".".join(expr.path)
        hint = None
        if expr.path[0] in SUBJECTS and expr.path[1:] == ("text",):
            hint = f"inside `last {expr.path[0]} has (…)` its text is `text`"
        elif name in self.world.tools:
            hint = "a tool's answer is asked for by `last TOOL(…) has …`"
        self._fault(
            f"unknown name {quoted(name)}", expr.at, code="P202",
            hint=hint or did_you_mean(name, self._visible(scope)),
        )  # fmt: skip
        return expr, None

    def _visible(self, scope: Scope) -> set[str]:
        """Every name that has a meaning here, for hints."""
        names = {*self.world.facts, *self.world.judged, *self.world.lets}
        for one in chain(scope):
            match one:
                case LocalScope():
                    names.add(one.variable)
                case UseScope():
                    names |= {*one.arguments}
                case EventScope():
                    names |= {*event_parts(self.world, one.pattern)}
                case StepScope():
                    for head in one.heads:
                        names |= {binder for _, binder in head.binders}
                        tools = self.world.meant(head.tool, head.effect) if head.kind == "tool" else []
                        names |= {field.name for tool in tools for field in tool.parameters}
        return names

    # --- definitions ----------------------------------------------------------------------------------------------------

    def _use(self, expr: ast.Use, scope: Scope, level: int) -> Found:
        if expr.name not in self.world.lets:
            hint = did_you_mean(expr.name, self.world.lets, otherwise="define it by `let`")
            self._fault(f"unknown definition {quoted(expr.name)}", expr.at, code="P205", hint=hint)
            return expr, None
        return self._expanded(expr, scope, level)

    def _expanded(self, expr: ast.Use, scope: Scope, level: int) -> Found:
        """The body of a definition, resolved where it is used."""
        term = self.world.lets[expr.name]
        if len(term.parameters) != len(expr.arguments):
            takes = f"takes {len(term.parameters)}, not {len(expr.arguments)}"
            hint = f"{expr.name}({', '.join(term.parameters)})"
            self._fault(f"the definition {quoted(expr.name)} {takes}", expr.at, code="P205", hint=hint)
            return expr, None
        arguments = dict(zip(term.parameters, expr.arguments))
        node, kind = self.resolve(term.body, UseScope(scope, arguments), level)
        return node, kind

    # --- faults ---------------------------------------------------------------------------------------------------------

    def unknown_tool(self, name: str, at: Span | None) -> None:
        hint = did_you_mean(name, self.world.tools, otherwise="declare it by `tool`, or `terms from` a file")
        self._fault(f"unknown tool {quoted(name)}", at, code="P200", hint=hint)

    def unknown_argument(self, tool: ast.Tool, name: str, at: Span | None) -> None:
        hint = did_you_mean(name, [field.name for field in tool.parameters])
        self._fault(f"the tool {quoted(tool.name)} has no argument {quoted(name)}", at, code="P201", hint=hint)

    def known_effect(self, name: str, at: Span | None) -> None:
        if name not in self.world.effects:
            hint = did_you_mean(name, self.world.effects, otherwise="give a tool this effect")
            self._fault(f"no tool has the effect {quoted(name)}", at, code="P204", hint=hint)

    def _fault(self, message: str, at: Span | None, *, code: str, hint: str | None = None) -> None:
        self.faults.add(message, at, code=code, hint=hint)

    def _shown(self, expr: ast.Expr) -> str:
        return quoted(text_of(expr))

    def _named(self, kind: Maybe) -> str:
        if isinstance(kind, EnumType):
            return "a `one of …`"
        if isinstance(kind, RecordType):
            return "a record"
        return f"a `{type_text(kind)}`" if kind is not None else "something unknown"
