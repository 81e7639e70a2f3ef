"""The page that a person sees before they sign: one text, the same on a terminal, on a web page and in JSON; its digest is signed.

Lines of the page begin in the first column and are ours; whatever an agent, a tool, a user or a policy wrote stands behind the
margin of `sight.framed` and cannot leave it. Pure: the same request and context give the same page, so the guard computes it again
from its own copy and an answer to an altered page is void (L14).

Actions only: what the agent thought is withheld and said to be, so that it cannot argue with who decides.
"""

from __future__ import annotations

import datetime as dt
import textwrap
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final

import msgspec

from obverse.core.canon import digest_bytes
from obverse.guard.approvals.exact import readable
from obverse.guard.approvals.sight import WIDTH, framed, runs_backwards, seen_line
from obverse.guard.records import Request

_PROSE: Final = 4_000
_EVENT: Final = 2_000
_ACTIONS: Final = 40


class Page(msgspec.Struct, frozen=True, kw_only=True):
    """What is shown, and the digest that a person signs with their answer."""

    text: str

    @property
    def digest(self) -> str:
        """Of the text as UTF-8."""
        return digest_bytes(self.text.encode())


def page(request: Request, shown: Mapping[str, Any]) -> Page:
    """The page about this request. `shown` holds what stands beside it, each part optional and of plain values:

    `holder`, `clauses` (id, title, prose, level, inviolable), `why` (reasons of the decision), `turn` (what else was proposed),
    `history` (the newest events), `happened` (how many there were in all), `earlier` (answers to exactly this before), `newly` (what a grant would allow, in prose).
    """
    parts = [
        _heading(request, shown),
        _act(request),
        _turn(request, _list(shown, "turn")),
        _why(request, _list(shown, "clauses"), _list(shown, "why")),
        _earlier(_list(shown, "earlier")),
        _history(_list(shown, "history"), shown.get("happened")),
        _newly(shown.get("newly")),
    ]
    return Page(text="\n\n".join("\n".join(lines) for part in parts if (lines := list(part))) + "\n")


def moment(time: int) -> str:
    """Milliseconds since the epoch as a person reads them, in UTC."""
    try:
        return dt.datetime.fromtimestamp(time / 1000, dt.UTC).strftime("%Y-%m-%d %H:%M:%S UTC")
    except (OverflowError, ValueError, OSError):
        return f"{time} ms"


def _heading(request: Request, shown: Mapping[str, Any]) -> Iterator[str]:
    yield f"REQUEST {seen_line(request.id)}"
    yield _field("asked", moment(request.asked))
    yield _field("expires", f"{moment(request.expires)}, then it is denied")
    yield _field("needs", "one person" if request.people == 1 else f"{request.people} different people")
    yield _field("holder", seen_line(str(shown.get("holder", "not said"))))
    yield _field("session", seen_line(request.session))
    yield _digest("history", request.head)
    yield _digest("policy", request.policy)


def _act(request: Request) -> Iterator[str]:
    yield "WHAT WILL BE EXECUTED" if request.tool is not None else "WHAT WILL BE SENT TO THE USER"
    if request.tool is not None:
        yield _field("tool", seen_line(request.tool, 256))
    yield from framed(request.arguments if request.tool is None else readable(request.arguments))
    if runs_backwards(request.arguments):
        yield _note("holds letters that are written from right to left: a screen may show them in another order")
    yield _digest("digest", request.digest)


def _turn(request: Request, steps: Sequence[Any]) -> Iterator[str]:
    others = [step for step in steps if _get(step, "id") != request.step]
    if not others:
        return
    yield f"PROPOSED IN THE SAME TURN ({len(others)})"
    for step in others[:_ACTIONS]:
        yield from _event(step)
    if len(others) > _ACTIONS:
        yield _note(f"and {len(others) - _ACTIONS:,} more")


