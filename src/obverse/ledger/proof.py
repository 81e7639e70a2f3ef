"""A receipt that travels: one entry's place in a log, with the checkpoint that it is proved against.

Source: C2SP tlog-proof, c2sp.org/tlog-proof. What stands in `extra` is not authenticated and not read here.
"""

from __future__ import annotations

import base64
import binascii
import re
from typing import Final

import msgspec

from obverse.core.errors import EvidenceError
from obverse.ledger.checkpoint import Checkpoint, Trust, trusted
from obverse.ledger.merkle import HASH_SIZE, check_inclusion, leaf_hash
from obverse.ledger.note import Note, Verified, read_note

_HEAD: Final = "c2sp.org/tlog-proof@v1"
_INDEX: Final = re.compile(r"index (0|[1-9][0-9]{0,18})")
_MOST_HASHES: Final = 63


class Receipt(msgspec.Struct, frozen=True, kw_only=True):
    """That an entry stands at `index`; the file form is `str(receipt)`."""

    index: int
    hashes: tuple[bytes, ...]
    checkpoint: Note

    def __str__(self) -> str:
        hashes = "".join(f"{base64.b64encode(hash_).decode()}\n" for hash_ in self.hashes)
        return f"{_HEAD}\nindex {self.index}\n{hashes}\n{self.checkpoint}"


def read_receipt(data: bytes) -> Receipt:
    """The receipt in a `.tlog-proof` file.

    Raises:
        EvidenceError: if it is none.
    """
    try:
        head, blank, note = data.decode().partition("\n\n")
    except UnicodeDecodeError as error:
        raise EvidenceError("a receipt that is not UTF-8", code="E126") from error
    lines = head.split("\n")
    if lines[0] != _HEAD or not blank:
        raise EvidenceError(f"no receipt: it begins with `{_HEAD}`", code="E126")
    rest = lines[2:] if len(lines) > 1 and lines[1].startswith("extra ") else lines[1:]
    index = _INDEX.fullmatch(rest[0]) if rest else None
    if index is None or len(rest) - 1 > _MOST_HASHES:
        raise EvidenceError("a receipt without an index, or with too many hashes", code="E126")
    return Receipt(index=int(index[1]), hashes=tuple(map(_hash, rest[1:])), checkpoint=read_note(note.encode()))


def _hash(line: str) -> bytes:
    try:
        found = base64.b64decode(line, validate=True)
    except (binascii.Error, ValueError):
        found = b""
    if len(found) != HASH_SIZE:
        raise EvidenceError("a line of a receipt that is no hash", code="E126")
    return found


def check_receipt(
    receipt: Receipt, entry: bytes, trust: Trust, *, origin: str | None = None
) -> tuple[Checkpoint, tuple[Verified, ...]]:
    """That this entry is in a log that is trusted; the checkpoint, and which witnesses signed it.

    Raises:
        EvidenceError: if any part of it does not hold.
    """
    checkpoint, witnesses = trusted(receipt.checkpoint, trust, origin=origin)
    check_inclusion(leaf_hash(entry), receipt.index, checkpoint.size, receipt.hashes, checkpoint.root)
    return checkpoint, witnesses
