"""Where in a rule something stands, and what it takes for its truth to be asked there.

A condition inside of `where`, `has`, `since` or a quantifier is about an event or an element. That it can be true *there* is a
condition of its own: some such event satisfies it. `Spot.asks` writes it, in the language.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import TypeAlias

import msgspec

from obverse.policy import ast
from obverse.solver.rewriting import LOOKING_BACK

Around: TypeAlias = "Callable[[ast.Expr], ast.Expr]"


class Spot(msgspec.Struct, frozen=True, kw_only=True):
    """A node, the patterns of the events in scope there (outermost first), and how to ask for something there."""

    node: ast.Node
    events: tuple[ast.Pattern, ...] = ()
    asks: Around


def spots(expr: ast.Expr) -> Iterator[Spot]:
    """Every node of a rule's condition, top down."""
    yield from _below(expr, (), lambda body: body)


def _below(node: ast.Node, events: tuple[ast.Pattern, ...], asks: Around) -> Iterator[Spot]:
    yield Spot(node=node, events=events, asks=asks)
    match node:
        case ast.Quantified() | ast.CountIn() | ast.SumIn():
            yield from _below(node.over, events, asks)
            yield from _below(node.body, events, _some_element(node, asks))
        case _ if isinstance(node, LOOKING_BACK):
            yield from _looking_back(node, events, asks)
        case _:
            for child in ast.children(node):
                yield from _below(child, events, asks)


def _looking_back(node: ast.Node, events: tuple[ast.Pattern, ...], asks: Around) -> Iterator[Spot]:
    for child in ast.children(node):
        if isinstance(child, ast.Pattern):
            yield from _below(child, events, asks)
            continue
        held = isinstance(node, ast.Since) and child is node.body  # asked of every event, whatever it is
        event = ast.Pattern(kind="any") if held else node.event  # type: ignore[attr-defined]  # each of LOOKING_BACK has one
        yield from _below(child, (*events, event), _some_event(event, asks))


def _some_event(event: ast.Pattern, asks: Around) -> Around:
    return lambda body: asks(ast.Once(event=event, where=body))


def _some_element(node: ast.Quantified | ast.CountIn | ast.SumIn, asks: Around) -> Around:
    return lambda body: asks(ast.Quantified(kind="any", variable=node.variable, over=node.over, body=body))
