"""What a look into the past cannot see: by the meaning of its operator, or because the rule is the same without it.

Both are reasons why a change to the order of events can never turn a verdict. The first is a small table; it is tried on random
pasts (`tests/cases/test_order.py`). The second is left to the solver: a rule that is equivalent to a variant in which this look is
blind, or fixed, is as blind. A rule may see by another look what this one does not.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

import msgspec

from obverse.cases.order import CHANGES, Change, Look, same_look
from obverse.policy import ast
from obverse.policy.print import text_of


def cannot_see(look: Look, change: Change) -> str | None:
    """Why this change to the past can never turn what the operator says, by its very meaning; None where it may.

    Only of operators whose inside asks nothing of the past: an inner one may see what the outer one does not.
    """
    expr = look.expr
    if look.nested or _looks_deeper(expr):
        return None
    counts = isinstance(expr, ast.CountEvents | ast.SumEvents | ast.Exceeds)
    match change:
        case "swap" if look.window is None and (counts or isinstance(expr, ast.Once)):
            return "in which order it happened is not asked"
        case "repeat" if not counts:
            return "how often it happened is not asked"
        case "repeat" if isinstance(expr, ast.Exceeds) and expr.amount is None and expr.to.value <= 1:
            return "what happened once is already too much"
        case "between" if isinstance(expr, ast.Once) or counts or (isinstance(expr, ast.Last) and _keyed(expr)):
            return "what is of another key or kind is not looked at"
    return None


def _looks_deeper(expr: ast.Node) -> bool:
    inner = [node for child in ast.children(expr) for node in ast.walk(child)]
    past = ast.Once | ast.Last | ast.Previous | ast.Since | ast.CountEvents | ast.SumEvents | ast.Exceeds
    return any(isinstance(node, past | ast.FactValue) for node in inner)


def _keyed(expr: ast.Last) -> bool:
    return bool(expr.event.arguments)


class Variant(msgspec.Struct, frozen=True, kw_only=True):
    """The rule with another operator in place of the look. Is it equivalent to the rule, then no change that it `proves` matters."""

    fires: ast.Expr
    told: str
    proves: tuple[Change, ...]


def variants(fires: ast.Expr, look: Look) -> Iterator[Variant]:
    """The rule blind to order and time, then without a past for this look, as far as such operators exist."""
    always = f"if `{text_of(look.expr)}` were always"
    others: tuple[tuple[str, Callable[[ast.Node], ast.Node | None], tuple[Change, ...]], ...] = (
        ("if it were blind to the order", _blind, ("swap", "outside")),
        (f"{always} false", _never, CHANGES),
        (f"{always} true", _ever, CHANGES),
        ("if nothing had happened before", _forgetful, CHANGES),
    )
    for told, change, proves in others:
        new = _changed(fires, look, change)
        if new != fires:
            yield Variant(fires=new, told=told, proves=proves)  # type: ignore[arg-type]  # an expression stays one


def _never(node: ast.Node) -> ast.Node | None:
    return ast.Boolean(value=False) if isinstance(node, ast.Once | ast.Last | ast.Previous | ast.Since) else None


def _ever(node: ast.Node) -> ast.Node | None:
    return ast.Boolean(value=True) if isinstance(node, ast.Once | ast.Last | ast.Previous | ast.Since) else None


def _forgetful(node: ast.Node) -> ast.Node | None:
    if isinstance(node, ast.Exceeds):
        return msgspec.structs.replace(node, per=ast.Duration(ms=0))
    return ast.Number(value=0) if isinstance(node, ast.CountEvents | ast.SumEvents) else None


def _blind(node: ast.Node) -> ast.Node | None:
    match node:
        case ast.Last():
            items = tuple(part for part in (node.where, node.has) if part is not None)
            return ast.Once(event=node.event, where=items[0] if len(items) == 1 else ast.And(items=items))
        case ast.Previous():
            return ast.Once(event=node.event, where=node.has)
        case ast.Since():
            return ast.Once(event=node.event, where=node.where)
        case ast.Once() | ast.CountEvents() | ast.SumEvents() if node.within is not None:
            return msgspec.structs.replace(node, within=None)
        case ast.Exceeds() if node.per is not None:
            return msgspec.structs.replace(node, per=None)
    return None


def _changed(node: ast.Node, look: Look, change: Callable[[ast.Node], ast.Node | None]) -> ast.Node:
    """The tree with this look replaced wherever it stands, as far as there is something to replace it with."""
    new = change(node) if same_look(node, look.expr) else None
    if new is not None:
        return new
    parts: dict[str, object] = {}
    for name in node.__struct_fields__:
        part = getattr(node, name)
        if isinstance(part, ast.Node) and name != "at":
            parts[name] = _changed(part, look, change)
        elif isinstance(part, tuple):
            parts[name] = tuple(_changed(one, look, change) if isinstance(one, ast.Node) else one for one in part)
    return msgspec.structs.replace(node, **parts)
