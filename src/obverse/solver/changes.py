"""What `compare` returns: records only. Every `Change` was replayed through both policies (L06)."""

from __future__ import annotations

from typing import Final, Literal, TypeAlias

import msgspec

from obverse.core.verdicts import Truth, Verdict
from obverse.solver.answers import Act, Scenario
from obverse.solver.findings import Solver

Which: TypeAlias = Literal["old", "new"]
Kind: TypeAlias = Literal["newly allowed", "newly warned", "newly asked", "newly denied", "newly stopped"]

_KINDS: Final[dict[Verdict, Kind]] = {
    Verdict.ALLOW: "newly allowed",
    Verdict.WARN: "newly warned",
    Verdict.ASK: "newly asked",
    Verdict.DENY: "newly denied",
    Verdict.STOP: "newly stopped",
}


class RuleOf(msgspec.Struct, frozen=True, kw_only=True):
    """A rule of one of the two policies; a default of the front matter goes by `@calls`, `@arguments` or `@replies`."""

    of: Which
    rule: str
    clause: str


class Change(msgspec.Struct, frozen=True, kw_only=True):
    """A scenario on which the two policies decide differently, and the rules behind it that are not in both."""

    act: Act
    old: Verdict
    new: Verdict
    scenario: Scenario
    rules: tuple[RuleOf, ...]

    @property
    def kind(self) -> Kind:
        """What the new policy does that the old one did not."""
        return _KINDS[self.new]

    @property
    def loosens(self) -> bool:
        """Whether the new verdict is the milder one."""
        return self.new.strictness < self.old.strictness


class Unsettled(msgspec.Struct, frozen=True, kw_only=True):
    """What could not be compared: a rule that is not in both policies, at this act, and why."""

    act: Act
    rules: tuple[RuleOf, ...]
    reason: str


class Comparison(msgspec.Struct, frozen=True, kw_only=True):
    """All that was found to differ, and what stayed open. `bound` is how far the proofs reach; `unbounded`: everywhere."""

    changes: tuple[Change, ...]
    undecided: tuple[Unsettled, ...]
    bound: str
    unbounded: bool
    queries: int
    solver: Solver

    @property
    def same(self) -> Truth:
        """TRUE only if every question was answered by a proof; FALSE if something differs."""
        if self.changes:
            return Truth.FALSE
        return Truth.UNKNOWN if self.undecided else Truth.TRUE
