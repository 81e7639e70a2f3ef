"""L09 and L21 for the words of cases: the same bytes each time, and no text of a model that says another thing."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tests.cases.policies import policy, suite
from tests.cases.texts import POLICY, library, library_suite

from obverse.cases.context import FACTORS
from obverse.cases.coverage import coverage
from obverse.cases.files import write_cases
from obverse.cases.invert import invert
from obverse.cases.realise import Settings, realise
from obverse.cases.records import Suite
from obverse.cases.retell import Reteller
from obverse.policy.checked import Checked
from obverse.policy.decide import decide
from obverse.testing.strategies import checked_policies
from obverse.testing.writers import AttentiveLabeller, ScriptedWriter, faithful, liars

PROGRAM = """
import sys
from obverse.cases.files import write_cases
from obverse.cases.invert import invert
from obverse.cases.retell import Reteller, one_of
from obverse.policy.check import check
from obverse.policy.parse import parse
checked = check(parse(sys.stdin.read()))
contexts = [{"language": l, "technique": t} for l in ("en", "de", "fr", "es") for t in ("typos", "fragments", "quoted")]
told = Reteller(checked).tell_all(invert(checked).cases, lambda case: one_of(contexts, case))
sys.stdout.buffer.write(write_cases(told.cases))
"""


def test_L09_a_suite_in_contexts_is_the_same_bytes_in_every_process() -> None:
    outputs = set()
    for hash_seed in ("0", "4242"):
        done = subprocess.run(
            [sys.executable, "-c", PROGRAM], input=POLICY.encode(), capture_output=True, check=True,
            env=os.environ | {"PYTHONHASHSEED": hash_seed},
        )  # fmt: skip
        outputs.add(done.stdout)
    assert len(outputs) == 1
    assert len(outputs.pop().splitlines()) > 10


async def test_L09_recorded_answers_give_the_same_bytes_however_many_are_asked_at_once() -> None:
    answers: dict[str, str] = {}
    outputs = set()
    for concurrency in (1, 7):
        found = await realise(
            library(), library_suite().cases, ScriptedWriter(faithful), AttentiveLabeller(), answers=answers,
            settings=Settings(concurrency=concurrency),
        )  # fmt: skip
        outputs.add(write_cases(found.cases))
    assert len(outputs) == 1


ANY_CONTEXT = st.fixed_dictionaries(
    {}, optional={factor: st.sampled_from(values) for factor, values in FACTORS.items()}
)  # fmt: skip


@settings(max_examples=12, derandomize=True, deadline=None, database=None, suppress_health_check=list(HealthCheck))
@given(checked_policies(), ANY_CONTEXT)
def test_L07_other_words_change_nothing_that_the_policy_sees(checked: Checked, context: dict[str, str]) -> None:
    found = invert(checked)
    told = Reteller(checked).tell_all(found.cases, lambda case: context)
    old = {case.id: case for case in found.cases}
    for case in told.cases:
        decision = decide(checked, case.history, case.step)
        assert (decision.verdict, decision.clauses) == (case.verdict, case.clauses)
        assert case.verdict is old[told.sources[case.id]].verdict
    if not told.untold:
        assert coverage(checked, told.cases, found.infeasible).levels == found.coverage.levels


SUITES: dict[str, tuple[Checked, Suite]] = {
    "library": (library(), library_suite()),
    "poison and mail": (policy("no poison", "never mail", "threshold"), suite("no poison", "never mail", "threshold")),
    "confirmed": (policy("confirmed", "exception"), suite("confirmed", "exception")),
}


@pytest.mark.parametrize("name", SUITES)
async def test_L21_a_text_that_says_another_thing_is_never_used(name: str) -> None:
    checked, found = SUITES[name]
    for lie, rewrite in liars(checked).items():
        told = await realise(checked, found.cases, ScriptedWriter(rewrite, lie), AttentiveLabeller())
        assert (told.told, told.cases) == (0, found.cases), lie
        assert told.fallback == told.messages


@pytest.mark.parametrize("name", SUITES)
async def test_L21_a_text_that_says_the_same_is_used(name: str) -> None:
    checked, found = SUITES[name]
    told = await realise(checked, found.cases, ScriptedWriter(faithful), AttentiveLabeller())
    assert told.told >= 0.9 * told.messages
    for case in told.cases:
        assert decide(checked, case.history, case.step).verdict is case.verdict
