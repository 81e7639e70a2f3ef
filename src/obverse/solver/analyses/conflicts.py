"""Rules that demand what others deny: under some condition nothing is allowed, and no rule says so by itself.

    S214 conflict: where X holds, one rule lets through only what another one denies

Of a rule with an exception (`… when X unless A`, `require A … when X`), with A what it lets through:

1. against all others: some step with X escapes them, some with X and A escapes it, but none with X and A escapes them;
2. against a second rule with an exception B and a region Y: steps with X and Y exist, with A, with B, but not with both;
3. against a rule `… when A and Y` that denies the very A: steps with X and Y exist that it does not deny, but those lack A.

Where X is all there is, the act itself can never be allowed: that is S209. Permits are asked about in S203 ff.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import partial

from obverse.policy import ast
from obverse.policy.checked import Checked, CheckedRule
from obverse.solver.analyses.acts import called, denying_rules
from obverse.solver.analyses.rules import conjuncts
from obverse.solver.analyses.standing import escaping
from obverse.solver.answers import Act, Answer, Found, Impossible, Undecided
from obverse.solver.findings import Finding, Open
from obverse.solver.grounds import rests_on
from obverse.solver.questions import Desk, Outcome, Question
from obverse.solver.rewriting import all_of, negated
from obverse.solver.sentences import listed, named_apart, short
from obverse.solver.sharing import bearing_on, beside, touched


def questions(checked: Checked) -> Iterator[Question]:
    """One for every denying rule with an exception that shares an act with another denying rule."""
    denying = denying_rules(checked)
    near = beside(checked, denying)
    for place, rule in enumerate(denying):
        if rule.exception is not None and near[rule.id]:
            later = frozenset(one.id for one in denying[place:])
            also = ["S214", [one.id in later for one in near[rule.id]]]
            yield Question(
                code="S214",
                clause=rule.clause,
                rule=rule.id,
                rests_on=rests_on(checked, [rule, *near[rule.id]], also=also),
                answer=partial(_rule, rule, near[rule.id], later),
            )


def _rule(rule: CheckedRule, near: Sequence[CheckedRule], later: frozenset[str], desk: Desk) -> Outcome:
    by_all = _against_all(rule, near, desk) if rule.when is not None else ()
    if by_all:
        return by_all
    found: list[Finding | Open] = []
    for other in near:
        if other.exception is not None and other.id in later:
            found += _against_exception(rule, other, desk)
        elif other.exception is None:
            found += _against_the_same(rule, other, desk)
    return tuple(found)


# --- (1) against all others ---------------------------------------------------------------------------------------------


def _against_all(rule: CheckedRule, near: Sequence[CheckedRule], desk: Desk) -> Outcome:
    region, lets = _region(rule), rule.exception
    asked: set[tuple[str, ...]] = set()
    for act in desk.acts(rule):
        others = [one for one in near if act in desk.acts(one)]
        others = list(bearing_on(desk.checked, all_of((*region, lets or _TRUE)), others))
        key = tuple(one.id for one in others)
        if not others or key in asked:
            continue  # the same rules again: tools differ by their arguments alone
        asked.add(key)
        answer = escaping(act, others, (*region, lets or _TRUE), desk)
        if isinstance(answer, Found):
            continue
        room = [escaping(act, others, region, desk), desk.find(act, (*region, lets or _TRUE))]
        if any(isinstance(one, Impossible) for one in room):
            continue  # the others deny all of X by themselves, or the rule does
        undecided = _undecided(rule, [answer, *room])
        if undecided:
            return undecided
        core = answer.core if isinstance(answer, Impossible) else ()
        deniers = [others[place] for place in core if place < len(others)]
        return (_conflict(act, rule, deniers, region, (*region, lets or _TRUE), desk),)
    return ()


# --- (2) against another exception, (3) against a rule that denies the very same ----------------------------------------


def _against_exception(rule: CheckedRule, other: CheckedRule, desk: Desk) -> Outcome:
    if rule.exception is None or other.exception is None or (rule.when is None and other.when is None):
        return ()
    if not touched(desk.checked, rule.exception) & touched(desk.checked, other.exception):
        return ()
    region = (*_region(rule), *_region(other))
    return _excluding(rule, other, region, rule.exception, other.exception, desk)


def _against_the_same(rule: CheckedRule, other: CheckedRule, desk: Desk) -> Outcome:
    """A rule that denies what this one lets through, but only under a further condition."""
    if rule.exception is None:
        return ()
    lets = conjuncts(rule.exception)
    denied = conjuncts(other.fires)
    same = [part for part in denied if part in lets]
    rest = tuple(part for part in denied if part not in lets)
    if not same or not rest:
        return ()
    return _excluding(rule, other, (*_region(rule), *rest), rule.exception, negated(all_of(tuple(same))), desk)


def _excluding(
    rule: CheckedRule, other: CheckedRule, region: tuple[ast.Expr, ...], mine: ast.Expr, theirs: ast.Expr, desk: Desk
) -> Outcome:
    """Whether in a region that exists each lets something through, and both together nothing."""
    for act in (act for act in desk.acts(rule) if act in desk.acts(other)):
        answer = desk.find(act, (*region, mine, theirs))
        if isinstance(answer, Found):
            return ()
        room = [desk.find(act, (*region, one)) for one in (mine, theirs)]
        if any(isinstance(one, Impossible) for one in room):
            continue
        undecided = _undecided(rule, [answer, *room])
        if undecided:
            return undecided
        return (_conflict(act, rule, [other], region, (*region, mine), desk),)
    return ()


# --- reporting ----------------------------------------------------------------------------------------------------------

_TRUE = ast.Boolean(value=True)


def _region(rule: CheckedRule) -> tuple[ast.Expr, ...]:
    return () if rule.when is None else conjuncts(rule.when)


def _undecided(rule: CheckedRule, answers: Sequence[Answer]) -> Outcome:
    reasons = dict.fromkeys(answer.reason for answer in answers if isinstance(answer, Undecided))
    return (Open(code="S214", clause=rule.clause, reason="; ".join(reasons), rule=rule.id),) if reasons else ()


def _conflict(
    act: Act,
    rule: CheckedRule,
    others: Sequence[CheckedRule],
    region: tuple[ast.Expr, ...],
    wishes: tuple[ast.Expr, ...],
    desk: Desk,
) -> Finding:
    mine, *theirs = named_apart([rule, *others])
    names = listed(theirs)
    where = f"where `{short(all_of(region))}`, {called(act)} is never allowed"
    lets = f"{mine} lets through only `{short(rule.exception or _TRUE)}`"
    message = f"{where}: {lets}, which {names} {'denies' if len(others) == 1 else 'deny'} there"
    found = desk.find(act, wishes)
    scenario = found.scenario if isinstance(found, Found) else None
    present = others if len(others) == 1 else ()
    return desk.finding(
        "S214", message, rule=rule, scenario=scenario, present=present, others=others, blocks=scenario is not None
    )
