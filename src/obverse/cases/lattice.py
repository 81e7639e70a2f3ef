"""Which level of obligations implies which: the partial order of coverage, as data.

`MCDC` above `CONDITION` says: cases that meet every MC/DC obligation of a rule meet all its condition obligations as well, under
what stands in `given`. Every arrow is tried as a law on suites and on parts of suites (`tests/laws/test_lattice_laws.py`); where
nothing is claimed, nothing follows. `order` and `t-way` stand alone: neither implies the other levels nor is implied by them.
"""

from __future__ import annotations

from typing import Final

import msgspec

from obverse.cases.records import Level


class Arrow(msgspec.Struct, frozen=True, kw_only=True):
    """All of `upper` met implies all of `lower` met, rule by rule, `given` what is said there."""

    upper: Level
    lower: Level
    given: str


_UNIQUE: Final = "each by unique cause, for a rule that blocks and has a condition"

ARROWS: Final[tuple[Arrow, ...]] = (
    Arrow(upper=Level.RULE, lower=Level.CLAUSE, given="for a clause with a rule"),
    Arrow(upper=Level.TWIN, lower=Level.RULE, given="for a rule that blocks"),
    Arrow(upper=Level.PAIR, lower=Level.RULE, given="for a rule that meets another"),
    Arrow(upper=Level.BOUNDARY, lower=Level.TWIN, given="each by unique cause, for a rule that blocks and has an edge"),
    Arrow(upper=Level.EXCEPTION, lower=Level.TWIN, given="each by unique cause, for a rule with an exception"),
    Arrow(upper=Level.MCDC, lower=Level.CONDITION, given=_UNIQUE),
    Arrow(upper=Level.MCDC, lower=Level.TWIN, given=_UNIQUE),
    Arrow(
        upper=Level.MCDC, lower=Level.EXCEPTION,
        given=f"{_UNIQUE}; no condition of a way out stands in another one or in the `when`",
    ),
)  # fmt: skip
"""Those that follow for some rules only through others are drawn as well: a rule need not have an exception."""


def implied(level: Level) -> frozenset[Level]:
    """The levels that follow from this one, itself included."""
    found = {level}
    for arrow in sorted(ARROWS, key=lambda arrow: _height(arrow.upper), reverse=True):
        if arrow.upper in found:
            found.add(arrow.lower)
    return frozenset(found)


def highest() -> tuple[Level, ...]:
    """The levels that follow from no other: a suite that meets these meets all."""
    lower = {arrow.lower for arrow in ARROWS}
    return tuple(level for level in Level if level not in lower and level is not Level.MUTANT)


def _height(level: Level) -> int:
    return 1 + max((_height(arrow.lower) for arrow in ARROWS if arrow.upper is level), default=0)
