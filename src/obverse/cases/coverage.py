"""What a set of cases covers, found out again from the cases alone (L08).

Nothing that was stored when the cases were made is believed: not the verdict, not the obligation, not which condition was
flipped. Each case is decided again, each condition evaluated again; only the link from a case to its twin is read, since any
link will do if the two turn out to be a pair. What is infeasible needs a proof and therefore comes as an argument.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence

from obverse.cases.aims import Aim, Plan
from obverse.cases.obligations import clause_obligations, plan_of, simple_obligations
from obverse.cases.records import STANDARD, Case, ClauseCoverage, Count, Coverage, Infeasible, Level, Obligation
from obverse.cases.sight import Sight, aim_is_met, only_differ_in
from obverse.core.verdicts import Truth
from obverse.policy.checked import Checked, CheckedRule

Couple = tuple[Sight, Sight | None]


def coverage(
    checked: Checked, cases: Sequence[Case], infeasible: Collection[Infeasible] = (), *, plans: Sequence[Plan] = ()
) -> Coverage:
    """The obligations that these cases meet, and how many are left: proved infeasible, or open."""
    plans = plans or [plan_of(rule, checked) for rule in checked.rules]
    couples = list(_couples(checked, cases))
    forced = {one.obligation.key for one in infeasible if one.cause == "unique"}
    met: dict[str, Obligation] = {}
    asked: list[Obligation] = []
    for plan in plans:
        ours = [couple for couple in couples if couple[0].is_meant_by(plan.rule)]
        for obligation, is_met in _of_rule(plan, ours, forced):
            asked.append(obligation)
            if is_met:
                met[obligation.key] = obligation
    ruled = {obligation.clause for obligation in met.values() if obligation.level is Level.RULE}
    clauses = list(clause_obligations(checked))
    met |= {obligation.key: obligation for obligation in clauses if obligation.clause in ruled}
    impossible = {one.obligation.key for one in infeasible if one.cause == "any"}
    return _table(checked, [*clauses, *asked], met.keys(), impossible)


def is_forced(infeasible: Collection[Infeasible], obligation: Obligation) -> bool:
    """Whether a unique-cause pair for this obligation was proved impossible, so that a masking one counts."""
    return any(one.cause == "unique" and one.obligation.key == obligation.key for one in infeasible)


def _couples(checked: Checked, cases: Sequence[Case]) -> Iterator[Couple]:
    """Each case alone or with its twin, seen from both ends: which of the two breaks a rule is for the rule to say."""
    sights = {case.id: Sight(checked, case.history, case.step) for case in cases}
    pairs = {(case.id, case.twin): None for case in cases}
    pairs |= {(case.twin, case.id): None for case in cases if case.twin in sights}
    for one, other in pairs:
        if one is not None:
            yield sights[one], sights.get(other or "")


def _of_rule(plan: Plan, couples: Sequence[Couple], forced: Collection[str]) -> Iterator[tuple[Obligation, bool]]:
    rule = plan.rule
    pairs = [couple for couple in couples if couple[1] is not None and couple[1].is_meant_by(rule)]
    if rule.verdict is None:
        pairs = list(couples)
    for obligation in simple_obligations(plan):
        match obligation.level:
            case Level.RULE:
                yield obligation, any(_shows(rule, sight) for sight, _ in couples)
            case Level.CONDITION:
                expr, wanted = plan.conditions.outer[obligation.number].expr, Truth(obligation.value)
                yield obligation, any(sight.truth(expr) is wanted for sight, _ in couples)
            case _:
                yield obligation, any(_are_twins(plan, *pair) for pair in pairs)
    for aim in plan.aims:
        unique = aim.obligation.key not in forced
        yield aim.obligation, any(_meets(plan, aim, *pair, unique=unique) for pair in pairs)


def _shows(rule: CheckedRule, sight: Sight) -> bool:
    return sight.is_permitted_by(rule) if rule.verdict is None else sight.is_violation_of(rule)


def _meets(plan: Plan, aim: Aim, one: Sight, other: Sight | None, *, unique: bool) -> bool:
    return aim_is_met(aim, plan.conditions, one, other, plan.rule, unique=unique)


def _are_twins(plan: Plan, one: Sight, other: Sight | None) -> bool:
    """Whether exactly one condition of the rule differs, and with it the verdict of the whole decision (L07)."""
    if other is None or not one.is_violation_of(plan.rule) or not other.is_spared_by(plan.rule):
        return False
    changed = [
        n for n, (a, b) in enumerate(zip(one.values(plan.conditions), other.values(plan.conditions))) if a is not b
    ]
    return len(changed) == 1 and only_differ_in(plan.conditions, one, other, changed[0])


def _table(
    checked: Checked, asked: Sequence[Obligation], met: Collection[str], impossible: Collection[str]
) -> Coverage:
    counts = {clause.id: {level: Count() for level in STANDARD} for clause in checked.clauses}
    for obligation in asked:
        key = obligation.key
        one = Count(met=1) if key in met else Count(infeasible=1) if key in impossible else Count(open=1)
        counts[obligation.clause][obligation.level] += one
    levels = {level: sum((row[level] for row in counts.values()), Count()) for level in STANDARD}
    rows = tuple(ClauseCoverage(clause=clause, levels=row) for clause, row in counts.items())
    return Coverage(levels=levels, clauses=rows, met=tuple(sorted(met)))
