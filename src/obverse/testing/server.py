"""A stub endpoint in a process of its own: it speaks the OpenAI and the Anthropic chat protocol, and fails on purpose.

    python -m obverse.testing.server --port 0 --mode ok       prints one line of JSON: {"url": "http://127.0.0.1:…/v1"}

Raw asyncio, since its faults lie below what a web framework lets one do, and since it must be faster than what is measured
against it. Not a web server: it reads well-meant HTTP/1.1 with a Content-Length, on loopback.

What fails, and how, depends on the content of a request alone: `--mode mixed --share 0.2` draws by its digest, and
`fault:MODE` in a message asks for one fault by name. `GET /stats` tells how often each content was asked and answered.
"""

from __future__ import annotations

import argparse
import asyncio
import collections
import contextlib
import functools
import sys
from collections.abc import Callable

import msgspec

from obverse.testing.scripted import answer, anthropic_body, key_of, model_of, openai_body, share_of

MODES = ("ok", "mixed", "429", "429-then-ok", "500", "hang", "broken-json", "cut", "html", "stream", "redirect",
         "huge", "endless", "drip", "empty", "slow", "drop")  # fmt: skip
MIXED = ("429", "500", "hang", "broken-json", "cut", "html")
"""The faults that `mixed` draws from."""

HTML = (
    "<!doctype html><html><head><title>Request blocked</title></head><body><h1>I'm sorry, but I can't help with that."
    "</h1><p>Your request was blocked.</p></body></html>"
)
"""A gateway's page that a careless client takes for a refusal."""


class Settings(msgspec.Struct, frozen=True, kw_only=True):
    """How the stub behaves. `share` is that of faults in mode `mixed`, `refuse` that of refusals among answers."""

    mode: str = "ok"
    share: float = 0.2
    refuse: float = 0.1
    slow_s: float = 0.2
    latency_s: float = 0.0
    retry_after_ms: int = 20
    logprobs: str = "ignored"
    """What becomes of a request for log-probabilities: `ignored`, `refused`, or `given`."""


class Stats(msgspec.Struct, kw_only=True):
    """What has been asked so far: by content key, how often it was asked and how often answered in full."""

    requests: int = 0
    asked: collections.Counter[str] = msgspec.field(default_factory=collections.Counter)
    answered: collections.Counter[str] = msgspec.field(default_factory=collections.Counter)
    faults: collections.Counter[str] = msgspec.field(default_factory=collections.Counter)

    def report(self) -> bytes:
        """The statistics as JSON."""
        tables = {name: dict(getattr(self, name)) for name in ("asked", "answered", "faults")}
        return msgspec.json.encode({"requests": self.requests, **tables})


def fault_of(body: bytes, settings: Settings) -> str:
    """Which mode this request meets: a function of its content and the settings alone."""
    found = body.find(b"fault:")
    if found >= 0:
        named = body[found + 6 : found + 24].decode("ascii", "replace")
        return max((mode for mode in MODES if named.startswith(mode)), key=len, default="ok")
    if settings.mode != "mixed":
        return settings.mode
    drawn = share_of(key_of(body), "fault")
    if drawn >= settings.share:
        return "ok"
    return MIXED[int(drawn / settings.share * len(MIXED))]


