"""What a finding says of every step is true of every step that anybody samples; what it says of one, of its witness."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from functools import cache
from random import Random

import msgspec
import pytest

from obverse.core.events import AnyEvent, Call, Spoken
from obverse.core.verdicts import Truth, Verdict
from obverse.policy.checked import Checked, CheckedRule
from obverse.policy.decide import decide
from obverse.policy.evaluate import truth
from obverse.solver.analyse import ANALYSES, analyse
from obverse.solver.answers import Scenario
from obverse.solver.findings import Analysis, Finding

from .sampled import random_policy, random_scenario

POLICIES, SCENARIOS = 40, 60


@cache
def analysed() -> tuple[tuple[Checked, Analysis], ...]:
    """Random policies with their analyses."""
    made = [random_policy(Random(seed)) for seed in range(POLICIES)]
    return tuple((checked, analyse(checked)) for checked in made)


def found() -> Iterator[tuple[Checked, tuple[Finding, ...]]]:
    """The same with what was found."""
    return ((checked, analysis.findings) for checked, analysis in analysed())


def claims(code: str) -> Iterator[tuple[Checked, Finding, Scenario]]:
    """Every finding of this code with many scenarios of the act that its policy is about."""
    for number, (checked, findings) in enumerate(found()):
        for finding in (one for one in findings if one.code == code and (one.rule or one.others)):
            random = Random(number)
            act = _act(checked)
            for _ in range(SCENARIOS):
                yield checked, finding, random_scenario(random, act)


def _act(checked: Checked) -> str:
    (head,) = {head.tool or head.kind for rule in checked.rules for head in rule.heads}
    return head


def rule_of(checked: Checked, name: str | None) -> CheckedRule:
    return next(rule for rule in checked.rules if rule.id == name)


def without(checked: Checked, *names: str) -> Checked:
    return msgspec.structs.replace(checked, rules=tuple(rule for rule in checked.rules if rule.id not in names))


def verdict(checked: Checked, scenario: Scenario) -> Verdict:
    return decide(checked, scenario.history, scenario.step).verdict


def test_the_random_policies_have_findings_of_each_kind() -> None:
    codes = Counter(finding.code for _, findings in found() for finding in findings if finding.rule or finding.others)
    assert {"S209", "S212", "S213", "S214", "S216", "S220"} <= set(codes), codes


def test_nothing_is_left_open() -> None:
    assert len(ANALYSES) > 2
    assert [one for _, analysis in analysed() for one in analysis.undecided] == []


def test_what_is_never_allowed_is_denied_in_every_sample() -> None:
    for checked, finding, scenario in claims("S209"):
        if "together deny" in finding.message:
            assert verdict(checked, scenario).strictness >= Verdict.DENY.strictness, (finding, scenario)


def test_what_waits_for_what_is_never_allowed_is_denied_where_that_never_happened() -> None:
    for checked, finding, scenario in claims("S209"):
        if "only after" in finding.message and not any(isinstance(event, Call) for event in scenario.history):
            assert verdict(checked, scenario).strictness >= Verdict.DENY.strictness, (finding, scenario)


def test_a_shadowed_rule_gives_no_verdict_in_any_sample() -> None:
    for checked, finding, scenario in claims("S212"):
        decision = decide(checked, scenario.history, scenario.step)
        if finding.rule in {reason.rule for reason in decision.reasons}:
            mine = rule_of(checked, finding.rule).verdict
            assert mine is not None
            assert decision.verdict.strictness > mine.strictness, (finding, scenario)


def test_without_the_redundant_rules_every_sample_has_the_same_verdict() -> None:
    for checked, finding, scenario in claims("S213"):
        assert verdict(checked, scenario) is verdict(without(checked, finding.rule or ""), scenario), (
            finding,
            scenario,
        )


def test_without_all_redundant_rules_at_once_every_sample_has_the_same_verdict() -> None:
    for number, (checked, findings) in enumerate(found()):
        idle = [one.rule or "" for one in findings if one.code == "S213"]
        random = Random(1000 + number)
        for _ in range(SCENARIOS if len(idle) > 1 else 0):
            scenario = random_scenario(random, _act(checked))
            assert verdict(checked, scenario) is verdict(without(checked, *idle), scenario), (idle, scenario)


def test_the_answer_of_a_judge_that_cannot_matter_changes_no_sample() -> None:
    for checked, finding, scenario in claims("S211"):
        name = finding.message.split("`")[1]
        seen = {
            verdict(checked, _answering(scenario, name, [bool(bits >> place & 1) for place in range(16)].__getitem__))
            for bits in (0, 1, 2, 3, 63)
        }
        assert len(seen) == 1, (finding, scenario)


def _answering(scenario: Scenario, name: str, answer: Callable[[int], bool]) -> Scenario:
    def answered(number: int, event: AnyEvent) -> AnyEvent:
        if not isinstance(event, Spoken) or name.split(".", maxsplit=1)[0] != type(event).__name__.lower():
            return event
        return msgspec.structs.replace(event, labels={**event.labels, name: answer(number)})

    history = tuple(answered(number, event) for number, event in enumerate(scenario.history))
    event = answered(len(history), scenario.step.event)
    step = msgspec.structs.replace(scenario.step, event=event, turn=(event,))
    return Scenario(history=history, step=step)


def test_where_rules_conflict_every_sample_is_denied() -> None:
    tried = 0
    for checked, finding, scenario in claims("S214"):
        rules = [rule_of(checked, name) for name in (finding.rule, *finding.others)]
        if any(rule.exception is None for rule in rules[1:]) and "and" in finding.message.split("`")[1]:
            continue  # the region is more than the condition of the rule
        regions = [rules[0].when] + [rule.when for rule in rules[1:] if len(rules) == 2 and rule.exception is not None]
        values = [truth(checked, when, scenario.history, scenario.step) for when in regions if when is not None]
        if all(value is Truth.TRUE for value in values):
            tried += 1
            assert verdict(checked, scenario).strictness >= Verdict.DENY.strictness, (finding, scenario)
    assert tried


def test_a_rule_that_fires_for_a_gap_does_not_know_its_condition() -> None:
    for checked, findings in found():
        for finding in (one for one in findings if one.code == "S216"):
            assert finding.witness is not None
            decision = decide(checked, finding.witness.history, finding.witness.step)
            (reason,) = (one for one in decision.reasons if one.rule == finding.rule)
            assert reason.certain is Truth.UNKNOWN
            assert {unknown.why for unknown in reason.unknowns} <= {"missing", "division by zero"}


def test_where_a_judge_decides_a_no_blocks_what_a_yes_lets_through() -> None:
    for checked, findings in found():
        for finding in (one for one in findings if one.code == "S220"):
            assert finding.witness is not None
            scenario = Scenario(history=finding.witness.history, step=finding.witness.step)
            assert not verdict(checked, scenario).blocks
            for name in ("message.says_yes", "message.is_a_threat"):
                scenario = _answering(scenario, name, lambda _: False)
            assert verdict(checked, scenario).blocks


@pytest.mark.slow
def test_many_more_policies_hold_what_is_found_in_them() -> None:
    for seed in range(POLICIES, POLICIES + 100):
        checked, random = random_policy(Random(seed)), Random(seed)
        idle = [one.rule or "" for one in analyse(checked).findings if one.code == "S213"]
        for _ in range(SCENARIOS if idle else 0):
            scenario = random_scenario(random, _act(checked))
            assert verdict(checked, scenario) is verdict(without(checked, *idle), scenario), (seed, idle, scenario)
