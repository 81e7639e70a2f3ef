"""What was recorded and is not yet under a checkpoint: two files written at their end, one sync for all that came together.

A tile is rewritten with each entry; a journal is not. So an entry is durable here first, and only now and then do tiles and a
checkpoint take over what has gathered: one file is closed and taken over while the other goes on (`roll`, `release`), so that
nobody waits for that. Nothing is held in memory.

The files are written over and filled with zeros, never longer for a few bytes: so a sync waits for those bytes alone. A frame is
`OJF1 ‖ length ‖ CRC-32 ‖ body`, all that one sync covers; it says which entry is its first and is signed
(`seal`), so that nobody but the log's owner can put one in. A torn frame at the end was never promised to anybody and is cut off; one with
whole frames behind it is damage.
"""

from __future__ import annotations

import base64
import contextlib
import hashlib
import os
import zlib
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import IO, Final, TypeAlias

import msgspec

from obverse.core.errors import EvidenceError
from obverse.ledger.note import Key, Note, check_note, read_signature
from obverse.ledger.tiles import JOURNALS

SEAL_ORIGIN: Final = "obverse.journal/1"
_MAGIC: Final = b"OJF1"
_HEAD: Final = 12
_LONGEST: Final = 1 << 31
_AHEAD: Final = 256 * 1024

Seal: TypeAlias = Callable[[int, int, bytes], str]
"""(first entry, how many, their bytes) → the line of a signature, or nothing where the log's keys sign only checkpoints."""


class Record(msgspec.Struct, frozen=True, kw_only=True, array_like=True):
    """One entry, and the payloads that belong to it: name, salt, data."""

    entry: bytes
    payloads: tuple[tuple[str, bytes, bytes], ...] = ()


class Frame(msgspec.Struct, frozen=True, kw_only=True, array_like=True):
    """Records that became durable together. `data` is their encoding, which is what `seal` signs."""

    first: int
    count: int
    data: bytes
    seal: str

    @property
    def records(self) -> list[Record]:
        """The records.

        Raises:
            EvidenceError: if they are not so many.
        """
        try:
            found = msgspec.msgpack.decode(self.data, type=list[Record])
        except msgspec.MsgspecError as error:
            raise EvidenceError("a frame of the journal that is none", code="E132") from error
        if len(found) != self.count:
            raise EvidenceError("a frame of the journal that is none", code="E132")
        return found


def seal_text(origin: str, first: int, count: int, data: bytes) -> str:
    """The note that a seal signs; its first line is the origin of no log, so it is no checkpoint."""
    digest = base64.b64encode(hashlib.sha256(data).digest()).decode()
    return f"{SEAL_ORIGIN}\n{origin}\n{first} {count}\n{digest}\n"


def check_seal(frame: Frame, origin: str, keys: Sequence[Key]) -> None:
    """That the owner of one of these keys put the frame into the journal of this log; without keys, nothing.

    Raises:
        EvidenceError: if it was somebody else, or the frame was changed.
    """
    if not keys:
        return
    note = Note(text=seal_text(origin, frame.first, frame.count, frame.data), signatures=(read_signature(frame.seal),))
    if not check_note(note, keys):
        raise EvidenceError("the journal holds what the log's key has not sealed", code="E132")


