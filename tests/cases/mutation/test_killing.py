"""A mutant is decided by few rules only; that this is `decide`, and that a score needs nothing but the cases (L08)."""

from __future__ import annotations

from random import Random

import msgspec
import pytest

from cases.policies import RULES, policy, suite
from obverse.cases.mutation.killing import Matrix, Trial
from obverse.cases.mutation.mutants import mutants
from obverse.cases.mutation.records import Proof, State
from obverse.cases.mutation.score import mutation
from obverse.cases.records import Case
from obverse.core.errors import EvidenceError
from obverse.policy.check import check
from obverse.policy.decide import decide
from obverse.policy.parse import parse
from obverse.solver.findings import Solver

PAIRS = (("threshold", "warn"), ("looked up", "exception"), ("limit", "sum", "threshold"), ("no prices", "no poison"))


def forgotten(case: Case) -> Case:
    """The case without anything that a score must not believe."""
    return msgspec.structs.replace(case, verdict=case.verdict.__class__.ALLOW, clauses=(), rule="", flipped="")


@pytest.mark.parametrize("names", [*((name,) for name in RULES), *PAIRS], ids=" and ".join)
def test_few_rules_decided_again_are_the_whole_decision(names: tuple[str, ...]) -> None:
    checked = policy(*names)
    for case in suite(*names).cases:
        trial = Trial(checked, case.history, case.step)
        for mutant in Random(7).sample(made := mutants(checked), min(len(made), 25)):
            whole = decide(mutant.of(checked), case.history, case.step)
            assert trial.of(mutant).verdict is whole.verdict, mutant
            assert trial.of(mutant).clauses == {r.clause for r in whole.reasons if r.verdict is whole.verdict}, mutant


def test_the_same_where_replies_are_denied_and_permits_lift_that() -> None:
    text = """---
policy: quiet
version: 1
default: {replies: deny}
---
# Quiet

```terms
judged message.asks "They ask." yes "May I?" no "Hm."
judged message.shouts "They shout." yes "NOW!" no "please"
```

## One {#one}

```rule
permit reply when message.asks
permit reply when message.asks and not message.shouts
forbid reply when message.shouts
```
"""
    from obverse.cases.invert import invert

    checked = check(parse(text))
    cases = invert(checked).cases
    made = mutants(checked)
    assert any(mutant.rule == "one/1" for mutant in made)
    for case in cases:
        trial = Trial(checked, case.history, case.step)
        for mutant in made:
            assert trial.of(mutant).verdict is decide(mutant.of(checked), case.history, case.step).verdict


def test_L08_a_score_is_recomputed_from_history_and_step_alone() -> None:
    checked, cases = policy("exception"), suite("exception").cases
    told, untold = mutation(checked, cases), mutation(checked, [forgotten(case) for case in cases])
    assert told == untold


def test_a_weak_kill_is_told_apart_from_a_strict_one() -> None:
    checked = policy("threshold", "ask issue_voucher when amount > 100 and user.verified")
    score = mutation(checked, suite("threshold", "ask issue_voucher when amount > 100 and user.verified").cases)
    (dropped,) = [f for f in score.fates if f.operator == "drop rule" and f.rule == "something-else/1"]
    assert dropped.killers == ()
    assert dropped.noticers  # another clause asks as well: the verdict does not tell, the clauses do
    assert dropped.state is State.ALIVE


def test_the_totals_are_those_of_the_operators() -> None:
    score = mutation(policy("window"), suite("window").cases)
    assert sum((tally.killed for tally in score.operators.values()), 0) == score.total.killed
    assert score.total.killed + score.total.alive == len(score.fates)
    assert sum(len(killed) for killed in score.killed_by.values()) == sum(len(fate.killers) for fate in score.fates)


def test_a_proof_against_which_a_case_speaks_is_refused() -> None:
    checked, cases = policy("threshold"), suite("threshold").cases
    killed = next(fate for fate in mutation(checked, cases).fates if fate.killers)
    proof = Proof(
        mutant=killed.mutant, bound="", unbounded=True, solver=Solver(name="z3", version="", options="", bound="")
    )
    with pytest.raises(EvidenceError, match="is said to be proved equivalent"):
        mutation(checked, cases, [proof])


def test_a_suite_without_cases_kills_nothing_and_has_no_share_of_nothing() -> None:
    score = mutation(policy("threshold"), ())
    assert score.total.share == (0, len(score.fates))
    assert mutation(policy("threshold"), (), mutants=()).total.share == (0, 0)


def test_a_matrix_that_is_kept_changes_nothing() -> None:
    checked, cases = policy("limit"), suite("limit").cases
    matrix = Matrix(checked)
    assert (
        mutation(checked, cases, matrix=matrix) == mutation(checked, cases, matrix=matrix) == mutation(checked, cases)
    )
