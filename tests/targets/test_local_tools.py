"""Tools written out for a model that reads only text, and what it writes read back."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from obverse.core.chat import ChatMessage, ToolCall, ToolSpec
from obverse.targets.local_tools import heard, spoken

LOOK = ToolSpec(name="look", description="Look it up.", parameters={"type": "object", "properties": {"id": {}}})
OFFERED = {"look", "pay"}

CALLS = {
    "a call": ('<tool_call>\n{"name": "look", "arguments": {"id": "X"}}\n</tool_call>', "look", '{"id": "X"}'),
    "arguments keep their bytes": (
        '<tool_call>{"name":"look","arguments":{ "id" :1.0, "id":"é" }}</tool_call>',
        "look",
        '{ "id" :1.0, "id":"é" }',
    ),
    "arguments that are no object": ('<tool_call>{"name":"look","arguments":"{}"}</tool_call>', "look", '"{}"'),
    "a tool that is not offered": ('<tool_call>{"name":"rm","arguments":{}}</tool_call>', "rm", "{}"),
    "broken JSON": (
        '<tool_call>{"name": "look", "arguments": {"id": }</tool_call>',
        "look",
        '{"name": "look", "arguments": {"id": }',
    ),
    "cut off": ('<tool_call>\n{"name": "look", "argu', "look", '{"name": "look", "argu'),
    "two names": (
        '<tool_call>{"name":"look","name":"pay","arguments":{}}</tool_call>',
        "look",
        '{"name":"look","name":"pay","arguments":{}}',
    ),
    "one key too many": (
        '<tool_call>{"name":"look","arguments":{},"id":"1"}</tool_call>',
        "look",
        '{"name":"look","arguments":{},"id":"1"}',
    ),
    "no name at all": ("<tool_call>look(X)</tool_call>", "", "look(X)"),
    "without tags": ('{"name": "look", "arguments": {"id": "X"}}', "look", '{"id": "X"}'),
    "in a fence": ('```json\n{"name": "look", "arguments": {}}\n```', "look", "{}"),
    "without tags, not offered": ('{"name": "rm", "arguments": {}}', "rm", "{}"),
    "without tags, cut off": ('{"name": "look", "arguments": {"id', "look", '{"name": "look", "arguments": {"id'),
}


@pytest.mark.parametrize(("text", "name", "arguments"), CALLS.values(), ids=CALLS)
def test_what_is_meant_as_a_call_is_one(text: str, name: str, arguments: str) -> None:
    said, [call] = heard(text, OFFERED)
    assert (said, call.name, call.arguments) == ("", name, arguments)


SAYINGS = {
    "plain text": "I will look it up.",
    "JSON inside a sentence": 'Use {"name": "look", "arguments": {}} for that.',
    "another object": '{"answer": 42}',
    "another object with a name": '{"name": "Ann"}',
    "a list": '[{"name": "look", "arguments": {}}]',
}


@pytest.mark.parametrize("text", SAYINGS.values(), ids=SAYINGS)
def test_what_is_said_stays_as_it_is(text: str) -> None:
    assert heard(text, OFFERED) == (text, ())


def test_without_tools_a_call_is_only_text() -> None:
    text = '<tool_call>{"name":"look","arguments":{}}</tool_call>'
    assert heard(text, ()) == (text, ())


def test_several_calls_keep_their_order_and_the_text_around_them() -> None:
    text = 'First.\n<tool_call>{"name":"look","arguments":{}}</tool_call>\n<tool_call>{"name":"pay","arguments":{}}</tool_call>'
    said, calls = heard(text, OFFERED)
    assert said == "First."
    assert [(call.id, call.name) for call in calls] == [("call_1", "look"), ("call_2", "pay")]


def test_tools_join_the_system_message_or_make_one() -> None:
    user = ChatMessage(role="user", content="Hi")
    [system, _] = spoken([ChatMessage(role="system", content="Be kind."), user], [LOOK])
    assert system["content"].startswith("Be kind.\n\n# Tools")
    assert '{"name": "look", "description": "Look it up."' in system["content"]
    [made, same] = spoken([user], [LOOK])
    assert made["role"] == "system"
    assert same == {"role": "user", "content": "Hi"}
    assert spoken([user], []) == [{"role": "user", "content": "Hi"}]


def test_a_result_comes_back_as_a_user_message() -> None:
    [said] = spoken([ChatMessage(role="tool", content="basic", tool_call_id="c1")], [])
    assert said == {"role": "user", "content": "<tool_response>\nbasic\n</tool_response>"}


@given(
    name=st.from_regex(r"[a-z_]{1,12}", fullmatch=True),
    arguments=st.dictionaries(
        st.text(st.characters(codec="utf-8", exclude_characters="<"), max_size=8), st.integers(), max_size=4
    ),
)
def test_a_call_written_out_is_read_back(name: str, arguments: dict[str, int]) -> None:
    call = ToolCall(id="call_1", name=name, arguments=json.dumps(arguments, ensure_ascii=False))
    [said] = spoken([ChatMessage(role="assistant", tool_calls=(call,))], [])
    assert heard(said["content"], {name}) == ("", (call,))


@given(st.text(st.sampled_from('<>/_{}[]":,\\ntoolcameargus \n1'), max_size=80))
def test_no_text_stops_the_reader_and_none_is_lost(text: str) -> None:
    said, calls = heard(text, OFFERED)
    assert said == text or calls
