"""How many events, and elements of lists, suffice: where some past makes conditions true, a small one does.

**The argument.** Take any past in which the conditions have their truths, and delete events from it. A truth that is there for
want of events stays; one that rests on an event stays if that event is kept:

    once E where C          true or not known: one event that makes it so; false: none
    last E where C has D    the newest such event, and one newer that may be such a one
    no E since F where C    one F, and the newest E that counts
    count(E where C) op n   n + 1 events, or one that may be such a one
    limit to n              n calls; those beside the step count as well, so that nothing else may speak of these calls
    a fact                  its newest statement
    any, all, in            one element for each time it is evaluated

A condition inside of `where` or `has` must keep its truth at every event that is kept, which keeps more events; that ends where
no kind of event leads back to itself. A result keeps its call. So at most `events` of them are kept, their order and their times
are as they were, and each is of a kind that the trace has slots for: in as many rounds as there are events, any order fits.

**What it does not cover**, where nothing is said (None): patterns of any tool (one stands for others in a trace), `previous`
(the event just before may be of any kind), a condition that holds since an event (at every event), sums, counts that are not
compared with a number, operators inside of quantifiers, and a tool of which both calls and results are asked about, since a
trace has every result right after its call. Of lists: their length, sums over them, and their equality.

# UNSOUND IF an operator's truth can rest on more than is counted here; `tests/solver/test_small.py` looks further.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Final, NamedTuple, TypeAlias, TypeGuard

from obverse.policy import ast

Kind: TypeAlias = tuple[str, str | None]
"""A kind of event, and its tool or fact: `("call", "refund")`."""

_MOST: Final = 10_000
_DEEPEST: Final = 2
"""Operators inside of operators inside of operators may be about every pair of events: that is not counted here."""


class _NotCoveredError(Exception):
    """There is no such argument for this condition."""


def events(wishes: Sequence[ast.Expr], simple: Callable[[str], bool]) -> int | None:
    """How many events of the past suffice to show what these conditions can be together; None where that is not known.

    `simple` says of a fact whether a trace can hold several statements of it.
    """
    try:
        return _Kept(wishes, simple).total()
    except _NotCoveredError:
        return None


def elements(wishes: Sequence[ast.Expr], kept: int) -> int | None:
    """How many elements of a list suffice, where so many events are kept; None where that is not known."""
    nodes = [node for wish in wishes for node in ast.walk(wish)]
    if any(isinstance(node, ast.CountIn | ast.SumIn | ast.Length) for node in nodes):
        return None
    many = [node for node in nodes if isinstance(node, ast.Quantified) or _looks_into_a_list(node)]
    for node in many:
        inner = (one for one in ast.walk(node.body) if isinstance(one, ast.Quantified)) if _binds(node) else ()
        if any(not isinstance(_root(one.over), ast.Local) for one in inner):
            return None  # it is looked through once for every element of another list
    inside = any(_looks_back(node) and any(one in many for one in ast.walk(node)) for node in nodes)
    return len(many) * (kept + 1 if inside else 1)


class _Operator(NamedTuple):
    """How many events one operator keeps at most, each of one of these kinds."""

    kept: int
    kinds: tuple[Kind, ...]


_Place: TypeAlias = dict[ast.Node, _Operator]
"""The operators that are evaluated at one place, by what is written: the same one twice keeps nothing more."""


class _Kept:
    """The operators of these conditions, by where they are evaluated, and what each keeps."""

    def __init__(self, wishes: Sequence[ast.Expr], simple: Callable[[str], bool]) -> None:
        self._simple = simple
        self._here: _Place = {}
        self._at: dict[Kind, _Place] = {}
        """What is evaluated at events of a kind."""
        self._limited: set[Kind] = set()
        for wish in wishes:
            if _depth(wish) > _DEEPEST:
                raise _NotCoveredError
            self._collect(wish, self._here)
        kinds = {kind for place in (self._here, *self._at.values()) for one in place.values() for kind in one.kinds}
        called = {tool for kind, tool in kinds | self._limited if kind == "call"}
        if called & {tool for kind, tool in kinds if kind == "result"} or kinds & self._limited:
            raise _NotCoveredError

    def total(self) -> int:
        """How many events are kept for the step."""
        return self._cost(self._here, ())

    def _cost(self, place: _Place, around: tuple[Kind, ...]) -> int:
        found = 0
        for operator in place.values():
            found += operator.kept * (1 + max((self._below(kind, around) for kind in operator.kinds), default=0))
            if found > _MOST:
                raise _NotCoveredError
        return found

    def _below(self, kind: Kind, around: tuple[Kind, ...]) -> int:
        """How many more events one event of this kind keeps."""
        if kind in around:
            raise _NotCoveredError  # it leads back to itself
        return (kind[0] == "result") + self._cost(self._at.get(kind, {}), (*around, kind))

    # --- what a condition asks of the past ------------------------------------------------------------------------------

    def _collect(self, node: ast.Node, into: _Place) -> None:
        """Note the operators that are evaluated where this node is, and those at the events that they speak of."""
        match node:
            case ast.Once():
                self._operator(node, node.event, 1, (node.where,), into)
            case ast.Last():
                plain = node.where is None and not node.event.arguments
                self._operator(node, node.event, 1 if plain else 2, (node.where, node.has), into)
            case ast.Since():
                if node.absent is None:
                    raise _NotCoveredError
                self._operator(node, node.event, 1, (node.where,), into)
                self._operator(node.absent, node.absent, 1, (), into)
            case ast.Compare():
                self._comparison(node, into)
            case ast.Exceeds():
                self._limit(node, into)
            case ast.FactValue():
                if into is not self._here and not self._simple(node.name):
                    raise _NotCoveredError
                into[node] = _Operator(1, (("fact", node.name),))
            case ast.Previous() | ast.CountEvents() | ast.SumEvents():
                raise _NotCoveredError
            case ast.Quantified() | ast.CountIn() | ast.SumIn():
                self._collect(node.over, into)
                if any(_looks_back(inner) for inner in ast.walk(node.body)):
                    raise _NotCoveredError
            case _:
                for child in ast.children(node):
                    self._collect(child, into)

    def _operator(
        self, node: ast.Node, event: ast.Pattern, kept: int, inside: Sequence[ast.Expr | None], into: _Place
    ) -> None:
        kinds = _kinds(event)
        if any(kind == "fact" and not self._simple(name or "") for kind, name in kinds):
            raise _NotCoveredError
        into[node] = _Operator(kept, kinds)
        for binding in event.arguments:
            self._collect(binding.value, into)
        for kind in kinds:
            below = self._at.setdefault(kind, {})
            for condition in inside:
                if condition is not None:
                    self._collect(condition, below)

    def _comparison(self, node: ast.Compare, into: _Place) -> None:
        for count, other in ((node.left, node.right), (node.right, node.left)):
            if isinstance(count, ast.CountEvents):
                if not isinstance(other, ast.Number) or not -1 <= other.value <= _MOST:
                    raise _NotCoveredError
                self._operator(node, count.event, int(other.value) + 1 if other.value > 0 else 1, (count.where,), into)
                return
        for child in ast.children(node):
            self._collect(child, into)

    def _limit(self, node: ast.Exceeds, into: _Place) -> None:
        if node.amount is not None or node.to.value > _MOST:
            raise _NotCoveredError
        if node.by is not None and any(_looks_back(inner) for inner in ast.walk(node.by)):
            raise _NotCoveredError
        kinds: list[Kind] = []
        for head in node.heads:
            if head.kind == "any":
                raise _NotCoveredError
            kinds.append(("reply", None) if head.kind == "reply" else ("call", head.tool))
        self._limited |= set(kinds)
        into[node] = _Operator(max(0, int(node.to.value)), ())


def _kinds(event: ast.Pattern) -> tuple[Kind, ...]:
    match event.kind:
        case "call" | "denied" | "result" if event.tool is not None:
            return ((event.kind, event.tool),)
        case "proposed" if event.tool is not None:
            return (("call", event.tool), ("denied", event.tool))
        case "fact" if event.fact is not None:
            return (("fact", event.fact),)
        case "message" | "reply" | "thought" | "approval" | "grant":
            return ((event.kind, None),)
    raise _NotCoveredError


def _looks_into_a_list(node: ast.Node) -> bool:
    return isinstance(node, ast.In) and not isinstance(node.over, ast.Listing)


def _binds(node: ast.Node) -> TypeGuard[ast.Quantified]:
    return isinstance(node, ast.Quantified)


def _root(expr: ast.Expr) -> ast.Expr:
    """What `x.legs.stops` begins with."""
    while isinstance(expr, ast.Member):
        expr = expr.base
    return expr


def _depth(node: ast.Node) -> int:
    """How deep operators over events are nested."""
    inner = max((_depth(child) for child in ast.children(node)), default=0)
    return inner + isinstance(node, ast.Once | ast.Last | ast.Since | ast.CountEvents)


def _looks_back(node: ast.Node) -> bool:
    return isinstance(
        node,
        ast.Once | ast.Last | ast.Previous | ast.Since | ast.CountEvents | ast.SumEvents | ast.Exceeds | ast.FactValue,
    )
