"""JSON from strangers, and JSON to them. What two programs could read in two ways is not read at all.

Not the guard's canonical form: numbers stay as they were written, since what was checked is what is sent on.
"""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import msgspec

from obverse.core.errors import UntrustedInputError
from obverse.policy.decision import Unknown
from obverse.policy.reading import read_json

_ENCODER = msgspec.json.Encoder(decimal_format="number")
_SHOWN = 60


def read_request(data: bytes, *, largest: int) -> dict[str, Any]:
    """The one JSON object that a client sent.

    Raises:
        UntrustedInputError: it is too large, no UTF-8, no object, or holds a key twice, half a character or an endless number.
    """
    if len(data) > largest:
        raise UntrustedInputError(f"a request of more than {largest:,} bytes", code="G401")
    value = _object(data)
    if value is None:
        raise UntrustedInputError(
            "the request is no JSON object that has one meaning", code="G402",
            hint="UTF-8, no key twice, no half characters, at most 64 levels",
        )  # fmt: skip
    return value


def read_answer(data: bytes) -> dict[str, Any]:
    """The one JSON object that the model's server sent.

    Raises:
        UntrustedInputError: as for a request.
    """
    value = _object(data)
    if value is None:
        raise UntrustedInputError("the model's answer is no JSON object that has one meaning", code="G403")
    return value


def _object(data: bytes) -> dict[str, Any] | None:
    try:
        value = read_json(data.decode())
    except UnicodeDecodeError:
        return None
    return value if isinstance(value, dict) and not isinstance(value, Unknown) else None


def write(value: object) -> bytes:
    """The value as JSON; numbers as they were read."""
    return _ENCODER.encode(value)


def shown(value: object) -> str:
    """A stranger's value in backticks: short, on one line."""
    text = value if isinstance(value, str) else write(value).decode()
    line = " ".join(text.split())
    return f"`{line[:_SHOWN]}…`" if len(line) > _SHOWN else f"`{line}`"


def is_absent(value: object) -> bool:
    """Whether a field says nothing: it is null, false, or empty. Zero says something."""
    return value is None or value is False or value in ("", [], {})


def number_of(value: object) -> int | None:
    """A count as a stranger gives it, or None where it is none."""
    if isinstance(value, bool) or not isinstance(value, int | Decimal):
        return None
    return int(value) if value == int(value) and 0 <= value < 10**15 else None
