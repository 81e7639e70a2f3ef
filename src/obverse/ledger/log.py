"""The writer of a log: an entry is durable when `record` returns, so that what it speaks of may happen then (L13).

    record      entries and their payloads go to the journal, one sync for all that wait (group commit)
    publish     payloads, tiles, then a signed checkpoint take over what has gathered; nobody who records waits for it
    open        what a killed writer left in the journal is taken over, if it bears the log's seal

One writer at a time, by a lock on the folder. A failed write to the journal is final: nothing more is taken, and whoever waits is
told; the guard makes a refusal of that (L16). A failed `publish` is not: the journal holds what it held, and the next one tries
again. Who signs is a parameter; there is no clock and no randomness here.
"""

from __future__ import annotations

import fcntl
import threading
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import IO, Final, Self

import msgspec

from obverse.core.errors import EvidenceError, MisuseError
from obverse.ledger.checkpoint import Checkpoint, read_checkpoint
from obverse.ledger.cosigning import Cosigned, keep_cosigned
from obverse.ledger.entries import Entry, Payload
from obverse.ledger.journal import SEAL_ORIGIN, Frame, Journal, Record, check_seal, seal_text
from obverse.ledger.merkle import EMPTY_ROOT
from obverse.ledger.note import Key, Note, Signer, check_note
from obverse.ledger.publishing import Publisher, erase_payloads
from obverse.ledger.reader import Files, Folder, held, read_head
from obverse.ledger.tiles import WIDTH

LOCK: Final = "lock"
LARGEST_RECORD: Final = 256 * 1024 * 1024
"""Bytes that one call may record."""
_SLICE: Final = 16 * 1024 * 1024
"""How many bytes of the journal are taken over at once: what `publish` holds in memory."""


class Rhythm(msgspec.Struct, frozen=True, kw_only=True):
    """When a log publishes by itself: after so many seconds, or sooner when so many bytes wait in the journal."""

    seconds: float = 5.0
    bytes: int = 8 * 1024 * 1024


