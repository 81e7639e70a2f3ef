"""The conditions of a rule: where they stand in its `fires`, and what the rule would say if one of them were otherwise.

A *condition* is an atom: a part of `fires` that is true or false and holds no smaller such part joined by `and`, `or`, `not`.
An *outer* one has one value at a decision point. An *inner* one stands in the `where` or the body of a quantifier, once for
each event or element; a *binding* ties an argument of an earlier event to the step. The last two have no value of their own,
so every question is asked of the rule as a whole: does it say something else when this part is fixed, or left out?
That is the Boolean derivative of MC/DC (DO-178C 6.4.4.2; Chilenski and Miller 1994), and it works at any depth.

Not a normaliser for others: the solver and `decide` read `fires` as it is.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Literal, TypeAlias

import msgspec

from obverse.policy import ast
from obverse.policy.print import text_of

Place: TypeAlias = tuple[tuple[str, int | None], ...]
"""A way down a tree: names of fields, and indexes where a field is a tuple."""

TRUE = ast.Boolean(value=True)
FALSE = ast.Boolean(value=False)


class Spot(msgspec.Struct, frozen=True, kw_only=True):
    """Where a condition stands; `negated` where its complement is written (`a <= 5` beside `a > 5`)."""

    place: Place
    outer: int
    negated: bool = False


class Atom(msgspec.Struct, frozen=True, kw_only=True):
    """One condition of a rule: what it says, and all its spots. `expr` is it, or the value that a binding ties an argument to.

    `number` counts the outer ones; for the others it is that of the outer condition that holds the first spot.
    """

    kind: Literal["outer", "inner", "binding"]
    text: str
    expr: ast.Expr
    spots: tuple[Spot, ...]
    number: int

    @property
    def place(self) -> Place:
        """The first spot."""
        return self.spots[0].place


class Conditions(msgspec.Struct, frozen=True, kw_only=True):
    """`fires` with `has` drawn apart, and its conditions: the outer ones first, by their number."""

    fires: ast.Expr
    outer: tuple[Atom, ...]
    others: tuple[Atom, ...]

    @property
    def all(self) -> tuple[Atom, ...]:
        """Outer, inner and bindings."""
        return self.outer + self.others

    def within(self, expr: ast.Expr) -> tuple[Atom, ...]:
        """The outer conditions that this part of the rule is made of."""
        inside = {_positive(leaf)[0] for _, leaf in leaves(apart(expr), ())}
        return tuple(atom for atom in self.outer if _positive(atom.expr)[0] in inside)

    def variants(self, atom: Atom, spot: Spot) -> tuple[ast.Expr, ...]:
        """What `fires` is when this condition is otherwise: fixed to true, fixed to false; a binding can only be left out."""
        if atom.kind == "binding":
            return (without_binding(self.fires, spot.place),)
        return self.replaced(atom, spot, TRUE), self.replaced(atom, spot, FALSE)

    def replaced(self, atom: Atom, spot: Spot, new: ast.Expr) -> ast.Expr:
        """`fires` with this condition replaced by another one: an outer one wherever it stands, an inner one at this spot."""
        fires = self.fires
        for each in atom.spots if atom.kind == "outer" else (spot,):
            fires = put(fires, each.place, ast.Not(body=new) if each.negated else new)
        return fires

    def ways(self, atom: Atom) -> tuple[Spot, ...]:
        """Where the condition can be tried: an outer one everywhere at once, an inner one at each of its spots."""
        return atom.spots[:1] if atom.kind == "outer" else atom.spots


def conditions_of(fires: ast.Expr) -> Conditions:
    """The conditions of a rule, in the order in which they are written."""
    fires = apart(fires)
    found: dict[ast.Expr, list[tuple[Place, bool]]] = {}
    first: dict[ast.Expr, ast.Expr] = {}
    for place, leaf in leaves(fires, ()):
        key, negated = _positive(leaf)
        found.setdefault(key, []).append((place, negated))
        first.setdefault(key, leaf)
    outer = []
    for number, (key, spots) in enumerate(found.items()):
        leaf, turned = first[key], spots[0][1]  # told in the words of its first spot
        seen = tuple(Spot(place=place, outer=number, negated=negated is not turned) for place, negated in spots)
        outer.append(Atom(kind="outer", text=text_of(leaf), expr=leaf, spots=seen, number=number))
    return Conditions(fires=fires, outer=tuple(outer), others=tuple(_inside(fires, outer)))


def leaves(expr: ast.Expr, place: Place) -> Iterator[tuple[Place, ast.Expr]]:
    """The atoms below `and`, `or`, `not`, with where they stand; constants are no conditions."""
    match expr:
        case ast.Not():
            yield from leaves(expr.body, (*place, ("body", None)))
        case ast.And() | ast.Or():
            for index, item in enumerate(expr.items):
                yield from leaves(item, (*place, ("items", index)))
        case ast.Boolean():
            return
        case _:
            yield place, expr


def apart(expr: ast.Expr) -> ast.Expr:
    """The same condition with `last E has (A and B)` drawn apart into `last E has A and last E has B`, and so on.

    There is one newest event and `last` is unknown without it, so it passes through `and`, `or` and `not`.
    """
    match expr:
        case ast.Not():
            return ast.Not(body=apart(expr.body), at=expr.at)
        case ast.And():
            return ast.And(items=tuple(apart(item) for item in expr.items), at=expr.at)
        case ast.Or():
            return ast.Or(items=tuple(apart(item) for item in expr.items), at=expr.at)
        case ast.Last():
            return _through(expr, apart(expr.has))
        case _:
            return expr


def _through(last: ast.Last, has: ast.Expr) -> ast.Expr:
    match has:
        case ast.Not():
            return ast.Not(body=_through(last, has.body))
        case ast.And():
            return ast.And(items=tuple(_through(last, item) for item in has.items))
        case ast.Or():
            return ast.Or(items=tuple(_through(last, item) for item in has.items))
        case _:
            return msgspec.structs.replace(last, has=has)


def _positive(leaf: ast.Expr) -> tuple[ast.Expr, bool]:
    """A comparison and its complement are one condition: `a <= 5` is `a > 5`, negated."""
    turned: dict[str, Literal["=", ">", ">="]] = {"!=": "=", "<=": ">", "<": ">="}
    if isinstance(leaf, ast.Compare) and leaf.op in turned:
        return msgspec.structs.replace(leaf, op=turned[leaf.op]), True
    return leaf, False


def _inside(fires: ast.Expr, outer: Sequence[Atom]) -> Iterator[Atom]:
    """The inner conditions and bindings of the outer ones; what `apart` copied is one condition with several spots."""
    copies: dict[int, list[tuple[ast.Node, ast.Node, Spot]]] = {}
    for atom in outer:
        for place, node, above in _below(at(fires, atom.place), atom.place):
            copies.setdefault(id(node), []).append((node, above, Spot(place=place, outer=atom.number)))
    for found in copies.values():
        node, above, first = found[0]
        spots = tuple(spot for _, _, spot in found)
        if isinstance(node, ast.Binding):
            yield Atom(kind="binding", text=_bound(node, above), expr=node.value, spots=spots, number=first.outer)
        else:
            yield Atom(kind="inner", text=text_of(node), expr=node, spots=spots, number=first.outer)  # type: ignore[arg-type]  # no binding


def _bound(binding: ast.Binding, pattern: ast.Node) -> str:
    about = getattr(pattern, "tool", None) or getattr(pattern, "kind", "event")
    return f"{about}({binding.name}: {text_of(binding.value)})"


def _below(node: ast.Node, place: Place) -> Iterator[tuple[Place, ast.Node, ast.Node]]:
    """Conditions and bindings strictly below an atom, each with the node that holds it. `last E has leaf` says the same as its leaf, which is therefore passed over."""
    for name, index, child in _children(node):
        here = (*place, (name, index))
        if isinstance(child, ast.Binding):
            yield here, child, node
        elif name in ("where", "body", "has", "requirement") and not isinstance(
            node, ast.Present | ast.Length | ast.Not
        ):
            if isinstance(node, ast.SumIn):  # the body of a sum is a number
                yield from _below(child, here)
                continue
            for deeper, leaf in leaves(child, here):  # type: ignore[arg-type]  # these fields hold expressions
                if not (isinstance(node, ast.Last) and name == "has" and deeper == here):
                    yield deeper, leaf, node
                yield from _below(leaf, deeper)
        else:
            yield from _below(child, here)


def _children(node: ast.Node) -> Iterator[tuple[str, int | None, ast.Node]]:
    for name in node.__struct_fields__:
        part = getattr(node, name)
        if name == "at":
            continue
        if isinstance(part, ast.Node):
            yield name, None, part
        elif isinstance(part, tuple):
            yield from ((name, index, item) for index, item in enumerate(part) if isinstance(item, ast.Node))


def at(expr: ast.Node, place: Place) -> ast.Expr:
    """The part that stands there."""
    node: object = expr
    for name, index in place:
        node = getattr(node, name)
        if index is not None:
            node = node[index]  # type: ignore[index]  # a tuple, by construction of places
    return node  # type: ignore[return-value]  # the caller knows what stands there


def put(expr: ast.Expr, place: Place, new: ast.Node) -> ast.Expr:
    """The expression with that part replaced."""
    return _put(expr, place, (new,))  # type: ignore[return-value]  # the root stays an expression


def without_binding(expr: ast.Expr, place: Place) -> ast.Expr:
    """The expression with that binding left out of its pattern."""
    return _put(expr, place, ())  # type: ignore[return-value]  # the root stays an expression


def _put(node: ast.Node, place: Place, new: Sequence[ast.Node]) -> ast.Node:
    if not place:
        return new[0]
    (name, index), rest = place[0], place[1:]
    part = getattr(node, name)
    if index is None:
        return msgspec.structs.replace(node, **{name: _put(part, rest, new)})
    items = [*part[:index], *(new if not rest else (_put(part[index], rest, new),)), *part[index + 1 :]]
    return msgspec.structs.replace(node, **{name: tuple(items)})
