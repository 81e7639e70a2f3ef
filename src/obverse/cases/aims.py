"""What an obligation asks of a pair of scenarios, in the rule language itself, and the words that it is said in.

A *way* says what must be true of a violating scenario and of its allowed partner: the solver can look for it, and `truth` can
check it on any case, however that case came about (L08). Which ways there are is said in `obligations` (one condition turns the
rule), `edges` (thresholds, windows, limits) and `crossing` (exceptions).

Not said here: that no other rule interferes. That holds for all pairs alike and is added by who searches (`search`).
"""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from obverse.cases.conditions import Atom, Conditions, Place, Spot, at
from obverse.cases.records import Obligation
from obverse.policy import ast
from obverse.policy.checked import CheckedRule


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


def matters(conditions: Conditions, atom: Atom, spot: Spot) -> tuple[ast.Expr, ast.Expr]:
    """That a rule which fires would not with this condition otherwise, and that one which does not fire would."""
    variants = conditions.variants(atom, spot)
    return any_of([negated(variant) for variant in variants]), any_of(variants)


def sided(rule: CheckedRule, ways: tuple[Way, ...]) -> tuple[Way, ...]:
    """For a `permit` only the side where it applies: beyond it, nothing is said."""
    if rule.verdict is not None:
        return ways
    return tuple(msgspec.structs.replace(way, spares=None) for way in ways)


def is_positive(conditions: Conditions, place: Place) -> bool:
    """Whether the rule fires rather with this part true than without: an even number of `not` above it."""
    node: ast.Node = conditions.fires
    positive = True
    for step in place:
        if isinstance(node, ast.Not):
            positive = not positive
        node = at(node, (step,))
    return positive


def any_of(items: Sequence[ast.Expr]) -> ast.Expr:
    """That one of them is true; there is at least one."""
    return items[0] if len(items) == 1 else ast.Or(items=tuple(items))


def negated(expr: ast.Expr) -> ast.Expr:
    """That it is false."""
    return expr.body if isinstance(expr, ast.Not) else ast.Not(body=expr)
