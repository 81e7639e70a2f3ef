"""What a stability run stands on: the plan that was fixed first, and what is kept beside it so that a reader needs nothing else."""

from __future__ import annotations

from typing import Any

import msgspec

from obverse.core.canon import digest
from obverse.stability.findings import JudgeNote
from obverse.stability.records import Ladder, Prompt, Settings


class StabilityPlan(msgspec.Struct, frozen=True, kw_only=True):
    """Everything that is fixed before the first draw (L18). Its digest names the run; a resumed run must have the same.

    `asked` and `ladders` are digests of the prompts and of their rungs, after the round trips. `base_draws` and `rung_draws` are how many
    are made at most. Caps are not part of it: they end a start of a run, and never turn what was found.
    """

    policy: str
    policy_name: str
    policy_version: str
    target: str
    fingerprint: str
    settings: Settings
    asked: str
    ladders: str
    prompts: int
    points: int
    rejected: int
    base_draws: int
    rung_draws: int
    judges: tuple[str, ...]
    rewriter: str = ""
    stopping: str = ""

    @property
    def draws(self) -> int:
        """How many draws are made at most."""
        return self.base_draws + self.rung_draws

    @property
    def digest(self) -> str:
        """What names the run. Numbers that are not whole stand in it as text."""
        return digest(exact(msgspec.to_builtins(self)))


class Standing(msgspec.Struct, frozen=True, kw_only=True):
    """What a run is kept with, beside its plan: enough to compute everything again from the folder."""

    schema: str = "obverse.stability.run/1"
    prompts: tuple[Prompt, ...]
    ladders: tuple[Ladder, ...]
    judges: tuple[JudgeNote, ...] = ()
    notes: tuple[str, ...] = ()
    command: str = ""


class Ending(msgspec.Struct, frozen=True, kw_only=True):
    """How the last start of a run ended; absent while one is under way or after a kill."""

    why: str
    complete: bool
    started: str
    seconds: float


def exact(value: Any) -> Any:
    """Plain values with each float as its shortest text: what has a float has no canonical form."""
    if isinstance(value, float):
        return {"float": repr(value)}
    if isinstance(value, dict):
        return {key: exact(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [exact(item) for item in value]
    return value
