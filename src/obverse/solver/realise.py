"""A model of the formulas → a concrete scenario: events, JSON and texts that a person could have produced.

Whatever no question touched is filled in plainly, or taken over from the scenario that this one is to be near to. Nothing
here is trusted: the result is replayed by `find`.
"""

from __future__ import annotations

import datetime
import json
from collections.abc import Iterable, Mapping
from decimal import Decimal
from fractions import Fraction
from typing import Any, Final, Literal, TypeAlias

import msgspec
import z3

from obverse.core.events import (
    AnyEvent,
    Approval,
    Call,
    Denied,
    Fact,
    Grant,
    Message,
    Reply,
    Result,
    Step,
    Thought,
)
from obverse.policy.decide import call_digest
from obverse.policy.reading import MILLISECONDS
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
)
from obverse.solver.answers import Scenario
from obverse.solver.layout import Slot
from obverse.solver.spelling import Unspellable, word
from obverse.solver.texts import Asked
from obverse.solver.trace import STEP, Path, Trace

ABSENT: Final = object()
_SAID: Final = {"message": "Hello, I need some help.", "reply": "How can I help you?", "thought": "Let me see."}
_APART_MS: Final = 30_000
_MOST: Final = 10**400
"""Numbers with more digits than that are refused as malformed wherever arguments are read."""
_SHOWN: Final = 60
_OPENING_MS: Final = 10_000


Opening: TypeAlias = Literal["none", "first", "after facts"]
"""Where a message goes that nobody asked for: a session begins with one."""


class NoDecimal(Exception):  # noqa: N818  # it names a value, and becomes an answer
    """A number that no JSON text can hold exactly; the text is the number."""


