"""The queue's records as pages. What is foreign passes `telling`; what a signature is bound to is the queue's own page, unchanged."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final

import msgspec

from obverse.campaign.reviewers import Reviewer, Reviews
from obverse.core.events import AnyEvent
from obverse.guard.approvals.asked import Asked
from obverse.guard.approvals.page import moment
from obverse.guard.approvals.sight import seen, seen_line
from obverse.guard.people import Person, PublicKey
from obverse.report.acts import Field, Line
from obverse.report.prose import prose
from obverse.report.views import Standing, Term
from obverse.report.wording import count, interval, listed, plain_percent, seconds, share, spelled
from obverse.stats.estimates import Estimate
from obverse.stats.quantiles import Median
from obverse.web.telling import Content, act, exact, line
from obverse.web.views import (
    AnsweredPage,
    ClauseView,
    Earlier,
    Figure,
    InboxPage,
    Left,
    RequestPage,
    ReviewersPage,
    Row,
    Signer,
    Urgency,
    Word,
)  # fmt: skip

SOON: Final = 60_000
_TEXT: Final = 4_000  # characters of one text of the history
_LONG: Final = 1_200  # characters that fit in a box
_WHOLE: Final = 1_000_000  # of what will be executed: the queue takes no more, so all of it is shown
_CLOSED: Final[Mapping[str, tuple[Standing, str]]] = {
    "used": ("holds", "approved, and used"),
    "rejected": ("fails", "rejected"),
    "expired": ("untried", "expired"),
    "superseded": ("untried", "the session went on without it"),
    "stopped": ("untried", "the session was stopped"),
}
_SAID: Final[Mapping[str, tuple[Standing, str]]] = {"approve": ("holds", "approved"), "reject": ("fails", "rejected")}

Words = Sequence[tuple[str, str]]
"""Who said what: name and answer."""


def inbox_page(waiting: Sequence[Asked], said: Mapping[str, Words], now: int, *, most: int) -> InboxPage:
    """What waits, in the order of the queue: what ends first is first."""
    number = len(waiting)
    answer = (
        "Nothing waits." if not number else f"{spelled(number)} {'request waits' if number == 1 else 'requests wait'}."
    )
    return InboxPage(
        title=f"{number} waiting" if number else "nothing waits",
        answer=answer[:1].upper() + answer[1:],
        rows=tuple(_row(asked, said.get(asked.request.id, ()), now) for asked in waiting[:most]),
        left_out=f"{number - most:,} more wait; those that end first are shown" if number > most else "",
    )


def answered_page(past: Sequence[Asked], said: Mapping[str, Words], now: int, *, more: bool) -> AnsweredPage:
    """What was asked and waits no longer, newest first."""
    return AnsweredPage(
        title="answered",
        answer="What was asked before" if past else "Nothing was asked before.",
        rows=tuple(_row(asked, said.get(asked.request.id, ()), now) for asked in past),
        left_out="Older ones stand in the ledger." if more else "",
    )


def request_page(asked: Asked, said: Words, people: Mapping[str, Person], *, origin: str, now: int) -> RequestPage:
    """Everything about one request."""
    request, shown = asked.request, asked.shown
    inside = exact(request.tool, request.arguments, limit=_WHOLE)
    standing, told = _standing(asked, said, now)
    tool = seen_line(request.tool, 256) if request.tool is not None else "a reply to the user"
    return RequestPage(
        title=f"{seen_line(request.tool)}?" if request.tool is not None else "a reply?",
        id=request.id,
        ask=f"May {tool} run?" if request.tool is not None else "May this reply be sent?",
        tool=tool,
        fields=inside.fields,
        raw=inside.text,
        long=_long(inside),
        cut=inside.cut,
        notes=inside.notes,
        beside=tuple(_lines(one for one in _list(shown, "turn") if _text(one, "id") != request.step)),
        left=left(asked, now),
        open=asked.closed is None and now < request.expires,
        standing=standing,
        said=told,
        people=_people(asked, said),
        words=tuple(Word(by=by, said=_SAID[answer][1], standing=_SAID[answer][0]) for by, answer in said if answer in _SAID),
        clauses=tuple(_clauses(asked)),
        lines=tuple(_lines(_list(shown, "history"))),
        earlier=tuple(_earlier(_list(shown, "earlier"))),
        newly=seen(_text(shown, "newly")),
        bound=tuple(_bound(asked)),
        signers=tuple(signers(people, origin=origin, now=now)),
        digest=request.digest,
        page=asked.page.digest,
        text=asked.page.text,
    )  # fmt: skip


def reviewers_page(people: Mapping[str, Person], found: Reviews, now: int) -> ReviewersPage:
    """Who may sign, and how good their answers are."""
    figures = {one.name: one for one in found.reviewers}
    able = [person for person in sorted(people.values(), key=lambda one: one.name) if person.removed is None]
    number = len(able)
    return ReviewersPage(
        title="people",
        answer="Nobody may sign yet." if not able else f"{spelled(number)} {'person' if number == 1 else 'people'} may sign.".capitalize(),
        rows=tuple(_figure(person, figures.get(person.name), now) for person in able),
        latency=tuple(_latency(found)) if found.everybody.answers or found.unanswered else (),
    )  # fmt: skip


def _figure(person: Person, of: Reviewer | None, now: int) -> Figure:
    keys = [_key_kind(key) for key in person.keys if key.in_force(now)]
    return Figure(
        name=person.name,
        roles=listed(person.roles) or "nothing",
        keys=", ".join(count(keys.count(kind), kind) for kind in dict.fromkeys(keys)) or "none",
        answered=f"{of.answers:,}" if of else "none yet",
        approved=share(of.approved, of.answers) if of and of.answers else "",
        took=_median(of.decision) if of else "",
        fast=f"{_rate(of.fast)} within {of.fast_seconds:g} s" if of and isinstance(of.fast, Estimate) else "",
        missed=_rate(of.missed) if of and isinstance(of.missed, Estimate) else "",
    )


def _latency(found: Reviews) -> Iterator[Term]:
    yield Term(name="until seen", value=_median(found.until_seen), note=count(found.until_seen.n, "request"))
    yield Term(
        name="until answered", value=_median(found.until_answered), note=count(found.until_answered.n, "request")
    )
    yield Term(name="never answered", value=f"{found.unanswered:,}")
    if isinstance(found.everybody.missed, Estimate):
        yield Term(
            name="planted errors missed",
            value=_rate(found.everybody.missed),
            note="approved, though they must be rejected",
        )


def _median(of: Median) -> str:
    """`median 12 s (95 %: 5.0 s to 40 s)`; without enough data there is no interval, and without data no number."""
    if of.median is None or of.low is None or of.high is None:
        return f"too few to say ({of.n})"
    return f"{_seconds(of.median)} (95 %: {_seconds(of.low)} to {_seconds(of.high)})"


def _seconds(value: float) -> str:
    return "never" if math.isinf(value) else seconds(value)


def _rate(of: Estimate) -> str:
    found = of.interval
    known = f"{plain_percent(found.confidence)}, {share(of.counts.broken, of.n)}"
    return f"{interval(found.low, found.high)} ({known})"


def signers(people: Mapping[str, Person], *, origin: str, now: int) -> Iterator[Signer]:
    """The keys that can sign an approval on a page at this address."""
    for person in sorted(people.values(), key=lambda one: one.name):
        for key in person.keys if person.may("approve", now) else ():
            if key.in_force(now) and (key.kind == "ed25519" or origin in key.origins):
                yield _signer(person, key)


def left(asked: Asked, now: int) -> Left:
    """The time that is left to answer."""
    request = asked.request
    rest = request.expires - now
    urgency: Urgency = "over" if rest <= 0 or asked.closed is not None else "soon" if rest < SOON else "ample"
    return Left(
        text=time_in_words(rest) if rest > 0 else "over",
        expires=request.expires,
        until=moment(request.expires),
        urgency=urgency,
    )


def time_in_words(milliseconds: int) -> str:
    """`42 s`, `9 min 3 s`, `2 h 5 min`, rounded up; the script of the pages says it in the same words."""
    seconds = max(0, -(-milliseconds // 1000))
    if seconds < 60:
        return f"{seconds} s"
    if seconds < 3600:
        return f"{seconds // 60} min {seconds % 60} s"
    return f"{seconds // 3600:,} h {seconds % 3600 // 60} min"


def _row(asked: Asked, said: Words, now: int) -> Row:
    request = asked.request
    clauses = {_text(one, "id"): one for one in _list(asked.shown, "clauses")}
    standing, told = _standing(asked, said, now)
    return Row(
        id=request.id,
        act=act(request.tool, request.arguments),
        why=tuple(seen_line(_text(clauses.get(name), "title") or name, 100) for name in request.clauses),
        session=seen_line(request.session),
        asked=f"{time_in_words(now - request.asked)} ago" if now - request.asked < 24 * 3_600_000 else moment(request.asked),
        left=left(asked, now),
        people=_people(asked, said),
        standing=standing,
        said=told,
    )  # fmt: skip


def _standing(asked: Asked, said: Words, now: int) -> tuple[Standing, str]:
    if asked.closed is not None:
        return _CLOSED.get(asked.closed, ("untried", seen_line(asked.closed)))
    if now >= asked.request.expires:
        return "untried", "expired"
    if any(answer == "reject" for _, answer in said):
        return "fails", "rejected"
    return "undecided", "open"


def _people(asked: Asked, said: Words) -> str:
    """How many must approve, and how many have."""
    needed, have = asked.request.people, len({by for by, answer in said if answer == "approve"})
    if asked.closed is not None:
        return f"by {', '.join(sorted({by for by, _ in said}))}" if said else "nobody answered"
    return "needs one person" if needed == 1 and not have else f"{have} of {count(needed, 'person', 'people')} approved"


def _clauses(asked: Asked) -> Iterator[ClauseView]:
    known = {_text(one, "id"): one for one in _list(asked.shown, "clauses")}
    reasons = _list(asked.shown, "why")
    for name in asked.request.clauses:
        clause = known.get(name, {})
        mine = [one for one in reasons if _text(one, "clause") == name]
        yield ClauseView(
            id=seen_line(name),
            title=seen_line(_text(clause, "title") or name, 200),
            prose=prose(_text(clause, "prose")),
            notes=tuple(filter(None, (seen_line(_text(clause, "level")), _inviolable(clause)))),
            conditions=tuple(
                Field(name=seen(_text(one, "text")), value=_truth(_text(one, "value")))
                for reason in mine
                for one in _list(reason, "conditions")
            ),
            unknowns=tuple(
                f"{seen(_text(one, 'what'))}: {seen_line(_text(one, 'why'))}"
                for reason in mine
                for one in _list(reason, "unknowns")
            ),
        )


def _truth(value: str) -> str:
    return {"true": "true", "false": "false", "unknown": "not known"}.get(value.lower(), seen_line(value))


def _inviolable(clause: object) -> str:
    return "inviolable" if isinstance(clause, Mapping) and clause.get("inviolable") is True else ""


def _earlier(answers: Sequence[Any]) -> Iterator[Earlier]:
    for answer in answers:
        told = _text(answer, "answer")
        time = answer.get("time") if isinstance(answer, Mapping) else None
        yield Earlier(
            by=seen_line(_text(answer, "by")),
            said=seen_line(told),
            standing="holds" if told == "approved" else "fails",
            when=moment(time) if isinstance(time, int) else "at no known time",
        )


def _long(inside: Content) -> dict[str, str]:
    """What has to be scrolled through, so that nobody takes its beginning for all of it."""
    texts = {field.name: field.value for field in inside.fields} | ({"": inside.text} if inside.text else {})
    return {name: f"{len(text):,} characters: scroll" for name, text in texts.items() if len(text) > _LONG}


def _bound(asked: Asked) -> Iterator[Term]:
    request = asked.request
    yield Term(name="session", value=seen_line(request.session, 256), exact=True)
    yield Term(name="holder", value=seen_line(_text(asked.shown, "holder") or "not said", 256))
    yield Term(name="history", value=seen_line(request.head, 100), exact=True)
    yield Term(name="policy", value=seen_line(request.policy, 100), exact=True)
    yield Term(name="call", value=seen_line(request.digest, 100), exact=True)
    yield Term(name="asked", value=moment(request.asked))
    yield Term(name="ends", value=f"{moment(request.expires)}, then it is denied")
    yield Term(name="page", value=asked.page.digest, exact=True)


def _signer(person: Person, key: PublicKey) -> Signer:
    label = f" “{seen_line(key.label)}”" if key.label else ""
    said = f"{person.name}: {_key_kind(key)}{label}, {key.id[:8]}"
    return Signer(name=person.name, id=key.id, way=key.kind, said=said)


def _key_kind(key: PublicKey) -> str:
    return "key file" if key.kind == "ed25519" else "passkey"


def _lines(events: Any) -> Iterator[Line]:
    """What can be read as an event; what cannot is said to be there."""
    for found in events:
        try:
            event: AnyEvent = msgspec.convert(found, AnyEvent)
        except msgspec.MsgspecError:
            yield Line(id="", kind="odd", who="", notes=("something that is no event",))
            continue
        yield line(event, limit=_TEXT)


def _list(found: Any, name: str) -> Sequence[Any]:
    value = found.get(name) if isinstance(found, Mapping) else None
    return value if isinstance(value, list | tuple) else ()


def _text(found: Any, name: str) -> str:
    value = found.get(name) if isinstance(found, Mapping) else None
    return "" if value is None else value if isinstance(value, str) else str(value)
