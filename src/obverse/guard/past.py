"""What a ledger tells of sessions that were guarded: what happened in them, and what was proposed, in order.

Reads entries and payloads; it decides nothing. `ledger.verify` says whether the log is whole, `guard.replay` whether its verdicts are
right. What can no longer be read, because a payload was erased, is counted and never guessed: a proposal after it is left out.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any, Final

import msgspec

from obverse.core.errors import EvidenceError
from obverse.core.events import AnyEvent, Call, Message, Reply, Step, System, Thought
from obverse.core.verdicts import Verdict
from obverse.guard.reading import read_event
from obverse.guard.records import ENTRY
from obverse.ledger.contents import Item
from obverse.ledger.entries import Entry

_SPOKEN: Final = (System, Message, Reply, Thought)


class PastStep(msgspec.Struct, frozen=True, kw_only=True):
    """One proposal of the past: the events before it, the verdict that held, whether it was released, and under which grants."""

    session: str
    holder: str
    history: tuple[AnyEvent, ...]
    step: Step
    verdict: Verdict
    released: bool
    lifted: tuple[str, ...] = ()


class Past(msgspec.Struct, frozen=True, kw_only=True):
    """What was read, and how many proposals could not be: they or something before them were erased."""

    steps: tuple[PastStep, ...]
    erased: int = 0


class _Session:
    """A session as far as it was read."""

    def __init__(self, name: str, holder: str) -> None:
        self.name, self.holder = name, holder
        self.events: list[AnyEvent] = []
        self.whole = True
        self.turn: list[tuple[Call | Reply, Entry]] = []


def past_of(items: Iterable[Item]) -> Past:
    """All proposals of all sessions, in the order in which they were decided; one that waited for people, as it ended.

    Raises:
        EvidenceError: for an entry that no guard writes.
    """
    sessions: dict[str, _Session] = {}
    steps: list[PastStep] = []
    erased = 0
    for item in items:
        try:
            erased += _take(item, sessions, steps)
        except (KeyError, TypeError, ValueError, AttributeError) as error:  # a hostile body
            raise EvidenceError(f"entry {item.index:,} is none that a guard writes", code="G160") from error
    return Past(steps=tuple(steps), erased=erased)


def _take(item: Item, sessions: dict[str, _Session], steps: list[PastStep]) -> int:
    """How many proposals of this entry could not be read."""
    entry = item.entry
    if entry.type == ENTRY["session"] and entry.session is not None:
        sessions[entry.session] = _Session(entry.session, str(entry.body.get("holder", "")))
    session = sessions.get(entry.session or "")
    if session is None:
        return 0
    if entry.type == ENTRY["decision"]:
        proposal = _event(item, "proposal")
        if not isinstance(proposal, Call | Reply) or not session.whole:
            return 1
        session.turn.append((proposal, entry))
        if entry.body.get("place") == _last(entry):
            steps += _settled(session)
    elif entry.type == ENTRY["event"]:
        event = _event(item, "event")
        session.whole = session.whole and event is not None
        if event is not None:
            session.events.append(event)
    elif entry.type == ENTRY["answer"]:
        _label(session.events, entry.body)
    return 0


def _last(entry: Entry) -> int:
    """The place of the last step of its turn; places count from 0."""
    of = entry.body.get("of")
    return of - 1 if isinstance(of, int) else 0


def _settled(session: _Session) -> Iterator[PastStep]:
    """The steps of a turn that was decided; none while people are asked, since it will be decided again."""
    turn, session.turn = session.turn, []
    if any(entry.body.get("request") and not entry.body.get("permit") for _, entry in turn):
        return
    proposals = tuple(proposal for proposal, _ in turn)
    for proposal, entry in turn:
        yield PastStep(
            session=session.name, holder=session.holder, history=tuple(session.events),
            step=Step(event=proposal, turn=proposals), verdict=Verdict(entry.body["verdict"]),
            released=entry.body.get("permit") is not None, lifted=tuple(entry.body.get("lifted", ())),
        )  # fmt: skip


def _label(events: list[AnyEvent], body: Any) -> None:
    """The answer of a judge, on the event that it was asked about."""
    answer = {"true": True, "false": False}.get(str(body.get("answer")))
    for place, event in enumerate(events):
        if event.id == body.get("event") and isinstance(event, _SPOKEN) and answer is not None:
            labels = {**event.labels, str(body.get("predicate")): answer}
            events[place] = msgspec.structs.replace(event, labels=labels)


def _event(item: Item, name: str) -> AnyEvent | None:
    """The event in a payload of the entry; None if it was erased."""
    data = item.payloads.get(name)
    return None if data is None else read_event(data)
