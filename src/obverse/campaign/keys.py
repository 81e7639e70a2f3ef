"""What names a trial: the content key that the journal holds it by, and the seed that it is sampled with."""

from __future__ import annotations

from collections.abc import Sequence

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


def key_of(case: Case, round_: int, *, fingerprint: str, sampling: Sampling, mode: Mode, judges: Sequence[str]) -> str:
    """The content key of a trial: all that its answer and its outcome depend on."""
    content = {"case": case.content, "round": round_, "target": fingerprint, "mode": mode, "judges": list(judges)}
    settings = [str(sampling.temperature), sampling.max_tokens, sampling.seed]
    return digest({**content, "sampling": settings}).removeprefix("sha256:")[:24]


def seed_of(seed: int, planned: Planned) -> int:
    """The sampling seed of one trial: 31 bits that differ between cases and rounds."""
    return int(digest({"seed": seed, "case": planned.case, "round": planned.round})[7:15], 16) & 0x7FFF_FFFF
