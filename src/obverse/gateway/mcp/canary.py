"""Proof that the guard is in the path: a call that nobody may make, sent as an agent would send it, denied and on record."""

from __future__ import annotations

import json
import os
from typing import IO, Any, Final

import anyio
import anyio.from_thread
import anyio.to_thread
import mcp_types as types
from mcp_types.version import LATEST_MODERN_VERSION

from obverse.core.errors import EvidenceError
from obverse.gateway.mcp import stdio
from obverse.gateway.mcp.proxy import Proxy, ProxySettings
from obverse.gateway.mcp.sessions import Desks
from obverse.guard.guard import Guard
from obverse.guard.records import ProposedCall
from obverse.guard.turn import CANARY

SECONDS: Final = 20.0


async def prove(proxy: Proxy, guard: Guard) -> None:
    """Returns once a canary was denied by this guard, on its way through this proxy, in a session of its own.

    Raises:
        EvidenceError: it was not.
    """
    desks = Desks(guard, holder=CANARY, settings=ProxySettings())

    def send(call: ProposedCall) -> None:
        anyio.from_thread.run(_sent, proxy.of(desks), call)

    try:
        passed = await anyio.to_thread.run_sync(guard.canary, "mcp", send)
    finally:
        await desks.end()
    if not passed:
        raise EvidenceError("a call that nobody may make was not denied by the guard", code="G505")


async def _sent(proxy: Proxy, call: ProposedCall) -> None:
    """The call as one line of JSON, through a pair of pipes, to its answer."""
    (source, to_proxy), (from_proxy, sink) = os.pipe(), os.pipe()
    with (
        os.fdopen(source, "rb") as incoming,
        os.fdopen(sink, "wb") as outgoing,
        os.fdopen(to_proxy, "wb") as asking,
        os.fdopen(from_proxy, "rb") as answering,
        anyio.fail_after(SECONDS),
    ):
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(stdio.serve, proxy.server(), incoming, outgoing)
            await anyio.to_thread.run_sync(_ask, asking, _line(call))
            answer = await anyio.to_thread.run_sync(answering.readline)
            asking.close()
            tasks.cancel_scope.cancel()
    if not json.loads(answer)["result"]["isError"]:
        raise EvidenceError("the canary was answered", code="G505")


def _ask(asking: IO[bytes], line: bytes) -> None:
    asking.write(line)
    asking.flush()


def _line(call: ProposedCall) -> bytes:
    meta: dict[str, Any] = {
        types.PROTOCOL_VERSION_META_KEY: LATEST_MODERN_VERSION,
        types.CLIENT_CAPABILITIES_META_KEY: {},
    }
    params = {"name": call.tool, "arguments": json.loads(call.arguments), "_meta": meta}
    return json.dumps({"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": params}).encode() + b"\n"
