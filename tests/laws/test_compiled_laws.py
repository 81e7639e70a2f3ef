"""L05 for the compiled monitor: it says what `decide` says, word for word, whatever happens to a session in between."""

from __future__ import annotations

import random

import msgspec
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tests.laws.test_hostile_laws import hostile
from tests.laws.test_monitor_laws import policy, unlabelled
from tests.policy.scenarios import Expectation, pages, policies_of

from obverse.core.events import AnyEvent, Call, Message, Result, Spoken, Step
from obverse.core.verdicts import Verdict
from obverse.policy.checked import Checked
from obverse.policy.compiled.program import Program
from obverse.policy.compiled.session import CompiledMonitor
from obverse.policy.decide import decide
from obverse.policy.decision import Decision
from obverse.testing.strategies import checked_policies, scenarios

ENOUGH = settings(max_examples=250, deadline=None, suppress_health_check=list(HealthCheck))


def agrees(one: Decision, two: Decision) -> None:
    """The second says what the first says; of several events and unknowns that a reason rests on it may name fewer."""
    assert bare(one) == bare(two)
    for full, short in zip((*one.reasons, *one.permits), (*two.reasons, *two.permits), strict=True):
        assert set(short.events) <= set(full.events)
        assert set(short.unknowns) <= set(full.unknowns)


def bare(decision: Decision) -> Decision:
    def without(reasons: tuple[msgspec.Struct, ...]) -> tuple[msgspec.Struct, ...]:
        return tuple(msgspec.structs.replace(reason, events=(), unknowns=()) for reason in reasons)

    return msgspec.structs.replace(decision, reasons=without(decision.reasons), permits=without(decision.permits))


@given(checked_policies(), st.one_of(scenarios(), hostile()), st.randoms(use_true_random=False))
@ENOUGH
def test_L05_the_compiled_monitor_is_the_reference_evaluator(
    checked: Checked, scenario: tuple[tuple[AnyEvent, ...], Step], dice: random.Random
) -> None:
    """With answers that come late, snapshots in the middle, and every step of a turn."""
    history, step = scenario
    program = Program(checked, recent=dice.choice((1, 16)))
    monitor, late = CompiledMonitor(checked, program), list[Spoken]()
    for event in history:
        known = unlabelled(checked, event) if dice.random() < 0.5 else event
        monitor.observe(known)
        if known is not event:
            late.append(event)  # type: ignore[arg-type]  # only what is spoken has labels
        while late and dice.random() < 0.4:
            answered = late.pop(dice.randrange(len(late)))
            monitor.label(answered.id, answered.labels)
        if dice.random() < 0.15:
            data = monitor.snapshot()
            monitor = CompiledMonitor.restore(checked, data, program)
            assert monitor.snapshot() == data
    for answered in late:
        monitor.label(answered.id, answered.labels)
    for event in step.turn:
        asked = Step(event=event, turn=step.turn)
        agrees(decide(checked, history, asked), monitor.decide(asked))


CASES = [
    pytest.param(checked, found, id=f"{page.name}:{found[0].line}")
    for page in pages()
    for checked, found in policies_of(page)
    if found
]


@pytest.mark.parametrize(("checked", "expected"), CASES)
def test_L05_the_compiled_monitor_agrees_with_the_pages(checked: Checked, expected: list[Expectation]) -> None:
    program = Program(checked)
    for one in expected:
        monitor = CompiledMonitor(checked, program)
        for event in one.history:
            monitor.observe(event)
        agrees(decide(checked, one.history, one.step), monitor.decide(one.step))


def called(number: int, arguments: str, *, tool: str = "pay", time: int | None = None) -> Call:
    at = number * 1_000 if time is None else time
    return Call(id=f"e{number}", time=at, turn=number, call_id=f"c{number}", tool=tool, arguments=arguments)


