"""From JSON texts to plain values, as quickly as it goes: what is read quickly is read as `policy.reading` would, or not at all.

A text is first read by a decoder in C that knows nothing of duplicate keys; that there are none is then told from the number of
colons. Where that does not settle it, the reference reads it. So the quick way is taken by nearly all arguments that programs
write, and decides nothing that the slow one would decide otherwise.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final, TypeAlias

import msgspec

from obverse.policy.compiled.plain import plain_number, plain_of, plain_text
from obverse.policy.decision import Unknown
from obverse.policy.reading import LONGEST_NUMBER, Fields, exact_number, read_arguments, read_json, typed
from obverse.policy.types import BoolType, EnumType, ListType, NumberType, RecordType, TextType, Type

Reader: TypeAlias = Callable[[Any], Any]
"""From a JSON value (None for one that is missing) to a plain one."""

_DECODE = msgspec.json.Decoder(float_hook=exact_number).decode
_LONG: Final = LONGEST_NUMBER
"""A shorter text holds no number that is too long."""


def arguments_of(text: str) -> dict[str, Any] | None:
    """The arguments of a call by name; None if they are malformed, or perhaps are."""
    try:
        found = _DECODE(text)
    except Exception:  # boundary: whatever is wrong with it, the reference says what
        return _slowly(text)
    if type(found) is not dict or text.count(":") != len(found) or "\\u" in text or text.count("[") > _DEEP:
        return _slowly(text)
    return found if len(text) < _LONG or _short_numbers(found) else _slowly(text)


_DEEP: Final = 60


def _short_numbers(found: dict[str, Any]) -> bool:
    """Whether no number among these is written in more digits than a program should have to read."""
    return not any(type(value) is list or (type(value) is int and abs(value) >= _LARGE) for value in found.values())


_LARGE: Final = 10 ** (LONGEST_NUMBER - 2)


def _slowly(text: str) -> dict[str, Any] | None:
    found = read_arguments(text)
    return None if isinstance(found, Unknown) else found


def output_of(text: str, wanted: Type) -> Any:
    """The JSON value that a tool gave back, None if it is malformed. Where a text is wanted, it may stand bare."""
    found = read_json(text)
    if isinstance(wanted, TextType) and not isinstance(found, str):
        return text
    return None if isinstance(found, Unknown) else found


def reader_of(wanted: Type, zone: int) -> Reader:
    """What reads values of this type; `zone` is the policy's offset in minutes."""
    match wanted:
        case TextType(folded=False):
            return plain_text
        case NumberType(integer=False, from_text=False):
            return plain_number
        case BoolType():
            return _plain_bool
        case EnumType():
            return _enum_reader({value for value in wanted.values if plain_text(value) == value})
        case ListType():
            return _list_reader(reader_of(wanted.item, zone))
        case RecordType():
            return _record_reader({field.name: reader_of(field.type, zone) for field in wanted.fields})
    return lambda value: None if value is None else plain_of(typed(value, wanted, zone, ""))


def _plain_bool(value: Any) -> bool | None:
    return value if type(value) is bool else None


def _enum_reader(plain: set[str]) -> Reader:
    return lambda value: value if type(value) is str and value in plain else None


def _list_reader(item: Reader) -> Reader:
    return lambda value: tuple(map(item, value)) if type(value) is list else None


def _record_reader(fields: dict[str, Reader]) -> Reader:
    def read(value: Any) -> Fields | None:
        if type(value) is not dict:
            return None
        return Fields({name: reader(value.get(name)) for name, reader in fields.items()})

    return read
