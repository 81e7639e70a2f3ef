"""The writer of a log: an entry is durable when `append` returns, so that what it speaks of may happen then (L13).

    append      the entry and its payloads go to the journal, one sync for all that wait (group commit)
    publish     tiles, then payloads, then a signed checkpoint take over what has gathered, then the journal starts anew
    open        what a killed writer left in the journal is taken over

One writer at a time, by a lock on the folder. A failed write is final: nothing more is taken, and whoever waits is told; the
guard makes a refusal of that (L16). Who signs is a parameter; there is no clock and no randomness here.
"""

from __future__ import annotations

import fcntl
import threading
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import IO, Final, Self

from obverse.core.errors import EvidenceError, MisuseError
from obverse.core.files import write_whole
from obverse.ledger.checkpoint import Checkpoint, read_checkpoint
from obverse.ledger.entries import Entry, Payload, payload_path
from obverse.ledger.journal import Journal, Record, sync_folder
from obverse.ledger.merkle import Frontier, leaf_hash
from obverse.ledger.note import Note, Signer, check_note, signed
from obverse.ledger.reader import Folder, Reader, read_head
from obverse.ledger.tiles import (
    CHECKPOINT,
    ENTRIES,
    HEIGHT,
    WIDTH,
    bundle_of,
    joined,
    new_tiles,
    partial_tiles,
    tile_path,
)

JOURNAL: Final = "journal"
LOCK: Final = "lock"


