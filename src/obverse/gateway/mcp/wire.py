"""One message of an agent, as it came over the wire: what the protocol library forgets of it, kept.

The library parses a message and hands on what it understood: of two equal keys the last, and no text. What an agent proposes
is decided on the text that it sent, so the text is kept here beside the message. A key that stands twice inside the arguments
is the policy's affair (denied as malformed, and in the ledger); anywhere else it makes the message one that two programs read
in two ways, and it is refused before anybody reads it.

Not a parser of the protocol: what a method means stands in `proxy`.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any, Final

import msgspec

LARGEST: Final = 4_000_000
"""Bytes of a message; a longer one is refused unread."""

CALL: Final = "tools/call"
PARSE_ERROR: Final = -32700
INVALID_REQUEST: Final = -32600


class Sent(msgspec.Struct, frozen=True, kw_only=True):
    """A message that everybody reads in one way. `arguments` is the raw text of a tool call's, `{}` where there are none."""

    method: str | None = None
    id: str | int | None = None
    tool: str | None = None
    arguments: str = "{}"


class Refused(msgspec.Struct, frozen=True, kw_only=True):
    """A message that is answered with a JSON-RPC error and goes no further."""

    id: str | int | None
    code: int
    message: str


class _Call(msgspec.Struct):
    name: str
    arguments: msgspec.Raw = msgspec.Raw(b"{}")


class _Envelope(msgspec.Struct):
    method: str | None = None
    id: str | int | None = None
    params: msgspec.Raw = msgspec.Raw(b"{}")


class _Ambiguous(dict[str, Any]):
    """An object in which a key stood twice."""


def read(message: bytes) -> Sent | Refused:
    """What was sent, or why nobody should act on it."""
    if len(message) > LARGEST:
        return Refused(id=None, code=INVALID_REQUEST, message=f"a message of more than {LARGEST} bytes")
    try:
        whole = json.loads(message.decode(), object_pairs_hook=_pairs)
        envelope = msgspec.json.decode(message, type=_Envelope)
    except (ValueError, RecursionError, msgspec.MsgspecError):
        return Refused(id=None, code=PARSE_ERROR, message="not one JSON-RPC message")
    if any(isinstance(part, _Ambiguous) for part in _outside_arguments(whole)):
        return Refused(id=envelope.id, code=INVALID_REQUEST, message="a key stands twice in this message")
    if envelope.method != CALL:
        return Sent(method=envelope.method, id=envelope.id)
    try:
        call = msgspec.json.decode(envelope.params, type=_Call)
    except (msgspec.MsgspecError, UnicodeDecodeError):
        return Refused(id=envelope.id, code=INVALID_REQUEST, message="a tool call without the name of a tool")
    return Sent(method=CALL, id=envelope.id, tool=call.name, arguments=bytes(call.arguments).decode())


def _pairs(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    return found if len(found) == len(pairs) else _Ambiguous(found)


def _outside_arguments(whole: Any) -> Iterator[Any]:
    """Every object and list of the message but those in the arguments of a tool call."""
    call = isinstance(whole, dict) and whole.get("method") == CALL
    params = whole.get("params") if call else None
    left = [whole]
    while left:
        value = left.pop()
        yield value
        if isinstance(value, list):
            left.extend(value)
        elif isinstance(value, dict):
            left.extend(inner for key, inner in value.items() if value is not params or key != "arguments")
