"""The operations on typed values, three-valued: what `and`, `+` and `.name` mean, apart from where values come from.

Shared by every evaluator, so that they can differ only in how they look back.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from fractions import Fraction
from functools import lru_cache

import msgspec

from obverse.core.events import Call, Event, Reply
from obverse.core.verdicts import Truth
from obverse.policy import ast, text
from obverse.policy.checked import Checked
from obverse.policy.decision import Unknown
from obverse.policy.reading import Fields, Instant, Known, Lapse, read_json, typed
from obverse.policy.types import TextType, Type


def head_truth(checked: Checked, head: ast.Head, event: Call | Reply) -> Truth:
    """Whether a rule with this head speaks of the step. Which effects an undeclared tool has is unknown (L03)."""
    if isinstance(event, Reply):
        return Truth.of(head.kind == "reply")
    if head.kind == "any" and head.effect is not None:
        return has_effect(checked, event.tool, head.effect)
    return Truth.of(checked.matches(head, "call", event.tool))


def has_effect(checked: Checked, tool: str, effect: str) -> Truth:
    """Whether a tool has an effect; unknown for a tool that nobody declared."""
    known = checked.tools.get(tool)
    return Truth.UNKNOWN if known is None else Truth.of(effect in known.effects)


def reading(term: ast.JudgedTerm, said: str) -> Truth | None:
    """What the term's own pattern says of a text, as the test `matches`; None where the term has none."""
    return None if term.pattern is None else text.test("matches", said, term.pattern)


def read_output(output: str, wanted: Type, zone: int) -> Known | Unknown:
    """What a tool gave back, as its declared type. A tool that returns `text` may give it bare, not as a JSON string."""
    return (_short_output if len(output) <= _SHORT else _output)(output, wanted, zone)


def _output(output: str, wanted: Type, zone: int) -> Known | Unknown:
    value = read_json(output)
    if isinstance(wanted, TextType) and not isinstance(value, str):
        value = output
    if isinstance(value, Unknown):
        return Unknown(what="result", why="wrong type")
    return typed(value, wanted, zone, "")


_SHORT = 8_192  # what is read again and again is remembered, unless it is long
_short_output = lru_cache(maxsize=2048)(_output)


ORDER: dict[str, Callable[[object, object], bool]] = {
    "<": lambda left, right: left < right,  # type: ignore[operator]  # called on two values of one ordered type
    "<=": lambda left, right: left <= right,  # type: ignore[operator]  # as above
    ">": lambda left, right: left > right,  # type: ignore[operator]  # as above
    ">=": lambda left, right: left >= right,  # type: ignore[operator]  # as above
}


def every(found: Iterable[Truth], *, quick: bool = False) -> Truth:
    """Kleene's `and` of all of them; `quick` leaves out what comes after the first that is false."""
    result = Truth.TRUE
    for one in found:
        result &= one
        if quick and result is Truth.FALSE:
            break
    return result


def some(found: Iterable[Truth], *, quick: bool = False) -> Truth:
    """Kleene's `or` of all of them; `quick` leaves out what comes after the first that is true."""
    result = Truth.FALSE
    for one in found:
        result |= one
        if quick and result is Truth.TRUE:
            break
    return result


def of_event(value: Known | Unknown, event: Event) -> Known | Unknown:
    return msgspec.structs.replace(value, event=event.id) if isinstance(value, Unknown) else value


def because(value: Known | Unknown, what: str, why: str) -> Unknown:
    if isinstance(value, Unknown):
        return value
    return Unknown(what=what, why="not a list" if why == "not a list" else "wrong type")


def member_of(base: Known | Unknown, name: str) -> Known | Unknown:
    match base:
        case Fields():
            return base.members.get(name, Unknown(what=name, why="missing"))
        case tuple():
            return tuple(member_of(item, name) for item in base)
    return because(base, name, "wrong type")


def total_of(values: list[Known | Unknown]) -> Known | Unknown:
    total = Fraction(0)
    for value in values:
        if not isinstance(value, Fraction):
            return because(value, "sum", "wrong type")
        total += value
    return total


def arithmetic(op: str, left: Known | Unknown, right: Known | Unknown) -> Known | Unknown:
    if isinstance(left, Unknown):
        return left
    if isinstance(right, Unknown):
        return right
    match left, op, right:
        case Fraction(), "/", Fraction():
            return left / right if right else Unknown(what="division", why="division by zero")
        case Fraction(), _, Fraction():
            return {"+": left + right, "-": left - right, "*": left * right}[op]
        case Instant(), "-", Instant():
            return Lapse(Fraction(left.ms - right.ms))
        case Instant(), "+" | "-", Lapse():
            return Instant(left.ms + int(right.ms if op == "+" else -right.ms))
        case Lapse(), "+" | "-", Lapse():
            return Lapse(left.ms + right.ms if op == "+" else left.ms - right.ms)
        case Lapse(), "*", Fraction():
            return Lapse(left.ms * right)
        case Fraction(), "*", Lapse():
            return Lapse(left * right.ms)
        case Lapse(), "/", Fraction():
            return Lapse(left.ms / right) if right else Unknown(what="division", why="division by zero")
    return Unknown(what="arithmetic", why="wrong type")
