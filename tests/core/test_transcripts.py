"""Transcripts in files: what is read from good bytes, and what becomes of bad ones."""

from __future__ import annotations

import io
import json
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from obverse.core.chat_log import Reading, time_ms
from obverse.core.errors import UntrustedInputError
from obverse.core.events import (
    Approval,
    Call,
    Denied,
    Fact,
    Grant,
    Message,
    Reply,
    Result,
    System,
    Thought,
    Transcript,
)  # fmt: skip
from obverse.core.transcripts import Header, Unreadable, read_events, read_transcripts, write_transcripts

CALL = {"id": "c1", "type": "function", "function": {"name": "pay", "arguments": '{"to": "bob", '}}
CHAT: list[dict[str, Any]] = [
    {"role": "system", "content": "Be kind."},
    {"role": "user", "content": [{"type": "text", "text": "Pay"}, {"type": "image_url", "image_url": {"url": "x"}}]},
    {"role": "assistant", "content": "Doing it.", "tool_calls": [CALL, CALL | {"id": "c2"}]},
    {"role": "tool", "tool_call_id": "c2", "content": "paid"},
    {"role": "tool", "tool_call_id": "c1", "content": "Error: malformed"},
    {"role": "assistant", "content": None, "refusal": "No more."},
]
EVERY_KIND = Transcript(
    id="all",
    events=(
        System(id="e1", time=1, text="s"),
        Message(id="e2", text="ü\n\u2028", labels={"message.says_yes": True}),
        Thought(id="e3", turn=1, text="t"),
        Reply(id="e4", turn=1, text="r", origin=3),
        Call(id="e5", turn=1, call_id="c", tool="pay", arguments="{broken"),
        Denied(id="e6", turn=1, call_id="d", tool="pay", arguments='{"a":1,"a":2}'),
        Result(id="e7", turn=1, call_id="c", tool="pay", output="{}", failed=True),
        Fact(id="e8", name="user.limit", value=Decimal("12.50")),
        Fact(id="e9", name="user.many", value=[1, None, {"a": 10**30}]),
        Approval(id="e10", call="sha256:0", by="ann"),
        Grant(id="e11", grant="g", clauses=("a.b",), until=5),
    ),
)


def chats(text: str | bytes, **reading: Any) -> list[Transcript | Unreadable]:
    data = text.encode() if isinstance(text, str) else text
    return list(read_transcripts(io.BytesIO(data), reading=Reading(**reading)))


def one_chat(messages: list[dict[str, Any]], **reading: Any) -> Transcript:
    (found,) = chats(json.dumps({"id": "t", "messages": messages}), **reading)
    assert isinstance(found, Transcript), found
    return found


def test_a_chat_becomes_events_with_origins_turns_and_raw_arguments() -> None:
    found = one_chat(CHAT)
    assert found.events == (
        System(id="e1", origin=0, text="Be kind."),
        Message(id="e2", origin=1, text="Pay\n[image_url]"),
        Reply(id="e3", turn=1, origin=2, text="Doing it."),
        Call(id="e4", turn=1, origin=2, call_id="c1", tool="pay", arguments='{"to": "bob", '),
        Call(id="e5", turn=1, origin=2, call_id="c2", tool="pay", arguments='{"to": "bob", '),
        Result(id="e6", turn=1, origin=3, call_id="c2", tool="pay", output="paid"),
        Result(id="e7", turn=1, origin=4, call_id="c1", tool="pay", output="Error: malformed", failed=True),
        Reply(id="e8", turn=2, origin=5, text="No more."),
    )


def test_the_prefix_that_tells_a_failure_is_an_option() -> None:
    assert not any(event.failed for event in one_chat(CHAT, failed_prefixes=()).events if isinstance(event, Result))


def test_legacy_function_calls_are_matched_by_name() -> None:
    legacy = [
        {"role": "assistant", "content": None, "function_call": {"name": "pay", "arguments": "{}"}},
        {"role": "function", "name": "pay", "content": "done"},
    ]
    call, result = one_chat(legacy).events
    assert isinstance(call, Call)
    assert isinstance(result, Result)
    assert (result.call_id, result.tool) == (call.call_id, "pay")


def test_call_ids_that_begin_anew_each_turn_stay_apart() -> None:
    turn = [
        {"role": "assistant", "tool_calls": [CALL]},
        {"role": "tool", "tool_call_id": "c1", "content": "x"},
    ]
    first, one, second, two = one_chat(turn * 2).events
    assert isinstance(first, Call)
    assert isinstance(second, Call)
    assert first.call_id != second.call_id
    assert [one.call_id, two.call_id] == [first.call_id, second.call_id]  # type: ignore[union-attr]  # results


