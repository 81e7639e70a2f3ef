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


def read_object(data: bytes, *, what: str, largest: int) -> dict[str, Any]:
    """The one JSON object of these bytes.

    Raises:
        UntrustedInputError: they are too many, no UTF-8, no object, or hold a key twice, half a character or an endless number.
    """
    if len(data) > largest:
        raise UntrustedInputError(f"{what} of more than {largest:,} bytes", code="G401")
    try:
        text = data.decode()
    except UnicodeDecodeError as error:
        raise UntrustedInputError(f"{what} is not UTF-8", code="G402") from error
    value = read_json(text)
    if isinstance(value, Unknown):
        raise UntrustedInputError(
            f"{what} is not well-formed JSON", code="G402", hint="no key twice, no half characters, at most 64 levels"
        )
    if not isinstance(value, dict):
        raise UntrustedInputError(f"{what} is no JSON object", code="G402")
    return value


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
