"""L06: every witness of the solver, replayed through `decide`, gives the verdict it claims; a time-out is Undecided."""

from __future__ import annotations

import pytest
from hypothesis import HealthCheck, given, settings

from obverse.core.verdicts import Truth, Verdict
from obverse.policy import ast
from obverse.policy.checked import Checked, CheckedRule
from obverse.policy.decide import decide
from obverse.policy.evaluate import truth
from obverse.solver.analyse import acts_of, analyse
from obverse.solver.answers import Act, Answer, Found, Goal, Undecided
from obverse.solver.find import Finder, WrongWitness
from obverse.solver.settings import Settings
from obverse.testing.strategies import checked_policies

QUICK = Settings(timeout_ms=2_000, effort=400_000)
RESTING_ON_A_PROOF = ("S201", "S202", "S203", "S206", "S207")
DRAWN = settings(max_examples=30, deadline=None, suppress_health_check=list(HealthCheck), derandomize=True)


@DRAWN
@given(checked=checked_policies())
def test_L06_a_witness_that_a_rule_fires_is_decided_so(checked: Checked) -> None:
    finder = Finder(checked, QUICK)
    for rule in checked.rules:
        for act in acts_of(checked, rule)[:2]:
            _fires(checked, rule, finder.find(Goal(head=act, wishes=(rule.fires,))))
            _spares(checked, rule, finder.find(Goal(head=act, wishes=(ast.Not(body=rule.fires),))))


def _fires(checked: Checked, rule: CheckedRule, answer: Answer) -> None:
    if isinstance(answer, Found):
        history, step = answer.scenario.history, answer.scenario.step
        decision = decide(checked, history, step)
        reasons = decision.permits if rule.kind == "permit" else decision.reasons
        mine = [reason for reason in reasons if reason.rule == rule.id]
        assert [reason.certain for reason in mine] == [Truth.TRUE]
        assert decision.certain.strictness >= (rule.verdict or Verdict.ALLOW).strictness


def _spares(checked: Checked, rule: CheckedRule, answer: Answer) -> None:
    if isinstance(answer, Found):
        decision = decide(checked, answer.scenario.history, answer.scenario.step)
        assert rule.id not in {reason.rule for reason in (*decision.reasons, *decision.permits)}


@DRAWN
@given(checked=checked_policies())
def test_L06_every_finding_of_an_analysis_has_the_verdict_that_it_claims(checked: Checked) -> None:
    for finding in analyse(checked, settings=QUICK).findings:
        if finding.witness is not None:
            decision = decide(checked, finding.witness.history, finding.witness.step)
            assert (decision.verdict, decision.clauses) == (finding.witness.verdict, finding.witness.clauses)


@DRAWN
@given(checked=checked_policies())
def test_L06_a_near_witness_is_replayed_as_well(checked: Checked) -> None:
    finder = Finder(checked, QUICK)
    for rule in checked.rules[:2]:
        for act in acts_of(checked, rule)[:1]:
            first = finder.find(Goal(head=act, wishes=(rule.fires,)))
            if isinstance(first, Found):
                wishes = (ast.Not(body=rule.fires),)
                twin = finder.find(Goal(head=act, wishes=wishes), near=first.scenario)
                if isinstance(twin, Found):
                    history, step = twin.scenario.history, twin.scenario.step
                    assert truth(checked, rule.fires, history, step) is Truth.FALSE


@DRAWN
@given(checked=checked_policies())
def test_L06_a_time_out_is_undecided_and_no_finding(checked: Checked) -> None:
    starved = analyse(checked, settings=Settings(effort=200, timeout_ms=2_000))
    full = analyse(checked, settings=QUICK)
    open_ = {one.rule for one in full.undecided}
    proved = {(finding.code, finding.rule) for finding in full.findings}
    claimed = [one for one in starved.findings if one.code in RESTING_ON_A_PROOF and one.rule not in open_]
    assert {(finding.code, finding.rule) for finding in claimed} <= proved


def test_L06_a_witness_that_shows_something_else_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    from obverse.policy.check import check
    from obverse.policy.parse import parse

    text = "---\npolicy: p\nversion: 1\n---\n# P\n```terms\ntool pay(amount: number) effect money\n```\n"
    checked = check(parse(text + "## C {#c}\n```rule\nforbid pay when amount > 5\n```\n"))
    finder = Finder(checked)
    (rule,) = checked.rules
    act = Act(kind="call", tool="pay")
    assert isinstance(finder.find(Goal(head=act, wishes=(rule.fires,))), Found)
    # the encoding is made to lie: what it found for one wish is given for the opposite one
    wrong = ast.Not(body=rule.fires)
    room = next(iter(finder._rooms.values()))
    room.wishes[finder._asked(wrong).number] = room.wishes[finder._asked(rule.fires).number]
    with pytest.raises(WrongWitness):
        finder.find(Goal(head=act, wishes=(wrong,)))
    assert not isinstance(finder.find(Goal(head=act, wishes=(rule.fires,))), Undecided)
