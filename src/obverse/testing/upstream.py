"""A model's server for gateways: chat and responses, streamed and whole, as told by the conversation; and hostile on purpose.

    python -m obverse.testing.upstream --port 0        prints one line of JSON: {"url": …, "pid": …}

The last message of the user is a script: a line `say TEXT` is said, `think TEXT` thought, `call NAME ARGUMENTS` called with the
rest of the line as raw text; `fault:MODE` goes wrong in that way. After a tool's result it says what the tool said. Without a
script it says what `scripted` says. Whatever it is sent is kept, and `GET /asked` gives the last of it.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from types import TracebackType
from typing import Any, Final, Self

import msgspec

from obverse.testing.scripted import ANSWER
from obverse.testing.server import Settings, Stats, Stub

PIECE: Final = 7
"""Characters of a text or of arguments that one piece of a stream holds."""
_write = msgspec.json.encode


class Script(msgspec.Struct, frozen=True, kw_only=True):
    """What to answer."""

    text: str = ""
    thought: str = ""
    calls: tuple[tuple[str, str], ...] = ()
    fault: str = ""


def script_of(body: dict[str, Any]) -> Script:
    """What the conversation tells the server to answer."""
    messages = body.get("messages") or body.get("input") or []
    if isinstance(messages, str):
        messages = [{"role": "user", "content": messages}]
    last = messages[-1] if messages else {}
    if last.get("role") == "tool" or last.get("type") == "function_call_output":
        return Script(text=f"The tool said: {_text(last.get('content', last.get('output')))}")
    asked = next((_text(one.get("content")) for one in reversed(messages) if one.get("role") == "user"), "")
    lines = [line.strip() for line in asked.splitlines()]
    said = [line[4:] for line in lines if line.startswith("say ")]
    calls = [line[5:].partition(" ") for line in lines if line.startswith("call ")]
    fault = next((line[6:] for line in lines if line.startswith("fault:")), "")
    thought = "\n".join(line[6:] for line in lines if line.startswith("think "))
    text = "\n".join(said) if said or calls else ANSWER
    return Script(text=text, thought=thought, calls=tuple((name, rest) for name, _, rest in calls), fault=fault)


class Upstream(Stub):
    """One connection."""

    asked: bytes = b"{}"
    count: int = 0

    def request(self, method: str, path: str, body: bytes) -> None:
        if method == "GET" and path == "/v1/models":
            self.send(200, _write({"object": "list", "data": [{"id": "stub", "object": "model"}]}))
        elif method == "GET" and path == "/asked":
            self.send(200, Upstream.asked)
        elif method == "POST" and path in {"/v1/chat/completions", "/v1/responses"}:
            Upstream.asked, Upstream.count = body, Upstream.count + 1
            self._answer(msgspec.json.decode(body), chat=path.endswith("completions"))
        else:
            self.send(404, b'{"error": {"message": "no such path", "type": "not_found", "code": null}}')

    def _answer(self, body: dict[str, Any], *, chat: bool) -> None:
        script, stream = script_of(body), bool(body.get("stream"))
        name = str(body.get("model"))
        if script.fault in STATUSES:
            status, answer, extra = STATUSES[script.fault]
            self.send(status, answer, extra=extra)
        elif script.fault in LOW:
            getattr(self, LOW[script.fault])()
        elif stream:
            events = list(chat_stream(script, name) if chat else responses_stream(script, name))
            events = STREAM_FAULTS[script.fault](events) if script.fault in STREAM_FAULTS else events
            self.stream(events, every_s=0.02 if script.fault == "slow" else 0.0)
        else:
            whole = chat_whole(script, name) if chat else responses_whole(script, name)
            data = _write(whole)
            if script.fault in WHOLE_FAULTS:
                data = WHOLE_FAULTS[script.fault](whole)
            self.send(200, data)

    def stream(self, events: list[bytes], *, every_s: float) -> None:
        """All events, in one go or one by one."""
        head = b"HTTP/1.1 200 x\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n"
        if not every_s:
            self.transport.write(head + b"".join(b"%x\r\n%s\r\n" % (len(one), one) for one in events) + b"0\r\n\r\n")
            return
        self.transport.write(head)
        loop = asyncio.get_running_loop()
        for place, one in enumerate(events):
            loop.call_later(place * every_s, self._drop, b"%x\r\n%s\r\n" % (len(one), one))
        loop.call_later(len(events) * every_s, self._drop, b"0\r\n\r\n")

    def hang(self) -> None:
        """Say nothing."""

    def hang_streaming(self) -> None:
        """Begin, and say nothing more."""
        head = b"HTTP/1.1 200 x\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n"
        self.transport.write(head + b'10\r\ndata: {"choices"\r\n')

    def endless(self) -> None:
        """Never stop."""
        self.pour(b"data: " + b"x" * 65_536, every_s=0.0)

    def _drop(self, data: bytes) -> None:
        if not self.transport.is_closing():
            self.transport.write(data)


# --- the chat protocol --------------------------------------------------------------------------------------------------


def chat_whole(script: Script, model: str) -> dict[str, Any]:
    """The answer in one piece."""
    calls = [
        {"id": f"call_{n}", "type": "function", "function": {"name": name, "arguments": arguments}}
        for n, (name, arguments) in enumerate(script.calls)
    ]
    message = {"role": "assistant", "content": script.text or None, **({"tool_calls": calls} if calls else {})}
    if script.thought:
        message["reasoning_content"] = script.thought
    choice = {"index": 0, "message": message, "finish_reason": "tool_calls" if calls else "stop"}
    return {"id": "chatcmpl-stub", "object": "chat.completion", "created": 0, "model": model, "choices": [choice],
            "usage": {"prompt_tokens": 12, "completion_tokens": 9, "total_tokens": 21}}  # fmt: skip


def chat_stream(script: Script, model: str) -> Iterator[bytes]:
    """The answer as a stream; arguments come in pieces of a few characters."""
    yield _chunk(model, {"role": "assistant", "content": ""})
    for piece in _pieces(script.thought):
        yield _chunk(model, {"reasoning_content": piece})
    for piece in _pieces(script.text):
        yield _chunk(model, {"content": piece})
    for n, (name, arguments) in enumerate(script.calls):
        begun = {"index": n, "id": f"call_{n}", "type": "function", "function": {"name": name, "arguments": ""}}
        yield _chunk(model, {"tool_calls": [begun]})
        for piece in _pieces(arguments):
            yield _chunk(model, {"tool_calls": [{"index": n, "function": {"arguments": piece}}]})
    yield _chunk(model, {}, finish="tool_calls" if script.calls else "stop")
    yield b"data: [DONE]\n\n"


def _chunk(model: str, delta: dict[str, Any], finish: str | None = None) -> bytes:
    choice = {"index": 0, "delta": delta, "finish_reason": finish}
    whole = {
        "id": "chatcmpl-stub",
        "object": "chat.completion.chunk",
        "created": 0,
        "model": model,
        "choices": [choice],
    }
    return b"data: " + _write(whole) + b"\n\n"


# --- the responses protocol ---------------------------------------------------------------------------------------------


def responses_whole(script: Script, model: str) -> dict[str, Any]:
    """The answer in one piece."""
    output: list[dict[str, Any]] = []
    if script.thought:
        output.append(
            {"type": "reasoning", "id": "rs_1", "summary": [{"type": "summary_text", "text": script.thought}]}
        )
    if script.text:
        part = {"type": "output_text", "text": script.text, "annotations": []}
        output.append({"type": "message", "id": "msg_1", "role": "assistant", "status": "completed", "content": [part]})
    output += [
        {"type": "function_call", "id": f"fc_{n}", "call_id": f"call_{n}", "name": name, "arguments": arguments}
        for n, (name, arguments) in enumerate(script.calls)
    ]
    return {"id": "resp_stub", "object": "response", "created_at": 0, "status": "completed", "model": model,
            "output": output, "error": None,
            "usage": {"input_tokens": 12, "output_tokens": 9, "total_tokens": 21}}  # fmt: skip


def responses_stream(script: Script, model: str) -> Iterator[bytes]:
    """The answer as a stream of events."""
    whole = responses_whole(script, model)
    events: list[dict[str, Any]] = [
        {"type": "response.created", "response": {**whole, "status": "in_progress", "output": []}}
    ]
    for place, item in enumerate(whole["output"]):
        events.append({"type": "response.output_item.added", "output_index": place, "item": item})
        if item["type"] == "message":
            kind, text = "response.output_text", script.text
        else:
            kind, text = "response.function_call_arguments", item.get("arguments", "")
        at = {"output_index": place, "content_index": 0, "item_id": item["id"]}
        events += [{"type": f"{kind}.delta", **at, "delta": piece} for piece in _pieces(text)]
        events.append({"type": "response.output_item.done", "output_index": place, "item": item})
    events.append({"type": "response.completed", "response": whole})
    for number, one in enumerate(events):
        yield f"event: {one['type']}\n".encode() + b"data: " + _write({**one, "sequence_number": number}) + b"\n\n"


def _pieces(text: str) -> Iterator[str]:
    for start in range(0, len(text), PIECE):
        yield text[start : start + PIECE]


def _text(content: object) -> str:
    if isinstance(content, list):
        return "\n".join(str(part.get("text", "")) for part in content if isinstance(part, dict))
    return content if isinstance(content, str) else ""


# --- what goes wrong ----------------------------------------------------------------------------------------------------

STATUSES: Final = {
    "401": (401, b'{"error": {"message": "Incorrect API key provided: sk-secret", "code": "invalid_api_key"}}', ""),
    "429": (429, b'{"error": {"message": "slow down", "code": "rate_limit_exceeded"}}', "retry-after: 2\r\n"),
    "400": (400, b'{"error": {"message": "too long", "code": "context_length_exceeded"}}', ""),
    "500": (500, b"oops: sk-secret", ""),
    "redirect": (307, b"", "location: http://127.0.0.2:9/v1/chat/completions\r\n"),
    "html": (200, b"<!doctype html><p>Request blocked.</p>", ""),
    "empty": (200, b"", ""),
    "huge": (200, b'{"choices": "' + b"x" * 9_000_000 + b'"}', ""),
}
LOW: Final = {"hang": "hang", "hang-streaming": "hang_streaming", "endless": "endless", "cut": "cut"}


def _with_choice(change: Callable[[dict[str, Any]], object]) -> Callable[[dict[str, Any]], bytes]:
    def changed(whole: dict[str, Any]) -> bytes:
        change(whole["choices"][0])
        return _write(whole)

    return changed


def _with_call(change: Callable[[dict[str, Any]], object]) -> Callable[[dict[str, Any]], bytes]:
    return _with_choice(lambda choice: change(choice["message"]["tool_calls"][0]))


def _two_choices(whole: dict[str, Any]) -> bytes:
    return _write({**whole, "choices": [whole["choices"][0], {**whole["choices"][0], "index": 1}]})


def _twice(whole: dict[str, Any]) -> bytes:
    return _write(whole).replace(b'"choices":', b'"choices":[],"choices":', 1)


WHOLE_FAULTS: Final[dict[str, Callable[[dict[str, Any]], bytes]]] = {
    "two-choices": _two_choices,
    "no-choice": lambda whole: _write({**whole, "choices": []}),
    "other-index": _with_choice(lambda choice: choice.update(index=1)),
    "duplicate-key": _twice,
    "bad-utf8": lambda whole: _write(whole).replace(b"stub", b"st\xff\xfeub", 1),
    "half-character": lambda whole: _write(whole).replace(b"stub", b"\\ud800", 1),
    "no-id": _with_call(lambda call: call.pop("id")),
    "no-name": _with_call(lambda call: call["function"].pop("name")),
    "arguments-object": _with_call(lambda call: call["function"].update(arguments={"id": "7"})),
    "legacy-call": _with_choice(
        lambda choice: choice["message"].update(function_call={"name": "pay", "arguments": "{}"})
    ),
    "custom-call": _with_call(lambda call: call.update(type="custom", custom={"name": "pay", "input": "x"})),
    "by-user": _with_choice(lambda choice: choice["message"].update(role="user")),
    "unknown-item": lambda whole: _write(
        {**whole, "output": [*whole.get("output", ()), {"type": "code_interpreter_call", "id": "ci_1", "code": "x"}]}
    ),
    "failed": lambda whole: _write({**whole, "status": "failed", "error": {"code": "server_error", "message": "no"}}),
}


def _inserted(data: bytes, *, at: int) -> Callable[[list[bytes]], list[bytes]]:
    return lambda events: [*events[:at], data, *events[at:]]


def _piece(index: object, name: str | None, tool: str | None, arguments: str) -> bytes:
    return _chunk(
        "stub", {"tool_calls": [{"index": index, "id": name, "function": {"name": tool, "arguments": arguments}}]}
    )


STREAM_FAULTS: Final[dict[str, Callable[[list[bytes]], list[bytes]]]] = {
    "cut-stream": lambda events: events[:-3],
    "cut-in-event": lambda events: [*events[:-3], events[-3][:20]],
    "no-finish": lambda events: [*events[:-2], events[-1]],
    "after-end": _inserted(_chunk("stub", {"content": "and more"}), at=-1),
    "after-done": lambda events: [*events, _chunk("stub", {"content": "and more"})],
    "index-jump": _inserted(_piece(5, "call_5", "pay", "{}"), at=-2),
    "index-text": _inserted(_piece("0", "call_0", "pay", "{}"), at=-2),
    "no-id": _inserted(_piece(0, None, "pay", "{}"), at=1),
    "two-ids": _inserted(_piece(0, "call_other", None, ""), at=-2),
    "two-names": _inserted(_piece(0, None, "pay_more", ""), at=-2),
    "two-choices": _inserted(b'data: {"choices": [{"index": 0, "delta": {}}, {"index": 1, "delta": {}}]}\n\n', at=1),
    "other-index": _inserted(b'data: {"choices": [{"index": 1, "delta": {"content": "x"}}]}\n\n', at=1),
    "duplicate-key": _inserted(b'data: {"choices": [], "choices": []}\n\n', at=1),
    "bad-utf8": _inserted(b'data: {"choices": [], "x": "\xff"}\n\n', at=1),
    "two-line-ends": _inserted(b'data: {"choices": []}\rdata: x\n\n', at=1),
    "error-event": _inserted(b'data: {"error": {"message": "sk-secret"}}\n\n', at=2),
    "no-json": _inserted(b"data: hello\n\n", at=1),
    "wrong-whole": lambda events: [*events[:-1], events[-1].replace(b'"text":"', b'"text":"Something else. ')],
    "wrong-name": lambda events: [
        *events[:-1],
        events[-1].replace(b"event: response.completed", b"event: response.created"),
    ],
}


async def serve(*, port: int, ready: Callable[[str], None]) -> None:
    """Serve on loopback until cancelled; `ready` is told the base URL."""
    stats = Stats()
    server = await asyncio.get_running_loop().create_server(lambda: Upstream(Settings(), stats), "127.0.0.1", port)
    async with server:
        ready(f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/v1")
        await server.serve_forever()


class UpstreamServer:
    """A context in which the server runs as a process of its own: `with UpstreamServer() as server: … server.url …`."""

    def __init__(self) -> None:
        self._process: subprocess.Popen[bytes] | None = None
        self.url = ""

    def __enter__(self) -> Self:
        command = [sys.executable, "-m", "obverse.testing.upstream"]
        self._process = subprocess.Popen(command, stdout=subprocess.PIPE)  # noqa: S603  # our own module
        # INVARIANT: a pipe was asked for
        assert self._process.stdout is not None
        self.url = str(msgspec.json.decode(self._process.stdout.readline(), type=dict[str, str | int])["url"])
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        # INVARIANT: it was entered
        assert self._process is not None
        self._process.terminate()
        self._process.communicate(timeout=10)


def main(arguments: list[str]) -> int:
    """Read the options, serve, and end with 0 on an interrupt."""
    parser = argparse.ArgumentParser(prog="python -m obverse.testing.upstream")
    parser.add_argument("--port", type=int, default=0, help="0 takes a free one")
    port = parser.parse_args(arguments).port
    with contextlib.suppress(KeyboardInterrupt):
        asyncio.run(serve(port=port, ready=_say_ready))
    return 0


def _say_ready(url: str) -> None:
    sys.stdout.write(_write({"url": url, "pid": os.getpid()}).decode() + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