class Realiser:
    """Turns one model of one trace into a scenario."""

    def __init__(
        self,
        trace: Trace,
        model: z3.ModelRef,
        texts: Mapping[int, str],
        near: Mapping[Any, AnyEvent],
        covered: frozenset[Path],
    ) -> None:
        self.trace = trace
        self.covered = covered
        self.model = model
        self.texts = texts
        self.near = near

    def scenario(self, *, opening: Opening) -> Scenario:
        """The whole scenario, with a plain first message where no question spoke of messages."""
        numbers = [n for n, present in enumerate(self.trace.present) if self._holds(present)]
        history: list[AnyEvent] = []
        calls: dict[int, str] = {}
        turn = 0
        when: dict[int | str, int | None] = {**self._times(numbers)}
        when = {at: time if self._given((at, "timed")) else None for at, time in when.items()}
        step = self._step(turn=sum(self.trace.layout.slots[n].kind in _PROPOSED for n in numbers) + 1, when=when[STEP])
        for number in numbers:
            slot = self.trace.layout.slots[number]
            turn += slot.kind in _PROPOSED
            if slot.kind in ("call", "denied"):
                calls[number] = f"c{len(calls) + 1}"
            shared = {"id": "", "time": when[number], "turn": turn}
            history.append(self._event(number, slot, shared, calls, step))
        if opening != "none":
            history = self._opened(history, when[STEP], first=opening == "first")
        return Scenario(history=tuple(_renumbered(history)), step=step)

    # --- events ---------------------------------------------------------------------------------------------------------

    def _event(self, number: int, slot: Slot, shared: dict[str, Any], calls: dict[int, str], step: Step) -> AnyEvent:
        name = slot.name or ""
        match slot.kind:
            case "message":
                return Message(**shared, text=self._said(number, "message"), labels=self._labels(number, "message"))
            case "reply":
                return Reply(**shared, text=self._said(number, "reply"), labels=self._labels(number, "reply"))
            case "thought":
                return Thought(**shared, text=self._said(number, "thought"), labels=self._labels(number, "thought"))
            case "call":
                return Call(**shared, call_id=calls[number], tool=name, arguments=self._arguments(number, name))
            case "denied":
                return Denied(**shared, call_id=calls[number], tool=name, arguments=self._arguments(number, name))
            case "result":
                call = calls[slot.call] if slot.call is not None else ""
                failed = (number, "failed") in self.covered and self._holds(self.trace.labels[number, "failed"])
                output = self._error(number) if failed else self._output(number, name)
                return Result(**shared, call_id=call, tool=name, output=output, failed=failed)
            case "fact":
                fact = self.trace.checked.facts[name]
                before = self.near.get(number)
                value = self._fill((number, "value"), fact.type, name, getattr(before, "value", ABSENT))
                return Fact(**shared, name=name, value=value)
            case "approval":
                by = self._leaf((number, "by"))
                return Approval(**shared, call=call_digest(step.event), by=by if isinstance(by, str) else "supervisor")
            case "grant":
                return Grant(**shared, grant=f"grant-{number + 1}", clauses=())

    def _step(self, *, turn: int, when: int | None) -> Step:
        act = self.trace.act
        shared: dict[str, Any] = {"time": when, "turn": turn}
        event: Call | Reply
        if act.kind == "reply":
            event = Reply(**shared, id="step", text=self._said(STEP, "reply"), labels=self._labels(STEP, "reply"))
        else:
            tool = act.tool or ""
            event = Call(**shared, id="step", call_id="c0", tool=tool, arguments=self._arguments(STEP, tool))
        beside: list[Call | Reply] = []
        touched = self.trace.touched_turn
        if touched is not None:
            calls = self.model.eval(touched[0], model_completion=True).as_long() - (1 if act.kind == "call" else 0)
            # placed after the step, so that no limit counts them
            for place in range(calls):
                name = self._companion()
                text = self._arguments(f"beside{place}", name)
                beside.append(
                    Call(**shared, id=f"step{place + 2}", call_id=f"c0{place + 2}", tool=name, arguments=text)
                )
            if act.kind == "call" and self._holds(touched[1]):
                beside.append(
                    Reply(**shared, id="said", text="One moment, please.", labels=self._plain_labels("reply"))
                )
        return Step(event=event, turn=(event, *beside))

    def _companion(self) -> str:
        """A tool to call beside the step: one that only reads, if there is one; one that nobody declared, if there is none."""
        tools, own = self.trace.checked.tools, self.trace.act.tool
        reading = [name for name, tool in tools.items() if tool.effects == ("read",)]
        return (reading or ([own] if own else [*tools, "another_tool"]))[0]

    def _opened(self, history: list[AnyEvent], step_time: int | None, *, first: bool) -> list[AnyEvent]:
        """The history with a plain message: the very first event, or after what the host knows from the start."""
        place = (
            0 if first else next((n for n, event in enumerate(history) if not isinstance(event, Fact)), len(history))
        )
        time = history[place].time if place < len(history) else step_time
        if time is not None:
            before = history[place - 1].time if place else None
            time = max(0, time - _OPENING_MS) if before is None else min(time, before + _OPENING_MS)
        message = Message(id="", time=time, text=_SAID["message"], labels=self._plain_labels("message"))
        return [*history[:place], message, *history[place:]]

    def _times(self, numbers: list[int]) -> dict[int | str, int]:
        if self.trace.has_times:
            unit = self.trace.layout.unit
            times = [self.model.eval(time, model_completion=True).as_long() * unit for time in self.trace.times]
            return {STEP: times[-1], **{number: times[number] for number in numbers}}
        start = self.trace.settings.start_ms
        found: dict[int | str, int] = {n: start + place * _APART_MS for place, n in enumerate(numbers)}
        found[STEP] = start + len(numbers) * _APART_MS
        return found

    # --- texts and labels -----------------------------------------------------------------------------------------------

    def _said(self, at: int | str, subject: str) -> str:
        found = self._leaf((at, "text"))
        if isinstance(found, str):
            return found
        before = self.near.get(at)
        if before is not None and getattr(before, "labels", None) == self._labels(at, subject):
            return str(getattr(before, "text", ""))
        yes: list[str] = []
        no_: list[str] = []
        for name, term in self.trace.checked.judged.items():
            label = self._label(at, name)
            if term.subject == subject and label is not None:
                (yes if label else no_).extend((term.yes if label else term.no)[:1])
        return " ".join(yes) or " ".join(no_[:1]) or _SAID[subject]

    def _labels(self, at: int | str, subject: str) -> dict[str, bool]:
        found = self._plain_labels(subject)
        before = self.near.get(at)
        if before is not None:
            found.update({k: v for k, v in getattr(before, "labels", {}).items() if k in found})
        for name in found:
            label = self._label(at, name)
            if label is not None:
                found[name] = label
        return {name: label for name, label in found.items() if self._given((at, "answered", name))}

    def _label(self, at: int | str, name: str) -> bool | None:
        path = (at, "label", name)
        return self._holds(self.trace.labels[path]) if path in self.covered and path in self.trace.labels else None

    def _plain_labels(self, subject: str) -> dict[str, bool]:
        """No to every predicate: a witness leaves nothing unanswered that was not asked about."""
        judged = self.trace.checked.judged
        return {name: False for name, term in sorted(judged.items()) if term.subject == subject}

    # --- values ---------------------------------------------------------------------------------------------------------

    def _arguments(self, at: int | str, tool: str) -> str:
        declared = self.trace.checked.tools.get(tool)
        before = self.near.get(at)
        old = _parsed(getattr(before, "arguments", "{}"))
        values = self._members((at, "argument"), declared.parameters if declared else (), old)
        return _json(values)

    def _output(self, number: int, tool: str) -> str:
        returns = self.trace.checked.tools[tool].returns
        before = self.near.get(number)
        old = getattr(before, "output", None)
        if returns is None:
            found = self._leaf((number, "text"))
            return found if isinstance(found, str) else old or "ok"
        if isinstance(returns, TextType):
            found = self._fill((number, "value"), returns, tool, old if old is not None else ABSENT)
            return str(found)
        return _json(self._fill((number, "value"), returns, tool, _parsed(old, ABSENT)))

    def _error(self, number: int) -> str:
        """What a failed tool gave back: its text where a question was about that."""
        asked = [self._leaf((number, "text")), self._leaf((number, "value"))]
        return next((text for text in asked if isinstance(text, str)), "error: the tool is not available")

    def _members(self, path: Path, fields: tuple[Field, ...], old: Any) -> dict[str, Any]:
        before = old if isinstance(old, dict) else {}
        found: dict[str, Any] = {}
        for field in fields:
            inner = (*path, field.name)
            presence = self.trace.presences.get((*inner, "?")) if (*inner, "?") in self.covered else None
            if presence is not None and not self._holds(presence):
                continue
            known = before.get(field.name, ABSENT)
            if field.optional and presence is None and known is ABSENT and not self._touched(inner):
                continue
            found[field.name] = self._fill(inner, field.type, field.name, known)
        return found

    def _touched(self, path: Path) -> bool:
        return any(one[: len(path)] == path for one in self.covered)

    def _fill(self, path: Path, of: Type, name: str, old: Any) -> Any:
        """The JSON value at a path: the model's, else the old one, else a plain one; `null` for one that is missing."""
        presence = self.trace.presences.get((*path, "?")) if (*path, "?") in self.covered else None
        if presence is not None and not self._holds(presence):
            return None
        leaf = self._leaf(path)
        if leaf is not ABSENT:
            return leaf
        match of:
            case RecordType():
                return self._members(path, of.fields, old)
            case ListType():
                olds = old if isinstance(old, list) else []
                count = self._count(path, len(olds) if isinstance(old, list) else 1)
                at = [olds[n] if n < len(olds) else ABSENT for n in range(count)]
                return [self._fill((*path, n), of.item, name, at[n]) for n in range(count)]
            case MapType():
                return self._map(path, of, name, old)
        return old if old is not ABSENT else self._plain(of, name)

    def _map(self, path: Path, of: MapType, name: str, old: Any) -> dict[str, Any]:
        if path not in self.covered:
            return old if isinstance(old, dict) else {}
        found = {}
        for n in range(self._count(path, 0)):
            key = self._leaf((*path, n, "key"))
            found[str(key)] = self._fill((*path, n, "value"), of.item, name, ABSENT)
        return found

    def _count(self, path: Path, otherwise: int) -> int:
        length = self.trace.lengths.get(path)
        return (
            otherwise
            if length is None or path not in self.covered
            else int(self.model.eval(length, model_completion=True).as_long())
        )

    def _leaf(self, path: Path) -> Any:
        """The value of the variable at a path as JSON, or ABSENT if no question touched it."""
        leaf = self.trace.leaves.get(path)
        if leaf is None or path not in self.covered:
            return ABSENT
        value = self.model.eval(leaf.scalar.term, model_completion=True)
        match leaf.scalar.kind:
            case "bool":
                return z3.is_true(value)
            case "text":
                return self.texts[value.as_long()]
            case "json":
                return f"{path[-1]}-{value.as_long()}"
            case "time":
                return iso(value.as_long() * self.trace.layout.unit)
            case "duration":
                return lapse(value.as_long() * self.trace.layout.unit)
            case "number":
                return _decimal(_rational(value))

    def _plain(self, of: Type, name: str) -> Any:
        match of:
            case TextType():
                return word(name, 0)
            case NumberType():
                return 1
            case BoolType():
                return False
            case EnumType():
                return of.values[0]
            case TimeType():
                return iso(self.trace.settings.start_ms - 86_400_000)
            case DurationType():
                return "1h"
            case _:
                return {}

    def _given(self, path: Path) -> bool:
        """Whether a judge answered, or an event has a time."""
        return path not in self.covered or self._holds(self.trace.given[path])

    def _holds(self, formula: z3.BoolRef) -> bool:
        return bool(z3.is_true(self.model.eval(formula, model_completion=True)))


