"""A real Anthropic client before a scripted model: what it proposes is decided before the caller gets it."""

from __future__ import annotations

import importlib.util
import json
from operator import attrgetter
from typing import Any

import httpx2
import pytest

from obverse.core.errors import MisuseError, UntrustedInputError
from obverse.guard.adapters.conversation import Conversation

if importlib.util.find_spec("anthropic") is None:
    pytest.skip("the extra `anthropic` is not installed: pip install 'obverse[anthropic]'", allow_module_level=True)

import anthropic

from obverse.guard.adapters.anthropic_client import guarded

ASKED: Any = [{"role": "user", "content": "Pay Bob."}]
PAY = {"type": "tool_use", "id": "c1", "name": "pay", "input": {"to": "bob", "amount": 5}}
MUCH = {"type": "tool_use", "id": "c2", "name": "pay", "input": {"to": "bob", "amount": 5000}}
SAID = {"type": "text", "text": "Gladly."}
THOUGHT = {"type": "thinking", "thinking": "Hm.", "signature": "s"}


def message(*blocks: dict[str, Any]) -> dict[str, Any]:
    stop = "tool_use" if any(block["type"] == "tool_use" for block in blocks) else "end_turn"
    return {
        "id": "x", "type": "message", "role": "assistant", "model": "m", "content": list(blocks), "stop_reason": stop,
        "stop_sequence": None, "usage": {"input_tokens": 1, "output_tokens": 1},
    }  # fmt: skip


def transport(*bodies: Any) -> Any:
    left = list(bodies)

    def answer(request: httpx2.Request) -> httpx2.Response:
        body = left.pop(0)
        kind = "text/event-stream" if isinstance(body, str) and body.startswith("event") else "application/json"
        return httpx2.Response(
            200, text=body if isinstance(body, str) else json.dumps(body), headers={"content-type": kind}
        )

    return httpx2.MockTransport(answer)


def client(conversation: Conversation, *bodies: Any) -> Any:
    http = httpx2.Client(transport=transport(*bodies))
    return guarded(
        anthropic.Anthropic(api_key="k", base_url="http://model.test", http_client=http, max_retries=0), conversation
    )


def ask(client: Any, messages: Any = ASKED, **options: Any) -> Any:
    return client.messages.create(model="m", max_tokens=9, messages=messages, **options)


def test_what_is_allowed_comes_as_the_model_said_it(conversation: Conversation, history: Any) -> None:
    found = ask(client(conversation, message(THOUGHT, SAID, PAY)), system="Be kind.")
    assert [block.type for block in found.content] == ["thinking", "text", "tool_use"]
    conversation.begin("c1", "pay", json.dumps(found.content[2].input))
    assert history() == [
        ("system", "Be kind."), ("message", "Pay Bob."), ("thought", "Hm."), ("reply", "Gladly."), ("call", "pay"),
    ]  # fmt: skip


def test_a_denied_call_is_taken_out_and_its_message_put_in(conversation: Conversation) -> None:
    found = ask(client(conversation, message(THOUGHT, SAID, MUCH)))
    assert [block.type for block in found.content] == ["thinking", "text"]
    assert ("Too much at once." in found.content[1].text, found.stop_reason) == (True, "end_turn")


def test_the_history_is_what_the_model_was_sent(conversation: Conversation, history: Any) -> None:
    model = client(conversation, message(PAY), message(SAID))
    first = ask(model)
    result = {"type": "tool_result", "tool_use_id": "c1", "content": "no money", "is_error": True}
    ask(model, [*ASKED, {"role": "assistant", "content": first.content}, {"role": "user", "content": [result]}])
    assert history() == [("message", "Pay Bob."), ("call", "pay"), ("result", "no money"), ("reply", "Gladly.")]


def test_an_answer_with_a_key_twice_is_given_to_nobody(conversation: Conversation) -> None:
    body = json.dumps(message(MUCH)).replace('"amount": 5000', '"amount": 5000, "amount": 5')
    with pytest.raises(UntrustedInputError) as error:
        ask(client(conversation, body))
    assert error.value.code == "G512"
    assert not conversation.may_run("c2")


def events(text: str) -> str:
    parts = [
        {"type": "message_start", "message": {**message(), "stop_reason": None}},
        {"type": "content_block_start", "index": 0, "content_block": {**PAY, "input": {}}},
        *({"type": "content_block_delta", "index": 0, "delta": {"type": "input_json_delta", "partial_json": piece}}
          for piece in (text[:9], text[9:])),
        {"type": "content_block_stop", "index": 0},
        {"type": "message_delta", "delta": {"stop_reason": "tool_use", "stop_sequence": None}, "usage": {"output_tokens": 3}},
        {"type": "message_stop"},
    ]  # fmt: skip
    return "".join(f"event: {part['type']}\ndata: {json.dumps(part)}\n\n" for part in parts)


def arguments(found: list[Any]) -> str:
    deltas = [event.delta for event in found if event.type == "content_block_delta"]
    return "".join(delta.partial_json for delta in deltas if delta.type == "input_json_delta")


def test_a_stream_is_decided_on_the_text_of_its_arguments(conversation: Conversation) -> None:
    found = list(ask(client(conversation, events('{"to": "bob", "amount": 5}')), stream=True))
    assert json.loads(arguments(found)) == PAY["input"]
    assert conversation.may_run("c1")


@pytest.mark.parametrize("text", ['{"to": "bob", "amount": 5000}', '{"to": "bob", "amount": 5000, "amount": 5}'])
def test_a_stream_with_a_denied_call_ends_without_it(conversation: Conversation, text: str) -> None:
    found = list(ask(client(conversation, events(text)), stream=True))
    assert (arguments(found), found[-2].delta.stop_reason) == ("", "end_turn")
    assert not conversation.may_run("c1")


def test_a_stream_that_breaks_off_is_given_to_nobody(conversation: Conversation) -> None:
    cut = events('{"to": "bob", "amount": 5}').rpartition("event: message_stop")[0]
    with pytest.raises(UntrustedInputError):
        ask(client(conversation, cut), stream=True)


async def test_an_async_client_is_guarded_alike(conversation: Conversation) -> None:
    http = httpx2.AsyncClient(transport=transport(message(MUCH), events('{"to": "bob", "amount": 5000}')))
    model = guarded(anthropic.AsyncAnthropic(api_key="k", base_url="http://model.test", http_client=http), conversation)
    assert [block.type for block in (await ask(model)).content] == ["text"]
    assert arguments([event async for event in await ask(model, stream=True)]) == ""


@pytest.mark.parametrize(
    "options", [{"tools": [{"type": "web_search_20250305", "name": "web_search"}]}, {"mcp_servers": [{}]}, {"extra_body": {"x": 1}}]
)  # fmt: skip
def test_a_request_that_would_not_pass_the_guard_is_not_sent(conversation: Conversation, options: Any) -> None:
    with pytest.raises(MisuseError) as error:
        ask(client(conversation), **options)
    assert error.value.code == "G511"


@pytest.mark.parametrize(
    "path", ["beta", "completions", "messages.stream", "messages.batches", "messages.with_raw_response"]
)
def test_a_way_to_the_model_that_is_not_guarded_cannot_be_reached(conversation: Conversation, path: str) -> None:
    with pytest.raises(MisuseError):
        attrgetter(path)(client(conversation))
