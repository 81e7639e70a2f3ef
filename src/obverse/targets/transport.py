"""One bounded HTTP exchange under an official SDK: its httpx2 seam on aiohttp, which is several times faster than its own.

It follows no redirect, reads no proxy from the environment, sends no cookie, and gives each call one time limit and one
size limit for everything. It lets only a 2xx JSON body through: all else becomes a `TargetError` here, once for all SDKs.

An SDK takes several times longer to make a request than the exchange itself takes. So once one was answered, `again` sends
another body to where that one went, with its headers: what the SDK decided stands, it only is not asked each time.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from email.utils import parsedate_to_datetime
from typing import Any, Final, NamedTuple

import aiohttp
import httpx2
import msgspec

from obverse.targets.protocol import Connection, FailureKind, TargetError

KINDS: Final[dict[int, FailureKind]] = {
    401: "auth",
    403: "auth",
    404: "not-found",
    408: "time-out",
    409: "server",
    425: "server",
    429: "rate-limit",
}
HINTS: Final[dict[str, str]] = {
    "auth": "the key of the environment goes to the vendor's own address only; for another base URL give a key",
    "not-found": "is the model name right, and does the base URL end as the server wants it, such as `/v1`?",
    "redirect": "give the address that it points to as the base URL",
}
LEFT_OUT: Final = (b"accept-encoding", b"content-length", b"host", b"x-stainless-")
"""Headers of the SDK that are not sent on: what follows from address and body, and what is nobody's business."""
NEVER_JSON: Final = ("text/html", "text/event-stream", "application/xhtml+xml", "text/xml", "application/xml")


class _Address(NamedTuple):
    """Where a request goes, and its headers: all of it but the body."""

    method: str
    url: str
    host: str
    headers: dict[str, str]


class Transport(httpx2.AsyncBaseTransport):
    """Sends requests of one SDK client over one aiohttp session, which is opened by the first."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._session: aiohttp.ClientSession | None = None
        self._answered: _Address | None = None

    async def handle_async_request(self, request: httpx2.Request) -> httpx2.Response:
        headers = {
            name.decode("latin-1"): value.decode("latin-1")
            for name, value in request.headers.raw
            if not name.lower().startswith(LEFT_OUT)
        }
        headers["Accept-Encoding"] = "identity"  # an answer is small, a compressed bomb is not
        address = _Address(request.method, str(request.url), request.url.host, headers)
        status, body = await self._bounded(address, request.content)
        self._answered = address
        return httpx2.Response(status, content=body, request=request)

    async def again(self, body: bytes) -> bytes | None:
        """What is answered to this body where the last answered request went; None if there is none yet: ask the SDK."""
        if self._answered is None:
            return None
        return (await self._bounded(self._answered, body))[1]

    async def aclose(self) -> None:
        if self._session is not None:
            await self._session.close()

    async def _bounded(self, address: _Address, body: bytes) -> tuple[int, bytes]:
        limit = self._connection.timeout_s
        try:
            async with asyncio.timeout(limit):
                return await self._exchange(address, body)
        except TimeoutError as error:
            raise TargetError(f"no whole answer within {limit:g} s", kind="time-out") from error
        except aiohttp.ClientPayloadError as error:
            raise TargetError("the answer was cut off", kind="garbage") from error
        except (aiohttp.ClientError, OSError, ValueError) as error:
            raise TargetError(f"cannot talk to `{address.host}`: {_one_line(error)}", kind="connection") from error

    async def _exchange(self, address: _Address, body: bytes) -> tuple[int, bytes]:
        async with self._opened().request(
            address.method,
            address.url,
            headers=address.headers,
            data=body,
            allow_redirects=False,
            proxy=self._connection.proxy,
        ) as response:
            answer = await _read(response, self._connection.max_response_bytes)
            _refuse_non_answers(response.status, response.headers, answer)
            return response.status, answer

    def _opened(self) -> aiohttp.ClientSession:
        if self._session is None:
            # no limit on connections: who runs the trials bounds them, and waiting here would use up the time limit
            self._session = aiohttp.ClientSession(
                connector=aiohttp.TCPConnector(limit=0),
                cookie_jar=aiohttp.DummyCookieJar(),
                timeout=aiohttp.ClientTimeout(total=None),
                trust_env=False,
            )
        return self._session


class Client(httpx2.AsyncClient):
    """The client under an SDK, which already merges address, headers and query: here that is not done a second time."""

    def build_request(self, method: str, url: httpx2.URL | str, **parts: Any) -> httpx2.Request:
        known = {name: parts.get(name) for name in ("params", "headers", "content", "data", "files", "json")}
        return httpx2.Request(method, url, **known)


def http_client(transport: Transport) -> httpx2.AsyncClient:
    """A client for an SDK's `http_client` that is fast and bounded."""
    return Client(
        transport=transport, timeout=None, follow_redirects=False, trust_env=False
    )  # the transport holds the time limit


