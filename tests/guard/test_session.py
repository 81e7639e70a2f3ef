"""A session: allowed, denied, asked, stopped, and what stands in the ledger of it."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from obverse.core.errors import EvidenceError
from obverse.core.verdicts import Verdict
from obverse.guard.guard import Guard
from obverse.guard.records import ProposedCall
from obverse.testing.recorder import MemoryRecorder


def call(tool: str, arguments: str, name: str = "c1") -> ProposedCall:
    return ProposedCall(call_id=name, tool=tool, arguments=arguments)


def test_what_the_policy_allows_is_recorded_and_released(make: Callable[..., Guard], recorder: MemoryRecorder) -> None:
    session = make().session(holder="alice", id="s1")
    session.message("Pay Bob 5.")
    ruling = session.propose([call("pay", '{"to": "bob", "amount": 5}')])
    [step] = ruling.released
    assert ruling.verdict is Verdict.ALLOW
    assert step.permit is not None
    assert recorder.entries[step.permit.entry].type == "decision"
    assert recorder.entries[step.permit.entry].body["permit"] == step.permit.id
    session.redeem(step.permit, "pay", '{"amount": 5, "to": "bob"}')
    with pytest.raises(EvidenceError, match="used"):
        session.redeem(step.permit, "pay", '{"amount": 5, "to": "bob"}')
    session.result("c1", "paid")
    session.end()
    assert [entry.type for entry in recorder] == [
        "guard.start", "policy.load", "session.start", "event", "decision", "event", "event", "session.end",
    ]  # fmt: skip
    assert recorder.entries[5].body["head"] != recorder.entries[3].body["head"]


def test_what_the_policy_denies_is_recorded_and_not_released(
    make: Callable[..., Guard], recorder: MemoryRecorder
) -> None:
    session = make().session(holder="alice")
    ruling = session.propose([call("pay", '{"to": "bob", "amount": 5000}')])
    assert ruling.verdict is Verdict.DENY
    assert not ruling.released
    assert ruling.steps[0].message == "Too much at once."
    [decision] = recorder.of("decision")
    assert decision.body["verdict"] == "deny"
    assert recorder.of("event")[-1].body["kind"] == "denied"


def test_a_permit_is_for_what_it_names_alone(make: Callable[..., Guard]) -> None:
    session = make().session(holder="alice")
    [step] = session.propose([call("pay", '{"to": "bob", "amount": 5}')]).released
    assert step.permit is not None
    with pytest.raises(EvidenceError, match="not what was permitted"):
        session.redeem(step.permit, "pay", '{"to": "mallory", "amount": 5}')
