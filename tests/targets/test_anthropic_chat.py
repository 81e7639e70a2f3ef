"""`anthropic:` end to end against a stub that speaks its protocol, and its turns."""

from __future__ import annotations

import asyncio
import importlib.util
from typing import Any

import pytest

from obverse.core.chat import ChatMessage, Completion, Sampling, ToolCall, ToolSpec, Usage
from obverse.testing.scripted import ANSWER, REFUSAL
from obverse.testing.stub import StubServer

if importlib.util.find_spec("anthropic") is None:
    pytest.skip("the extra `anthropic` is not installed: pip install 'obverse[anthropic]'", allow_module_level=True)

from obverse.targets.anthropic_chat import AnthropicTarget, read_message, turns
from obverse.targets.protocol import Connection, TargetError

TOOL = ToolSpec(name="pay", description="Pays.", parameters={"type": "object", "properties": {}})
CALLS = (ToolCall(id="c1", name="pay", arguments='{"to":"bob"}'), ToolCall(id="c2", name="pay", arguments="{broken"))
HISTORY = [
    ChatMessage(role="system", content="s"),
    ChatMessage(role="user", content="u"),
    ChatMessage(role="assistant", content="ok", tool_calls=CALLS),
    ChatMessage(role="tool", content="r1", tool_call_id="c1", name="pay"),
    ChatMessage(role="tool", content="r2", tool_call_id="c2", name="pay"),
    ChatMessage(role="user", content="v"),
]


def ask(stub: StubServer, messages: list[ChatMessage], **connection: Any) -> Completion:
    async def run() -> Completion:
        target = AnthropicTarget("m", Connection(**{"base_url": stub.url, "timeout_s": 5.0} | connection))
        try:
            return await target.complete(messages, tools=[TOOL], sampling=Sampling(max_tokens=5))
        finally:
            await target.close()

    return asyncio.run(run())


def test_a_history_with_tools_is_sent_and_answered(stub: StubServer) -> None:
    found = ask(stub, HISTORY)
    assert found.text in {ANSWER, REFUSAL}
    assert (found.usage, found.model, found.stop) == (Usage(prompt_tokens=12, completion_tokens=9), "m", "end_turn")


def test_tool_use_becomes_calls(stub: StubServer) -> None:
    found = ask(stub, [ChatMessage(role="user", content='call pay {"to": "bob"}\ncall look {}')])
    assert [(call.name, call.arguments) for call in found.tool_calls] == [("pay", '{"to":"bob"}'), ("look", "{}")]
    assert found.stop == "tool_use"


@pytest.mark.parametrize(
    ("fault", "kind"),
    [("429", "rate-limit"), ("500", "server"), ("broken-json", "garbage"), ("cut", "garbage"), ("html", "garbage"),
     ("redirect", "redirect"), ("hang", "time-out"), ("drop", "connection")],
)  # fmt: skip
def test_each_fault_is_an_error_of_its_kind(stub: StubServer, fault: str, kind: str) -> None:
    with pytest.raises(TargetError) as caught:
        ask(stub, [ChatMessage(role="user", content=f"fault:{fault}")], timeout_s=0.3)
    assert caught.value.kind == kind


def test_turns_alternate_and_results_stand_in_one() -> None:
    assert turns(HISTORY) == [
        {"role": "user", "content": [{"type": "text", "text": "u"}]},
        {
            "role": "assistant",
            "content": [
                {"type": "text", "text": "ok"},
                {"type": "tool_use", "id": "c1", "name": "pay", "input": {"to": "bob"}},
                {"type": "tool_use", "id": "c2", "name": "pay", "input": {"malformed": "{broken"}},
            ],
        },
        {
            "role": "user",
            "content": [
                {"type": "tool_result", "tool_use_id": "c1", "content": "r1"},
                {"type": "tool_result", "tool_use_id": "c2", "content": "r2"},
                {"type": "text", "text": "v"},
            ],
        },
    ]


@pytest.mark.parametrize(
    ("data", "kind"),
    [
        (b"<html>", "garbage"),
        (b"{}", "garbage"),
        (b'{"content": "I cannot"}', "garbage"),
        (b'{"content": [{"text": "no type"}]}', "garbage"),
        (b'{"type": "error", "error": {"type": "overloaded_error", "message": "busy"}}', "server"),
    ],
)
def test_what_is_no_message_is_an_error(data: bytes, kind: str) -> None:
    with pytest.raises(TargetError) as caught:
        read_message(data)
    assert caught.value.kind == kind


def test_a_refusal_of_the_provider_is_an_answer_with_its_reason() -> None:
    assert read_message(b'{"content": [], "stop_reason": "refusal"}').stop == "refusal"
