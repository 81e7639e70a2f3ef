"""Laws of `decide` on policies and transcripts that nobody wrote by hand: L01, L02, L03, L04, L05."""

from __future__ import annotations

import itertools
import random

import msgspec
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st

from obverse.audit.findings import audit
from obverse.core.events import AnyEvent, Step
from obverse.core.verdicts import Truth, Verdict, strictest
from obverse.policy.checked import Checked
from obverse.policy.decide import decide
from obverse.policy.decision import Decision
from obverse.policy.monitor import Monitor
from obverse.policy.steps import steps_of, turns_of
from obverse.testing.strategies import checked_policies, histories, scenarios

ENOUGH = settings(max_examples=80, deadline=None, suppress_health_check=list(HealthCheck))


def folded(checked: Checked, events: tuple[AnyEvent, ...]) -> list[Decision]:
    """`decide`, step by step, each with the history before its turn."""
    history: list[AnyEvent] = []
    found = []
    for item in turns_of(events):
        turn = item if isinstance(item, tuple) else ()
        found += [decide(checked, tuple(history), step) for step in steps_of(turn)] if turn else []
        history += turn or [item]  # type: ignore[list-item]  # an event, where it is no turn
    return found


@given(checked_policies(), histories())
@ENOUGH
def test_L01_the_same_question_has_the_same_answer(checked: Checked, events: tuple[AnyEvent, ...]) -> None:
    before = msgspec.json.encode(events)
    assert folded(checked, events) == folded(checked, events)
    assert msgspec.json.encode(events) == before


@given(checked_policies(), histories(), st.randoms(use_true_random=False))
@ENOUGH
def test_L02_the_order_of_rules_and_of_keys_does_not_matter(
    checked: Checked, events: tuple[AnyEvent, ...], dice: random.Random
) -> None:
    shuffled = list(checked.rules)
    dice.shuffle(shuffled)
    other = msgspec.structs.replace(checked, rules=tuple(shuffled))
    for one, two in zip(folded(checked, events), folded(other, events), strict=True):
        assert (one.verdict, one.certain, set(one.reasons)) == (two.verdict, two.certain, set(two.reasons))


def test_L02_stop_beats_deny_beats_ask_beats_warn_beats_allow() -> None:
    ranked = [Verdict.STOP, Verdict.DENY, Verdict.ASK, Verdict.WARN, Verdict.ALLOW]
    for some in itertools.chain.from_iterable(itertools.permutations(ranked, n) for n in range(1, 6)):
        assert strictest(list(some)) is min(some, key=ranked.index)


@given(checked_policies(), histories(), st.data())
@ENOUGH
def test_L03_an_answer_that_is_not_known_never_loosens(
    checked: Checked, events: tuple[AnyEvent, ...], data: st.DataObject
) -> None:
    """Forgetting a judge's answer gives a verdict at least as strict as either answer would have."""
    read = {name for name, term in checked.judged.items() if term.pattern is not None}  # these are asked of no judge
    labelled = [(place, name) for place, event in enumerate(events) for name in getattr(event, "labels", {})]
    labelled = [(place, name) for place, name in labelled if name not in read]
    assume(labelled)
    place, name = data.draw(st.sampled_from(labelled))

    def answered(answer: bool | None) -> list[Decision]:
        event = events[place]
        labels = {key: value for key, value in event.labels.items() if key != name}  # type: ignore[union-attr]  # it has labels
        labels |= {} if answer is None else {name: answer}
        changed = msgspec.structs.replace(event, labels=labels)
        return folded(checked, (*events[:place], changed, *events[place + 1 :]))

    for unknown, yes, no in zip(answered(None), answered(True), answered(False), strict=True):
        assert unknown.verdict.strictness >= max(yes.verdict.strictness, no.verdict.strictness)


@given(st.lists(st.sampled_from(Truth), max_size=4))
def test_L03_kleene_is_what_all_completions_agree_on(values: list[Truth]) -> None:
    ways = [[Truth.TRUE, Truth.FALSE] if value is Truth.UNKNOWN else [value] for value in values]
    for combine, start in ((Truth.__and__, Truth.TRUE), (Truth.__or__, Truth.FALSE)):

        def fold(items: object, combine=combine, start=start) -> Truth:  # type: ignore[no-untyped-def]  # local, plain
            result = start
            for item in items:  # type: ignore[attr-defined]  # an iterable
                result = combine(result, item)
            return result

        outcomes = {fold(completion) for completion in itertools.product(*ways)}
        assert fold(values) is (outcomes.pop() if len(outcomes) == 1 else Truth.UNKNOWN)


@given(checked_policies(), histories())
@ENOUGH
def test_L04_an_audit_is_decide_folded_over_the_steps(checked: Checked, events: tuple[AnyEvent, ...]) -> None:
    found = {(f.step, f.clause, f.verdict, f.state) for f in audit(checked, "t", events).findings}
    wanted = set()
    for decision in folded(checked, events):
        for clause in {reason.clause for reason in decision.reasons}:
            mine = [reason for reason in decision.reasons if reason.clause == clause]
            worst = max(mine, key=lambda r: (r.verdict.blocks, r.certain is Truth.TRUE, r.verdict.strictness))
            state = "warned" if not worst.verdict.blocks else "broken" if worst.certain is Truth.TRUE else "undecided"
            wanted.add((decision.step, clause, worst.verdict, state))
    assert found == wanted


@given(checked_policies(), histories())
@settings(max_examples=300, deadline=None, suppress_health_check=list(HealthCheck))
def test_L05_the_monitor_is_the_reference_evaluator(checked: Checked, events: tuple[AnyEvent, ...]) -> None:
    monitor, history = Monitor(checked), list[AnyEvent]()
    for item in turns_of(events):
        turn = item if isinstance(item, tuple) else ()
        for step in steps_of(turn) if turn else ():
            one, two = decide(checked, history, step), monitor.decide(step)
            assert essence(one) == essence(two)
        for event in turn or [item]:  # type: ignore[list-item]  # an event, where it is no turn
            history.append(event)
            monitor.observe(event)


@given(checked_policies(), scenarios())
@settings(max_examples=300, deadline=None, suppress_health_check=list(HealthCheck))
def test_L05_the_monitor_agrees_on_turns_of_several_steps(
    checked: Checked, scenario: tuple[tuple[AnyEvent, ...], Step]
) -> None:
    history, step = scenario
    monitor = Monitor(checked)
    for event in history:
        monitor.observe(event)
    assert essence(monitor.decide(step)) == essence(decide(checked, history, step))


def essence(decision: Decision) -> object:
    """Verdicts and reasons; which of several equal events a reason names may differ."""
    return (
        decision.verdict,
        decision.certain,
        [(reason.rule, reason.verdict, reason.certain) for reason in decision.reasons],
        [reason.rule for reason in decision.permits],
    )
