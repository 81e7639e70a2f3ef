"""Each blocking rule that asks a judge about an act with an effect: would a yes of the judge alone let it through?

    S220 a judge decides: a step with an effect that is allowed, and blocked if the judge had said no, with nothing else done,
         declared or vouched for: no call, no result, no fact, no approval before it

Where the rule says `trusting judge` this is a note, with the shortest step that shows it; a warning in an inviolable clause,
which is then as firm as the judge. Without those words it is a warning, since the test at parse time (P219) reads one rule at
a time and goes by the form of its exception; a note where the arguments of the call have a say in it. A judge that tightens
(`forbid … when message.is_a_threat`) lets nothing through by a yes. A term with `matches` is a test of words, and no judge.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import partial
from typing import Final

import msgspec

from obverse.core.events import AnyEvent, Spoken
from obverse.policy import ast
from obverse.policy.checked import Checked, CheckedRule
from obverse.policy.decide import decide
from obverse.solver.analyses.standing import escaping
from obverse.solver.answers import Act, Answer, Found, Impossible, Scenario
from obverse.solver.find import WrongWitness
from obverse.solver.findings import Severity
from obverse.solver.grounds import rests_on
from obverse.solver.questions import Desk, Outcome, Question, acts_of
from obverse.solver.rewriting import answered, judged_in
from obverse.solver.sentences import listed, named
from obverse.solver.sharing import beside

_NO: Final = ast.Boolean(value=False)
_COUNTS: Final = (ast.Length, ast.CountIn, ast.SumIn, ast.CountEvents, ast.SumEvents, ast.Exceeds)
_SOLID: Final = ("call", "denied", "fact", "approval", "grant")


def questions(checked: Checked) -> Iterator[Question]:
    """One for every blocking rule that asks a judge, and speaks of an act with an effect."""
    blocking = [rule for rule in checked.rules if rule.verdict is not None and rule.verdict.blocks]
    near_to = beside(checked, blocking)
    for rule in blocking:
        judges = frozenset(name for name in judged_in(rule.fires) if checked.judged[name].pattern is None)
        acts = tuple(act for act in acts_of(checked, rule) if _has_effect(checked, act))
        if not judges or not acts:
            continue
        near = near_to[rule.id]
        yield Question(
            code="S220",
            clause=rule.clause,
            rule=rule.id,
            rests_on=rests_on(checked, [rule, *near], also=["S220", is_trusting(checked, rule)]),
            answer=partial(_rule, rule, judges, acts, near),
        )


def is_trusting(checked: Checked, rule: CheckedRule) -> bool:
    """Whether the rule ends with `trusting judge`."""
    number = int(rule.id.rpartition("/")[2])
    return checked.clause(rule.clause).rules[number - 1].trusting_judge


def _has_effect(checked: Checked, act: Act) -> bool:
    """A tool that says nothing of its effects is taken to have some; a reply can be taken back."""
    return act.kind == "call" and checked.tools[act.tool or ""].effects != ("read",)


def _rule(
    rule: CheckedRule, judges: frozenset[str], acts: tuple[Act, ...], near: Sequence[CheckedRule], desk: Desk
) -> Outcome:
    denied = answered(rule.fires, judges, _NO)
    nothing = [ast.Not(body=ast.Once(event=ast.Pattern(kind=kind))) for kind in _SOLID]
    answers: list[Answer] = []
    for act in acts:
        others = [one for one in near if act in desk.acts(one)]
        few = [one for one in others if not any(isinstance(node, _COUNTS) for node in ast.walk(one.fires))]
        answer = escaping(act, [rule, *few], [denied, *nothing], desk)
        if not isinstance(answer, Impossible) and len(few) < len(others):  # fewer rules allow more
            answer = escaping(act, [rule, *others], [denied, *nothing], desk)
        if isinstance(answer, Found):
            return _found(rule, judges, act, answer.scenario, desk)
        answers.append(answer)
    return desk.left_open("S220", rule, answers)


def _found(rule: CheckedRule, judges: frozenset[str], act: Act, scenario: Scenario, desk: Desk) -> Outcome:
    twin = _with_no(scenario, judges)
    verdict = decide(desk.checked, twin.history, twin.step).verdict
    if not verdict.blocks:
        raise WrongWitness(f"S220: {rule.id} does not block where the judge says no: {twin}")
    trusted, firm = is_trusting(desk.checked, rule), desk.checked.clause(rule.clause).inviolable
    chosen = any(isinstance(node, ast.Argument) for node in ast.walk(rule.fires))
    severity: Severity = "warning" if firm or not (trusted or chosen) else "info"
    names = listed([f"`{name}`" for name in sorted(judges)])
    beside = " beside the arguments of the call" if chosen else ""
    said = "as `trusting judge` says" if trusted else "and the rule does not say `trusting judge`"
    firmly = ", though the clause is inviolable" if firm else ""
    message = f"a yes to {names} is all{beside} that lets a call of `{act.tool}` past {named(rule)}, {said}{firmly}: with a no the verdict is {verdict.value}"
    return (desk.finding("S220", message, rule=rule, severity=severity, scenario=scenario, absent=(rule,)),)


def _with_no(scenario: Scenario, judges: frozenset[str]) -> Scenario:
    """The same scenario with every answer of these judges a no."""
    return Scenario(history=tuple(_answering_no(event, judges) for event in scenario.history), step=scenario.step)


def _answering_no(event: AnyEvent, judges: frozenset[str]) -> AnyEvent:
    if not isinstance(event, Spoken):
        return event
    labels = {name: answer and name not in judges for name, answer in event.labels.items()}
    return msgspec.structs.replace(event, labels=labels)