def test_a_common_step_is_decided_without_the_reference(monkeypatch: pytest.MonkeyPatch) -> None:
    """Otherwise the monitor would be right and slow."""
    checked = policy(
        "forbid pay(to: t) unless once look(id: t)\nlimit sum(amount) of pay to 150 per 1h by to\n"
        'forbid pay when last look has cabin = "basic"\nforbid pay when amount > 100'
    )
    monitor = CompiledMonitor(checked)
    monitor.observe(called(1, '{"id": "A"}', tool="look"))
    monitor.observe(Result(id="r1", time=1_000, call_id="c1", tool="look", output='{"cabin": "economy"}'))
    monkeypatch.setattr("obverse.policy.compiled.session.reason_for", None)
    monkeypatch.setattr("obverse.policy.monitor.decide_rules", None)
    allowed, dear, unseen = (
        called(2, f'{{"to": "{to}", "amount": {amount}}}') for to, amount in (("A", 99.5), ("A", 101), ("B", 5))
    )
    assert monitor.decide(Step(event=allowed, turn=(allowed,))).verdict is Verdict.ALLOW
    for denied, rules in ((dear, 1), (unseen, 1)):
        found = monitor.decide(Step(event=denied, turn=(denied,)))
        assert (found.verdict, len(found.reasons)) == (Verdict.DENY, rules)


def test_what_is_remembered_does_not_grow_with_the_history() -> None:
    checked = policy(
        "forbid pay(to: t) unless once look(id: t)\nlimit sum(amount) of pay to 150 per 1h by to\n"
        "limit sum(amount) of pay to 500\nlimit ping to 1000000\nforbid ping when count(call pay) > 2000"
    )
    monitor, ping = CompiledMonitor(checked), called(0, "{}", tool="ping", time=6_000 * 60_000)
    sizes = []
    for number in range(0, 6_000, 2):
        time = number * 60_000
        monitor.observe(called(number, '{"id": "A"}', tool="look", time=time))
        monitor.observe(Result(id=f"r{number}", time=time, call_id=f"c{number}", tool="look", output="{}"))
        monitor.observe(called(number + 1, f'{{"to": "{number % 7}", "amount": 0.1}}', time=time))
        sizes.append(monitor.size)
        if number == 3_000:
            monitor = CompiledMonitor.restore(checked, monitor.snapshot())
    assert max(sizes) == max(sizes[:200])
    found = monitor.decide(Step(event=ping, turn=(ping,)))
    assert [(reason.rule, reason.conditions[0].text, len(reason.events)) for reason in found.reasons] == [
        ("one/5", "count(call pay) > 2000", 16)
    ]


def test_one_event_in_doubt_does_not_end_the_quick_way_for_good() -> None:
    """A message that no judge looked at cannot be counted for certain; once its window has passed, nothing hangs on it."""
    checked = policy("forbid pay when count(message where message.says_yes within 1h) > 1")
    monitor, history = CompiledMonitor(checked), list[AnyEvent]()
    (track,) = monitor._keepers
    sure = []
    for number in range(6):
        labels = {} if number == 1 else {"message.says_yes": True}
        history.append(Message(id=f"m{number}", time=number * 1_500_000, text="yes", labels=labels))
        monitor.observe(history[-1])
        sure.append(track.sure)
        step = called(number, '{"to": "A", "amount": 1}', time=number * 1_500_000)
        agrees(decide(checked, history, Step(event=step, turn=(step,))), monitor.decide(Step(event=step, turn=(step,))))
    assert sure == [True, False, False, False, True, True]


def test_late_answers_make_a_track_sure_again() -> None:
    checked = policy("forbid ping unless once message where message.says_yes trusting judge")
    monitor = CompiledMonitor(checked)
    monitor.observe(Message(id="m", text="yes"))
    (track,) = monitor._keepers
    assert not track.sure
    monitor.label("m", {"message.says_yes": True})
    assert track.sure
    step = called(1, "{}", tool="ping")
    assert monitor.decide(Step(event=step, turn=(step,))).verdict is Verdict.ALLOW
