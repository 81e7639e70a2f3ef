"""What a suite must show: every obligation of a policy, and the ways in which a pair of scenarios meets it.

A way says what must be true of a violating scenario and of its allowed partner, in the rule language itself: so the solver
can look for it, and `truth` can check it on any case, however that case came about (L08). Edges are said by variants of the
rule too: a count stands exactly at the limit when the rule would answer otherwise with the limit one lower.

Not said here: that no other rule interferes. That holds for all pairs alike and is added by who searches (`search`).
"""

from __future__ import annotations

from collections.abc import Iterator
from decimal import Decimal

import msgspec

from obverse.cases.conditions import Atom, Conditions, Place, at, conditions_of, put
from obverse.cases.kinds import unit_of, unit_of_sum
from obverse.cases.records import Level, Obligation
from obverse.policy import ast
from obverse.policy.checked import Checked, CheckedRule
from obverse.policy.print import text_of

SECOND = 1_000


class Way(msgspec.Struct, frozen=True, kw_only=True):
    """What must be true where the rule fires, and of the partner where it does not (None: no partner is asked for)."""

    fires: tuple[ast.Expr, ...]
    spares: tuple[ast.Expr, ...] | None


class Aim(msgspec.Struct, frozen=True, kw_only=True):
    """An obligation with the ways to meet it, best first. `outer` is the one outer condition that may change in a pair."""

    obligation: Obligation
    ways: tuple[Way, ...]
    outer: int | None = None


class Plan(msgspec.Struct, frozen=True, kw_only=True):
    """A rule, its conditions, and its obligations of the levels `mcdc` and `boundary`."""

    rule: CheckedRule
    conditions: Conditions
    aims: tuple[Aim, ...]

    @property
    def unconditional(self) -> bool:
        """Whether the rule fires on every step that it speaks of."""
        return not self.conditions.outer


def plan_of(rule: CheckedRule, checked: Checked, *, boundaries: bool = True) -> Plan:
    """The plan of one rule, in the order in which its conditions are written."""
    conditions = conditions_of(rule.fires)
    aims = list(_causes(rule, conditions))
    if boundaries:
        aims += _edges(rule, conditions, checked)
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
                number=atom.outer,
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
        yield Aim(obligation=obligation, ways=_sided(rule, _turning(conditions, atom)), outer=atom.outer)


def _turning(conditions: Conditions, atom: Atom) -> tuple[Way, ...]:
    """The rule fires, and does not, and each time it would be otherwise if this condition were."""
    fires = conditions.fires
    if atom.kind == "binding":
        (loose,) = conditions.variants(atom)
        narrow = Way(fires=(fires,), spares=(_not(fires), loose))
        wide = Way(fires=(fires, _not(loose)), spares=(_not(fires),))
        return (narrow, wide) if _positive(conditions, atom.place) else (wide, narrow)
    return (
        Way(fires=(fires, _matters(conditions, atom, True)), spares=(_not(fires), _matters(conditions, atom, False))),
    )


def _matters(conditions: Conditions, atom: Atom, firing: bool) -> ast.Expr:
    """That the rule, which now fires (or not), would not (or would) with this condition otherwise."""
    variants = conditions.variants(atom)
    turned = tuple(_not(variant) if firing else variant for variant in variants)
    return turned[0] if len(turned) == 1 else ast.Or(items=turned)


def _sided(rule: CheckedRule, ways: tuple[Way, ...]) -> tuple[Way, ...]:
    """For a `permit` only the side where it applies: beyond it, nothing is said."""
    if rule.verdict is not None:
        return ways
    return tuple(msgspec.structs.replace(way, spares=None) for way in ways)


# --- edges -------------------------------------------------------------------------------------------------------------


def _edges(rule: CheckedRule, conditions: Conditions, checked: Checked) -> Iterator[Aim]:
    for atom in conditions.all:
        if atom.kind != "binding" and isinstance(atom.expr, ast.Compare):
            yield from _thresholds(rule, conditions, atom, atom.expr, checked)
    for atom in conditions.outer:
        yield from _windows(rule, conditions, atom)
        yield from _limits(rule, conditions, atom, checked)


def _aim(rule: CheckedRule, atom: Atom, text: str, value: str, ways: tuple[Way, ...]) -> Aim:
    obligation = Obligation(level=Level.BOUNDARY, clause=rule.clause, rule=rule.id, condition=text, value=value)
    return Aim(obligation=obligation, ways=_sided(rule, ways), outer=atom.outer)


def _thresholds(
    rule: CheckedRule, conditions: Conditions, atom: Atom, compare: ast.Compare, checked: Checked
) -> Iterator[Aim]:
    """The two sides are equal, and apart by one unit each way, and it is this point that the rule's answer rests on."""
    unit = unit_of(compare, rule, checked)
    if unit is None:
        return
    for sign in (-1, 0, 1):
        edge = ast.Compare(op="=", left=compare.left, right=_shifted(compare.right, unit, sign))
        inside = {"=": (0,), "!=": (-1, 1), ">": (1,), ">=": (0, 1), "<": (-1,), "<=": (-1, 0)}[compare.op]
        toggled: ast.Expr = ast.And(items=(compare, _not(edge))) if sign in inside else ast.Or(items=(compare, edge))
        other = conditions.replaced(atom, toggled)
        on_firing = (sign in inside) is _positive(conditions, atom.place)
        if rule.verdict is None and not on_firing:
            continue
        yield _aim(rule, atom, atom.text, text_of(edge), _either(conditions, atom, (), other, on_firing))


