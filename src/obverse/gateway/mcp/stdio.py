"""The agent on the standard streams: one JSON-RPC message a line, each read before the protocol library reads it.

While it serves, the process's own descriptors 0 and 1 point elsewhere, so that nothing that prints can write between the lines.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import AsyncIterator
from typing import IO, Any

import anyio
import anyio.to_thread
import mcp_types as types
from mcp.server.lowlevel import NotificationOptions, Server
from mcp.shared.message import ServerMessageMetadata, SessionMessage
from pydantic import ValidationError

from obverse.gateway.mcp.wire import LARGEST, PARSE_ERROR, Refused, read


async def serve(server: Server[Any], source: IO[bytes], sink: IO[bytes]) -> None:
    """Serve one agent until its stream ends."""
    async with _streams(source, sink) as (incoming, outgoing):
        await server.run(
            incoming, outgoing, server.create_initialization_options(NotificationOptions(tools_changed=True))
        )


@contextlib.contextmanager
def own_streams() -> Any:
    """This process's standard streams, for the protocol alone: `print` and children write to the standard error."""
    source, sink = os.dup(0), os.dup(1)
    nothing = os.open(os.devnull, os.O_RDONLY)
    os.dup2(nothing, 0)
    os.dup2(2, 1)
    os.close(nothing)
    try:
        with os.fdopen(source, "rb", closefd=False) as incoming, os.fdopen(sink, "wb", closefd=False) as outgoing:
            yield incoming, outgoing
    finally:
        os.dup2(source, 0)
        os.dup2(sink, 1)


@contextlib.asynccontextmanager
async def _streams(source: IO[bytes], sink: IO[bytes]) -> AsyncIterator[tuple[Any, Any]]:
    """What the protocol library serves: messages in, each with what was sent; messages out."""
    feed, incoming = anyio.create_memory_object_stream[SessionMessage | Exception](0)
    outgoing, drain = anyio.create_memory_object_stream[SessionMessage](0)
    writing = anyio.Lock()
    open_ids: set[str | int] = set()

    async def write(message: types.JSONRPCMessage) -> None:
        if isinstance(message, types.JSONRPCResponse | types.JSONRPCError) and message.id is not None:
            open_ids.discard(message.id)
        data = message.model_dump_json(by_alias=True, exclude_unset=True).encode() + b"\n"
        async with writing:
            await anyio.to_thread.run_sync(_write, sink, data)

    async def reading() -> None:
        async with feed:
            while line := await anyio.to_thread.run_sync(source.readline, LARGEST + 2, abandon_on_cancel=True):
                found = read(line)
                if isinstance(found, Refused):
                    await write(_error(found))
                    if len(line) > LARGEST:
                        return  # where the next message begins is not known
                    continue
                try:
                    message = types.jsonrpc_message_adapter.validate_json(line, by_name=False)
                except ValidationError:
                    await write(_error(Refused(id=found.id, code=PARSE_ERROR, message="not one JSON-RPC message")))
                    continue
                if isinstance(message, types.JSONRPCRequest):
                    if (
                        message.id in open_ids
                    ):  # an answer to it could be taken for the other's: nobody is answered twice
                        continue
                    open_ids.add(message.id)
                await feed.send(SessionMessage(message, ServerMessageMetadata(request_context=found)))

    async def answering() -> None:
        async with drain:
            async for message in drain:
                await write(message.message)

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(reading)
        tasks.start_soon(answering)
        yield incoming, outgoing
        tasks.cancel_scope.cancel()


def _write(sink: IO[bytes], data: bytes) -> None:
    with contextlib.suppress(BrokenPipeError):  # the agent is gone; its stream ends by itself
        sink.write(data)
        sink.flush()


def _error(refused: Refused) -> types.JSONRPCError:
    return types.JSONRPCError(
        jsonrpc="2.0", id=refused.id, error=types.ErrorData(code=refused.code, message=refused.message)
    )
