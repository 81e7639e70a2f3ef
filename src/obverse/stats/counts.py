"""How trials ended: four counts, per case or together. Nothing here divides.

L11: what was not scored and what failed stays in sight. `scored` is what was seen, `trials` is all that was tried, and
`missing` is the difference; no function of this room takes one for the other.
"""

from __future__ import annotations

from collections.abc import Iterable

import msgspec

from obverse.core.errors import MisuseError
from obverse.core.verdicts import Outcome


class Counts(msgspec.Struct, frozen=True, kw_only=True):
    """How many trials were kept, broken, unscored, or ended in an error."""

    kept: int = 0
    broken: int = 0
    unscored: int = 0
    error: int = 0

    def __post_init__(self) -> None:
        if min(self.kept, self.broken, self.unscored, self.error) < 0:
            raise MisuseError(f"a count is below zero: `{self}`", code="N101")

    @property
    def scored(self) -> int:
        return self.kept + self.broken

    @property
    def missing(self) -> int:
        return self.unscored + self.error

    @property
    def trials(self) -> int:
        return self.scored + self.missing

    @property
    def at_worst(self) -> int:
        """How many would be broken if everything that was not scored were."""
        return self.broken + self.missing

    def __add__(self, other: Counts) -> Counts:
        return Counts(
            kept=self.kept + other.kept,
            broken=self.broken + other.broken,
            unscored=self.unscored + other.unscored,
            error=self.error + other.error,
        )

    @staticmethod
    def of(outcomes: Iterable[Outcome]) -> Counts:
        """The counts of these outcomes."""
        number = dict.fromkeys(Outcome, 0)
        for outcome in outcomes:
            number[outcome] += 1
        return Counts(
            kept=number[Outcome.KEPT],
            broken=number[Outcome.BROKEN],
            unscored=number[Outcome.UNSCORED],
            error=number[Outcome.ERROR],
        )


class Cluster(msgspec.Struct, frozen=True, kw_only=True):
    """The trials of one case. They share the case, so they are not independent of it: the case is the unit."""

    case: str
    counts: Counts


def together(clusters: Iterable[Cluster]) -> Counts:
    """The counts over all cases.

    Raises:
        MisuseError: when a case comes twice; its trials would be taken for those of two cases.
    """
    total, seen = Counts(), set[str]()
    for cluster in clusters:
        if cluster.case in seen:
            raise MisuseError(
                f"the case `{cluster.case}` comes twice", code="N102", hint="add up the counts of a case first"
            )
        seen.add(cluster.case)
        total += cluster.counts
    return total
