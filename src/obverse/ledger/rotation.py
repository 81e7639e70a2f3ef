"""Another key for a log: entered into the log itself, under a checkpoint that the old key and the new one both sign.

`rotate` records an entry `log.key` that names the new key, and keeps the checkpoint over it, under both signatures, as
`rotation/<n>`. Who knows only the first key follows these from one to the next (`successors`); checkpoints of before still verify by
the key of then. A thief of the old key can still sign a fork from before: against that there are witnesses.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Final

import msgspec

from obverse.core.errors import EvidenceError, MisuseError, UntrustedInputError
from obverse.core.files import write_whole
from obverse.ledger.checkpoint import Checkpoint, Trust, signed_by_log
from obverse.ledger.entries import Entry, read_entry
from obverse.ledger.journal import sync_folder
from obverse.ledger.log import Log
from obverse.ledger.note import Note, Signer, check_note, read_key, read_note, signed
from obverse.ledger.reader import Files, Reader
from obverse.ledger.tiles import CHECKPOINT

ENTRY: Final = "log.key"
MOST: Final = 1000
"""Rotations that a reader follows."""


def rotation_path(number: int) -> str:
    """Where the checkpoint of a rotation stands below the log's folder."""
    return f"rotation/{number}"


def rotate(folder: Path, old: Sequence[Signer], new: Signer, *, time: int) -> Checkpoint:
    """The checkpoint over the rotation; from the next one on the new key signs alone.

    A kill in between leaves a log of the old key, perhaps with an entry that names the new one: rotate again then.

    Raises:
        MisuseError: if the old signers are not those of the log, or the new key is one of theirs.
    """
    if any(signer.key.public == new.key.public for signer in old):
        raise MisuseError("the new key is the old one", code="E109")
    body = {"key": str(new.key), "replaces": [str(signer.key) for signer in old]}
    with Log.open(folder, old) as log:
        log.append(Entry(type=ENTRY, time=time, body=body))
        note = str(signed(log.publish().text, [*old, new])).encode()
        number = next(number for number in range(MOST) if not (folder / rotation_path(number)).exists())
        path = folder / rotation_path(number)
        path.parent.mkdir(exist_ok=True)
        write_whole(path, note)
        sync_folder(path.parent)
        write_whole(folder / CHECKPOINT, note)  # from now on the new key may go on
        sync_folder(folder)
        return log.head


class Rotated(msgspec.Struct, frozen=True, kw_only=True):
    """What the rotations of a log make of a reader's trust: `trust` believes all its keys, `now` those that are not replaced.

    `notes` are the checkpoints of the rotations; that they are beginnings of the log is still to be checked.
    """

    trust: Trust
    now: Trust
    notes: tuple[Note, ...] = ()
    said: tuple[str, ...] = ()


def successors(files: Files, size: int, trust: Trust) -> Rotated:
    """Whom to believe after every rotation that a believed key entered into this log of `size` entries.

    Raises:
        EvidenceError: if one of them does not hold.
    """
    found = Rotated(trust=trust, now=trust)
    for number in range(MOST):
        data = files.read(rotation_path(number))
        if data is None:
            break
        note = read_note(data)
        if check_note(note, found.trust.log):  # else it is of a time before the keys that are believed
            found = _followed(files, size, note, found)
    return found


def _followed(files: Files, size: int, note: Note, found: Rotated) -> Rotated:
    """After this rotation."""
    head, _ = signed_by_log(note, found.trust)
    try:
        entry = read_entry(Reader(files, size).entry(head.size - 1))
        key = read_key(str(entry.body.get("key")))
        replaced = {str(one) for one in entry.body.get("replaces", ())}
    except (UntrustedInputError, IndexError, TypeError) as error:
        raise EvidenceError("a rotation without an entry that names a key", code="E146") from error
    if entry.type != ENTRY or not check_note(note, [key]):
        raise EvidenceError("a rotation without an entry that names a key, or that key has not agreed", code="E146")
    now = tuple(one for one in found.now.log if str(one) not in replaced and one != key)
    line = f"entry {head.size - 1:,} names the key `{key.name}+{key.id.hex()}`, under a key that was believed"
    return Rotated(
        trust=msgspec.structs.replace(found.trust, log=(*found.trust.log, key)),
        now=msgspec.structs.replace(found.now, log=(*now, key)),
        notes=(*found.notes, note),
        said=(*found.said, line),
    )