class Log:
    """A log that is open for writing."""

    def __init__(self, folder: Path, origin: str, signers: Sequence[Signer], lock: IO[bytes]) -> None:
        self.folder = folder
        self.origin = origin
        self._signers = tuple(signers)
        self._lock = lock
        self._mutex = threading.Lock()  # guards what follows
        self._turn = threading.Condition(self._mutex)
        self._waiting: list[Record] = []
        self._writing = False
        head = read_head(Folder(folder))
        self.head = Checkpoint(origin=origin, size=0, root=Frontier().root()) if head is None else self._own(head)
        self._journal = Journal.open(folder / JOURNAL, self.head.size)
        self._durable = self._journal.first + len(self._journal.records)
        self._next = self._durable

    @classmethod
    def create(cls, folder: Path, origin: str, signers: Sequence[Signer]) -> Self:
        """A new log in a folder that is not there or empty, with a checkpoint of nothing.

        Raises:
            MisuseError: if there is something in the folder, or nobody signs.
        """
        folder.mkdir(parents=True, exist_ok=True)
        if any(folder.iterdir()):
            raise MisuseError(f"`{folder}` is not empty", code="E107", hint="a log begins in a folder of its own")
        log = cls(folder, origin, signers, _locked(folder))
        log._publish_head(log.head)
        return log

    @classmethod
    def open(cls, folder: Path, signers: Sequence[Signer]) -> Self:
        """A log that is there, with what its last writer left.

        Raises:
            MisuseError: if there is none, somebody else writes it, or its checkpoint is signed by others.
            EvidenceError: if what is on disk does not fit together.
        """
        head = read_head(Folder(folder))
        if head is None:
            raise MisuseError(f"no log in `{folder}`", code="E107", hint="`obverse ledger init` begins one")
        lock = _locked(folder)
        try:
            log = cls(folder, read_checkpoint(head.text).origin, signers, lock)
            if log._journal.records:
                log.publish()
        except BaseException:
            lock.close()
            raise
        return log

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    @property
    def size(self) -> int:
        """How many entries are durable; not all of them need be under a checkpoint yet."""
        return self._durable

    def append(self, entry: Entry, payloads: Mapping[str, Payload] | None = None) -> int:
        """The place of the entry, once it and its payloads are on disk; raises as `record` does."""
        return self.record([(entry, payloads or {})])

    def record(self, items: Sequence[tuple[Entry, Mapping[str, Payload]]]) -> int:
        """The place of the first of these entries, once all of them and their payloads are on disk, by one sync.

        Raises:
            MisuseError: if a payload is not the one that its entry commits to, or an entry is too large.
            OSError: if they could not be written; then none of them is in the log.
        """
        return self._write([_record(entry, payloads) for entry, payloads in items])

    def extend(self, entries: Sequence[Entry]) -> int:
        """The place of the first of these entries, which have no payloads, once all of them are on disk.

        Raises:
            MisuseError: if an entry is too large, or commits to a payload.
            OSError: if they could not be written; then none of them is in the log.
        """
        return self.record([(entry, {}) for entry in entries])

    def _write(self, records: Sequence[Record]) -> int:
        """One of those who wait writes for all of them."""
        with self._turn:
            index = self._next
            self._next += len(records)
            self._waiting += records
            while self._writing and index >= self._durable:
                self._turn.wait()
            if index < self._durable:
                return index
            if self._journal.broken is not None:
                raise self._journal.broken
            batch, self._waiting, self._writing = self._waiting, [], True
        try:
            self._journal.append(batch)
        finally:
            with self._turn:
                self._writing = False
                if self._journal.broken is None:
                    self._durable += len(batch)
                self._turn.notify_all()
        return index

    def publish(self) -> Checkpoint:
        """A checkpoint over everything that is durable.

        Raises:
            OSError: if it could not be written; the journal still holds what it held.
        """
        with self._turn:
            while self._writing:
                self._turn.wait()
            self._writing = True
        try:
            return self._publish()
        finally:
            with self._turn:
                self._writing = False
                self._turn.notify_all()

    def _publish(self) -> Checkpoint:
        records = self._journal.records[self.head.size - self._journal.first :]
        if not records:
            return self.head
        old, new = self.head.size, self.head.size + len(records)
        frontier = self._write_tiles(old, [record.entry for record in records])
        for path, data in (payload for record in records for payload in record.payloads):
            self._put(path, data)
        head = Checkpoint(origin=self.origin, size=new, root=frontier.root())
        self._publish_head(head)
        self._journal.restart(new)
        self._drop_partial(old, new)
        return head

    def abandon(self) -> None:
        """Ends as a kill would: what is durable stays in the journal, and the next writer takes it over."""
        self._journal.close()
        self._lock.close()

    def close(self) -> None:
        """Everything under a checkpoint, and the folder free for another writer."""
        try:
            if self._journal.broken is None:
                self.publish()
        finally:
            self._journal.close()
            self._lock.close()

    # --- tiles ----------------------------------------------------------------------------------------------------------

    def _write_tiles(self, old: int, entries: Sequence[bytes]) -> Frontier:
        """The new tiles and bundles; the frontier of the whole."""
        reader, new = Reader(Folder(self.folder), old), old + len(entries)
        frontier = Frontier.of(old, reader.hashes)
        if frontier.root() != self.head.root:
            raise EvidenceError("the tiles on disk are not those of the checkpoint", code="E135")
        rows = {ENTRIES: list(entries), 0: [leaf_hash(entry) for entry in entries]}
        for leaf in rows[0]:
            frontier.append(leaf)

        def item(level: int, index: int) -> bytes:
            """Entry or hash of the new log: what was there before comes from its tile."""
            first = old >> HEIGHT * max(level, 0)
            return rows[level][index - first] if index >= first else reader.item(level, index)

        level = 1
        while new >> HEIGHT * level:
            start, end = old >> HEIGHT * level, new >> HEIGHT * level
            below = [[item(level - 1, WIDTH * index + at) for at in range(WIDTH)] for index in range(start, end)]
            rows[level] = [joined(hashes) for hashes in below]
            level += 1
        for level, number, width in new_tiles(old, new):
            items = [item(level, number * WIDTH + at) for at in range(width)]
            self._put(tile_path(level, number, width), bundle_of(items) if level == ENTRIES else b"".join(items))
        return frontier

    def _drop_partial(self, old: int, new: int) -> None:
        """Removes the partial tiles of the log as it was, where fuller ones are there now."""
        kept = set(partial_tiles(new))
        for tile in partial_tiles(old):
            if tile not in kept:
                (self.folder / tile_path(*tile)).unlink(missing_ok=True)

    def _put(self, path: str, data: bytes) -> None:
        whole = self.folder / path
        whole.parent.mkdir(parents=True, exist_ok=True)
        write_whole(whole, data)
        sync_folder(whole.parent)

    def _publish_head(self, head: Checkpoint) -> None:
        write_whole(self.folder / CHECKPOINT, str(signed(head.text, self._signers)).encode())
        sync_folder(self.folder)
        self.head = head

    def _own(self, note: Note) -> Checkpoint:
        keys = [signer.key for signer in self._signers]
        if not check_note(note, keys):
            raise MisuseError(
                "the log is signed by another key", code="E109", hint="open it with the key it was made with"
            )
        return read_checkpoint(note.text)


def _record(entry: Entry, payloads: Mapping[str, Payload]) -> Record:
    """What goes to the journal.

    Raises:
        MisuseError: if the payloads are not those of the entry.
    """
    if {name: payload.commitment for name, payload in payloads.items()} != dict(entry.payloads):
        raise MisuseError("the payloads are not those that the entry commits to", code="E108")
    files = tuple((payload_path(payload.commitment), payload.file) for payload in payloads.values())
    return Record(entry=entry.data, payloads=files)


def _locked(folder: Path) -> IO[bytes]:
    """The lock on the folder; it ends with the process.

    Raises:
        MisuseError: if somebody else holds it.
    """
    lock = (folder / LOCK).open("ab")
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        lock.close()
        raise MisuseError(
            f"another process writes the log in `{folder}`", code="E107", hint="a log has one writer"
        ) from error
    return lock
