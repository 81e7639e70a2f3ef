"""Events as lines that a person reads: who, what, and a tool's arguments as names and values, not as a blob.

Arguments are shown from the raw text that the target wrote. Where that is not one JSON object, it stands as it is and is
said to be malformed; a key that comes twice is shown twice.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from decimal import Decimal
from typing import Any, Final, Literal

import msgspec

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
    System,
    Thought,
)  # fmt: skip
from obverse.report.visible import one_line, shown, visible
from obverse.report.wording import moment

WHO: Final = {
    System: "operator", Message: "user", Reply: "agent", Thought: "agent thinks", Call: "agent calls",
    Denied: "call denied", Result: "tool", Fact: "known", Approval: "person", Grant: "grant",
}  # fmt: skip
"""What kind of event a line is of, in a word."""
_FIELDS: Final = 40  # of one call or result; the rest is counted


class Piece(msgspec.Struct, frozen=True, kw_only=True):
    """A stretch of text; `differs` marks what the twin does not have."""

    text: str
    differs: bool = False


class Field(msgspec.Struct, frozen=True, kw_only=True):
    """One argument, or one field of a result."""

    name: str
    value: str
    differs: bool = False


class Line(msgspec.Struct, frozen=True, kw_only=True):
    """One event. `head` is a tool's name, `notes` what is odd about it, `mark` why the eye should stop here;
    `marked` is `here` where that is a fault, `there` where it is not known to be one.
    """

    id: str
    kind: str
    who: str
    head: str = ""
    pieces: tuple[Piece, ...] = ()
    fields: tuple[Field, ...] = ()
    notes: tuple[str, ...] = ()
    time: str | None = None
    clock: str | None = None
    differs: bool = False
    mark: str | None = None
    marked: Literal["here", "there"] = "here"

    @property
    def content(self) -> tuple[str, str, tuple[Piece, ...], tuple[Field, ...]]:
        """What it says, whatever its place and time."""
        return (self.kind, self.head, self.pieces, self.fields)


def line(event: AnyEvent, *, limit: int, mark: str | None = None, marked: Literal["here", "there"] = "here") -> Line:
    """The event as a line, with at most `limit` characters of any one text."""
    head, text, fields, notes = _content(event, limit)
    return Line(
        id=event.id,
        kind=_kind(event),
        who=WHO[type(event)],
        head=one_line(head),
        pieces=(Piece(text=text),) if text else (),
        fields=fields,
        notes=notes,
        time=None if event.time is None else moment(event.time),
        clock=None if event.time is None else moment(event.time)[5:19],
        mark=mark,
        marked=marked,
    )


def _kind(event: AnyEvent) -> str:
    return type(event).__name__.lower()


def _content(event: AnyEvent, limit: int) -> tuple[str, str, tuple[Field, ...], tuple[str, ...]]:
    match event:
        case Call() | Denied():
            return (event.tool, *_fields(event.arguments, limit, odd="arguments are not a JSON object"))
        case Result():
            text, fields, notes = _fields(event.output, limit, odd=None)
            return event.tool, text, fields, (*notes, "failed") if event.failed else notes
        case Fact():
            return event.name, one_line(plain(event.value), limit), (), ()
        case Approval():
            return "", f"{visible(event.by)} approved the call {one_line(event.call)}", (), ()
        case Grant():
            return "", one_line(f"{event.grant} relaxes {', '.join(event.clauses)}"), (), ()
        case _:
            seen = shown(event.text, limit)
            return "", seen.text if event.text.strip() else "", (), _notes(seen.cut, empty=not event.text.strip())


def _notes(cut: str | None, *, empty: bool = False) -> tuple[str, ...]:
    return ("empty",) if empty else () if cut is None else (cut,)


def _fields(raw: str, limit: int, *, odd: str | None) -> tuple[str, tuple[Field, ...], tuple[str, ...]]:
    pairs = object_of(raw) if len(raw) <= limit else None
    if pairs is None:
        seen = shown(raw, limit)
        malformed = () if odd is None or seen.cut else (odd,)
        return seen.text, (), (*malformed, *_notes(seen.cut, empty=not raw.strip()))
    fields = tuple(Field(name=one_line(name), value=visible(plain(value))) for name, value in pairs[:_FIELDS])
    more = (f"{len(pairs) - _FIELDS} more fields",) if len(pairs) > _FIELDS else ()
    return "", fields, more if pairs else ("no arguments",) if odd else ("empty",)


def object_of(raw: str) -> list[tuple[str, Any]] | None:
    """The members of the JSON object that this is, in their order, twice where they stand twice; None if it is none."""
    try:
        value = json.loads(raw, object_pairs_hook=_Members, parse_float=Decimal)
    except (ValueError, RecursionError):
        return None
    return list(value) if isinstance(value, _Members) else None


class _Members(list[tuple[str, Any]]):
    """A JSON object as its members; a list of them is told apart from an array by its type."""


def plain(value: object) -> str:
    """A value on one line, close to JSON, with names bare where they can be."""
    match value:
        case str():
            return json.dumps(value, ensure_ascii=False)
        case None | bool():
            return json.dumps(value)
        case _Members():
            return f"{{{', '.join(f'{name}: {plain(item)}' for name, item in value)}}}"
        case dict():
            return f"{{{', '.join(f'{name}: {plain(item)}' for name, item in value.items())}}}"
        case list() | tuple():
            return f"[{', '.join(plain(item) for item in value)}]"
    return str(value)


def act(event: AnyEvent) -> str:
    """The event in a few words: `cancel_reservation(reservation_id: "K7Q2ZD")`, `replies “No.”`."""
    match event:
        case Call() | Denied():
            pairs = object_of(event.arguments) if len(event.arguments) < 10_000 else None
            inside = event.arguments if pairs is None else ", ".join(f"{name}: {plain(value)}" for name, value in pairs)
            return one_line(f"{event.tool}({inside})", 200)
        case Reply():
            return f"reply “{one_line(event.text, 120)}”" if event.text.strip() else "an empty reply"
    return f"{WHO[type(event)]}: {one_line(getattr(event, 'text', event.id), 120)}"


def around(events: Sequence[AnyEvent], offending: str | None, most: int) -> tuple[Sequence[AnyEvent], int]:
    """At most `most` events, those that lead to the offending one, and how many were left out before them."""
    at = next((place for place, event in enumerate(events) if event.id == offending), len(events) - 1)
    end = min(len(events), max(at + 2, most))
    start = max(0, end - most)
    return events[start:end], start
