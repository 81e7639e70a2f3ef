"""`openai:` end to end against a stub endpoint in another process, and its reading of bodies."""

from __future__ import annotations

import asyncio
import json
import math
from typing import Any

import pytest

from obverse.core.chat import ChatMessage, Completion, Measured, Sampling, ToolCall, ToolSpec, Usage
from obverse.core.errors import MisuseError
from obverse.targets.openai_chat import OpenAITarget, read_completion
from obverse.targets.protocol import Connection, TargetError
from obverse.testing.scripted import ANSWER, REFUSAL
from obverse.testing.stub import StubServer

TOOL = ToolSpec(name="pay", description="Pays.", parameters={"type": "object", "properties": {}})


def ask(stub: StubServer, text: str, *, tools: tuple[ToolSpec, ...] = (), **connection: Any) -> Completion:
    async def run() -> Completion:
        target = OpenAITarget("m", Connection(**{"base_url": stub.url, "timeout_s": 5.0} | connection))
        try:
            return await target.complete([ChatMessage(role="user", content=text)], tools=tools)
        finally:
            await target.close()

    return asyncio.run(run())


def fails(stub: StubServer, text: str, **connection: Any) -> TargetError:
    with pytest.raises(TargetError) as caught:
        ask(stub, text, **connection)
    assert "\n" not in str(caught.value)
    return caught.value


def test_an_answer_comes_back_with_its_tokens(stub: StubServer) -> None:
    found = ask(stub, "Hello.")
    assert found.text in {ANSWER, REFUSAL}
    assert (found.usage, found.model, found.stop) == (Usage(prompt_tokens=12, completion_tokens=9), "m", "stop")


def test_calls_made_at_once_come_back_with_their_raw_arguments(stub: StubServer) -> None:
    found = ask(stub, 'call pay {"to": "bob", "to": "eve"}\ncall pay {"to": ', tools=(TOOL,))
    assert [(call.name, call.arguments) for call in found.tool_calls] == [
        ("pay", '{"to": "bob", "to": "eve"}'),
        ("pay", '{"to": '),
    ]
    assert len({call.id for call in found.tool_calls}) == 2
    assert (found.text, found.stop) == ("", "tool_calls")


def test_a_whole_history_with_tools_is_sent(stub: StubServer) -> None:
    async def run() -> Completion:
        target = OpenAITarget("m", Connection(base_url=stub.url))
        call = ToolCall(id="c1", name="pay", arguments="{broken")
        history = [
            ChatMessage(role="system", content="s"),
            ChatMessage(role="user", content="u"),
            ChatMessage(role="assistant", tool_calls=(call,)),
            ChatMessage(role="tool", content="r", tool_call_id="c1", name="pay"),
        ]
        found = await target.complete(history, tools=[TOOL], sampling=Sampling(seed=3, temperature=1.0))
        await target.close()
        return found

    assert asyncio.run(run()).text


@pytest.mark.parametrize(
    ("fault", "kind", "status", "retryable", "said"),
    [
        ("429", "rate-limit", 429, True, "rate limit"),
        ("500", "server", 500, True, "overloaded"),
        ("broken-json", "garbage", None, True, "not JSON"),
        ("empty", "garbage", None, True, "not JSON"),
        ("cut", "garbage", None, True, "cut off"),
        ("html", "garbage", 200, True, "`text/html`"),
        ("stream", "garbage", 200, True, "`text/event-stream`"),
        ("huge", "garbage", None, True, "more than 16000000"),
        ("drop", "connection", None, True, "cannot talk to"),
        ("redirect", "redirect", 307, False, "`http://127.0.0.2:9/v1/chat/completions`"),
    ],
)
def test_each_fault_is_an_error_of_its_kind(
    stub: StubServer, fault: str, kind: str, status: int | None, retryable: bool, said: str
) -> None:
    error = fails(stub, f"fault:{fault}")
    assert (error.kind, error.status, error.is_retryable) == (kind, status, retryable)
    assert said in error.message


def test_the_server_says_how_long_to_wait(stub: StubServer) -> None:
    assert fails(stub, "fault:429").retry_after_s == pytest.approx(0.02)


def test_a_server_that_hangs_is_left_after_the_time_limit(stub: StubServer) -> None:
    assert fails(stub, "fault:hang", timeout_s=0.1).kind == "time-out"


def test_a_slow_answer_within_the_limit_is_one(stub: StubServer) -> None:
    assert ask(stub, "fault:slow").text


def test_after_a_429_the_same_question_may_be_asked_again(stub: StubServer) -> None:
    question = "fault:429-then-ok the same question"
    assert fails(stub, question).kind == "rate-limit"
    assert ask(stub, question).text


