"""Payloads beside the log: a segment for each bundle of 256 entries, a line for each payload; large ones in files of their own.

The payloads of entries 256n to 256n+255 lie in `payload/<n>`, named as the bundle is: one line of canonical JSON each with `data` and
`salt` in base64, the `entry` and the `name` under which it commits. Erasing one is writing the segment anew without its line
(`obverse ledger erase`): the others stay, and so does every proof, since the entry holds only the commitment. Where the payloads
of one entry come to more than 64 KiB together, each lies in `payload/large/` under its digest instead.

To check one by hand: take its line, decode `salt` and `data`; SHA-256 over `obverse.payload/1`, a zero byte, salt and data is what
stands in the entry.
"""

from __future__ import annotations

import base64
import binascii
import json
from collections.abc import Iterable, Mapping
from functools import lru_cache
from typing import Final, TypeAlias

from obverse.core.errors import EvidenceError
from obverse.ledger.entries import Payload, payload_path, read_payload
from obverse.ledger.reader import Files
from obverse.ledger.tiles import WIDTH, segment_path

TOGETHER: Final = 64 * 1024
"""Payloads of one entry that come to no more bytes than this lie in the segment."""

Segment: TypeAlias = Mapping[tuple[int, str], Payload]
"""What is in one segment, by entry and name."""


def lie_together(payloads: Iterable[Payload]) -> bool:
    """Whether the payloads of an entry are small enough for the segment."""
    return sum(len(payload.data) for payload in payloads) <= TOGETHER


def line_of(entry: int, name: str, payload: Payload) -> bytes:
    """One payload, as a line of its segment."""
    data, salt = (base64.b64encode(part).decode() for part in (payload.data, payload.salt))
    return (
        f'{{"data":"{data}","entry":{entry},"name":{json.dumps(name, ensure_ascii=False)},"salt":"{salt}"}}\n'.encode()
    )


def _read(line: bytes) -> tuple[int, str, Payload]:
    try:
        fields = json.loads(line)
        entry, name = fields["entry"], fields["name"]
        data, salt = (base64.b64decode(fields[part], validate=True) for part in ("data", "salt"))
        payload = Payload(salt=salt, data=data)
        same = type(entry) is int and type(name) is str and line_of(entry, name, payload) == line
    except (ValueError, TypeError, KeyError, AttributeError, binascii.Error, RecursionError) as error:
        raise EvidenceError("a line of payloads that is none", code="E131") from error
    if not same:
        raise EvidenceError("a line of payloads that is none", code="E131")
    return entry, name, payload


def read_segment(data: bytes, number: int) -> Segment:
    """What is in a segment.

    Raises:
        EvidenceError: if one is not in form, is of another segment, or they are not in order.
    """
    found: dict[tuple[int, str], Payload] = {}
    last: tuple[int, str] | None = None
    if data and not data.endswith(b"\n"):
        raise EvidenceError("a segment of payloads that is cut off", code="E131")
    for line in data.splitlines(keepends=True):
        entry, name, payload = _read(line)
        if entry // WIDTH != number or (last is not None and (entry, name) <= last):
            raise EvidenceError("a payload that does not belong where it stands", code="E131")
        last = (entry, name)
        found[last] = payload
    return found


class Payloads:
    """The payloads of a log, as they are found in its files. Nothing is checked here against what entries commit to."""

    def __init__(self, files: Files) -> None:
        self.files = files
        self.segment = lru_cache(maxsize=4)(self._segment)

    def find(self, entry: int, name: str, commitment: str) -> Payload | None:
        """The payload; None if it is not here: erased, or kept elsewhere.

        Raises:
            EvidenceError: if what is here is not in form.
        """
        payload = self.segment(entry // WIDTH).get((entry, name))
        if payload is not None:
            return payload
        data = self.files.read(payload_path(commitment))
        return None if data is None else read_payload(data)

    def _segment(self, number: int) -> Segment:
        data = self.files.read(segment_path(number))
        return {} if data is None else read_segment(data, number)


def segment_of(held: Segment) -> bytes:
    """The segment that holds this."""
    return b"".join(line_of(entry, name, held[entry, name]) for entry, name in sorted(held))
