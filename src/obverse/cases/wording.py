"""Values and requests in the words of a person: `$1,250`, `15 May 2026 at 15:00`, `Please cancel reservation K7QX2M.`

In the language that is asked for, with its book of phrases. The names of tools and parameters stay as the policy has them:
in English they read as words, elsewhere they are quoted. Deterministic: the same key gives the same words. Nothing here
knows of rules; no operator of the language of policies ever appears.
"""

from __future__ import annotations

import datetime
import re
from collections.abc import Sequence
from decimal import Decimal
from typing import Any

from obverse.cases.choice import pick
from obverse.cases.naming import kind_of
from obverse.cases.phrases.books import book
from obverse.cases.tongues import DEFAULT, most_common, spoken
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


def framed(request: str, *key: object, language: str = DEFAULT) -> str:
    """The request as one person or another would put it."""
    return pick(book(language).frames, *key).format(text=request)


def request(tool: Tool, arguments: dict[str, Any], zone: int, *key: object, language: str = DEFAULT) -> str:
    """What a user says who wants this call: a phrase of the tool's own if one fits, and whatever it leaves unsaid."""
    fitting = _fitting(tool, arguments, language)
    if not fitting:
        return _generic(tool, arguments, zone, pick(book(language).generic, *key), language)
    return _filled(tool, arguments, zone, pick(fitting, *key), language)


def requests(tool: Tool, arguments: dict[str, Any], zone: int, *, language: str = DEFAULT) -> tuple[str, ...]:
    """All that `request` can give, whatever the key: so that a request is found again in a text."""
    if fitting := _fitting(tool, arguments, language):
        return tuple(_filled(tool, arguments, zone, phrase, language) for phrase in fitting)
    return tuple(_generic(tool, arguments, zone, template, language) for template in book(language).generic)


def details(tool: Tool, arguments: dict[str, Any], zone: int, *, language: str = DEFAULT) -> str:
    """The particulars of a call, for somebody who asks back."""
    told = " ".join(_details(tool, list(arguments.items()), zone, language))
    return f"{book(language).again} {told}" if told else book(language).nothing_more


def asked_back(tool: Tool, arguments: dict[str, Any], zone: int, *key: object, language: str = DEFAULT) -> str:
    """What somebody says who wants a yes before this call."""
    return pick(asked_backs(tool, arguments, zone, language=language), *key)


def asked_backs(tool: Tool, arguments: dict[str, Any], zone: int, *, language: str = DEFAULT) -> tuple[str, ...]:
    """All that `asked_back` can give."""
    act, rest = _act(tool, arguments, zone, language)
    told = _details(tool, rest, zone, language)
    return tuple(" ".join([*told, template.format(act=act)]) for template in book(language).asked_back)


def _fitting(tool: Tool, arguments: dict[str, Any], language: str) -> list[str]:
    """The tool's own phrases in this language that name nothing which is not there.

    A phrase that does not tell its language has that of the others.
    """
    main = most_common(tool.asks)
    return [
        phrase
        for phrase in spoken(tool.asks, language, main)
        if all(arguments.get(hole) not in _NOTHING for hole in _HOLE.findall(phrase))
    ]


def _filled(tool: Tool, arguments: dict[str, Any], zone: int, phrase: str, language: str) -> str:
    holes = set(_HOLE.findall(phrase))
    text = _HOLE.sub(lambda hole: said(arguments[hole[1]], _type(tool, hole[1]), hole[1], zone, language), phrase)
    rest = [(name, value) for name, value in arguments.items() if name not in holes]
    return " ".join([text, *_details(tool, rest, zone, language)])


def _generic(tool: Tool, arguments: dict[str, Any], zone: int, template: str, language: str) -> str:
    act, rest = _act(tool, arguments, zone, language)
    return " ".join([template.format(act=act), *_details(tool, rest, zone, language)])


def _act(tool: Tool, arguments: dict[str, Any], zone: int, language: str) -> tuple[str, list[tuple[str, Any]]]:
    """`cancel reservation K7QX2M`, and the arguments that are not in it."""
    act, rest = words(tool.name), list(arguments.items())
    if rest and kind_is_plain(_type(tool, rest[0][0])):
        name, value = rest.pop(0)
        told = said(value, _type(tool, name), name, zone, language)
        stem = words(name).removesuffix("id").strip()
        if kind_is_short(name) and stem in act:  # `cancel reservation K7QX2M`, never `book reservation U4` for a user
            act += f" {told}"
        else:
            rest.insert(0, (name, value))
    return act, rest


