"""Between HTTP and the pages: what a page is asked, what it answers, and how our errors are told to a browser."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from typing import Any, Final, TypeAlias

import msgspec
from starlette.concurrency import run_in_threadpool
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response

from obverse.core.errors import EvidenceError, ManyErrors, ObverseError, UnavailableError, UntrustedInputError
from obverse.report.visible import one_line

_HTML: Final = "text/html; charset=utf-8"
_JSON: Final = "application/json"
_OURS: Final = "U999"
_NOT_FOUND: Final = frozenset({"G611", "G620"})


class Ask(msgspec.Struct, frozen=True, kw_only=True):
    """What is asked: the names in the path, the query, and the JSON that was sent, if any."""

    path: Mapping[str, str]
    query: Mapping[str, str]
    body: Any = None


class Shown(msgspec.Struct, frozen=True, kw_only=True):
    """A page: its template and what it shows. `here` is its place among the pages; `fresh` says whether it looks for news,
    of the request `about` alone if there is one.
    """

    template: str
    view: msgspec.Struct
    here: str = ""
    about: str = ""
    fresh: bool = True


Answer: TypeAlias = Callable[[Ask], object]
"""Answers one address: a `Shown`, or a value that is sent as JSON. It may wait for the disk, so it runs in a thread."""


class Tell:
    """An endpoint: it reads what is asked, has it answered, and tells what came of it."""

    def __init__(self, answer: Answer, html: Callable[[Shown], str], sorry: Callable[[ObverseError], Shown]) -> None:
        self.answer, self.html, self.sorry = answer, html, sorry

    async def __call__(self, request: Request) -> Response:
        try:
            body = await request.body() if request.method == "POST" else b""
        except ClientDisconnect:  # gone, or it sent more than we take
            return _told({"error": {"code": "G621", "message": "too long"}}, 413)
        return await run_in_threadpool(self._answered, request, body)

    def _answered(self, request: Request, body: bytes) -> Response:
        name = request.path_params.get("name", "")
        as_json = request.url.path.endswith(".json")
        path = {**request.path_params, "name": name.removesuffix(".json")} if name else request.path_params
        try:
            found = self.answer(Ask(path=path, query=dict(request.query_params), body=_read(body)))
            if isinstance(found, Shown) and not as_json:
                return Response(self.html(found), media_type=_HTML)
            return _told(found.view if isinstance(found, Shown) else found)
        except ObverseError as error:
            wrong = error
        except Exception as error:  # boundary: a fault of ours is a page that says so, by the class of the fault alone
            wrong = ObverseError(
                f"a fault of Obverse itself: {type(error).__name__}", code=_OURS, hint="Please report it."
            )
        if as_json or request.method == "POST" or request.url.path.endswith("/statement"):
            return _told({"error": {"code": wrong.code, "message": one_line(_words(wrong), 400)}}, _status(wrong))
        return Response(self.html(self.sorry(wrong)), status_code=_status(wrong), media_type=_HTML)


def _told(value: object, status: int = 200) -> Response:
    return Response(msgspec.json.encode(value), status_code=status, media_type=_JSON)


def _words(error: ObverseError) -> str:
    first = error.errors[0] if isinstance(error, ManyErrors) else error
    return f"{first.message} ({first.hint})" if first.hint else first.message


def _status(error: ObverseError) -> int:
    if error.code in _NOT_FOUND:
        return 404
    if error.code == _OURS:
        return 500
    match error:
        case EvidenceError():
            return 409
        case UnavailableError():
            return 503
    return 400


def _read(body: bytes) -> Any:
    if not body:
        return None
    try:
        return json.loads(body)
    except (ValueError, RecursionError) as error:
        raise UntrustedInputError("what was sent is no JSON", code="G622") from error
