"""The agent loop: what really came about, and what a target reads of a history."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import msgspec
import pytest

from obverse.core.chat import ChatMessage, Completion, Sampling, ToolCall, ToolSpec, Usage
from obverse.core.events import (
    AnyEvent,
    Call,
    Denied,
    Fact,
    Message,
    Reply,
    Result,
    System,
    Thought,
)
from obverse.core.verdicts import Verdict
from obverse.targets.agent import NO_RESULT, NOT_EXECUTED, Conversation, Gated, chat_of, converse, proposed_turn
from obverse.targets.openai_chat import OpenAITarget
from obverse.targets.protocol import GREEDY, Connection, TargetError
from obverse.testing.stub import StubServer

TOOL = ToolSpec(name="pay", description="Pays.", parameters={"type": "object", "properties": {}})
Turn = Completion | TargetError


class Scripted:
    """A target that says what it was given, turn by turn, and remembers what it read."""

    name = "scripted"

    def __init__(self, *turns: Turn) -> None:
        self.turns = list(turns)
        self.read: list[list[ChatMessage]] = []

    async def complete(
        self, messages: Sequence[ChatMessage], *, tools: Sequence[ToolSpec] = (), sampling: Sampling = GREEDY
    ) -> Completion:
        self.read.append(list(messages))
        turn = self.turns.pop(0) if self.turns else Completion(text="")
        if isinstance(turn, TargetError):
            raise turn
        return turn

    async def close(self) -> None: ...

    def fingerprint(self) -> str:
        return self.name


class Words(msgspec.Struct, frozen=True):
    text: str
    labels: Mapping[str, bool] = {}


class SmallWorld:
    """Answers with the arguments; malformed ones fail. The user says his lines."""

    def __init__(self, *lines: str) -> None:
        self.lines = list(lines)
        self.heard: list[str] = []

    def answer(self, tool: str, arguments: str) -> tuple[str, bool]:
        try:
            msgspec.json.decode(arguments)
        except msgspec.DecodeError:
            return "malformed arguments", True
        return f"{tool} {arguments}", False

    def next_message(self, reply: str) -> Words | None:
        self.heard.append(reply)
        return Words(self.lines.pop(0), {"message.says_yes": True}) if self.lines else None


def calls(*arguments: str, text: str = "", id: str = "") -> Completion:
    made = tuple(ToolCall(id=id and f"{id}{n}", name="pay", arguments=raw) for n, raw in enumerate(arguments))
    return Completion(text=text, tool_calls=made, usage=Usage(prompt_tokens=10, completion_tokens=1))


def talk(target: Any, world: Any, **options: Any) -> Conversation:
    opening: list[AnyEvent] = [
        System(id="e1", time=0, text="s"),
        Fact(id="f1", time=0, name="user.verified", value=True),
        Message(id="e2", time=0, text="u"),
    ]
    return asyncio.run(converse(target, world, opening=opening, tools=[TOOL], **options))


def test_a_dialogue_is_recorded_as_it_came_about() -> None:
    target = Scripted(calls('{"a":1}', "{broken", text="One moment."), Completion(text="Done."))
    world = SmallWorld("yes")
    found = talk(target, world, times=itertools.count(1000, 500))
    assert found.transcript.events[3:] == (
        Reply(id="e3", time=1000, turn=1, text="One moment."),
        Call(id="e4", time=1500, turn=1, call_id="call-e4", tool="pay", arguments='{"a":1}'),
        Call(id="e5", time=2000, turn=1, call_id="call-e5", tool="pay", arguments="{broken"),
        Result(id="e6", time=2500, turn=1, call_id="call-e4", tool="pay", output='pay {"a":1}'),
        Result(id="e7", time=3000, turn=1, call_id="call-e5", tool="pay", output="malformed arguments", failed=True),
        Reply(id="e8", time=3500, turn=2, text="Done."),
        Message(id="e9", time=4000, turn=2, text="yes", labels={"message.says_yes": True}),
    )
    assert (found.ended, found.turns, world.heard) == ("done", 3, ["Done.", "Done."])


def test_turns_and_ids_go_on_from_the_opening() -> None:
    opening = [Reply(id="e1", turn=4, text="Hello."), Message(id="e2", turn=4, text="u")]
    found = asyncio.run(converse(Scripted(Completion(text="x")), SmallWorld(), opening=opening))
    assert found.transcript.events[2:] == (Reply(id="e3", turn=5, text="x"),)


def test_what_the_target_reads_answers_each_of_its_calls() -> None:
    target = Scripted(calls('{"a":1}', "{broken"), Completion(text="Done."))
    talk(target, SmallWorld())
    assert [message.role for message in target.read[1]] == ["system", "user", "assistant", "tool", "tool"]
    assistant, *answers = target.read[1][2:]
    assert [message.tool_call_id for message in answers] == [call.id for call in assistant.tool_calls]


def test_the_same_dialogue_twice_is_the_same() -> None:
    def run() -> Conversation:
        return talk(Scripted(calls("{}"), calls("{}"), Completion(text="x")), SmallWorld("a", "b"))

    assert run() == run()


def test_call_ids_that_repeat_are_made_unique() -> None:
    found = talk(Scripted(calls("1", "2", id="c"), calls("3", id="c"), Completion(text="x")), SmallWorld())
    made = [event.call_id for event in found.transcript.events if isinstance(event, Call)]
    assert made == ["c0", "c1", "c0-e7"]


def test_too_many_turns_end_a_dialogue() -> None:
    found = talk(Scripted(*[calls("{}") for _ in range(50)]), SmallWorld(), step_limit=4)
    assert (found.ended, found.turns) == ("step limit", 4)
    assert found.usage == Usage(prompt_tokens=40, completion_tokens=4)


def test_tokens_that_one_turn_did_not_count_are_unknown() -> None:
    assert talk(Scripted(calls("{}"), Completion(text="x")), SmallWorld()).usage == Usage()


def test_an_error_ends_a_dialogue_and_what_happened_before_stands() -> None:
    error = TargetError("gone", kind="connection")
    found = talk(Scripted(calls("{}"), error), SmallWorld())
    assert (found.ended, found.error) == ("error", error)
    assert any(isinstance(event, Result) for event in found.transcript.events)


def gate(**verdicts: Verdict) -> Callable[..., Sequence[Gated]]:
    def decide(history: Sequence[AnyEvent], proposed: Sequence[Call | Reply]) -> list[Gated]:
        return [Gated(verdict=verdicts.get(type(one).__name__, Verdict.ALLOW), message="No.") for one in proposed]

    return decide


def test_a_denied_call_is_not_executed_and_the_target_is_told() -> None:
    target = Scripted(calls("{}", text="Now."), Completion(text="Pity."))
    found = talk(target, SmallWorld(), gate=gate(Call=Verdict.DENY))
    assert [type(event) for event in found.transcript.events[3:]] == [Reply, Denied, Reply]
    assert target.read[1][-1].content == "No."


def test_a_blocked_reply_is_not_said() -> None:
    found = talk(Scripted(Completion(text="A secret.")), SmallWorld(), gate=gate(Reply=Verdict.ASK))
    assert [event.text for event in found.transcript.events if isinstance(event, Reply)] == ["No."]


def test_stop_ends_a_dialogue() -> None:
    found = talk(Scripted(calls("{}"), Completion(text="x")), SmallWorld("more"), gate=gate(Call=Verdict.STOP))
    assert (found.ended, found.turns) == ("stopped", 1)


def test_a_silence_is_no_event_and_hands_over_to_the_user() -> None:
    world = SmallWorld()
    found = talk(Scripted(Completion(text=" ")), world)
    assert len(found.transcript.events) == 3
    assert world.heard == [""]


def test_in_step_mode_a_silence_is_an_empty_reply() -> None:
    assert proposed_turn(Completion(text="")) == (Reply(id="e1", turn=1, text=""),)


def test_a_proposed_turn_is_numbered_from_where_the_history_ends() -> None:
    found = proposed_turn(calls("{}", text="t", id="c"), first=7, turn=3, times=itertools.repeat(5), taken={"c0"})
    assert found == (
        Reply(id="e7", time=5, turn=3, text="t"),
        Call(id="e8", time=5, turn=3, call_id="c0-e8", tool="pay", arguments="{}"),
    )


def call(n: int, turn: int) -> Call:
    return Call(id=f"c{n}", turn=turn, call_id=f"k{n}", tool="pay", arguments="{}")


def result(n: int) -> Result:
    return Result(id=f"r{n}", call_id=f"k{n}", tool="pay", output=f"out {n}")


@pytest.mark.parametrize(
    ("events", "expected"),
    [
        ([], []),
        ([Fact(id="f", name="a", value=1), Thought(id="t", text="x")], []),
        ([System(id="s", text="s"), Message(id="m", text="m")], ["system s", "user m"]),
        (
            [Reply(id="r", turn=1, text="t"), call(1, 1), call(2, 1), result(1), result(2)],
            ["assistant t k1 k2", "tool out 1", "tool out 2"],
        ),
        (
            [call(1, 1), result(1), call(2, 2), result(2)],
            ["assistant  k1", "tool out 1", "assistant  k2", "tool out 2"],
        ),
        ([call(1, 0), result(1), call(2, 0)], ["assistant  k1", "tool out 1", "assistant  k2", f"tool {NO_RESULT}"]),
        ([call(1, 1), Message(id="m", text="m"), result(1)], ["assistant  k1", "tool out 1", "user m"]),
        (
            [Denied(id="d", turn=1, call_id="k", tool="pay", arguments="{}")],
            ["assistant  k", f"tool {NOT_EXECUTED}"],
        ),
        ([Reply(id="a", turn=1, text="a"), Reply(id="b", turn=2, text="b")], ["assistant a", "assistant b"]),
    ],
)
def test_a_history_becomes_the_chat_that_endpoints_take(events: list[AnyEvent], expected: list[str]) -> None:
    shown = [" ".join([m.role, m.content, *(call.id for call in m.tool_calls)]) for m in chat_of(events)]
    assert shown == expected


def test_a_dialogue_with_a_real_endpoint(stub: StubServer) -> None:
    async def run() -> Conversation:
        target = OpenAITarget("m", Connection(base_url=stub.url))
        opening = [Message(id="e1", text='call pay {"to": "bob"}\ncall pay {"to": ')]
        found = await converse(target, SmallWorld("thanks"), opening=opening, tools=[TOOL])
        await target.close()
        return found

    found = asyncio.run(run())
    kinds = [type(event).__name__ for event in found.transcript.events]
    assert kinds == ["Message", "Call", "Call", "Result", "Result", "Reply", "Message", "Reply"]
    assert [event.failed for event in found.transcript.events if isinstance(event, Result)] == [False, True]
    assert found.ended == "done"