_PROPOSED = ("call", "denied", "reply")


def realise(
    trace: Trace,
    model: z3.ModelRef,
    near: Mapping[Any, AnyEvent],
    *,
    covered: frozenset[Path],
    asked: Iterable[Asked],
    opening: Opening,
) -> Scenario | Unspellable:
    """The scenario that this model describes, or why its texts cannot be spelled.

    Only `covered` variables and `asked` text tests count: others belong to questions that are not asked now.

    Raises:
        NoDecimal: if a number of the model has no finite decimal notation.
    """
    leaves = [leaf for path, leaf in trace.leaves.items() if path in covered and leaf.scalar.kind == "text"]
    texts = trace.texts.spell(model, [(_hint(leaf.path), leaf.scalar.term) for leaf in leaves], asked)
    if isinstance(texts, Unspellable):
        return texts
    return Realiser(trace, model, texts, near, covered).scenario(opening=opening)


def iso(ms: int) -> str:
    """A time as ISO 8601 in UTC: `2026-01-05T10:00:00Z`."""
    moment = datetime.datetime(1970, 1, 1, tzinfo=datetime.UTC) + datetime.timedelta(milliseconds=ms)
    return moment.isoformat(timespec="milliseconds" if ms % 1000 else "seconds").replace("+00:00", "Z")


