"""What could tell one past step from others, in the rule language: the candidates that `suggest` tries.

Each is one condition about a call of one tool, written from the values that were seen: a number above a bound, a domain, a look-up that
was not made, a word that the user never said, a fact. Nothing here says that a candidate is any good.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator, Sequence
from decimal import Decimal
from typing import Any, Final

from obverse.core.canon import number_text
from obverse.core.events import AnyEvent, Call, Fact
from obverse.policy import ast
from obverse.policy.checked import Checked
from obverse.policy.decision import Unknown
from obverse.policy.print import dotted_text, name_text
from obverse.policy.reading import read_arguments
from obverse.policy.types import BoolType, EnumType, Field, ListType, NumberType, TextType

_MOST_VALUES: Final = 3
_SHORT: Final = 60  # a longer text is no name of anything
_QUIET: Final = "read"


def hints(
    checked: Checked, tool: ast.Tool, bad: Sequence[Call], others: Sequence[Call], facts: dict[str, set[Any]]
) -> list[str]:
    """Conditions that may be true of all bad calls and of few of the others, the plainest first, each once."""
    found = [*_unseen(checked, tool)]
    for field in tool.parameters:
        mine, theirs = _values(bad, field.name), _values(others, field.name)
        found += _of_argument(field, mine, theirs)
        if isinstance(field.type, TextType):
            found.append(f"not (once message where (text contains {_argument(field)}))")
            found.append(f"once call {_tool(tool)}({name_text(field.name)}: {_argument(field)})")
        if field.optional:
            found.append(f"{_argument(field)} is present")
    found.append(f"once call {_tool(tool)}")
    found += _of_facts(checked, facts)
    found += [f"not ({dotted_text(term.full_name)})" for term in checked.judged.values() if term.subject == "message"]
    return list(dict.fromkeys(found))


def facts_of(histories: Sequence[Sequence[AnyEvent]]) -> dict[str, set[Any]]:
    """The values that facts had, where they can stand in a set."""
    found: dict[str, set[Any]] = {}
    for history in histories:
        for event in history:
            if isinstance(event, Fact) and isinstance(event.value, bool | str):
                found.setdefault(event.name, set()).add(event.value)
    return found


def _of_argument(field: Field, mine: list[Any], theirs: list[Any]) -> Iterator[str]:
    name = _argument(field)
    match field.type:
        case NumberType() if mine and all(_is_number(value) for value in mine):
            numbers = [value for value in theirs if _is_number(value)]
            below = [value for value in numbers if value < min(mine)]
            above = [value for value in numbers if value > max(mine)]
            yield f"{name} > {number_text(max(below))}" if below else f"{name} >= {number_text(min(mine))}"
            yield f"{name} >= {number_text(min(mine))}"
            yield f"{name} < {number_text(min(above))}" if above else f"{name} <= {number_text(max(mine))}"
        case BoolType() if len(set(map(repr, mine))) == 1 and isinstance(mine[0], bool):
            yield name if mine[0] else f"not ({name})"
        case TextType() | EnumType():
            texts = [value for value in mine if isinstance(value, str) and len(value) <= _SHORT]
            if texts and len(texts) == len(mine) and len(set(texts)) <= _MOST_VALUES:
                yield _one_of(name, sorted(set(texts)))
            yield from (f"not ({name} at domain {_text(domain)})" for domain in _domains(theirs))
        case ListType(item=TextType()):
            flat = [one for value in theirs if isinstance(value, list) for one in value]
            yield from (f"any x in {name}: not (x at domain {_text(domain)})" for domain in _domains(flat))
            yield f"any x in {name}: not (once message where (text contains x))"
            yield f"length({name}) > 1"
        case ListType():
            yield f"length({name}) > 1"


def _unseen(checked: Checked, tool: ast.Tool) -> Iterator[str]:
    """A look-up that was not made, of the same thing where a parameter has the same name, or at all."""
    for other in checked.tools.values():
        if _QUIET not in other.effects or other.name == tool.name:
            continue
        for field in tool.parameters:
            if other.parameter(field.name) is not None:
                yield f"not (once {_tool(other)}({name_text(field.name)}: {_argument(field)}))"
        yield f"not (once {_tool(other)})"


def _of_facts(checked: Checked, facts: dict[str, set[Any]]) -> Iterator[str]:
    for name, term in checked.facts.items():
        shown = dotted_text(name)
        match term.type:
            case BoolType():
                yield from (shown, f"not ({shown})")
            case EnumType(values=values):
                yield from (f"{shown} = {_text(value)}" for value in values)
            case TextType():
                seen = sorted(value for value in facts.get(name, ()) if isinstance(value, str))
                yield from (f"{shown} = {_text(value)}" for value in seen[:_MOST_VALUES])


def _domains(values: Sequence[Any]) -> list[str]:
    """The commonest domain of the addresses among these."""
    hosts = Counter(
        value.rsplit("@", 1)[1].lower() for value in values if isinstance(value, str) and value.count("@") == 1
    )
    return [host for host, _ in hosts.most_common(1) if host]


def _values(calls: Sequence[Call], name: str) -> list[Any]:
    """The values that this argument had, where it was there."""
    read = [read_arguments(call.arguments) for call in calls]
    return [arguments[name] for arguments in read if not isinstance(arguments, Unknown) and name in arguments]


def _is_number(value: Any) -> bool:
    return isinstance(value, int | Decimal) and not isinstance(value, bool)


def _one_of(name: str, values: list[str]) -> str:
    listed = ", ".join(map(_text, values))
    return f"{name} = {listed}" if len(values) == 1 else f"{name} in [{listed}]"


def _argument(field: Field) -> str:
    return f"args.{name_text(field.name)}"


def _tool(tool: ast.Tool) -> str:
    return dotted_text(tool.name)


def _text(value: str) -> str:
    return json.dumps(value, ensure_ascii=False)
