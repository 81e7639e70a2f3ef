"""An MCP agent for tests: a puppet server's folder, and the agent's end of a proxy's streams, which can also send raw text."""

from __future__ import annotations

import asyncio
import contextlib
import json
import socket
import subprocess
import sys
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from pathlib import Path
from typing import Any, Final, Literal

import anyio
from mcp import Client
from mcp.shared.message import SessionMessage
from mcp_types import jsonrpc_message_adapter

from obverse.gateway.mcp import stdio
from obverse.gateway.mcp.definitions import Lock
from obverse.gateway.mcp.proxy import Proxy, ProxySettings, running
from obverse.gateway.mcp.servers import ServerSettings
from obverse.gateway.mcp.sessions import Desks
from obverse.guard.guard import Guard

ENVELOPE: Final = {
    "io.modelcontextprotocol/protocolVersion": "2026-07-28",
    "io.modelcontextprotocol/clientCapabilities": {},
}


def tool(
    name: str, *, about: str = "A tool.", properties: Mapping[str, Any] | None = None, **does: Any
) -> dict[str, Any]:
    """An entry of a puppet's `tools.json`."""
    schema = {"type": "object", "properties": properties or {}}
    return {"definition": {"name": name, "description": about, "inputSchema": schema}, **does}


SHOP: Final = """\
---
policy: shop
version: 1
---
# Shop

```terms
tool look(id: text) -> (owner: text, price: number) effect read
tool pay(to: text, amount: number, note: json optional) effect money
tool slow() effect read
tool explode() effect write
```

## Paying {#pay}

```rule
forbid pay when amount > 1000 says "Too much at once."
ask pay when amount > 100
limit pay to 3 per 24h
forbid pay when once look(id: "a") and last look(id: "a") has owner = "eve"
```

## Never {#never inviolable}

```rule
stop explode
```
"""
"""The policy of the shop that these tools belong to."""

LOOK: Final = tool(
    "look",
    properties={"id": {"type": "string"}},
    structured={"owner": "ann", "price": 3},
    text=['{"owner": "ann", "price": 3}'],
)
PAY: Final = tool("pay", properties={"to": {"type": "string"}, "amount": {"type": "number"}, "note": {}}, text=["paid"])
SLOW: Final = tool("slow", seconds=20)
EXPLODE: Final = tool("explode")


class Puppet:
    """The folder of a server: what it will say, and what it was asked. With a `url` it runs already, else a proxy starts it."""

    def __init__(
        self, folder: Path, *tools: dict[str, Any], instructions: str | None = None, url: str | None = None
    ) -> None:
        self.folder = folder
        self._url = url
        folder.mkdir(exist_ok=True)
        (folder / "calls.jsonl").write_text("")
        self.says(*tools, instructions=instructions)

    def says(self, *tools: dict[str, Any], instructions: str | None = None) -> None:
        """From its next listing on, the server has these tools."""
        written = self.folder / "tools.new"
        written.write_text(json.dumps({"tools": tools, "instructions": instructions}))
        written.rename(self.folder / "tools.json")

    @property
    def asked(self) -> list[dict[str, Any]]:
        """All that the server noted."""
        return [json.loads(line) for line in (self.folder / "calls.jsonl").read_text().splitlines()]

    @property
    def calls(self) -> list[tuple[str, Any]]:
        """The calls that reached the server: tool and arguments."""
        return [(one["tool"], one["arguments"]) for one in self.asked if "tool" in one]

    def settings(self, name: str = "shop", *, protocol: Literal["auto", "legacy"] = "auto") -> ServerSettings:
        """How a proxy reaches it."""
        command = () if self._url else (sys.executable, "-m", "obverse.testing.puppet", str(self.folder))
        return ServerSettings(name=name, command=command, url=self._url, protocol=protocol)