def _either(
    conditions: Conditions, atom: Atom, same: tuple[ast.Expr, ...], other: ast.Expr, on_firing: bool
) -> tuple[Way, ...]:
    """The edge on the firing side or on the other: `other` answers otherwise there, `same` are variants that do not."""
    fires, spared = conditions.fires, _not(conditions.fires)
    firing = Way(fires=(fires, *same, _not(other)), spares=(spared, _matters(conditions, atom, False)))
    sparing = Way(fires=(fires, _matters(conditions, atom, True)), spares=(spared, *(_not(one) for one in same), other))
    return (firing, sparing) if on_firing else (sparing, firing)


def _windows(rule: CheckedRule, conditions: Conditions, atom: Atom) -> Iterator[Aim]:
    """What a window looks for happened exactly at its edge, one second inside, one second outside (closed at both ends)."""
    for place, span in _spans(at(conditions.fires, atom.place), atom.place):
        inward = _positive(conditions, atom.place)
        edge, ms = text_of(span), span.ms
        here = _spanned(conditions, place, ms - 1)
        yield _aim(rule, atom, atom.text, f"at {edge}", _either(conditions, atom, (), here, inward))
        if ms > SECOND:
            inner, innermost = _spanned(conditions, place, ms - SECOND), _spanned(conditions, place, ms - SECOND - 1)
            yield _aim(rule, atom, atom.text, f"{edge} - 1s", _either(conditions, atom, (inner,), innermost, inward))
        if rule.verdict is not None:
            outer, outermost = _spanned(conditions, place, ms + SECOND - 1), _spanned(conditions, place, ms + SECOND)
            yield _aim(
                rule, atom, atom.text, f"{edge} + 1s", _either(conditions, atom, (outer,), outermost, not inward)
            )


def _spans(node: ast.Node, place: Place) -> Iterator[tuple[Place, ast.Duration]]:
    """The literal windows in an atom: `within D`, `per D`, `E within D of F`."""
    for name in node.__struct_fields__:
        part = getattr(node, name)
        if isinstance(part, ast.Duration) and part.ms > 0 and name in ("within", "per", "span"):
            yield (*place, (name, None)), part
        elif isinstance(part, ast.Node) and name != "at":
            yield from _spans(part, (*place, (name, None)))
        elif isinstance(part, tuple):
            for index, item in enumerate(part):
                if isinstance(item, ast.Node):
                    yield from _spans(item, (*place, (name, index)))


def _spanned(conditions: Conditions, place: Place, ms: int) -> ast.Expr:
    return put(conditions.fires, place, ast.Duration(ms=ms))


def _limits(rule: CheckedRule, conditions: Conditions, atom: Atom, checked: Checked) -> Iterator[Aim]:
    """The Nth is allowed and the next one is not; for a sum, one unit more is not."""
    exceeds = atom.expr
    if not isinstance(exceeds, ast.Exceeds):
        return
    unit = unit_of_sum(exceeds, rule, checked)
    above = conditions.replaced(atom, _to(exceeds, exceeds.to.value + unit))
    below = conditions.replaced(atom, _to(exceeds, exceeds.to.value - unit))
    most = text_of(exceeds.to)
    fires, spared = conditions.fires, _not(conditions.fires)
    last = Way(fires=(fires,), spares=(spared, below))
    first = Way(fires=(fires, _not(above)), spares=(spared,))
    yield _aim(rule, atom, atom.text, f"exactly {most}", (last,))
    yield _aim(rule, atom, atom.text, f"just over {most}", (first,))


def _to(exceeds: ast.Exceeds, value: int | Decimal) -> ast.Exceeds:
    return msgspec.structs.replace(exceeds, to=ast.Number(value=int(value) if value == int(value) else value))


def _shifted(side: ast.Expr, unit: ast.Number | ast.Duration, sign: int) -> ast.Expr:
    """The side of a comparison, `sign` units further: folded where it is a literal."""
    match side, unit:
        case _ if sign == 0:
            return side
        case ast.Number(), ast.Number():
            return ast.Number(value=side.value + sign * unit.value)
        case ast.Duration(), ast.Duration():
            return ast.Duration(ms=side.ms + sign * unit.ms)
        case ast.Time(), ast.Duration():
            return ast.Time(ms=side.ms + sign * unit.ms)
    return ast.Arith(op="+" if sign > 0 else "-", left=side, right=unit)


def _positive(conditions: Conditions, place: Place) -> bool:
    """Whether the rule fires rather with this part true than without: an even number of `not` above it."""
    node: ast.Node = conditions.fires
    positive = True
    for step in place:
        if isinstance(node, ast.Not):
            positive = not positive
        node = at(node, (step,))
    return positive


def _not(expr: ast.Expr) -> ast.Expr:
    return expr.body if isinstance(expr, ast.Not) else ast.Not(body=expr)
