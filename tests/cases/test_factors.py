"""The factors of context: read from a file, combined, and laid on cases that stay what they are."""

from __future__ import annotations

import msgspec
import pytest

from obverse.cases.context import FACTORS
from obverse.cases.coverage import coverage
from obverse.cases.factors import Factor, default_factors, read_factors
from obverse.cases.invert import invert
from obverse.cases.mixing import mixture_of
from obverse.cases.records import Count, Level, Suite
from obverse.cases.settings import Settings
from obverse.core.errors import UntrustedInputError

from .policies import FULL, deep, policy, suite

FILE = """
strength: 2
factors:
  technique: [plain, typos, padded]
  turn: [first, later]
  hurry: {none: "{text}", today: "{text} I need this today."}
never:
  - {technique: typos, hurry: today}
"""


def test_a_file_says_factors_values_and_what_never_goes_together() -> None:
    read = read_factors(FILE.encode())
    assert [factor.name for factor in read.factors] == ["technique", "turn", "hurry"]
    assert read.factors[2] == Factor(
        name="hurry", values=("none", "today"), frames=("{text}", "{text} I need this today.")
    )
    assert read.never == ((("technique", "typos"), ("hurry", "today")),)
    assert read_factors(b'{"factors": {"turn": ["first", "later"]}, "strength": 1}').strength == 1


WRONG = {
    "not YAML": (b"factors: [", "neither YAML nor JSON"),
    "not text": (b"\xff\xfe\xfa", "neither YAML nor JSON"),
    "a list": (b"[1]", "a mapping"),
    "nothing": (b"", "a mapping"),
    "no factors": (b"strength: 2", "names no factors"),
    "another key": (b"factor: {}", "`factor` is no key"),
    "an unknown factor": (b"factors: {mood: [glad, sad]}", "`mood` is no factor that we have words for"),
    "an unknown value": (b"factors: {turn: [first, last]}", "`last` is no turn"),
    "a value twice": (b"factors: {turn: [first, first]}", "different values"),
    "no values": (b"factors: {turn: []}", "different values"),
    "values that are lists": (b"factors: {turn: [[first]]}", "different values"),
    "a sentence without a hole": (b'factors: {mood: {glad: "How nice!"}}', "with {text} in it"),
    "our values reworded": (b'factors: {turn: {first: "{text}"}}', "the values of `turn` are ours"),
    "a strength too high": (b"strength: 3\nfactors: {turn: [first, later]}", "`3` is no strength"),
    "a strength of words": (b"strength: two\nfactors: {turn: [first, later]}", "`two` is no strength"),
    "never of nothing": (b"factors: {turn: [first, later]}\nnever: [{mood: glad}]", "`never` speaks of `mood: glad`"),
    "never as a text": (b"factors: {turn: [first, later]}\nnever: turn", "`never` needs a list"),
    "too large": (b"#" * 200_000, "larger than"),
    "too deep": (b"[" * 50_000, "neither YAML nor JSON"),
}


@pytest.mark.parametrize("name", WRONG)
def test_a_wrong_file_is_refused_in_one_line(name: str) -> None:
    data, said = WRONG[name]
    with pytest.raises(UntrustedInputError) as caught:
        read_factors(data, source="f.yaml")
    assert said in caught.value.message
    assert "\n" not in str(caught.value)
    assert caught.value.source == "f.yaml"


def test_without_a_file_the_factors_are_those_that_there_are_words_for() -> None:
    names = {factor.name: factor.values for factor in default_factors(policy("confirmed")).factors}
    assert set(names) == set(FACTORS) - {"language"}  # all examples are in English
    assert names["technique"] == FACTORS["technique"]


def with_factors(text: str, *names: str) -> Suite:
    return invert(policy(*names), settings=msgspec.structs.replace(FULL, factors=read_factors(text.encode())))


def test_every_two_values_come_together_in_a_case_that_is_run_and_what_is_forbidden_does_not() -> None:
    found = with_factors(FILE, "two conditions", "looked up")
    levels = found.coverage.levels
    assert levels[Level.TWAY] == Count(met=3 * 2 + 3 * 2 + 2 * 2 - 1, infeasible=1)
    (proof,) = [one for one in found.infeasible if one.obligation.level is Level.TWAY]
    assert proof.core == ("never technique=typos, hurry=today",)
    assert proof.obligation.condition == "technique=typos, hurry=today"
    assert not any(case.context.get("technique") == "typos" and case.context.get("hurry") for case in found.cases)


def test_a_factor_of_ones_own_is_heard() -> None:
    found = with_factors(FILE, "two conditions")
    hurried = [case for case in found.cases if case.context.get("hurry") == "today"]
    assert hurried
    assert all(any("I need this today." in said.text for said in case.script) for case in hurried)


def test_contexts_change_no_verdict_and_no_other_level() -> None:
    for names in (("two conditions", "threshold"), ("exception",)):
        plain, mixed = suite(*names).coverage, deep(*names).coverage
        assert all(mixed.levels[level] == count for level, count in plain.levels.items())


def test_where_there_are_families_enough_no_case_is_added() -> None:
    found = deep("two conditions", "threshold", "limit")
    assert found.size.reworded == 0
    assert found.coverage.levels[Level.TWAY] == Count(met=16)


def test_the_contexts_of_a_family_are_one() -> None:
    found = deep("two conditions", "threshold", "limit")
    by_id = {case.id: case for case in found.cases}
    assert all(case.context == by_id[case.family].context for case in found.cases)


def test_t_way_coverage_is_recomputed_from_the_contexts_of_the_cases() -> None:
    found, checked = deep("two conditions"), policy("two conditions")
    plain = [case for case in found.cases if not case.context]
    fewer = coverage(checked, plain, found.infeasible, settings=found.settings)
    assert 0 < fewer.levels[Level.TWAY].met < found.coverage.levels[Level.TWAY].met
    mixture = mixture_of(checked, found.settings)
    assert {mixture.row_of(case) for case in plain} <= {(0, 0, 0), None}


def test_one_factor_alone_is_covered_value_by_value() -> None:
    found = with_factors("strength: 1\nfactors: {turn: [first, later]}", "threshold")
    assert found.coverage.levels[Level.TWAY] == Count(met=2)


def test_a_frame_that_the_policy_would_hear_is_not_used() -> None:
    rule = 'forbid send_mail when last message has (text contains "secret")'
    text = 'strength: 1\nfactors: {tone: {none: "{text}", odd: "{text} It is a secret."}}'
    found = with_factors(text, rule)
    left = [one for one in found.open if one.obligation.level is Level.TWAY]
    heard = [case for case in found.cases if case.context.get("tone")]
    assert bool(left) is not bool(heard)
    for case in heard:
        assert case.verdict.blocks == ("secret" in case.script[-1].text)


def test_standard_depth_has_no_contexts() -> None:
    assert not any(case.context for case in invert(policy("threshold"), settings=Settings()).cases)
