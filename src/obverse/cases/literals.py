"""What must stand in a text word for word: ids, amounts, dates, addresses, names; and what it must not bring in anew.

A value counts when a text shows it, in the form in which it shows it. Numbers and whatever holds a digit, an `@` or a `/`
are compared exactly, words regardless of case. `yes` and `no` are no literals: nobody could tell them from other words.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from typing import Any

from obverse.cases.records import Case
from obverse.cases.wording import said
from obverse.core.events import Call
from obverse.policy.checked import Checked
from obverse.policy.decision import Unknown
from obverse.policy.reading import read_arguments
from obverse.policy.types import BoolType, ListType, MapType, RecordType, Type

_EXACT = re.compile(r"[\w.+-]+@[\w.-]+\w|https?://\S*\w|[\w./:$-]*\d(?:[\w./:,$-]*\w)?")
_SHORTEST = 2


def exact_tokens(text: str) -> frozenset[str]:
    """Addresses, links, and all that holds a digit."""
    return frozenset(token.lstrip("$./:-") for token in _EXACT.findall(text))


def literals(checked: Checked, case: Case, text: str, language: str) -> tuple[str, ...]:
    """What of the text must survive any other wording of it, in the order in which it stands there."""
    values = {value for value in _shown(checked, case, language) if _stands_in(value, text)}
    found = values | {token for token in exact_tokens(text) if not any(token in value for value in values)}
    return tuple(sorted(found, key=lambda literal: (text.casefold().find(literal.casefold()), literal)))


def lost(wanted: Iterable[str], text: str) -> tuple[str, ...]:
    """Those of the literals that the text does not show."""
    return tuple(literal for literal in wanted if not _stands_in(literal, text))


def added(source: str, text: str) -> tuple[str, ...]:
    """Numbers, ids and addresses that the text shows and the source does not."""
    known = exact_tokens(source)
    return tuple(sorted(token for token in exact_tokens(text) if token not in known and token not in source))


def masked(text: str, wanted: Iterable[str]) -> str:
    """The text with its literals numbered: equal for texts that differ in nothing else."""
    return with_literals(text, {literal: f"\x00{place}\x00" for place, literal in enumerate(wanted)})


def with_literals(text: str, new: dict[str, str]) -> str:
    """The text with each of these literals replaced by its new form, all at once, the longest first."""
    if not new:
        return text
    longest = sorted(new, key=lambda literal: (-len(literal), literal))
    lowered = {literal.casefold(): value for literal, value in new.items()}
    pattern = "|".join(rf"(?<!\w){re.escape(literal)}(?!\w)" for literal in longest)
    return re.sub(pattern, lambda found: lowered[found[0].casefold()], text, flags=re.IGNORECASE)


def _stands_in(literal: str, text: str) -> bool:
    flags = re.IGNORECASE if not exact_tokens(literal) else 0
    return re.search(rf"(?<!\w){re.escape(literal)}(?!\w)", text, flags) is not None


def _shown(checked: Checked, case: Case, language: str) -> Iterator[str]:
    """The values of the wanted call, as a person says them."""
    event = case.step.event
    if not isinstance(event, Call):
        return
    tool, arguments = checked.tools.get(event.tool), read_arguments(event.arguments)
    if tool is None or isinstance(arguments, Unknown):
        return
    for name, value in arguments.items():
        field = tool.parameter(name)
        for text in _leaves(value, field.type if field else None, name, checked.timezone_minutes, language):
            if len(text) >= _SHORTEST or text.isdigit():
                yield text


def _leaves(value: Any, type: Type | None, name: str, zone: int, language: str) -> Iterator[str]:
    match type, value:
        case (ListType(), list()):
            for item in value:
                yield from _leaves(item, type.item, name, zone, language)
        case (MapType(), dict()):
            for key, item in value.items():
                yield key
                yield from _leaves(item, type.item, name, zone, language)
        case (RecordType(), dict()):
            types = {field.name: field.type for field in type.fields}
            for key, item in value.items():
                yield from _leaves(item, types.get(key), key, zone, language)
        case (_, None) | (_, bool()) | (BoolType(), _) | (_, "yes") | (_, "no"):
            return
        case (_, list() | dict()):
            return
        case _:
            yield said(value, type, name, zone, language)
