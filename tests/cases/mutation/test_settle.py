"""Every mutant is killed, proved equivalent or undecided; what is added for it is a case like any other."""

from __future__ import annotations

from functools import cache
from random import Random

import pytest

from cases.policies import RULES, policy, suite
from obverse.cases.conditions import conditions_of
from obverse.cases.coverage import coverage
from obverse.cases.files import read_cases, write_cases
from obverse.cases.mutation.chosen import apart, choose
from obverse.cases.mutation.mutants import mutants
from obverse.cases.mutation.records import State
from obverse.cases.mutation.score import mutation
from obverse.cases.mutation.settle import Settled, settle, strengthened
from obverse.cases.records import Case, Level
from obverse.cases.sight import Sight, only_differ_in
from obverse.core.verdicts import Side
from obverse.policy.decide import decide

EVERY = [*((name,) for name in RULES), ("threshold", "warn"), ("looked up", "exception", "window")]


@cache
def settled(*names: str) -> Settled:
    return settle(policy(*names), suite(*names).cases)


@pytest.mark.parametrize("names", EVERY, ids=" and ".join)
def test_every_mutant_is_killed_or_proved_to_be_the_policy(names: tuple[str, ...]) -> None:
    total = settled(*names).after.total
    assert (total.alive, total.undecided) == (0, 0)
    assert total.killed > 0


EQUIVALENT = {
    "weaker than what is there": (
        "forbid issue_voucher when amount > 5 and amount > 3",
        "drop condition",
        "amount > 5",
    ),
    "another rule says it": ("forbid send_mail\nforbid send_mail when user.verified", "drop rule", ""),
    "no whole number in between": ("forbid issue_voucher when amount > 5 or amount = 5", "comparison", "amount >= 5"),
}


@pytest.mark.parametrize("name", EQUIVALENT)
def test_what_changes_nothing_is_proved_to(name: str) -> None:
    rules, operator, after = EQUIVALENT[name]
    fates = [
        fate for fate in settled(rules).after.fates
        if fate.operator == operator and fate.after == after and fate.state is State.EQUIVALENT
    ]  # fmt: skip
    assert fates
    assert all(fate.reason for fate in fates)


@pytest.mark.parametrize("names", EVERY, ids=" and ".join)
def test_no_scenario_of_another_suite_tells_an_equivalent_mutant_apart(names: tuple[str, ...]) -> None:
    checked, done = policy(*names), settled(*names)
    proved = {proof.mutant for proof in done.proofs}
    others = [mutant for mutant in mutants(checked) if mutant.id in proved]
    pool = [case for rules in EVERY for case in suite(*rules).cases]
    for case in Random(3).sample(pool, 60):
        wanted = decide(checked, case.history, case.step).verdict
        for mutant in others:
            assert decide(mutant.of(checked), case.history, case.step).verdict is wanted, mutant


def added() -> list[tuple[tuple[str, ...], Case]]:
    return [(names, case) for names in EVERY for case in settled(*names).added]


def test_an_added_case_is_as_whole_as_any_other() -> None:
    assert len(added()) > 20
    for names, case in added():
        decision = decide(policy(*names), case.history, case.step)
        assert (case.verdict, case.clauses) == (decision.verdict, decision.clauses)
        assert case.obligation.level is Level.MUTANT
        assert case.id == case.content
        assert list(read_cases(write_cases([case]))) == [case]
        assert case.system


def test_L07_an_added_twin_differs_in_one_condition_and_has_the_opposite_verdict() -> None:
    found = 0
    for names in EVERY:
        checked, cases = policy(*names), {case.id: case for case in settled(*names).added}
        rules = {rule.id: rule for rule in checked.rules}
        for case in cases.values():
            if case.side is not Side.VIOLATION or case.twin is None:
                continue
            rule, twin = rules[case.rule], cases[case.twin]
            conditions = conditions_of(rule.fires)
            one, other = (Sight(checked, each.history, each.step) for each in (case, twin))
            flipped = next(atom.number for atom in conditions.outer if atom.text == case.flipped)
            assert one.is_violation_of(rule)
            assert other.is_spared_by(rule)
            assert only_differ_in(conditions, one, other, flipped)
            found += 1
    assert found > 10


def test_L09_the_same_policy_gives_the_same_cases_byte_for_byte() -> None:
    checked, cases = policy("exception"), suite("exception").cases
    again = settle(checked, cases)
    assert write_cases(again.added) == write_cases(settled("exception").added)
    assert again == settled("exception")


def test_a_suite_that_was_strengthened_covers_what_it_says() -> None:
    names = ("looked up", "exception", "window")
    checked, before = policy(*names), suite(*names)
    after = strengthened(checked, before, settled(*names))
    assert len(after.cases) > len(before.cases)
    assert after.coverage == coverage(checked, after.cases, after.infeasible, settings=after.settings)
    assert after.digest != before.digest


def test_the_smallest_suite_kills_as_much_as_the_whole() -> None:
    for names in EVERY:
        checked, score = policy(*names), settled(*names).after
        chosen = choose(score)
        every = {case.id: case for case in (*suite(*names).cases, *settled(*names).added)}
        small = mutation(checked, [every[name] for name in chosen.cases])
        assert small.total.killed == score.total.killed
        assert chosen.exact
        assert len(chosen.cases) == chosen.least


def test_no_case_kills_two_mutants_that_are_apart_and_no_suite_is_smaller() -> None:
    for names in EVERY:
        checked, score = policy(*names), settled(*names).after
        clique = set(apart(checked, mutants(checked), score))
        assert clique
        assert all(len(clique & set(killed)) <= 1 for killed in score.killed_by.values())
        assert len(clique) <= len(choose(score).cases)


def test_work_that_is_stopped_keeps_what_it_has() -> None:
    asked: list[int] = []
    names = ("looked up", "exception", "window")
    done = settle(
        policy(*names), suite(*names).cases, progress=lambda number, _of, _next: asked.append(number),
        stopped=lambda: len(asked) > 2,
    )  # fmt: skip
    assert not done.complete
    assert done.after.total.alive > 0
    assert done.after.total.killed >= done.before.total.killed > 0
