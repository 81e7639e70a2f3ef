"""What a policy has to offer in place of another: the values of its enums, its tools and effects."""

from __future__ import annotations

from collections.abc import Iterator

from obverse.policy import ast
from obverse.policy.checked import Checked
from obverse.policy.types import EnumType, ListType, MapType, RecordType, Type


class Vocabulary:
    """The words of one policy, in the order of the document."""

    def __init__(self, checked: Checked) -> None:
        self.tools = checked.tools
        self.effects = tuple(dict.fromkeys(effect for tool in checked.tools.values() for effect in tool.effects))
        self._enums = tuple(dict.fromkeys(_enums(checked)))

    def other_value(self, text: str) -> str | None:
        """The next value of an enum that has this text; None if none has."""
        for values in self._enums:
            if text in values and len(values) > 1:
                return values[(values.index(text) + 1) % len(values)]
        return None

    def other_tool(self, name: str, needed: frozenset[str]) -> str | None:
        """The next tool that has all of these parameters; None if no other has."""
        names = list(self.tools)
        place = names.index(name) if name in names else 0
        for other in (*names[place + 1 :], *names[:place]):
            if needed <= {field.name for field in self.tools[other].parameters}:
                return other
        return None

    def other_effect(self, effect: str) -> str | None:
        """Another effect, if the policy has one."""
        return next((other for other in self.effects if other != effect), None)


def _enums(checked: Checked) -> Iterator[tuple[str, ...]]:
    for tool in checked.tools.values():
        for field in tool.parameters:
            yield from _within(field.type)
        if tool.returns is not None:
            yield from _within(tool.returns)
    for fact in checked.facts.values():
        yield from _within(fact.type)


def _within(type: Type) -> Iterator[tuple[str, ...]]:
    match type:
        case EnumType():
            yield type.values
        case ListType() | MapType():
            yield from _within(type.item)
        case RecordType():
            for field in type.fields:
                yield from _within(field.type)


def parameters_named(rule: ast.Rule, tool: ast.Tool) -> frozenset[str]:
    """The parameters of this tool that the rule speaks of, by binder or by name."""
    bound = {argument for head in rule.heads if head.tool == tool.name for argument, _ in head.binders}
    names = {node.path[0] for node in ast.walk(rule) if isinstance(node, ast.Name)}
    named = {
        node.path[1]
        for node in ast.walk(rule)
        if isinstance(node, ast.Name) and node.path[:1] == ("args",) and node.path[1:]
    }
    return frozenset(field.name for field in tool.parameters if field.name in bound | names | named)
