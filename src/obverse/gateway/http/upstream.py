"""The model's server: the one place that calls out. It holds the credential, which no client ever sees.

No redirect is followed, since the credential would follow it; no cookie and no proxy setting is taken. What the server says of its
own troubles is not passed on: its words were not decided. A status and a short code of it are.
"""

from __future__ import annotations

import asyncio
import contextlib
import re
from collections.abc import AsyncIterator
from typing import Any, Final, Protocol

import aiohttp

from obverse.core.errors import MisuseError, UnavailableError, UntrustedInputError
from obverse.core.version import VERSION
from obverse.gateway.http.json_text import read_answer
from obverse.gateway.http.settings import Settings

_CODE: Final = re.compile(r"[a-z_]{1,64}")
_PASSED: Final = (400, 404, 409, 413, 422, 429)


class UpstreamError(UnavailableError):
    """The model's server did not answer. `status` is what the client gets, `retry_after` what the server asked for."""

    def __init__(
        self, message: str, *, code: str, status: int, retry_after: str | None = None, kind: str | None = None
    ) -> None:
        super().__init__(message, code=code)
        self.status = status
        self.retry_after = retry_after
        self.kind = kind


class Model(Protocol):
    """What answers: a server, or the canary's stand-in."""

    def ask(self, path: str, body: bytes, *, stream: bool) -> contextlib.AbstractAsyncContextManager[Reading]:
        """The answer under way."""
        ...


class Reading(Protocol):
    """An answer under way: whether it comes as a stream of events, and its bytes."""

    @property
    def streams(self) -> bool: ...

    def pieces(self) -> AsyncIterator[bytes]: ...


class Upstream:
    """An OpenAI-compatible server at `url`, which ends in `/v1` as a rule."""

    def __init__(self, url: str, *, key: str | None, settings: Settings) -> None:
        if not url.startswith(("http://", "https://")):
            raise MisuseError(f"`{url}` is no URL of a model's server", code="G440", hint="http://host:port/v1")
        self.url = url.rstrip("/")
        self._settings = settings
        self._key = key
        self._session: aiohttp.ClientSession | None = None

    async def open(self) -> None:
        """Ready to ask; connections are made when needed and kept."""
        headers = {
            "user-agent": f"obverse/{VERSION}",
            **({"authorization": f"Bearer {self._key}"} if self._key else {}),
        }
        self._session = aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(limit=0),
            cookie_jar=aiohttp.DummyCookieJar(),
            timeout=aiohttp.ClientTimeout(total=None, sock_connect=self._settings.connect_seconds),
            headers=headers,
            trust_env=False,
        )

    async def close(self) -> None:
        """No connection stays."""
        if self._session is not None:
            await self._session.close()

    async def models(self) -> dict[str, Any]:
        """What the server says of its models, as JSON.

        Raises:
            UpstreamError: it says nothing.
        """
        async with self._reply("GET", "/models", None) as response:
            return read_answer(await self._all(response))

    @contextlib.asynccontextmanager
    async def ask(self, path: str, body: bytes, *, stream: bool) -> AsyncIterator[Reading]:
        """The answer to this request, once the server has accepted it."""
        async with self._reply("POST", path, body) as response:
            streams = response.content_type == "text/event-stream"
            if streams and not stream:
                raise UntrustedInputError("the model's answer is a stream that nobody asked for", code="G403")
            yield _Response(response, self._settings, streams=streams)

    @contextlib.asynccontextmanager
    async def _reply(self, method: str, path: str, body: bytes | None) -> AsyncIterator[aiohttp.ClientResponse]:
        if self._session is None:
            raise MisuseError("the model's server is not open", code="G440")
        headers = {"content-type": "application/json"} if body is not None else {}
        try:
            async with asyncio.timeout(self._settings.first_byte_seconds):
                response = await self._session.request(
                    method, f"{self.url}{path}", data=body, headers=headers, allow_redirects=False
                )
        except TimeoutError as error:
            raise UpstreamError("the model's server gave no answer in time", code="G432", status=504) from error
        except (aiohttp.ClientError, OSError) as error:
            raise UpstreamError("no connection to the model's server", code="G431", status=502) from error
        try:
            if response.status != 200:
                raise await self._refused(response)
            yield response
        finally:
            response.close() if not response.content.at_eof() else response.release()

    async def _all(self, response: aiohttp.ClientResponse) -> bytes:
        found = bytearray()
        async for piece in _Response(response, self._settings, streams=False).pieces():
            found += piece
        return bytes(found)

    async def _refused(self, response: aiohttp.ClientResponse) -> UpstreamError:
        """The error for a status that is no answer."""
        status = response.status
        if status in {401, 403}:
            return UpstreamError("the model's server does not accept the guard's credential", code="G433", status=502)
        if 300 <= status < 400:
            return UpstreamError("the model's server redirects elsewhere", code="G434", status=502)
        if status not in _PASSED:
            return UpstreamError(f"the model's server failed with status {status}", code="G435", status=502)
        after = response.headers.get("retry-after", "")
        return UpstreamError(
            f"the model's server refused the request with status {status}", code="G436", status=status,
            retry_after=after if after.isdigit() and len(after) < 6 else None, kind=await self._code(response),
        )  # fmt: skip

    async def _code(self, response: aiohttp.ClientResponse) -> str | None:
        """The short code of an error, such as `context_length_exceeded`; a sentence is none."""
        try:
            error = read_answer(await self._all(response)).get("error")
        except (UnavailableError, UntrustedInputError):
            return None
        code = error.get("code") if isinstance(error, dict) else None
        return code if isinstance(code, str) and _CODE.fullmatch(code) else None


class _Response:
    """The body of an answer, piece by piece, within bounds of size and time."""

    def __init__(self, response: aiohttp.ClientResponse, settings: Settings, *, streams: bool) -> None:
        self.streams = streams
        self._response = response
        self._settings = settings

    async def pieces(self) -> AsyncIterator[bytes]:
        """Its bytes as they come."""
        left = self._settings.largest_answer
        while True:
            try:
                async with asyncio.timeout(self._settings.between_seconds):
                    piece = await self._response.content.readany()
            except TimeoutError as error:
                raise UpstreamError("the model's server fell silent", code="G432", status=504) from error
            except (aiohttp.ClientError, OSError) as error:
                raise UntrustedInputError("the model's answer was cut off", code="G405") from error
            if not piece:
                return
            left -= len(piece)
            if left < 0:
                raise UntrustedInputError(
                    f"the model's answer is larger than {self._settings.largest_answer:,} bytes", code="G406"
                )
            yield piece
