"""`verify`: does the evidence hold? Every check by name, each with what it found, and the list of what none of them proves.

Streams: bundle by bundle, so that a log of millions takes the memory of one bundle and of the hashes above it. A check that
could not be made is `not checked`, never `holds`. L15: a flipped byte, a dropped tail, a changed order, a forked history fails.
"""

from __future__ import annotations

import io
from collections.abc import Callable, Iterator, Sequence
from typing import TypeAlias

import msgspec

from obverse.core.errors import EvidenceError
from obverse.ledger.checkpoint import Checkpoint, Trust, check_quorum, read_checkpoint, signed_by_log
from obverse.ledger.entries import Entry, read_entry
from obverse.ledger.journal import check_seal, frames_of, scan
from obverse.ledger.looks import Check, Outcome, PayloadsLook, Rows, Times
from obverse.ledger.merkle import Frontier, check_consistency, consistency_proof, leaf_hash
from obverse.ledger.note import Key, Note, Verified, read_note
from obverse.ledger.reader import Files, Reader, held, read_head
from obverse.ledger.rotation import Rotated, successors
from obverse.ledger.tiles import COSIGNED, JOURNALS, WIDTH

Told: TypeAlias = Callable[[int, int], None]
"""How many entries were looked at, of how many; called once a bundle."""


class Verification(msgspec.Struct, frozen=True, kw_only=True):
    """Everything that was checked of a log. `head` is None where not even a checkpoint could be read."""

    head: Checkpoint | None
    checks: tuple[Check, ...]
    witnesses: tuple[Verified, ...] = ()
    pending: int = 0

    @property
    def outcome(self) -> Outcome:
        """`fails` if anything fails, `not checked` if nobody vouches for the checkpoint, else `holds`."""
        outcomes = {check.outcome for check in self.checks}
        if "fails" in outcomes:
            return "fails"
        signed = next((check for check in self.checks if check.name == "checkpoint"), None)
        return "holds" if signed is not None and signed.outcome == "holds" else "not checked"

    @property
    def not_proved(self) -> tuple[str, ...]:
        """What a reader must not conclude from this."""
        return tuple(_not_proved(self))


def verify(
    files: Files,
    trust: Trust | None,
    *,
    origin: str | None = None,
    older: Sequence[Note] = (),
    told: Told = lambda _done, _all: None,
) -> Verification:
    """The log in these files, checked from its checkpoint down to its last byte.

    Without `trust` nobody vouches for the checkpoint and the outcome is `not checked` at best. `older` are checkpoints that
    the reader kept: each must be a beginning of this log.
    """
    checks: list[Check] = []
    try:
        files = held(files)
        note = read_head(files)
        if note is None:
            raise EvidenceError("there is no checkpoint", code="E134")
        rotated = None if trust is None else successors(files, read_checkpoint(note.text).size, trust)
        head, witnesses = _head(note, rotated, origin, checks)
    except EvidenceError as error:
        return Verification(head=None, checks=(*checks, Check(name="checkpoint", outcome="fails", found=error.message)))
    reader = Reader(files, head.size)
    if rotated is not None:
        trust = rotated.trust
        checks += [_beginning(kept, head, reader, trust, "rotation") for kept in rotated.notes]
        witnesses, check = _witnesses(files, reader, head, witnesses, trust)
        checks.append(check)
    pending, journal = _journal(files, reader, head, trust)
    checks += _contents(files, reader, head, pending, told)
    checks += [_beginning(kept, head, reader, trust) for kept in older]
    checks.append(journal)
    return Verification(head=head, checks=tuple(checks), witnesses=witnesses, pending=pending)


