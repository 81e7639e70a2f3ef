"""L22: what a guard recorded comes out again, decided anew from the log alone; another verdict in it does not."""

from __future__ import annotations

import random
from collections.abc import Sequence

import msgspec
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from obverse.core.events import AnyEvent, Call, Fact, Message, Result, Step, System, Thought
from obverse.guard.guard import Guard
from obverse.guard.records import ProposedCall
from obverse.guard.replay import replay
from obverse.ledger.contents import Item
from obverse.policy.check import check
from obverse.policy.parse import parse
from obverse.testing.guards import items_of
from obverse.testing.histories import scenarios
from obverse.testing.recorder import MemoryRecorder
from obverse.testing.strategies import policies
from obverse.testing.vocabulary import Size, document_of

QUICK = settings(max_examples=20, deadline=None, suppress_health_check=list(HealthCheck))
SIZE = Size()


def recorded(text: str, history: Sequence[AnyEvent], step: Step) -> list[Item]:
    """The entries of a guard that was told this history, as far as hosts and agents can make it, and this turn."""
    recorder, now = MemoryRecorder(), 1_800_000_000_000
    guard = Guard(
        check(parse(text)), recorder=recorder, clock=lambda: now, fresh=random.Random(5).randbytes,
        files={"policy.md": text.encode()},
    )  # fmt: skip
    session = guard.session(holder="desk")
    open_: set[str] = set()
    for event in history:
        now = max(now, event.time or 0)
        match event:
            case System():
                session.system(event.text)
            case Message():
                session.message(event.text, event.labels)
            case Thought():
                session.thought(event.text)
            case Fact():
                session.fact(event.name, event.value)
            case Call():
                wanted = ProposedCall(call_id=event.call_id, tool=event.tool, arguments=event.arguments)
                open_ |= {event.call_id} if session.propose([wanted]).released else set()
            case Result() if event.call_id in open_ and session.state == "open":
                session.result(event.call_id, event.output, failed=event.failed)
    calls = [one for one in step.turn if isinstance(one, Call)]
    session.propose([ProposedCall(call_id=one.call_id, tool=one.tool, arguments=one.arguments) for one in calls])
    guard.close()
    return list(items_of(recorder))


@QUICK
@given(policies(SIZE), scenarios(SIZE))
def test_L22_what_a_guard_recorded_comes_out_again(policy: object, scenario: tuple[Sequence[AnyEvent], Step]) -> None:
    found = replay(recorded(document_of(policy), *scenario))  # type: ignore[arg-type]  # a policy
    assert found.faults == ()
    assert found.replayed == found.decisions


@QUICK
@given(policies(SIZE), scenarios(SIZE), st.sampled_from(["deny", "allow", "warn", "ask", "stop"]), st.randoms())
def test_L22_no_other_verdict_comes_out(
    policy: object, scenario: tuple[Sequence[AnyEvent], Step], verdict: str, chance: random.Random
) -> None:
    items = recorded(document_of(policy), *scenario)  # type: ignore[arg-type]  # a policy
    decisions = [item for item in items if item.entry.type == "decision"]
    if not decisions:
        return
    one = chance.choice(decisions)
    field = chance.choice(["policy_verdict", "certain"])
    if one.entry.body[field] == verdict:
        return
    forged = msgspec.structs.replace(one.entry, body={**one.entry.body, field: verdict})
    items[one.index] = msgspec.structs.replace(one, entry=forged)
    assert replay(items).outcome == "fails"
