"""A stream, however it is cut, is the turn that the whole answer holds; what can be read in two ways is no turn."""

from __future__ import annotations

import contextlib
import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from obverse.core.errors import UntrustedInputError
from obverse.gateway.http.chat_answered import read_chat_answer
from obverse.gateway.http.chat_joined import ChatJoiner
from obverse.gateway.http.json_text import read_answer
from obverse.gateway.http.responses_answered import ResponsesJoiner, read_responses_answer
from obverse.gateway.http.sse import Reader, Sent
from obverse.testing.upstream import (
    STREAM_FAULTS,
    WHOLE_FAULTS,
    Script,
    chat_stream,
    chat_whole,
    responses_stream,
    responses_whole,
)

SCRIPT = Script(
    text="First. Then “more” — ü 漢字.", thought="Let me see.",
    calls=(("pay", '{"id": "7", "amount": 12.50}'), ("look", '{"id": "8"}')),
)  # fmt: skip


def joined(joiner: Any, data: bytes, cuts: list[int]) -> Any:
    reader = Reader(largest=1_000_000)
    for start, end in zip([0, *cuts], [*cuts, len(data)], strict=True):
        for event in reader.feed(data[start:end]):
            joiner.take(event)
    return joiner.answer()


@settings(max_examples=60, deadline=None)
@given(st.data())
def test_a_chat_stream_cut_anywhere_is_the_whole_answer(data: Any) -> None:
    stream = b"".join(chat_stream(SCRIPT, "m"))
    cuts = sorted(data.draw(st.lists(st.integers(0, len(stream)), max_size=30)))
    found = joined(ChatJoiner(most_calls=8), stream, cuts)
    whole = read_chat_answer(chat_whole(SCRIPT, "m"), most_calls=8)
    assert (found.text, found.thought, found.calls, found.finish) == (
        whole.text,
        whole.thought,
        whole.calls,
        whole.finish,
    )


@settings(max_examples=60, deadline=None)
@given(st.data())
def test_a_responses_stream_cut_anywhere_is_the_whole_answer(data: Any) -> None:
    stream = b"".join(responses_stream(SCRIPT, "m"))
    cuts = sorted(data.draw(st.lists(st.integers(0, len(stream)), max_size=30)))
    found = joined(ResponsesJoiner(most_calls=8), stream, cuts)
    assert found == read_responses_answer(responses_whole(SCRIPT, "m"), most_calls=8)


CHAT_ONLY = {"wrong-whole", "wrong-name"}


@pytest.mark.parametrize("fault", sorted(set(STREAM_FAULTS) - CHAT_ONLY))
def test_a_hostile_chat_stream_is_no_turn(fault: str) -> None:
    stream = b"".join(STREAM_FAULTS[fault](list(chat_stream(SCRIPT, "m"))))
    with pytest.raises(UntrustedInputError):
        joined(ChatJoiner(most_calls=8), stream, [])


@pytest.mark.parametrize(
    "fault", ["wrong-whole", "wrong-name", "error-event", "no-json", "bad-utf8", "duplicate-key", "cut-stream"]
)
def test_a_hostile_responses_stream_is_no_turn(fault: str) -> None:
    stream = b"".join(STREAM_FAULTS[fault](list(responses_stream(SCRIPT, "m"))))
    with pytest.raises(UntrustedInputError):
        joined(ResponsesJoiner(most_calls=8), stream, [])


@pytest.mark.parametrize("fault", sorted(set(WHOLE_FAULTS) - {"unknown-item", "failed"}))
def test_a_hostile_chat_answer_is_no_turn(fault: str) -> None:
    with pytest.raises(UntrustedInputError):
        read_chat_answer(read_answer(WHOLE_FAULTS[fault](chat_whole(SCRIPT, "stub"))), most_calls=8)


@pytest.mark.parametrize("fault", ["unknown-item", "failed", "bad-utf8", "half-character"])
def test_a_hostile_response_is_no_turn(fault: str) -> None:
    with pytest.raises(UntrustedInputError):
        read_responses_answer(read_answer(WHOLE_FAULTS[fault](responses_whole(SCRIPT, "stub"))), most_calls=8)


def test_more_calls_than_the_bound_are_no_turn() -> None:
    with pytest.raises(UntrustedInputError, match="more than 1 calls"):
        read_chat_answer(chat_whole(SCRIPT, "m"), most_calls=1)
    with pytest.raises(UntrustedInputError, match="more than 1 calls"):
        joined(ChatJoiner(most_calls=1), b"".join(chat_stream(SCRIPT, "m")), [])


JSONS = st.recursive(
    st.none() | st.booleans() | st.integers(-3, 3) | st.text(max_size=4),
    lambda inner: st.lists(inner, max_size=3)
    | st.dictionaries(
        st.sampled_from(["choices", "delta", "index", "tool_calls", "function", "id", "name", "arguments", "content",
                         "finish_reason", "role", "type", "output", "response", "item", "usage", "error", "status"]),
        inner, max_size=4,
    ),
    max_leaves=25,
)  # fmt: skip


@settings(max_examples=150, deadline=None)
@given(st.lists(JSONS, max_size=4), st.booleans())
def test_whatever_a_server_sends_only_its_own_error_comes_of_it(bodies: list[Any], chat: bool) -> None:
    joiner: Any = ChatJoiner(most_calls=4) if chat else ResponsesJoiner(most_calls=4)
    read: Any = read_chat_answer if chat else read_responses_answer
    with contextlib.suppress(UntrustedInputError):
        for body in bodies:
            joiner.take(Sent(data=json.dumps(body)))
        joiner.answer()
    for body in bodies:
        if isinstance(body, dict):
            with contextlib.suppress(UntrustedInputError):
                read(body, most_calls=4)


def test_an_event_stream_takes_comments_names_and_both_line_ends() -> None:
    reader = Reader(largest=1000)
    data = b": hello\r\nevent: one\r\ndata: a\r\ndata: b\r\n\r\ndata:c\n\nid: 7\n\n"
    assert list(reader.feed(data)) == [Sent(data="a\nb", name="one"), Sent(data="c")]
    assert not reader.rest


def test_an_event_stream_that_is_too_large_is_refused() -> None:
    with pytest.raises(UntrustedInputError, match="larger than 10 bytes"):
        list(Reader(largest=10).feed(b"data: 0123456789\n\n"))
