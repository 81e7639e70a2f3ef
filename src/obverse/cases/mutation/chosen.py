"""A small suite: the fewest cases of a pool that kill all that the whole pool kills, and how few any suite could do with.

Two bounds, which say different things. `least` is the minimum over the *pool*: other cases than these might do with fewer.
`apart` holds for every suite: mutants of which no two can be told from the policy on one step. Such pairs are proved: they
speak of different steps; or one gives its verdict where a rule is silent that must speak for the other; or the solver finds no
step, with all that may be unknown in it, at which both could differ (so the proof reaches as far as its bound, as all do here).
It is a clique found greedily, so it may be too low, never too high.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

import msgspec

from obverse.cases.minimise import minimise
from obverse.cases.mutation.records import Chosen, Mutant, MutationScore
from obverse.core.verdicts import Verdict
from obverse.policy import ast
from obverse.policy.checked import Checked, CheckedRule
from obverse.solver.answers import Act, Goal, Impossible
from obverse.solver.find import Finder
from obverse.solver.questions import acts_of
from obverse.solver.settings import Settings as SolverSettings

MOST_QUESTIONS = 4_000
"""Bites on large policies: so many pairs are asked about; the bound is then that of the pairs before."""


def choose(score: MutationScore, *, apart: int | None = None) -> Chosen:
    """The fewest of the scored cases that kill every mutant that the whole suite kills."""
    small = minimise({case: frozenset(mutants) for case, mutants in score.killed_by.items()})
    return Chosen(
        cases=small.chosen, pool=score.cases, least=small.lower_bound, exact=small.exact,
        apart=apart,
    )  # fmt: skip


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
    killed = [fate for fate in score.fates if fate.killers]
    killers = {fate.mutant: frozenset(fate.killers) for fate in killed}
    pairs = _Pairs(checked, settings or SolverSettings(), most)
    clique: list[Mutant] = []
    for fate in sorted(killed, key=lambda fate: len(fate.killers)):
        mutant = by_id[fate.mutant]
        if all(not killers[mutant.id] & killers[other.id] for other in clique) and pairs.exclude(mutant, clique):
            clique.append(mutant)
    return tuple(mutant.id for mutant in clique)


class _Way(msgspec.Struct, frozen=True, kw_only=True):
    """One way in which a mutant can give another verdict: this rule may fire, of the policy or of the mutant, and none of those
    may that would give as much where it does not stand.
    """

    speaks: CheckedRule
    silent: tuple[CheckedRule, ...]


class _Pairs:
    """Whether two mutants can differ from the policy on one step."""

    def __init__(self, checked: Checked, settings: SolverSettings, most: int) -> None:
        self.checked = checked
        self.finder = Finder(checked, msgspec.structs.replace(settings, tidiness=1))  # nobody reads these scenarios
        self.left = most
        self._ways: dict[str, dict[Act, tuple[_Way, ...]]] = {}
        self._heard: dict[int, tuple[CheckedRule, frozenset[Act]]] = {}

    def exclude(self, mutant: Mutant, others: Sequence[Mutant]) -> bool:
        """Whether it is proved that this one and any of the others never differ together."""
        return all(self._excludes(mutant, other) for other in others)

    def _excludes(self, one: Mutant, other: Mutant) -> bool:
        first, second = self._ways_of(one), self._ways_of(other)
        return all(
            self._impossible(act, left, right)
            for act in first.keys() & second.keys()
            for left in first[act]
            for right in second[act]
        )

    def _impossible(self, act: Act, one: _Way, other: _Way) -> bool:
        """Whether the two ways exclude each other: by their form, or because the solver finds no such step."""
        if act.kind == "reply" and self.checked.default.replies == "deny":
            return False  # what permits say matters there as well
        silent = {id(rule.fires): rule.fires for rule in (*one.silent, *other.silent)}
        if id(one.speaks.fires) in silent or id(other.speaks.fires) in silent:
            return True
        if self.left <= 0:
            return False
        self.left -= 1
        wishes = tuple(ast.Not(body=fires) for fires in silent.values())
        goal = Goal(head=act, wishes=wishes, possible=(one.speaks.fires, other.speaks.fires), incomplete=True)
        return isinstance(self.finder.find(goal), Impossible)

    def _ways_of(self, mutant: Mutant) -> dict[Act, tuple[_Way, ...]]:
        found = self._ways.get(mutant.id)
        if found is None:
            old, new = self.checked.rules, mutant.of(self.checked).rules
            mine = [rule for rule in old if rule.id in mutant.touched]
            acts = {act for rule in (*mine, *mutant.replaced) for act in self._acts(rule)}
            found = self._ways[mutant.id] = {
                act: (*self._louder(act, mine, new), *self._louder(act, mutant.replaced, old)) for act in acts
            }
        return found

    def _louder(self, act: Act, ours: Sequence[CheckedRule], theirs: Sequence[CheckedRule]) -> Iterator[_Way]:
        """One of these rules gives the verdict, and of the other policy none gives as much. An `ask` may have been approved."""
        for rule in ours:
            if rule.verdict is not None and act in self._acts(rule):
                least = rule.verdict.strictness
                silent = tuple(
                    other for other in theirs
                    if other.verdict is not None and other.verdict is not Verdict.ASK
                    and other.verdict.strictness >= least and act in self._acts(other)
                )  # fmt: skip
                yield _Way(speaks=rule, silent=silent)

    def _acts(self, rule: CheckedRule) -> frozenset[Act]:
        found = self._heard.get(id(rule))
        if found is None:
            found = self._heard[id(rule)] = (rule, frozenset(acts_of(self.checked, rule)))
        return found[1]


def covers(score: MutationScore) -> Mapping[str, frozenset[str]]:
    """What each case kills, for whoever minimises over more than mutants."""
    return {case: frozenset(f"mutant {name}" for name in mutants) for case, mutants in score.killed_by.items()}
