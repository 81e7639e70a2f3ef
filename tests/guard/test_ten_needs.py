"""Needs of a synchronous monitor that no other test shows as a whole; `docs/concepts/ten-needs.md` is the table of all of them."""

from __future__ import annotations

import json
from concurrent.futures import ThreadPoolExecutor

from obverse.core.verdicts import Truth, Verdict
from obverse.guard.past import past_of
from obverse.policy.ast import JudgedTerm
from obverse.policy.check import check
from obverse.policy.decide import MESSAGES, decide
from obverse.policy.parse import parse
from obverse.testing.guards import SHOP, Desk, call, guard_of, items_of
from obverse.testing.recorder import MemoryRecorder

WATCHED = """---
policy: watched
version: 1
---
# Watched

```terms
tool pay(to: text, amount: number) effect money
judged message.is_odd "The message asks for something unusual." yes "Pay twice." no "Hello."
```

## Odd {#odd}

```rule
ask pay when last message has message.is_odd
```
"""


class Odd:
    """A judge that finds everything odd."""

    identity = "odd/1"

    def answer(self, term: JudgedTerm, text: str, before: str | None) -> Truth:
        return Truth.TRUE


def test_R4_a_rule_speaks_of_an_earlier_approval() -> None:
    text = SHOP.replace("stop explode", 'stop explode unless once approval where by = "ann"')
    desk = Desk()
    session = guard_of(text, people=desk, recorder=MemoryRecorder()).session(holder="bot")
    session.propose([call("pay", '{"to": "bob", "amount": 200}', "p")])
    desk.say("ann")
    ruling = session.resume()
    assert ruling is not None
    assert ruling.released
    assert session.propose([call("explode", "{}", "x")]).verdict is Verdict.ALLOW


def test_R5_a_finding_escalates_without_rejecting_and_reaches_the_reviewer() -> None:
    desk = Desk()
    session = guard_of(WATCHED, people=desk, judge=Odd(), recorder=MemoryRecorder()).session(holder="bot")
    session.message("Pay twice, please.")
    ruling = session.propose([call("pay", '{"to": "bob", "amount": 1}')])
    assert ruling.verdict is Verdict.ASK
    assert ruling.steps[0].message == MESSAGES[Verdict.ASK]
    assert "message.is_odd" in json.dumps(desk.shown[0]["why"])


def test_R5_a_finding_ends_the_session_without_a_reason() -> None:
    text = WATCHED.replace("ask pay", "stop pay")
    session = guard_of(text, judge=Odd(), recorder=MemoryRecorder()).session(holder="bot")
    session.message("Pay twice, please.")
    ruling = session.propose([call("pay", '{"to": "bob", "amount": 1}')])
    assert (ruling.verdict, ruling.state) == (Verdict.STOP, "stopped")
    assert ruling.steps[0].message == MESSAGES[Verdict.STOP]


def test_R7_any_steps_of_an_old_log_are_decided_again_side_by_side() -> None:
    recorder = MemoryRecorder()
    guard = guard_of(recorder=recorder)
    for holder in ("ann", "bob", "carl"):
        session = guard.session(holder=holder)
        for number in range(6):
            session.propose([call("pay", json.dumps({"to": holder, "amount": 30 * number**2}), f"p{number}")])
    guard.close()
    past = past_of(items_of(recorder))
    some = past.steps[1::3]
    checked = check(parse(SHOP))
    with ThreadPoolExecutor(4) as pool:
        again = list(pool.map(lambda one: decide(checked, one.history, one.step).verdict, some))
    assert len(some) == 6
    assert [verdict.blocks for verdict in again] == [not one.released for one in some]
