"""What a suite must show: every obligation of a policy, and the ways in which a pair of scenarios meets it.

A way says what must be true of a violating scenario and of its allowed partner, in the rule language itself: so the solver
can look for it, and `truth` can check it on any case, however that case came about (L08). Edges are said by variants of the
rule too: a count stands exactly at the limit when the rule would answer otherwise with the limit one lower.

Not said here: that no other rule interferes. That holds for all pairs alike and is added by who searches (`search`).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from decimal import Decimal

import msgspec

from obverse.cases.conditions import Atom, Conditions, Place, Spot, at, conditions_of, put
from obverse.cases.kinds import unit_of, unit_of_sum
from obverse.cases.records import Level, Obligation
from obverse.policy import ast
from obverse.policy.checked import Checked, CheckedRule
from obverse.policy.print import text_of

SECOND = 1_000


class Way(msgspec.Struct, frozen=True, kw_only=True):
    """What must be true where the rule fires, and of the partner where it does not (None: no partner is asked for).

    `outer` is the number of the one outer condition that may change between the two.
    """

    fires: tuple[ast.Expr, ...]
    spares: tuple[ast.Expr, ...] | None
    outer: int


class Aim(msgspec.Struct, frozen=True, kw_only=True):
    """An obligation with the ways to meet it, best first."""

    obligation: Obligation
    ways: tuple[Way, ...]


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
        yield Aim(obligation=obligation, ways=_sided(rule, ways))


def _turning(conditions: Conditions, atom: Atom, spot: Spot) -> tuple[Way, ...]:
    """The rule fires, and does not, and each time it would be otherwise if this condition were."""
    fires = conditions.fires
    if atom.kind == "binding":
        (loose,) = conditions.variants(atom, spot)
        narrow = Way(fires=(fires,), spares=(_not(fires), loose), outer=spot.outer)
        wide = Way(fires=(fires, _not(loose)), spares=(_not(fires),), outer=spot.outer)
        return (narrow, wide) if _positive(conditions, spot.place) else (wide, narrow)
    firing, sparing = _matters(conditions, atom, spot)
    return (Way(fires=(fires, firing), spares=(_not(fires), sparing), outer=spot.outer),)


def _matters(conditions: Conditions, atom: Atom, spot: Spot) -> tuple[ast.Expr, ast.Expr]:
    """That a rule which fires would not with this condition otherwise, and that one which does not fire would."""
    variants = conditions.variants(atom, spot)
    return _any_of([_not(variant) for variant in variants]), _any_of(variants)


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
    for windows in _windows(conditions).values():
        yield from _window_edges(rule, conditions, windows)
    for atom in conditions.outer:
        if isinstance(atom.expr, ast.Exceeds):
            yield from _limits(rule, conditions, atom, atom.expr, checked)


def _aim(rule: CheckedRule, text: str, value: str, ways: tuple[Way, ...]) -> Aim:
    obligation = Obligation(level=Level.BOUNDARY, clause=rule.clause, rule=rule.id, condition=text, value=value)
    return Aim(obligation=obligation, ways=_sided(rule, ways))


def _thresholds(
    rule: CheckedRule, conditions: Conditions, atom: Atom, compare: ast.Compare, checked: Checked
) -> Iterator[Aim]:
    """The two sides are equal, and apart by one unit each way, and it is this point that the rule's answer rests on."""
    unit = unit_of(compare, rule, checked)
    if unit is None:
        return
    for sign in (-1, 0, 1):
        edge = ast.Compare(op="=", left=compare.left, right=_shifted(compare.right, unit, sign))
        inside = sign in {"=": (0,), "!=": (-1, 1), ">": (1,), ">=": (0, 1), "<": (-1,), "<=": (-1, 0)}[compare.op]
        toggled: ast.Expr = ast.And(items=(compare, _not(edge))) if inside else ast.Or(items=(compare, edge))
        ways: list[Way] = []
        for spot in conditions.ways(atom):
            on_firing = inside is _positive(conditions, spot.place)
            if rule.verdict is not None or on_firing:
                other = conditions.replaced(atom, spot, toggled)
                ways += _either(conditions, _matters(conditions, atom, spot), spot.outer, (), other, on_firing)
        if ways:
            yield _aim(rule, atom.text, text_of(edge), tuple(ways))


