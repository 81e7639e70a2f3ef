"""Each rule by itself.

    S201 a rule can never fire               no step makes its condition true
    S202 a rule always fires                 no step makes its condition false, though it has one
    S206 an exception can never apply        S207 … applies, but never where the rule speaks
    S208 a clause without a rule             said, never silently covered

One question per rule: what never or always fires is said once, and its exception is not asked about.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from typing import Final

import msgspec

from obverse.policy import ast
from obverse.policy.checked import Checked, CheckedRule
from obverse.solver.answers import Found, Goal
from obverse.solver.findings import Code, Finding
from obverse.solver.grounds import rests_on
from obverse.solver.questions import Desk, Outcome, Question
from obverse.solver.sentences import excluding, fires, named, short

_ALWAYS: Final = ast.Boolean(value=True)
_SMALL_LIMIT: Final = 3


def questions(checked: Checked) -> Iterator[Question]:
    """One for every clause without a rule, and one for every rule."""
    for clause in checked.clauses:
        if not clause.rules:
            answer = partial(_prose, clause.id)
            yield Question(
                code="S208",
                clause=clause.id,
                rule=None,
                rests_on=rests_on(checked, also=["S208", clause.id]),
                answer=answer,
                asks_solver=False,
            )
    for rule in checked.rules:
        yield Question(
            code="S201",
            clause=rule.clause,
            rule=rule.id,
            rests_on=rests_on(checked, [rule]),
            answer=partial(_rule, rule),
        )


def _prose(clause: str, desk: Desk) -> Outcome:
    """S208."""
    return (desk.finding("S208", f"clause `{clause}` has no rule: nothing checks it", clause=clause),)


def _rule(rule: CheckedRule, desk: Desk) -> Outcome:
    never = _never_fires(rule, desk)
    always = () if _stands(never) else always_fires(rule, desk)
    exception = () if _stands((*never, *always)) else _exception(rule, desk)
    return (*never, *always, *exception)


def _stands(outcome: Outcome) -> bool:
    """Whether something was found: what follows would only repeat it."""
    return any(isinstance(one, Finding) for one in outcome)


def _never_fires(rule: CheckedRule, desk: Desk) -> Outcome:
    """S201."""
    parts = conjuncts(_reached(scaled(rule.fires)))
    answers = []
    for act in desk.acts(rule):
        answer = desk.find(act, parts)
        if isinstance(answer, Found):
            return ()
        answers.append(answer)
    left_open = desk.left_open("S201", rule, answers)
    if left_open:
        return left_open
    near = desk.first(rule, (ast.Not(body=rule.fires),))
    why = excluding(parts, answers)
    if rule.kind == "permit":
        message = f"{named(rule)} can never apply: {why}"
    elif _may_fire(rule, desk):  # L03: as where there is no newest event to ask about
        message = f"{named(rule)} can never be known to fire: {why}; it fires only where that is not known"
    else:
        message = f"{named(rule)} can never fire: {why}"
    return (desk.finding("S201", message, rule=rule, scenario=near, absent=(rule,)),)


def _may_fire(rule: CheckedRule, desk: Desk) -> bool:
    """Whether it fires on some step for not knowing, though nothing that is declared is missing."""
    goals = (Goal(head=act, possible=(rule.fires,)) for act in desk.acts(rule))
    return any(isinstance(desk.ask(goal), Found) for goal in goals)


def always_fires(rule: CheckedRule, desk: Desk) -> Outcome:
    """S202. A rule without a condition means to, and is no finding."""
    if rule.fires == _ALWAYS:
        return ()
    answers = []
    for act in desk.acts(rule):
        answer = desk.find(act, (ast.Not(body=scaled(rule.fires)),))
        if isinstance(answer, Found):
            return ()
        answers.append(answer)
    left_open = desk.left_open("S202", rule, answers)
    if left_open or not answers:
        return left_open
    witness = desk.first(rule, (rule.fires,))
    message = f"{named(rule)} {fires(rule)} on every step that it speaks of: `{short(rule.fires)}` is never false"
    return (desk.finding("S202", message, rule=rule, scenario=witness, present=(rule,)),)


def _exception(rule: CheckedRule, desk: Desk) -> Outcome:
    """S206, S207."""
    if rule.exception is None:
        return ()
    where = (rule.when,) if rule.when is not None else ()
    acts = desk.acts(rule)
    answers = [desk.find(act, (*where, rule.exception)) for act in acts]
    if any(isinstance(answer, Found) for answer in answers) or not answers:
        return ()
    if where:  # what is not known fires, too, and there an exception matters as well
        answers = [desk.ask(Goal(head=act, wishes=(rule.exception,), possible=where)) for act in acts]
        if any(isinstance(answer, Found) for answer in answers):
            return ()
    alone = [desk.find(act, (rule.exception,)) for act in acts] if where else answers
    code: Code = "S207" if any(isinstance(answer, Found) for answer in alone) else "S206"
    left_open = desk.left_open(code, rule, answers)
    if left_open:
        return left_open
    called = "requirement" if rule.kind == "require" else "exception"
    text = short(rule.exception)
    witness = desk.first(rule, (rule.fires,))
    if code == "S206":
        message = f"the {called} of {named(rule)} can never be met: `{text}`"
    else:
        message = f"the {called} of {named(rule)} never matters: where the rule speaks, `{text}` is never true"
    return (desk.finding(code, message, rule=rule, scenario=witness, present=(rule,)),)


def conjuncts(expr: ast.Expr) -> tuple[ast.Expr, ...]:
    """The parts that must all be true, so that a contradiction can be named by parts."""
    if isinstance(expr, ast.And):
        return tuple(part for item in expr.items for part in conjuncts(item))
    if isinstance(expr, ast.Not) and isinstance(expr.body, ast.Or):
        return tuple(part for item in expr.body.items for part in conjuncts(ast.Not(body=item)))
    if isinstance(expr, ast.Not) and isinstance(expr.body, ast.Not):
        return conjuncts(expr.body.body)
    return (expr,)


def scaled(fires: ast.Expr) -> ast.Expr:
    """A smaller limit in place of a large one, for whether it can be exceeded, and need not be, at all.

    What exceeds the small one exceeds the large one once its calls are repeated at the same instants; what keeps within the
    small one keeps within the large one. UNSOUND IF a limit ever depends on anything but the number of its calls.
    """
    if isinstance(fires, ast.Exceeds) and fires.amount is None and fires.to.value > _SMALL_LIMIT:
        return ast.Exceeds(
            heads=fires.heads, to=ast.Number(value=_SMALL_LIMIT), per=fires.per, by=fires.by, at=fires.at
        )
    return fires


def _reached(fires: ast.Expr) -> ast.Expr:
    """A smaller limit on a sum, for whether it can be exceeded at all: what exceeds a small one, repeated, exceeds the large one.

    Only where calls add lengths, which are bounded here and nowhere else. The amount is one of the call alone, of no past.
    """
    if isinstance(fires, ast.Exceeds) and fires.amount is not None and fires.to.value > _SMALL_LIMIT:
        nodes = list(ast.walk(fires.amount))
        lengths = any(isinstance(node, ast.Length | ast.CountIn) for node in nodes)
        if lengths and not any(isinstance(node, ast.Pattern | ast.FactValue | ast.Now) for node in nodes):
            return msgspec.structs.replace(fires, to=ast.Number(value=_SMALL_LIMIT))
    return fires
