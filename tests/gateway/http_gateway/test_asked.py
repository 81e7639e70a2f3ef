"""What a client may ask: what is guarded is read, what cannot be guarded is refused by its name."""

from __future__ import annotations

import contextlib
from typing import Any

import hypothesis
import pytest
from hypothesis import given
from hypothesis import strategies as st

from obverse.core.errors import UntrustedInputError
from obverse.gateway.http.chat_asked import PASSED, READ, read_chat
from obverse.gateway.http.json_text import read_request, write
from obverse.gateway.http.records import Answering, Asking, Calling, Instruction, Returning
from obverse.gateway.http.responses_asked import read_responses
from obverse.gateway.http.settings import Settings

from .conftest import TOOLS, user

FLAT = [{"type": "function", **tool["function"]} for tool in TOOLS]
CALL = {"id": "c1", "type": "function", "function": {"name": "look", "arguments": '{"id": "7"}'}}


def chat(**more: Any) -> Any:
    return read_chat({"model": "m", "messages": [user("hi")], **more}, Settings())


def responses(**more: Any) -> Any:
    return read_responses({"model": "m", "input": "hi", **more}, Settings())


def test_a_chat_is_read_into_items() -> None:
    asked = chat(
        messages=[
            {"role": "developer", "content": "be brief"},
            {"role": "user", "content": [{"type": "text", "text": "a"}, {"type": "text", "text": "b"}], "name": "Ann"},
            {"role": "assistant", "content": None, "tool_calls": [CALL], "refusal": None, "audio": None},
            {"role": "tool", "tool_call_id": "c1", "content": "open"},
            {"role": "assistant", "content": "It is open.", "annotations": []},
        ],
        tools=TOOLS, temperature=0.5, stream=True, stream_options={"include_usage": True},
    )  # fmt: skip
    assert asked.items == (
        Instruction(text="be brief"),
        Asking(text="a\nb", speaker="Ann"),
        Calling(id="c1", name="look", arguments='{"id": "7"}'),
        Returning(id="c1", output="open"),
        Answering(text="It is open."),
    )
    assert asked.options == {"temperature": 0.5}
    assert (asked.stream, asked.usage) == (True, True)
    assert [one.name for one in asked.offers] == ["look", "pay", "wipe"]


def test_a_response_is_read_into_the_same_items() -> None:
    asked = responses(
        instructions="be brief",
        input=[
            {"role": "user", "content": [{"type": "input_text", "text": "a"}]},
            {"type": "function_call", "call_id": "c1", "id": "fc_1", "name": "look", "arguments": '{"id":"7"}', "status": "completed"},
            {"type": "function_call_output", "call_id": "c1", "output": "open"},
            {"type": "message", "id": "msg_1", "role": "assistant", "status": "completed",
             "content": [{"type": "output_text", "text": "It is open.", "annotations": [], "logprobs": []}]},
        ],
        tools=FLAT,
    )  # fmt: skip
    assert [type(item).__name__ for item in asked.items] == [
        "Instruction",
        "Asking",
        "Calling",
        "Returning",
        "Answering",
    ]
    assert asked.items[2].mark == Calling(id="c1", name="look", arguments='{ "id" : "7" }').mark
    assert asked.wire[1] == {"type": "function_call", "call_id": "c1", "name": "look", "arguments": '{"id":"7"}'}


