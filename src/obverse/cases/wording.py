"""Values and requests in the words of a person: `$1,250`, `15 May 2026 at 15:00`, `Please cancel reservation K7QX2M.`

Deterministic: the same key gives the same words. Nothing here knows of rules; no operator of the language ever appears.
"""

from __future__ import annotations

import datetime
import re
from collections.abc import Sequence
from decimal import Decimal
from typing import Any

from obverse.cases.choice import pick
from obverse.cases.naming import kind_of
from obverse.core.canon import number_text
from obverse.policy.ast import Tool
from obverse.policy.reading import Instant, Lapse, instant, lapse
from obverse.policy.types import (
    BoolType,
    DurationType,
    EnumType,
    Field,
    ListType,
    MapType,
    NumberType,
    RecordType,
    TextType,
    TimeType,
    Type,
)  # fmt: skip

_MONEY = re.compile(
    r"(.*_)?(amount|price|fee|refund|cost|budget|balance|salary|sum|payment|deposit|credit)|total|total_(price|cost|amount)",
    re.I,
)
_PLURAL = re.compile(r"(bags|baggages|items|days|nights|people|passengers|guests|copies|units|shares|points)$")
_HOLE = re.compile(r"\{([^{}]+)\}")
_NOTHING: tuple[Any, ...] = (None, "", [], {})
_FRAMES = (
    "{request}", "{request}", "Hello! {request}", "Hi, I hope you can help me. {request}", "{request} Thank you!",
    "Good morning. {request}", "Hi there. {request} Thanks in advance.", "Hey, quick one. {request}", "{request} Cheers.",
    "I have a request. {request}",
)  # fmt: skip
_BACK = (
    "Just to be sure: you want me to {act}. Shall I go ahead?",
    "Before I do anything: I would {act}. Is that right?",
    "I can do that. I am about to {act}. May I go ahead?",
)
_GENERIC = ("Please {act}.", "Could you please {act}?", "I'd like you to {act}.", "Can you {act}, please?")


def framed(request: str, *key: object) -> str:
    """The request as one person or another would put it."""
    return pick(_FRAMES, *key).format(request=request)


def request(tool: Tool, arguments: dict[str, Any], zone: int, *key: object) -> str:
    """What a user says who wants this call: a phrase of the tool's own if one fits, and whatever it leaves unsaid."""
    fitting = [
        phrase for phrase in tool.asks if all(arguments.get(hole) not in _NOTHING for hole in _HOLE.findall(phrase))
    ]
    if not fitting:
        return _generic(tool, arguments, zone, *key)
    phrase = pick(fitting, *key)
    holes = set(_HOLE.findall(phrase))
    text = _HOLE.sub(lambda hole: said(arguments[hole[1]], _type(tool, hole[1]), hole[1], zone), phrase)
    rest = [(name, value) for name, value in arguments.items() if name not in holes]
    return " ".join([text, *_details(tool, rest, zone)])


def details(tool: Tool, arguments: dict[str, Any], zone: int) -> str:
    """The particulars of a call, for somebody who asks back."""
    told = " ".join(_details(tool, list(arguments.items()), zone))
    return f"Here are the details again. {told}" if told else "There is nothing more to it than that."


def asked_back(tool: Tool, arguments: dict[str, Any], zone: int, *key: object) -> str:
    """What somebody says who wants a yes before this call."""
    act, rest = _act(tool, arguments, zone)
    return " ".join([*_details(tool, rest, zone), pick(_BACK, *key).format(act=act)])


def _generic(tool: Tool, arguments: dict[str, Any], zone: int, *key: object) -> str:
    act, rest = _act(tool, arguments, zone)
    return " ".join([pick(_GENERIC, *key).format(act=act), *_details(tool, rest, zone)])


def _act(tool: Tool, arguments: dict[str, Any], zone: int) -> tuple[str, list[tuple[str, Any]]]:
    """`cancel reservation K7QX2M`, and the arguments that are not in it."""
    act, rest = words(tool.name), list(arguments.items())
    if rest and kind_is_plain(_type(tool, rest[0][0])):
        name, value = rest.pop(0)
        told = said(value, _type(tool, name), name, zone)
        stem = words(name).removesuffix("id").strip()
        if kind_is_short(name) and stem in act:  # `cancel reservation K7QX2M`, never `book reservation U4` for a user
            act += f" {told}"
        else:
            rest.insert(0, (name, value))
    return act, rest


def _details(tool: Tool, arguments: Sequence[tuple[str, Any]], zone: int) -> list[str]:
    return [_detail(name, value, _type(tool, name), zone) for name, value in arguments]


