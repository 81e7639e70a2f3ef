"""Whatever a session lives through, what it leaves on record comes out again: compiled monitor, judges, people, suspension and all.

The guard decides by the compiled monitor and what it remembers; the replay decides by the reference evaluator and the ledger. So
this is L05 and L13 from end to end, on random policies and random sessions.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence

import msgspec
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from obverse.core.events import AnyEvent, Call, Fact, Message, Reply, Step, System, Thought
from obverse.core.verdicts import Truth
from obverse.guard.guard import Guard
from obverse.guard.records import ProposedCall, Ruling
from obverse.guard.replay import replay
from obverse.guard.session import Session
from obverse.policy import ast
from obverse.policy.ast import JudgedTerm
from obverse.policy.check import check
from obverse.policy.parse import parse
from obverse.testing.guards import Desk, HandClock, items_of
from obverse.testing.histories import scenarios
from obverse.testing.recorder import MemoryRecorder
from obverse.testing.strategies import policies
from obverse.testing.vocabulary import document_of


class Whim:
    """A judge that says one of three things of a text, and the same again."""

    identity = "whim"

    def answer(self, term: JudgedTerm, text: str, before: str | None) -> Truth:
        return list(Truth)[len(text + term.name) % 3]


def lived(begin: Callable[[], Guard], desk: Desk, clock: HandClock, events: Sequence[AnyEvent], seed: int) -> None:
    """A session that lives through these events, as far as it is let; now and then it goes on under another guard."""
    chance, turn = random.Random(seed), list[Call | Reply]()
    session = begin().session(holder="alice")
    for event in events:
        if isinstance(event, Call | Reply):
            turn.append(event)
            if chance.random() < 0.6:
                propose(session, turn, desk, chance)
                turn = []
        else:
            tell(session, event)
        clock.move(chance.choice([0, 1, 3_600, 50_000]))
        if session.state == "open" and chance.random() < 0.05:
            data, digest = session.suspend()
            session = begin().restore(data, digest=digest)
    session.end()


def tell(session: Session, event: AnyEvent) -> None:
    match event:
        case System():
            session.system(event.text)
        case Message():
            session.message(event.text, event.labels)
        case Thought():
            session.thought(event.text)
        case Fact():
            session.fact(event.name, event.value)


def propose(session: Session, turn: list[Call | Reply], desk: Desk, chance: random.Random) -> None:
    """The turn, proposed; people answer, or do not; what was released has results, mostly."""
    calls = [
        ProposedCall(call_id=f"{event.call_id}-{chance.random()}", tool=event.tool, arguments=event.arguments)
        for event in turn
        if isinstance(event, Call)
    ]
    reply = next((event.text for event in turn if isinstance(event, Reply)), None)
    ruling: Ruling | None = session.propose(calls, reply)
    if ruling is not None and ruling.waiting and chance.random() < 0.8:
        for request in [one for one in desk.asked if one.id in ruling.waiting]:
            for by in ("ann", "ben"):
                desk.say(by, "approve" if chance.random() < 0.9 else "reject", request=request, time=request.asked)
        ruling = session.resume()
    for step in ruling.released if ruling is not None else ():
        if isinstance(step.proposal, Call) and chance.random() < 0.8:
            assert step.permit is not None
            session.redeem(step.permit, step.proposal.tool, step.proposal.arguments)
            session.result(step.proposal.call_id, '{"cabin": "basic"}', failed=chance.random() < 0.2)


@given(policy=policies(), scenario=scenarios(), seed=st.integers(0, 2**32), whole=st.booleans())
@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large])
def test_L13_whatever_a_session_lives_through_its_record_comes_out_again(
    policy: ast.Policy, scenario: tuple[tuple[AnyEvent, ...], Step], seed: int, whole: bool
) -> None:
    default = msgspec.structs.replace(policy.default, turn="whole" if whole else "allowed-part")
    text = document_of(msgspec.structs.replace(policy, default=default))
    recorder, clock, desk, checked = MemoryRecorder(), HandClock(), Desk(), check(parse(text))

    def begin() -> Guard:
        return Guard(
            checked, recorder=recorder, clock=clock, fresh=random.Random(len(recorder)).randbytes, judge=Whim(),
            people=desk, files={"policy.md": text.encode()},
        )  # fmt: skip

    history, step = scenario
    lived(begin, desk, clock, [*history, *step.turn, *history[:5], *step.turn], seed)
    found = replay(items_of(recorder), people=desk.people)
    assert not found.faults, (found.faults, text)
