"""`SimClock`: time that passes only when everybody waits. What takes an hour takes no time, and always the same hour.

Not the clock of the event loop: only who asks this clock is fooled. Work in threads takes real time, which does not count here.
"""

from __future__ import annotations

import asyncio
import heapq
import itertools
from typing import Final

_TURNS: Final = 20
"""How often others may go on before time moves: enough for a chain of callbacks to run dry."""


class SimClock:
    """Seconds from `start`; `sleep` returns when the time has come, and time comes when all who could act have acted."""

    def __init__(self, start: float = 0.0) -> None:
        self._now = start
        self._sleepers: list[tuple[float, int]] = []
        self._number = itertools.count()
        self._changes = 0  # how often somebody lay down, woke up or asked

    def now(self) -> float:
        """The time. Who asks is about to act on the answer, so it stands still until that is done."""
        self._changes += 1
        return self._now

    def move(self, seconds: float) -> None:
        """Let time pass."""
        self._now += seconds

    async def sleep(self, seconds: float) -> None:
        """Wait so long. Who sleeps shortest wakes first, and moves the time to where it wakes."""
        mine = (self._now + max(seconds, 0.0), next(self._number))
        heapq.heappush(self._sleepers, mine)
        self._changes += 1
        try:
            while self._now < mine[0]:
                before = self._changes
                for _ in range(_TURNS):
                    await asyncio.sleep(0)
                if before == self._changes and self._sleepers[0] == mine:
                    self._now = max(self._now, mine[0])
        finally:
            self._sleepers.remove(mine)
            heapq.heapify(self._sleepers)
            self._changes += 1
