"""Reading JSON values as typed values: the one place where bytes become something that a rule can test.

A value is `str` (after NFC), `Fraction` (numbers, exact), `bool`, `Instant` or `Lapse` (milliseconds), a tuple (a list), a
`Fields` (a record), a `Keyed` (a map) or a `Json`. What is missing or of another type is an `Unknown`, never a default.
Arguments are read from the raw text that the target wrote. A duplicate key, a lone surrogate, an endless number or text that
is no JSON object makes them malformed as a whole: two programs might read them in two ways, and one of them executes them.
"""

from __future__ import annotations

import datetime as dt
import json
import re
import unicodedata
from decimal import Decimal
from fractions import Fraction
from functools import lru_cache
from typing import Any, Final, TypeAlias

import msgspec

from obverse.core.canon import Value, canonical
from obverse.core.errors import ObverseError
from obverse.policy.decision import Unknown
from obverse.policy.types import (
    BoolType,
    DurationType,
    EnumType,
    JsonType,
    ListType,
    MapType,
    NumberType,
    RecordType,
    TextType,
    TimeType,
    Type,
)


class Instant(msgspec.Struct, frozen=True, order=True):
    """A point in time, in milliseconds since the epoch."""

    ms: int


class Lapse(msgspec.Struct, frozen=True, order=True):
    """A length of time in milliseconds."""

    ms: Fraction


class Folded(str):
    """A text that is compared without regard to case."""

    __slots__ = ()


class Fields(msgspec.Struct, frozen=True):
    """A record as read: every declared member, known or not."""

    members: dict[str, Known | Unknown]


class Keyed(msgspec.Struct, frozen=True):
    """A map as read."""

    items: dict[str, Known | Unknown]


class Json(msgspec.Struct, frozen=True):
    """Something of type `json`, in canonical form: only good for equality."""

    canonical: bytes


Known: TypeAlias = "str | Fraction | bool | Instant | Lapse | tuple[Known | Unknown, ...] | Fields | Keyed | Json"

LONGEST_NUMBER: Final = 400
_SHALLOW: Final = 64
_NUMERAL = re.compile(r"-?\d{1,300}(\.\d{1,300})?")
_LAPSE = re.compile(r"(\d+)(ms|s|m|h|d|w)")
_ISO_LAPSE = re.compile(r"P(?:(\d+)D)?(?:T(?:(\d+)H)?(?:(\d+)M)?(?:(\d+)S)?)?")
MILLISECONDS: Final = {"ms": 1, "s": 1_000, "m": 60_000, "h": 3_600_000, "d": 86_400_000, "w": 604_800_000}


class _MalformedError(Exception):
    """A text that two programs may read in two ways."""


def read_json(text: str) -> Value | Unknown:
    """The JSON value of a text, with exact numbers; unknown if it is malformed in any way."""
    try:
        value: Value = json.loads(
            text, parse_float=_exact, parse_int=_whole, parse_constant=_refuse, object_pairs_hook=_unique
        )
        text.encode()
        if "\\u" in text or text.count("[") + text.count("{") > _SHALLOW:
            _no_surrogates(value)  # without an escape there is none to find, and what is shallow can be walked later
    except (ValueError, RecursionError, _MalformedError):
        return Unknown(what="JSON", why="malformed arguments")
    return value


@lru_cache(maxsize=4096)
def read_arguments(text: str) -> dict[str, Value] | Unknown:
    """The arguments of a call by name; unknown if the text is not one well-formed JSON object. An empty text is `{}`."""
    value = read_json(text or "{}")
    if isinstance(value, dict | Unknown):
        return value
    return Unknown(what="arguments", why="malformed arguments")


def unknown_arguments(arguments: dict[str, Value], declared: tuple[Any, ...]) -> tuple[str, ...]:
    """The names, dotted, that a call has and its tool does not declare, at any depth of its records."""
    known = {field.name: field.type for field in declared}
    found = [name for name in arguments if name not in known]
    for name, value in arguments.items():
        if name in known:
            found += [f"{name}.{inner}" for inner in _undeclared(value, known[name])]
    return tuple(found)


