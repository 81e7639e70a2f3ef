"""A gateway that runs in this process, on a port of its own, before any model's server; and a client of it. For tests and tries.

The guard is real, its ledger is in memory, and time passes only when somebody looks at the clock.
"""

from __future__ import annotations

import asyncio
import itertools
import threading
from collections.abc import Callable, Mapping
from types import TracebackType
from typing import Any, Self

import httpx2
import msgspec
import openai

from obverse.gateway.http.clients import key_digest
from obverse.gateway.http.server import Configuration, Service, listen
from obverse.gateway.http.settings import Settings
from obverse.guard.guard import Guard
from obverse.guard.ports import Clock, People
from obverse.policy.checked import Checked
from obverse.testing.recorder import MemoryRecorder

BEGIN = 1_800_000_000_000
_SECONDS = 30


class RunningGateway:
    """A context in which a gateway serves: `with RunningGateway(checked, upstream=url, keys={"obv_k": "shop"}) as gateway: …`."""

    def __init__(
        self,
        checked: Checked,
        *,
        upstream: str,
        keys: Mapping[str, str],
        settings: Settings = Settings(),  # noqa: B008  # frozen
        people: Callable[[Clock], People] | None = None,
        recorder: MemoryRecorder | None = None,
    ) -> None:
        ticks, numbers = itertools.count(), itertools.count(1)

        def fresh(size: int) -> bytes:
            return next(numbers).to_bytes(size, "big")

        self.clock: Clock = lambda: BEGIN + next(ticks)
        self.people = None if people is None else people(self.clock)
        self.recorder = MemoryRecorder() if recorder is None else recorder
        self.guard = Guard(
            checked,
            recorder=self.recorder,
            clock=self.clock,
            steady=lambda: next(ticks),
            people=self.people,
            fresh=fresh,
        )
        clients = {key_digest(key): holder for key, holder in keys.items()}
        self.service = Service(
            self.guard, url=upstream, key="sk-upstream", clock=self.clock, fresh=fresh,
            configuration=Configuration(clients=clients, settings=settings),
        )  # fmt: skip
        self.key = next(iter(keys))
        self.url = ""
        self._clients: list[openai.OpenAI] = []
        self._error: BaseException | None = None
        self._ready = threading.Event()
        self._listener = listen("127.0.0.1", 0)
        self._thread = threading.Thread(target=self._run, name="gateway")
        self._loop: asyncio.AbstractEventLoop
        self._stop: asyncio.Event

    def __enter__(self) -> Self:
        self._thread.start()
        self._ready.wait(_SECONDS)
        if self._error is not None:
            self._thread.join()
            raise self._error
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for client in self._clients:
            client.close()
        self._loop.call_soon_threadsafe(self._stop.set)
        self._thread.join(_SECONDS)
        self._listener.close()

    def sdk(self, key: str | None = None) -> openai.OpenAI:
        """The real SDK, pointed at the gateway; it asks nothing twice."""
        client = openai.OpenAI(base_url=f"{self.url}/v1", api_key=key or self.key, max_retries=0)
        self._clients.append(client)
        return client

    def post(self, path: str = "/v1/chat/completions", *, key: str | None = None, **options: Any) -> httpx2.Response:
        """The answer to a plain request."""
        headers = {"authorization": f"Bearer {key or self.key}", **options.pop("headers", {})}
        return httpx2.post(f"{self.url}{path}", headers=headers, timeout=_SECONDS, **options)

    def events(self, kind: str) -> list[dict[str, Any]]:
        """The events of a kind that are on record, in order."""
        named = (entry.payloads["event"] for entry in self.recorder.of("event") if entry.body["kind"] == kind)
        return [msgspec.json.decode(self.recorder.payloads[name]) for name in named]

    def facts(self, name: str) -> list[Any]:
        """The values of a fact, in order."""
        return [event["value"] for event in self.events("fact") if event["name"] == name]

    def _run(self) -> None:
        async def main() -> None:
            self._loop, self._stop = asyncio.get_running_loop(), asyncio.Event()
            await self.service.run(self._listener, ready=self._is_ready, stop=self._stop)

        try:
            asyncio.run(main())
        except BaseException as error:  # boundary: raised again by whoever entered
            self._error = error
            self._ready.set()

    def _is_ready(self, url: str) -> None:
        self.url = url
        self._ready.set()
