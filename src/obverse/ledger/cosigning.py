"""Getting witnesses to sign the checkpoint of a log: what is asked, what is believed of the answer, where it is kept.

Source: C2SP tlog-witness. How bytes travel is a parameter. A witness that is down, slow or lies costs its signature and nothing else:
the log goes on. The newest checkpoint that witnesses signed stays in `checkpoint.cosigned`, since the log itself is soon longer.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Final, TypeAlias

import msgspec

from obverse.core.errors import EvidenceError, UnavailableError
from obverse.core.files import write_whole
from obverse.ledger.checkpoint import read_checkpoint
from obverse.ledger.journal import sync_folder
from obverse.ledger.merkle import consistency_proof
from obverse.ledger.note import Key, Note, Signature, check_note, read_note, read_signature
from obverse.ledger.reader import Files, Folder, Reader, read_head
from obverse.ledger.tiles import CHECKPOINT, COSIGNED
from obverse.ledger.witness import Request

Post: TypeAlias = Callable[[str, bytes], tuple[int, bytes]]
"""(url, body) → status and body of the answer; raises `UnavailableError` where there is none."""

_SIZE: Final = re.compile(rb"(0|[1-9][0-9]{0,18})\n")
_TRIES: Final = 3


class Asked(msgspec.Struct, frozen=True, kw_only=True):
    """A witness: where it is asked (its submission prefix), and the keys that it signs by."""

    url: str
    keys: tuple[Key, ...]


class Cosigned(msgspec.Struct, frozen=True, kw_only=True):
    """What came of asking: the checkpoint with the signatures that came, and why others did not, by URL."""

    note: Note
    names: tuple[str, ...]
    missing: dict[str, str]


def ask_witnesses(files: Files, note: Note, witnesses: Sequence[Asked], post: Post) -> Cosigned:
    """The checkpoint of the log in these files, with what each of these witnesses signs."""
    reader = Reader(files, read_checkpoint(note.text).size)
    found: list[Signature] = []
    names: list[str] = []
    missing: dict[str, str] = {}
    for witness in witnesses:
        try:
            signatures = _ask(reader, note, witness, post)
            found += signatures
            names += dict.fromkeys(one.name for one in signatures)
        except (EvidenceError, UnavailableError) as error:
            missing[witness.url] = error.message
    kept = [one for one in note.signatures if all((one.name, one.key_id) != (new.name, new.key_id) for new in found)]
    return Cosigned(note=msgspec.structs.replace(note, signatures=(*kept, *found)), names=tuple(names), missing=missing)


def _ask(reader: Reader, note: Note, witness: Asked, post: Post) -> list[Signature]:
    old = 0
    for _ in range(_TRIES):  # the first answer says how much the witness has seen; then the log may have two writers
        proof = consistency_proof(old, reader.size, reader.hashes) if old else ()
        status, body = post(
            f"{witness.url.rstrip('/')}/add-checkpoint", bytes(Request(old=old, proof=proof, note=note))
        )
        if status == 200:  # HTTP: OK
            return _signatures(note, body, witness.keys)
        size = _SIZE.fullmatch(body)
        if status != 409 or size is None:  # HTTP: conflict
            raise EvidenceError(f"the witness answers {status}: {_shown(body)}", code="E143")
        if int(size[1]) == old:
            raise EvidenceError(
                f"the witness has signed another log of {old:,} entries: this one is a fork", code="E144"
            )
        old = int(size[1])
        if old > reader.size:
            raise EvidenceError(f"the witness has seen {old:,} entries, and here are {reader.size:,}", code="E144")
    raise EvidenceError("the witness always answers another size", code="E143")


def _signatures(note: Note, body: bytes, keys: Sequence[Key]) -> list[Signature]:
    """The signatures of these keys, all of them right."""
    lines = body.decode("utf-8", "replace").splitlines()
    known = {(key.name, key.id) for key in keys}
    found = [one for one in map(read_signature, lines) if (one.name, one.key_id) in known]
    if not check_note(msgspec.structs.replace(note, signatures=tuple(found)), keys):
        raise EvidenceError("the witness answers without a signature of its key", code="E143")
    return found


def _shown(body: bytes) -> str:
    return body[:200].decode("utf-8", "replace").strip()


def keep_cosigned(folder: Path, note: Note, *, alone: bool) -> None:
    """Keeps what witnesses signed, beside the checkpoint; and under it, where it is the same and nobody else writes (`alone`)."""
    known = Folder(folder).read(COSIGNED)
    if known is None or _size(read_note(known)) <= _size(note):
        write_whole(folder / COSIGNED, str(note).encode())
    head = read_head(Folder(folder)) if alone else None
    if head is not None and head.text == note.text:
        write_whole(folder / CHECKPOINT, str(note).encode())
    sync_folder(folder)


def _size(note: Note) -> int:
    return read_checkpoint(note.text).size