def _head(
    note: Note, rotated: Rotated | None, origin: str | None, checks: list[Check]
) -> tuple[Checkpoint, tuple[Verified, ...]]:
    """The checkpoint, signed by a key that is not replaced, and which witnesses have signed it."""
    if rotated is None:
        head = read_checkpoint(note.text)
        found = f"{head.size:,} entries of `{head.origin}`, signed by whom we do not know"
        checks.append(Check(name="checkpoint", outcome="not checked", found=found))
        return head, ()
    last = bool(rotated.notes) and rotated.notes[-1].text == note.text  # the one that both keys sign
    head, witnesses = signed_by_log(note, rotated.trust if last else rotated.now, origin=origin)
    found = f"{head.size:,} entries of `{head.origin}`, signed by a key of the log"
    checks.append(Check(name="checkpoint", outcome="holds", found=found))
    checks += [Check(name="rotation", outcome="holds", found=line) for line in rotated.said]
    return head, witnesses


def _witnesses(
    files: Files, reader: Reader, head: Checkpoint, witnesses: tuple[Verified, ...], trust: Trust
) -> tuple[tuple[Verified, ...], Check]:
    """Whether enough have signed this checkpoint, or one that is its beginning: a log grows while witnesses sign."""
    size = head.size
    try:
        try:
            check_quorum(witnesses, trust)
        except EvidenceError:
            size, witnesses = _cosigned(files, reader, head, trust)
        if not witnesses and trust.witnesses and not trust.requires:
            size, witnesses = _cosigned(files, reader, head, trust)
    except EvidenceError as error:
        return (), Check(name="witnesses", outcome="fails", found=error.message)
    names = ", ".join(f"`{one.key.name}`" for one in witnesses)
    if not witnesses:
        found = "no witness is known to have seen this checkpoint"
        return (), Check(name="witnesses", outcome="not checked", found=found)
    where = "" if size == head.size else f" when it had {size:,} entries; no witness has seen the rest"
    return witnesses, Check(name="witnesses", outcome="holds", found=f"cosigned by {names}{where}")


def _cosigned(files: Files, reader: Reader, head: Checkpoint, trust: Trust) -> tuple[int, tuple[Verified, ...]]:
    """The newest checkpoint that witnesses signed: how many entries it has, and who they were."""
    data = files.read(COSIGNED)
    if data is None:
        check_quorum((), trust)
        return head.size, ()
    note = read_note(data)
    old, witnesses = signed_by_log(note, trust, origin=head.origin)
    check_quorum(witnesses, trust)
    check_beginning(old, head, reader)
    return old.size, witnesses


# --- what is in it --------------------------------------------------------------------------------------------------------


def _contents(files: Files, reader: Reader, head: Checkpoint, pending: int, told: Told) -> Iterator[Check]:
    """The tree, the form of the entries, the order of their times, and the payloads that they commit to: one reading."""
    rows, times, payloads = Rows(files), Times(), PayloadsLook(files, range(head.size, head.size + pending))
    malformed: EvidenceError | None = None
    try:
        for start in range(0, head.size, WIDTH):
            bundle: list[Entry] = []
            for data in reader.entries(start, min(start + WIDTH, head.size)):
                rows.add(leaf_hash(data))
                try:
                    bundle.append(read_entry(data))
                except EvidenceError as error:
                    malformed = malformed or error
            if malformed is None:
                times.add(start, bundle)
                payloads.add(start, bundle)
            told(min(start + WIDTH, head.size), head.size)
        rows.end()
        if Frontier.of(head.size, reader.hashes).root() != head.root:
            raise EvidenceError("the entries do not have the root that was signed", code="E136")
    except EvidenceError as error:
        yield Check(name="tree", outcome="fails", found=error.message)
        return
    found = f"{head.size:,} entries and {rows.compared:,} tiles have the root that was signed"
    yield Check(name="tree", outcome="holds", found=found)
    if malformed is not None:
        yield Check(name="entries", outcome="fails", found=malformed.message)
        return
    yield Check(name="entries", outcome="holds", found=f"{reader.size:,} entries are in canonical form")
    yield times.check
    yield payloads.check


