"""The difference between two pasts as single edits, and a past with only some of them made.

An edit adds an event, takes one away, or changes one member of one: an argument, a field of a result, a label, a time. So a
scenario that the solver found can be told as what had to change, and every part of that can be tried alone.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from decimal import Decimal
from itertools import zip_longest
from typing import Any, Final, Literal, TypeAlias

import msgspec

from obverse.core.events import AnyEvent, Call, Denied, Fact, Reply, Result, Spoken, Step
from obverse.core.order import TimeOrder
from obverse.solver.answers import Scenario

Pair: TypeAlias = "tuple[int | None, int | None]"
_CHANGES_FOR_AN_EVENT: Final = 10  # so many changed members are as much as an event that comes or goes
_ENCODE = msgspec.json.Encoder(decimal_format="number").encode


class Edit(msgspec.Struct, frozen=True, kw_only=True):
    """One difference. `place` is where in the recorded past it is, its length for the step; `member` what changes of it.

    `before` and `after` are the member as JSON text, or nothing where it is absent. An added event stands before `place`.
    What is proposed together with the step comes after it: one past its length for the first of the turn, and so on.
    """

    kind: Literal["added", "removed", "changed"]
    place: int
    event: AnyEvent
    member: str | None = None
    before: str | None = None
    after: str | None = None


def edits_between(history: Sequence[AnyEvent], places: Sequence[int], step: Step, wanted: Scenario) -> tuple[Edit, ...]:
    """What makes the scenario of the part of a past that stands at these places, and of the step after it."""
    part = [history[place] for place in places]
    pairs = _aligned(part, wanted.history)
    calls = {
        theirs.call_id: mine.call_id
        for n, m in pairs
        if n is not None and m is not None
        for mine, theirs in [(part[n], wanted.history[m])]
        if isinstance(mine, Call) and isinstance(theirs, Call)
    }
    found: list[Edit] = []
    here = 0
    for mine, theirs in pairs:
        if mine is not None:
            here = places[mine] + 1
        if theirs is None:
            if mine is not None:
                found.append(Edit(kind="removed", place=places[mine], event=part[mine]))
        elif mine is None:
            event = _own_call(wanted.history[theirs], calls)
            found.append(Edit(kind="added", place=here, event=msgspec.structs.replace(event, id=f"new{theirs + 1}")))
        else:
            found += _changes(places[mine], part[mine], wanted.history[theirs])
    return (
        *found,
        *_changes(len(history), step.event, wanted.step.event),
        *_beside(len(history) + 1, step, wanted.step),
    )


def _beside(place: int, step: Step, wanted: Step) -> Iterator[Edit]:
    """What is proposed with the step and should not be, and the other way round."""
    for kind in (Call, Reply):
        mine = [n for n, event in enumerate(step.turn) if isinstance(event, kind) and event.id != step.event.id]
        theirs = [event for event in wanted.turn if isinstance(event, kind) and event.id != wanted.event.id]
        for n in mine[len(theirs) :]:
            yield Edit(kind="removed", place=place + n, event=step.turn[n])
        for n, event in enumerate(theirs[len(mine) :]):
            new = msgspec.structs.replace(event, id=f"beside{n + 1}", turn=step.event.turn)
            yield Edit(kind="added", place=place + len(step.turn), event=new)


def applied(history: Sequence[AnyEvent], step: Step, edits: Sequence[Edit]) -> Scenario | None:
    """The past with these edits made; None where that is no past: a result without its call, a time that goes back."""
    events: list[AnyEvent] = []
    event: AnyEvent = step.event
    removed = {edit.place for edit in edits if edit.kind == "removed"}
    for place in range(len(history) + 1):
        events += [edit.event for edit in edits if edit.kind == "added" and edit.place == place]
        changes = [edit for edit in edits if edit.kind == "changed" and edit.place == place]
        if place == len(history):
            event = _changed(step.event, changes)
        elif place not in removed:
            events.append(_changed(history[place], changes))
    if not isinstance(event, Call | Reply) or not _well_formed([*events, event]):
        return None
    beside = [(n, one) for n, one in enumerate(step.turn, start=len(history) + 1) if n not in removed]
    more = [edit.event for edit in edits if edit.kind == "added" and edit.place > len(history)]
    turn = [event if one.id == event.id else one for _, one in beside]
    turn += [one for one in more if isinstance(one, Call | Reply)]
    return Scenario(history=tuple(events), step=Step(event=event, turn=tuple(turn)))


def _well_formed(events: Sequence[AnyEvent]) -> bool:
    calls: set[str] = set()
    order = TimeOrder()
    for event in events:
        if isinstance(event, Call):
            calls.add(event.call_id)
        if (isinstance(event, Result) and event.call_id not in calls) or order.fault(event) is not None:
            return False
    return True


# --- which event is which -----------------------------------------------------------------------------------------------


def _aligned(mine: Sequence[AnyEvent], theirs: Sequence[AnyEvent]) -> list[Pair]:
    """Pairs of places in order, with as little to change as can be; None where one side has no such event.

    A result goes with its call, never with another.
    """
    ours, others = _units(mine), _units(theirs)
    least: dict[tuple[int, int], tuple[float, Pair | None]] = {(len(ours), len(others)): (0.0, None)}
    for n in range(len(ours), -1, -1):
        for m in range(len(others), -1, -1):
            ways: list[tuple[float, Pair]] = []
            if n < len(ours) and m < len(others) and _alike(mine[ours[n][0]], theirs[others[m][0]]):
                pairs = zip(ours[n], others[m], strict=False)
                changes = sum(len(_changes(0, mine[a], theirs[b])) for a, b in pairs)
                ways.append((least[n + 1, m + 1][0] + changes / _CHANGES_FOR_AN_EVENT, (n, m)))
            if n < len(ours):
                ways.append((least[n + 1, m][0] + 1, (n, None)))
            if m < len(others):
                ways.append((least[n, m + 1][0] + 1, (None, m)))
            if ways:
                least[n, m] = min(ways, key=lambda way: way[0])
    found: list[Pair] = []
    n = m = 0
    while (pair := least[n, m][1]) is not None:
        found += zip_longest(() if pair[0] is None else ours[n], () if pair[1] is None else others[m])
        n, m = n + (pair[0] is not None), m + (pair[1] is not None)
    return found


def _units(events: Sequence[AnyEvent]) -> list[list[int]]:
    """The places of events, a call together with its results."""
    found: list[list[int]] = []
    calls: dict[str, list[int]] = {}
    for place, event in enumerate(events):
        if isinstance(event, Result) and event.call_id in calls:
            calls[event.call_id].append(place)
            continue
        found.append([place])
        if isinstance(event, Call):
            calls[event.call_id] = found[-1]
    return found


def _alike(mine: AnyEvent, theirs: AnyEvent) -> bool:
    if type(mine) is not type(theirs):
        return False
    return getattr(mine, "tool", getattr(mine, "name", None)) == getattr(theirs, "tool", getattr(theirs, "name", None))


def _own_call(event: AnyEvent, calls: dict[str, str]) -> AnyEvent:
    """A new call under an id of its own, a result under that of its call."""
    if isinstance(event, Call | Denied | Result):
        return msgspec.structs.replace(event, call_id=calls.get(event.call_id, f"new-{event.call_id}"))
    return event


# --- members ------------------------------------------------------------------------------------------------------------


def _changes(place: int, mine: AnyEvent, theirs: AnyEvent) -> list[Edit]:
    before, after = dict(_members(mine)), dict(_members(theirs))
    return [
        Edit(kind="changed", place=place, event=mine, member=name, before=before.get(name), after=after.get(name))
        for name in dict.fromkeys((*before, *after))
        if before.get(name) != after.get(name)
    ]


def _members(event: AnyEvent) -> Iterator[tuple[str, str]]:
    """The parts of an event that can differ, by name, as JSON text."""
    if event.time is not None:
        yield "time", _json(event.time)
    match event:
        case Call() | Denied():
            yield from _fields("argument", event.arguments)
        case Result():
            yield "failed", _json(event.failed)
            yield from _fields("field", event.output)
        case Fact():
            yield "value", _json(event.value)
        case Spoken():
            yield "text", _json(event.text)
            yield from ((f"label {name}", _json(answer)) for name, answer in event.labels.items())
        case _:
            yield from ((name, _json(getattr(event, name))) for name in ("by", "call") if hasattr(event, name))


def _fields(what: str, text: str) -> Iterator[tuple[str, str]]:
    parsed = _parsed(text)
    if isinstance(parsed, dict):
        yield from ((f"{what} {name}", _json(value)) for name, value in parsed.items())
    else:
        yield "whole", _json(text)


def _changed(event: AnyEvent, edits: Sequence[Edit]) -> AnyEvent:
    for edit in edits:
        event = _with(event, edit.member or "", None if edit.after is None else _parsed(edit.after))
    return event


def _with(event: AnyEvent, member: str, value: Any) -> AnyEvent:
    """The event with one member another; None takes it away."""
    what, _, name = member.partition(" ")
    match event, what:
        case ((Call() | Denied()), "argument" | "whole"):
            return msgspec.structs.replace(event, arguments=_edited(event.arguments, name, value))
        case Result(), "field" | "whole":
            return msgspec.structs.replace(event, output=_edited(event.output, name, value))
        case Spoken(), "label":
            labels = {**event.labels, name: value}
            return msgspec.structs.replace(event, labels={k: v for k, v in labels.items() if v is not None})
    return msgspec.structs.replace(event, **{what: value})


def _edited(text: str, name: str, value: Any) -> str:
    parsed = _parsed(text)
    if not name:
        return str(value)
    fields = {**(parsed if isinstance(parsed, dict) else {}), name: value}
    return _json({key: item for key, item in fields.items() if item is not None})


def _json(value: Any) -> str:
    try:
        return _ENCODE(value).decode()
    except (UnicodeEncodeError, TypeError):  # a lone surrogate, which JSON can only escape
        return json.dumps(value, default=str)


def _parsed(text: str) -> Any:
    try:
        return json.loads(text, parse_float=Decimal)
    except (ValueError, RecursionError):
        return None
