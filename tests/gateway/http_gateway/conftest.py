"""A gateway in this process, before the scripted model server in another; and the real SDK in front of it."""

from __future__ import annotations

import asyncio
import itertools
import threading
from collections.abc import Iterator
from typing import Any

import httpx2
import msgspec
import openai
import pytest

from obverse.gateway.http.clients import key_digest
from obverse.gateway.http.server import Configuration, Service, listen
from obverse.gateway.http.settings import Settings
from obverse.guard.guard import Guard
from obverse.policy.check import check
from obverse.policy.parse import parse
from obverse.testing.recorder import MemoryRecorder
from obverse.testing.upstream import UpstreamServer

KEY = "obv_test"
OTHER_KEY = "obv_other"
BEGIN = 1_800_000_000_000

POLICY = """---
policy: shop
version: 1
default: {calls: deny-unknown-tools, arguments: deny-unknown, replies: allow, turn: %(turn)s}
---
# Shop

```terms
tool look(id: text) -> (state: one of "open", "closed") effect read
tool pay(id: text, amount: number) effect money
tool wipe() effect write
```

## Paying {#pay}

```rule
forbid pay when amount > 100 says "Not that much."
forbid pay(id: r) unless once look(id: r)
limit pay to 2
%(more)s
```

## Wiping {#wipe}

```rule
forbid wipe
```
"""


def policy(*, turn: str = "whole", more: str = "") -> Any:
    """The shop's policy, with more rules."""
    return check(parse((POLICY % {"turn": turn, "more": more}).encode()))


class Gateway:
    """A gateway that runs, and everything that a test asks of it."""

    def __init__(self, upstream: str, checked: Any, settings: Settings, people: Any = None) -> None:
        ticks = itertools.count()
        numbers = itertools.count(1)
        self.recorder = MemoryRecorder()
        self.clock = lambda: BEGIN + next(ticks)
        self.people = None if people is None else people(self.clock)
        self.guard = Guard(
            checked, recorder=self.recorder, clock=self.clock, steady=lambda: next(ticks), people=self.people,
            fresh=lambda size: next(numbers).to_bytes(size, "big"),
        )  # fmt: skip
        clients = {key_digest(KEY): "shop", key_digest(OTHER_KEY): "other"}
        self.service = Service(
            self.guard, url=upstream, key="sk-upstream", clock=self.clock,
            configuration=Configuration(clients=clients, settings=settings),
            fresh=lambda size: next(numbers).to_bytes(size, "big"),
        )  # fmt: skip
        self._clients: list[openai.OpenAI] = []
        self.url = ""
        self.error: BaseException | None = None
        self._ready = threading.Event()
        self._listener = listen("127.0.0.1", 0)
        self._thread = threading.Thread(target=self._run)

    def start(self) -> Gateway:
        self._thread.start()
        assert self._ready.wait(30)
        if self.error is not None:
            self._thread.join()
            raise self.error
        return self

    def close(self) -> None:
        for client in self._clients:
            client.close()
        self._loop.call_soon_threadsafe(self._stop.set)
        self._thread.join(30)
        self._listener.close()

    def _run(self) -> None:
        async def main() -> None:
            self._loop, self._stop = asyncio.get_running_loop(), asyncio.Event()
            await self.service.run(self._listener, ready=self._is_ready, stop=self._stop)

        try:
            asyncio.run(main())
        except BaseException as error:  # boundary: told to the test
            self.error = error
            self._ready.set()

    def _is_ready(self, url: str) -> None:
        self.url = url
        self._ready.set()

    def sdk(self, key: str = KEY, **options: Any) -> openai.OpenAI:
        """The real SDK, pointed at the gateway."""
        client = openai.OpenAI(base_url=f"{self.url}/v1", api_key=key, max_retries=0, **options)
        self._clients.append(client)
        return client

    def post(self, path: str = "/v1/chat/completions", *, key: str = KEY, **options: Any) -> httpx2.Response:
        """A plain request."""
        headers = {"authorization": f"Bearer {key}", **options.pop("headers", {})}
        return httpx2.post(f"{self.url}{path}", headers=headers, timeout=30, **options)

    def events(self, kind: str) -> list[dict[str, Any]]:
        """The events of a kind that are on record, in order."""
        named = (entry.payloads["event"] for entry in self.recorder.of("event") if entry.body["kind"] == kind)
        return [msgspec.json.decode(self.recorder.payloads[name]) for name in named]


@pytest.fixture(scope="session")
def upstream() -> Iterator[UpstreamServer]:
    with UpstreamServer() as server:
        yield server


@pytest.fixture
def gateway(request: pytest.FixtureRequest, upstream: UpstreamServer) -> Iterator[Gateway]:
    options = dict(getattr(request, "param", {}))
    checked = policy(turn=options.pop("turn", "whole"), more=options.pop("more", ""))
    people = options.pop("people", None)
    running = Gateway(upstream.url, checked, Settings(**options), people).start()
    yield running
    running.close()


TOOLS = [
    {
        "type": "function",
        "function": {
            "name": name,
            "description": name,
            "parameters": {"type": "object", "properties": {one: {"type": kind} for one, kind in fields.items()}},
        },
    }
    for name, fields in {
        "look": {"id": "string"},
        "pay": {"id": "string", "amount": "number"},
        "wipe": {},
    }.items()
]


def user(text: str) -> dict[str, Any]:
    return {"role": "user", "content": text}