class Stub(asyncio.Protocol):
    """One connection."""

    def __init__(self, settings: Settings, stats: Stats) -> None:
        self.settings = settings
        self.stats = stats
        self.buffer = b""
        self.transport: asyncio.Transport

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self.transport = transport

    def data_received(self, data: bytes) -> None:
        self.buffer += data
        while (end := self.buffer.find(b"\r\n\r\n")) >= 0:
            head = self.buffer[:end]
            length = _content_length(head)
            if len(self.buffer) < end + 4 + length:
                return
            body = self.buffer[end + 4 : end + 4 + length]
            self.buffer = self.buffer[end + 4 + length :]
            method, path, _ = head.split(b"\r\n", 1)[0].split(b" ", 2)
            self.request(method.decode(), path.decode(), body)

    def request(self, method: str, path: str, body: bytes) -> None:
        if method == "GET" and path == "/stats":
            self.send(200, self.stats.report())
        elif method == "POST" and path in {"/v1/chat/completions", "/v1/messages"}:
            self.chat(body, anthropic=path == "/v1/messages")
        else:
            self.send(404, b'{"error": {"message": "no such path", "type": "not_found", "code": null}}')

    def chat(self, body: bytes, *, anthropic: bool) -> None:
        key = key_of(body)
        self.stats.requests += 1
        self.stats.asked[key] += 1
        mode = fault_of(body, self.settings)
        if mode == "429-then-ok" and self.stats.asked[key] > 1:
            mode = "ok"
        if mode not in {"ok", "slow"}:
            self.stats.faults[mode] += 1
            return self.fail(mode)
        delay = self.settings.slow_s if mode == "slow" else self.settings.latency_s
        if delay:
            asyncio.get_running_loop().call_later(delay, self.reply, body, key, anthropic)
        else:
            self.reply(body, key, anthropic)
        return None

    def reply(self, body: bytes, key: str, anthropic: bool) -> None:
        try:
            said = answer(body, refuse=self.settings.refuse)
            model = model_of(body)
        except msgspec.DecodeError as error:
            return self.send(400, msgspec.json.encode({"error": {"message": str(error), "type": "invalid_request"}}))
        listed = b'"logprobs":true' in body and self.settings.logprobs != "ignored"
        if listed and self.settings.logprobs == "refused":
            return self.send(400, b'{"error": {"message": "logprobs are not supported", "type": "invalid_request"}}')
        told = (
            anthropic_body(said, key=key, model=model)
            if anthropic
            else openai_body(said, key=key, model=model, listed=listed)
        )
        self.send(200, told)
        self.stats.answered[key] += 1
        return None

    def fail(self, mode: str) -> None:
        """Go wrong in the named way."""
        faults: dict[str, Callable[[], None]] = {
            "429": self.too_many,
            "429-then-ok": self.too_many,
            "500": lambda: self.send(500, b'{"error": {"message": "overloaded", "type": "server_error"}}'),
            "hang": lambda: None,
            "broken-json": lambda: self.send(200, b'{"id": "chatcmpl-1", "choices": [{"index": 0, "mess'),
            "cut": self.cut,
            "html": lambda: self.send(200, HTML.encode(), kind="text/html"),
            "stream": lambda: self.send(200, b'data: {"choices": []}\n\ndata: [DONE]\n\n', kind="text/event-stream"),
            "redirect": lambda: self.send(307, b"", extra="location: http://127.0.0.2:9/v1/chat/completions\r\n"),
            "huge": lambda: self.send(200, b'{"choices": "' + b"x" * 40_000_000 + b'"}'),
            "endless": lambda: self.pour(b"x" * 65_536, every_s=0.0),
            "drip": lambda: self.pour(b" ", every_s=0.02),
            "empty": lambda: self.send(200, b""),
            "drop": self.transport.close,
        }
        faults[mode]()

    def too_many(self) -> None:
        wait = self.settings.retry_after_ms
        extra = f"retry-after-ms: {wait}\r\nretry-after: {wait / 1000:g}\r\n"
        self.send(429, b'{"error": {"message": "rate limit", "type": "rate_limit"}}', extra=extra)

    def cut(self) -> None:
        """Promise a whole body, send half of it and hang up."""
        body = openai_body(answer(b'{"messages": []}', refuse=0), key="cut", model="stub")
        self.transport.write(_head(200, len(body), "application/json", "") + body[: len(body) // 2])
        self.transport.close()

    def pour(self, chunk: bytes, *, every_s: float, begun: bool = False) -> None:
        """Send chunks for ever, or until the other side has had enough."""
        if self.transport.is_closing():
            return
        if not begun:
            self.transport.write(
                b"HTTP/1.1 200 x\r\ncontent-type: application/json\r\ntransfer-encoding: chunked\r\n\r\n"
            )
        if self.transport.get_write_buffer_size() < 1_000_000:
            self.transport.write(b"%x\r\n%s\r\n" % (len(chunk), chunk))
        again = functools.partial(self.pour, chunk, every_s=every_s, begun=True)
        asyncio.get_running_loop().call_later(every_s, again)

    def send(self, status: int, body: bytes, *, kind: str = "application/json", extra: str = "") -> None:
        if not self.transport.is_closing():
            self.transport.write(_head(status, len(body), kind, extra) + body)


def _head(status: int, length: int, kind: str, extra: str) -> bytes:
    return f"HTTP/1.1 {status} x\r\ncontent-type: {kind}\r\ncontent-length: {length}\r\n{extra}\r\n".encode()


def _content_length(head: bytes) -> int:
    lower = head.lower()
    start = lower.find(b"\r\ncontent-length:")
    if start < 0:
        return 0
    end = lower.find(b"\r\n", start + 17)
    return int(lower[start + 17 : end if end >= 0 else None])


async def serve(settings: Settings, *, port: int, ready: Callable[[str], None]) -> None:
    """Serve on loopback until cancelled; `ready` is told the base URL."""
    stats = Stats()
    server = await asyncio.get_running_loop().create_server(lambda: Stub(settings, stats), "127.0.0.1", port)
    async with server:
        ready(f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/v1")
        await server.serve_forever()


def main(arguments: list[str]) -> int:
    """Read the options, serve, and end with 0 on an interrupt."""
    parser = argparse.ArgumentParser(
        prog="python -m obverse.testing.server", description=(__doc__ or "").split("\n")[0]
    )
    parser.add_argument("--port", type=int, default=0, help="0 takes a free one")
    parser.add_argument("--mode", choices=MODES, default="ok")
    defaults = Settings()
    for name in ("share", "refuse", "slow_s", "latency_s"):
        parser.add_argument(f"--{name.replace('_', '-')}", type=float, default=getattr(defaults, name))
    parser.add_argument("--retry-after-ms", type=int, default=defaults.retry_after_ms)
    parser.add_argument("--logprobs", choices=("ignored", "refused", "given"), default=defaults.logprobs)
    options = vars(parser.parse_args(arguments))
    port = options.pop("port")
    with contextlib.suppress(KeyboardInterrupt):
        asyncio.run(serve(Settings(**options), port=port, ready=_say_ready))
    return 0


def _say_ready(url: str) -> None:
    sys.stdout.write(msgspec.json.encode({"url": url}).decode() + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
