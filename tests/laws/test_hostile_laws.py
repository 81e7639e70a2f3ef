"""L05 and the totality of `decide`, on what an adversary writes: look-alikes, odd JSON, call ids used twice, strange facts."""

from __future__ import annotations

import json
import random
from decimal import Decimal

import msgspec
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tests.laws.test_decide_laws import essence

from obverse.audit.findings import audit
from obverse.core.events import AnyEvent, Call, Denied, Fact, Message, Reply, Result, Step
from obverse.policy.checked import Checked
from obverse.policy.decide import decide
from obverse.policy.monitor import Monitor
from obverse.testing.strategies import Size, checked_policies, scenarios

LOOKS = ("A", "a", "А", "Α", "A\u200b", "А\ufe0f", "A\u0301", "Á", "А\u0301", "\\ud800", "\ud800")
ODD = (
    '{"amount": 1E400, "to": "A"}', '{"amount": -0, "to": "A"}', '{"amount": 1e-400, "to": "А"}', '{"to": "\\ud800"}',
    '{"amount": 1e99999999999999999999}', "\ufeff{}", '{"id": "A"}\0', '{"reasons": ["A", ["B"]]}', '{"reasons": ["А", 7]}',
    '{"id": null}', "null", '"x"', f'{{"id": {"[" * 90}{"]" * 90}}}', f'{{"booked": "{"9" * 5000}h"}}',
)  # fmt: skip
STRANGE = (0.5, float("nan"), Decimal("1e99999999"), None, "A", "А", {"a": [1]}, 10**400, True)


@st.composite
def hostile(draw: st.DrawFn) -> tuple[tuple[AnyEvent, ...], Step]:
    """A scenario of which an adversary wrote what it could."""
    history, step = draw(scenarios(Size(events=10)))
    dice = random.Random(draw(st.integers(0, 2**32)))
    turn = tuple(_mangled(event, dice) for event in step.turn)
    event = next(event for event in turn if event.id == step.event.id)
    return tuple(_mangled(event, dice) for event in history), Step(event=event, turn=turn)  # type: ignore[arg-type]  # kinds stay


def _mangled(event: AnyEvent, dice: random.Random) -> AnyEvent:
    change = dict[str, object]()
    match event:
        case Call() | Denied():
            change["arguments"] = _text(event.arguments, dice)
            change["call_id"] = dice.choice((event.call_id, event.call_id, "x", "y"))
        case Result():
            change["output"] = _text(event.output, dice)
            change["call_id"] = dice.choice((event.call_id, event.call_id, "x", "y", "z"))
            change["tool"] = dice.choice((event.tool, event.tool, event.tool, "pay", "look", "stranger"))
        case Message() | Reply():
            change["text"] = event.text.replace("A", dice.choice(LOOKS))
        case Fact() if dice.random() < 0.3:
            change["value"] = dice.choice(STRANGE)
    return msgspec.structs.replace(event, **change)


def _text(raw: str, dice: random.Random) -> str:
    return dice.choice(ODD) if dice.random() < 0.2 else raw.replace("A", dice.choice(LOOKS))


@given(checked_policies(), hostile())
@settings(max_examples=150, deadline=None, suppress_health_check=list(HealthCheck))
def test_L05_the_monitor_agrees_on_what_an_adversary_writes(
    checked: Checked, scenario: tuple[tuple[AnyEvent, ...], Step]
) -> None:
    history, step = scenario
    monitor = Monitor(checked)
    for event in history:
        monitor.observe(event)
    decision = decide(checked, history, step)
    assert essence(decision) == essence(monitor.decide(step))
    assert json.loads(msgspec.json.encode(decision))  # it can be written down
    audit(checked, "hostile", (*history, *step.turn))