def typed(value: Value, wanted: Type, zone: int, what: str) -> Known | Unknown:
    """This JSON value read as that type; `zone` is the policy's offset in minutes, `what` names it in an `Unknown`."""
    match wanted, value:
        case TextType(), str():
            text = unicodedata.normalize("NFC", value)
            return Folded(text) if wanted.folded else text
        case EnumType(), str() if value in wanted.values:
            return value
        case BoolType(), bool():
            return value
        case NumberType(), int() | Decimal() if not isinstance(value, bool):
            return _number(Fraction(value), wanted, what)
        case NumberType(from_text=True), str() if _NUMERAL.fullmatch(value):
            return _number(Fraction(value), wanted, what)
        case TimeType(), str():
            return instant(value, zone) or Unknown(what=what, why="wrong type")
        case DurationType(), str():
            return lapse(value) or Unknown(what=what, why="wrong type")
        case ListType(), list():
            return tuple(typed(item, wanted.item, zone, f"{what}[{place}]") for place, item in enumerate(value))
        case MapType(), dict():
            return Keyed({key: typed(item, wanted.item, zone, f"{what}.{key}") for key, item in value.items()})
        case RecordType(), dict():
            return Fields({field.name: member(value, field, zone, what) for field in wanted.fields})
        case JsonType(), _:
            return Json(canonical(value))
    return Unknown(what=what, why="wrong type")


def member(value: dict[str, Value], field: Any, zone: int, what: str) -> Known | Unknown:
    """One declared member of a JSON object. `null` counts as missing."""
    name = f"{what}.{field.name}" if what else field.name
    found = value.get(field.name)
    if found is None and not isinstance(field.type, JsonType):
        return Unknown(what=name, why="missing")
    return typed(found, field.type, zone, name) if field.name in value else Unknown(what=name, why="missing")


@lru_cache(maxsize=4096)
def instant(text: str, zone: int) -> Instant | None:
    """The time that an ISO 8601 text names, or None. Without an offset it is `zone` minutes east of UTC."""
    try:
        moment = dt.datetime.fromisoformat(text.strip())
    except ValueError:
        return None
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=dt.timezone(dt.timedelta(minutes=zone)))
    return Instant((moment - _EPOCH) // dt.timedelta(milliseconds=1))


_EPOCH = dt.datetime(1970, 1, 1, tzinfo=dt.UTC)


def lapse(text: str) -> Lapse | None:
    """The length of time that `1h30m` or `PT1H30M` names, or None."""
    parts = _LAPSE.findall(text)
    if parts and "".join(number + unit for number, unit in parts) == text:
        return Lapse(Fraction(sum(int(number) * MILLISECONDS[unit] for number, unit in parts)))
    iso = _ISO_LAPSE.fullmatch(text)
    if iso and any(iso.groups()):
        units = zip(iso.groups(), "dhms", strict=True)
        return Lapse(Fraction(sum(int(number or 0) * MILLISECONDS[unit] for number, unit in units)))
    return None


def _number(number: Fraction, wanted: NumberType, what: str) -> Fraction | Unknown:
    if wanted.integer and number.denominator != 1:
        return Unknown(what=what, why="wrong type")
    return number


def _undeclared(value: Value, wanted: Type) -> list[str]:
    match wanted, value:
        case RecordType(), dict():
            return list(unknown_arguments(value, wanted.fields))
        case ListType(), list():
            return list(dict.fromkeys(name for item in value for name in _undeclared(item, wanted.item)))
        case MapType(), dict():
            return list(dict.fromkeys(name for item in value.values() for name in _undeclared(item, wanted.item)))
    return []


def _exact(text: str) -> Decimal:
    number = Decimal(text)
    exponent = number.as_tuple().exponent
    if len(text) > LONGEST_NUMBER or not isinstance(exponent, int) or abs(number.adjusted()) > LONGEST_NUMBER:
        raise _MalformedError
    return number


def _whole(text: str) -> int:
    if len(text) > LONGEST_NUMBER:
        raise _MalformedError
    return int(text)


def _refuse(_constant: str) -> Value:
    raise _MalformedError


def _unique(pairs: list[tuple[str, Value]]) -> dict[str, Value]:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise _MalformedError
    return found


def _no_surrogates(value: Value) -> None:
    try:
        canonical(value)
    except (ValueError, ObverseError, RecursionError) as error:
        raise _MalformedError from error
