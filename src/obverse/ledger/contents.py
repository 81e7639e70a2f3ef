"""What is in a log, one entry after the other, with the payloads that are still there.

For whoever makes something of the entries (replay, cases from a ledger). It checks that a payload is the one that was committed
to and leaves out any other; whether the log itself holds is the business of `verify`.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import msgspec

from obverse.core.errors import EvidenceError
from obverse.ledger.checkpoint import read_checkpoint
from obverse.ledger.entries import Entry, read_entry
from obverse.ledger.reader import Files, Reader, read_head
from obverse.ledger.segments import Payloads


class Item(msgspec.Struct, frozen=True, kw_only=True):
    """An entry, where it stands, and its payloads by name; those that were erased are not among them."""

    index: int
    entry: Entry
    payloads: Mapping[str, bytes]


class Contents:
    """The entries under the checkpoint of the log in these files."""

    def __init__(self, files: Files) -> None:
        head = read_head(files)
        if head is None:
            raise EvidenceError("there is no checkpoint", code="E134")
        self.size = read_checkpoint(head.text).size
        self._reader = Reader(files, self.size)
        self._payloads = Payloads(files)
        self._newest: dict[str, bytes] = {}

    def items(self, start: int = 0) -> Iterator[Item]:
        """The entries from this place on, with their payloads.

        Raises:
            EvidenceError: if an entry or a payload is not in form.
        """
        for index, data in enumerate(self._reader.entries(start), start):
            entry = read_entry(data)
            found = {name: self._find(index, name, commitment) for name, commitment in entry.payloads.items()}
            yield Item(
                index=index, entry=entry, payloads={name: data for name, data in found.items() if data is not None}
            )

    def entries(self) -> Iterator[Entry]:
        """The entries alone; `payload` knows the payloads of the one that was given last."""
        for item in self.items():
            self._newest = {item.entry.payloads[name]: data for name, data in item.payloads.items()}
            yield item.entry

    def payload(self, commitment: str) -> bytes | None:
        """The payload of the newest entry with this commitment; None if it is not there any more."""
        return self._newest.get(commitment)

    def _find(self, index: int, name: str, commitment: str) -> bytes | None:
        payload = self._payloads.find(index, name, commitment)
        return payload.data if payload is not None and payload.commitment == commitment else None
