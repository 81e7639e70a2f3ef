"""A request as it lies in the queue: its row in the database, and what is read back from one."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import msgspec

from obverse.core.errors import EvidenceError
from obverse.guard.approvals.page import Page, page
from obverse.guard.records import Request
from obverse.policy.ast import Clause


class Asked(msgspec.Struct, frozen=True, kw_only=True):
    """A request as it lies in the queue, and the page about it."""

    request: Request
    shown: Mapping[str, Any]
    page: Page
    closed: str | None = None


def plain(shown: Mapping[str, object]) -> dict[str, Any]:
    """What is shown, as plain JSON values: the guard's own copy and the one in the database then give the same page."""
    return dict(json.loads(json.dumps(shown, default=str)))


def clause_fields(clause: Clause) -> dict[str, Any]:
    """What people are shown of a clause."""
    return {name: getattr(clause, name) for name in ("id", "title", "prose", "level", "inviolable")}


def row_of(request: Request, shown: Mapping[str, Any], mark: bytes) -> dict[str, Any]:
    """The row of a request."""
    return {
        "id": request.id, "digest": request.digest, "asked": request.asked, "expires": request.expires,
        "request": msgspec.json.encode(request), "shown": json.dumps(shown).encode(), "mark": mark,
    }  # fmt: skip


def asked_of(request: Request, shown: object, closed: str | None = None) -> Asked:
    """The request with its page."""
    beside = shown if isinstance(shown, dict) else {}
    return Asked(request=request, shown=beside, page=page(request, beside), closed=closed)


def read_row(request: bytes, shown: bytes, closed: str | None = None) -> Asked:
    """The request in a row.

    Raises:
        EvidenceError: somebody put something else there.
    """
    try:
        return asked_of(msgspec.json.decode(request, type=Request), read_json(shown), closed)
    except (msgspec.MsgspecError, UnicodeDecodeError, TypeError) as error:
        raise EvidenceError("a row of the queue that is no request", code="G228") from error


def read_json(data: bytes) -> Any:
    """The value in a cell of a row.

    Raises:
        EvidenceError: there is none.
    """
    try:
        return json.loads(data)
    except (ValueError, RecursionError, TypeError) as error:
        raise EvidenceError("a row of the queue that is no JSON", code="G228") from error