def own_error(error: BaseException, name: str) -> TargetError:
    """The error that the transport raised beneath this one of an SDK, some of which wrap it; else one that quotes the SDK."""
    cause: BaseException | None = error
    while cause is not None:
        if isinstance(cause, TargetError):
            return cause
        cause = cause.__cause__
    return TargetError(f"`{name}` cannot be asked: {_one_line(error)}", kind="connection")


async def _read(response: aiohttp.ClientResponse, limit: int) -> bytes:
    announced = response.content_length
    if announced is not None and announced > limit:
        raise TargetError(f"the answer has {announced} bytes, more than {limit}", kind="garbage")
    chunks, size = [], 0
    async for chunk in response.content.iter_any():
        size += len(chunk)
        if size > limit:
            raise TargetError(f"the answer has more than {limit} bytes", kind="garbage")
        chunks.append(chunk)
    return b"".join(chunks)


def _refuse_non_answers(status: int, headers: Mapping[str, str], body: bytes) -> None:
    if 300 <= status < 400:
        where = headers.get("location", "nowhere")
        raise TargetError(f"the server redirects to `{where}`", kind="redirect", status=status, hint=HINTS["redirect"])
    if status >= 400:
        raise status_error(status, headers, body)
    kind = headers.get("content-type", "").partition(";")[0].strip().lower()
    if kind in NEVER_JSON:
        raise TargetError(f"the server answered with `{kind}` in place of JSON", kind="garbage", status=status)


def status_error(status: int, headers: Mapping[str, str], body: bytes) -> TargetError:
    """The error for this status; what the body says about it is quoted, one line of it."""
    said, code = _said(body)
    kind = KINDS.get(status, "server" if status >= 500 else "bad-request")
    if status == 429 and code == "insufficient_quota":
        kind = "quota"  # OpenAI says it with a 429, but no waiting helps
    if kind == "bad-request" and code in {"content_filter", "content_policy_violation"}:
        kind = "content-filter"
    return TargetError(
        f"the server answered {status}" + (f": `{said}`" if said else ""),
        kind=kind,
        status=status,
        retry_after_s=retry_after(headers),
        hint=HINTS.get(kind),
    )


def retry_after(headers: Mapping[str, str]) -> float | None:
    """Seconds that the server asks to wait: `retry-after-ms`, or RFC 9110 section 10.2.3 in seconds or as a date.

    A date is measured from the answer's own `Date`: whether our clock agrees with the server's does not matter.
    """
    if (ms := _number(headers.get("retry-after-ms"))) is not None:
        return ms / 1000
    text = headers.get("retry-after")
    if (seconds := _number(text)) is not None:
        return seconds
    try:
        wait = parsedate_to_datetime(text or "") - parsedate_to_datetime(headers.get("date", ""))
    except (TypeError, ValueError):
        return None
    return max(wait.total_seconds(), 0.0)


def _number(text: str | None) -> float | None:
    try:
        value = float(text or "")
    except ValueError:
        return None
    return value if 0 <= value < 1e9 else None


def _said(body: bytes) -> tuple[str, str]:
    """What an error body says, and its code; both empty where it is not the usual JSON (an error page is not quoted)."""
    try:
        value: Any = msgspec.json.decode(body)
    except msgspec.DecodeError:
        return "", ""
    return error_of(value)


def error_of(value: object) -> tuple[str, str]:
    """Message and code of `{"error": …}` as OpenAI, Anthropic and those like them write it."""
    error = value.get("error", value) if isinstance(value, dict) else value
    if isinstance(error, dict):
        text, code = error.get("message") or error.get("detail") or "", error.get("code") or error.get("type") or ""
    else:
        text, code = error if isinstance(error, str) else "", ""
    return _one_line(text), str(code)


def _one_line(text: object) -> str:
    line = " ".join(str(text).split())
    return line if len(line) <= 200 else line[:199] + "…"


def not_an_answer(wanted: str, body: bytes, why: str) -> TargetError:
    """What to say of a body with status 200 that is not what was `wanted`: no JSON, an error, or something else."""
    try:
        value = msgspec.json.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError):
        return TargetError(f"the answer is not JSON: {why.lower()}", kind="garbage")
    if isinstance(value, dict) and value.get("error"):
        said, code = error_of(value)
        kind: FailureKind = "rate-limit" if code in {"429", "rate_limit_exceeded"} else "server"
        return TargetError(f"the server answered with an error: `{said}`", kind=kind)
    return TargetError(f"the answer is no {wanted}: {why[:1].lower()}{why[1:]}", kind="garbage")
