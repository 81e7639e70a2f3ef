"""A small suite: the fewest cases of a pool that kill all that the whole pool kills, and how few any suite could do with.

Two bounds, which say different things. `least` is the minimum over the *pool*: other cases than these might do with fewer.
`apart` holds for every suite: mutants of which no two can be told from the policy on one step. Such pairs are proved: they
speak of different steps; or one gives its verdict where a rule is silent that must speak for the other; or the solver finds no
step, with all that may be unknown in it, at which both could differ (so the proof reaches as far as its bound, as all do here).
It is a clique found greedily, so it may be too low, never too high.
"""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from obverse.cases.minimise import minimise
from obverse.cases.mutation.records import Chosen, Mutant, MutationScore
from obverse.cases.mutation.ways import Way, Ways
from obverse.policy.checked import Checked
from obverse.solver.answers import Act, Goal, Impossible
from obverse.solver.find import Finder
from obverse.solver.settings import Settings as SolverSettings

MOST_QUESTIONS = 4_000
"""Bites on large policies: so many pairs are asked about; the bound is then that of the pairs before."""


def choose(score: MutationScore, *, apart: int | None = None) -> Chosen:
    """The fewest of the scored cases that kill every mutant that the whole suite kills."""
    small = minimise({case: frozenset(mutants) for case, mutants in score.killed_by.items()})
    return Chosen(cases=small.chosen, pool=score.cases, least=small.lower_bound, exact=small.exact, apart=apart)


def apart(
    checked: Checked,
    mutants: Sequence[Mutant],
    score: MutationScore,
    *,
    settings: SolverSettings | None = None,
    most: int = MOST_QUESTIONS,
) -> tuple[str, ...]:
    """Killed mutants, as many as were found, of which no case whatever can kill two."""
    by_id = {mutant.id: mutant for mutant in mutants}
    killers = {fate.mutant: frozenset(fate.killers) for fate in score.fates if fate.killers}
    pairs = _Pairs(checked, settings or SolverSettings(), most)
    clique: list[Mutant] = []
    for name in sorted(killers, key=lambda name: len(killers[name])):
        if not any(killers[name] & killers[other.id] for other in clique) and pairs.exclude(by_id[name], clique):
            clique.append(by_id[name])
    return tuple(mutant.id for mutant in clique)


class _Pairs:
    """Whether two mutants can differ from the policy on one step."""

    def __init__(self, checked: Checked, settings: SolverSettings, most: int) -> None:
        self.ways = Ways(checked)
        self.finder = Finder(checked, msgspec.structs.replace(settings, tidiness=1))  # nobody reads these scenarios
        self.permits_matter = checked.default.replies == "deny"
        self.left = most

    def exclude(self, mutant: Mutant, others: Sequence[Mutant]) -> bool:
        """Whether it is proved that this one and any of the others never differ together."""
        return all(self._excludes(mutant, other) for other in others)

    def _excludes(self, one: Mutant, other: Mutant) -> bool:
        first, second = self.ways.of(one), self.ways.of(other)
        return all(
            self._impossible(act, left, right)
            for act in first
            for left in first[act]
            for right in second.get(act, ())
        )  # fmt: skip

    def _impossible(self, act: Act, one: Way, other: Way) -> bool:
        if act.kind == "reply" and self.permits_matter:
            return False  # there a permit lifts the default: rules are not all that speaks
        if one.excludes(other):
            return True
        if self.left <= 0:
            return False
        self.left -= 1
        wishes = tuple(dict.fromkeys((*one.silences, *other.silences)))
        goal = Goal(head=act, wishes=wishes, possible=(one.speaks.fires, other.speaks.fires), incomplete=True)
        return isinstance(self.finder.find(goal), Impossible)
