"""The records of mutation: mutants, what became of each, and the score. Plain data; a mutant carries its rules, so whoever has
the policy has the mutated one.
"""

from __future__ import annotations

import enum

import msgspec

from obverse.core.errors import Span
from obverse.core.verdicts import Verdict
from obverse.policy.checked import Checked, CheckedRule
from obverse.solver.answers import Scenario
from obverse.solver.findings import Solver


class State(enum.StrEnum):
    """What is known of a mutant; never a bool."""

    KILLED = "killed"
    """A case of the suite expects another verdict than the mutant gives."""
    EQUIVALENT = "equivalent"
    """The solver proved, within its bound, that it decides everything as the policy does."""
    ALIVE = "alive"
    """No case kills it, and a scenario is known, or may exist, that would."""
    UNDECIDED = "undecided"
    """No case kills it, and the solver neither found a scenario nor proved that there is none."""


class Mutant(msgspec.Struct, frozen=True, kw_only=True):
    """The policy with one fault in it. `before` and `after` are the part that was changed, as its author would write it.

    `rule` is the rule or definition (`let NAME`) that holds the fault, `at` where it stands. `replaced` are all rules that mean
    something else by it, as they are in the mutant; `dropped` are the ids of those that are not there any more.
    """

    id: str
    operator: str
    clause: str
    rule: str
    before: str
    after: str
    at: Span | None = None
    replaced: tuple[CheckedRule, ...] = ()
    dropped: tuple[str, ...] = ()

    @property
    def touched(self) -> tuple[str, ...]:
        """The ids of the rules that differ."""
        return (*(rule.id for rule in self.replaced), *self.dropped)

    def of(self, checked: Checked) -> Checked:
        """The mutated policy: well typed, with a name of its own."""
        new = {rule.id: rule for rule in self.replaced}
        rules = tuple(new.get(rule.id, rule) for rule in checked.rules if rule.id not in self.dropped)
        return msgspec.structs.replace(checked, rules=rules, digest=f"{checked.digest} {self.id}")


class Proof(msgspec.Struct, frozen=True, kw_only=True):
    """That a mutant is equivalent: who proved it, and how far the proof reaches."""

    mutant: str
    bound: str
    unbounded: bool
    solver: Solver


class Doubt(msgspec.Struct, frozen=True, kw_only=True):
    """That the solver did not settle a mutant, and why."""

    mutant: str
    reason: str


class Difference(msgspec.Struct, frozen=True, kw_only=True):
    """A scenario on which a mutant decides otherwise: what would kill it."""

    mutant: str
    scenario: Scenario
    expected: Verdict
    given: Verdict


class Fate(msgspec.Struct, frozen=True, kw_only=True):
    """What became of one mutant. `killers` expect another verdict, `noticers` the same verdict by other clauses (weak kill)."""

    mutant: str
    operator: str
    clause: str
    rule: str
    before: str
    after: str
    at: Span | None = None
    state: State
    killers: tuple[str, ...] = ()
    noticers: tuple[str, ...] = ()
    reason: str = ""


class Tally(msgspec.Struct, frozen=True, kw_only=True):
    """How many mutants were killed, proved equivalent, are alive, or undecided."""

    killed: int = 0
    equivalent: int = 0
    alive: int = 0
    undecided: int = 0

    def __add__(self, other: Tally) -> Tally:
        return Tally(
            killed=self.killed + other.killed, equivalent=self.equivalent + other.equivalent,
            alive=self.alive + other.alive, undecided=self.undecided + other.undecided,
        )  # fmt: skip

    @property
    def settled(self) -> bool:
        """Whether every mutant is killed or proved equivalent."""
        return not self.alive and not self.undecided

    @property
    def share(self) -> tuple[int, int]:
        """Killed, and how many could be: all that are not proved equivalent. No number where there is none."""
        return self.killed, self.killed + self.alive + self.undecided


class MutationScore(msgspec.Struct, frozen=True, kw_only=True):
    """What a suite notices. `fates` in the order of the policy; `cases` is how many cases were scored."""

    policy: str
    cases: int
    total: Tally
    operators: dict[str, Tally]
    fates: tuple[Fate, ...]

    @property
    def killed_by(self) -> dict[str, tuple[str, ...]]:
        """The matrix from its other side: for each case that kills something, which mutants."""
        found: dict[str, list[str]] = {}
        for fate in self.fates:
            for case in fate.killers:
                found.setdefault(case, []).append(fate.mutant)
        return {case: tuple(mutants) for case, mutants in found.items()}


class Chosen(msgspec.Struct, frozen=True, kw_only=True):
    """A small suite that kills what the whole one kills, and how small one could be.

    `least` is the least number of cases *of the pool* that kills as much: exact, or a lower bound. `apart` bounds every suite
    whatever its cases: so many mutants of which no two differ from the policy on one step, as the solver proved.
    """

    cases: tuple[str, ...]
    pool: int
    least: int
    exact: bool
    apart: int | None = None