def test_arguments_that_are_an_object_keep_their_numbers() -> None:
    text = '[{"role": "assistant", "tool_calls": [{"id": "c", "function": {"name": "pay", "arguments": {"n": 1.10}}}]}]'
    (found,) = chats(text)
    assert isinstance(found, Transcript)
    assert found.events[0].arguments == '{"n":1.10}'  # type: ignore[union-attr]  # a call


@pytest.mark.parametrize(
    ("written", "expected"),
    [
        (1_700_000_000, 1_700_000_000_000),
        (Decimal("1700000000.5"), 1_700_000_000_500),
        (1_700_000_000_123, 1_700_000_000_123),
        ("2024-05-15T15:00:00Z", 1_715_785_200_000),
        ("2024-05-15T10:00:00-05:00", 1_715_785_200_000),
        ("2024-05-15 15:00:00", 1_715_785_200_000),
        ("yesterday", None),
        (True, None),
        (-1, None),
        (Decimal("NaN"), None),
        ({}, None),
        (None, None),
    ],
)
def test_a_time_is_read_or_unknown(written: Any, expected: int | None) -> None:
    assert time_ms(written) == expected


def test_times_are_assumed_only_when_asked_for() -> None:
    messages = [{"role": "user", "content": "a"}, {"role": "user", "content": "b", "timestamp": 100},
                {"role": "user", "content": "c"}]  # fmt: skip
    assert [event.time for event in one_chat(messages).events] == [None, 100_000, None]
    assert [event.time for event in one_chat(messages, start_ms=5).events] == [5, 100_000, 101_000]


@pytest.mark.parametrize(
    ("text", "ids"),
    [
        (json.dumps(CHAT), ["1"]),
        (json.dumps(CHAT, indent=2), ["1"]),
        (json.dumps({"id": "x", "messages": CHAT}, indent=1), ["x"]),
        (json.dumps([{"id": "x", "messages": CHAT}, {"messages": CHAT}], indent=1), ["x", "2"]),
        (json.dumps([CHAT, CHAT]), ["1", "2"]),
        ("\n".join(json.dumps({"id": 7, "messages": CHAT}) for _ in range(3)), ["7", "7#2", "7#3"]),
        ("\ufeff" + json.dumps(CHAT), ["1"]),
        ("\n\n" + json.dumps(CHAT) + "\n\n", ["1"]),
        ("", []),
        ("   \n", []),
    ],
)
def test_a_file_of_chats_is_read_in_each_of_its_shapes(text: str, ids: list[str]) -> None:
    found = chats(text)
    assert [one.id for one in found] == ids
    assert all(isinstance(one, Transcript) and one.events for one in found)


GOOD = json.dumps({"id": "good", "messages": CHAT}).encode()


@pytest.mark.parametrize(
    ("bad", "code", "said"),
    [
        (GOOD[:40], "T202", "not a readable line"),
        (b"\xff\xfe\x00", "T202", "not a readable line"),
        (b'{"id": "b", "messages": [{"role": "user", "content": "\xff"}]}', "T202", "not a readable line"),
        (b'{"id": "b"}', "T206", "neither a list of messages"),
        (b"17", "T206", "neither a list of messages"),
        (b'{"messages": [{"role": "robot"}]}', "T201", "message 0 has the unknown role `robot`"),
        (b'{"messages": [3]}', "T201", "message 0 is a number"),
        (b'{"messages": [{"role": "user", "content": 3}]}', "T201", "message 0 has a number as its content"),
        (b'{"messages": [{"role": "assistant", "tool_calls": [{}]}]}', "T201", "message 0 holds a call without a name"),
        (b'{"messages": [{"role": "assistant", "tool_calls": {}, "content": "x"}]}', "", ""),
        (b'{"messages": [{"role": "assistant", "tool_calls": 3}]}', "T201", "no list"),
        (b'{"messages": [{"role": "tool", "tool_call_id": "z", "content": ""}]}', "T201", "nobody made: `z`"),
        (b'{"messages": [{"role": "user", "content": "x", "labels": {"a": 1}}]}', "T201", "labels"),
        (b"[" * 100_000, "T202", "not a readable line"),
    ],
)
def test_a_bad_line_is_named_and_loses_nothing_else(bad: bytes, code: str, said: str) -> None:
    first, second, third = chats(GOOD + b"\n" + bad + b"\n" + GOOD)
    assert isinstance(first, Transcript)
    assert isinstance(third, Transcript)
    if not code:
        assert isinstance(second, Transcript)
        return
    assert isinstance(second, Unreadable)
    assert (second.line, second.error.code) == (2, code)
    assert said in str(second.error)
    assert "\n" not in str(second.error)


