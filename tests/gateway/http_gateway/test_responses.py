"""The responses protocol, end to end, by the real SDK."""

from __future__ import annotations

from typing import Any

import httpx2
import openai
import pytest

from .conftest import OTHER_KEY, TOOLS, Gateway

FLAT = [{"type": "function", **tool["function"]} for tool in TOOLS]
LOOK = 'call look {"id": "7"}'
DENIED = 'call pay {"id": "7", "amount": 500}'


def sent_on(upstream: Any) -> dict[str, Any]:
    return httpx2.get(upstream.url.replace("/v1", "/asked")).json()


def ask(gateway: Gateway, given: Any, **more: Any) -> Any:
    return gateway.sdk().responses.create(model="m", input=given, **{"tools": FLAT, **more})


def output_of(call: Any, text: str) -> dict[str, Any]:
    return {"type": "function_call_output", "call_id": call.call_id, "output": text}


def test_an_allowed_reply_comes_back_as_it_was_said(gateway: Gateway) -> None:
    answer = ask(gateway, "say Good morning.", instructions="be brief")
    assert (answer.output_text, answer.status, answer.usage.total_tokens) == ("Good morning.", "completed", 21)
    assert [event["text"] for event in gateway.events("system")] == ["be brief"]


def test_a_conversation_goes_on_from_the_id_of_an_answer_and_the_model_is_sent_the_whole_of_it(
    gateway: Gateway, upstream: Any
) -> None:
    first = ask(gateway, LOOK, instructions="be brief")
    [call] = first.output
    assert (call.type, call.name, call.arguments) == ("function_call", "look", '{"id": "7"}')
    second = ask(gateway, [output_of(call, "open")], previous_response_id=first.id, instructions="be brief")
    assert second.output_text == "The tool said: open"
    sent = sent_on(upstream)
    assert "previous_response_id" not in sent
    assert sent["store"] is False
    assert [item.get("type", item.get("role")) for item in sent["input"]] == [
        "user",
        "function_call",
        "function_call_output",
    ]
    third = ask(gateway, 'call pay {"id": "7", "amount": 5}', previous_response_id=second.id, instructions="be brief")
    assert third.output[0].name == "pay"
    assert len(gateway.recorder.of("session.start")) == 2
    assert [event["text"] for event in gateway.events("system")] == ["be brief"]


def test_other_instructions_are_a_branch_of_the_same_session(gateway: Gateway) -> None:
    first = ask(gateway, "say Hi.", instructions="be brief")
    ask(gateway, "say Ho.", previous_response_id=first.id, instructions="be long")
    assert [event["text"] for event in gateway.events("system")] == ["be brief", "be long"]
    assert len(gateway.recorder.of("session.start")) == 2


def test_a_conversation_that_the_client_keeps_itself_is_found(gateway: Gateway) -> None:
    first = ask(gateway, LOOK, store=False)
    sent = [
        {"role": "user", "content": LOOK},
        *[item.to_dict() for item in first.output],
        output_of(first.output[0], "open"),
    ]
    second = ask(gateway, sent, store=False)
    assert second.output_text == "The tool said: open"
    assert len(gateway.recorder.of("session.start")) == 2
    with pytest.raises(openai.NotFoundError, match="is kept"):
        ask(gateway, "say Hi.", previous_response_id=first.id)


def test_the_id_of_another_holder_is_unknown(gateway: Gateway) -> None:
    first = ask(gateway, "say Hi.")
    with pytest.raises(openai.NotFoundError):
        gateway.sdk(OTHER_KEY).responses.create(model="m", input="say Ho.", previous_response_id=first.id)


def test_a_denied_call_comes_back_as_its_message(gateway: Gateway) -> None:
    answer = ask(gateway, DENIED)
    assert answer.output_text == "Not that much."
    assert [item.type for item in answer.output] == ["message"]
    again = ask(gateway, "say As you wish.", previous_response_id=answer.id)
    assert again.output_text == "As you wish."
    assert not [event for event in gateway.events("fact") if event["name"] in {"gateway.branch", "gateway.claim"}]


def test_a_denial_where_json_was_asked_for_is_a_refusal(gateway: Gateway) -> None:
    form = {"format": {"type": "json_schema", "name": "x", "schema": {"type": "object"}}}
    answer = ask(gateway, DENIED, text=form)
    assert answer.output[0].content[0].refusal == "Not that much."
    with gateway.sdk().responses.stream(model="m", input=DENIED, tools=FLAT, text=form) as stream:
        assert stream.get_final_response().output[0].content[0].refusal == "Not that much."


def test_the_helper_of_the_sdk_reads_the_stream(gateway: Gateway) -> None:
    with gateway.sdk().responses.stream(model="m", input=f"say I look.\n{LOOK}", tools=FLAT) as stream:
        kinds = [event.type for event in stream]
        final = stream.get_final_response()
    assert final.output_text == "I look."
    assert final.output[1].arguments == '{"id": "7"}'
    assert kinds[:2] == ["response.created", "response.in_progress"]
    assert kinds[-1] == "response.completed"
    second = ask(gateway, [output_of(final.output[1], "open")], previous_response_id=final.id)
    assert second.output_text == "The tool said: open"


def test_a_denied_call_of_a_stream_never_shows(gateway: Gateway) -> None:
    events = list(ask(gateway, DENIED, stream=True))
    assert not [event for event in events if "function_call" in event.type]
    assert "".join(event.delta for event in events if event.type == "response.output_text.delta") == "Not that much."


LONG = (
    "say First comes this sentence, which is long enough. " + "And another one follows it, as long as the first. " * 6
)


@pytest.mark.parametrize("gateway", [{"smallest_piece": 40}], indirect=True)
def test_a_text_without_tools_leaves_by_sentences(gateway: Gateway) -> None:
    events = list(ask(gateway, LONG, stream=True, tools=openai.omit))
    pieces = [event.delta for event in events if event.type == "response.output_text.delta"]
    assert len(pieces) > 4
    assert "".join(pieces) == LONG[4:].strip() == events[-1].response.output_text


def test_what_the_model_thinks_stays_here(gateway: Gateway) -> None:
    answer = ask(gateway, "think They will not notice.\nsay Hello.")
    assert "notice" not in answer.to_json()
    assert [event["text"] for event in gateway.events("thought")] == ["They will not notice."]


def test_a_hosted_tool_is_refused(gateway: Gateway) -> None:
    with pytest.raises(openai.BadRequestError, match="act without the guard"):
        ask(gateway, "hi", tools=[{"type": "web_search"}])
    with pytest.raises(openai.InternalServerError, match="code_interpreter_call"):
        ask(gateway, "say hi\nfault:unknown-item")
