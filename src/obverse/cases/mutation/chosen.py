"""A small suite: the fewest cases of a pool that kill all that the whole pool kills, and how few any suite could do with.

Two bounds, which say different things. `least` is the minimum over the *pool*: other cases than these might do with fewer.
`apart` holds for every suite: mutants of which no two can be told from the policy on one step. Such pairs are proved: they
speak of different steps; or one gives its verdict where a rule is silent that must speak for the other; or the solver finds no
step, with all that may be unknown in it, at which both could differ (so the proof reaches as far as its bound, as all do here).
It is a clique found greedily, so it may be too low, never too high.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import msgspec

from obverse.cases.minimise import minimise
from obverse.cases.mutation.records import Chosen, Mutant, MutationScore
from obverse.cases.mutation.ways import Way, Ways
from obverse.policy.checked import Checked
from obverse.solver.answers import Act, Goal, Impossible
from obverse.solver.find import Finder
from obverse.solver.settings import Settings as SolverSettings

MOST_QUESTIONS = 600
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

    def exclude(one: str, other: str) -> bool:
        return not killers[one] & killers[other] and pairs.exclude(by_id[one], by_id[other])

    best: list[str] = []
    for order in (sorted(killers, key=lambda name: len(killers[name])), list(killers)):
        clique: list[str] = []
        for name in order:
            if all(exclude(name, other) for other in clique):
                clique.append(name)
        best = max(best, clique, key=len)
    return tuple(_improved(best, list(killers), exclude))


def _improved(clique: list[str], names: Sequence[str], exclude: Callable[[str, str], bool]) -> list[str]:
    """The clique, one member given up for two others as long as that can be done."""
    for name in list(clique):
        rest = [other for other in clique if other != name]
        fit = [one for one in names if one not in clique and all(exclude(one, other) for other in rest)]
        pair = next(((a, b) for place, a in enumerate(fit) for b in fit[:place] if exclude(a, b)), None)
        if pair is not None:
            return _improved([*rest, *pair], names, exclude)
    return clique


class _Pairs:
    """Whether two mutants can differ from the policy on one step."""

    def __init__(self, checked: Checked, settings: SolverSettings, most: int) -> None:
        self.ways = Ways(checked)
        self.finder = Finder(checked, msgspec.structs.replace(settings, tidiness=1))  # nobody reads these scenarios
        self.permits_matter = checked.default.replies == "deny"
        self.left = most
        self._known: dict[frozenset[str], bool] = {}

    def exclude(self, one: Mutant, other: Mutant) -> bool:
        """Whether it is proved that the two never differ from the policy together."""
        key = frozenset((one.id, other.id))
        if key not in self._known:
            self._known[key] = self._excludes(one, other)
        return self._known[key]

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
