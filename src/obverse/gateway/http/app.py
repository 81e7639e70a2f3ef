"""The web application: reads a request, has the desk answer it, writes the answer. `POST /v1/chat/completions`, `/v1/responses`.

Only what is guarded is served: another path of the protocol is refused, never passed on. A stream begins once the model's server
has accepted the request, so that its refusal still is a status; while anything is waited for, comments keep it alive.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Callable
from typing import Any, Final

from starlette.applications import Starlette
from starlette.requests import ClientDisconnect
from starlette.requests import Request as Http
from starlette.responses import Response, StreamingResponse
from starlette.routing import Route

from obverse.core.errors import EvidenceError, MisuseError, ObverseError, UnavailableError, UntrustedInputError
from obverse.gateway.http.chat_asked import read_chat
from obverse.gateway.http.clients import CANARY_HOLDER, Clients
from obverse.gateway.http.desk import Asked, Desk, Turn
from obverse.gateway.http.fields import model_name, name_at
from obverse.gateway.http.json_text import read_request, write
from obverse.gateway.http.protocols import writer_for, written
from obverse.gateway.http.records import Outgoing, Request
from obverse.gateway.http.responses_asked import read_responses
from obverse.gateway.http.settings import Settings
from obverse.gateway.http.sse import COMMENT, event
from obverse.gateway.http.upstream import Model, Upstream, UpstreamError

LOG = logging.getLogger("obverse.gateway")
JSON: Final = "application/json"
STATUS: Final = {"G401": 413, "G403": 502, "G404": 502, "G405": 502, "G406": 502, "G412": 404, "G419": 401}
TYPES: Final = {400: "invalid_request_error", 401: "authentication_error", 404: "not_found_error", 409: "conflict_error",
                413: "invalid_request_error", 429: "rate_limit_error"}  # fmt: skip
_WATCH_SECONDS: Final = 1.0
Piece = tuple[Outgoing, str] | None


class Application:
    """The gateway's own paths, over one desk."""

    def __init__(self, desk: Desk, upstream: Upstream, clients: Clients, settings: Settings, *, canary: Model) -> None:
        self._desk = desk
        self._upstream = upstream
        self._clients = clients
        self._settings = settings
        self._canary = canary
        self._flying: dict[tuple[str, str, str], asyncio.Task[Outgoing]] = {}
        self._turns: dict[asyncio.Task[Outgoing], Turn] = {}
        self.asgi = Starlette(
            routes=[
                Route("/v1/chat/completions", self._chat, methods=["POST"]),
                Route("/v1/responses", self._responses, methods=["POST"]),
                Route("/v1/models", self._models, methods=["GET"]),
                Route("/healthz", self._health, methods=["GET"]),
                Route("/{path:path}", self._other, methods=["GET", "POST", "PUT", "PATCH", "DELETE"]),
            ]
        )

    def give_up(self) -> None:
        """Ends what only a model works on; what is being decided comes to its end."""
        for task, turn in list(self._turns.items()):
            if turn.asking:
                task.cancel()

    # --- the paths ------------------------------------------------------------------------------------------------------

    async def _chat(self, http: Http) -> Response:
        return await self._guarded(http, read_chat)

    async def _responses(self, http: Http) -> Response:
        return await self._guarded(http, read_responses)

    async def _models(self, http: Http) -> Response:
        try:
            self._clients.holder(http.headers.get("authorization"))
            found = (await self._upstream.models()).get("data")
        except ObverseError as error:
            return failure(error)
        named = [one.get("id") for one in found if isinstance(one, dict)] if isinstance(found, list) else []
        models = [
            {"id": name, "object": "model", "created": 0, "owned_by": "upstream"}
            for name in named
            if model_name(name) is not None
        ]
        return Response(write({"object": "list", "data": models}), media_type=JSON)

    async def _health(self, http: Http) -> Response:
        del http
        return Response(write({"status": "ok", "policy": self._desk.guard.checked.digest}), media_type=JSON)

    async def _other(self, http: Http) -> Response:
        del http
        error = UntrustedInputError("the gateway serves what it guards, and this path is not of it", code="G415")
        return failure(error, status=404)

    # --- a request ------------------------------------------------------------------------------------------------------

    async def _guarded(self, http: Http, read: Callable[[dict[str, Any], Settings], Request]) -> Response:
        try:
            holder = self._clients.holder(http.headers.get("authorization"))
            async with asyncio.timeout(self._settings.request_seconds):
                data = await _body(http, self._settings.largest_request)
            body = read_request(data, largest=self._settings.largest_request)
            asked = Asked(
                request=read(body, self._settings), holder=holder, name=self._session_name(http), again=_again(http)
            )
        except ObverseError as error:
            return failure(error)
        except TimeoutError:
            return failure(UntrustedInputError("the request did not come to its end in time", code="G407"), status=408)
        except ClientDisconnect:
            return Response(status_code=499)
        turn, pieces = Turn(), asyncio.Queue[Piece]()
        task = self._begin(asked, turn, pieces)
        await self._watched(http, turn, task, until=turn.accepted if asked.request.stream else None)
        if asked.request.stream and not _failed(task):
            headers = {"x-obverse-session": turn.name, "cache-control": "no-cache"}
            stream = self._stream(asked, turn, task, pieces)
            return StreamingResponse(stream, media_type="text/event-stream", headers=headers)
        return await self._whole(http, asked, turn, task)

    def _session_name(self, http: Http) -> str | None:
        """The session that the client names."""
        name = http.headers.get("x-obverse-session")
        if name is None and self._settings.sessions == "named":
            raise UntrustedInputError(
                "the request names no session",
                code="G416",
                hint="send `X-Obverse-Session`, the same for a whole conversation",
            )
        return None if name is None else name_at(name, "X-Obverse-Session")

    def _begin(self, asked: Asked, turn: Turn, pieces: asyncio.Queue[Piece]) -> asyncio.Task[Outgoing]:
        """The work on a request, which outlives a client that goes away once anything of it is being decided."""
        flying = self._flying.get(asked.key) if asked.again else None
        if flying is None:
            model = self._canary if asked.holder == CANARY_HOLDER else None
            flying = asyncio.create_task(
                self._desk.answer(asked, turn, lambda out, text: pieces.put_nowait((out, text)), model=model)
            )
            self._flying[asked.key] = flying
            self._turns[flying] = turn
            flying.add_done_callback(lambda task: self._landed(asked, task))
        flying.add_done_callback(lambda _task: pieces.put_nowait(None))
        return flying

    def _landed(self, asked: Asked, task: asyncio.Task[Outgoing]) -> None:
        if self._flying.get(asked.key) is task:
            del self._flying[asked.key]
        del self._turns[task]
        if not task.cancelled() and task.exception() is not None:
            error = task.exception()
            ours = None if isinstance(error, ObverseError) else error
            LOG.warning("%s: %s", asked.holder, worded(error), exc_info=ours)

    async def _watched(
        self, http: Http, turn: Turn, task: asyncio.Task[Outgoing], *, until: asyncio.Event | None
    ) -> None:
        """Returns once the work has ended, or `until` is set. Gives it up if its client goes away while only the model works."""
        waited = {task} if until is None else {task, asyncio.ensure_future(until.wait())}
        while not any(one.done() for one in waited):
            await asyncio.wait(waited, timeout=_WATCH_SECONDS, return_when=asyncio.FIRST_COMPLETED)
            if not task.done() and turn.asking and await http.is_disconnected():
                task.cancel()
        for one in waited - {task}:
            one.cancel()

    async def _whole(self, http: Http, asked: Asked, turn: Turn, task: asyncio.Task[Outgoing]) -> Response:
        """The answer in one piece."""
        try:
            out = task.result()
        except asyncio.CancelledError:
            return Response(status_code=499)
        except Exception as error:  # boundary: whatever the desk raises is a refusal, and nothing of the turn leaves
            return failure(error)
        self._desk.delivered(asked, arrived=not await http.is_disconnected())
        headers = {"x-obverse-session": turn.name, "x-obverse-verdict": out.verdict}
        return Response(written(asked.request, out), media_type=JSON, headers=headers)

    async def _stream(
        self, asked: Asked, turn: Turn, task: asyncio.Task[Outgoing], pieces: asyncio.Queue[Piece]
    ) -> AsyncIterator[bytes]:
        """The answer as events; text as it is released, calls once the whole turn is decided."""
        writer, sent, arrived = writer_for(asked.request), 0, False
        try:
            while True:
                try:
                    piece = await asyncio.wait_for(pieces.get(), self._settings.keep_alive_seconds)
                except TimeoutError:
                    yield COMMENT
                    continue
                if piece is None:
                    break
                out, text = piece
                sent += len(text)
                yield writer.text(out, text)
            yield _end(task, lambda out: writer.end(out, sent))
            arrived = True
        finally:
            self._desk.delivered(asked, arrived=arrived)
            if not arrived and turn.asking:
                task.cancel()


