"""A ledger in memory: what a guard recorded, for tests that read it and for tries without a disk. Nothing of it is evidence."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import msgspec

from obverse.core.errors import MisuseError
from obverse.ledger.entries import Entry, Payload


class MemoryRecorder:
    """A `Recorder` that keeps everything, and checks what `Log.record` checks."""

    def __init__(self) -> None:
        self.entries: list[Entry] = []
        self.payloads: dict[str, bytes] = {}
        self._lock = threading.Lock()

    def record(self, items: Sequence[tuple[Entry, Mapping[str, Payload]]]) -> int:
        """The place of the first of these; all or none.

        Raises:
            MisuseError: if an entry is too large, or does not commit to its payloads.
        """
        for entry, payloads in items:
            if {name: payload.commitment for name, payload in payloads.items()} != dict(entry.payloads):
                raise MisuseError("the payloads are not those that the entry commits to", code="E108")
            _ = entry.data
        with self._lock:
            place = len(self.entries)
            for entry, payloads in items:
                self.entries.append(entry)
                self.payloads |= {payload.commitment: payload.data for payload in payloads.values()}
        return place

    def of(self, kind: str, session: str | None = None) -> list[Entry]:
        """The entries of this type, of one session or of all."""
        return [one for one in self.entries if one.type == kind and session in (None, one.session)]

    def read(self, entry: Entry, name: str) -> Any:
        """The payload of this name, as JSON."""
        return msgspec.json.decode(self.payloads[entry.payloads[name]])

    def __iter__(self) -> Iterator[Entry]:
        return iter(list(self.entries))

    def __len__(self) -> int:
        return len(self.entries)