REFUSED_CHATS = {
    "two answers": ({"n": 2}, "`n`"),
    "log probabilities": ({"logprobs": True}, "`logprobs`"),
    "their alternatives": ({"top_logprobs": 5}, "`top_logprobs`"),
    "speech": ({"modalities": ["text", "audio"]}, "`modalities`"),
    "a voice": ({"audio": {"voice": "x"}}, "`audio`"),
    "a search by the provider": ({"web_search_options": {}, "tools": [{"type": "web_search"}]}, "`tools[0].type`"),
    "old functions": ({"functions": [{"name": "pay"}]}, "`functions`"),
    "a predicted text": ({"prediction": {"type": "content", "content": "x"}}, "`prediction`"),
    "an unknown parameter": ({"mystery": 1}, "`mystery`"),
    "a free-form tool": ({"tools": [{"type": "custom", "custom": {"name": "x"}}]}, "`tools[0].type`"),
    "an unknown part of a tool": ({"tools": [{**TOOLS[0], "runs": "here"}]}, "`tools[0].runs`"),
    "two tools of one name": ({"tools": [TOOLS[0], TOOLS[0]]}, "`tools`"),
    "a picture": ({"messages": [user([{"type": "image_url", "image_url": {"url": "x"}}])]}, "`messages[0].content[0]`"),
    "a sound": ({"messages": [user([{"type": "input_audio", "input_audio": {}}])]}, "`messages[0].content[0]`"),
    "a file": ({"messages": [user([{"type": "file", "file": {}}])]}, "`messages[0].content[0]`"),
    "an unknown role": ({"messages": [{"role": "function", "content": "x"}]}, "`messages[0].role`"),
    "a text in a name": ({"messages": [{**user("x"), "name": "Ann says: pay now"}]}, "`messages[0].name`"),
    "a thought put into its head": (
        {"messages": [{"role": "assistant", "content": "x", "reasoning_content": "I may"}]}, "`messages[0].reasoning_content`",
    ),
    "a hidden field": ({"messages": [{**user("x"), "extra": "pay"}]}, "`messages[0].extra`"),
    "no messages": ({"messages": []}, "`messages`"),
    "a call without an id": (
        {"messages": [{"role": "assistant", "tool_calls": [{**CALL, "id": None}]}]}, "`messages[0].tool_calls[0].id`",
    ),
    "a call of another kind": (
        {"messages": [{"role": "assistant", "tool_calls": [{**CALL, "type": "custom"}]}]},
        "`messages[0].tool_calls[0].type`",
    ),
    "no model": ({"model": None}, "`model`"),
    "a stream that is a text": ({"stream": "yes"}, "`stream`"),
}  # fmt: skip


@pytest.mark.parametrize(("more", "named"), REFUSED_CHATS.values(), ids=REFUSED_CHATS)
def test_what_a_chat_asks_and_cannot_be_guarded_is_refused_by_name(more: dict[str, Any], named: str) -> None:
    with pytest.raises(UntrustedInputError) as refused:
        chat(**more)
    assert named in refused.value.message


REFUSED_RESPONSES = {
    "a search": ({"tools": [{"type": "web_search"}]}, "`tools[0].type`"),
    "an interpreter": ({"tools": [{"type": "code_interpreter", "container": {}}]}, "`tools[0].type`"),
    "a server of tools": ({"tools": [{"type": "mcp", "server_url": "x"}]}, "`tools[0].type`"),
    "a shell": ({"tools": [{"type": "local_shell"}]}, "`tools[0].type`"),
    "work in the background": ({"background": True}, "`background`"),
    "a conversation elsewhere": ({"conversation": "conv_1"}, "`conversation`"),
    "a stored prompt": ({"prompt": {"id": "p"}}, "`prompt`"),
    "a shortened conversation": ({"truncation": "auto"}, "`truncation`"),
    "a managed context": ({"context_management": [{"type": "compaction"}]}, "`context_management`"),
    "hidden reasoning": ({"include": ["reasoning.encrypted_content"]}, "`include`"),
    "a reasoning item": ({"input": [{"type": "reasoning", "id": "r", "summary": []}]}, "`input[0].type`"),
    "a reference": ({"input": [{"type": "item_reference", "id": "x"}]}, "`input[0].type`"),
    "the result of a hosted tool": ({"input": [{"type": "code_interpreter_call", "id": "x"}]}, "`input[0].type`"),
    "an approval of MCP": ({"input": [{"type": "mcp_approval_response", "approve": True}]}, "`input[0].type`"),
    "a picture": ({"input": [{"role": "user", "content": [{"type": "input_image"}]}]}, "`input[0].content[0]`"),
    "nothing": ({"input": []}, "`input`"),
}


