"""Replay: what a guard recorded comes out again, and what was changed in it does not."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import msgspec
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from obverse.core.canon import canonical
from obverse.core.verdicts import Truth
from obverse.guard.approvals.statement import statement_of
from obverse.guard.guard import Guard
from obverse.guard.people import Person, edwards_key
from obverse.guard.records import ProposedCall, Request, Said
from obverse.guard.replay import replay
from obverse.guard.signing import sign
from obverse.guard.tally import Replayed
from obverse.ledger.contents import Item
from obverse.testing.recorder import MemoryRecorder

JUDGED = """\
---
policy: judged
version: 1
---
```terms
tool explode() effect write
judged message.says_yes "The user agrees." yes "yes" no "no"
```

## Agreed {#agreed}

```rule
forbid explode unless last message has message.says_yes trusting judge
```
"""


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


def places(told: list[Item], type_: str, /, **body: Any) -> list[int]:
    return [
        place
        for place, item in enumerate(told)
        if item.entry.type == type_ and all(item.entry.body.get(name) == value for name, value in body.items())
    ]


def test_L15_no_entry_of_a_session_can_be_left_out(told: list[Item]) -> None:
    for place, item in enumerate(told):
        if item.entry.type != "guard.heartbeat" and item.entry.type not in ("guard.stop", "session.end"):
            assert faults([*told[:place], *told[place + 1 :]]), item.entry


def test_L15_a_log_without_the_entries_of_its_guard_does_not_hold(told: list[Item]) -> None:
    for left_out in (
        {"guard.start"},
        {"guard.start", "guard.stop", "guard.heartbeat"},
        {"policy.load"},
        {"session.start"},
    ):
        found = replay([item for item in told if item.entry.type not in left_out])
        assert (found.guarded, found.outcome) == (True, "fails"), left_out


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


# --- people ---------------------------------------------------------------------------------------------------------------


class Signing:
    """People who are asked and sign for what they are asked, with keys of their own."""

    def __init__(self, clock: Any) -> None:
        self.clock = clock
        self.keys = {name: Ed25519PrivateKey.generate() for name in ("ann", "ben")}
        self.people = {
            name: Person(
                name=name, roles=("approve",), keys=(edwards_key(key.public_key().public_bytes_raw(), added=0),)
            )
            for name, key in self.keys.items()
        }
        self.asked: list[Request] = []
        self.said: dict[str, list[Said]] = {}

    def ask(self, request: Request, shown: object) -> None:
        self.asked.append(request)

    def answers(self, request: str) -> tuple[Said, ...]:
        return tuple(self.said.get(request, ()))

    def wait(self, request: str, seconds: float) -> None:
        raise AssertionError

    def close(self, request: str, why: str) -> None:
        pass

    def say(self, by: str, answer: Any = "approve", **other: Any) -> None:
        request = self.asked[-1]
        about = msgspec.structs.replace(request, **other)
        statement = statement_of(about, "sha256:page", answer=answer, by=by, time=self.clock())
        signed = sign(statement, self.keys[by])
        said = Said(request=request.id, by=by, answer=answer, time=self.clock(), signature=signed.envelope)
        self.said.setdefault(request.id, []).append(said)


@pytest.fixture
def signing(clock: Any) -> Signing:
    return Signing(clock)


@pytest.fixture
def asked(make: Callable[..., Guard], recorder: MemoryRecorder, clock: Any, signing: Signing) -> list[Item]:
    """Approved, rejected, expired, superseded."""
    guard = make(people=signing)
    session = guard.session(holder="alice", id="s1")
    for number, what in enumerate(("approve", "reject", None, "late")):
        session.message("Go on.")
        ruling = session.propose([call("pay", '{"to": "bob", "amount": 500}', f"c{number}")])
        assert ruling.waiting
        if what in ("approve", "reject"):
            clock.move(5)
            signing.say("ann", what)
            answered = session.resume()
            assert answered is not None
            assert bool(answered.released) is (what == "approve")
        elif what == "late":
            clock.move(10_000)
            assert session.resume() is not None
        clock.move(100_000)
    guard.close()
    return list(items(recorder))


def test_approvals_are_checked_by_the_keys_that_the_reader_gives(asked: list[Item], signing: Signing) -> None:
    found = replay(asked, people=signing.people)
    assert (found.outcome, found.faults, found.unchecked) == ("holds", (), ())
    assert (found.approvals, found.released) == (2, 1)
    without = replay(asked)
    assert without.outcome == "holds"
    assert any("2 answers of people" in line for line in without.unchecked)
    other = {"ann": msgspec.structs.replace(signing.people["ben"], name="ann")}
    for people in ({}, other, {"ann": msgspec.structs.replace(signing.people["ann"], roles=("grant",))}):
        assert replay(asked, people=people).outcome == "fails"


def test_L14_no_entry_of_an_approval_can_be_left_out_or_come_again(asked: list[Item], signing: Signing) -> None:
    used = places(asked, "approval", answer="approve")
    request = places(asked, "approval.request")[0]
    for place in (*used, request, *places(asked, "event", kind="approval")):
        assert replay([*asked[:place], *asked[place + 1 :]], people=signing.people).faults, asked[place].entry
    again = places(asked, "event", kind="approval")[0]
    assert replay([*asked[: again + 1], asked[again], *asked[again + 1 :]], people=signing.people).faults


def test_L14_an_approval_of_something_else_is_found(asked: list[Item], signing: Signing) -> None:
    [place] = places(asked, "approval", answer="approve")
    [request] = [one for one in signing.asked if one.id == asked[place].entry.body["request"]]
    for other in (
        {"digest": "sha256:other"}, {"session": "s2"}, {"policy": "sha256:p"}, {"head": "sha256:h"}, {"step": "e99"},
        {"people": 2}, {"expires": request.expires + 1}, {"tool": "wipe"}, {"arguments": "{}"}, {"id": "another"},
    ):  # fmt: skip
        about = msgspec.structs.replace(request, **other)
        statement = statement_of(about, "sha256:page", answer="approve", by="ann", time=asked[place].entry.time)
        signed = sign(statement, signing.keys["ann"])
        item = msgspec.structs.replace(asked[place], payloads={"statement": canonical(signed.envelope)})
        assert replay([*asked[:place], item, *asked[place + 1 :]], people=signing.people).faults, other


def test_answers_of_judges_are_in_what_is_decided_again(
    make: Callable[..., Guard], recorder: MemoryRecorder, clock: Any
) -> None:
    class Judge:
        identity = "judge"

        def answer(self, term: Any, text: str, before: str | None) -> Truth:
            return Truth.TRUE if "yes" in text else Truth.FALSE if "no" in text else Truth.UNKNOWN

    session = make(JUDGED, judge=Judge()).session(holder="alice", id="s1")
    for said in ("yes", "no", "maybe", "yes"):
        session.message(said)
        session.propose([call("explode", "{}", f"c{clock.ms}")])
        clock.move(1)
    told = list(items(recorder))
    found = replay(told)
    assert (found.outcome, found.faults, found.released) == ("holds", (), 2)
    place = places(told, "judge.answer", answer="true")[0]
    assert replay(changed(told, place, answer="false")).faults
    assert replay([*told[:place], *told[place + 1 :]]).faults