class _Half:
    """One of the two files: which entries it holds, where they end, how large it is.

    It is kept larger than what it holds, filled with zeros, and written over: a sync of a file that does not grow need not wait
    for what the file system has to note down.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.file = os.open(path, os.O_RDWR | os.O_CREAT, 0o666)
        self.first = self.count = self.end = 0
        self.size = os.fstat(self.file).st_size

    def append(self, data: bytes) -> None:
        """These bytes at the end, on disk when this returns."""
        _write(self.file, data, self.end)
        self.end += len(data)
        if self.end > self.size:
            with contextlib.suppress(OSError):  # where there is no room for more, this much was written
                _write(self.file, bytes(_AHEAD), self.end)
            self.size = os.fstat(self.file).st_size
        os.fdatasync(self.file)

    def cut(self, end: int) -> None:
        """Nothing behind this place any more."""
        os.ftruncate(self.file, end)
        os.fsync(self.file)
        self.end = self.size = end

    def clear(self) -> None:
        """Nothing in it any more, and nothing of what was in it on disk; as large as it was."""
        for at in range(0, self.end, _AHEAD):
            _write(self.file, bytes(min(_AHEAD, self.end - at)), at)
        os.fsync(self.file)
        self.first = self.count = self.end = 0


class Journal:
    """The open files. After a write or a sync that failed nothing more is taken: what is on disk is not known then."""

    def __init__(self, folder: Path, next_entry: int) -> None:
        self.broken: OSError | None = None
        self._halves = [_Half(folder / name) for name in JOURNALS]
        sync_folder(folder)
        self._active, self._closed = self._halves
        try:
            self._recover(next_entry)
        except EvidenceError:
            self.close()
            raise

    @property
    def next(self) -> int:
        """The number of the entry that comes next."""
        return self._active.first + self._active.count

    def append(self, records: Sequence[Record], seal: Seal) -> None:
        """These records, on disk when this returns.

        Raises:
            OSError: if they could not be written, and from then on always.
        """
        if self.broken is not None:
            raise self.broken
        try:
            data = msgspec.msgpack.encode(records)
            sealed = seal(self.next, len(records), data)
            self._active.append(_framed(Frame(first=self.next, count=len(records), data=data, seal=sealed)))
        except BaseException as error:  # boundary: of whatever kind, what is on disk is not known now
            self.broken = (
                error if isinstance(error, OSError) else OSError(f"a record was cut off: {type(error).__name__}")
            )
            raise
        self._active.count += len(records)

    @property
    def bytes(self) -> int:
        """How much the file that is written holds."""
        return self._active.end

    @property
    def closed(self) -> int:
        """How many entries wait in the closed file to be taken over."""
        return self._closed.count

    def roll(self) -> None:
        """Closes the file that is written; the other one, which must be empty, goes on."""
        if self._closed.count:
            raise ValueError("the closed file was not taken over")
        last = self.next
        self._active, self._closed = self._closed, self._active
        self._active.first = last

    def taken(self) -> Iterator[Frame]:
        """What is in the closed file, in order.

        Raises:
            EvidenceError: if it cannot be read again as it was written.
        """
        expected = self._closed.first
        with self._closed.path.open("rb") as file:
            for frame, _ in frames_of(file):
                if frame.first != expected:
                    raise EvidenceError("the journal is not what was written", code="E132")
                expected += frame.count
                yield frame
        if expected != self._closed.first + self._closed.count:
            raise EvidenceError("the journal is not what was written", code="E132")

    def release(self) -> None:
        """Empties the closed file, once tiles and a checkpoint hold what was in it."""
        self._closed.clear()

    def close(self) -> None:
        """No more."""
        for half in self._halves:
            if not half.count and half.size and self.broken is None:
                with contextlib.suppress(OSError):
                    half.cut(0)
            os.close(half.file)

    def _recover(self, next_entry: int) -> None:
        """Finds what the last writer left: at most one file that it was writing and one that it had closed."""
        for half in self._halves:
            with half.path.open("rb") as file:
                found = scan(file)
            half.first, half.count = found.first, found.count
            if half.first + half.count <= next_entry:  # taken over already, or never promised
                half.first = half.count = 0
                half.cut(0)
            else:
                half.cut(found.end)
        older, newer = sorted(self._halves, key=lambda half: (half.count > 0, half.first, half is self._halves[0]))
        if older.count and older.first + older.count != newer.first:
            raise EvidenceError("the two files of the journal do not follow each other", code="E132")
        start = older.first if older.count else newer.first if newer.count else next_entry
        if start > next_entry:
            raise EvidenceError(f"the journal begins at entry {start}, after entry {next_entry}", code="E132")
        self._active, self._closed = newer, older
        if not newer.count:
            newer.first = next_entry


def _write(file: int, data: bytes, at: int) -> None:
    view = memoryview(data)
    while view:
        written = os.pwrite(file, view, at)
        view, at = view[written:], at + written


def _framed(frame: Frame) -> bytes:
    body = msgspec.msgpack.encode(frame)
    return _MAGIC + len(body).to_bytes(4, "big") + zlib.crc32(body).to_bytes(4, "big") + body


def frames_of(file: IO[bytes]) -> Iterator[tuple[Frame, int]]:
    """Each whole frame from the beginning on, and where it ends; stops at the first that is not whole."""
    at = 0
    while True:
        frame, length = _frame(file.read(_HEAD), file.read)
        if frame is None:
            return
        at += length
        yield frame, at


def _frame(head: bytes, read: Callable[[int], bytes]) -> tuple[Frame | None, int]:
    length, check = int.from_bytes(head[4:8], "big"), int.from_bytes(head[8:], "big")
    if len(head) < _HEAD or head[:4] != _MAGIC or length > _LONGEST:
        return None, 0
    body = read(length)
    if len(body) != length or zlib.crc32(body) != check:
        return None, 0
    try:
        return msgspec.msgpack.decode(body, type=Frame), _HEAD + length
    except msgspec.MsgspecError:
        return None, 0


class Scan(msgspec.Struct, frozen=True, kw_only=True):
    """What one file of a journal holds: `count` entries from `first` on, in frames that end at `end`; `torn` bytes behind, zeros aside."""

    first: int
    count: int
    end: int
    torn: int


def scan(file: IO[bytes]) -> Scan:
    """What is in this file; what comes after its last whole frame was never promised.

    Raises:
        EvidenceError: if the frames do not follow each other, or whole ones come after one that is not.
    """
    first, count, end = 0, 0, 0
    for frame, end in frames_of(file):  # noqa: B007  # the last one counts
        if count and frame.first != first + count:
            raise EvidenceError("a frame of the journal is missing, or there twice", code="E132")
        first = first if count else frame.first
        count += frame.count
    file.seek(end)
    rest = file.read()
    at = rest.find(_MAGIC, 1)
    while at >= 0:
        if _frame(rest[at : at + _HEAD], partial(_after, rest, at + _HEAD))[0] is not None:
            raise EvidenceError("the journal is damaged: something whole comes after something broken", code="E132")
        at = rest.find(_MAGIC, at + 1)
    return Scan(first=first, count=count, end=end, torn=len(rest.rstrip(b"\0")))


def _after(data: bytes, at: int, length: int) -> bytes:
    return data[at : at + length]


def sync_folder(path: Path) -> None:
    """Names in a folder, on disk."""
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