class Log:
    """A log that is open for writing."""

    def __init__(self, folder: Path, origin: str, signers: Sequence[Signer], lock: IO[bytes]) -> None:
        self.folder = folder
        self.origin = origin
        self.trouble: Exception | None = None
        """Why the last `publish` in the background failed; None where it did not."""
        self._lock = lock
        self._mutex = threading.Lock()  # guards what follows
        self._turn = threading.Condition(self._mutex)
        self._waiting: deque[Sequence[Record]] = deque()
        self._writing = self._rolling = False
        self._publishing = threading.Lock()  # one checkpoint at a time
        head = read_head(Folder(folder))
        nothing = Checkpoint(origin=origin, size=0, root=EMPTY_ROOT)
        self._publisher = Publisher(folder, nothing if head is None else _own(head, signers), signers)
        self._journal = Journal(folder, self.head.size)
        self._sealer = next((signer for signer in signers if signer.key.algorithm == "ed25519"), None)
        self._next = self._durable = self._journal.next
        self._inherited = True  # what is in the journal now, another writer put there
        self._due = threading.Event()
        self._ended = False
        self._most = 0
        self._thread: threading.Thread | None = None

    @classmethod
    def create(cls, folder: Path, origin: str, signers: Sequence[Signer], *, rhythm: Rhythm | None = None) -> Self:
        """A new log in a folder that is not there or empty, with a checkpoint of nothing.

        Raises:
            MisuseError: if there is something in the folder, or nobody signs.
        """
        folder.mkdir(parents=True, exist_ok=True)
        if any(folder.iterdir()):
            raise MisuseError(f"`{folder}` is not empty", code="E107", hint="a log begins in a folder of its own")
        if origin == SEAL_ORIGIN:
            raise MisuseError(f"`{origin}` cannot be the name of a log", code="E107")
        log = cls(folder, origin, signers, _locked(folder))
        log._publisher.sign(log.head)
        log._inherited = False
        return log._begun(rhythm)

    @classmethod
    def open(cls, folder: Path, signers: Sequence[Signer], *, rhythm: Rhythm | None = None) -> Self:
        """A log that is there, with what its last writer left. With a `rhythm` it publishes by itself.

        Raises:
            MisuseError: if there is none, somebody else writes it, or its checkpoint is signed by others.
            EvidenceError: if what is on disk does not fit together.
        """
        head = read_head(Folder(folder))
        if head is None:
            raise MisuseError(f"no log in `{folder}`", code="E107", hint="`obverse ledger init` begins one")
        lock = _locked(folder)
        log = None
        try:
            log = cls(folder, read_checkpoint(head.text).origin, signers, lock)
            log.publish()
        except BaseException:
            lock.close()
            if log is not None:
                log.abandon()
            raise
        log._inherited = False
        return log._begun(rhythm)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    @property
    def head(self) -> Checkpoint:
        """The newest checkpoint."""
        return self._publisher.head

    @property
    def size(self) -> int:
        """How many entries are durable; not all of them need be under a checkpoint yet."""
        return self._durable

    def append(self, entry: Entry, payloads: Mapping[str, Payload] | None = None) -> int:
        """The place of the entry, once it and its payloads are on disk; raises as `record` does."""
        return self.record([(entry, payloads or {})])

    def extend(self, entries: Sequence[Entry]) -> int:
        """The place of the first of these entries, which have no payloads; raises as `record` does."""
        return self.record([(entry, {}) for entry in entries])

    def record(self, items: Sequence[tuple[Entry, Mapping[str, Payload]]]) -> int:
        """The place of the first of these entries, once all of them and their payloads are on disk, by one sync.

        A kill leaves all of them or none.

        Raises:
            MisuseError: if a payload is not the one that its entry commits to, or an entry is too large.
            OSError: if they could not be written; then nothing that they speak of may happen.
        """
        return self._write([_record(entry, payloads) for entry, payloads in items])

    def _write(self, records: Sequence[Record]) -> int:
        """One of those who wait writes for all of them."""
        if sum(map(_size, records)) > LARGEST_RECORD:
            raise MisuseError("too much to record at once", code="E104", hint=f"at most {LARGEST_RECORD:,} bytes")
        with self._turn:
            index = self._next
            if not records:
                return index
            self._next += len(records)
            self._waiting.append(records)
        while True:
            with self._turn:
                while (self._writing or self._rolling) and index >= self._durable:
                    self._turn.wait()
                if index < self._durable:
                    return index
                if self._journal.broken is not None:
                    raise self._journal.broken
                batch = self._taken()
                self._writing = True
            try:
                self._journal.append(batch, self._seal)
            finally:
                with self._turn:
                    self._writing = False
                    if self._journal.broken is None:
                        self._durable += len(batch)
                    self._turn.notify_all()
            if self._thread is not None and self._journal.bytes >= self._most:
                self._due.set()

    def _taken(self) -> list[Record]:
        """What those who wait want recorded, in order; not more than is well written at once."""
        batch, size = list[Record](), 0
        while self._waiting and (not batch or size < LARGEST_RECORD):
            records = self._waiting.popleft()
            batch += records
            size += sum(map(_size, records))
        return batch

    def _seal(self, first: int, count: int, data: bytes) -> str:
        if self._sealer is None:
            return ""
        return str(self._sealer.sign(seal_text(self.origin, first, count, data)))

    # --- under a checkpoint ---------------------------------------------------------------------------------------------

    def publish(self) -> Checkpoint:
        """A checkpoint over everything that was durable when it was called.

        Raises:
            OSError: if it could not be written; the journal still holds what it held.
            EvidenceError: if what is on disk is not what was published.
        """
        with self._publishing:
            if self._journal.closed:  # what another publish did not bring to its end, or a killed writer left
                self._take_over()
            with self._turn:
                self._rolling = True  # else those who record would go before for ever
                while self._writing:
                    self._turn.wait()
                if self._journal.broken is None:
                    self._journal.roll()
                self._rolling = False
                self._turn.notify_all()
            if self._journal.closed:
                self._take_over()
            return self.head

    def cosign(self, ask: Callable[[Files, Note], Cosigned]) -> Cosigned:
        """What came of asking witnesses; what they signed is kept."""
        files = held(Folder(self.folder))
        note = read_head(files)
        if note is None:
            raise EvidenceError("there is no checkpoint", code="E134")
        found = ask(files, note)
        with self._publishing:
            if found.names:
                keep_cosigned(self.folder, found.note, alone=True)
        return found

    def _take_over(self) -> None:
        keys = [] if self._sealer is None or not self._inherited else [self._sealer.key]
        for records in _slices(self._journal.taken(), self.origin, keys, self.head.size):
            self._publisher.publish(records)
        self._journal.release()

    def _begun(self, rhythm: Rhythm | None) -> Self:
        if rhythm is not None:
            self._most = rhythm.bytes
            self._thread = threading.Thread(
                target=self._keep_up, args=(rhythm.seconds,), name="obverse-log", daemon=True
            )
            self._thread.start()
        return self

    def _keep_up(self, seconds: float) -> None:
        while not self._ended:
            self._due.wait(seconds)
            self._due.clear()
            try:
                if not self._ended:
                    self.publish()
                self.trouble = None
            except Exception as error:  # boundary: a disk, a signer; tried again, and meanwhile everything is durable
                self.trouble = error

    def _end(self) -> None:
        self._ended = True
        self._due.set()
        if self._thread is not None:
            self._thread.join()

    def abandon(self) -> None:
        """Ends as a kill would: what is durable stays in the journal, and the next writer takes it over."""
        self._end()
        self._journal.close()
        self._lock.close()

    def close(self) -> None:
        """Everything under a checkpoint, and the folder free for another writer."""
        self._end()
        try:
            if self._journal.broken is None:
                self.publish()
        finally:
            self._journal.close()
            self._lock.close()


