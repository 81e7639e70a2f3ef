"""L07, L08, L09: cases and their twins, coverage from the cases alone, the same bytes for the same seed."""

from __future__ import annotations

import os
import subprocess
import sys

import msgspec
import pytest
from hypothesis import HealthCheck, given, settings
from tests.cases.policies import FULL, RULES, TERMS, deep, policy, suite

from obverse.cases.conditions import conditions_of
from obverse.cases.coverage import coverage
from obverse.cases.files import read_cases, write_cases
from obverse.cases.invert import invert
from obverse.cases.records import Case, Obligation, Suite
from obverse.cases.sight import Sight
from obverse.core.verdicts import Side, Verdict
from obverse.policy.checked import Checked
from obverse.policy.decide import decide
from obverse.testing.strategies import checked_policies

MIXED = (
    ("two conditions", "threshold", "limit"),
    ("exception", "confirmed"),
    ("window", "confirmed", "sum"),
    ("no poison", "no prices", "permit reply when not message.asks_for_poison"),
    ("coupled", "one at a time", "warn"),
)


def each() -> list[tuple[str, ...]]:
    return [*((name,) for name in RULES), *MIXED]


DEEP = (
    *MIXED,
    ("looked up", "confirmed"),
    ("newest",),
    ("untouched",),
    ("threshold", "permit issue_voucher when amount > 90"),
)


def paired(found: Suite) -> list[tuple[Case, Case]]:
    by_id = {case.id: case for case in found.cases}
    return [(by_id[case.twin or ""], case) for case in found.cases if case.side is Side.OVER_REFUSAL and case.twin]


@pytest.mark.parametrize("names", each(), ids=" + ".join)
def test_L07_what_a_case_expects_is_what_decide_says(names: tuple[str, ...]) -> None:
    checked = policy(*names)
    for case in suite(*names).cases:
        decision = decide(checked, case.history, case.step)
        assert (decision.verdict, decision.clauses) == (case.verdict, case.clauses)
        assert decision.verdict is decision.certain


@pytest.mark.parametrize("names", DEEP, ids=" + ".join)
def test_L07_also_at_full_depth(names: tuple[str, ...]) -> None:
    checked, found = policy(*names), deep(*names)
    for case in found.cases:
        decision = decide(checked, case.history, case.step)
        assert (decision.verdict, decision.clauses) == (case.verdict, case.clauses)
        assert decision.verdict is decision.certain
    twins_are_twins(checked, found)


@pytest.mark.parametrize("names", each(), ids=" + ".join)
def test_L07_a_case_and_its_twin_differ_in_one_condition_and_have_opposite_verdicts(names: tuple[str, ...]) -> None:
    twins_are_twins(policy(*names), suite(*names))


def twins_are_twins(checked: Checked, found: Suite) -> None:
    rules = {rule.id: rule for rule in checked.rules}
    forced = {one.obligation.key for one in found.infeasible if one.cause == "unique"}
    for case, twin in paired(found):
        assert case.verdict.blocks or case.verdict is Verdict.WARN
        assert twin.verdict is Verdict.ALLOW or (case.verdict.blocks and twin.verdict is Verdict.WARN)
        conditions = conditions_of(rules[case.rule].fires)
        left = Sight(checked, case.history, case.step).values(conditions)
        right = Sight(checked, twin.history, twin.step).values(conditions)
        changed = [atom.text for atom, a, b in zip(conditions.outer, left, right, strict=True) if a is not b]
        assert changed == [twin.flipped] or (twin.cause == "masking" and twin.obligation.key in forced)


@pytest.mark.parametrize("names", each(), ids=" + ".join)
def test_L08_coverage_is_recomputed_from_the_cases_alone(names: tuple[str, ...]) -> None:
    found = suite(*names)
    assert coverage(policy(*names), found.cases, found.infeasible) == found.coverage


@pytest.mark.parametrize("names", DEEP, ids=" + ".join)
def test_L08_also_at_full_depth(names: tuple[str, ...]) -> None:
    found = deep(*names)
    assert coverage(policy(*names), found.cases, found.infeasible, settings=FULL) == found.coverage
    told = [msgspec.structs.replace(lying(case), runs=case.runs) for case in found.cases]
    assert coverage(policy(*names), told, found.infeasible, settings=FULL) == found.coverage


