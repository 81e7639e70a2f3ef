"""What a set of cases covers, found out again from the cases alone (L08).

Nothing that was stored when the cases were made is believed: not the verdict, not the obligation, not which condition was
flipped. Each case is decided again, each condition evaluated again, each change of order found again in the two histories; only
the links from a case to its twin and to what it varies are read, since any link will do if the two turn out to be a pair. What
is infeasible needs a proof and therefore comes as an argument.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence

import msgspec

from obverse.cases.aims import Plan
from obverse.cases.meeting import VALUES, Meeting, Voices, meetings, voices
from obverse.cases.mixing import mixed_demands, mixture_of
from obverse.cases.obligations import clause_obligations, plan_of, simple_obligations
from obverse.cases.order import Change, Difference, Look, differences, is_about, looks_of, orders_of
from obverse.cases.records import (
    COUNTED,
    STANDARD,
    Case,
    ClauseCoverage,
    Count,
    Coverage,
    Infeasible,
    Level,
    Obligation,
)
from obverse.cases.settings import Settings
from obverse.cases.sight import Sight, aim_is_met
from obverse.core.verdicts import Truth
from obverse.policy.checked import Checked, CheckedRule

REST = "*"
"""Stands for the clause and the rule of what is counted for many at once."""


class Couple(msgspec.Struct, frozen=True, kw_only=True):
    """A case alone or with its partner. `name` is the case; `follower` of the two is the one that never goes without the other."""

    name: str
    one: Sight
    other: Sight | None
    follower: str


Demand = tuple[Obligation, Iterator[str]]
"""An obligation and the cases that show it, alone or with what they follow. To be read before the next one is asked for."""


def coverage(
    checked: Checked,
    cases: Sequence[Case],
    infeasible: Collection[Infeasible] = (),
    *,
    plans: Sequence[Plan] = (),
    settings: Settings | None = None,
) -> Coverage:
    """The obligations that these cases meet, and how many are left: proved infeasible, or open."""
    settings = settings or Settings()
    met: dict[str, Obligation] = {}
    asked: list[Obligation] = []
    for obligation, shown_by in demands(checked, cases, infeasible, plans=plans, settings=settings):
        asked.append(obligation)
        if next(shown_by, None) is not None:
            met[obligation.key] = obligation
    ruled = {obligation.clause for obligation in met.values() if obligation.level is Level.RULE}
    clauses = list(clause_obligations(checked))
    met |= {obligation.key: obligation for obligation in clauses if obligation.clause in ruled}
    impossible = {one.obligation.key for one in infeasible if one.cause == "any"}
    rest = meetings_left(checked, settings) if settings.depth == "full" else 0
    return _table(checked, [*clauses, *asked], met.keys(), impossible, settings, rest)


def demands(
    checked: Checked,
    cases: Sequence[Case],
    infeasible: Collection[Infeasible] = (),
    *,
    plans: Sequence[Plan] = (),
    settings: Settings,
) -> Iterator[Demand]:
    """Every obligation but those of clauses, each with the cases that show it."""
    plans = plans or plans_of(checked, settings)
    sights = {case.id: Sight(checked, case.history, case.step) for case in cases}
    couples, variations = list(_couples(cases, sights)), list(_variations(cases, sights))
    forced = {(one.cause, one.obligation.key) for one in infeasible}
    for plan in plans:
        ours = [couple for couple in couples if couple.one.is_meant_by(plan.rule)]
        yield from _of_rule(plan, ours, forced)
        if settings.depth == "full":
            yield from _of_orders(plan, variations, forced)
    if settings.depth == "full":
        yield from _of_meetings(list(looked_at(checked, settings)), sights)
        yield from mixed_demands(mixture_of(checked, settings), cases)


def plans_of(checked: Checked, settings: Settings) -> list[Plan]:
    """The plans of all rules, as far as the settings ask."""
    full = settings.depth == "full"
    return [plan_of(rule, checked, boundaries=settings.boundaries, exceptions=full) for rule in checked.rules]


def looked_at(checked: Checked, settings: Settings) -> Iterator[Meeting]:
    """The pairs of rules that are looked at, so many as the settings say."""
    return (meeting for meeting, _ in zip(meetings(checked), range(settings.pairs), strict=False))


def meetings_left(checked: Checked, settings: Settings) -> int:
    """How many obligations of pairs are not looked at; they are open."""
    count = sum(1 for _ in meetings(checked))
    return max(0, count - settings.pairs) * len(VALUES)


def is_forced(infeasible: Collection[Infeasible], obligation: Obligation) -> bool:
    """Whether a unique-cause pair for this obligation was proved impossible, so that a masking one counts."""
    return any(one.cause == "unique" and one.obligation.key == obligation.key for one in infeasible)


def _couples(cases: Sequence[Case], sights: dict[str, Sight]) -> Iterator[Couple]:
    """Each case alone or with its twin, seen from both ends: which of the two breaks a rule is for the rule to say."""
    heads = {case.id for case in cases if case.family == case.id}
    pairs = {(case.id, case.twin): None for case in cases}
    pairs |= {(case.twin, case.id): None for case in cases if case.twin in sights}
    for one, other in pairs:
        if one is not None:
            partner = sights.get(other or "")
            follows = partner is not None and other is not None and one in heads
            yield Couple(
                name=one, one=sights[one], other=partner, follower=other if follows and other is not None else one
            )


def _variations(cases: Sequence[Case], sights: dict[str, Sight]) -> Iterator[Couple]:
    for case in cases:
        if case.varied in sights:
            base = case.varied or ""
            yield Couple(name=base, one=sights[base], other=sights[case.id], follower=case.id)


# --- one rule --------------------------------------------------------------------------------------------------------------


def _of_rule(plan: Plan, couples: Sequence[Couple], forced: Collection[tuple[str, str]]) -> Iterator[Demand]:
    rule = plan.rule
    pairs = [couple for couple in couples if couple.other is not None and couple.other.is_meant_by(rule)]
    if rule.verdict is None:
        pairs = list(couples)
    for obligation in simple_obligations(plan):
        match obligation.level:
            case Level.RULE:
                yield obligation, (couple.name for couple in couples if _shows(rule, couple.one))
            case Level.CONDITION:
                expr, wanted = plan.conditions.outer[obligation.number].expr, Truth(obligation.value)
                yield obligation, (couple.name for couple in couples if couple.one.truth(expr) is wanted)
            case _:
                yield obligation, (pair.follower for pair in pairs if _are_twins(plan, pair))
    for aim in plan.aims:
        unique = ("unique", aim.obligation.key) not in forced
        yield aim.obligation, (
            pair.follower
            for pair in pairs
            if aim_is_met(aim, plan.conditions, pair.one, pair.other, rule, unique=unique)
        )  # fmt: skip


def _shows(rule: CheckedRule, sight: Sight) -> bool:
    return sight.is_permitted_by(rule) if rule.verdict is None else sight.is_violation_of(rule)


def _are_twins(plan: Plan, pair: Couple) -> bool:
    """Whether exactly one condition of the rule differs, and with it the verdict of the whole decision (L07)."""
    one, other = pair.one, pair.other
    if other is None or not one.is_turned_by(plan.rule) or not other.is_spared_by(plan.rule):
        return False
    return len(changed_conditions(plan, one, other)) == 1


def changed_conditions(plan: Plan, one: Sight, other: Sight) -> list[int]:
    """The numbers of the outer conditions whose values differ."""
    values = zip(one.values(plan.conditions), other.values(plan.conditions), strict=True)
    return [number for number, (left, right) in enumerate(values) if left is not right]


# --- orders of events ------------------------------------------------------------------------------------------------------


def _of_orders(plan: Plan, variations: Sequence[Couple], forced: Collection[tuple[str, str]]) -> Iterator[Demand]:
    looks = looks_of(plan)
    ours = [couple for couple in variations if looks and couple.one.is_meant_by(plan.rule)]
    for obligation, look, change in orders_of(plan, looks):
        steady = ("flip", obligation.key) in forced
        yield (
            obligation,
            (pair.follower for pair in ours if order_is_shown(plan, look, change, pair.one, pair.other, steady=steady)),
        )


def order_is_shown(plan: Plan, look: Look, change: Change, one: Sight, other: Sight | None, *, steady: bool) -> bool:
    """Whether the second past is the first so changed, and the verdict turns with it; or stays, where it is `steady`."""
    if other is None or not (turns(plan, look, one, other) or (steady and stays(plan, one, other))):
        return False
    now = one.step.event.time
    found: list[Difference] = differences(one.history, other.history, look.window, now)
    return any(each.change == change and is_about(each, look, one.checked) for each in found)


def turns(plan: Plan, look: Look, one: Sight, other: Sight) -> bool:
    """Whether the rule is violated in one and spares the other, and a condition that holds the look has changed."""
    rule = plan.rule
    if not any(a.is_violation_of(rule) and b.is_spared_by(rule) for a, b in ((one, other), (other, one))):
        return False
    return bool(set(changed_conditions(plan, one, other)) & set(look.outer))


def stays(plan: Plan, one: Sight, other: Sight) -> bool:
    """Whether the rule is violated in both or spares both, with the same verdict for certain."""
    rule = plan.rule
    if one.decision.verdict is not other.decision.verdict or other.decision.certain is not other.decision.verdict:
        return False
    return all(s.is_violation_of(rule) for s in (one, other)) or all(s.is_spared_by(rule) for s in (one, other))


# --- pairs of rules --------------------------------------------------------------------------------------------------------


def _of_meetings(pairs: Sequence[Meeting], sights: dict[str, Sight]) -> Iterator[Demand]:
    heard: dict[int, dict[str, Voices]] = {}
    if pairs:
        for name, sight in sights.items():
            said = voices(sight)
            for place in said.loud:
                heard.setdefault(place, {})[name] = said
    for meeting in pairs:
        first, second = meeting.places
        either = heard.get(first, {}) | heard.get(second, {})
        shown = [(name, said.shows(meeting)) for name, said in either.items()]
        for value in VALUES:
            yield meeting.obligation(value), iter([name for name, shows in shown if shows == value])


# --- counting --------------------------------------------------------------------------------------------------------------


def _table(
    checked: Checked,
    asked: Sequence[Obligation],
    met: Collection[str],
    impossible: Collection[str],
    settings: Settings,
    rest: int,
) -> Coverage:
    counted = COUNTED if settings.depth == "full" else STANDARD
    counts = {clause.id: {level: Count() for level in counted} for clause in checked.clauses}
    of_none = {level: Count() for level in counted}
    for obligation in asked:
        key = obligation.key
        one = Count(met=1) if key in met else Count(infeasible=1) if key in impossible else Count(open=1)
        counts.get(obligation.clause, of_none)[obligation.level] += one
    if rest:
        of_none[Level.PAIR] += Count(open=rest)
    levels = {level: sum((row[level] for row in counts.values()), of_none[level]) for level in counted}
    rows = tuple(ClauseCoverage(clause=clause, levels=row) for clause, row in counts.items())
    return Coverage(levels=levels, clauses=rows, met=tuple(sorted(met)))