def cosign(folder: Path, ask: Callable[[Files, Note], Cosigned]) -> Cosigned:
    """As `Log.cosign`, without the log's key; beside a writer too, whose checkpoint then stays as it is.

    Raises:
        MisuseError: if there is no log.
    """
    files = held(Folder(folder))
    note = read_head(files)
    if note is None:
        raise MisuseError(f"no log in `{folder}`", code="E107", hint="`obverse ledger init` begins one")
    found = ask(files, note)
    if found.names:
        try:
            lock: IO[bytes] | None = _locked(folder)
        except MisuseError:
            lock = None
        keep_cosigned(folder, found.note, alone=lock is not None)
        if lock is not None:
            lock.close()
    return found


def erase(folder: Path, entry: int, names: Iterable[str] | None = None) -> int:
    """How many payloads of this entry were erased: the named ones, or all. The entry and every proof stay.

    While somebody writes the log, only what lies in a bundle that is full can be erased.

    Raises:
        MisuseError: if there is no such entry under a checkpoint, or its bundle is being written.
    """
    head = read_head(Folder(folder))
    size = 0 if head is None else read_checkpoint(head.text).size
    if not 0 <= entry < size:
        raise MisuseError(f"there is no entry {entry:,} under the checkpoint of {size:,}", code="E102")
    full = entry // WIDTH < size // WIDTH
    try:
        lock = None if full else _locked(folder)
    except MisuseError as error:
        hint = f"when the log has {(entry // WIDTH + 1) * WIDTH:,} entries, or its writer has closed it"
        raise MisuseError(f"entry {entry:,} lies in a bundle that is being written", code="E107", hint=hint) from error
    try:
        return erase_payloads(folder, entry, None if names is None else frozenset(names), size)
    finally:
        if lock is not None:
            lock.close()


def _size(record: Record) -> int:
    return len(record.entry) + sum(len(data) for _, _, data in record.payloads)


def _record(entry: Entry, payloads: Mapping[str, Payload]) -> Record:
    """What goes to the journal.

    Raises:
        MisuseError: if the payloads are not those of the entry.
    """
    if {name: payload.commitment for name, payload in payloads.items()} != dict(entry.payloads):
        raise MisuseError("the payloads are not those that the entry commits to", code="E108")
    kept = tuple((name, payload.salt, payload.data) for name, payload in sorted(payloads.items()))
    return Record(entry=entry.data, payloads=kept)


def _slices(frames: Iterator[Frame], origin: str, keys: Sequence[Key], size: int) -> Iterator[list[Record]]:
    """The records that are not under a checkpoint yet, some megabytes at a time; each frame must bear the seal."""
    batch: list[Record] = []
    held = 0
    for frame in frames:
        check_seal(frame, origin, keys)
        batch += frame.records[max(0, size - frame.first) :]
        held += len(frame.data)
        if held >= _SLICE:
            yield batch
            batch, held = [], 0
    if batch:
        yield batch


def _own(note: Note, signers: Sequence[Signer]) -> Checkpoint:
    if not check_note(note, [signer.key for signer in signers]):
        raise MisuseError("the log is signed by another key", code="E109", hint="open it with the key it was made with")
    return read_checkpoint(note.text)


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
