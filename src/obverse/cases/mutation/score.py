"""`mutation`: the score of a suite, from the cases alone (L08).

Nothing that was stored with the cases is believed: they are decided again by the policy and by each mutant. What the solver
proved or left open comes as an argument, as the infeasible obligations do for `coverage`; a proof against which a case speaks
is refused, for then one of the two is wrong.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from obverse.cases.mutation.killing import Matrix
from obverse.cases.mutation.mutants import mutants as all_mutants
from obverse.cases.mutation.operators import NAMES
from obverse.cases.mutation.records import Doubt, Fate, Mutant, MutationScore, Proof, State, Tally
from obverse.cases.records import Case
from obverse.core.errors import EvidenceError
from obverse.policy.checked import Checked

_COUNTED = {
    State.KILLED: Tally(killed=1),
    State.EQUIVALENT: Tally(equivalent=1),
    State.ALIVE: Tally(alive=1),
    State.UNDECIDED: Tally(undecided=1),
}


def mutation(
    checked: Checked,
    cases: Sequence[Case],
    proofs: Iterable[Proof] = (),
    *,
    doubts: Iterable[Doubt] = (),
    mutants: Sequence[Mutant] | None = None,
    matrix: Matrix | None = None,
) -> MutationScore:
    """What these cases notice of the mutants of the policy (or of those given), mutant by mutant.

    A `matrix` of this policy, kept between calls, saves deciding the same pairs again.

    Raises:
        EvidenceError: if a case kills a mutant that is said to be proved equivalent.
    """
    tried = all_mutants(checked) if mutants is None else mutants
    once = tuple({case.id: case for case in cases}.values())
    matrix = matrix or Matrix(checked)
    proved = {proof.mutant: proof for proof in proofs}
    doubted = {doubt.mutant: doubt for doubt in doubts}
    fates = tuple(_fate(one, once, matrix, proved.get(one.id), doubted.get(one.id)) for one in tried)
    return MutationScore(
        policy=checked.digest,
        cases=len(once),
        total=sum((_COUNTED[fate.state] for fate in fates), Tally()),
        operators={
            name: sum((_COUNTED[fate.state] for fate in fates if fate.operator == name), Tally())
            for name in (*NAMES, *dict.fromkeys(fate.operator for fate in fates if fate.operator not in NAMES))
            if any(fate.operator == name for fate in fates)
        },
        fates=fates,
    )


def _fate(mutant: Mutant, cases: Sequence[Case], matrix: Matrix, proof: Proof | None, doubt: Doubt | None) -> Fate:
    kills = {case.id: matrix.kill(case, mutant) for case in cases}
    killers = tuple(name for name, kill in kills.items() if kill == "strict")
    noticers = tuple(name for name, kill in kills.items() if kill == "weak")
    if killers and proof is not None:
        raise EvidenceError(
            f"the case `{killers[0]}` kills the mutant `{mutant.id}`, which is said to be proved equivalent",
            code="I110",
        )
    state = State.KILLED if killers else State.EQUIVALENT if proof else State.UNDECIDED if doubt else State.ALIVE
    reason = f"within {proof.bound}" if proof is not None else doubt.reason if doubt is not None and not killers else ""
    return Fate(
        mutant=mutant.id, operator=mutant.operator, clause=mutant.clause, rule=mutant.rule, before=mutant.before,
        after=mutant.after, at=mutant.at, state=state, killers=killers, noticers=noticers, reason=reason,
    )  # fmt: skip