class Endless:
    """A source whose second line never seems to end; it counts how much of it is asked for at once."""

    def __init__(self, length: int) -> None:
        self.parts = [GOOD + b"\n", length, b"\n", GOOD + b"\n"]
        self.largest = 0

    def readline(self, size: int, /) -> bytes:
        if not self.parts:
            return b""
        part = self.parts[0]
        if isinstance(part, int):
            self.largest = max(self.largest, size)
            if part > size:
                self.parts[0] = part - size
                return b"x" * size
            self.parts.pop(0)
            return b"x" * part + self.readline(1)
        self.parts.pop(0)
        return part

    def read(self, size: int, /) -> bytes:
        return self.readline(size)


def test_a_line_of_a_gigabyte_is_skipped_without_being_held() -> None:
    source = Endless(1 << 30)
    found = list(read_transcripts(source, reading=Reading(max_line_bytes=10_000)))
    assert [type(one) for one in found] == [Transcript, Unreadable, Transcript]
    assert source.largest <= 1 << 20


def test_a_document_that_is_too_long_is_refused() -> None:
    (found,) = chats(json.dumps([CHAT] * 100, indent=1), max_document_bytes=5_000)
    assert isinstance(found, Unreadable)
    assert "more than 5000 bytes" in found.error.message


def test_what_is_written_is_read_again() -> None:
    transcripts = [EVERY_KIND, Transcript(id="empty", events=()), one_chat(CHAT)]
    data = b"".join(write_transcripts(transcripts))
    assert list(read_transcripts(io.BytesIO(data))) == transcripts


def test_events_come_one_by_one() -> None:
    data = b"".join(write_transcripts([EVERY_KIND, EVERY_KIND]))
    found = list(read_events(io.BytesIO(data)))
    header = Header(schema="obverse.transcript/1", id="all")
    assert found == [header, *EVERY_KIND.events, header, *EVERY_KIND.events]


def test_a_text_that_speaks_of_a_schema_is_no_header() -> None:
    event = b'{"text":"\\"schema\\":","schema_of":1,"kind":"message","id":"e1"}'
    data = b'{"id": "a", "schema": "obverse.transcript/1"}\n' + event
    (found,) = read_transcripts(io.BytesIO(data), format="obverse")
    assert isinstance(found, Transcript)
    assert len(found.events) == 1


def own(*lines: str) -> list[Transcript | Unreadable]:
    return list(read_transcripts(io.BytesIO("\n".join(lines).encode()), format="obverse"))


HEAD = '{"schema":"obverse.transcript/1","id":"a"}'
EVENT = '{"kind":"message","id":"e1","text":"x"}'


@pytest.mark.parametrize(
    ("lines", "line", "id", "said", "before"),
    [
        ([HEAD, EVENT, '{"kind":"mess'], 3, "a", "not a readable event", 1),
        ([HEAD, '{"kind":"robot","id":"e1"}', EVENT], 2, "a", "robot", 0),
        ([HEAD, EVENT, EVENT], 3, "a", "a second event `e1`", 1),
        ([EVENT], 1, None, "an event before any header", 0),
        (['{"schema":"obverse.transcript/9","id":"a"}', EVENT], 1, None, "unknown schema `obverse.transcript/9`", 0),
    ],
)
def test_a_faulty_transcript_of_ours_is_named_with_what_came_before(
    lines: list[str], line: int, id: str | None, said: str, before: int
) -> None:
    bad, good = own(*lines, HEAD.replace('"a"', '"b"'), EVENT)
    assert isinstance(bad, Unreadable)
    assert (bad.line, bad.id, len(bad.before)) == (line, id, before)
    assert said in bad.error.message
    assert isinstance(good, Transcript)
    assert good.id == "b"


@given(st.binary(max_size=400))
@settings(max_examples=300, deadline=None)
def test_no_bytes_raise_anything(data: bytes) -> None:
    for prefix in (b"", HEAD.encode() + b"\n", b"[\n"):
        for found in read_transcripts(io.BytesIO(prefix + data)):
            assert isinstance(found, Transcript | Unreadable)


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=4)
    | st.dictionaries(
        st.sampled_from(["role", "content", "tool_calls", "function", "name", "arguments", "id", "tool_call_id",
                         "time", "labels", "messages", "function_call", "text", "refusal"]) | st.text(max_size=4),
        st.sampled_from(["assistant", "tool", "user"]) | inner, max_size=5),
    max_leaves=20,
)  # fmt: skip


@given(json_values)
@settings(max_examples=400, deadline=None)
def test_no_json_raises_anything(value: Any) -> None:
    for shape in (value, {"messages": value}, [value], {"messages": [{"role": "assistant", "tool_calls": [value]}]}):
        for found in chats(json.dumps(shape)):
            assert isinstance(found, Transcript) or isinstance(found.error, UntrustedInputError)
