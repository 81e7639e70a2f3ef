"""L13, L16, L17 of the guard: recorded before the act, every failure a denial, nothing of the policy to the agent.

What is killed with the real log on a real disk is in `tests/attacks/test_the_guard_is_killed.py`.
"""

from __future__ import annotations

import itertools
import json
import random
import re
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import msgspec
import pytest

from obverse.core.errors import EvidenceError, ObverseError
from obverse.core.events import Call, Step
from obverse.core.verdicts import Truth, Verdict
from obverse.guard.records import Ruling, Standing
from obverse.guard.replay import replay
from obverse.guard.session import Session
from obverse.guard.settings import Settings
from obverse.guard.tools import BlockedError
from obverse.policy.ast import JudgedTerm
from obverse.policy.decide import MESSAGES
from obverse.policy.decision import Decision
from obverse.testing.guards import SHOP, Desk, Faulty, HandClock, call, checked_policy, guard_of, items_of
from obverse.testing.recorder import MemoryRecorder

POLICY = SHOP.replace(
    "forbid wipe", "forbid look when not last message has message.says_yes trusting judge\nforbid wipe"
)
QUICK = Settings(judge_seconds=0.1, port_seconds=0.1)


class Yes:
    """A judge that agrees to everything."""

    identity = "yes"

    def answer(self, term: JudgedTerm, text: str, before: str | None) -> Truth:
        return Truth.TRUE


class Nothing:
    """Grants and orders of which there are none."""

    def lift(self, decision: Decision, history: object, step: Step, **_: object) -> Any:
        class Left(msgspec.Struct):
            decision: Decision
            grants: tuple[str, ...] = ()

        return Left(decision=decision)

    def use(self, *_: object, **__: object) -> tuple[()]:
        return ()

    def news(self, now: int) -> tuple[()]:
        return ()

    def noted(self, items: object) -> None: ...

    def begin(self, *_: object, **__: object) -> None: ...

    def standing(self, session: str) -> Standing:
        return Standing()

    def drop(self, session: str) -> None: ...


def ports() -> dict[str, Any]:
    return {
        "recorder": MemoryRecorder(), "judge": Yes(), "people": Desk(), "grants": Nothing(), "orders": Nothing(),
        "clock": HandClock(), "fresh": random.Random(3).randbytes,
    }  # fmt: skip


def scene(session: Session, desk: Desk) -> Iterator[Ruling]:
    """A day in the shop: a judged read, a payment that people approve, one that is too large, a reply, the end."""
    session.message("yes")
    yield session.propose([call("look", '{"id": "a"}', "1")])
    yield session.propose([call("pay", '{"to": "bob", "amount": 500}', "2")], "I shall pay.")
    if desk.asked:
        desk.say("carol")
    resumed = session.resume()
    if resumed is not None:
        yield resumed
    yield session.propose([call("pay", '{"to": "bob", "amount": 5000}', "3")])
    yield session.propose(reply="Done.")
    yield session.propose([call("explode", "{}", "4")])


GOOD = [Verdict.ALLOW, Verdict.ASK, Verdict.ALLOW, Verdict.DENY, Verdict.ALLOW, Verdict.STOP]


def played(given: dict[str, Any], desk: Desk, settings: Settings = Settings()) -> list[Ruling]:  # noqa: B008  # frozen
    """The rulings of the scene, as far as it came: what the host tells may be refused to it, never by silence."""
    rulings: list[Ruling] = []
    try:
        session = guard_of(POLICY, settings=settings, **given).session(holder="alice")
        for ruling in scene(session, desk):
            rulings.append(ruling)
            redeem(session, ruling)
    except (ObverseError, OSError, TypeError, AttributeError):
        pass  # the host was told
    return rulings


def redeem(session: Session, ruling: Ruling) -> None:
    for step in ruling.released:
        if isinstance(step.proposal, Call) and step.permit is not None:
            try:
                session.redeem(step.permit, step.proposal.tool, step.proposal.arguments)
            except EvidenceError:
                assert session.state == "stopped"


def test_the_scene_is_as_it_should_be_when_nothing_fails() -> None:
    given = ports()
    assert [ruling.verdict for ruling in played(given, given["people"])] == GOOD


@pytest.mark.parametrize("forever", [False, True], ids=["once", "from then on"])
@pytest.mark.parametrize("mode", ["raise", "hang", "lie"])
@pytest.mark.parametrize("port", ["recorder", "judge", "people", "grants", "orders", "clock", "fresh"])
def test_L16_whatever_a_port_does_at_any_call_nothing_is_milder_and_nothing_is_unrecorded(
    port: str, mode: Any, forever: bool
) -> None:
    if mode == "hang" and port in {"clock", "fresh"}:
        pytest.skip("a function in the same process, not a port that can hang alone")
    for at in itertools.count(1):
        given = ports()
        desk, recorder = given["people"], given["recorder"]
        faulty = given[port] = Faulty(given[port], mode, at, forever=forever)
        rulings = played(given, desk, QUICK if mode == "hang" else Settings())
        faulty.release()
        check_released(rulings, recorder)
        found = replay(items_of(recorder), people=desk.people)
        assert not found.faults, found.faults
        if not faulty.failed:  # where calls may be late, a busy machine makes some late too
            assert mode == "hang" or [ruling.verdict for ruling in rulings] == GOOD
            return
        for ruling in rulings:
            for step in ruling.steps:
                assert (step.permit is None) is step.verdict.blocks
                assert step.message in {*MESSAGES.values(), "Too much at once.", _sibling()}
        if at > (6 if mode == "hang" else 60):
            return