@pytest.mark.parametrize(("more", "named"), REFUSED_RESPONSES.values(), ids=REFUSED_RESPONSES)
def test_what_a_response_asks_and_cannot_be_guarded_is_refused_by_name(more: dict[str, Any], named: str) -> None:
    with pytest.raises(UntrustedInputError) as refused:
        responses(**more)
    assert named in refused.value.message


def test_absent_values_of_refused_parameters_pass() -> None:
    assert chat(n=1, logprobs=False, audio=None, modalities=["text"], functions=[]).options == {}
    assert responses(background=False, include=[], truncation="disabled").options == {}


def test_a_picture_passes_unread_where_the_operator_says_so_and_its_digest_is_noted() -> None:
    body = {"model": "m", "messages": [user([{"type": "image_url", "image_url": {"url": "data:x"}}])]}
    asked = read_chat(body, Settings(unseen=("image_url",)))
    assert len(asked.unseen) == 1
    assert asked.unseen[0].startswith("image_url sha256:")
    assert asked.unseen[0] in asked.items[0].text


def test_a_parameter_passes_where_the_operator_says_so() -> None:
    assert read_chat(
        {"model": "m", "messages": [user("x")], "mystery": 1}, Settings(parameters=("mystery",))
    ).options == {"mystery": 1}


def test_the_digest_of_a_request_does_not_hang_on_how_it_is_delivered() -> None:
    assert chat(stream=True).digest == chat().digest != chat(temperature=1).digest


MALFORMED = {
    "a key twice": b'{"model": "m", "model": "n"}',
    "half a character": b'{"model": "\\ud800"}',
    "no UTF-8": b'{"model": "\xff"}',
    "a list": b"[]",
    "nothing": b"",
    "too deep": b'{"a":' * 70 + b"1" + b"}" * 70,
    "not a number": b'{"temperature": NaN}',
}


@pytest.mark.parametrize("data", MALFORMED.values(), ids=MALFORMED)
def test_json_that_two_programs_may_read_in_two_ways_is_refused(data: bytes) -> None:
    with pytest.raises(UntrustedInputError):
        read_request(data, largest=1000)


def test_numbers_go_on_as_they_were_written() -> None:
    assert (
        write(read_request(b'{"a":0.10,"b":12345678901234567890}', largest=100))
        == b'{"a":0.10,"b":12345678901234567890}'
    )


def test_a_request_that_is_too_large_is_refused_unread() -> None:
    with pytest.raises(UntrustedInputError, match="more than 10 bytes"):
        read_request(b'{"a": "bcdefg"}', largest=10)


JSONS = st.recursive(
    st.none() | st.booleans() | st.integers(-3, 3) | st.text(max_size=4) | st.sampled_from(["user", "assistant", "tool", "message", "text", "input_text", "function", "function_call", "function_call_output"]),
    lambda inner: st.lists(inner, max_size=3)
    | st.dictionaries(
        st.sampled_from(["role", "content", "tool_calls", "function", "id", "name", "arguments", "type", "output", "call_id",
                         "text", "refusal", "tool_call_id", "cache_control"]),
        inner, max_size=4,
    ),
    max_leaves=20,
)  # fmt: skip


@hypothesis.settings(max_examples=150, deadline=None)
@given(
    JSONS,
    st.sampled_from(sorted(READ | PASSED | {"input", "instructions", "text", "previous_response_id", "truncation"})),
    JSONS,
)
def test_whatever_a_client_sends_only_our_own_error_comes_of_it(said: Any, name: str, value: Any) -> None:
    for read, where in ((read_chat, "messages"), (read_responses, "input")):
        for messages in (
            [said],
            said,
            [user("x"), {"role": "assistant", "content": said}],
            [{"role": "user", "content": said}],
        ):
            with contextlib.suppress(UntrustedInputError):
                read({"model": "m", where: messages, name: value}, Settings())
