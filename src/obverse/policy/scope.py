"""What names mean at a place of a rule: variables, definitions' parameters, events in scope, the step, the world.

Scopes are a chain, innermost first. `level` counts the events in scope from outside, so that the `depth` of an event part
can be told from any place, the inside of an expanded definition included.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Literal, TypeAlias

import msgspec

from obverse.policy import ast
from obverse.policy.agree import BOOL, TEXT, TIME, Maybe
from obverse.policy.types import RecordType, Type

Part = Literal["value", "argument", "text", "stamp", "tool", "failed", "by"]
_SPOKEN = ("message", "reply", "thought")
_CALLS = ("call", "denied", "proposed", "result")


class World(msgspec.Struct, frozen=True, kw_only=True):
    """What the terms of a policy declare; `doubtful` are names declared twice, and definitions that lead back to themselves."""

    tools: dict[str, ast.Tool]
    facts: dict[str, ast.FactTerm]
    judged: dict[str, ast.JudgedTerm]
    lets: dict[str, ast.LetTerm]
    zone: int
    doubtful: frozenset[str] = frozenset()

    @property
    def effects(self) -> set[str]:
        return {effect for tool in self.tools.values() for effect in tool.effects}

    def meant(self, tool: str | None, effect: str | None) -> list[ast.Tool]:
        """The declared tools that a head or a pattern may mean."""
        if tool is not None:
            return [self.tools[tool]] if tool in self.tools else []
        return [one for one in self.tools.values() if effect is None or effect in one.effects]


class StepScope(msgspec.Struct, frozen=True):
    """Outermost: the step that the heads of a rule mean."""

    heads: tuple[ast.Head, ...]


class EventScope(msgspec.Struct, frozen=True):
    """Inside `where`, `has`, `since`: an event that the pattern means."""

    outer: Scope
    pattern: ast.Pattern
    level: int


class LocalScope(msgspec.Struct, frozen=True):
    """Inside a quantifier: its variable, `known_as` in the resolved tree."""

    outer: Scope
    variable: str
    known_as: str
    type: Maybe


class UseScope(msgspec.Struct, frozen=True):
    """Inside the body of a definition: its parameters, meant at the place of use."""

    outer: Scope
    arguments: dict[str, ast.Expr]


Scope: TypeAlias = StepScope | EventScope | LocalScope | UseScope


def chain(scope: Scope) -> Iterator[Scope]:
    """This scope and those around it, innermost first."""
    while not isinstance(scope, StepScope):
        yield scope
        scope = scope.outer
    yield scope


def step_of(scope: Scope) -> StepScope:
    """The step that the rule is about."""
    *_, last = chain(scope)
    return last if isinstance(last, StepScope) else StepScope(())


def common(types: list[Maybe]) -> Maybe:
    """The one type of a name that several tools have; None when they differ, or one lacks it."""
    return types[0] if types and all(one == types[0] for one in types) else None


def argument_type(tools: list[ast.Tool], name: str) -> Type | None:
    """The type of an argument that all of these tools have alike, else None."""
    fields = [tool.parameter(name) for tool in tools]
    return common([field.type if field else None for field in fields])


def result_type(tools: list[ast.Tool]) -> Type | None:
    """The one type that all of these tools return, else None."""
    return common([tool.returns for tool in tools])


def event_parts(world: World, pattern: ast.Pattern) -> dict[str, tuple[Part, str | None, Type]]:
    """The names in scope of an event: what each is and its type; fields of a result before arguments before the rest."""
    found: dict[str, tuple[Part, str | None, Type]] = {"stamp": ("stamp", None, TIME)}
    if pattern.kind in _SPOKEN or pattern.kind == "result":
        found["text"] = ("text", None, TEXT)
    if pattern.kind in _CALLS:
        found["tool"] = ("tool", None, TEXT)
    if pattern.kind == "result":
        found["failed"] = ("failed", None, BOOL)
    if pattern.kind == "approval":
        found["by"] = ("by", None, TEXT)
    if pattern.kind == "fact" and pattern.fact in world.facts:
        found["value"] = ("value", None, world.facts[pattern.fact].type)
    if pattern.kind in _CALLS:
        tools = world.meant(pattern.tool, pattern.effect)
        found |= _arguments(tools)
        if pattern.kind == "result" and not pattern.failed:
            found |= _values(result_type(tools))
    return found


def event_arguments(world: World, pattern: ast.Pattern) -> dict[str, Type]:
    """The arguments of the call that an event is, or belongs to."""
    if pattern.kind not in _CALLS:
        return {}
    found = _arguments(world.meant(pattern.tool, pattern.effect))
    return {name: kind for name, (_, _, kind) in found.items()}


def _arguments(tools: list[ast.Tool]) -> dict[str, tuple[Part, str | None, Type]]:
    names = [field.name for field in tools[0].parameters] if tools else []
    types = {name: argument_type(tools, name) for name in names}
    return {name: ("argument", name, kind) for name, kind in types.items() if kind is not None}


def _values(returned: Type | None) -> dict[str, tuple[Part, str | None, Type]]:
    if returned is None:
        return {}
    whole: dict[str, tuple[Part, str | None, Type]] = {"value": ("value", None, returned)}
    fields = returned.fields if isinstance(returned, RecordType) else ()
    return whole | {field.name: ("value", field.name, field.type) for field in fields}
