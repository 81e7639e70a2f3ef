"""What stands before every page: who may ask at all, and what a browser may do with the answer.

The signature under a statement is the only authority to approve. This fence guards what can be read, and keeps others' pages out:

    (1) Only requests to our own address are answered; a name that somebody points at this machine is not it (DNS rebinding).
    (2) Pages are for who has the key to look, which the terminal printed; it comes once in the address, then as a cookie.
        An invitation is a key of its own, for its own pages.
    (3) What changes something comes from our own page, as JSON, and small (CSRF).
    (4) Every answer says that nothing may be loaded, framed, stored or run but our one script and style sheet.
"""

from __future__ import annotations

import hmac
from collections.abc import Callable, Sequence
from http.cookies import CookieError, SimpleCookie
from typing import TYPE_CHECKING, Final
from urllib.parse import parse_qsl, urlencode, urlsplit

import msgspec

if TYPE_CHECKING:
    from starlette.types import ASGIApp, Message, Receive, Scope, Send

LARGEST_BODY: Final = 8 * 1024 * 1024
"""Bytes of what a page sends; a statement repeats the arguments of its call."""

HEADERS: Final = {
    "content-security-policy": (
        "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src 'self'; form-action 'self'; "
        "frame-ancestors 'none'; base-uri 'none'; require-trusted-types-for 'script'; trusted-types 'none'"
    ),
    "x-frame-options": "DENY",
    "x-content-type-options": "nosniff",
    "referrer-policy": "no-referrer",
    "cross-origin-opener-policy": "same-origin",
    "cross-origin-resource-policy": "same-origin",
    "cache-control": "no-store",
    "permissions-policy": "publickey-credentials-get=(self), publickey-credentials-create=(self), camera=(), microphone=(), "
    "geolocation=()",
}
"""(4)"""

_FORBIDDEN: Final = 403
_OPEN: Final = ("/static/", "/join/")
_TYPES: Final = ("GET", "HEAD", "POST")


class Address(msgspec.Struct, frozen=True, kw_only=True):
    """Where the pages are: `origin` is `http://localhost:8722`, as a browser writes it."""

    origin: str

    @property
    def host(self) -> str:
        """Name and port, as in the header `Host`."""
        return urlsplit(self.origin).netloc

    @property
    def name(self) -> str:
        """The name without the port: the relying party of passkeys."""
        return urlsplit(self.origin).hostname or ""

    @property
    def secure(self) -> bool:
        return self.origin.startswith("https:")

    @property
    def cookie(self) -> str:
        """The name of our cookie; ports of one host share cookies, so each has its own name."""
        port = urlsplit(self.origin).port
        return "__Host-obverse" if self.secure else f"obverse-{port}"


