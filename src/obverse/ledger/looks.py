"""What `verify` looks at while it reads a log once: tiles, times, payloads. Each takes bundle after bundle and says what it found."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterator, Sequence
from typing import Final, Literal, TypeAlias

import msgspec

from obverse.core.errors import EvidenceError
from obverse.ledger.entries import Entry, payload_path, read_payload
from obverse.ledger.merkle import HASH_SIZE
from obverse.ledger.reader import Files
from obverse.ledger.segments import read_segment
from obverse.ledger.tiles import WIDTH, joined, read_hashes, segment_path, tile_path

Outcome: TypeAlias = Literal["holds", "fails", "not checked"]

_SLACK: Final = 10_000
"""Milliseconds by which entries of no session may be out of order: threads record side by side."""
_MOST_SESSIONS: Final = 100_000


class Check(msgspec.Struct, frozen=True, kw_only=True):
    """One thing that was looked at, what came out, and in one sentence what was found."""

    name: str
    outcome: Outcome
    found: str


class Rows:
    """The tiles under way, one a level; each is compared with its file once it is full, or at the end.

    So when all are compared, the tiles on disk are those of the entries, and the root can be read off them.
    """

    def __init__(self, files: Files) -> None:
        self.files = files
        self.compared = 0
        self._rows: list[list[bytes]] = []
        self._numbers: list[int] = []

    def add(self, leaf: bytes) -> None:
        """One leaf hash more."""
        level, hash_ = 0, leaf
        while True:
            if level == len(self._rows):
                self._rows.append([])
                self._numbers.append(0)
            row = self._rows[level]
            row.append(hash_)
            if len(row) < WIDTH:
                return
            self._compare(level)
            hash_, self._rows[level] = joined(row), []
            self._numbers[level] += 1
            level += 1

    def end(self) -> None:
        """The tiles that are not full."""
        for level, row in enumerate(self._rows):
            if row:
                self._compare(level)

    def _compare(self, level: int) -> None:
        row, number = self._rows[level], self._numbers[level]
        path = tile_path(level, number, len(row))
        data = self.files.read(path)
        if data is None and len(row) < WIDTH:
            data = (self.files.read(tile_path(level, number)) or b"")[: len(row) * HASH_SIZE] or None
        if data is None:
            raise EvidenceError(f"`{path}` is missing", code="E134")
        if list(read_hashes(data, len(row))) != row:
            raise EvidenceError(f"`{path}` does not hold the hashes of its entries", code="E136")
        self.compared += 1


class Times:
    """Whether the writer's clock went back, which is no proof of anything, and must be explained.

    Sessions are recorded side by side, and some of their entries later than they came about: so each is asked by itself, and what
    is of no session within a few seconds.
    """

    def __init__(self) -> None:
        self.back: int | None = None
        self._newest = 0
        self._sessions: OrderedDict[str, int] = OrderedDict()

    def add(self, start: int, bundle: Sequence[Entry]) -> None:
        """The next entries."""
        for index, entry in enumerate(bundle, start):
            if self.back is None and entry.time < self._before(entry):
                self.back = index

    def _before(self, entry: Entry) -> int:
        """The time that this entry must not be before."""
        if entry.session is None:
            self._newest = max(self._newest, entry.time)
            return self._newest - _SLACK
        before = self._sessions.pop(entry.session, 0)
        self._sessions[entry.session] = max(before, entry.time)
        if len(self._sessions) > _MOST_SESSIONS:
            self._sessions.popitem(last=False)
        return before

    @property
    def check(self) -> Check:
        """What was found."""
        if self.back is None:
            return Check(name="times", outcome="holds", found="no clock went back")
        return Check(name="times", outcome="fails", found=f"at entry {self.back} the clock had gone back")


class PayloadsLook:
    """Payloads that are there are what was committed to; one that is gone was erased, or is kept elsewhere."""

    def __init__(self, files: Files, pending: range) -> None:
        self.files = files
        self.pending = pending  # a kill may have left these on their way from the journal
        self.there = self.gone = 0
        self.wrong: str | None = None

    def add(self, start: int, bundle: Sequence[Entry]) -> None:
        """The next entries, which are those of one segment."""
        if self.wrong is None:
            self.wrong = next(self._faults(start, bundle), None)

    def _faults(self, start: int, bundle: Sequence[Entry]) -> Iterator[str]:
        number = start // WIDTH
        data = self.files.read(segment_path(number))
        try:
            segment = dict(read_segment(data or b"", number))
        except EvidenceError as error:
            yield f"`{segment_path(number)}`: {error.message}"
            return
        for index, entry in enumerate(bundle, start):
            for name, commitment in entry.payloads.items():
                payload = segment.pop((index, name), None)
                try:
                    if payload is None and (large := self.files.read(payload_path(commitment))) is not None:
                        payload = read_payload(large)
                except EvidenceError as error:
                    yield f"`{name}` of entry {index}: {error.message}"
                if payload is None:
                    self.gone += 1
                elif payload.commitment != commitment:
                    yield f"`{name}` of entry {index} is not what the entry commits to"
                else:
                    self.there += 1
        for index, name in segment:
            if index not in self.pending:
                yield f"`{segment_path(number)}` holds `{name}` of entry {index}, which commits to no such thing"

    @property
    def check(self) -> Check:
        """What was found."""
        if self.wrong is not None:
            return Check(name="payloads", outcome="fails", found=self.wrong)
        gone = f"; {self.gone:,} are not here: erased, or kept elsewhere" if self.gone else ""
        return Check(name="payloads", outcome="holds", found=f"{self.there:,} payloads are what was committed to{gone}")
