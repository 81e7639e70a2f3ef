"""One canonical encoding, and the digest of it.

Canonical JSON is RFC 8785 (JCS). JCS knows only IEEE doubles, and money does not fit them, so a number that is not an
integer within ±(2^53 - 1) stands as `{"$number": "12.50"}`, normalised; a key that begins with `$` gets one more.
Not a general serialiser: a float is refused, since two programs would print it differently.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from decimal import Decimal
from typing import Any, Final, TypeAlias

import msgspec
import rfc8785

from obverse.core.errors import MisuseError, UntrustedInputError

Value: TypeAlias = "None | bool | int | Decimal | str | list[Value] | dict[str, Value]"
"""What a JSON text means to us: exact numbers (`int`, `Decimal`), never a float."""

SAFE = 2**53 - 1


def canonical(value: object) -> bytes:
    """The one byte string for this record or value: equal meanings have equal bytes.

    Raises:
        MisuseError: for a float, or anything that has no canonical form.
    """
    fast = _fast(value)
    return rfc8785.dumps(_plain(value)) if fast is None else fast


def read_canonical(data: bytes) -> Any:
    """The JSON value that these bytes are the canonical form of, as it stands there: `{"$number": …}` is not read as a number.

    Raises:
        UntrustedInputError: if they are the canonical form of nothing.
    """
    try:
        value = msgspec.json.decode(data)
        if _needs_no_care(value, "") and _ENCODER.encode(value) == data:
            return value
        value = json.loads(data, parse_float=_refuse, parse_constant=_refuse)
        if rfc8785.dumps(value) == data:
            return value
    except (ValueError, RecursionError, msgspec.MsgspecError, rfc8785.CanonicalizationError):
        pass
    raise UntrustedInputError("no JSON in canonical form (RFC 8785)", code="X003")


def meant(value: Any) -> Any:
    """The value that a parsed canonical form stands for: undoes what `canonical` does to numbers and to keys that begin with `$`."""
    match value:
        case {"$number": str() as text} if len(value) == 1:
            return Decimal(text)
        case dict():
            return {key.removeprefix("$"): meant(item) for key, item in value.items()}
        case list():
            return [meant(item) for item in value]
    return value


def _refuse(text: str) -> Any:
    raise ValueError(text)


def digest(value: object) -> str:
    """`sha256:` and the hex digest of the canonical form."""
    return digest_bytes(canonical(value))


def digest_bytes(data: bytes) -> str:
    """`sha256:` and the hex digest of these bytes."""
    return f"sha256:{hashlib.sha256(data).hexdigest()}"


def number_text(number: int | Decimal) -> str:
    """The shortest plain decimal notation: `100`, `12.5`; never an exponent."""
    if isinstance(number, int):
        return str(number)
    text = format(number, "f")
    return (text.rstrip("0").rstrip(".") or "0") if "." in text else text


_ENCODER: Final = msgspec.json.Encoder(order="sorted")


_EASY: Final = frozenset({str, bool, type(None)})


def _fast(value: object) -> bytes | None:
    """The canonical form of what needs no care: integers, plain keys, any strings. None for anything else."""
    if isinstance(value, msgspec.Struct):
        value = msgspec.to_builtins(value, builtin_types=(Decimal,), str_keys=True)
    if not _needs_no_care(value, "$"):
        return None
    try:
        return _ENCODER.encode(value)
    except UnicodeEncodeError:
        return None


def _needs_no_care(value: Any, keys: str) -> bool:
    """Whether the encoder's form is the canonical one: strings are escaped alike, and ASCII keys are sorted alike.

    `keys` begin no key, unless it is empty.
    """
    kind = type(value)
    if kind in _EASY:
        return True
    if kind is int:
        return bool(-SAFE <= value <= SAFE)
    if kind is dict:
        for key, item in value.items():
            if type(key) is not str or not key.isascii() or (keys and key.startswith(keys)):
                return False
            if type(item) not in _EASY and not _needs_no_care(item, keys):
                return False
        return True
    return (kind is list or kind is tuple) and all(_needs_no_care(item, keys) for item in value)


def _plain(value: object) -> Any:
    match value:
        case None | bool() | str():
            return value
        case int() if -SAFE <= value <= SAFE:
            return value
        case int() | Decimal():
            return _number(value)
        case msgspec.Struct():
            return _plain(msgspec.to_builtins(value, builtin_types=(Decimal,), str_keys=True))
        case Mapping():
            return {f"${key}" if str(key).startswith("$") else str(key): _plain(item) for key, item in value.items()}
        case list() | tuple():
            return [_plain(item) for item in value]
    raise MisuseError(f"no canonical form for a {type(value).__name__}", code="X001")


def _number(number: int | Decimal) -> Any:
    if isinstance(number, Decimal) and not number.is_finite():
        raise MisuseError(f"no canonical form for the number `{number}`", code="X002")
    if number == int(number) and -SAFE <= number <= SAFE:
        return int(number)
    return {"$number": number_text(number)}