class Fence:
    """The application behind these four rules."""

    def __init__(self, app: ASGIApp, *, address: Address, key: str, refused: Callable[[str], str]) -> None:
        """`refused` makes a page of the reason why there is none."""
        self.app, self.address, self.key, self.refused = app, address, key, refused

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        answer = _Guarded(send)
        refusal = self._refusal(scope)
        if refusal is not None:
            status, text, more = refusal
            if status == _FORBIDDEN and scope["method"] == "GET":
                more = [("content-type", "text/html; charset=utf-8"), *more]
                text = self.refused(text)
            await _say(answer, status, text, more)
            return
        await self.app(scope, _limited(receive), answer)

    def _refusal(self, scope: Scope) -> tuple[int, str, list[tuple[str, str]]] | None:
        """Status, text and headers where the request goes no further."""
        if scope["method"] not in _TYPES:
            return 405, "no such method", [("allow", ", ".join(_TYPES))]
        hosts = _values(scope, b"host")
        if hosts != [self.address.host]:  # (1)
            return self._elsewhere(scope, hosts)
        if scope["method"] == "POST" and (wrong := self._wrong_post(scope)):  # (3)
            return 403, wrong, []
        path = scope["path"]
        if path.startswith(_OPEN) or path == "/favicon.ico":
            return None
        return self._looking(scope)  # (2)

    def _elsewhere(self, scope: Scope, hosts: list[str]) -> tuple[int, str, list[tuple[str, str]]]:
        """(1) Passkeys are bound to a name, so who comes by the number is sent to the name."""
        port = urlsplit(self.address.origin).port
        if scope["method"] == "GET" and self.address.name == "localhost" and hosts == [f"127.0.0.1:{port}"]:
            query = f"?{scope['query_string'].decode('latin-1')}" if scope["query_string"] else ""
            return 307, "", [("location", f"{self.address.origin}{_quoted(scope)}{query}")]
        return 421, "these pages are not at this address", []

    def _looking(self, scope: Scope) -> tuple[int, str, list[tuple[str, str]]] | None:
        """(2) Nothing, for who has the key to look."""
        query = parse_qsl(scope["query_string"].decode("latin-1"), keep_blank_values=True)
        given = next((value for name, value in query if name == "key"), None)
        if given is not None and self._is_key(given) and scope["method"] == "GET":
            rest = urlencode([(name, value) for name, value in query if name != "key"])
            flags = f"Path=/; HttpOnly; SameSite=Strict{'; Secure' if self.address.secure else ''}"
            where = f"{_quoted(scope)}{'?' if rest else ''}{rest}"
            return 303, "", [("set-cookie", f"{self.address.cookie}={self.key}; {flags}"), ("location", where)]
        if any(self._is_key(value) for value in _cookies(scope, self.address.cookie)):
            return None
        return 403, "these pages need a key to look", []

    def _is_key(self, given: str) -> bool:
        return hmac.compare_digest(given.encode(), self.key.encode())

    def _wrong_post(self, scope: Scope) -> str | None:
        """(3) What is wrong with this request to change something."""
        if _values(scope, b"origin") != [self.address.origin]:
            return "this did not come from our own page"
        if any(site != "same-origin" for site in _values(scope, b"sec-fetch-site")):
            return "this did not come from our own page"
        if [kind.split(";")[0].strip() for kind in _values(scope, b"content-type")] != ["application/json"]:
            return "this is not JSON"
        return None


class _Guarded:
    """(4) `send`, with our headers on every answer."""

    def __init__(self, send: Send) -> None:
        self.send = send

    async def __call__(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            ours = [(name.encode(), value.encode()) for name, value in HEADERS.items()]
            others = [pair for pair in message.get("headers", []) if pair[0].decode().lower() not in HEADERS]
            message = {**message, "headers": [*others, *ours]}
        await self.send(message)


def _limited(receive: Receive) -> Receive:
    """(3) `receive`, ending as if the other side had gone once more came than we take."""
    seen = 0

    async def limited() -> Message:
        nonlocal seen
        message = await receive()
        seen += len(message.get("body", b""))
        return {"type": "http.disconnect"} if seen > LARGEST_BODY else message

    return limited


async def _say(send: _Guarded, status: int, text: str, headers: Sequence[tuple[str, str]]) -> None:
    """A page, or a line of plain text."""
    body = f"{text}\n".encode() if text else b""
    kind = [] if any(name == "content-type" for name, _ in headers) else [("content-type", "text/plain; charset=utf-8")]
    fields = [*kind, ("content-length", str(len(body))), *headers]
    encoded = [(name.encode("latin-1"), value.encode("latin-1")) for name, value in fields]
    await send({"type": "http.response.start", "status": status, "headers": encoded})
    await send({"type": "http.response.body", "body": body})


def _values(scope: Scope, name: bytes) -> list[str]:
    return [value.decode("latin-1") for key, value in scope["headers"] if key == name]


def _quoted(scope: Scope) -> str:
    """The path as it was written; never one that a browser takes for another host."""
    raw: bytes = scope.get("raw_path") or b"/"
    return "/" + raw.split(b"?")[0].decode("latin-1").lstrip("/\\")


def _cookies(scope: Scope, name: str) -> list[str]:
    """Every value of that cookie: a page of another port may have set one of the same name for a longer path."""
    found = []
    for header in _values(scope, b"cookie"):
        for pair in header.split(";"):
            try:
                jar = SimpleCookie(pair.strip())
            except CookieError:
                continue
            found += [jar[name].value] if name in jar else []
    return found
