"""Events out of the bytes that stand in a ledger, exactly as they were."""

from __future__ import annotations

import json
from decimal import Decimal
from typing import Any

import msgspec

from obverse.core.errors import EvidenceError
from obverse.core.events import AnyEvent


def read_event(data: bytes) -> AnyEvent:
    """The event in a payload.

    Raises:
        EvidenceError: if it is none.
    """
    try:
        if b'"$' not in data:
            plain: AnyEvent = msgspec.json.decode(data, type=AnyEvent)
            return plain
        event: AnyEvent = msgspec.convert(_exact(json.loads(data, parse_float=Decimal)), AnyEvent)
    except (ValueError, ArithmeticError, RecursionError, msgspec.MsgspecError) as error:
        raise EvidenceError("a payload that is no event", code="G174") from error
    return event


def _exact(value: Any) -> Any:
    """Undoes what `core.canon` does to numbers that doubles cannot hold, and to keys that begin with `$`."""
    match value:
        case {"$number": str() as text} if len(value) == 1:
            return Decimal(text)
        case dict():
            return {key.removeprefix("$"): _exact(item) for key, item in value.items()}
        case list():
            return [_exact(item) for item in value]
    return value
