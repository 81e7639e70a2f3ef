"""L05 for what a session does to a monitor: labels that come late, snapshots in the middle."""

from __future__ import annotations

import json
import random

import msgspec
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tests.laws.test_decide_laws import essence
from tests.laws.test_hostile_laws import hostile

from obverse.core.errors import MisuseError, UntrustedInputError
from obverse.core.events import AnyEvent, Message, Spoken, Step
from obverse.policy.check import check
from obverse.policy.checked import Checked
from obverse.policy.decide import decide
from obverse.policy.monitor import Monitor
from obverse.policy.parse import parse
from obverse.testing.strategies import TERMS, checked_policies, scenarios

ENOUGH = settings(max_examples=200, deadline=None, suppress_health_check=list(HealthCheck))


def unlabelled(checked: Checked, event: AnyEvent) -> AnyEvent:
    """The event before judges were asked: what a pattern answers, nobody is asked."""
    if not isinstance(event, Spoken):
        return event
    read = {name for name, term in checked.judged.items() if term.pattern is not None}
    labels = {name: answer for name, answer in event.labels.items() if name in read}
    return msgspec.structs.replace(event, labels=labels)


@given(checked_policies(), scenarios(), st.randoms(use_true_random=False))
@ENOUGH
def test_L05_an_event_that_is_labelled_late_is_a_labelled_event(
    checked: Checked, scenario: tuple[tuple[AnyEvent, ...], Step], dice: random.Random
) -> None:
    history, step = scenario
    monitor, late = Monitor(checked), list[Spoken]()
    for event in history:
        bare = unlabelled(checked, event)
        monitor.observe(bare)
        if isinstance(event, Spoken) and bare is not event:
            late.append(event)
        while late and dice.random() < 0.4:
            answered = late.pop(dice.randrange(len(late)))
            monitor.label(answered.id, answered.labels)
    for answered in late:
        monitor.label(answered.id, answered.labels)
    assert essence(monitor.decide(step)) == essence(decide(checked, history, step))


@given(checked_policies(), st.one_of(scenarios(), hostile()), st.randoms(use_true_random=False))
@ENOUGH
def test_L05_a_restored_monitor_goes_on_as_the_old_one(
    checked: Checked, scenario: tuple[tuple[AnyEvent, ...], Step], dice: random.Random
) -> None:
    history, step = scenario
    monitor = Monitor(checked)
    for event in history:
        monitor.observe(event)
        if dice.random() < 0.3:
            data = monitor.snapshot()
            monitor = Monitor.restore(checked, data)
            assert monitor.snapshot() == data
    assert essence(monitor.decide(step)) == essence(decide(checked, history, step))


def policy(rule: str) -> Checked:
    return check(
        parse(f"---\npolicy: p\nversion: 1\n---\n```terms\n{TERMS}```\n## One {{#one}}\n```rule\n{rule}\n```\n")
    )


def test_an_answer_that_was_given_stands() -> None:
    monitor = Monitor(policy("forbid ping when last message has message.says_yes"))
    monitor.observe(Message(id="m", text="yes", labels={"message.says_yes": True}))
    monitor.label("m", {"message.says_yes": True})
    with pytest.raises(MisuseError, match="answered otherwise"):
        monitor.label("m", {"message.says_yes": False})
    with pytest.raises(MisuseError, match="pattern of its own"):
        monitor.label("m", {"message.names_acme": False})
    monitor.label("nobody", {"message.says_yes": True})


def test_what_a_late_answer_makes_needless_is_forgotten() -> None:
    monitor = Monitor(policy("forbid ping when once message where message.says_yes"))
    for number in range(50):
        monitor.observe(Message(id=f"m{number}", text="yes"))
        monitor.label(f"m{number}", {"message.says_yes": number % 7 == 0})
    assert monitor.size == 1


@pytest.mark.parametrize("change", ["", "{", "[]", "{}", "null", "policy", "event", "number", "keeper"])
def test_bytes_that_are_no_snapshot_are_refused(change: str) -> None:
    checked = policy("forbid ping when once message where message.says_yes")
    monitor = Monitor(checked)
    monitor.observe(Message(id="m", text="yes"))
    named = json.loads(monitor.snapshot())
    match change:
        case "policy":
            with pytest.raises(MisuseError, match="under the policy"):
                Monitor.restore(checked, json.dumps(named | {"policy": "other"}).encode())
            return
        case "event":
            named["events"]["0"]["kind"] = "nonsense"
        case "number":
            named["keepers"][0] = [7]
        case "keeper":
            named["keepers"] = []
        case text:
            named = text
    with pytest.raises(UntrustedInputError):
        Monitor.restore(checked, named.encode() if isinstance(named, str) else json.dumps(named).encode())