# --- around it ------------------------------------------------------------------------------------------------------------


def check_beginning(old: Checkpoint, head: Checkpoint, reader: Reader) -> None:
    """Returns if the log of the older checkpoint is the beginning of this one.

    Raises:
        EvidenceError: if it is not.
    """
    if old.origin != head.origin:
        raise EvidenceError(f"the older checkpoint is of `{old.origin}`", code="E125")
    if old.size > head.size:
        raise EvidenceError(f"the log had {old.size:,} entries and has {head.size:,}: its tail is gone", code="E137")
    proof = consistency_proof(old.size, head.size, reader.hashes) if old.size else ()
    check_consistency(old.size, old.root, head.size, head.root, proof)


def _beginning(
    kept: Note, head: Checkpoint, reader: Reader, trust: Trust | None, name: str = "older checkpoint"
) -> Check:
    """That a checkpoint that somebody kept is a beginning of this log."""
    try:
        old = read_checkpoint(kept.text) if trust is None else signed_by_log(kept, trust, origin=head.origin)[0]
        check_beginning(old, head, reader)
    except EvidenceError as error:
        return Check(name=name, outcome="fails", found=error.message)
    return Check(name=name, outcome="holds", found=f"the log of {old.size:,} entries is the beginning of this one")


def _journal(files: Files, reader: Reader, head: Checkpoint, trust: Trust | None) -> tuple[int, Check]:
    """What was recorded since the checkpoint: durable, and not yet proved by anything but the log's seal."""
    halves = [data for data in map(files.read, JOURNALS) if data is not None]
    if not halves:
        return 0, Check(name="journal", outcome="not checked", found="there is none, as in a bundle")
    keys = () if trust is None else tuple(key for key in trust.log if key.algorithm == "ed25519")
    try:
        end, torn = head.size, 0
        for data in sorted(halves, key=lambda data: scan(io.BytesIO(data)).first):
            found = scan(io.BytesIO(data))
            torn += found.torn
            if found.count and found.first > end:
                raise EvidenceError(f"entries {end:,} to {found.first:,} are nowhere", code="E132")
            _compare_journal(data, reader, head, keys)
            end = max(end, found.first + found.count)
    except EvidenceError as error:
        return 0, Check(name="journal", outcome="fails", found=error.message)
    pending = end - head.size
    if torn:
        found_text = f"{torn:,} bytes at its end are no whole record: never promised to anybody, or damaged"
        return pending, Check(name="journal", outcome="not checked", found=found_text)
    said = f"{pending:,} entries since the checkpoint are recorded and under no checkpoint yet"
    return pending, Check(name="journal", outcome="holds", found=said if pending else "nothing waits for a checkpoint")


def _compare_journal(data: bytes, reader: Reader, head: Checkpoint, keys: Sequence[Key]) -> None:
    for frame, _ in frames_of(io.BytesIO(data)):
        check_seal(frame, head.origin, keys)
        for index, record in enumerate(frame.records, frame.first):
            if index < head.size and reader.entry(index) != record.entry:
                raise EvidenceError(f"entry {index} is another in the journal than in the log", code="E132")
            read_entry(record.entry)


def _not_proved(found: Verification) -> Iterator[str]:
    if not found.witnesses:
        yield "that other readers were shown the same log: no witness has signed, so the owner of the key can keep two"
    yield "that everything that happened was recorded: a log shows what is in it, not what was kept out of it"
    yield "that the clock was right: times are the writer's own" + (
        ", bounded by those of witnesses" if found.witnesses else ""
    )
    yield "that a decision was right: only that it was recorded then and not changed since"
    if found.pending:
        yield f"that the newest {found.pending:,} entries stay: no checkpoint covers them yet"


def read_older(data: bytes) -> Note:
    """A checkpoint that somebody kept, as a note.

    Raises:
        EvidenceError: if it is none.
    """
    note = read_note(data)
    read_checkpoint(note.text)
    return note
