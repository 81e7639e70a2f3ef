"""What names a trial: the content key that the journal holds it by, and the seed that it is sampled with."""

from __future__ import annotations

from collections.abc import Sequence
from hashlib import sha256

import msgspec

from obverse.campaign.records import Mode
from obverse.cases.records import Case
from obverse.core.canon import digest
from obverse.core.chat import Sampling


class Planned(msgspec.Struct, frozen=True):
    """One trial of the plan: its content key, its case, its round."""

    key: str
    case: str
    round: int


class Keys:
    """The content keys of one plan: all that an answer and its outcome depend on.

    What all trials share, and the content of each case, is digested once; a trial then costs one short hash.
    """

    def __init__(
        self, cases: Sequence[Case], *, fingerprint: str, sampling: Sampling, mode: Mode, judges: Sequence[str]
    ) -> None:
        settings = [str(sampling.temperature), sampling.max_tokens, sampling.seed]
        self._shared = digest({"target": fingerprint, "mode": mode, "judges": list(judges), "sampling": settings})
        self._content = {case.id: case.content for case in cases}

    def planned(self, case: str, round_: int) -> Planned:
        """The trial of this case in this round."""
        named = f"{self._shared}/{self._content[case]}/{round_}"
        return Planned(sha256(named.encode()).hexdigest()[:24], case, round_)


def seed_of(seed: int, planned: Planned) -> int:
    """The sampling seed of one trial: 31 bits that differ between cases and rounds."""
    drawn = sha256(f"{seed}/{planned.case}/{planned.round}".encode()).digest()
    return int.from_bytes(drawn[:4], "big") & 0x7FFF_FFFF
