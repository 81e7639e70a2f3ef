"""Two policies in one vocabulary, so that one trace can be shown to both.

What is declared in either is declared; a record has the members of both. Where the two declare one thing in two ways (a type,
the words of an enum, an effect that a past call is known by, the offset of bare times), no trace means the same to both:
that is a `Clash`, and rules that touch it are compared otherwise. Not a comparison of rules.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import msgspec

from obverse.policy import ast
from obverse.policy.checked import Checked
from obverse.policy.types import Field, ListType, MapType, RecordType, TextType, TimeType, Type

EXTRA = "undeclared"
"""The argument that stands for all that neither policy declares."""


class Clash(msgspec.Struct, frozen=True, kw_only=True):
    """Names that mean one thing to the old policy and another to the new one."""

    parameters: frozenset[str] = frozenset()
    values: frozenset[str] = frozenset()
    """Members of results, and `*` for a result as a whole."""
    facts: frozenset[str] = frozenset()
    effects: bool = False

    def touched(self, expr: ast.Expr) -> tuple[str, ...]:
        """The names in this condition that the two policies understand differently."""
        return tuple(dict.fromkeys(self._touched(expr)))

    def _touched(self, expr: ast.Expr) -> Iterable[str]:
        for node in ast.walk(expr):
            match node:
                case ast.Argument() | ast.Binding() if node.name in self.parameters:
                    yield node.name
                case ast.EventPart(part="argument", name=str(name)) if name in self.parameters:
                    yield name
                case ast.EventPart(part="value") if (node.name or "*") in self.values or (
                    node.name is None and (self.values or self.facts)
                ):
                    yield node.name or "a whole result"
                case ast.FactValue() if node.name in self.facts:
                    yield node.name
                case ast.Pattern() | ast.Head() if self.effects and node.effect is not None:
                    yield f"effect {node.effect}"
                case _:
                    pass


class Together(msgspec.Struct, frozen=True, kw_only=True):
    """One vocabulary for both, and where it cannot be one. `checked` has the rules of the old policy."""

    checked: Checked
    clash: Clash
    patterns: tuple[str, ...] = ()
    """The judged terms that the two read by different patterns."""


def together(old: Checked, new: Checked) -> Together:
    """The vocabulary of both; it is the old policy itself where the new one declares the same."""
    if _declares(old) == _declares(new):
        return Together(checked=old, clash=Clash())
    extra = old.default.arguments != new.default.arguments
    parameters: set[str] = set()
    values: set[str] = set()
    tools = {
        name: _tool(name, old.tools.get(name), new.tools.get(name), parameters, values, extra=extra)
        for name in dict.fromkeys((*old.tools, *new.tools))
    }
    facts, odd = _facts(old, new)
    if old.timezone_minutes != new.timezone_minutes:
        _timed(tools.values(), facts.values(), parameters, values, odd)
    both = old.tools.keys() & new.tools.keys()
    effects = any(set(old.tools[name].effects) != set(new.tools[name].effects) for name in both)
    merged = msgspec.structs.replace(
        old,
        tools=tools,
        facts=facts,
        judged={**new.judged, **old.judged},
        digest=f"{old.digest} {new.digest}",
    )
    clash = Clash(parameters=frozenset(parameters), values=frozenset(values), facts=frozenset(odd), effects=effects)
    patterns = tuple(
        name for name in old.judged.keys() & new.judged.keys() if old.judged[name].pattern != new.judged[name].pattern
    )
    return Together(checked=merged, clash=clash, patterns=tuple(sorted(patterns)))


def _declares(checked: Checked) -> object:
    """What of a policy bears on what a value means."""
    tools = {name: (tool.parameters, tool.returns, tool.effects) for name, tool in checked.tools.items()}
    facts = {name: fact.type for name, fact in checked.facts.items()}
    judged = {name: (term.subject, term.pattern) for name, term in checked.judged.items()}
    return tools, facts, judged, checked.timezone_minutes, checked.default.arguments


def _tool(
    name: str,
    old: ast.Tool | None,
    new: ast.Tool | None,
    parameters: set[str],
    values: set[str],
    *,
    extra: bool,
) -> ast.Tool:
    """The tool with the parameters of both; one that only one policy knows may be left out."""
    known = [tool for tool in (old, new) if tool is not None]
    fields = [{field.name: field for field in tool.parameters} for tool in known]
    made, odd = _fields(fields[0], fields[-1])
    parameters |= odd
    if extra:
        made = (*made, Field(name=EXTRA, type=TextType(), optional=True))
    returns, odd = _returns(known[0].returns, known[-1].returns)
    values |= odd
    effects = tuple(dict.fromkeys(effect for tool in known for effect in tool.effects))
    return ast.Tool(name=name, parameters=made, returns=returns, effects=effects)


def _returns(old: Type | None, new: Type | None) -> tuple[Type | None, set[str]]:
    if old is None or new is None or old == new:
        return old if old is not None else new, set()
    if isinstance(old, RecordType) and isinstance(new, RecordType):
        made, odd = _fields({f.name: f for f in old.fields}, {f.name: f for f in new.fields})
        return RecordType(fields=made), {*odd, "*"} if odd else odd
    of = _type(old, new)
    return of or old, set() if of else {"*"}


def _fields(old: Mapping[str, Field], new: Mapping[str, Field]) -> tuple[tuple[Field, ...], set[str]]:
    """The members of both, and the names of those that have two types."""
    made: list[Field] = []
    odd: set[str] = set()
    for name in dict.fromkeys((*old, *new)):
        here = [fields[name] for fields in (old, new) if name in fields]
        of = _type(here[0].type, here[-1].type)
        if of is None:
            odd.add(name)
        optional = len(here) < 2 or any(field.optional for field in here)
        made.append(Field(name=name, type=of or here[0].type, optional=optional))
    return tuple(made), odd


def _type(old: Type, new: Type) -> Type | None:
    """The type that holds what both hold; None where a value means two things."""
    if old == new:
        return old
    match old, new:
        case RecordType(), RecordType():
            made, odd = _fields({f.name: f for f in old.fields}, {f.name: f for f in new.fields})
            return None if odd else RecordType(fields=made)
        case ListType(), ListType():
            item = _type(old.item, new.item)
            return None if item is None else ListType(item=item)
        case MapType(), MapType():
            item = _type(old.item, new.item)
            return None if item is None else MapType(item=item)
    return None


def _facts(old: Checked, new: Checked) -> tuple[dict[str, ast.FactTerm], set[str]]:
    made = {**new.facts, **old.facts}
    odd = set()
    for name in old.facts.keys() & new.facts.keys():
        of = _type(old.facts[name].type, new.facts[name].type)
        if of is None:
            odd.add(name)
        else:
            made[name] = ast.FactTerm(name=name, type=of)
    return made, odd


def _timed(
    tools: Iterable[ast.Tool], facts: Iterable[ast.FactTerm], parameters: set[str], values: set[str], odd: set[str]
) -> None:
    """Everything that holds a time clashes where the two offsets differ."""
    for tool in tools:
        parameters |= {field.name for field in tool.parameters if _holds_time(field.type)}
        if isinstance(tool.returns, RecordType):
            values |= {field.name for field in tool.returns.fields if _holds_time(field.type)}
        elif tool.returns is not None and _holds_time(tool.returns):
            values.add("*")
    odd |= {fact.name for fact in facts if _holds_time(fact.type)}


def _holds_time(of: Type) -> bool:
    match of:
        case TimeType():
            return True
        case ListType() | MapType():
            return _holds_time(of.item)
        case RecordType():
            return any(_holds_time(field.type) for field in of.fields)
    return False
