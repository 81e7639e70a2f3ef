"""Each rule with something in it that may be unknown though nothing declared is missing: does it fire for that alone?

    S216 a rule fires where a part of it has no value: an optional field that is not there, a division by zero

Asked for: a complete past and a step at which the rule may fire, though it would not if its author had guarded that part. So
what fails closed on purpose is no finding: `unless note contains "ok"` denies without a note either way, and so does `last …
has` without such an event, or a fact that nobody stated. That every rule fires where a *declared* field is missing, a judge is
silent or a time is absent is L03, and needs no solver.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial

from obverse.policy import ast
from obverse.policy.checked import Checked, CheckedRule
from obverse.solver.analyses.rules import scaled
from obverse.solver.answers import Found, Goal
from obverse.solver.findings import Finding, Open
from obverse.solver.gaps import Gap, gaps_of, guarded
from obverse.solver.grounds import rests_on
from obverse.solver.questions import Desk, Outcome, Question
from obverse.solver.sentences import fires, named, short


def questions(checked: Checked) -> Iterator[Question]:
    """One for every rule in which something may have no value; a permit does not apply then, and lets no one down."""
    for rule in (rule for rule in checked.rules if rule.kind != "permit"):
        gaps = gaps_of(checked, rule)
        if gaps:
            yield Question(
                code="S216",
                clause=rule.clause,
                rule=rule.id,
                rests_on=rests_on(checked, [rule], also=["S216"]),
                answer=partial(_rule, rule, gaps),
            )


def _rule(rule: CheckedRule, gaps: tuple[Gap, ...], desk: Desk) -> Outcome:
    found: list[Finding | Open] = []
    for gap in gaps:
        found += _limit(rule, gap, desk) if rule.kind == "limit" else _condition(rule, gap, desk)
    return tuple(found)


def _condition(rule: CheckedRule, gap: Gap, desk: Desk) -> Outcome:
    found = guarded(rule, gap)
    guard = short(found.guard) if isinstance(found.guard, ast.Present | ast.Compare) else f"({short(found.guard)})"
    return _asked(rule, gap, (ast.Not(body=found.fires),), f"write `{guard} and …` before it", desk)


def _limit(rule: CheckedRule, gap: Gap, desk: Desk) -> Outcome:
    """A sum over a value that the step lacks; a key that is not known counts on purpose."""
    if (
        not isinstance(rule.fires, ast.Exceeds)
        or rule.fires.amount is None
        or gap.part not in ast.walk(rule.fires.amount)
    ):
        return ()
    hint = f"say `require {short(gap.known)} for …`"
    return _asked(rule, gap, (ast.Not(body=gap.known),), hint, desk)


def _asked(rule: CheckedRule, gap: Gap, wishes: tuple[ast.Expr, ...], hint: str, desk: Desk) -> Outcome:
    answers = []
    for act in desk.acts(rule):
        answers.append(desk.ask(Goal(head=act, wishes=wishes, possible=(scaled(rule.fires),))))
        answer = answers[-1]
        if isinstance(answer, Found):
            where = f"is 0 in `{short(gap.part)}`" if gap.is_division else "is missing"
            what = gap.part.right if isinstance(gap.part, ast.Arith) else gap.part
            message = f"{named(rule)} {fires(rule)} where `{short(what)}` {where}, since nothing is known then: {hint}"
            return (desk.finding("S216", message, rule=rule, scenario=answer.scenario, present=(rule,)),)
    return desk.left_open("S216", rule, answers)
