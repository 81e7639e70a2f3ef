"""What was appended and is not yet under a checkpoint: one file, written at its end, one sync for all that came together.

A tile is rewritten with each entry; a journal is not. So an entry is durable here first, and only now and then do tiles and a
checkpoint take over what has gathered. A record is `length ‖ CRC-32 ‖ body`; a torn one at the end was never promised to
anybody and is cut off. The first eight bytes say which entry the first record is.
"""

from __future__ import annotations

import os
import zlib
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Final

import msgspec

from obverse.core.errors import EvidenceError
from obverse.core.files import write_whole

_HEAD: Final = 8
_FRAME: Final = 8


class Record(msgspec.Struct, frozen=True, kw_only=True, array_like=True):
    """One entry with the payload files that belong to it, by path."""

    entry: bytes
    payloads: tuple[tuple[str, bytes], ...] = ()


class Journal:
    """The open file. After a write or a sync that failed nothing more is taken: what is on disk is not known then."""

    def __init__(self, path: Path, first: int, records: Sequence[Record], end: int) -> None:
        self.path = path
        self.first = first
        self.records = list(records)
        self.broken: OSError | None = None
        self._file = path.open("r+b")
        self._file.truncate(end)
        self._file.seek(end)

    @classmethod
    def open(cls, path: Path, next_entry: int) -> Journal:
        """The journal at this path, begun if there is none; a torn record at its end is cut off.

        Raises:
            EvidenceError: if it is no journal, or begins after an entry that is nowhere else.
        """
        if not path.exists():
            write_whole(path, next_entry.to_bytes(_HEAD, "big"))
        data = path.read_bytes()
        first = int.from_bytes(data[:_HEAD], "big")
        if len(data) < _HEAD or first > next_entry:
            raise EvidenceError(f"the journal begins at entry {first}, after entry {next_entry}", code="E132")
        records, end = [], _HEAD
        for record, end in _records(data):  # noqa: B007  # the last one counts
            records.append(record)
        return cls(path, first, records, end)

    def append(self, records: Sequence[Record]) -> None:
        """These records, on disk when this returns; none of them, if it raises.

        Raises:
            OSError: if they could not be written, and from then on always.
        """
        if self.broken is not None:
            raise self.broken
        try:
            self._file.write(b"".join(map(_frame, records)))
            self._file.flush()
            os.fdatasync(self._file.fileno())
        except OSError as error:
            self.broken = error
            raise
        self.records += records

    def restart(self, next_entry: int) -> None:
        """An empty journal in the place of this one, once tiles and a checkpoint hold what was in it."""
        self._file.close()
        write_whole(self.path, next_entry.to_bytes(_HEAD, "big"))
        sync_folder(self.path.parent)
        self._file = self.path.open("r+b")
        self._file.seek(_HEAD)
        self.first, self.records = next_entry, []

    def close(self) -> None:
        """No more."""
        self._file.close()


def _frame(record: Record) -> bytes:
    body = msgspec.msgpack.encode(record)
    return len(body).to_bytes(4, "big") + zlib.crc32(body).to_bytes(4, "big") + body


def _records(data: bytes) -> Iterator[tuple[Record, int]]:
    """Each whole record and where it ends."""
    at = _HEAD
    while at + _FRAME <= len(data):
        length, check = int.from_bytes(data[at : at + 4], "big"), int.from_bytes(data[at + 4 : at + _FRAME], "big")
        body = data[at + _FRAME : at + _FRAME + length]
        if len(body) != length or zlib.crc32(body) != check:
            return
        try:
            record = msgspec.msgpack.decode(body, type=Record)
        except (msgspec.DecodeError, msgspec.ValidationError):
            return
        at += _FRAME + length
        yield record, at


def read_journal(data: bytes) -> tuple[int, tuple[Record, ...]]:
    """For who only looks: the number of the first entry, and the whole records.

    Raises:
        EvidenceError: if it is no journal.
    """
    if len(data) < _HEAD:
        raise EvidenceError("the journal is cut off", code="E132")
    return int.from_bytes(data[:_HEAD], "big"), tuple(record for record, _ in _records(data))


def sync_folder(path: Path) -> None:
    """Names in a folder, on disk."""
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
