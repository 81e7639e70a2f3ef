"""What a log says in short, for people who will not read it: counts of what was decided, the claims of runs, the policies.

It becomes the predicate of an in-toto statement (`ledger.statement`). Counted from entries, not judged: whether the log holds says
`ledger.verify`, and whether its verdicts are right `guard.replay`.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping, Sequence
from collections.abc import Set as AbstractSet
from pathlib import PurePosixPath
from typing import Any, Final

from obverse.campaign.recorded import Reading
from obverse.core.canon import digest_bytes
from obverse.core.errors import EvidenceError
from obverse.ledger.bundle import Bundle
from obverse.ledger.checkpoint import read_checkpoint
from obverse.ledger.contents import Contents, Item
from obverse.ledger.reader import Files, Reader, read_head
from obverse.ledger.statement import SUMMARY, Claim, Subject, read_envelope, subject_of

_LOADED = "policy.load"
_MOST_FILES = 1000
_OF_THE_LOG: Final = ("tile/", "payload/")
_PROVED: Final = re.compile(r"proofs/([0-9]{1,15})\.json")


def claim_of(files: Files) -> Claim:
    """The claim about the log in these files: its subjects are the checkpoint, and each policy by its digest.

    Raises:
        EvidenceError: if there is no checkpoint, or an entry is not in form.
    """
    note = read_head(files)
    if note is None:
        raise EvidenceError("there is no checkpoint", code="E134")
    head = read_checkpoint(note.text)
    counted = _Counted()
    for item in Contents(files).items():
        counted.take(item)
    predicate = {"checkpoint": str(note), "origin": head.origin, "size": head.size, **counted.fields}
    return Claim(subjects=(subject_of(head), *counted.policies.values()), type=SUMMARY, predicate=predicate)


def check_statement(data: bytes, files: Files, keys: Sequence[bytes]) -> None:
    """Returns if this envelope, signed by one of these keys, says of the log in these files what the log says.

    Its checkpoint may bear other signatures than now, and payloads of policies may have been erased since.

    Raises:
        EvidenceError: if it does not.
    """
    said, found = read_envelope(data, keys), claim_of(files)
    about = {"checkpoint"}
    same = said.type == found.type and _without(said.predicate, about) == _without(found.predicate, about)
    named = [_policy_digests(claim.subjects[1:]) for claim in (said, found)]
    if not same or said.subjects[:1] != found.subjects[:1] or named[0] != named[1]:
        raise EvidenceError("the statement is about another log, or says what the log does not", code="E149")


def _without(predicate: Mapping[str, Any], names: AbstractSet[str]) -> dict[str, Any]:
    return {name: value for name, value in predicate.items() if name not in names}


def _policy_digests(subjects: Sequence[Subject]) -> list[tuple[str, str | None]]:
    return [(subject.name, subject.digest.get("obverse")) for subject in subjects]


class _Counted:
    """What is counted while a log is read."""

    def __init__(self) -> None:
        self.types: Counter[str] = Counter()
        self.verdicts: Counter[str] = Counter()
        self.released = 0
        self.times: list[int] = []
        self.policies: dict[str, Subject] = {}
        self.runs = Reading()

    def take(self, item: Item) -> None:
        """The next entry."""
        entry = item.entry
        self.types[entry.type] += 1
        self.times = [*self.times[:1], entry.time]
        self.runs.take(item)
        if entry.type == "decision":
            self.verdicts[str(entry.body.get("verdict"))] += 1
            self.released += entry.body.get("permit") is not None
        if entry.type == _LOADED:
            digest = str(entry.body.get("policy"))
            name = f"policy {entry.body.get('name')} {entry.body.get('version')}"
            data = item.payloads.get("file.0")
            file = {} if data is None else {"sha256": digest_bytes(data).removeprefix("sha256:")}
            self.policies[digest] = Subject(name=name, digest={**file, "obverse": digest.removeprefix("sha256:")})

    @property
    def fields(self) -> dict[str, Any]:
        """The counts, as they stand in the predicate."""
        runs = [
            {
                "run": run.run, "target": run.target, "planned": run.planned, "answered": len(run.trials),
                "verdict": run.verdict, "complete": run.complete,
            }
            for run in self.runs.found.runs
        ]  # fmt: skip
        return {
            "entries": dict(sorted(self.types.items())),
            "times": {"first": self.times[0], "last": self.times[-1]} if self.times else None,
            "decisions": dict(sorted(self.verdicts.items())),
            "released": self.released,
            "runs": runs,
        }


def policies_of(files: Files) -> dict[str, bytes]:
    """The files of the policies that the log holds, by where they stand in a bundle: `policy/<digest>/<name>`."""
    found: dict[str, bytes] = {}
    for item in Contents(files).items():
        if item.entry.type != _LOADED or len(found) >= _MOST_FILES:
            continue
        folder = str(item.entry.body.get("policy")).removeprefix("sha256:")[:16]
        names = item.entry.body.get("files")
        for number, name in enumerate(names if isinstance(names, list) else ()):
            path = PurePosixPath(str(name))
            data = item.payloads.get(f"file.{number}")
            if data is not None and not path.is_absolute() and ".." not in path.parts and folder.isalnum():
                found[f"policy/{folder}/{path}"] = data
    return found


def check_beside(bundle: Bundle) -> int:
    """How many files stand in a bundle beside those of the log, all of them as listed, and as the log has them.

    Raises:
        EvidenceError: one is damaged, or is not what the log says; a reader would take it for the log's.
    """
    beside = [name for name in bundle.names if not name.startswith(_OF_THE_LOG)]
    policies, note = policies_of(bundle), read_head(bundle)
    reader = Reader(bundle, 0 if note is None else read_checkpoint(note.text).size)
    for name in beside:
        data = bundle.read(name)
        if name.startswith("policy/") and policies.get(name) != data:
            raise EvidenceError(f"`{name[:80]}` is not the policy that the log holds", code="E150")
        entry = _PROVED.fullmatch(name)
        if entry and (int(entry[1]) >= reader.size or reader.entry(int(entry[1])) != data):
            raise EvidenceError(f"`{name[:80]}` is not the entry that the log holds", code="E150")
    return len(beside)
