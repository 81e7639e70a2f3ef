"""What stands in the log: small canonical entries, with payloads committed to and kept beside.

An entry is canonical JSON (RFC 8785) and never changes. What may have to be redacted or erased (arguments, texts, names) is a
payload: the entry holds only `sha256(domain ‖ salt ‖ payload)`. With the payload and its salt anyone can check the commitment;
without the salt nothing can be learnt from it, so erasing the file erases the content and no proof breaks.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import json
from collections.abc import Mapping
from typing import Any, Final

import msgspec

from obverse.core.canon import canonical, read_canonical
from obverse.core.errors import EvidenceError, MisuseError, UntrustedInputError
from obverse.ledger.tiles import LONGEST_ENTRY

SCHEMA: Final = "obverse.entry/1"
LONGEST_PAYLOAD: Final = 32 * 1024 * 1024
SALT_SIZE: Final = 32
_DOMAIN: Final = b"obverse.payload/1\0"


class Entry(msgspec.Struct, frozen=True, kw_only=True):
    """One entry: what kind, when (milliseconds since the epoch, by the writer's clock), in which session, and its fields.

    `payloads` maps a name to the commitment of what is kept beside the log.
    """

    type: str
    time: int
    session: str | None = None
    body: Mapping[str, Any] = msgspec.field(default_factory=dict)
    payloads: Mapping[str, str] = msgspec.field(default_factory=dict)
    schema: str = SCHEMA

    @property
    def data(self) -> bytes:
        """The canonical bytes, as they lie in the log.

        Raises:
            MisuseError: if they are too many; put what is long into a payload.
        """
        data = canonical(self)
        if len(data) > LONGEST_ENTRY:
            raise MisuseError(
                f"an entry of {len(data):,} bytes", code="E104", hint="at most 65,535: put what is long into a payload"
            )
        return data


_FIELDS: Final = frozenset(Entry.__struct_fields__)


def read_entry(data: bytes) -> Entry:
    """The entry that these bytes are, if they are its canonical form.

    Raises:
        EvidenceError: if they are none.
    """
    try:
        fields = read_canonical(data)
        entry = msgspec.convert(fields, Entry)
    except (UntrustedInputError, RecursionError, msgspec.ValidationError) as error:
        raise EvidenceError("an entry that is no canonical JSON of a known form", code="E130") from error
    if entry.schema != SCHEMA or fields.keys() != _FIELDS:
        raise EvidenceError("an entry that is no canonical JSON of a known form", code="E130")
    return entry


class Payload(msgspec.Struct, frozen=True, kw_only=True):
    """Bytes that an entry commits to, and the salt that keeps the commitment from giving them away."""

    salt: bytes
    data: bytes

    @property
    def commitment(self) -> str:
        """`sha256:` and the hex digest of domain, salt and data."""
        return f"sha256:{hashlib.sha256(_DOMAIN + self.salt + self.data).hexdigest()}"

    @property
    def file(self) -> bytes:
        """How it is kept: JSON with salt and data in base64."""
        fields = {"data": base64.b64encode(self.data).decode(), "salt": base64.b64encode(self.salt).decode()}
        return json.dumps(fields, sort_keys=True).encode() + b"\n"


def payload_of(data: bytes, salt: bytes) -> Payload:
    """The payload; the salt is 32 random bytes, another for each.

    Raises:
        MisuseError: if the salt is no such salt, or the payload is too large.
    """
    if len(salt) != SALT_SIZE or len(data) > LONGEST_PAYLOAD:
        raise MisuseError(f"a payload of {len(data):,} bytes with a salt of {len(salt)}", code="E105")
    return Payload(salt=salt, data=data)


def read_payload(data: bytes) -> Payload:
    """The payload in a file.

    Raises:
        EvidenceError: if it is none.
    """
    try:
        fields = json.loads(data)
        salt, content = (base64.b64decode(fields[name], validate=True) for name in ("salt", "data"))
        found = Payload(salt=salt, data=content)
    except (ValueError, TypeError, KeyError, binascii.Error, RecursionError) as error:
        raise EvidenceError("a payload file that is none", code="E131") from error
    if found.file != data:
        raise EvidenceError("a payload file that is none", code="E131")
    return found


def payload_path(commitment: str) -> str:
    """Where the payload with this commitment stands below the log's folder, if it has a file of its own.

    Raises:
        EvidenceError: if it is no commitment.
    """
    digest = commitment.removeprefix("sha256:")
    if len(digest) != 64 or not set(digest) <= set("0123456789abcdef"):  # SHA-256 in hex
        raise EvidenceError("a commitment that is no SHA-256 digest", code="E131")
    return f"payload/large/{digest[:2]}/{digest}.json"