def _details(tool: Tool, arguments: Sequence[tuple[str, Any]], zone: int, language: str) -> list[str]:
    if language == "en":
        return [_detail(name, value, _type(tool, name), zone) for name, value in arguments]
    form = book(language).detail
    return [
        form.format(name=_start(words(name)), value=said(value, _type(tool, name), name, zone, language))
        for name, value in arguments
        if value not in _NOTHING
    ]


def _detail(name: str, value: Any, type: Type | None, zone: int) -> str:
    """One particular in English, where the name of a parameter is a word."""
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


def said(value: Any, type: Type | None, name: str, zone: int, language: str = DEFAULT) -> str:
    """A JSON value as a person says it; ids and names stay as they are."""
    words_ = book(language)
    match type, value:
        case _, None:
            return words_.nothing
        case _, bool():
            return words_.yes if value else words_.no
        case (TimeType(), str()) if (moment := instant(value, zone)) is not None:
            return said_time(moment, zone, bare="T" not in value and " " not in value, language=language)
        case (DurationType(), str()) if (length := lapse(value)) is not None:
            return said_lapse(length, language)
        case EnumType(), str():
            return value.replace("_", " ")
        case ((NumberType() | None), int() | float() | Decimal()):
            return said_number(value, money=bool(_MONEY.fullmatch(name)), language=language)
        case ListType(), list():
            return listed([said(item, type.item, name, zone, language) for item in value], language)
        case MapType(), dict():
            return listed(
                [f"{key} ({said(item, type.item, name, zone, language)})" for key, item in value.items()], language
            )
        case RecordType(), dict():
            return _said_record(value, type.fields, zone, language)
        case _, list():
            return listed([said(item, None, name, zone, language) for item in value], language)
        case _, dict():
            return listed(
                [f"{words(str(key))} {said(item, None, str(key), zone, language)}" for key, item in value.items()],
                language,
            )
    return str(value)


def _said_record(value: dict[str, Any], fields: tuple[Field, ...], zone: int, language: str) -> str:
    types = {field.name: field.type for field in fields}
    if {"first_name", "last_name"} <= value.keys():
        name = f"{value['first_name']} {value['last_name']}"
        rest = [item for key, item in value.items() if key not in ("first_name", "last_name")]
        return f"{name} ({', '.join(str(item) for item in rest)})" if rest else name
    parts = [
        f"{words(key)} {said(item, types.get(key), key, zone, language)}" if place or not kind_is_short(key)
        else said(item, types.get(key), key, zone, language)
        for place, (key, item) in enumerate(value.items())
    ]  # fmt: skip
    return ", ".join(parts)


def said_number(value: float | Decimal, *, money: bool, language: str = DEFAULT) -> str:
    """`$1,250`, `$12.50`, `3`; elsewhere `1250 $` and `12,50 $`, without marks of thousands, which mean another thing there."""
    number = value if isinstance(value, Decimal) else Decimal(str(value))
    plain = number_text(int(number) if number == int(number) else number)
    words_ = book(language)
    if not money:
        return plain.replace(".", words_.point)
    digits = f"{abs(number):,.2f}" if number == round(number, 2) and number != int(number) else f"{abs(number):,f}"
    whole = digits.removesuffix(".0").removesuffix(".00") if number == int(number) else digits
    if language != "en":
        whole = whole.replace(",", "").replace(".", words_.point)
    return f"{'-' if number < 0 else ''}{words_.money.format(whole=whole)}"


def said_time(moment: Instant, zone: int, *, bare: bool = False, language: str = DEFAULT) -> str:
    """`15 May 2026 at 15:00`; seconds only where there are any, the date alone for `bare`."""
    when = datetime.datetime.fromtimestamp(moment.ms // 1000, tz=datetime.timezone(datetime.timedelta(minutes=zone)))
    words_ = book(language)
    date = words_.date.format(day=when.day, month=words_.months[when.month - 1], year=when.year)
    time = f"{when:%H:%M:%S}" if when.second else f"{when:%H:%M}"
    return date if bare else words_.moment.format(date=date, time=time)


def said_lapse(length: Lapse, language: str = DEFAULT) -> str:
    """`24 hours`, `90 seconds`."""
    seconds = int(length.ms // 1000)
    units = book(language).units
    for size, unit in ((86_400, "day"), (3_600, "hour"), (60, "minute"), (1, "second")):
        if seconds and seconds % size == 0:
            return f"{seconds // size} {units[unit][seconds != size]}"
    return f"{int(length.ms)} {units['millisecond'][1]}"


def listed(items: Sequence[str], language: str = DEFAULT) -> str:
    """`a`, `a and b`, `a, b and c`."""
    if any(", " in item for item in items):
        return "; ".join(items)
    und = book(language).und
    return f" {und} ".join([", ".join(items[:-1]), items[-1]]) if len(items) > 1 else "".join(items)


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
