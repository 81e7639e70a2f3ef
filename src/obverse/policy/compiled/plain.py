"""Plain values: those of which nothing can be in doubt, in the form that Python compares fastest. `None` is "in doubt".

A plain text is what it looks like (`skeleton(text) == text`), so two of them are equal, or differ for certain. A plain number is
an `int` or a `Decimal`, never a `bool`; both compare exactly. Times and lengths of time are the reference's own; lists are tuples,
records `Fields`, maps `Keyed`, all with plain members or None. Whatever else there is (look-alikes, folded texts, `json`) is in
doubt, and the reference evaluator is asked.

Everything here is total: it returns a plain value, a truth or None, whatever it is given.
"""

from __future__ import annotations

from collections.abc import Iterable
from decimal import Context, Decimal, DecimalException, Inexact
from fractions import Fraction
from typing import Any, Final, TypeAlias

import re2

from obverse.core.events import Reply
from obverse.core.verdicts import Truth
from obverse.policy import text
from obverse.policy.decision import Unknown
from obverse.policy.looks import composed, skeleton
from obverse.policy.operations import ORDER, arithmetic
from obverse.policy.reading import LONGEST_NUMBER, Fields, Folded, Instant, Keyed, Lapse

Plain: TypeAlias = "str | int | Decimal | bool | Instant | Lapse | tuple[Plain | None, ...] | Fields | Keyed"

_SCALARS: Final = frozenset({bool, Instant, Lapse})
_NUMBERS: Final = frozenset({int, Decimal})
_TIMES: Final = frozenset({Instant, Lapse})
_EXACT: Final = Context(prec=4 * LONGEST_NUMBER, traps=[Inexact])
_MOST: Final = 300
_FEW: Final = 40
"""Longer lists, and longer ones inside of another one, are left to the reference: it counts how many tests quantifiers inside of each other make."""


def plain_text(value: Any) -> str | None:
    """The text after NFC, if it is nothing but what it looks like."""
    if type(value) is not str:
        return None
    if value.isascii() and value.isprintable():
        return value
    found = composed(value)
    return found if found is not None and skeleton(found) == found else None


def plain_said(value: str) -> str | None:
    """The text as somebody said it: what was not typed by a term is not put into NFC either."""
    return value if (value.isascii() and value.isprintable()) or skeleton(value) == value else None


def plain_number(value: Any) -> int | Decimal | None:
    """A JSON number, if it is one."""
    if type(value) is int:
        return value
    fits = type(value) is Decimal and value.is_finite() and abs(value.adjusted()) <= LONGEST_NUMBER
    return value if fits else None


def plain_of(value: object) -> Any:
    """A value of the reference evaluator as a plain one."""
    match value:
        case Folded():
            return None
        case str():
            return plain_text(value)
        case bool() | Instant():
            return value
        case Fraction():
            return _slim(value)
        case Lapse():
            return Lapse(int(value.ms)) if value.ms.denominator == 1 else None  # type: ignore[arg-type]  # an int is rational
        case tuple():
            return tuple(map(plain_of, value))
        case Fields():
            return Fields({name: plain_of(item) for name, item in value.members.items()})
        case Keyed():
            keys = [plain_text(key) for key in value.items]
            return None if None in keys else Keyed({key: plain_of(item) for key, item in value.items.items()})
    return None


def _slim(number: Fraction) -> int | Decimal | None:
    if number.denominator == 1:
        return number.numerator
    try:
        return _EXACT.divide(Decimal(number.numerator), Decimal(number.denominator))
    except DecimalException:  # a third has no end
        return None


def known(value: object) -> Any:
    """A plain value as the reference evaluator has it."""
    match value:
        case bool() | str() | Instant():
            return value
        case int() | Decimal():
            return Fraction(value)
        case Lapse():
            return Lapse(Fraction(value.ms))
    return Unknown(what="value", why="missing")


# --- tests --------------------------------------------------------------------------------------------------------------


def equal(left: Any, right: Any) -> bool | None:
    """Whether two values are equal."""
    one, other = type(left), type(right)
    if one in _NUMBERS and other in _NUMBERS:
        return bool(left == right)
    if one is not other or left is None:
        return None
    if one is str or one in _SCALARS:
        return bool(left == right)
    if one is tuple:
        return every(map(equal, left, right)) if len(left) == len(right) else False
    if one is Fields:
        names = left.members.keys() | right.members.keys()
        return every(equal(left.members.get(name), right.members.get(name)) for name in names)
    return None


def every(found: Iterable[bool | None]) -> bool | None:
    """Kleene's `and`, as far as it is settled."""
    result: bool | None = True
    for one in found:
        if one is False:
            return False
        if one is None:
            result = None
    return result


