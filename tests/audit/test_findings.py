"""Findings: what is broken, what is undecided, what is only noted; one per clause and step, and all of them counted."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from obverse.audit.findings import audit
from obverse.core.events import AnyEvent, Call, Message, Reply, Result, Step
from obverse.core.verdicts import Verdict
from obverse.policy.check import check
from obverse.policy.checked import Checked
from obverse.policy.monitor import Monitor, Plan
from obverse.policy.parse import parse


def policy(rules: str) -> Checked:
    return check(
        parse(
            f"""---
policy: desk
---
```terms
tool look(id: text) -> (paid: bool)  effect read
tool pay(id: text, amount: number)  effect money
judged message.says_yes "The user says yes." matches "(?i).*\\\\byes\\\\b.*" yes "Yes." no "No."
judged message.is_angry "The user is angry." yes "Damn!" no "Hello."
```
{rules}"""
        )
    )


DESK = policy(
    """## Look {#look}
```rule
forbid pay(id: i) unless once look(id: i)
forbid pay(id: i) unless last look(id: i) has paid
```
## Consent {#consent}
```rule
forbid pay unless last message has message.says_yes
```
## Calm {#calm}
```rule
forbid pay when message.is_angry
```
## Short {#short}
```rule
warn reply when length(text) > 20
```
## Prose {#prose}

Be kind.
"""
)


def call(id: str, tool: str, arguments: str, turn: int) -> Call:
    return Call(id=id, call_id=f"c-{id}", tool=tool, arguments=arguments, turn=turn, origin=turn)


YES = Message(id="e1", text="Yes, pay it.", labels={"message.is_angry": False})
LOOK = call("e2", "look", '{"id": "7"}', 1)
SEEN = Result(id="e3", call_id="c-e2", tool="look", output='{"paid": true}', turn=1)
PAY = call("e4", "pay", '{"id": "7", "amount": 5}', 2)


def states(*events: AnyEvent, checked: Checked = DESK) -> list[tuple[str, str, str]]:
    return [(found.step, found.clause, found.state) for found in audit(checked, "t", events).findings]


def test_what_is_kept_gives_no_finding_and_is_counted_as_looked_at() -> None:
    found = audit(DESK, "t", (YES, LOOK, SEEN, PAY))
    assert (found.findings, found.events, found.steps) == ((), 4, 2)
    assert found.spoken == {"look": 1, "consent": 1, "calm": 1}


def test_two_rules_of_one_clause_make_one_finding_by_the_worse() -> None:
    assert states(YES, PAY) == [("e4", "look", "broken")]


def test_words_that_nobody_labelled_are_read_by_the_pattern() -> None:
    no = Message(id="e1", text="No, wait.", labels={"message.is_angry": False})
    assert states(no, LOOK, SEEN, PAY) == [("e4", "consent", "broken")]


def test_what_no_pattern_reads_and_nobody_answered_is_undecided_not_kept() -> None:
    (found,) = audit(DESK, "t", (Message(id="e1", text="Yes!"), LOOK, SEEN, PAY)).findings
    assert (found.clause, found.state, found.verdict) == ("calm", "undecided", Verdict.DENY)
    assert [(unknown.what, unknown.why) for unknown in found.reason.unknowns] == [("message.is_angry", "not answered")]


def test_a_warning_is_noted_and_is_no_breach() -> None:
    assert states(Reply(id="e1", text="x" * 21)) == [("e1", "short", "warned")]


def test_a_finding_names_the_message_the_act_and_the_events_it_rests_on() -> None:
    late = Result(id="e3", call_id="c-e2", tool="look", output='{"paid": false}', turn=1)
    (found,) = audit(DESK, "t", (YES, LOOK, late, PAY)).findings
    assert (found.transcript, found.message, found.act) == ("t", 2, "calls pay")
    assert found.reason.events == ("e3",)


def test_calls_of_one_turn_are_decided_on_the_history_before_it() -> None:
    together = call("e5", "pay", '{"id": "7", "amount": 5}', 1)
    assert ("e5", "look", "broken") in states(YES, LOOK, together, SEEN)


def test_a_tool_that_nobody_declared_is_a_finding_of_the_default() -> None:
    assert states(YES, call("e2", "format_disk", "{}", 1)) == [("e2", "@calls", "broken")]


def test_findings_beyond_the_limit_are_counted_and_not_held() -> None:
    many = tuple(call(f"e{n}", "format_disk", "{}", n) for n in range(1, 51))
    found = audit(DESK, "t", many, most=10)
    assert len(found.findings) == 10
    assert found.counts == {"@calls": {"broken": 50}}


def endless(size: int) -> Iterator[AnyEvent]:
    for n in range(0, size, 4):
        yield Message(id=f"m{n}", text=f"Yes, number {n}.", labels={"message.is_angry": False})
        yield call(f"l{n}", "look", f'{{"id": "{n % 40}"}}', n + 1)
        yield Result(id=f"r{n}", call_id=f"c-l{n}", tool="look", output='{"paid": true}', turn=n + 1)
        yield call(f"p{n}", "pay", f'{{"id": "{n % 40}", "amount": 5}}', n + 2)


def test_what_is_remembered_of_a_long_transcript_does_not_grow_with_it() -> None:
    sizes = []
    for size in (400, 4_000):
        monitor = Monitor(DESK)
        for event in endless(size):
            monitor.observe(event)
        sizes.append(monitor.size)
    assert sizes == [11, 11]  # the newest look of each of ten ids, and the newest message


def test_a_transcript_is_audited_as_it_comes() -> None:
    told: list[str] = []

    def source() -> Iterator[AnyEvent]:
        for event in endless(40):
            told.append(event.id)
            yield event
        raise InterruptedError

    with pytest.raises(InterruptedError):
        audit(DESK, "t", source())
    assert len(told) == 40
    assert audit(DESK, "t", endless(400)).findings == ()


def test_sessions_that_share_a_plan_share_no_memory() -> None:
    plan = Plan(DESK)
    one, other = Monitor(DESK, plan), Monitor(DESK, plan)
    for event in (YES, LOOK, SEEN):
        one.observe(event)
    step = Step(event=PAY, turn=(PAY,))
    assert (one.decide(step).verdict, other.decide(step).verdict) == (Verdict.ALLOW, Verdict.DENY)
    assert (one.size, other.size) == (2, 0)
