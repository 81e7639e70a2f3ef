"""Limits of hundreds of calls, asked about by limits of a few. Not an analysis: whoever asks about several rules asks this first.

A past with a few calls stands for one with many: earlier calls are repeated at their instants until the large limit is exceeded.
What is found for the small ones is then true of the large ones; what is not found says nothing, and is asked as it is.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import msgspec

from obverse.policy import ast
from obverse.solver.analyses.rules import scaled

_COUNTING: Final = (ast.Exceeds, ast.CountEvents, ast.SumEvents, ast.Since, ast.Previous)
_SMALL: Final = 3


def holds(outer: ast.Expr, inner: ast.Expr) -> bool:
    """Whether what exceeds the inner limit exceeds the outer one, by their numbers: no smaller, no longer, of the same calls."""
    if not isinstance(outer, ast.Exceeds) or not isinstance(inner, ast.Exceeds):
        return False
    spans = outer.per is None or (inner.per is not None and inner.per.ms <= outer.per.ms)
    alike = outer.heads == inner.heads and outer.amount is None and inner.amount is None
    return alike and spans and outer.to.value <= inner.to.value and outer.by in (None, inner.by)


def smaller(fires: ast.Expr, others: Sequence[ast.Expr]) -> tuple[ast.Expr, tuple[ast.Expr, ...]]:
    """A condition that is to be true, others that are to be false, with small limits in place of large ones.

    Where the one is a limit, the calls that stand for many must leave the others as they are: a limit with room for all of them
    gets room for the few, any other one for the step alone; a sum is as it was, since what is repeated may amount to nothing.
    """
    counting = [one for one in others if any(isinstance(node, _COUNTING) for node in ast.walk(one))]
    if not counting:
        return scaled(fires), tuple(others)
    if (
        isinstance(fires, ast.Exceeds)
        and fires.amount is None
        and all(isinstance(one, ast.Exceeds) for one in counting)
    ):
        sums = any(isinstance(one, ast.Exceeds) and one.amount is not None for one in counting)
        looks = any(isinstance(node, ast.Pattern) for one in others if one not in counting for node in ast.walk(one))
        if not (sums and looks):
            return scaled(fires), tuple(_beside(one, fires.to.value) for one in others)
    return fires, tuple(scaled(one) for one in others)


def _beside(fires: ast.Expr, to: object) -> ast.Expr:
    """A limit of calls that is not to be exceeded while another one of `to` is."""
    if not isinstance(fires, ast.Exceeds) or fires.amount is not None or not isinstance(to, int):
        return fires
    room = 1 if fires.to.value <= to + _SMALL else min(to, _SMALL) + 1
    return fires if fires.to.value <= room else msgspec.structs.replace(fires, to=ast.Number(value=room))