def _detail(name: str, value: Any, type: Type | None, zone: int) -> str:
    subject = words(name)
    if re.fullmatch(r"user|customer|client|owner|account|user_id|customer_id", name):
        return f"It is for {said(value, type, name, zone)}."
    if isinstance(type, BoolType):
        return f"{_start(subject)}: {'yes' if value else 'no'}."
    if isinstance(type, EnumType) and value in ("yes", "no"):
        return f"{'With' if value == 'yes' else 'Without'} {subject}, please."
    told = said(value, type, name, zone)
    plural = isinstance(type, ListType | MapType) and subject.endswith("s")
    if not told:
        return f"There {'are' if plural else 'is'} no {subject}."
    if isinstance(type, TextType) and " " in told and kind_of(name) == "note":
        return f"For the {subject}, write “{told}”."
    if plural:
        return f"{_start(subject)}: {told}."
    return f"The {subject} {'are' if _PLURAL.search(subject) else 'is'} {told}."


def said(value: Any, type: Type | None, name: str, zone: int) -> str:
    """A JSON value as a person says it; ids and names stay as they are."""
    match type, value:
        case _, None:
            return "nothing"
        case _, bool():
            return "yes" if value else "no"
        case (TimeType(), str()) if (moment := instant(value, zone)) is not None:
            return said_time(moment, zone, bare="T" not in value and " " not in value)
        case (DurationType(), str()) if (length := lapse(value)) is not None:
            return said_lapse(length)
        case EnumType(), str():
            return value.replace("_", " ")
        case ((NumberType() | None), int() | float() | Decimal()):
            return said_number(value, money=bool(_MONEY.fullmatch(name)))
        case ListType(), list():
            return listed([said(item, type.item, name, zone) for item in value])
        case MapType(), dict():
            return listed([f"{key} ({said(item, type.item, name, zone)})" for key, item in value.items()])
        case RecordType(), dict():
            return _said_record(value, type.fields, zone)
        case _, list():
            return listed([said(item, None, name, zone) for item in value])
        case _, dict():
            return listed([f"{words(str(key))} {said(item, None, str(key), zone)}" for key, item in value.items()])
    return str(value)


def _said_record(value: dict[str, Any], fields: tuple[Field, ...], zone: int) -> str:
    types = {field.name: field.type for field in fields}
    if {"first_name", "last_name"} <= value.keys():
        name = f"{value['first_name']} {value['last_name']}"
        rest = [item for key, item in value.items() if key not in ("first_name", "last_name")]
        return f"{name} ({', '.join(str(item) for item in rest)})" if rest else name
    parts = [
        f"{words(key)} {said(item, types.get(key), key, zone)}" if place or not kind_is_short(key)
        else said(item, types.get(key), key, zone)
        for place, (key, item) in enumerate(value.items())
    ]  # fmt: skip
    return ", ".join(parts)


def said_number(value: float | Decimal, *, money: bool) -> str:
    """`$1,250`, `$12.50`, `3`."""
    number = value if isinstance(value, Decimal) else Decimal(str(value))
    plain = number_text(int(number) if number == int(number) else number)
    if not money:
        return plain
    digits = f"{abs(number):,.2f}" if number == round(number, 2) and number != int(number) else f"{abs(number):,f}"
    whole = digits.removesuffix(".0").removesuffix(".00") if number == int(number) else digits
    return f"{'-' if number < 0 else ''}${whole}"


def said_time(moment: Instant, zone: int, *, bare: bool = False) -> str:
    """`15 May 2026 at 15:00`; seconds only where there are any, the date alone for `bare`."""
    when = datetime.datetime.fromtimestamp(moment.ms // 1000, tz=datetime.timezone(datetime.timedelta(minutes=zone)))
    date = f"{when.day} {when:%B %Y}"
    return date if bare else f"{date} at {when:%H:%M:%S}" if when.second else f"{date} at {when:%H:%M}"


def said_lapse(length: Lapse) -> str:
    """`24 hours`, `90 seconds`."""
    seconds = int(length.ms // 1000)
    for size, unit in ((86_400, "day"), (3_600, "hour"), (60, "minute"), (1, "second")):
        if seconds and seconds % size == 0:
            return f"{seconds // size} {unit}{'s' if seconds != size else ''}"
    return f"{int(length.ms)} milliseconds"


def listed(items: Sequence[str]) -> str:
    """`a`, `a and b`, `a, b and c`."""
    if any(", " in item for item in items):
        return "; ".join(items)
    return " and ".join([", ".join(items[:-1]), items[-1]]) if len(items) > 1 else "".join(items)


def words(name: str) -> str:
    """`reservation id` for `reservation_id` and `reservationId`."""
    parted = re.sub(r"(?<=[a-z0-9])(?=[A-Z])", " ", name)
    return re.sub(r"[_\-.\s]+", " ", parted).strip().lower()


def kind_is_short(name: str) -> bool:
    """Whether a value of this name speaks for itself: an id, a name, a number."""
    return bool(re.fullmatch(r".*(id|name|number|code|reference|query|text|url|path|file|user)", name.lower()))


def kind_is_plain(type: Type | None) -> bool:
    """Whether a value of this type can stand in the middle of a sentence."""
    return not isinstance(type, ListType | MapType | RecordType | BoolType)


def _type(tool: Tool, name: str) -> Type | None:
    field = tool.parameter(name)
    return field.type if field else None


def _start(text: str) -> str:
    return text[:1].upper() + text[1:]