def lapse(ms: int) -> str:
    """A length of time as the language writes it: `1h30m`."""
    out = []
    for unit in ("d", "h", "m", "s", "ms"):
        count, ms = divmod(ms, MILLISECONDS[unit])
        if count:
            out.append(f"{count}{unit}")
    return "".join(out) or "0s"


def _rational(value: Any) -> Fraction:
    """The number of a model, where it is a fraction."""
    if z3.is_int_value(value):
        return Fraction(value.as_long())
    if not z3.is_rational_value(value):
        raise NoDecimal(str(value)[:_SHOWN])  # such as the root of two
    return Fraction(value.as_fraction())


def _decimal(number: Fraction) -> int | Decimal:
    """The number as JSON can write it, exactly: no context of `decimal` rounds it."""
    if number.denominator == 1 and abs(number.numerator) < _MOST:
        return number.numerator
    rest, places = number.denominator, 0
    for prime in (2, 5):
        power = 0
        while rest % prime == 0:
            rest, power = rest // prime, power + 1
        places = max(places, power)
    whole = abs(number.numerator) * 10**places // number.denominator
    if rest != 1 or whole >= _MOST:
        raise NoDecimal(_named(number))
    return Decimal((int(number < 0), tuple(map(int, str(whole))), -places))


def _named(number: Fraction) -> str:
    text = str(number)
    return text if len(text) <= _SHOWN else f"{text[:_SHOWN]}…"


def _json(value: Any) -> str:
    """JSON text with exact decimals, in the order of the declaration."""
    match value:
        case dict():
            return "{" + ", ".join(f"{json.dumps(key)}: {_json(item)}" for key, item in value.items()) + "}"
        case list():
            return "[" + ", ".join(_json(item) for item in value) + "]"
        case Decimal():
            return format(value, "f")
        case _:
            return json.dumps(value)


def _parsed(text: str | None, otherwise: Any = None) -> Any:
    try:
        return json.loads(text or "", parse_float=Decimal)
    except ValueError:
        return otherwise


def _renumbered(history: list[AnyEvent]) -> list[AnyEvent]:
    return [msgspec.structs.replace(event, id=f"e{number + 1}") for number, event in enumerate(history)]


def _hint(path: Path) -> str:
    words = [part for part in path if isinstance(part, str) and part not in ("argument", "value", "key")]
    return words[-1] if words and words[-1] != STEP else "text"
