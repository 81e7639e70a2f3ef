"""A rule that looks back at approvals remembers them after they were used: none of them counts a second time.

Found by living through random sessions (`tests/laws/test_guard_replay_laws.py`): the streaming monitor kept the approval for `since
approval`, and not the call that had used it up.
"""

from __future__ import annotations

from collections.abc import Callable

import pytest

from obverse.core.events import AnyEvent, Approval, Call, Reply, Step
from obverse.core.verdicts import Verdict
from obverse.policy.checked import Checked
from obverse.policy.compiled.session import CompiledMonitor
from obverse.policy.decide import call_digest, decide
from obverse.policy.monitor import Monitor, Watches
from obverse.testing.guards import START, Desk, call, checked_policy, guard_of

CONDITIONS = (
    "not no reply since approval",
    "once approval",
    "count(approval) >= 0",
    "count(approval within 1h) >= 0",
    'not last approval has by = "nobody"',
    "count(approval) > 0 or not once approval",
)
MAKES: tuple[Callable[[Checked], Watches], ...] = (Monitor, CompiledMonitor)


def policy(condition: str) -> str:
    return f"---\npolicy: p\n---\n```terms\ntool cancel() effect write\n```\n\n## C {{#c}}\n\n```rule\nask cancel when {condition}\n```\n"


@pytest.mark.parametrize("make", MAKES, ids=["reference", "compiled"])
@pytest.mark.parametrize("condition", CONDITIONS)
def test_L05_an_approval_that_was_used_is_used_for_every_monitor(
    condition: str, make: Callable[[Checked], Watches]
) -> None:
    checked = checked_policy(policy(condition))
    done = Call(id="c", time=START, call_id="1", tool="cancel", arguments="{}")
    history: list[AnyEvent] = [
        Approval(id="a", time=START, call=call_digest(done), by="ann"),
        Reply(id="r", time=START, text="Done."),
        done,
    ]
    monitor = make(checked)
    again = Call(id="d", time=START, call_id="2", tool="cancel", arguments="{}")
    step = Step(event=again, turn=(again,))
    for event in history:
        monitor.observe(event)
        assert monitor.decide(step) == decide(checked, history[: history.index(event) + 1], step)
    assert monitor.decide(step).verdict is Verdict.ASK


@pytest.mark.parametrize("condition", CONDITIONS)
def test_an_approval_is_used_once_in_a_session_whatever_else_looks_back_at_it(condition: str) -> None:
    desk = Desk()
    session = guard_of(policy(condition), people=desk).session(holder="alice")
    for number in range(3):
        if not session.propose([call("cancel", "{}", f"c{number}")], "Done.").waiting:
            continue  # nobody was asked before there was an approval to look back at
        desk.say("ann")
        ruling = session.resume()
        assert ruling is not None
        assert ruling.released
        assert session.propose([call("cancel", "{}", f"d{number}")], "Done.").waiting
