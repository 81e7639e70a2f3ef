"""The agent over streamable HTTP: each message read before the protocol library reads it, and then handed on unchanged."""

from __future__ import annotations

import hmac
import socket
from collections.abc import Callable
from typing import Any

import msgspec
import uvicorn
from mcp.server.lowlevel import Server
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from obverse.gateway.mcp.proxy import SENT
from obverse.gateway.mcp.wire import INVALID_REQUEST, LARGEST, Refused, read

_TOO_LARGE = 413
_WRONG = 400
_UNKNOWN = 401


def application(
    server: Server[Any], *, token: str | None = None, path: str = "/mcp", host: str = "127.0.0.1"
) -> ASGIApp:
    """The proxy as an ASGI application; on loopback it answers only to names of loopback (DNS rebinding).

    With a `token`, only to who sends it as `Authorization: Bearer …`.
    """
    return Reading(server.streamable_http_app(streamable_http_path=path, host=host), token)


async def serve(app: ASGIApp, port: int, ready: Callable[[str], None]) -> None:
    """Serve on this port of loopback, any free one for 0, until a signal ends it; `ready` is told the URL."""
    with socket.create_server(("127.0.0.1", port)) as listening:
        config = uvicorn.Config(app, log_level="warning", ws="none", timeout_graceful_shutdown=2)
        ready(f"http://127.0.0.1:{listening.getsockname()[1]}/mcp")
        await uvicorn.Server(config).serve(sockets=[listening])


class Reading:
    """Puts what was sent into the scope of a request, or answers it where nobody should act on it."""

    def __init__(self, app: ASGIApp, token: str | None = None) -> None:
        self._app = app
        self._wanted = None if token is None else f"Bearer {token}".encode()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        if scope["type"] == "http" and not self._known(scope):
            await _answer(Refused(id=None, code=INVALID_REQUEST, message="who is asking?"), _UNKNOWN, send)
            return
        if scope["type"] != "http" or scope["method"] != "POST":
            await self._app(scope, receive, send)
            return
        body = await _body(receive)
        if body is None:
            return  # who asked is gone
        found = read(body)
        if isinstance(found, Refused):
            await _answer(found, _TOO_LARGE if len(body) > LARGEST else _WRONG, send)
            return
        scope[SENT] = found
        await self._app(scope, _again(body, receive), send)

    def _known(self, scope: Scope) -> bool:
        given = [value for name, value in scope["headers"] if name == b"authorization"]
        return self._wanted is None or (len(given) == 1 and hmac.compare_digest(given[0], self._wanted))


async def _body(receive: Receive) -> bytes | None:
    """The body, or as much as shows that it is too large; None if the connection ended."""
    parts: list[bytes] = []
    while sum(map(len, parts)) <= LARGEST:
        message = await receive()
        if message["type"] != "http.request":
            return None
        parts.append(message.get("body", b""))
        if not message.get("more_body", False):
            break
    return b"".join(parts)


def _again(body: bytes, receive: Receive) -> Callable[[], Any]:
    """The same body, whole; then what else comes."""
    given = False

    async def once() -> Message:
        nonlocal given
        if given:
            return await receive()
        given = True
        return {"type": "http.request", "body": body, "more_body": False}

    return once


async def _answer(refused: Refused, status: int, send: Send) -> None:
    error = {"jsonrpc": "2.0", "id": refused.id, "error": {"code": refused.code, "message": refused.message}}
    headers = [(b"content-type", b"application/json")]
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": msgspec.json.encode(error)})