def some(found: Iterable[bool | None]) -> bool | None:
    """Kleene's `or`, as far as it is settled."""
    result: bool | None = False
    for one in found:
        if one is True:
            return True
        if one is None:
            result = None
    return result


def among(item: Any, over: Any) -> bool | None:
    """Whether the item is an element of the list, or a key of the map."""
    found = list(over.items) if type(over) is Keyed else over
    if type(found) not in (tuple, list) or len(found) > _MOST:
        return None
    return some(equal(item, other) for other in found)


def elements(over: Any) -> tuple[Any, ...] | None:
    """What a quantifier ranges over."""
    found = tuple(over.items.values()) if type(over) is Keyed else over
    return found if type(found) is tuple and len(found) <= _MOST else None


def few_elements(over: Any) -> tuple[Any, ...] | None:
    """What a quantifier inside of another one ranges over."""
    found = elements(over)
    return found if found is not None and len(found) <= _FEW else None


def tested(op: Any, subject: Any, pattern: Any) -> bool | None:
    """What a test of a text says."""
    if type(subject) is not str or type(pattern) is not str:
        return None
    if op == "at domain":
        host = _SIMPLE.fullmatch(subject) if len(subject) <= _LONGEST_HOST else None
        if host is not None and _DOMAIN.fullmatch(pattern):
            return bool(host[1] == pattern or host[1].endswith("." + pattern))
    found = text.test(op, subject, pattern)
    return None if found is Truth.UNKNOWN else found is Truth.TRUE


_SIMPLE = re2.compile(r"[a-z0-9._+-]+@((?:[a-wyz0-9][a-z0-9-]*\.)+[a-wyz][a-z]+)")
_DOMAIN = re2.compile(r"(?:[a-wyz0-9][a-z0-9-]*\.)+[a-wyz][a-z]+")
_LONGEST_HOST: Final = 250
"""Addresses and domains that have one spelling: no capitals, no `xn--`, no number at the end."""


def near(left: Any, span: Any, right: Any) -> bool | None:
    """`left within span of right`."""
    if type(left) is Instant and type(span) is Lapse and type(right) is Instant:
        return bool(abs(left.ms - right.ms) <= span.ms)
    return None


# --- values -------------------------------------------------------------------------------------------------------------


def computed(op: str, left: Any, right: Any) -> Any:
    """`left op right`, exactly."""
    one, other = type(left), type(right)
    if one in _NUMBERS and other in _NUMBERS and op != "/":
        return _number(op, left, right)
    if one is Instant and other is Lapse and type(right.ms) is int and op in ("+", "-"):
        return Instant(left.ms + right.ms if op == "+" else left.ms - right.ms)
    if left is None or right is None:
        return None
    return plain_of(arithmetic(op, known(left), known(right)))


def _number(op: str, left: Any, right: Any) -> Any:
    if type(left) is int and type(right) is int:
        return left + right if op == "+" else left - right if op == "-" else left * right
    try:
        return {"+": _EXACT.add, "-": _EXACT.subtract, "*": _EXACT.multiply}[op](left, right)
    except DecimalException:
        return None


def plus(left: Any, right: Any) -> Any:
    """The sum of two numbers; None if one is in doubt."""
    if type(left) is int and type(right) is int:
        return left + right
    return _number("+", left, right) if type(left) in _NUMBERS and type(right) in _NUMBERS else None


def total(found: Iterable[Any]) -> Any:
    """The sum of all of them."""
    result: Any = 0
    for one in found:
        result = plus(result, one)
        if result is None:
            return None
    return result


def counted(found: Iterable[bool | None]) -> int | None:
    """How many are true, if all are settled."""
    count = 0
    for one in found:
        if one is None:
            return None
        count += one
    return count


def member(base: Any, name: str) -> Any:
    """`base.name`: over a list, the list of that field."""
    if type(base) is Fields:
        return base.members.get(name)
    return tuple(member(item, name) for item in base) if type(base) is tuple else None


def length(value: Any) -> int | None:
    """Of a text, a list or a map."""
    if type(value) in (str, tuple):
        return len(value)
    return len(value.items) if type(value) is Keyed else None


def has_text(turn: tuple[Any, ...]) -> bool:
    """Whether what is proposed together holds a reply that is not empty."""
    return any(isinstance(event, Reply) and event.text.strip() for event in turn)


def ordered(op: str, left: Any, right: Any) -> bool | None:
    """`<`, `<=`, `>` or `>=` of two values of which the code does not know the types."""
    one, other = type(left), type(right)
    if (one in _NUMBERS and other in _NUMBERS) or (one is other and one in _TIMES):
        return ORDER[op](left, right)
    return None
