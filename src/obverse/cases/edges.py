"""The edges of a rule: every number at its threshold and one unit to each side, every window at its edge and one second to each.

Edges are said by variants of the rule: a count stands exactly at the limit when the rule would answer otherwise with the limit
one lower; something stands exactly at the edge of a window when a window that is a millisecond shorter answers otherwise.
"""

from __future__ import annotations

from collections.abc import Iterator
from decimal import Decimal

import msgspec

from obverse.cases.aims import Aim, Way, is_positive, matters, negated, sided
from obverse.cases.conditions import Atom, Conditions, Place, at, put
from obverse.cases.kinds import unit_of, unit_of_sum
from obverse.cases.records import Level, Obligation
from obverse.policy import ast
from obverse.policy.checked import Checked, CheckedRule
from obverse.policy.print import text_of

SECOND = 1_000


def edges(rule: CheckedRule, conditions: Conditions, checked: Checked) -> Iterator[Aim]:
    """Each threshold, window and limit of a rule, at its edge and just beside it."""
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
    return Aim(obligation=obligation, ways=sided(rule, ways))


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
        toggled: ast.Expr = ast.And(items=(compare, negated(edge))) if inside else ast.Or(items=(compare, edge))
        ways: list[Way] = []
        for spot in conditions.ways(atom):
            on_firing = inside is is_positive(conditions, spot.place)
            if rule.verdict is not None or on_firing:
                other = conditions.replaced(atom, spot, toggled)
                ways += _either(conditions, matters(conditions, atom, spot), spot.outer, (), other, on_firing)
        if ways:
            yield _aim(rule, atom.text, text_of(edge), tuple(ways))


def _either(
    conditions: Conditions,
    turns: tuple[ast.Expr, ast.Expr],
    outer: int,
    same: tuple[ast.Expr, ...],
    other: ast.Expr,
    on_firing: bool,
) -> tuple[Way, Way]:
    """The edge on the firing side or on the other: `other` answers otherwise there, `same` are variants that do not."""
    fires, spared = conditions.fires, negated(conditions.fires)
    firing = Way(fires=(fires, *same, negated(other)), spares=(spared, turns[1]), outer=outer)
    sparing = Way(fires=(fires, turns[0]), spares=(spared, *(negated(one) for one in same), other), outer=outer)
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
            on_firing = inside is is_positive(conditions, spot.place)
            if rule.verdict is not None or on_firing:
                alike = tuple(_spanned(conditions, window.place, ms + shift) for shift in same)
                differing = _spanned(conditions, window.place, ms + other)
                turns = matters(conditions, window.atom, spot)
                ways += _either(conditions, turns, spot.outer, alike, differing, on_firing)
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
    fires, spared = conditions.fires, negated(conditions.fires)
    last = Way(fires=(fires,), spares=(spared, below), outer=spot.outer)
    first = Way(fires=(fires, negated(above)), spares=(spared,), outer=spot.outer)
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
