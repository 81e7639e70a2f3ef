"""A judge hangs, raises, lies about its type, floods, changes its mind: unknown at the deadline, and the rule fires (L03, L16)."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from typing import Any

import pytest

from obverse.core.verdicts import Truth, Verdict
from obverse.guard.settings import Settings
from obverse.policy.ast import JudgedTerm
from obverse.testing.guards import call, guard_of
from obverse.testing.recorder import MemoryRecorder

POLICY = """\
---
policy: judged
---
```terms
tool send(text: text) effect write
tool pay(amount: number) effect money
tool look() effect read
judged message.agrees "The user agrees." yes "yes" no "no"
judged reply.promises "The reply promises something." yes "I promise." no "Hello."
```

## Consent {#consent}

```rule
forbid send unless last message has message.agrees trusting judge
warn pay when not last message has message.agrees
forbid reply when reply.promises
forbid look when once message where message.agrees
```
"""


class Judge:
    """Answers what the test says; counts how often it is asked."""

    def __init__(self, answer: Callable[[str], Any], identity: Any = "judge") -> None:
        self._answer, self.identity = answer, identity
        self.asked: list[str] = []
        self.before: list[str | None] = []

    def answer(self, term: JudgedTerm, text: str, before: str | None) -> Any:
        self.asked.append(text)
        self.before.append(before)
        return self._answer(text)


def hangs(_text: str) -> Truth:
    time.sleep(1.5)
    return Truth.TRUE


def raises(_text: str) -> Truth:
    raise RuntimeError("the model is down")


@pytest.mark.parametrize(
    "answer",
    [
        hangs,
        raises,
        *(lambda _text, lie=lie: lie for lie in (True, "true", None, 1, "unknown", Truth.UNKNOWN, object())),
    ],
    ids=["hangs", "raises", "a bool", "a text", "nothing", "a number", "another text", "unknown", "an object"],
)
def test_whatever_it_does_but_answer_the_rule_fires_in_time(answer: Any) -> None:
    recorder, judge = MemoryRecorder(), Judge(answer)
    guard = guard_of(POLICY, judge=judge, recorder=recorder, settings=Settings(judge_seconds=0.1))
    session = guard.session(holder="alice")
    session.message("Yes, send it.")
    began = time.monotonic()
    assert session.propose([call("send", '{"text": "a"}')]).verdict is Verdict.DENY
    assert time.monotonic() - began < 1.2
    [entry] = recorder.of("judge.answer")
    assert (entry.body["answer"], entry.body["predicate"]) == ("unknown", "message.agrees")
    assert entry.body["why"]


@pytest.mark.parametrize("identity", [None, 5, "x" * 10_000])
def test_a_judge_without_an_identity_is_not_believed(identity: Any) -> None:
    session = guard_of(POLICY, judge=Judge(lambda _: Truth.TRUE, identity)).session(holder="alice")
    session.message("Yes.")
    assert session.propose([call("send", '{"text": "a"}')]).verdict is Verdict.DENY


def test_a_judge_is_asked_only_where_the_verdict_hangs_on_it_and_once_for_one_content() -> None:
    recorder, judge = MemoryRecorder(), Judge(lambda text: Truth.of("yes" in text))
    guard = guard_of(POLICY, judge=judge, recorder=recorder)
    first = guard.session(holder="alice")
    first.message("yes, do")
    assert first.propose([call("nobody.knows")]).verdict is Verdict.DENY
    assert not judge.asked, "denied whatever it says"
    assert first.propose([call("send", '{"text": "a"}', "1"), call("nobody.knows", "{}", "2")]).verdict is Verdict.DENY
    assert not judge.asked, "denied for the sake of its sibling"
    assert first.propose([call("send", '{"text": "a"}')]).verdict is Verdict.ALLOW
    assert judge.asked == ["yes, do"]
    second = guard.session(holder="bob")
    second.message("yes, do")
    assert second.propose([call("send", '{"text": "a"}')]).verdict is Verdict.ALLOW
    assert judge.asked == ["yes, do"], "the same question of another session"
    assert [entry.body["why"] for entry in recorder.of("judge.answer")] == ["", "remembered"]


def test_a_reply_is_judged_before_it_is_sent_and_with_what_it_answers() -> None:
    recorder, judge = MemoryRecorder(), Judge(lambda text: Truth.of("promise" in text))
    session = guard_of(POLICY, judge=judge, recorder=recorder).session(holder="alice")
    session.message("Will it work?")
    assert session.propose(reply="I promise.").verdict is Verdict.DENY
    allowed = session.propose(reply="Perhaps.")
    assert allowed.verdict is Verdict.ALLOW
    assert judge.before == ["Will it work?"] * 2
    proposal = recorder.read(recorder.of("decision")[-1], "proposal")
    assert proposal["labels"] == {"reply.promises": False}


def test_a_flood_of_texts_is_asked_about_up_to_a_bound() -> None:
    judge = Judge(lambda _: Truth.FALSE)
    settings = Settings(most_questions=10)
    session = guard_of(POLICY, judge=judge, settings=settings).session(holder="alice")
    for number in range(300):
        session.message(f"text {number}")
    assert session.propose([call("look")]).verdict is Verdict.DENY
    assert len(judge.asked) == 10


def test_judges_that_hang_do_not_hold_up_more_than_their_places() -> None:
    released = threading.Event()

    def waits(_text: str) -> Truth:
        released.wait(10)
        return Truth.TRUE

    settings = Settings(judge_seconds=0.05, judges_at_once=2)
    guard = guard_of(POLICY, judge=Judge(waits), settings=settings)
    threads = threading.active_count()
    began = time.monotonic()
    for number in range(8):
        session = guard.session(holder="alice")
        session.message(f"yes {number}")
        assert session.propose([call("send", '{"text": "a"}')]).verdict is Verdict.DENY
    assert time.monotonic() - began < 5
    assert threading.active_count() <= threads + 3
    released.set()


def test_questions_of_a_turn_are_asked_at_once_and_share_one_deadline() -> None:
    def slow(_text: str) -> Truth:
        time.sleep(0.3)
        return Truth.FALSE

    steady = lambda: time.monotonic_ns() // 1_000_000  # noqa: E731  # a clock
    session = guard_of(POLICY, judge=Judge(slow), steady=steady, settings=Settings(judge_seconds=2.0)).session(
        holder="a"
    )
    for number in range(4):
        session.message(f"text {number}")
    began = time.monotonic()
    assert session.propose([call("look")]).verdict is Verdict.ALLOW
    assert time.monotonic() - began < 1.0


def test_what_a_missing_answer_is_worth_may_be_stricter_for_an_effect() -> None:
    def verdict(settings: Settings) -> Verdict:
        session = guard_of(POLICY, settings=settings).session(holder="alice")
        session.message("Hm.")
        return session.propose([call("pay", '{"amount": 5}')]).verdict

    assert verdict(Settings()) is Verdict.WARN
    assert verdict(Settings(unanswered={"money": Verdict.STOP})) is Verdict.STOP
    assert verdict(Settings(unanswered={"write": Verdict.STOP})) is Verdict.WARN
    assert verdict(Settings(unanswered={"*": Verdict.ALLOW})) is Verdict.WARN


def test_an_answer_that_was_given_is_kept_though_the_judge_changes_its_mind() -> None:
    answers = iter([Truth.TRUE, Truth.FALSE])
    session = guard_of(POLICY, judge=Judge(lambda _: next(answers)), settings=Settings(most_known=0)).session(
        holder="a"
    )
    session.message("yes")
    assert session.propose([call("send", '{"text": "a"}', "1")]).verdict is Verdict.ALLOW
    assert session.propose([call("send", '{"text": "b"}', "2")]).verdict is Verdict.ALLOW