def _end(task: asyncio.Task[Outgoing], end: Callable[[Outgoing], bytes]) -> bytes:
    try:
        return end(task.result())
    except asyncio.CancelledError:
        return event(_error_body(UnavailableError("the request was given up", code="G405"), 502))
    except Exception as error:  # boundary: whatever the desk raises ends the stream, in the protocol's own form
        return event(_error_body(error, _status(error)))


def _failed(task: asyncio.Task[Outgoing]) -> bool:
    return task.done() and (task.cancelled() or task.exception() is not None)


async def _body(http: Http, largest: int) -> bytes:
    """The body, as long as it is not too large; what is larger is not read to its end."""
    found = bytearray()
    async for piece in http.stream():
        found += piece
        if len(found) > largest:
            break
    return bytes(found)


def _again(http: Http) -> bool:
    """Whether the client says that it sends this request a second time, as the SDKs do."""
    return http.headers.get("x-stainless-retry-count", "0") != "0"


# --- errors -------------------------------------------------------------------------------------------------------------


def failure(error: BaseException, *, status: int | None = None) -> Response:
    """The error in the protocol's form."""
    status = _status(error) if status is None else status
    headers = {"x-should-retry": "false"} if status in {400, 401, 404, 409, 413} else {}
    if isinstance(error, UpstreamError) and error.retry_after is not None:
        headers["retry-after"] = error.retry_after
    return Response(_error_body(error, status), status_code=status, media_type=JSON, headers=headers)


def worded(error: BaseException | None) -> str:
    """The error in one line; a fault of ours by its class alone."""
    return str(error) if isinstance(error, ObverseError) else f"a fault of the gateway: {type(error).__name__}"


def _status(error: BaseException) -> int:
    match error:
        case UpstreamError(status=status):
            return status
        case ObverseError(code=code) if code in STATUS:
            return STATUS[code]
        case UntrustedInputError() | MisuseError():
            return 400
        case EvidenceError():
            return 409
        case UnavailableError():
            return 503
    return 500


def _error_body(error: BaseException, status: int) -> bytes:
    code, text = "G499", worded(error)
    if isinstance(error, ObverseError):
        code = getattr(error, "kind", None) or error.code
        text = f"{error.message}; {error.hint}" if error.hint else error.message
    kind = TYPES.get(status, "server_error" if status >= 500 else "invalid_request_error")
    return write({"error": {"message": text, "type": kind, "param": None, "code": code}})
