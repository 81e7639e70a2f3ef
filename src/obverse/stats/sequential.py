"""`SequentialClaim`: one claim that is fed trial by trial and may be settled, or dropped, at any time.

A trial counts when its block is complete and all blocks before it are (`schedule` says why). Of what counts, four integers
are the whole state, since the evidence is a function of them: a resumed claim cannot differ from one that went on, and a
stranger recomputes it from the counts. Law L10: true at whatever moment one stops. Not a runner: it does not choose trials.
"""

from __future__ import annotations

import msgspec

from obverse.core.errors import MisuseError
from obverse.core.verdicts import Outcome
from obverse.stats.claims import ClaimSpec, Evidence, Standing, weigh_counts, weigh_evidence
from obverse.stats.counts import Counts
from obverse.stats.schedule import Schedule


class Begun(msgspec.Struct, frozen=True, kw_only=True):
    """A block of which some trials have ended, or that waits for one before it."""

    block: int
    counts: Counts


class SequentialState(msgspec.Struct, frozen=True, kw_only=True):
    """All that a claim must remember: whole blocks, their counts, and what has only begun."""

    blocks: int = 0
    counts: Counts = Counts()
    begun: tuple[Begun, ...] = ()


class SequentialClaim:
    """The evidence for one claim over one schedule; `evidence` is that of now, valid under any stopping rule."""

    def __init__(self, spec: ClaimSpec, schedule: Schedule, *, state: SequentialState | None = None) -> None:
        if spec.population != "suite":
            raise MisuseError("a schedule runs a suite; a claim over drawn cases is weighed by `weigh`", code="N160")
        state = state or SequentialState()
        self.spec = spec
        self.schedule = schedule
        self._blocks = state.blocks
        self._counts = state.counts
        self._begun = {begun.block: _tally(begun.counts) for begun in state.begun}
        self.evidence = weigh_evidence(spec, self._counts, method="anytime")

    @property
    def state(self) -> SequentialState:
        """What to write down so that the claim can go on later: `SequentialClaim(spec, schedule, state=…)`."""
        begun = (Begun(block=block, counts=_counted(tally)) for block, tally in sorted(self._begun.items()))
        return SequentialState(blocks=self._blocks, counts=self._counts, begun=tuple(begun))

    @property
    def blocks(self) -> int:
        """How many blocks count; the next one is the first that does not."""
        return self._blocks

    def observe(self, block: int, outcome: Outcome) -> Evidence:
        """The evidence after one more trial of this block; it moves only when a block is complete.

        Raises:
            MisuseError: for a trial that the block has no room for: it was told twice, or is not of the schedule.
        """
        tally = self._begun.setdefault(block, dict.fromkeys(Outcome, 0))
        if block < self._blocks or sum(tally.values()) >= self.schedule.size(block):
            if not any(tally.values()):
                del self._begun[block]
            raise MisuseError(f"block `{block}` is complete", code="N161", hint="was a trial told twice?")
        tally[outcome] += 1
        if block == self._blocks and self._take_complete_blocks():
            self.evidence = weigh_evidence(self.spec, self._counts, method="anytime")
        return self.evidence

    def standing(self) -> Standing:
        """What the complete blocks say, with an interval: for reports and `settle`; some milliseconds."""
        return weigh_counts(
            self.spec,
            self._counts,
            cases=len(self.schedule.cases),
            method="anytime",
            seed=self.schedule.seed,
            unfinished=sum((_counted(tally) for tally in self._begun.values()), Counts()),
        )

    def _take_complete_blocks(self) -> bool:
        before = self._blocks
        while sum(self._begun.get(self._blocks, {}).values()) == self.schedule.size(self._blocks):
            self._counts += _counted(self._begun.pop(self._blocks))
            self._blocks += 1
        return self._blocks > before


def _tally(counts: Counts) -> dict[Outcome, int]:
    return {
        Outcome.KEPT: counts.kept,
        Outcome.BROKEN: counts.broken,
        Outcome.UNSCORED: counts.unscored,
        Outcome.ERROR: counts.error,
    }


def _counted(tally: dict[Outcome, int]) -> Counts:
    return Counts(
        kept=tally[Outcome.KEPT],
        broken=tally[Outcome.BROKEN],
        unscored=tally[Outcome.UNSCORED],
        error=tally[Outcome.ERROR],
    )