@pytest.mark.parametrize("names", DEEP, ids=" + ".join)
def test_L08_a_suite_is_a_smallest_choice_of_what_was_found(names: tuple[str, ...]) -> None:
    """Without any one of its cases, and of what hangs on it, a suite shows less than before."""
    found, checked = suite(*names), policy(*names)
    for case in found.cases[:: max(1, len(found.cases) // 6)]:
        rest = [one for one in found.cases if case.id not in (one.id, one.twin, one.varied)]
        again = coverage(checked, rest, found.infeasible)
        fewer = {(one.clause, one.side) for one in rest if one.runs} < {
            (o.clause, o.side) for o in found.cases if o.runs
        }
        reworded = found.size.reworded > 0
        assert set(again.met) < set(found.coverage.met) or fewer or reworded


def lying(case: Case) -> Case:
    """The case with every stored label made wrong; only history, step and the link to its twin are left."""
    return msgspec.structs.replace(
        case, clause="x", rule="x", obligation=Obligation(level=case.obligation.level, clause="x"), flipped="x",
        verdict=Verdict.STOP, clauses=("x",), cause="none", side=Side.VIOLATION, family="x", runs=False,
    )  # fmt: skip


@pytest.mark.parametrize("names", MIXED, ids=" + ".join)
def test_L08_labels_stored_with_a_case_are_not_believed(names: tuple[str, ...]) -> None:
    found = suite(*names)
    told = coverage(policy(*names), [lying(case) for case in found.cases], found.infeasible)
    assert told == found.coverage


@settings(max_examples=15, derandomize=True, deadline=None, database=None, suppress_health_check=list(HealthCheck))
@given(checked_policies())
def test_L08_holds_on_generated_policies(checked: Checked) -> None:
    found = invert(checked)
    assert coverage(checked, found.cases, found.infeasible) == found.coverage
    for case in found.cases:
        assert decide(checked, case.history, case.step).verdict is case.verdict


def test_L08_a_case_taken_away_is_missed() -> None:
    found = suite("threshold")
    without = [case for case in found.cases if case.obligation.value != "amount = 100"]
    assert len(without) < len(found.cases)
    assert "boundary threshold/1/2 amount = 100" not in coverage(policy("threshold"), without).met


def test_L08_a_case_under_another_policy_covers_nothing_there() -> None:
    assert not coverage(policy("no prices"), suite("threshold").cases).met


PROGRAM = """
import sys
from obverse.cases.files import write_cases
from obverse.cases.invert import invert
from obverse.policy.check import check
from obverse.policy.parse import parse
sys.stdout.buffer.write(write_cases(invert(check(parse(sys.stdin.read())), seed=3).cases))
"""


DEEPER = PROGRAM.replace("seed=3", "seed=3, settings=Settings(depth='full')").replace(
    "import sys", "import sys\nfrom obverse.cases.settings import Settings"
)


@pytest.mark.parametrize("program", [PROGRAM, DEEPER], ids=["standard", "full"])
def test_L09_the_same_policy_and_seed_give_the_same_bytes_in_every_process(program: str) -> None:
    text = document("two conditions", "limit", "exception", "no poison")
    outputs = set()
    for hash_seed in ("0", "4242"):
        done = subprocess.run(
            [sys.executable, "-c", program], input=text.encode(), capture_output=True, check=True,
            env=os.environ | {"PYTHONHASHSEED": hash_seed},
        )  # fmt: skip
        outputs.add(done.stdout)
    assert len(outputs) == 1
    assert len(outputs.pop().splitlines()) > 10


def document(*names: str) -> str:
    rules = "".join(f"\n## {n}  {{#{n.replace(' ', '-')}}}\n\nProse.\n\n```rule\n{RULES[n]}\n```\n" for n in names)
    return TERMS + rules


def test_L09_a_file_of_cases_is_read_and_written_byte_for_byte() -> None:
    data = write_cases(suite("limit", "no poison").cases)
    assert write_cases(read_cases(data)) == data
    assert tuple(read_cases(data)) == suite("limit", "no poison").cases
