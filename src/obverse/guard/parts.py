"""What all sessions of one guard share. It holds no session and decides nothing."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from obverse.guard.ports import Clock, Fresh, Grants, People, Recorder
from obverse.guard.settings import Settings
from obverse.policy.checked import Checked
from obverse.policy.monitor import Monitor

if TYPE_CHECKING:
    from obverse.guard.judging import Judging


@dataclass(frozen=True, kw_only=True)
class Parts:
    """The policy and the ports."""

    guard: str
    checked: Checked
    watch: Callable[[], Monitor]
    recorder: Recorder
    clock: Clock
    steady: Clock
    fresh: Fresh
    judging: Judging | None
    people: People | None
    grants: Grants | None
    settings: Settings

    def name(self) -> str:
        """An id that nobody can guess."""
        return self.fresh(16).hex()
