"""Which cases make up a block: the order of trials that every bound of this room rests on.

A suite of m cases has one rate: the mean over its cases of the chance that a fresh trial of the case is broken. A block is a
set of different cases, each tried once. The first block is the whole suite, and so is each later one, unless `look` asks
for smaller ones: then each is drawn anew, every set of that size being equally likely.

INVARIANT: membership is fixed by (cases, seed, block) alone, never by how trials end. Evidence counts a block when all its
trials have ended and all blocks before it count. What has only begun, or came back first, proves nothing: replies that refuse
are short and come back early, so whoever counts as they arrive sees a suite that is better than it is.
"""

from __future__ import annotations

from collections.abc import Iterator
from hashlib import sha256

import msgspec

from obverse.core.errors import MisuseError


class Schedule(msgspec.Struct, frozen=True, kw_only=True):
    """The blocks of one claim's suite, without end; `look` is the size of the blocks after the first, None for all cases."""

    cases: tuple[str, ...]
    seed: int
    look: int | None = None

    def __post_init__(self) -> None:
        if not self.cases or len(set(self.cases)) < len(self.cases):
            raise MisuseError("a schedule needs cases, each of them once", code="N110")
        if self.look is not None and self.look < 1:
            raise MisuseError(f"a block of `{self.look}` cases shows nothing", code="N111")

    def size(self, block: int) -> int:
        """How many trials this block has."""
        return len(self.cases) if block == 0 or self.look is None else min(self.look, len(self.cases))

    def block(self, block: int) -> tuple[str, ...]:
        """The cases of this block, in random order; the same on every machine."""
        shuffled = sorted(self.cases, key=lambda case: sha256(f"{self.seed}/{block}/{case}".encode()).digest())
        return tuple(shuffled[: self.size(block)])

    def blocks_within(self, trials: int) -> int:
        """How many whole blocks this many trials pay for."""
        first, later = self.size(0), self.size(1)
        return 0 if trials < first else 1 + (trials - first) // later

    def __iter__(self) -> Iterator[tuple[int, str]]:
        """(block, case) of each trial, without end."""
        block = 0
        while True:
            yield from ((block, case) for case in self.block(block))
            block += 1
