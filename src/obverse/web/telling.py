"""Events and calls as somebody sees them who must approve: nothing hides, steers or imitates (`guard.approvals.sight`).

Stricter than what a report shows (`report.acts`), in the same form, so that the same template draws both.
"""

from __future__ import annotations

import json
from typing import Any, Final

import msgspec
import rfc8785

from obverse.core.events import (
    AnyEvent,
    Approval,
    Call,
    Denied,
    Fact,
    Grant,
    Result,
    Thought,
)  # fmt: skip
from obverse.guard.approvals.exact import readable
from obverse.guard.approvals.sight import runs_backwards, seen, seen_line
from obverse.report.acts import WHO, Field, Line, Piece, object_of, plain
from obverse.report.wording import moment

_MOST_FIELDS: Final = 60
_LONG: Final = 10_000
_BACKWARDS: Final = "it has letters that are written from right to left: a screen may show them in another order"


class Content(msgspec.Struct, frozen=True, kw_only=True):
    """Arguments or a text: as `fields` if they are an object, else as `text`; `cut` and `notes` say what is odd."""

    text: str = ""
    fields: tuple[Field, ...] = ()
    cut: str = ""
    notes: tuple[str, ...] = ()


def spoken(text: str, *, limit: int) -> Content:
    """At most `limit` characters of the text, made visible; also where it looks like arguments."""
    cut = f"{len(text) - limit:,} of {len(text):,} characters are not shown here" if len(text) > limit else ""
    notes = (_BACKWARDS,) if runs_backwards(text[:limit]) else ()
    return Content(text=seen(text[:limit]), cut=cut, notes=notes if text.strip() else (*notes, "empty"))


def content(raw: str, *, limit: int) -> Content:
    """The members of the JSON object that this is; what is none, or too long, as a text."""
    members = object_of(raw) if len(raw) <= limit else None
    if members is None:
        return spoken(raw, limit=limit)
    notes = (_BACKWARDS,) if runs_backwards(raw) else ()
    fields = tuple(Field(name=seen_line(name), value=seen(plain(value))) for name, value in members[:_MOST_FIELDS])
    more = len(members) - _MOST_FIELDS
    cut = f"{more:,} more of {len(members):,} arguments stand below, in the raw text" if more > 0 else ""
    return Content(fields=fields, cut=cut, notes=notes if members else (*notes, "no arguments"))


def line(event: AnyEvent, *, limit: int) -> Line:
    """The event as a line, with at most `limit` characters of any one text."""
    head, inside = _of(event, limit)
    stamp = None if event.time is None else moment(event.time)
    return Line(
        id=event.id,
        kind=type(event).__name__.lower(),
        who=WHO[type(event)],
        head=seen_line(head) if head else "",
        pieces=(Piece(text=inside.text),) if inside.text else (),
        fields=inside.fields,
        notes=(*inside.notes, *((inside.cut,) if inside.cut else ())),
        time=stamp,
        clock=stamp and stamp[5:19],
    )


def _of(event: AnyEvent, limit: int) -> tuple[str, Content]:
    match event:
        case Call() | Denied():
            return event.tool, content(event.arguments, limit=limit)
        case Result():
            inside = content(event.output, limit=limit)
            notes = (*inside.notes, "failed") if event.failed else inside.notes
            return event.tool, msgspec.structs.replace(inside, notes=notes)
        case Thought():  # it must not argue with who decides
            return "", Content(notes=(f"a thought of the agent, {len(event.text):,} characters, is withheld",))
        case Fact():
            return event.name, Content(text=seen(plain(event.value)[:limit]))
        case Approval():
            return "", Content(text=f"{seen_line(event.by)} approved a call")
        case Grant():
            return "", Content(text=f"{seen_line(event.grant)} relaxes {seen_line(', '.join(event.clauses), 200)}")
        case _:
            return "", spoken(event.text, limit=limit)


def exact(tool: str | None, arguments: str, *, limit: int) -> Content:
    """What will be executed, as `guard.approvals.exact` writes it: each canonical argument by itself, else the whole text."""
    members = None if tool is None else _canonical_members(arguments)
    if members is None:
        return spoken(arguments, limit=limit)
    fields = tuple(Field(name=seen_line(_key(name)), value=seen(_value(value))) for name, value in members.items())
    notes = (_BACKWARDS,) if runs_backwards(arguments) else ()
    return Content(fields=fields, notes=notes if members else (*notes, "no arguments"))


def act(tool: str | None, arguments: str, limit: int = 160) -> str:
    """The call in a few words: `issue_certificate(user: "u1", amount: 100)`."""
    if tool is None:
        return f"reply “{seen_line(arguments, limit)}”"
    members = _canonical_members(arguments) if len(arguments) <= _LONG else None
    inside = arguments if members is None else ", ".join(f"{_key(name)}: {_value(of)}" for name, of in members.items())
    return f"{seen_line(tool)}({seen_line(inside, limit)})"


def _canonical_members(arguments: str) -> dict[str, Any] | None:
    """The arguments, if this is their one canonical text; what could be read in two ways is shown as it stands."""
    try:
        found = json.loads(arguments)
        same = isinstance(found, dict) and rfc8785.dumps(found) == arguments.encode()
    except (ValueError, RecursionError):
        return None
    return found if same else None


def _key(name: str) -> str:
    return name[1:] if name.startswith("$$") else name


def _value(value: object) -> str:
    return readable(json.dumps(value, ensure_ascii=False))
