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
from collections.abc import Iterable
from decimal import Decimal
from fractions import Fraction
from functools import lru_cache
from typing import Any, Final, TypeAlias

import msgspec

from obverse.core.canon import Value, canonical
from obverse.core.errors import ObverseError
from obverse.policy.decision import Unknown
from obverse.policy.looks import composed, skeleton
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
    """Something of type `json`, in canonical form and as a person sees it: only good for equality."""

    canonical: bytes
    seen: bytes


Known: TypeAlias = "str | Fraction | bool | Instant | Lapse | tuple[Known | Unknown, ...] | Fields | Keyed | Json"

LONGEST_NUMBER: Final = 400
_SHALLOW: Final = 64
_LONGEST_TIME = 64  # no time needs more characters; what is longer is none, and nobody remembers it
_NUMERAL = re.compile(r"-?[0-9]{1,300}(\.[0-9]{1,300})?")
_LAPSE = re.compile(r"([0-9]{1,15})(ms|s|m|h|d|w)")
_LAPSES = re.compile(rf"(?:{_LAPSE.pattern})+")
_ISO_LAPSE = re.compile(r"P(?:([0-9]{1,15})D)?(?:T(?:([0-9]{1,15})H)?(?:([0-9]{1,15})M)?(?:([0-9]{1,15})S)?)?")
MILLISECONDS: Final = {"ms": 1, "s": 1_000, "m": 60_000, "h": 3_600_000, "d": 86_400_000, "w": 604_800_000}


class _MalformedError(Exception):
    """A text that two programs may read in two ways."""


def read_json(text: str) -> Value | Unknown:
    """The JSON value of a text, with exact numbers; unknown if it is malformed in any way."""
    try:
        value: Value = _DECODER.decode(text)
        text.encode()
        if text.count("[") + text.count("{") > _SHALLOW:
            _not_deep(value)
        if "\\u" in text:
            _no_surrogates(value)  # without an escape there is none to find
    except (ValueError, ArithmeticError, RecursionError, _MalformedError):
        return Unknown(what="JSON", why="malformed arguments")
    return value


def read_arguments(text: str) -> dict[str, Value] | Unknown:
    """The arguments of a call by name; unknown if the text is not one well-formed JSON object. An empty text is `{}`."""
    return (_short_arguments if len(text) <= _SHORT else _arguments)(text)


def _arguments(text: str) -> dict[str, Value] | Unknown:
    value = read_json(text or "{}")
    if isinstance(value, dict | Unknown):
        return value
    return Unknown(what="arguments", why="malformed arguments")


_SHORT = 65_536  # what is read again and again is remembered, unless it is long
_short_arguments = lru_cache(maxsize=1024)(_arguments)


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
            text = composed(value)
            if text is None:
                return Unknown(what=what, why="wrong type")
            return Folded(text) if wanted.folded else text
        case EnumType(), str() if value in wanted.values:
            return value
        case BoolType(), bool():
            return value
        case NumberType(), int() | Decimal() if not isinstance(value, bool):
            return _number(value, wanted, what)
        case NumberType(from_text=True), str() if _NUMERAL.fullmatch(value):
            return _number(Decimal(value), wanted, what)
        case TimeType(), str():
            return instant(value, zone) or Unknown(what=what, why="wrong type")
        case DurationType(), str():
            return lapse(value) or Unknown(what=what, why="wrong type")
        case ListType(), list():
            return tuple(typed(item, wanted.item, zone, f"{what}[{place}]") for place, item in enumerate(value))
        case MapType(), dict():
            return _keyed(value, wanted, zone, what)
        case RecordType(), dict():
            return Fields({field.name: member(value, field, zone, what) for field in wanted.fields})
        case JsonType(), _:
            return _json(value, what)
    return Unknown(what=what, why="wrong type")


def member(value: dict[str, Value], field: Any, zone: int, what: str) -> Known | Unknown:
    """One declared member of a JSON object. `null` counts as missing."""
    name = f"{what}.{field.name}" if what else field.name
    found = value.get(field.name)
    if found is None and not isinstance(field.type, JsonType):
        return Unknown(what=name, why="missing")
    return typed(found, field.type, zone, name) if field.name in value else Unknown(what=name, why="missing")