def test_nobody_at_the_other_end_is_a_connection_error() -> None:
    async def run() -> None:
        target = OpenAITarget("m", Connection(base_url="http://127.0.0.1:9/v1"))
        try:
            await target.complete([ChatMessage(role="user", content="x")])
        finally:
            await target.close()

    with pytest.raises(TargetError, match=r"cannot talk to `127\.0\.0\.1`") as caught:
        asyncio.run(run())
    assert caught.value.kind == "connection"


def test_a_wrong_path_has_a_hint(stub: StubServer) -> None:
    error = fails(stub, "x", base_url=stub.url + "/nowhere?x=1")
    assert (error.kind, error.status) == ("not-found", 404)
    assert error.hint is not None


def test_a_proxy_of_the_environment_is_not_used(stub: StubServer, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("HTTP_PROXY", "http_proxy", "ALL_PROXY", "HTTPS_PROXY"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")
    assert ask(stub, "Hello.").text


def test_a_proxy_that_is_given_is_used(stub: StubServer) -> None:
    assert fails(stub, "Hello.", proxy="http://127.0.0.1:9").kind == "connection"


def test_the_key_of_the_environment_goes_to_no_other_address(monkeypatch: pytest.MonkeyPatch) -> None:
    heard: list[bytes] = []

    async def hear(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        heard.append(await reader.readuntil(b"\r\n\r\n"))
        writer.close()

    async def run() -> None:
        server = await asyncio.start_server(hear, "127.0.0.1", 0)
        port = server.sockets[0].getsockname()[1]
        target = OpenAITarget("m", Connection(base_url=f"http://127.0.0.1:{port}/v1"))
        with pytest.raises(TargetError):
            await target.complete([ChatMessage(role="user", content="x")])
        await target.close()
        server.close()

    monkeypatch.setenv("OPENAI_API_KEY", "secret-key")
    monkeypatch.setenv("OPENAI_ORG_ID", "secret-org")
    monkeypatch.setenv("OPENAI_PROJECT_ID", "secret-project")
    asyncio.run(run())
    assert heard
    assert b"secret" not in heard[0]
    assert b"x-stainless" not in heard[0].lower()


def test_a_further_request_is_the_first_one_with_another_body() -> None:
    """The SDK makes the first; the others go where it went, with what it said of itself."""
    heard: list[tuple[bytes, bytes]] = []
    said = body({"content": "Hello."})

    async def hear(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        for _ in range(3):
            head = (await reader.readuntil(b"\r\n\r\n")).lower()
            length = next(int(line[15:]) for line in head.split(b"\r\n") if line.startswith(b"content-length:"))
            heard.append((head.replace(b"content-length: %d\r\n" % length, b""), await reader.readexactly(length)))
            writer.write(b"HTTP/1.1 200 x\r\ncontent-type: application/json\r\ncontent-length: %d\r\n\r\n" % len(said))
            writer.write(said)
        writer.close()

    async def run() -> None:
        server = await asyncio.start_server(hear, "127.0.0.1", 0)
        port = server.sockets[0].getsockname()[1]
        target = OpenAITarget("m", Connection(base_url=f"http://127.0.0.1:{port}/v1?version=7", api_key="the-key"))
        for text in ("one", "two, which is longer", "three"):
            await target.complete([ChatMessage(role="user", content=text)], tools=[TOOL])
        await target.close()
        server.close()

    asyncio.run(run())
    (first, *further), bodies = zip(*heard, strict=True)
    assert further == [first, first]
    assert b"post /v1/chat/completions?version=7 http/1.1" in first
    assert b"authorization: bearer the-key" in first
    assert [json.loads(one)["messages"][0]["content"] for one in bodies] == ["one", "two, which is longer", "three"]
    assert all(json.loads(one)["tools"][0]["function"]["name"] == "pay" for one in bodies)


def test_without_key_and_address_it_says_what_to_do(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("OPENAI_API_KEY", raising=False)
    monkeypatch.delenv("OPENAI_BASE_URL", raising=False)
    with pytest.raises(MisuseError, match="OPENAI_API_KEY"):
        OpenAITarget("m", Connection())


@pytest.mark.parametrize("url", ["localhost:8000", "ftp://x/y", "http://", "http://user:pw@host/v1"])
def test_a_base_url_that_is_none_or_holds_a_password_is_refused(url: str) -> None:
    with pytest.raises(MisuseError) as caught:
        OpenAITarget("m", Connection(base_url=url))
    assert "pw" not in str(caught.value)


def test_the_fingerprint_says_model_and_address() -> None:
    target = OpenAITarget("gpt-x", Connection(base_url="http://host:8000/v1/", api_key="secret"))
    assert target.fingerprint() == "openai:gpt-x at http://host:8000/v1"


def body(message: Any, **more: Any) -> bytes:
    return json.dumps({"choices": [{"message": message, **more}]}).encode()


@pytest.mark.parametrize(
    ("message", "text", "calls"),
    [
        ({"content": None}, "", []),
        ({}, "", []),
        ({"content": "a", "refusal": None}, "a", []),
        ({"content": None, "refusal": "I cannot."}, "I cannot.", []),
        ({"content": [{"type": "text", "text": "a"}, {"type": "text", "text": "b"}]}, "ab", []),
        ({"tool_calls": [{"function": {"name": "f", "arguments": {"n": 1.10}}}]}, "", [("call_0", "f", '{"n": 1.1}')]),
        ({"tool_calls": [{"id": "x", "function": {"name": "f"}}]}, "", [("x", "f", "")]),
        ({"tool_calls": [{"id": "x", "function": {"name": "f", "arguments": None}}]}, "", [("x", "f", "")]),
        ({"function_call": {"name": "f", "arguments": "{"}}, "", [("call_0", "f", "{")]),
        ({"content": "é\u2028"}, "é\u2028", []),
    ],
)
def test_messages_are_read_in_all_their_shapes(message: Any, text: str, calls: list[Any]) -> None:
    found = read_completion(body(message))
    assert (found.text, [(call.id, call.name, call.arguments) for call in found.tool_calls]) == (text, calls)


def test_an_answer_cut_at_the_token_limit_says_so() -> None:
    assert read_completion(body({"content": "half an"}, finish_reason="length")).stop == "length"


@pytest.mark.parametrize(
    ("data", "kind"),
    [
        (b"", "garbage"),
        (b"\xff\xfe", "garbage"),
        (b"<html>I cannot help with that.</html>", "garbage"),
        (b"null", "garbage"),
        (b"[]", "garbage"),
        (b'"I cannot help with that."', "garbage"),
        (b"{}", "garbage"),
        (b'{"choices": []}', "garbage"),
        (b'{"choices": null}', "garbage"),
        (b'{"choices": [{"text": "I cannot"}]}', "garbage"),
        (b'{"choices": [{"message": {"content": 7}}]}', "garbage"),
        (b'{"choices": [{"message": {"tool_calls": [{"function": {}}]}}]}', "garbage"),
        (b'{"error": {"message": "down", "code": "x"}}', "server"),
        (b'{"error": {"message": "slow down", "code": 429}}', "rate-limit"),
        (body({"content": "par"}, finish_reason="content_filter"), "content-filter"),
    ],
)
def test_what_is_no_completion_is_an_error(data: bytes, kind: str) -> None:
    with pytest.raises(TargetError) as caught:
        read_completion(data)
    assert caught.value.kind == kind


def test_probabilities_are_asked_for_only_where_a_caller_wants_them(stub: StubServer) -> None:
    assert ask(stub, "Hello.").measured is None
    told = ask(stub, "Hello.", alternatives=5).measured
    assert told == Measured(missing="the endpoint answered without log-probabilities")


def test_probabilities_that_an_endpoint_lists_become_two_means() -> None:
    with StubServer("--logprobs", "given") as given:
        told = ask(given, "Hello.", alternatives=5).measured
    assert told is not None
    assert told.logprob == pytest.approx(math.log(0.9))
    assert (told.entropy, told.missing) == (None, "nothing was sampled: temperature 0")


def test_an_endpoint_that_refuses_to_list_probabilities_is_asked_without_from_then_on() -> None:
    async def twice(url: str) -> list[Completion]:
        target = OpenAITarget("m", Connection(base_url=url, alternatives=5))
        try:
            return [await target.complete([ChatMessage(role="user", content=text)]) for text in ("One.", "Two.")]
        finally:
            await target.close()

    with StubServer("--logprobs", "refused") as refusing:
        found = asyncio.run(twice(refusing.url))
        requests = refusing.stats().requests
    why = "the endpoint takes no request for log-probabilities: the server answered 400: `logprobs are not supported`"
    assert [one.measured for one in found] == [Measured(missing=why)] * 2
    assert all(one.text for one in found)
    assert requests == 3


def test_a_request_that_is_bad_anyway_stays_bad_where_probabilities_are_asked_for(stub: StubServer) -> None:
    error = fails(stub, "Hello.", alternatives=5, base_url=stub.url + "/nowhere")
    assert error.kind == "not-found"