def _either(
    conditions: Conditions,
    matters: tuple[ast.Expr, ast.Expr],
    outer: int,
    same: tuple[ast.Expr, ...],
    other: ast.Expr,
    on_firing: bool,
) -> tuple[Way, Way]:
    """The edge on the firing side or on the other: `other` answers otherwise there, `same` are variants that do not."""
    fires, spared = conditions.fires, _not(conditions.fires)
    firing = Way(fires=(fires, *same, _not(other)), spares=(spared, matters[1]), outer=outer)
    sparing = Way(fires=(fires, matters[0]), spares=(spared, *(_not(one) for one in same), other), outer=outer)
    return (firing, sparing) if on_firing else (sparing, firing)


class _Window(msgspec.Struct, frozen=True, kw_only=True):
    """A literal window, where it stands, and the outer condition that holds it."""

    span: ast.Duration
    place: Place
    atom: Atom


def _windows(conditions: Conditions) -> dict[int, list[_Window]]:
    """The windows of a rule, those that `apart` copied together."""
    found: dict[int, list[_Window]] = {}
    for atom in conditions.outer:
        for place, span in _spans(at(conditions.fires, atom.place), atom.place):
            found.setdefault(id(span), []).append(_Window(span=span, place=place, atom=atom))
    return found


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


def _window_edges(rule: CheckedRule, conditions: Conditions, windows: list[_Window]) -> Iterator[Aim]:
    """What a window looks for happened exactly at its edge, one second inside, one second outside (closed at both ends).

    A window one millisecond shorter, or a second longer, answers otherwise: so it is just there that something stands.
    """
    text, edge, ms = windows[0].atom.text, text_of(windows[0].span), windows[0].span.ms
    edges = [(f"at {edge}", (), -1, True), (f"{edge} + 1s", (SECOND - 1,), SECOND, False)]
    if ms > SECOND:
        edges.append((f"{edge} - 1s", (-SECOND,), -SECOND - 1, True))
    for value, same, other, inside in edges:
        ways: list[Way] = []
        for window in windows:
            spot = window.atom.spots[0]
            on_firing = inside is _positive(conditions, spot.place)
            if rule.verdict is not None or on_firing:
                alike = tuple(_spanned(conditions, window.place, ms + shift) for shift in same)
                differing = _spanned(conditions, window.place, ms + other)
                matters = _matters(conditions, window.atom, spot)
                ways += _either(conditions, matters, spot.outer, alike, differing, on_firing)
        if ways:
            yield _aim(rule, text, value, tuple(ways))


def _spanned(conditions: Conditions, place: Place, ms: int) -> ast.Expr:
    return put(conditions.fires, place, ast.Duration(ms=ms))


def _limits(
    rule: CheckedRule, conditions: Conditions, atom: Atom, exceeds: ast.Exceeds, checked: Checked
) -> Iterator[Aim]:
    """The Nth is allowed and the next one is not; for a sum, one unit more is not."""
    unit, spot = unit_of_sum(exceeds, rule, checked), atom.spots[0]
    above = conditions.replaced(atom, spot, _to(exceeds, exceeds.to.value + unit))
    below = conditions.replaced(atom, spot, _to(exceeds, exceeds.to.value - unit))
    most = text_of(exceeds.to)
    fires, spared = conditions.fires, _not(conditions.fires)
    last = Way(fires=(fires,), spares=(spared, below), outer=spot.outer)
    first = Way(fires=(fires, _not(above)), spares=(spared,), outer=spot.outer)
    yield _aim(rule, atom.text, f"exactly {most}", (last,))
    yield _aim(rule, atom.text, f"just over {most}", (first,))


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


def _any_of(items: Sequence[ast.Expr]) -> ast.Expr:
    return items[0] if len(items) == 1 else ast.Or(items=tuple(items))


def _not(expr: ast.Expr) -> ast.Expr:
    return expr.body if isinstance(expr, ast.Not) else ast.Not(body=expr)
