"""A turn that waits for people: bound to what was asked, at the head of then; whole, once, in time."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from typing import Any

import pytest

from obverse.core.verdicts import Verdict
from obverse.guard.guard import Guard
from obverse.guard.replay import replay
from obverse.guard.settings import Settings
from obverse.testing.guards import items_of
from obverse.testing.recorder import MemoryRecorder

Make = Callable[..., Guard]
TWO = """\
---
policy: two
---
```terms
tool look(id: text) effect read
tool pay(amount: number) effect money
```

## Pay {#pay}

```rule
ask pay by 2 people
```
"""


def test_an_approved_call_is_released_once_with_the_approval_before_it(
    make: Make, desk: Any, recorder: MemoryRecorder, propose: Any
) -> None:
    session = make(people=desk).session(holder="alice")
    asked = session.propose([propose("pay", '{"to": "bob", "amount": 500}')])
    assert asked.verdict is Verdict.ASK
    assert asked.waiting == (desk.asked[0].id,)
    assert not asked.released
    assert session.resume() == asked
    desk.say("carol")
    ruling = session.resume()
    assert ruling is not None
    [step] = ruling.released
    assert step.permit is not None
    session.redeem(step.permit, "pay", '{"amount":500,"to":"bob"}')
    assert session.resume() is None
    assert [(entry.type, entry.body.get("kind")) for entry in recorder][-5:] == [
        ("approval", None), ("approval.end", None), ("event", "approval"), ("decision", "call"), ("event", "call"),
    ]  # fmt: skip
    assert desk.closed == {desk.asked[0].id: "used"}
    session.result("c1", "paid")
    again = session.propose([propose("pay", '{"to": "bob", "amount": 500}', "c2")])
    assert again.verdict is Verdict.ASK, "an approval is used once"


@pytest.mark.parametrize("how", ["rejected", "expired"])
def test_who_rejects_or_lets_time_pass_denies(
    how: str, make: Make, desk: Any, clock: Any, recorder: MemoryRecorder, propose: Any
) -> None:
    session = make(people=desk).session(holder="alice")
    session.propose([propose("pay", '{"to": "bob", "amount": 500}')])
    if how == "rejected":
        desk.say("carol")
        desk.say("dora", "reject")
    else:
        clock.move(601)
    ruling = session.resume()
    assert ruling is not None
    assert ruling.verdict is Verdict.DENY
    assert recorder.of("approval.end")[-1].body["why"] == how
    assert recorder.of("event")[-1].body["kind"] == "denied"
    assert session.state == "open"


def test_an_approval_after_the_time_is_none(make: Make, desk: Any, clock: Any, propose: Any) -> None:
    session = make(people=desk).session(holder="alice")
    session.propose([propose("pay", '{"to": "bob", "amount": 500}')])
    clock.move(601)
    desk.say("carol", time=clock())
    ruling = session.resume()
    assert ruling is not None
    assert ruling.verdict is Verdict.DENY


def test_two_people_are_two_names(make: Make, desk: Any, propose: Any) -> None:
    session = make(TWO, people=desk).session(holder="alice")
    session.propose([propose("pay", '{"amount": 1}')])
    desk.say("carol")
    desk.say("carol")
    assert session.resume().verdict is Verdict.ASK  # type: ignore[union-attr]  # it waits
    desk.say("dora")
    assert session.resume().verdict is Verdict.ALLOW  # type: ignore[union-attr]  # it waits


def test_a_request_is_void_once_the_session_goes_on(
    make: Make, desk: Any, recorder: MemoryRecorder, propose: Any
) -> None:
    session = make(people=desk).session(holder="alice")
    session.propose([propose("pay", '{"to": "bob", "amount": 500}')])
    session.message("Wait, not Bob!")
    desk.say("carol")
    ruling = session.resume()
    assert ruling is not None
    assert ruling.verdict is Verdict.DENY
    assert desk.closed == {desk.asked[0].id: "superseded"}
    assert session.resume() is None
    assert [entry.body["kind"] for entry in recorder.of("event")] == ["denied"]
    session.end()
    assert [entry.body["kind"] for entry in recorder.of("event")] == ["denied", "message"]


def test_a_turn_waits_whole(make: Make, desk: Any, recorder: MemoryRecorder, propose: Any) -> None:
    session = make(people=desk).session(holder="alice")
    turn = [propose("look", '{"id": "a"}', "c1"), propose("pay", '{"to": "bob", "amount": 500}', "c2")]
    asked = session.propose(turn, "I shall pay Bob.")
    assert [step.verdict for step in asked.steps] == [Verdict.ASK] * 3
    assert [step.request is None for step in asked.steps] == [True, True, False]
    desk.say("carol")
    ruling = session.resume()
    assert ruling is not None
    assert len(ruling.released) == 3
    assert [entry.body["kind"] for entry in recorder.of("event")] == ["approval", "reply", "call", "call"]


def test_people_may_be_asked_in_the_place_of_a_judge_that_does_not_answer(make: Make, desk: Any, propose: Any) -> None:
    policy = TWO.replace("tool pay", 'judged message.agrees "Yes." yes "y" no "n"\ntool pay').replace(
        "ask pay by 2 people", "warn pay when not last message has message.agrees"
    )
    session = make(policy, people=desk, settings=Settings(unanswered={"money": Verdict.ASK})).session(holder="alice")
    session.message("Hm.")
    assert session.propose([propose("pay", '{"amount": 1}')]).verdict is Verdict.ASK
    desk.say("carol")
    ruling = session.resume()
    assert ruling is not None
    assert ruling.verdict is Verdict.WARN
    assert ruling.released


def test_nobody_to_ask_is_a_denial(make: Make, propose: Any) -> None:
    session = make().session(holder="alice")
    ruling = session.propose([propose("pay", '{"to": "bob", "amount": 500}')])
    assert ruling.verdict is Verdict.DENY
    assert ruling.steps[0].message == "This is not allowed here."


def test_whoever_waits_for_people_is_woken_by_a_stop(make: Make, desk: Any, propose: Any) -> None:
    guard = make(people=desk, steady=_steady())
    session = guard.session(holder="alice", id="s")
    timer = threading.Timer(0.1, lambda: guard.stop("s", by="person", why="enough"))
    timer.start()
    ruling = session.propose([propose("pay", '{"to": "bob", "amount": 500}')], wait=20.0)
    timer.join()
    assert ruling.verdict is Verdict.DENY
    assert ruling.state == session.state == "stopped"
    assert list(desk.closed.values()) == ["stopped"]


def _steady() -> Callable[[], int]:
    return lambda: time.monotonic_ns() // 1_000_000


def test_where_a_part_may_be_released_a_denied_step_does_not_keep_people_from_being_asked(
    make: Make, desk: Any, recorder: MemoryRecorder, propose: Any
) -> None:
    policy = TWO.replace("policy: two", "policy: two\ndefault: {turn: allowed-part}").replace("by 2 people", "")
    session = make(policy, people=desk).session(holder="alice")
    turn = [
        propose("pay", "{", "bad"),
        propose("look", '{"id": "a"}', "free"),
        propose("pay", '{"amount": 1}', "asked"),
    ]
    asked = session.propose(turn)
    assert [step.verdict for step in asked.steps] == [Verdict.DENY, Verdict.ASK, Verdict.ASK]
    assert (len(asked.waiting), asked.released) == (1, ())
    desk.say("carol")
    ruling = session.resume()
    assert ruling is not None
    assert [step.verdict for step in ruling.steps] == [Verdict.DENY, Verdict.ALLOW, Verdict.ALLOW]
    session.end()
    assert not replay(items_of(recorder), people=desk.people).faults