def check_released(rulings: Sequence[Ruling], recorder: MemoryRecorder) -> None:
    """Each permit stands in the record, with what allowed it and the act that it is for."""
    permits = {entry.body["permit"]: entry for entry in recorder.of("decision") if entry.body["permit"]}
    acts = {entry.body["event"] for entry in recorder.of("event") if entry.body["kind"] in {"call", "reply"}}
    for ruling in rulings:
        for step in ruling.released:
            assert step.permit is not None
            entry = permits[step.permit.id]
            assert entry == recorder.entries[step.permit.entry]
            assert entry.body["verdict"] in {"allow", "warn"}
            assert step.proposal.id in acts
            assert not isinstance(step.proposal, Call) or '"amount": 5000' not in step.proposal.arguments
            if isinstance(step.proposal, Call) and '"amount": 500}' in step.proposal.arguments:
                assert recorder.of("approval"), "nobody approved it on record"


def _sibling() -> str:
    from obverse.guard.turn import SIBLING

    return SIBLING


@pytest.mark.parametrize("seed", range(25))
def test_L13_a_record_that_fails_now_and_then_releases_nothing_that_is_not_recorded(seed: int) -> None:
    chance = random.Random(seed)
    recorder, given = MemoryRecorder(), ports()

    class Now:
        def record(self, items: Any) -> int:
            if len(recorder) > 3 and chance.random() < 0.4:
                raise OSError(28, "no space left on device")
            return recorder.record(items)

    given["recorder"] = Now()
    check_released(played(given, given["people"]), recorder)
    assert not replay(items_of(recorder), people=given["people"].people).faults


def test_L13_the_record_is_durable_before_anybody_hears_of_the_permit() -> None:
    heard: list[str] = []

    class Slow(MemoryRecorder):
        def record(self, items: Any) -> int:
            place = super().record(items)
            heard.extend(entry.type for entry, _ in items)
            return place

    session = guard_of(recorder=Slow()).session(holder="alice")
    assert session.propose([call("look", '{"id": "a"}')]).released
    assert heard[-2:] == ["decision", "event"]


def test_L13_a_record_that_comes_too_late_was_never_acted_on_and_nothing_contradicts_it() -> None:
    recorder = MemoryRecorder()

    class Late:
        def record(self, items: Any) -> int:
            place = recorder.record(items)
            if len(recorder) > 2:
                time.sleep(0.3)
            return place

    session = guard_of(recorder=Late(), settings=QUICK).session(holder="alice")
    ruling = session.propose([call("look", '{"id": "a"}')])
    assert (ruling.verdict, ruling.released, ruling.state) == (Verdict.DENY, (), "stopped")
    time.sleep(0.4)
    assert recorder.of("decision")[0].body["verdict"] == "allow", "it came, and nobody had waited"
    assert session.propose([call("look", '{"id": "a"}')]).verdict is Verdict.DENY
    session.end()
    assert not replay(items_of(recorder)).faults


def secrets_of(text: str) -> set[str]:
    """What of a policy no agent may see: ids of clauses and rules, numbers, texts of rules, prose. What a rule `says` it may."""
    said = set(re.findall(r'says "([^"]*)"', text))
    hidden = {clause.id for clause in checked_policy(text).clauses} | {rule.id for rule in checked_policy(text).rules}
    for block in re.findall(r"```(?:rule|rules|terms)\n(.*?)```", text, re.S):
        hidden |= set(re.findall(r"\b\d{2,}\b", block)) | set(re.findall(r'"([^"]{4,})"', block)) - said
        hidden |= {line.strip() for line in block.splitlines() if len(line.strip()) > 12}
    return {one for one in hidden if not any(one in allowed for allowed in said)}


TIGHT = """\
---
policy: tight
---
# Tight

```terms
tool wire(account: text, amount: number, note: text optional) effect money
tool ping() effect read
judged reply.leaks_margin "The reply names the margin of 73 percent." yes "Margin is 73." no "Hello."
```

## The ceiling of a wire {#wire.ceiling-7421 inviolable}

No more than 7421 goes out in a day, whatever the reason.

```rule
forbid wire when amount > 7421
limit sum(amount) of wire to 7421 per 24h
forbid wire when account starts with "XK-9930"
ask wire when amount > 350
stop wire when note contains "zanzibar"
```

## Margins {#margins-are-secret}

```rule
forbid reply when reply.leaks_margin says "I cannot speak about that."
forbid ping when turn.calls > 11
```
"""


@pytest.mark.parametrize(
    "text",
    [SHOP, TIGHT, *(path.read_text() for path in sorted(Path("examples").glob("*/policy.md")))],
    ids=lambda text: text[4:40].split()[1],
)
def test_L17_nothing_that_an_agent_is_told_says_anything_of_the_policy(text: str) -> None:
    hidden, chance = secrets_of(text), random.Random(1)
    checked = checked_policy(text)
    told: set[str] = set()
    for people in (None, Desk()):
        guard = guard_of(text, people=people)
        for _ in range(20):
            session = guard.session(holder="alice")
            session.message("yes")
            tools = [*checked.tools, "nobody.knows"]
            turn = [
                call(chance.choice(tools), arguments(chance, checked), f"c{number}")
                for number in range(chance.choice([1, 1, 2, 3]))
            ]
            ruling = session.propose(turn, chance.choice([None, "The margin is 73."]))
            told |= {step.message for step in ruling.steps} | {str(BlockedError(step)) for step in ruling.steps}
    assert len(told) >= 2
    for message in told:
        assert not [one for one in hidden if one in message], message


def arguments(chance: random.Random, checked: Any) -> str:
    names = [field.name for tool in checked.tools.values() for field in tool.parameters]
    pool: list[Any] = [1, 400, 9999, "XK-9930 1", "zanzibar", "a", None, [], {"x": 1}, True]
    return json.dumps({name: chance.choice(pool) for name in chance.sample(names, min(3, len(names)))})
