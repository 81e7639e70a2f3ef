"""`settle`: every mutant is killed, proved equivalent, or said to be undecided; what was alive gets a case that kills it.

1. The cases that are there are tried on every mutant; nothing else is asked of a mutant that dies.
2. Of each that lives on, the solver is asked whether it decides anything otherwise (`compare`). A proof makes it equivalent, a
   scenario shows that it is not; what ran out of time or effort stays undecided, never equivalent.
3. The scenario becomes a case (`staging`), which is tried on every mutant that is still alive.

Deterministic in (policy, suite, settings, seed) as far as no wall-clock limit is hit. `stopped` is asked between two mutants:
what was done until then is kept, and the rest is alive.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import msgspec

from obverse.cases.coverage import coverage
from obverse.cases.files import digest_of
from obverse.cases.mutation.killing import Trial
from obverse.cases.mutation.mutants import mutants as all_mutants
from obverse.cases.mutation.records import Difference, Doubt, Mutant, MutationScore, Proof
from obverse.cases.mutation.score import mutation
from obverse.cases.mutation.staging import Staging
from obverse.cases.records import Case, Suite
from obverse.cases.search import Search
from obverse.cases.settings import Settings
from obverse.core.verdicts import Truth
from obverse.policy.checked import Checked
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
) -> Settled:
    """The cases that a suite lacks to kill every mutant that is not the policy itself, and the proofs for the others.

    `progress` is told before each mutant that no case killed: how many are done, of how many, and which is next.
    """
    settings = settings or Settings()
    tried = tuple(all_mutants(checked) if mutants is None else mutants)
    before = mutation(checked, cases, mutants=tried)  # (1)
    killed = {fate.mutant for fate in before.fates if fate.killers}
    left = [mutant for mutant in tried if mutant.id not in killed]
    work = _Settling(checked, settings, seed)
    complete = True
    for number, mutant in enumerate(left):
        if progress is not None:
            progress(number, len(left), f"{mutant.rule}: {mutant.operator}")
        if stopped():
            complete = False
            break
        work.settle(mutant)
    added = tuple(work.added.values())
    after = mutation(checked, (*cases, *added), work.proofs, doubts=work.doubts, mutants=tried) if left else before
    return Settled(
        before=before if not left else mutation(checked, cases, work.proofs, doubts=work.doubts, mutants=tried),
        after=after,
        added=added,
        proofs=tuple(work.proofs),
        doubts=tuple(work.doubts),
        differences=tuple(work.differences),
        complete=complete,
    )


class _Settling:
    def __init__(self, checked: Checked, settings: Settings, seed: int) -> None:
        self.checked = checked
        self.finder = Finder(checked, settings.solver)
        search = Search(checked, lambda: Finder(checked, settings.solver), settings)
        self.staging = Staging(checked, search, settings, seed)
        self.added: dict[str, Case] = {}
        self.trials: list[Trial] = []
        self.proofs: list[Proof] = []
        self.doubts: list[Doubt] = []
        self.differences: list[Difference] = []

    def settle(self, mutant: Mutant) -> None:
        if any(trial.kills(mutant) for trial in self.trials):
            return
        found = compare(self.checked, mutant.of(self.checked), finder=self.finder, first=True)  # (2)
        if found.same is Truth.TRUE:
            self.proofs.append(
                Proof(mutant=mutant.id, bound=found.bound, unbounded=found.unbounded, solver=found.solver)
            )
        elif found.changes:
            change = found.changes[0]
            difference = Difference(mutant=mutant.id, scenario=change.scenario, expected=change.old, given=change.new)
            self.differences.append(difference)
            for case in self.staging.cases(mutant, difference):  # (3)
                if case.id not in self.added:
                    self.added[case.id] = case
                    self.trials.append(Trial(self.checked, case.history, case.step))
        else:
            reasons = dict.fromkeys(one.reason for one in found.undecided)
            self.doubts.append(Doubt(mutant=mutant.id, reason="; ".join(reasons)))


def strengthened(checked: Checked, suite: Suite, settled: Settled) -> Suite:
    """The suite with the added cases: what it covers and its digest are those of all of them."""
    cases = (*suite.cases, *(case for case in settled.added if case.id not in {one.id for one in suite.cases}))
    covered = coverage(checked, cases, suite.infeasible)
    met = set(covered.met)
    return msgspec.structs.replace(
        suite,
        cases=cases,
        coverage=covered,
        open=tuple(one for one in suite.open if one.obligation.key not in met),
        digest=digest_of(cases),
    )