def _why(request: Request, clauses: Sequence[Any], reasons: Sequence[Any]) -> Iterator[str]:
    yield "WHY A PERSON IS ASKED"
    known = {_get(clause, "id"): clause for clause in clauses}
    for name in request.clauses:
        clause = known.get(name, {})
        marks = [_get(clause, "level"), "inviolable" if clause and clause.get("inviolable") else ""]
        yield _field("clause", " · ".join(filter(None, [seen_line(name), *map(seen_line, marks)])))
        for part in ("title", "prose"):
            if _get(clause, part):
                yield from framed(_get(clause, part), _PROSE)
    for reason in reasons:
        yield _field("because", f"{seen_line(_get(reason, 'clause'))}: {seen_line(_get(reason, 'verdict'))}")
        for condition in _list(reason, "conditions"):
            yield from framed(f"{_get(condition, 'text')}: {_get(condition, 'value')}", _EVENT)
        for unknown in _list(reason, "unknowns"):
            yield from framed(f"not known: {_get(unknown, 'what')}, {_get(unknown, 'why')}", _EVENT)


def _earlier(answers: Sequence[Any]) -> Iterator[str]:
    yield "EXACTLY THIS BEFORE"
    if not answers:
        yield _note("nobody was asked this before")
    for answer in answers:
        time = answer.get("time") if isinstance(answer, Mapping) else None
        when = moment(time) if isinstance(time, int) else "at no known time"
        yield _field(_get(answer, "answer"), f"by {seen_line(_get(answer, 'by'))}, {when}")


def _history(events: Sequence[Any], happened: object) -> Iterator[str]:
    yield "WHAT HAPPENED BEFORE, THE NEWEST LAST"
    left = (happened if isinstance(happened, int) else len(events)) - min(len(events), _ACTIONS)
    if left > 0:
        yield _note(f"{left:,} earlier events are not shown here; the digest of the history stands for them too")
    if not events:
        yield _note("nothing, or nothing that is shown")
    for event in events[-_ACTIONS:]:
        yield from _event(event)


def _newly(text: object) -> Iterator[str]:
    if isinstance(text, str) and text:
        yield "WHAT A GRANT WOULD NEWLY ALLOW"
        yield from framed(text, _PROSE)


def _event(event: Any) -> Iterator[str]:
    """One event: a line of ours that says what it is, and what was written in it behind the margin."""
    kind = _get(event, "kind")
    match kind:
        case "call" | "denied":
            yield _field("called" if kind == "call" else "denied", seen_line(_get(event, "tool"), 256))
            yield from framed(_get(event, "arguments"), _EVENT)
        case "result":
            failed = ", which failed" if event.get("failed") is True else ""
            yield _field("result", f"of {seen_line(_get(event, 'tool'), 256)}{failed}")
            yield from framed(_get(event, "output"), _EVENT)
        case "thought":
            yield _note(f"a thought of the agent, {len(_get(event, 'text')):,} characters, is withheld")
        case "message" | "reply" | "system":
            who = {"message": "user said", "reply": "agent said", "system": "operator"}[kind]
            yield _field(who, _answers(event))
            yield from framed(_get(event, "text"), _EVENT)
        case "approval":
            yield _field("approved", f"by {seen_line(_get(event, 'by'))}")
            yield f"  {seen_line(_get(event, 'call'), 80)}"
        case "fact":
            yield _field("fact", seen_line(_get(event, "name")))
            yield from framed(str(event.get("value")), _EVENT)
        case _:
            yield _field("event", seen_line(kind))


def _answers(event: Any) -> str:
    """What judges said of a text: every score reaches whoever decides (need R5)."""
    labels = event.get("labels")
    given = labels.items() if isinstance(labels, Mapping) else ()
    return ", ".join(f"{seen_line(str(name))} {'yes' if value is True else 'no'}" for name, value in given)


def _field(name: str, value: str) -> str:
    """`name     value`, wrapped behind the name, so that no line of it begins where a name could."""
    lines = textwrap.wrap(value, WIDTH - 12, break_on_hyphens=False) or [""]
    return "\n".join(f"{name if not place else '':<12}{line}".rstrip() for place, line in enumerate(lines))


def _digest(name: str, value: str) -> str:
    """On a line of its own, whole, so that it can be compared and copied."""
    return f"{name}\n  {seen_line(value, 80)}"


def _note(text: str) -> str:
    return f"  ⟪{text}⟫"


def _list(found: Any, name: str) -> Sequence[Any]:
    value = found.get(name) if isinstance(found, Mapping) else None
    return value if isinstance(value, list | tuple) else ()


def _get(found: Any, name: str) -> str:
    value = found.get(name) if isinstance(found, Mapping) else None
    return "" if value is None else value if isinstance(value, str) else str(value)
