"""`settle`: every mutant is killed, proved equivalent, or said to be undecided; what was alive gets a case that kills it.

1. The cases that are there are tried on every mutant; nothing else is asked of a mutant that dies.
2. Of each that lives on, the solver is asked whether it decides anything otherwise (`compare`). A proof makes it equivalent, a
   scenario shows that it is not; what ran out of time or effort stays undecided, never equivalent.
3. The scenario becomes a case (`staging`), which is tried on every mutant that is still alive.
4. Of the fewest cases that kill as much as all, pairs are merged where one scenario does for both (`merging`); what comes of it
   is added, so that a smaller part of the suite kills as much.

Deterministic in (policy, suite, settings, seed) as far as no wall-clock limit is hit. `stopped` is asked between two mutants:
what was done until then is kept, and the rest is alive.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import msgspec

from obverse.cases.coverage import coverage
from obverse.cases.files import digest_of
from obverse.cases.mutation.chosen import choose
from obverse.cases.mutation.killing import Matrix
from obverse.cases.mutation.merging import Member, merged
from obverse.cases.mutation.mutants import mutants as all_mutants
from obverse.cases.mutation.records import Difference, Doubt, Mutant, MutationScore, Proof
from obverse.cases.mutation.score import mutation
from obverse.cases.mutation.staging import Staging
from obverse.cases.records import Case, Suite
from obverse.cases.search import Search
from obverse.cases.settings import Settings
from obverse.core.verdicts import Truth
from obverse.policy.checked import Checked
from obverse.solver.answers import Scenario
from obverse.solver.changes import Comparison
from obverse.solver.compare import compare
from obverse.solver.find import Finder

Progress = Callable[[int, int, str], None]


class Settled(msgspec.Struct, frozen=True, kw_only=True):
    """The score of the cases that were there and of those with the added ones, and what it rests on."""

    before: MutationScore
    after: MutationScore
    added: tuple[Case, ...]
    proofs: tuple[Proof, ...]
    doubts: tuple[Doubt, ...]
    differences: tuple[Difference, ...]
    complete: bool = True


def settle(
    checked: Checked,
    cases: Sequence[Case],
    *,
    settings: Settings | None = None,
    seed: int = 0,
    mutants: Sequence[Mutant] | None = None,
    progress: Progress | None = None,
    stopped: Callable[[], bool] = lambda: False,
    merge: bool = True,
) -> Settled:
    """The cases that a suite lacks to kill every mutant that is not the policy itself, and the proofs for the others.

    `progress` is told before each mutant that no case killed: how many are done, of how many, and which is next.
    """
    settings = settings or Settings()
    tried = tuple(all_mutants(checked) if mutants is None else mutants)
    work = _Settling(checked, settings, seed)
    left = [one for one in tried if not any(work.matrix.kill(case, one) == "strict" for case in cases)]  # (1)
    for number, mutant in enumerate(left):
        if progress is not None:
            progress(number, len(left), f"{mutant.rule}: {mutant.operator}")
        if stopped():
            break
        work.settle(mutant)
    score = work.score(cases, tried)
    if merge and not stopped():
        work.merge(cases, tried, score)  # (4)
        score = work.score(cases, tried)
    return Settled(
        before=work.score(cases, tried, added=False),
        after=score,
        added=tuple(work.added.values()),
        proofs=tuple(work.proofs),
        doubts=tuple(work.doubts),
        differences=tuple(work.differences),
        complete=not stopped(),
    )


class _Settling:
    def __init__(self, checked: Checked, settings: Settings, seed: int) -> None:
        self.checked = checked
        self.finder = Finder(checked, settings.solver)
        search = Search(checked, lambda: Finder(checked, settings.solver), settings)
        self.staging = Staging(checked, search, settings, seed)
        self.added: dict[str, Case] = {}
        self.matrix = Matrix(checked)
        self.proofs: list[Proof] = []
        self.doubts: list[Doubt] = []
        self.differences: list[Difference] = []

    def settle(self, mutant: Mutant) -> None:
        if any(self.matrix.kill(case, mutant) == "strict" for case in self.added.values()):
            return
        found = self._compared(mutant)  # (2)
        if found.same is Truth.TRUE:
            self.proofs.append(
                Proof(mutant=mutant.id, bound=found.bound, unbounded=found.unbounded, solver=found.solver)
            )
        elif found.changes:
            change = found.changes[0]
            difference = Difference(mutant=mutant.id, scenario=change.scenario, expected=change.old, given=change.new)
            self.differences.append(difference)
            self.added |= {case.id: case for case in self.staging.cases(change.scenario, mutant)}  # (3)
        else:
            reasons = dict.fromkeys(one.reason for one in found.undecided)
            self.doubts.append(Doubt(mutant=mutant.id, reason="; ".join(reasons)))

    def score(self, cases: Sequence[Case], mutants: Sequence[Mutant], *, added: bool = True) -> MutationScore:
        """The score of these cases, and of the added ones, with what is proved so far."""
        scored = (*cases, *(self.added.values() if added else ()))
        return mutation(self.checked, scored, self.proofs, doubts=self.doubts, mutants=mutants, matrix=self.matrix)

    def merge(self, cases: Sequence[Case], mutants: Sequence[Mutant], score: MutationScore) -> None:
        """Adds cases that stand for two or more of the smallest suite."""
        by_id, known = {case.id: case for case in (*cases, *self.added.values())}, {one.id: one for one in mutants}
        members = [
            Member(
                scenario=Scenario(history=by_id[name].history, step=by_id[name].step),
                kills=frozenset(score.killed_by[name]),
            )
            for name in choose(score).cases
        ]
        for member in merged(self.checked, mutants, members, settings=self.finder.settings):
            if member.needed:
                made = self.staging.cases(member.scenario, *(known[name] for name in member.needed))
                self.added |= {case.id: case for case in made if case.id not in self.added}

    def _compared(self, mutant: Mutant) -> Comparison:
        """What the solver says; where it does not know, what a finder says in whose way no earlier texts are."""
        new = mutant.of(self.checked)
        found = compare(self.checked, new, finder=self.finder, first=True)
        if found.same is Truth.UNKNOWN:
            self.finder = Finder(self.checked, self.finder.settings)
            found = compare(self.checked, new, finder=self.finder, first=True)
        return found


def strengthened(checked: Checked, suite: Suite, settled: Settled) -> Suite:
    """The suite with the added cases: what it covers and its digest are those of all of them."""
    cases = (*suite.cases, *(case for case in settled.added if case.id not in {one.id for one in suite.cases}))
    covered = coverage(checked, cases, suite.infeasible, settings=suite.settings)
    met = set(covered.met)
    return msgspec.structs.replace(
        suite,
        cases=cases,
        coverage=covered,
        infeasible=tuple(one for one in suite.infeasible if one.cause != "any" or one.obligation.key not in met),
        open=tuple(one for one in suite.open if one.obligation.key not in met),
        digest=digest_of(cases),
    )
