"""A checkpoint: how large a log is and which root it has, as the text of a signed note.

Source: C2SP tlog-checkpoint, c2sp.org/tlog-checkpoint. Three lines: origin, size in decimal, root in base64. Lines beyond are
refused: nobody audits them, and not every cosignature covers them.
"""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Sequence
from typing import Final

import msgspec

from obverse.core.errors import EvidenceError
from obverse.ledger.merkle import EMPTY_ROOT, HASH_SIZE
from obverse.ledger.note import Key, Note, Verified, check_note

_SIZE: Final = re.compile(r"0|[1-9][0-9]{0,18}")


class Checkpoint(msgspec.Struct, frozen=True, kw_only=True):
    """The head of a log: `origin` names it, `root` is the Merkle root over its first `size` entries."""

    origin: str
    size: int
    root: bytes

    @property
    def text(self) -> str:
        """The note text."""
        return f"{self.origin}\n{self.size}\n{base64.b64encode(self.root).decode()}\n"


def read_checkpoint(text: str) -> Checkpoint:
    """The checkpoint that this note text is.

    Raises:
        EvidenceError: if it is none.
    """
    lines = text.split("\n")
    if len(lines) != 4 or lines[3] or not lines[0] or not _SIZE.fullmatch(lines[1]):  # three lines, each ended
        raise EvidenceError("not a checkpoint: origin, size, root, a line each", code="E124")
    try:
        root = base64.b64decode(lines[2], validate=True)
    except binascii.Error:
        root = b""
    if len(root) != HASH_SIZE or base64.b64encode(root).decode() != lines[2]:
        raise EvidenceError("a checkpoint without a root of 32 bytes", code="E124")
    found = Checkpoint(origin=lines[0], size=int(lines[1]), root=root)
    if found.size == 0 and root != EMPTY_ROOT:
        raise EvidenceError("a checkpoint of nothing with a root of something", code="E124")
    return found


class Group(msgspec.Struct, frozen=True, kw_only=True):
    """Witnesses of whom so many must have signed; a member may be a group (C2SP tlog-policy)."""

    least: int
    members: tuple[Key | Group, ...]

    def has_signed(self, keys: Sequence[Key]) -> bool:
        """Whether these signatures are enough."""
        count = sum(one.has_signed(keys) if isinstance(one, Group) else one in keys for one in self.members)
        return count >= self.least


class Trust(msgspec.Struct, frozen=True, kw_only=True):
    """Whom a verifier believes: the keys of the log, those of witnesses, and how many of these must have signed.

    `rule` says it of groups instead; `named`: a key signs only for the log whose origin is its name, as in a trust policy.
    """

    log: tuple[Key, ...]
    witnesses: tuple[Key, ...] = ()
    quorum: int = 0
    rule: Group | None = None
    named: bool = False

    @property
    def requires(self) -> bool:
        """Whether any witness must have signed."""
        return self.quorum > 0 or self.rule is not None


def trusted(note: Note, trust: Trust, *, origin: str | None = None) -> tuple[Checkpoint, tuple[Verified, ...]]:
    """The checkpoint in this note, signed by the log and by enough witnesses; and who these were.

    Raises:
        EvidenceError: if a signature is wrong, missing, or the origin is another.
    """
    checkpoint, witnesses = signed_by_log(note, trust, origin=origin)
    check_quorum(witnesses, trust)
    return checkpoint, witnesses


def signed_by_log(note: Note, trust: Trust, *, origin: str | None = None) -> tuple[Checkpoint, tuple[Verified, ...]]:
    """The checkpoint in this note, signed by the log, and the witnesses that have signed too, be they enough or not.

    Raises:
        EvidenceError: if a signature is wrong, that of the log is missing, or the origin is another.
    """
    checkpoint = read_checkpoint(note.text)
    if origin is not None and checkpoint.origin != origin:
        raise EvidenceError(f"the checkpoint is of `{checkpoint.origin[:200]}`, not of `{origin[:200]}`", code="E125")
    found = check_note(note, (*trust.log, *trust.witnesses))
    logs = [one.key for one in found if one.key in trust.log and (not trust.named or one.key.name == checkpoint.origin)]
    if not logs:
        raise EvidenceError("the checkpoint is not signed by a key of the log", code="E125")
    return checkpoint, tuple(_by_name([one for one in found if one.key in trust.witnesses]))


def check_quorum(witnesses: Sequence[Verified], trust: Trust) -> None:
    """Returns if these are enough.

    Raises:
        EvidenceError: if they are not.
    """
    if trust.rule is not None and not trust.rule.has_signed([one.key for one in witnesses]):
        raise EvidenceError(f"the {len(witnesses)} witnesses that have signed are no quorum", code="E125")
    if len(witnesses) < trust.quorum:
        raise EvidenceError(f"{len(witnesses)} of {trust.quorum} witnesses have signed", code="E125")


def _by_name(found: Sequence[Verified]) -> list[Verified]:
    """One signature a witness: two keys of one name are one witness."""
    return list({one.key.name: one for one in found}.values())
