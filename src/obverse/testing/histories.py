"""Hypothesis strategies for histories and steps over the shared vocabulary: well-formed, mostly well-typed, often alike."""

from __future__ import annotations

from typing import Any

import msgspec
from hypothesis import strategies as st

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
    System,
    Thought,
)
from obverse.policy.decide import call_digest
from obverse.policy.types import (
    BoolType,
    EnumType,
    ListType,
    MapType,
    NumberType,
    RecordType,
    TimeType,
    Type,
)
from obverse.testing.vocabulary import (
    FACTS,
    HOUR,
    JUDGED,
    NUMBERS,
    START,
    TEXTS,
    Size,
    world,
)


@st.composite
def scenarios(draw: st.DrawFn, size: Size = Size()) -> tuple[tuple[AnyEvent, ...], Step]:  # noqa: B008  # frozen
    """A history and a step after it, over the tools, facts and judged predicates of `TERMS`."""
    history = draw(histories(size))
    turn = max((event.turn for event in history), default=0) + 1
    now = draw(_moment(history[-1].time if history else None, size))
    proposed = [draw(_step(f"s{place + 1}", now, turn, size)) for place in range(draw(st.integers(1, 3)))]
    event = draw(st.sampled_from(proposed))
    approvals = draw(st.integers(0, 2)) if draw(st.integers(0, 3)) == 0 else 0
    people = [
        Approval(
            id=f"p{place + 1}", time=history[-1].time if history else now, turn=turn, call=call_digest(event), by=by
        )
        for place, by in enumerate(("ann", "bo")[:approvals])
    ]
    return (*history, *people), Step(event=event, turn=tuple(proposed))


@st.composite
def histories(draw: st.DrawFn, size: Size = Size()) -> tuple[AnyEvent, ...]:  # noqa: B008  # frozen
    """Well-formed histories: ids are unique, times do not decrease, results follow their calls."""
    events: list[AnyEvent] = []
    open_: list[Call] = []
    for number in range(draw(st.integers(0, size.events))):
        time = draw(_moment(next((event.time for event in reversed(events) if event.time is not None), None), size))
        common = {"id": f"e{number + 1}", "time": time, "turn": number}
        kinds = ["message", "call", "call", "reply", "denied", "fact", "thought", "system", "approval", "grant"]
        kind = draw(st.sampled_from((["result"] * 4 if open_ else []) + kinds))
        event = draw(_event(kind, common, open_, size))
        if isinstance(event, Call):
            open_.append(event)
        events.append(event)
    return tuple(events)


@st.composite
def _event(draw: st.DrawFn, kind: str, common: dict[str, Any], open_: list[Call], size: Size) -> AnyEvent:
    texts = st.sampled_from(TEXTS)
    match kind:
        case "message" | "reply" | "thought":
            made: dict[str, type[Message | Reply | Thought]] = {"message": Message, "reply": Reply, "thought": Thought}
            names = [name for name in JUDGED if name.startswith(kind)]
            labels = draw(st.dictionaries(st.sampled_from(names), st.booleans()))
            return made[kind](**common, text=draw(texts), labels=labels)
        case "system":
            return System(**common, text=draw(texts))
        case "call" | "denied":
            tool = draw(_tools(size))
            arguments = draw(_arguments_of(tool, size))
            shape = Call if kind == "call" else Denied
            return shape(**common, call_id=f"k{common['id']}", tool=tool, arguments=arguments)
        case "result":
            call = open_.pop(draw(st.integers(0, len(open_) - 1)))
            output = draw(_output_of(call.tool, size))
            failed = draw(st.integers(0, 4)) == 0
            return Result(**common, call_id=call.call_id, tool=call.tool, output=output, failed=failed)
        case "fact":
            name = draw(st.sampled_from(sorted(FACTS)))
            value = draw(_iso_times()) if name == "trip.start" else draw(st.sampled_from(FACTS[name]))
            return Fact(**common, name=name, value=value)
        case "approval":
            return Approval(**common, call=f"sha256:{'0' * 64}", by="ann")
    return Grant(**common, grant="g1", clauses=("c1",))


@st.composite
def _step(draw: st.DrawFn, name: str, time: int | None, turn: int, size: Size) -> Call | Reply:
    if draw(st.integers(0, 3)) == 0:
        labels = draw(st.dictionaries(st.sampled_from(("reply.gives_advice", "reply.refuses")), st.booleans()))
        return Reply(id=name, time=time, turn=turn, text=draw(st.sampled_from(TEXTS)), labels=labels)
    tool = draw(_tools(size))
    arguments = draw(_arguments_of(tool, size))
    return Call(id=name, time=time, turn=turn, call_id=f"k{name}", tool=tool, arguments=arguments)


def _tools(size: Size) -> st.SearchStrategy[str]:
    return st.sampled_from([*sorted(world().tools) * 3, *(["stranger"] if size.oddities else [])])


@st.composite
def _moment(draw: st.DrawFn, before: int | None, size: Size) -> int | None:
    if size.oddities and draw(st.integers(0, 11)) == 0:
        return None
    return (START if before is None else before) + draw(st.sampled_from((0, 1, 1_000, HOUR, 24 * HOUR, 24 * HOUR + 1)))


@st.composite
def _arguments_of(draw: st.DrawFn, tool: str, size: Size) -> str:
    """The raw arguments of a call, mostly as declared."""
    if size.oddities and draw(st.integers(0, 14)) == 0:
        return draw(
            st.sampled_from(("", "{", "[]", '{"id": "A", "id": "B"}', '{"extra": 1}', '{"to": 5}', '{"amount": "7"}'))
        )
    known = world().tools.get(tool)
    fields = known.parameters if known else ()
    return _written({field.name: draw(_json(field.type, size)) for field in fields if not _left_out(draw, field, size)})


def _left_out(draw: st.DrawFn, field: Any, size: Size) -> bool:
    return bool(draw(st.integers(0, 1 if field.optional else 9)) == 0 and (field.optional or size.oddities))


@st.composite
def _output_of(draw: st.DrawFn, tool: str, size: Size) -> str:
    if size.oddities and draw(st.integers(0, 11)) == 0:
        return draw(st.sampled_from(("", "Error", "{}", "null", "[1]")))
    known = world().tools.get(tool)
    returned = known.returns if known else None
    return "done" if returned is None else _written(draw(_json(returned, size)))


def _json(kind: Type, size: Size) -> st.SearchStrategy[Any]:
    """JSON values of a type."""
    match kind:
        case BoolType():
            return st.booleans()
        case EnumType():
            return st.sampled_from(kind.values)
        case NumberType():
            return st.sampled_from([number for number in NUMBERS if isinstance(number, int) or not kind.integer])
        case TimeType():
            return _iso_times()
        case ListType():
            return st.lists(_json(kind.item, size), max_size=3)
        case MapType():
            return st.dictionaries(st.sampled_from(TEXTS[:3]), _json(kind.item, size), max_size=2)
        case RecordType():
            required = {field.name: _json(field.type, size) for field in kind.fields if not field.optional}
            optional = {field.name: _json(field.type, size) for field in kind.fields if field.optional}
            return st.fixed_dictionaries(required, optional=optional)
    return st.sampled_from(TEXTS)


def _iso_times() -> st.SearchStrategy[str]:
    return st.sampled_from(("2026-01-05T10:00:00Z", "2026-01-05T11:00:00Z", "2026-01-06", "2026-01-04T10:00:00+00:00"))


def _written(value: Any) -> str:
    return msgspec.json.Encoder(decimal_format="number").encode(value).decode()
