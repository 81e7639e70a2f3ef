"""Replay: what a guard recorded comes out again, and what was changed in it does not."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import msgspec
import pytest

from obverse.guard.guard import Guard
from obverse.guard.records import ProposedCall
from obverse.guard.replay import replay
from obverse.guard.tally import Replayed
from obverse.ledger.contents import Item
from obverse.testing.recorder import MemoryRecorder


def items(recorder: MemoryRecorder) -> Iterator[Item]:
    for index, entry in enumerate(recorder):
        kept = {name: recorder.payloads.get(commitment) for name, commitment in entry.payloads.items()}
        yield Item(index=index, entry=entry, payloads={name: data for name, data in kept.items() if data is not None})


def call(tool: str, arguments: str, name: str = "c1") -> ProposedCall:
    return ProposedCall(call_id=name, tool=tool, arguments=arguments)


@pytest.fixture
def told(make: Callable[..., Guard], recorder: MemoryRecorder, clock: Any) -> list[Item]:
    """A day of a guard: allowed, denied, limited by history, several at once, two sessions side by side."""
    guard = make()
    alice, bob = guard.session(holder="alice", id="s1"), guard.session(holder="bob", id="s2")
    alice.message("Pay Bob 5, \u00e4 lot.")
    for number in range(5):
        alice.propose([call("pay", '{"to": "bob", "amount": 5}', f"p{number}")])
        clock.move(1)
    bob.fact("user.verified", True)
    bob.propose([call("pay", '{"to": "eve", "amount": 5000}')], reply="Now.")
    ruling = bob.propose([call("look", '{"id": "a"}', "l1")])
    assert ruling.released
    bob.result("l1", '{"owner": "bob", "price": 2.5}')
    bob.propose([call("wipe", '{"id": "a"}', "w1")], reply="Wiped.")
    guard.heartbeat()
    alice.end()
    guard.close()
    return list(items(recorder))


def faults(told: list[Item]) -> tuple[str, ...]:
    return replay(told).faults


def test_what_was_recorded_comes_out_again(told: list[Item]) -> None:
    found = replay(told)
    assert (found.outcome, found.faults, found.gaps) == ("holds", (), ())
    assert found.decisions == found.replayed == sum(item.entry.type == "decision" for item in told)
    assert (found.sessions, found.released) == (2, 6)


def changed(told: list[Item], place: int, **body: Any) -> list[Item]:
    item = told[place]
    entry = msgspec.structs.replace(item.entry, body={**item.entry.body, **body})
    return [*told[:place], msgspec.structs.replace(item, entry=entry), *told[place + 1 :]]


def places(told: list[Item], kind: str, **body: Any) -> list[int]:
    return [
        place
        for place, item in enumerate(told)
        if item.entry.type == kind and all(item.entry.body.get(name) == value for name, value in body.items())
    ]


def test_L15_no_entry_of_a_session_can_be_left_out(told: list[Item]) -> None:
    for place, item in enumerate(told):
        if item.entry.type != "guard.heartbeat" and item.entry.type not in ("guard.stop", "session.end"):
            assert faults([*told[:place], *told[place + 1 :]]), item.entry


def test_L15_no_entry_can_be_there_twice_or_elsewhere(told: list[Item]) -> None:
    for place, item in enumerate(told):
        if item.entry.type in ("event", "decision", "session.start"):
            assert faults([*told[: place + 1], item, *told[place + 1 :]]), item.entry
            assert faults([*told[:place], *told[place + 1 :], item]), item.entry


def test_L15_an_entry_of_one_session_smuggled_into_another_is_found(told: list[Item]) -> None:
    for place in (*places(told, "event"), *places(told, "decision")):
        other = "s2" if told[place].entry.session == "s1" else "s1"
        entry = msgspec.structs.replace(told[place].entry, session=other)
        assert faults([*told[:place], msgspec.structs.replace(told[place], entry=entry), *told[place + 1 :]])
        assert faults([*told[: place + 1], msgspec.structs.replace(told[place], entry=entry), *told[place + 1 :]])


def test_a_verdict_that_the_policy_does_not_give_is_found(told: list[Item]) -> None:
    [place] = places(told, "decision", tool="pay", turn=4)
    assert told[place].entry.body["verdict"] == "deny"
    for milder in (
        {"verdict": "allow", "permit": "p"},
        {"verdict": "allow", "policy_verdict": "allow", "certain": "allow", "clauses": (), "permit": "p"},
        {"policy_verdict": "allow"},
        {"clauses": ("wipe",)},
        {"lifted": ("sha256:x",), "verdict": "allow", "permit": "p"},
    ):
        assert faults(changed(told, place, **milder)), milder
    [place] = places(told, "decision", tool="look")
    assert faults(changed(told, place, permit=None))
    assert faults(changed(told, place, verdict="deny"))


def test_reasons_that_are_not_those_of_the_policy_are_found(told: list[Item]) -> None:
    place = places(told, "decision", tool="look")[0]
    payloads = {**told[place].payloads, "decision": b"{}"}
    assert faults([*told[:place], msgspec.structs.replace(told[place], payloads=payloads), *told[place + 1 :]])


def without_payload(told: list[Item], place: int, name: str) -> list[Item]:
    payloads = {key: data for key, data in told[place].payloads.items() if key != name}
    return [*told[:place], msgspec.structs.replace(told[place], payloads=payloads), *told[place + 1 :]]


def test_what_was_erased_is_not_replayable_and_nothing_else_breaks(told: list[Item]) -> None:
    for place, name in [(places(told, "event")[0], "event"), (places(told, "decision")[0], "proposal")]:
        found = replay(without_payload(told, place, name))
        assert found.outcome == "holds"
        assert found.unreplayable_count > 0
        assert found.replayed + found.unreplayable_count == found.decisions
        assert f"entry {place}" in found.unreplayable[0]
    [policy] = places(told, "policy.load")
    found = replay(without_payload(told, policy, "file.0"))
    assert (found.outcome, found.replayed) == ("not checked", 0)


def test_a_policy_that_is_not_the_one_that_is_named_is_found(told: list[Item]) -> None:
    [place] = places(told, "policy.load")
    text = told[place].payloads["file.0"]
    for other in (text.replace(b"1000", b"9000"), b"no policy at all", b""):
        item = msgspec.structs.replace(told[place], payloads={"file.0": other})
        assert faults([*told[:place], item, *told[place + 1 :]])


def test_bodies_of_no_known_form_are_faults_and_nothing_raises(told: list[Item]) -> None:
    for place, item in enumerate(told):
        for body in ({}, dict.fromkeys(item.entry.body), {name: {"a": [1]} for name in item.entry.body}):
            entry = msgspec.structs.replace(item.entry, body=body)
            found = replay([*told[:place], msgspec.structs.replace(item, entry=entry), *told[place + 1 :]])
            assert isinstance(found, Replayed)
            assert found.faults or item.entry.type == "guard.heartbeat", item.entry


def test_silence_of_a_guard_and_an_end_without_a_word_are_gaps(
    make: Callable[..., Guard], recorder: MemoryRecorder, clock: Any
) -> None:
    guard = make()
    guard.heartbeat()
    clock.move(3_600)
    guard.heartbeat()
    make()
    found = replay(items(recorder))
    assert found.outcome == "holds"
    assert [gap for gap in found.gaps if "3,600 s" in gap]
    assert [gap for gap in found.gaps if "without a word" in gap]