def instant(text: str, zone: int) -> Instant | None:
    """The time that an ISO 8601 text names, or None. Without an offset it is `zone` minutes east of UTC."""
    return _instant(text, zone) if len(text) <= _LONGEST_TIME else None


@lru_cache(maxsize=4096)
def _instant(text: str, zone: int) -> Instant | None:
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
    if _LAPSES.fullmatch(text):
        parts = _LAPSE.findall(text)
        return Lapse(Fraction(sum(int(number) * MILLISECONDS[unit] for number, unit in parts)))
    iso = _ISO_LAPSE.fullmatch(text)
    if iso and any(iso.groups()):
        units = zip(iso.groups(), "dhms", strict=True)
        return Lapse(Fraction(sum(int(number or 0) * MILLISECONDS[unit] for number, unit in units)))
    return None


def _number(number: int | Decimal, wanted: NumberType, what: str) -> Fraction | Unknown:
    if isinstance(number, Decimal) and not _writable(number):
        return Unknown(what=what, why="wrong type")
    exact = Fraction(number)
    return Unknown(what=what, why="wrong type") if wanted.integer and exact.denominator != 1 else exact


def _keyed(value: dict[str, Value], wanted: MapType, zone: int, what: str) -> Keyed | Unknown:
    """The map with its keys after NFC; unknown where two keys are one then."""
    items = {composed(key): typed(item, wanted.item, zone, f"{what}.{key}") for key, item in value.items()}
    known = {key: item for key, item in items.items() if key is not None}
    return Keyed(known) if len(known) == len(value) else Unknown(what=what, why="wrong type")


def _writable(number: Decimal) -> bool:
    """Whether it can be written out in a few hundred digits."""
    return number.is_finite() and abs(number.adjusted()) <= LONGEST_NUMBER


def _json(value: Value, what: str) -> Json | Unknown:
    try:
        return Json(canonical(value), canonical(_seen(value)))
    except (ValueError, RecursionError, ObverseError):  # a fact, which is no JSON text, may hold anything
        return Unknown(what=what, why="wrong type")


def _seen(value: Value) -> Value:
    """The value with what a person sees of each of its texts."""
    match value:
        case str():
            return skeleton(value)
        case list():
            return [_seen(item) for item in value]
        case dict():
            return {skeleton(key): _seen(item) for key, item in sorted(value.items())}
    return value


def _undeclared(value: Value, wanted: Type) -> list[str]:
    match wanted, value:
        case RecordType(), dict():
            return list(unknown_arguments(value, wanted.fields))
        case ListType(), list():
            return list(dict.fromkeys(name for item in value for name in _undeclared(item, wanted.item)))
        case MapType(), dict():
            return list(dict.fromkeys(name for item in value.values() for name in _undeclared(item, wanted.item)))
    return []


def exact_number(text: str) -> Decimal:
    """The number that is written there; an error if it is too long to be written out."""
    number = Decimal(text)
    if len(text) > LONGEST_NUMBER or not _writable(number):
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


_DECODER = json.JSONDecoder(
    parse_float=exact_number, parse_int=_whole, parse_constant=_refuse, object_pairs_hook=_unique
)


def _not_deep(value: Value) -> None:
    """Raises for what is nested deeper than any evaluator should have to follow, whatever the depth of the caller."""
    level: list[Value] = [value]
    for _ in range(_SHALLOW):
        level = [inner for item in level if isinstance(item, list | dict) for inner in _inside(item)]
        if not level:
            return
    raise _MalformedError


def _inside(value: list[Value] | dict[str, Value]) -> Iterable[Value]:
    return value.values() if isinstance(value, dict) else value


def _no_surrogates(value: Value) -> None:
    try:
        canonical(value)
    except (ValueError, ObverseError, RecursionError) as error:
        raise _MalformedError from error
