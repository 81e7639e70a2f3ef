"""A witness: it signs the checkpoints of logs that it knows, and only such as go on from the last one that it signed.

Source: C2SP tlog-witness (c2sp.org/tlog-witness), the call `add-checkpoint`; what it signs is of C2SP tlog-cosignature. It remembers
one checkpoint a log, on disk, before it answers: so it never signs a fork or a step back, not after a kill either. The transport is
not here.

    (1) the body is an old size, a consistency proof and a checkpoint                    400
    (2) the log is one that is known, and has signed                                     404, 403
    (3) the old size is that of the last checkpoint signed, and not beyond the new one   400, 409
    (4) the proof shows that the old log is the beginning of the new one                 422
    (5) the new checkpoint is on disk before the answer is given
"""

from __future__ import annotations

import base64
import binascii
import fcntl
import hashlib
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Final

import msgspec

from obverse.core.errors import EvidenceError
from obverse.core.files import write_whole
from obverse.ledger.checkpoint import Checkpoint, read_checkpoint
from obverse.ledger.journal import sync_folder
from obverse.ledger.merkle import HASH_SIZE, check_consistency
from obverse.ledger.note import Key, Note, Signer, check_note, read_note

MOST_HASHES: Final = 63
LARGEST_BODY: Final = 1_000_000
_OLD: Final = re.compile(rb"old (0|[1-9][0-9]{0,18})")


class Answer(msgspec.Struct, frozen=True, kw_only=True):
    """What a witness answers, as HTTP says it."""

    status: int
    body: str
    type: str = "text/plain; charset=utf-8"


class Request(msgspec.Struct, frozen=True, kw_only=True):
    """What a log asks: sign this checkpoint, which goes on from `old` entries by this proof."""

    old: int
    proof: tuple[bytes, ...]
    note: Note

    def __bytes__(self) -> bytes:
        hashes = "".join(f"{base64.b64encode(hash_).decode()}\n" for hash_ in self.proof)
        return f"old {self.old}\n{hashes}\n{self.note}".encode()


class Memory:
    """The last checkpoint signed of each log, a file each in a folder; one process and one thread at a time."""

    def __init__(self, folder: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self.folder = folder

    def last(self, origin: str) -> Checkpoint | None:
        """The checkpoint that was signed last.

        Raises:
            EvidenceError: if what is on disk is none of this log: then nothing may be signed.
        """
        try:
            data = self._path(origin).read_bytes()
        except FileNotFoundError:
            return None
        found = read_checkpoint(data.decode("utf-8", "replace"))
        if found.origin != origin:
            raise EvidenceError(f"the memory of `{origin[:200]}` is of another log", code="E141")
        return found

    def keep(self, checkpoint: Checkpoint) -> None:
        """On disk when this returns."""
        write_whole(self._path(checkpoint.origin), checkpoint.text.encode())
        sync_folder(self.folder)

    @contextmanager
    def alone(self) -> Iterator[None]:
        """Nobody else looks or keeps meanwhile."""
        with (self.folder / "lock").open("ab") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            yield

    def _path(self, origin: str) -> Path:
        return self.folder / hashlib.sha256(origin.encode()).hexdigest()


class Witness:
    """Signs for these logs, by origin the keys of each. `refused` is told what may be proof that a log misbehaves."""

    def __init__(
        self,
        signers: Sequence[Signer],
        logs: Mapping[str, Sequence[Key]],
        memory: Memory,
        *,
        refused: Callable[[str, Note], None] = lambda _why, _note: None,
    ) -> None:
        self.signers = tuple(signers)
        self.logs = dict(logs)
        self.memory = memory
        self.refused = refused

    def add_checkpoint(self, body: bytes) -> Answer:
        """The answer to a body that was posted to `add-checkpoint`."""
        try:
            request = read_request(body)
            new = read_checkpoint(request.note.text)
        except EvidenceError as error:
            return Answer(status=400, body=f"{error.message}\n")  # (1)
        keys = self.logs.get(new.origin)
        if keys is None:
            return Answer(status=404, body="a log that is not known\n")  # (2)
        try:
            known = check_note(request.note, keys)
        except EvidenceError:
            known = ()
        if not known:
            return Answer(status=403, body="not signed by the log\n")
        with self.memory.alone():
            return self._weighed(request, new)

    def _weighed(self, request: Request, new: Checkpoint) -> Answer:
        if request.old > new.size:
            return Answer(status=400, body="the old size is beyond the new one\n")  # (3)
        last = self.memory.last(new.origin)
        size = 0 if last is None else last.size
        if request.old != size:
            return Answer(status=409, body=f"{size}\n", type="text/x.tlog.size")
        if last is not None and last.size == new.size and last.root != new.root:
            self.refused("two roots of one size", request.note)
            return Answer(status=409, body=f"{size}\n", type="text/x.tlog.size")
        try:
            if last is not None and last.size:
                check_consistency(last.size, last.root, new.size, new.root, request.proof)
            elif request.proof:
                raise EvidenceError("a proof from nothing", code="E111")
        except EvidenceError as error:
            self.refused(error.message, request.note)
            return Answer(status=422, body=f"{error.message}\n")  # (4)
        self.memory.keep(new)  # (5)
        return Answer(status=200, body="".join(f"{signer.sign(new.text)}\n" for signer in self.signers))


def read_request(body: bytes) -> Request:
    """The request in this body.

    Raises:
        EvidenceError: if it is none.
    """
    head, blank, note = body.partition(b"\n\n")
    first, *lines = head.split(b"\n")
    old = _OLD.fullmatch(first)
    if old is None or not blank or len(lines) > MOST_HASHES or len(body) > LARGEST_BODY:
        raise EvidenceError("no request to a witness", code="E142")
    return Request(old=int(old[1]), proof=tuple(map(_hash, lines)), note=read_note(note))


def _hash(line: bytes) -> bytes:
    try:
        found = base64.b64decode(line, validate=True)
    except (binascii.Error, ValueError):
        found = b""
    if len(found) != HASH_SIZE:
        raise EvidenceError("a line of a proof that is no hash", code="E142")
    return found