@contextlib.contextmanager
def running_puppet(folder: Path) -> Iterator[str]:
    """The URL of a puppet that runs over HTTP, in a process of its own, by what stands in this folder."""
    folder.mkdir(exist_ok=True)
    (folder / "tools.json").write_text('{"tools": []}')
    command = [sys.executable, "-m", "obverse.testing.puppet", str(folder), "--http", "0"]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)  # noqa: S603  # our own module
    assert process.stdout is not None
    try:
        yield process.stdout.readline().strip()
    finally:
        process.terminate()
        process.communicate(timeout=10)


class Agent:
    """The other end of the proxy's streams."""

    def __init__(self, ours: socket.socket) -> None:
        self._socket = ours

    @contextlib.asynccontextmanager
    async def client(self, *, mode: str = "auto", **options: Any) -> AsyncIterator[Client]:
        """A real client, which speaks through these streams."""
        async with Client(_through(self._socket), mode=mode, cache=None, **options) as client:
            yield client

    async def raw(self, *messages: str | dict[str, Any], answers: int | None = None) -> list[dict[str, Any]]:
        """Send these lines as they are, and take so many answers (one each, if not said)."""
        reader, writer = await asyncio.open_connection(sock=self._socket)
        for message in messages:
            writer.write((message if isinstance(message, str) else json.dumps(message)).encode() + b"\n")
        found = [json.loads(await reader.readline()) for _ in range(len(messages) if answers is None else answers)]
        writer.close()
        return found


class Front:
    """A proxy that runs, and the agent before it."""

    def __init__(self, proxy: Proxy, agent: Agent, desks: Desks) -> None:
        self.proxy = proxy
        self.agent = agent
        self.desks = desks


@contextlib.asynccontextmanager
async def fronted(
    guard: Guard,
    *puppets: Puppet,
    lock: Lock | None = None,
    keep: Callable[[Lock], None] | None = None,
    protocol: Literal["auto", "legacy"] = "auto",
    **settings: Any,
) -> AsyncIterator[Front]:
    """A proxy of this guard before these servers, and an agent on a pair of streams, all in this process but the servers."""
    how = ProxySettings(**{"deadline": 1.0, "every": 0.05, **settings})
    desks = Desks(guard, holder="agent", settings=how)
    ours, theirs = socket.socketpair()
    ours.setblocking(False)
    servers = [puppet.settings(puppet.folder.name, protocol=protocol) for puppet in puppets]
    with ours, theirs, theirs.makefile("rb") as source, theirs.makefile("wb") as sink:
        async with (
            running(guard, servers, desks=desks, lock=lock, keep=keep, settings=how) as proxy,
            anyio.create_task_group() as tasks,
        ):
            tasks.start_soon(stdio.serve, proxy.server(), source, sink)
            try:
                yield Front(proxy, Agent(ours), desks)
            finally:
                theirs.shutdown(socket.SHUT_RDWR)
                tasks.cancel_scope.cancel()


def raw_call(number: int, tool: str, arguments: str) -> str:
    """A call whose arguments are exactly this text."""
    meta = json.dumps(ENVELOPE)
    return (
        f'{{"jsonrpc":"2.0","id":{number},"method":"tools/call",'
        f'"params":{{"name":{json.dumps(tool)},"arguments":{arguments},"_meta":{meta}}}}}'
    )


@contextlib.asynccontextmanager
async def _through(ours: socket.socket) -> AsyncIterator[tuple[Any, Any]]:
    reader, writer = await asyncio.open_connection(sock=ours, limit=2**24)
    feed, incoming = anyio.create_memory_object_stream[SessionMessage | Exception](0)
    outgoing, drain = anyio.create_memory_object_stream[SessionMessage](0)

    async def read() -> None:
        async with feed:
            while line := await reader.readline():
                await feed.send(SessionMessage(jsonrpc_message_adapter.validate_json(line, by_name=False)))

    async def write() -> None:
        async with drain:
            async for message in drain:
                writer.write(message.message.model_dump_json(by_alias=True, exclude_unset=True).encode() + b"\n")
                await writer.drain()

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(read)
        tasks.start_soon(write)
        try:
            yield incoming, outgoing
        finally:
            tasks.cancel_scope.cancel()
            writer.close()
