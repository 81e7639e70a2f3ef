"""What a suite must show of each rule: that it speaks, that each condition matters, and what stands at its edges.

The ways in which a pair of scenarios meets an obligation are in the rule language itself (`aims`). Here are those of MC/DC; those
of thresholds, windows and limits are in `edges`, those of exceptions in `crossing`; orders of events, pairs of rules and contexts
are no matter of one condition and have modules of their own (`order`, `meeting`, `mixing`).
"""

from __future__ import annotations

from collections.abc import Iterator

import msgspec

from obverse.cases.aims import Aim, Plan, Way, is_positive, matters, negated, sided
from obverse.cases.conditions import Atom, Conditions, Spot, conditions_of
from obverse.cases.crossing import crossings
from obverse.cases.edges import edges
from obverse.cases.records import Level, Obligation
from obverse.policy.checked import Checked, CheckedRule


def plan_of(rule: CheckedRule, checked: Checked, *, boundaries: bool = True, exceptions: bool = False) -> Plan:
    """The plan of one rule, in the order in which its conditions are written."""
    conditions = conditions_of(rule.fires)
    aims = list(_causes(rule, conditions))
    if boundaries:
        aims += edges(rule, conditions, checked)
    if exceptions:
        aims += crossings(rule, conditions)
    return Plan(rule=rule, conditions=conditions, aims=tuple(_numbered(aims)))


def simple_obligations(plan: Plan) -> Iterator[Obligation]:
    """The obligations of a rule that need no pair of their own: the rule, each condition both ways, a twin."""
    rule = plan.rule
    yield Obligation(level=Level.RULE, clause=rule.clause, rule=rule.id)
    for atom in plan.conditions.outer:
        for value in ("true", "false"):
            yield Obligation(
                level=Level.CONDITION,
                clause=rule.clause,
                rule=rule.id,
                condition=atom.text,
                number=atom.number,
                value=value,
            )
    if rule.verdict is not None:
        yield Obligation(level=Level.TWIN, clause=rule.clause, rule=rule.id)


def clause_obligations(checked: Checked) -> Iterator[Obligation]:
    """One for each clause that is formalised."""
    for clause in checked.clauses:
        if clause.rules:
            yield Obligation(level=Level.CLAUSE, clause=clause.id)


def _numbered(aims: list[Aim]) -> Iterator[Aim]:
    """The same aims, with numbers that make their keys unique within a level."""
    counts: dict[Level, int] = {}
    for aim in aims:
        level = aim.obligation.level
        counts[level] = number = counts.get(level, 0) + 1
        yield msgspec.structs.replace(aim, obligation=msgspec.structs.replace(aim.obligation, number=number))


# --- one condition turns the rule --------------------------------------------------------------------------------------


def _causes(rule: CheckedRule, conditions: Conditions) -> Iterator[Aim]:
    for atom in conditions.all:
        obligation = Obligation(level=Level.MCDC, clause=rule.clause, rule=rule.id, condition=atom.text)
        ways = tuple(way for spot in conditions.ways(atom) for way in _turning(conditions, atom, spot))
        yield Aim(obligation=obligation, ways=sided(rule, ways))


def _turning(conditions: Conditions, atom: Atom, spot: Spot) -> tuple[Way, ...]:
    """The rule fires, and does not, and each time it would be otherwise if this condition were."""
    fires = conditions.fires
    if atom.kind == "binding":
        (loose,) = conditions.variants(atom, spot)
        narrow = Way(fires=(fires,), spares=(negated(fires), loose), outer=spot.outer)
        wide = Way(fires=(fires, negated(loose)), spares=(negated(fires),), outer=spot.outer)
        return (narrow, wide) if is_positive(conditions, spot.place) else (wide, narrow)
    firing, sparing = matters(conditions, atom, spot)
    return (Way(fires=(fires, firing), spares=(negated(fires), sparing), outer=spot.outer),)
