"""What a monitor remembers, as bytes: so that a session can go on in another process.

Written is what was kept, each event once, and which keeper holds which of them; a keeper is filled again by observing its own
events anew, in their order, which gives back what it knew. The digest of the policy stands in it: under another policy other
things would have been kept. Not signed: who stores it where others write has to see to that.
"""

from __future__ import annotations

import json
from decimal import Decimal
from typing import Any, Final

import msgspec

from obverse.core.errors import MisuseError, UntrustedInputError
from obverse.core.events import AnyEvent, Fact
from obverse.policy.reading import Instant, Lapse

SCHEMA: Final = "obverse.monitor/1"


class Remembered(msgspec.Struct, frozen=True, kw_only=True):
    """What a monitor holds. `events` by their number; `joined` the call of each result that has one; `calls` and `keepers` by number.

    `numbers` are what each keeper counted and dropped.
    """

    policy: str
    count: int
    events: dict[int, AnyEvent]
    joined: dict[int, int]
    calls: tuple[int, ...]
    keepers: tuple[tuple[int, ...], ...]
    numbers: tuple[list[list[Any]], ...]
    schema: str = SCHEMA


def encode(remembered: Remembered) -> bytes:
    """The bytes of it. Equal memories have equal bytes."""
    events = {str(number): _plain(event) for number, event in remembered.events.items()}
    named = {name: getattr(remembered, name) for name in remembered.__struct_fields__}
    numbers = _tagged(remembered.numbers)
    return json.dumps(named | {"events": events, "numbers": numbers}, sort_keys=True, separators=(",", ":")).encode()


def decode(data: bytes, *, policy: str, keepers: int) -> Remembered:
    """What these bytes hold, for a monitor with so many keepers.

    Raises:
        UntrustedInputError: they are no snapshot.
        MisuseError: they are one of another policy.
    """
    try:
        named = json.loads(data)
        named["events"] = {int(number): _event(event) for number, event in named["events"].items()}
        named["numbers"] = _untagged(named["numbers"])
        found = msgspec.convert(named, Remembered, strict=False)
        sound = found.policy != policy or _sound(found, keepers)
    except (ValueError, TypeError, KeyError, AttributeError, ArithmeticError, RecursionError) as error:
        raise UntrustedInputError("no snapshot of a monitor", code="P300") from error
    if not sound:
        raise UntrustedInputError("no snapshot of a monitor", code="P300")
    if found.policy != policy:
        raise MisuseError(f"a snapshot under the policy `{found.policy}`", code="P301", hint=f"this one is `{policy}`")
    return found


def _sound(found: Remembered, keepers: int) -> bool:
    """Whether everything that is named is there, and every sum is one."""
    named = {number for kept in (*found.keepers, found.calls, found.joined, found.joined.values()) for number in kept}
    sums = [one for numbers in found.numbers for one in numbers]
    return (
        found.schema == SCHEMA
        and len(found.keepers) == len(found.numbers) == keepers
        and found.events.keys() >= named
        and all(len(one) == 4 and all(type(part) in (int, Decimal) for part in one[1:]) for one in sums)
    )


# --- events, with numbers as exact as they were -------------------------------------------------------------------------


def _plain(event: AnyEvent) -> dict[str, Any]:
    named: dict[str, Any] = msgspec.to_builtins(event, builtin_types=(Decimal,))
    return named | {"value": _tagged(event.value)} if isinstance(event, Fact) else named


def _event(named: dict[str, Any]) -> AnyEvent:
    value = {"value": _untagged(named["value"])} if named.get("kind") == "fact" else {}
    return msgspec.convert(named | value, AnyEvent)  # type: ignore[no-any-return]  # a union of records


def _tagged(value: Any) -> Any:
    """The value with its decimals marked: JSON has one kind of number, and a float is none of ours."""
    match value:
        case Decimal():
            return {"$": str(value)}
        case Instant():
            return {"@": value.ms}
        case Lapse():
            return {"~": value.ms}
        case dict():
            return {"": {key: _tagged(item) for key, item in value.items()}}
        case list() | tuple():
            return [_tagged(item) for item in value]
    return value


def _untagged(value: Any) -> Any:
    match value:
        case {"$": str(number)}:
            return Decimal(number)
        case {"@": int(ms)}:
            return Instant(ms)
        case {"~": int(ms)}:
            return Lapse(ms)  # type: ignore[arg-type]  # an int is a rational
        case {"": dict(members)}:
            return {key: _untagged(item) for key, item in members.items()}
        case list():
            return [_untagged(item) for item in value]
    return value
