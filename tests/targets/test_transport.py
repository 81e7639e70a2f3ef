"""How answers that are none are told apart."""

from __future__ import annotations

import pytest

from obverse.targets.transport import retry_after, status_error

DATE = "Sat, 21 Nov 2026 10:00:00 GMT"


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        ({}, None),
        ({"retry-after": "3"}, 3.0),
        ({"retry-after": "0.5"}, 0.5),
        ({"retry-after-ms": "250", "retry-after": "3"}, 0.25),
        ({"retry-after": "Sat, 21 Nov 2026 10:00:07 GMT", "date": DATE}, 7.0),
        ({"retry-after": "Sat, 21 Nov 2026 09:00:00 GMT", "date": DATE}, 0.0),
        ({"retry-after": "Sat, 21 Nov 2026 10:00:07 GMT"}, None),
        ({"retry-after": "Sat, 21 Nov 2026 10:00:07", "date": DATE}, None),
        ({"retry-after": "soon"}, None),
        ({"retry-after": "-1"}, None),
        ({"retry-after": "nan"}, None),
        ({"retry-after": "1e400"}, None),
    ],
)
def test_the_wait_that_a_server_asks_for(headers: dict[str, str], seconds: float | None) -> None:
    assert retry_after(headers) == seconds


@pytest.mark.parametrize(
    ("status", "body", "kind", "retryable"),
    [
        (400, b'{"error": {"message": "bad", "code": null}}', "bad-request", False),
        (400, b'{"error": {"message": "no", "code": "content_filter"}}', "content-filter", False),
        (401, b"", "auth", False),
        (403, b"<html>I'm sorry, but I can't help with that.</html>", "auth", False),
        (404, b"", "not-found", False),
        (408, b"", "time-out", True),
        (409, b"", "server", True),
        (413, b"", "bad-request", False),
        (422, b'{"detail": [{"msg": "x"}]}', "bad-request", False),
        (429, b"", "rate-limit", True),
        (429, b'{"error": {"message": "pay", "code": "insufficient_quota"}}', "quota", False),
        (500, b"\xff", "server", True),
        (502, b"<html>", "server", True),
        (529, b'{"type": "error", "error": {"type": "overloaded_error", "message": "busy"}}', "server", True),
    ],
)
def test_a_status_has_its_kind(status: int, body: bytes, kind: str, retryable: bool) -> None:
    error = status_error(status, {}, body)
    assert (error.kind, error.is_retryable, error.status) == (kind, retryable, status)
    assert "sorry" not in str(error)


def test_what_the_server_says_is_quoted_on_one_line() -> None:
    error = status_error(400, {}, b'{"error": {"message": "two\\nlines' + b"x" * 1000 + b'"}}')
    assert "\n" not in str(error)
    assert len(str(error)) < 300
