"""Events out of the bytes that stand in a ledger, exactly as they were."""

from __future__ import annotations

import json
from decimal import Decimal

import msgspec

from obverse.core.canon import meant
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
        event: AnyEvent = msgspec.convert(meant(json.loads(data, parse_float=Decimal)), AnyEvent)
    except (ValueError, ArithmeticError, RecursionError, msgspec.MsgspecError) as error:
        raise EvidenceError("a payload that is no event", code="G174") from error
    return event
