"""Each permit against the rules that block.

    S203 a permit is swallowed               no step to which it applies escapes every blocking rule
    S204 a permit meets a blocking rule      a step to which both apply: the rule decides, whatever the levels
    S205 a lower level permits what a higher one blocks

One question per permit. Of a permit that can never apply, or always does, nothing more is said than that.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import partial

from obverse.policy import ast
from obverse.policy.checked import Checked, CheckedRule
from obverse.solver.analyses.rules import always_fires
from obverse.solver.answers import Answer, Found, Impossible, Scenario
from obverse.solver.findings import Code, Finding
from obverse.solver.grounds import rests_on
from obverse.solver.questions import Desk, Outcome, Question, acts_of
from obverse.solver.sentences import named


def questions(checked: Checked) -> Iterator[Question]:
    """One for every permit."""
    blocking = [rule for rule in checked.rules if rule.verdict is not None and rule.verdict.blocks]
    acts = {rule.id: frozenset(acts_of(checked, rule)) for rule in blocking}
    for permit in (rule for rule in checked.rules if rule.kind == "permit"):
        mine = frozenset(acts_of(checked, permit))
        rules = tuple(rule for rule in blocking if acts[rule.id] & mine)
        yield Question(
            code="S203",
            clause=permit.clause,
            rule=permit.id,
            rests_on=rests_on(checked, [permit, *rules]),
            answer=partial(_permit, permit, rules),
        )


def _permit(permit: CheckedRule, blocking: Sequence[CheckedRule], desk: Desk) -> Outcome:
    """S203; else S204 and S205 for every blocking rule that meets it."""
    acts = [act for act in desk.acts(permit) if isinstance(desk.find(act, (permit.fires,)), Found)]
    if not acts or any(isinstance(one, Finding) for one in always_fires(permit, desk)):
        return ()
    swallowers: dict[str, CheckedRule] = {}
    answers: list[Answer] = []
    for act in acts:
        rules = [rule for rule in blocking if act in desk.acts(rule)]
        answer = desk.find(act, (permit.fires, *(ast.Not(body=rule.fires) for rule in rules)))
        answers.append(answer)
        if isinstance(answer, Impossible):
            swallowers.update({rules[place - 1].id: rules[place - 1] for place in answer.core if place > 0})
    if all(isinstance(answer, Impossible) for answer in answers):
        return (_swallowed(permit, tuple(swallowers.values()), desk),)
    found = () if any(isinstance(answer, Found) for answer in answers) else desk.left_open("S203", permit, answers)
    return (*found, *(one for rule in blocking for one in _meeting(permit, rule, desk)))


def _swallowed(permit: CheckedRule, rules: Sequence[CheckedRule], desk: Desk) -> Finding:
    names = " and ".join(f"{named(rule)} (level {desk.level(rule)})" for rule in rules)
    message = (
        f"{named(permit)} (level {desk.level(permit)}) is never allowed: wherever it applies, {names} blocks, "
        f"and a permit lifts no rule"
    )
    witness = desk.first(permit, (permit.fires,))
    return desk.finding(
        "S203", message, rule=permit, scenario=witness, present=(permit,), others=rules, blocks=witness is not None
    )


def _meeting(permit: CheckedRule, rule: CheckedRule, desk: Desk) -> Outcome:
    code: Code = "S205" if desk.rank(permit) > desk.rank(rule) else "S204"
    answers = []
    for act in desk.acts(permit):
        if act not in desk.acts(rule):
            continue
        answer = desk.find(act, (permit.fires, rule.fires))
        if isinstance(answer, Found):
            return (_met(code, permit, rule, answer.scenario, desk),)
        answers.append(answer)
    return desk.left_open(code, permit, answers)


def _met(code: Code, permit: CheckedRule, rule: CheckedRule, scenario: Scenario, desk: Desk) -> Finding:
    mine, theirs = desk.level(permit), desk.level(rule)
    levels = f"both at level {mine}" if mine == theirs else f"level {theirs} against level {mine}"
    if code == "S205":
        message = (
            f"{named(permit)} permits at a lower level what {named(rule)} blocks: {levels}, the {rule.kind} decides"
        )
    else:
        message = f"{named(permit)} and {named(rule)} meet: where both apply the {rule.kind} decides ({levels})"
    return desk.finding(
        code, message, rule=permit, scenario=scenario, present=(permit, rule), others=(rule,), blocks=True
    )
