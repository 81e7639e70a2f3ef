"""What may be forgotten: for each past operator, a keeper of the few events that can still matter to it.

Evaluating an operator over the kept events gives what it gives over the whole history; `monitor` stands on that. A keeper
drops an event only when a newer one takes its place (`last`, `once`), or its window has passed for good (`count … within`).
What it cannot summarise it keeps, so an answer is never wrong, only dearer; `Checked.memory` says where.

# UNSOUND IF: time stamps of events go back, or steps come without a time after events that had one.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Hashable, Iterable, Iterator
from functools import partial
from typing import Any, Final, Protocol, TypeAlias

import msgspec

from obverse.core.events import AnyEvent, Approval, Call, Event, Fact, Reply
from obverse.core.verdicts import Truth
from obverse.policy import ast
from obverse.policy.decision import Unknown
from obverse.policy.evaluate import KINDS, Evaluator, Place
from obverse.policy.looks import shape
from obverse.policy.operations import head_truth, some
from obverse.policy.reading import Fields, Folded, Json, Keyed, Known


class Kept(msgspec.Struct, eq=False, weakref=True):
    """An event with its number in the whole history, and, for a result, the call that it belongs to.

    All keepers hold the same one, so a label that comes late is put on the event in one place.
    """

    number: int
    event: AnyEvent
    call: Kept | None = None


Look: TypeAlias = Callable[[Kept], tuple[Evaluator, Place]]
"""Makes an evaluator whose history is this event alone (after its call, if it is a result), and the place of it."""

OPERATORS = (ast.Once, ast.Last, ast.Previous, ast.Since, ast.CountEvents, ast.SumEvents)
RIGID = (ast.Argument, ast.StepPart, ast.Now, ast.TurnCalls, ast.TurnHasText, ast.FactValue)


Kind: TypeAlias = type[Event]


class Keeper(Protocol):
    """Keeps what one operator may still need. Keepers of one `key` keep the same."""

    @property
    def key(self) -> Hashable: ...

    def hears(self, kind: Kind, tool: str | None) -> bool:
        """Whether an event of this kind, of this tool if it has one, can matter; if not, it need not be observed."""

    def observe(self, event: Kept, look: Look) -> None:
        """Take note of an event that happened."""

    def relevant(self, evaluator: Evaluator) -> Iterator[Kept]:
        """The kept events that can matter to this step."""

    def all(self) -> Iterator[Kept]:
        """Every event that is kept."""

    def labelled(self, look: Look) -> None:
        """A kept event has got a label: forget what it makes needless."""

    def numbers(self) -> list[list[Any]]:
        """What it counted and dropped: plain values, for a snapshot."""
        ...

    def recall(self, numbers: list[list[Any]]) -> None:
        """Take up what was counted and dropped, before the events that are kept."""


Maker: TypeAlias = Callable[[], Keeper]


class _Whole:
    """A keeper that drops nothing of which a number is left."""

    def numbers(self) -> list[list[Any]]:
        return []

    def recall(self, numbers: list[list[Any]]) -> None:
        """Nothing was dropped."""


class _Unmoved(_Whole):
    """And whose choice hangs on no label."""

    def labelled(self, _look: Look) -> None:
        """Nothing to do."""


class Everything(_Unmoved):
    """For what cannot be summarised: an operator inside another one, or `C since EVENT`."""

    def __init__(self) -> None:
        self.key = ("everything",)
        self.kept: list[Kept] = []

    def hears(self, _kind: Kind, _tool: str | None) -> bool:
        return True

    def observe(self, event: Kept, _look: Look) -> None:
        self.kept.append(event)

    def relevant(self, _evaluator: Evaluator) -> Iterator[Kept]:
        return iter(self.kept)

    def all(self) -> Iterator[Kept]:
        return iter(self.kept)


class NewestOfAll(_Unmoved):
    """The newest event whatsoever: `previous`."""

    def __init__(self) -> None:
        self.key = ("newest",)
        self.kept: Kept | None = None

    def hears(self, _kind: Kind, _tool: str | None) -> bool:
        return True

    def observe(self, event: Kept, _look: Look) -> None:
        self.kept = event

    def relevant(self, _evaluator: Evaluator) -> Iterator[Kept]:
        return self.all()

    def all(self) -> Iterator[Kept]:
        return iter([self.kept] if self.kept else [])


class Facts(_Unmoved):
    """The newest value of a fact, or each of them when earlier positions ask for it."""

    def __init__(self, name: str, *, every: bool) -> None:
        self.name, self.every = name, every
        self.key = ("fact", name, every)
        self.kept: list[Kept] = []

    def hears(self, kind: Kind, _tool: str | None) -> bool:
        return kind is Fact

    def observe(self, event: Kept, _look: Look) -> None:
        if isinstance(event.event, Fact) and event.event.name == self.name:
            self.kept = [*self.kept, event] if self.every else [event]

    def relevant(self, _evaluator: Evaluator) -> Iterator[Kept]:
        return iter(self.kept)

    def all(self) -> Iterator[Kept]:
        return iter(self.kept)


class Newest(_Whole):
    """The newest event of a kind for each value of its bound arguments: `last`, `once`, `no … since …`.

    Events of which it is not known whether they are meant stay beside the newest certain one as long as they are newer.
    Where two values look alike, both may be meant and each event counts: from then on nothing is dropped for them.
    """

    def __init__(self, pattern: ast.Pattern, where: ast.Expr | None) -> None:
        self.pattern, self.where = pattern, where
        self.unbound = unbound_of(pattern)
        self.plain = pattern.kind in ("message", "reply", "thought", "call") and pattern.effect is None
        self.key = ("newest of", pattern, where)
        bound = [node for binding in pattern.arguments for node in ast.walk(binding.value)]
        self.by_step = not any(isinstance(node, (ast.Local, ast.EventPart, *OPERATORS)) for node in bound)
        self.judged = where is not None and any(isinstance(node, ast.JudgedAnswer) for node in ast.walk(where))
        self._clear()

    def _clear(self) -> None:
        self.kept: dict[Hashable, dict[Hashable, list[Kept]]] = {}
        self.timed: dict[Hashable, Kept] = {}
        self.unsure: list[Kept] = []

    def hears(self, kind: Kind, tool: str | None) -> bool:
        return could_be(self.unbound, kind, tool)

    def observe(self, event: Kept, look: Look) -> None:
        evaluator, place = look(event)
        meant = Truth.TRUE if self.plain else evaluator.meant(self.unbound, place.scopes[-1], place)
        if meant is not Truth.FALSE and self.where is not None:
            meant &= evaluator.truth(self.where, place)
        if meant is Truth.FALSE:
            return
        values = [evaluator.event_argument(place.scopes[-1], binding.name) for binding in self.pattern.arguments]
        looks = _looks(values)
        if looks is None:
            self.unsure.append(event)
            return
        exact = tuple(repr(value.casefold() if isinstance(value, Folded) else value) for value in values)
        alike = self.kept.setdefault(looks, {})
        kept = alike.setdefault(exact, [])
        if meant is Truth.TRUE and event.event.time is not None:
            self.timed[exact] = event
        if meant is Truth.TRUE and len(alike) == 1:
            # A newer certain one takes the place of all, but a window asks those with a time otherwise than those without.
            untimed = [one for one in kept if one.event.time is None][-1:]
            kept[:] = untimed if event.event.time is not None else [self.timed[exact]] if exact in self.timed else []
        kept.append(event)

    def labelled(self, look: Look) -> None:
        if self.judged:
            held = sorted(self.all(), key=lambda kept: kept.number)
            self._clear()
            for kept in held:
                self.observe(kept, look)

    def relevant(self, evaluator: Evaluator) -> Iterator[Kept]:
        yield from self.unsure
        wanted = self._wanted(evaluator)
        for kept in self.kept.values() if wanted is None else [self.kept.get(wanted, {})]:
            for events in kept.values():
                yield from events

    def all(self) -> Iterator[Kept]:
        yield from self.unsure
        for same_looks in self.kept.values():
            for events in same_looks.values():
                yield from events

    def _wanted(self, evaluator: Evaluator) -> tuple[Hashable, ...] | None:
        """How the bound values look for this step, or None when they hang on more than the step, or are not known."""
        if not self.by_step:
            return None
        return _looks([evaluator.value(binding.value, evaluator.here) for binding in self.pattern.arguments])


class Window(_Unmoved):
    """Every event of a kind within a window (or for ever): `count`, `sum`, and `where` with values of the step."""

    def __init__(self, pattern: ast.Pattern, within: ast.Duration | None) -> None:
        self.unbound, self.within = unbound_of(pattern), within
        self.key = ("window", self.unbound, within)
        self.kept: deque[Kept] = deque()

    def hears(self, kind: Kind, tool: str | None) -> bool:
        return could_be(self.unbound, kind, tool)

    def observe(self, event: Kept, look: Look) -> None:
        if self.within is not None and event.event.time is not None:
            forget(self.kept, event.event.time - self.within.ms)
        evaluator, place = look(event)
        if evaluator.meant(self.unbound, place.scopes[-1], place) is not Truth.FALSE:
            self.kept.append(event)

    def relevant(self, evaluator: Evaluator) -> Iterator[Kept]:
        now = evaluator.step.event.time
        if self.within is not None and now is not None:
            forget(self.kept, now - self.within.ms)
        return iter(self.kept)

    def all(self) -> Iterator[Kept]:
        return iter(self.kept)


class Limit(_Unmoved):
    """The calls that a `limit` counts: those in its window, or, without one, as many as it takes to exceed it per key."""

    def __init__(self, expr: ast.Exceeds) -> None:
        self.expr = expr
        self.key = ("limit", expr)
        self.kept: dict[object, deque[Kept]] = {}
        keyed = expr.by is None or not any(isinstance(node, ast.FactValue) for node in ast.walk(expr.by))
        countable = isinstance(expr.to.value, int) and expr.amount is None and expr.per is None and keyed
        self.most = int(expr.to.value) + 1 if countable else None

    def hears(self, kind: Kind, _tool: str | None) -> bool:
        return kind in (Call, Reply)

    def observe(self, event: Kept, look: Look) -> None:
        call = event.event
        if not isinstance(call, Call | Reply):
            return
        evaluator, _ = look(event)
        meant = some(head_truth(evaluator.checked, head, call) for head in self.expr.heads)
        if meant is Truth.FALSE:
            return
        key: object = None
        if self.most is not None and self.expr.by is not None:
            value = evaluator.value(self.expr.by, Place(past=0, call=call))
            key = "unknown" if isinstance(value, Unknown) else repr(value)
        self.kept.setdefault((meant, key), deque(maxlen=self.most)).append(event)

    def relevant(self, evaluator: Evaluator) -> Iterator[Kept]:
        now, per = evaluator.step.event.time, self.expr.per
        for kept in self.kept.values():
            if per is not None and now is not None:
                forget(kept, now - per.ms)
            yield from kept

    def all(self) -> Iterator[Kept]:
        for kept in self.kept.values():
            yield from kept


APPROVALS: Final = ("approvals",)
"""The key of the keeper of approvals."""


class Approvals(_Unmoved):
    """The approvals that were not used up: `ask`."""

    def __init__(self, digest_of: Callable[[Call | Reply], str]) -> None:
        self.digest_of = digest_of
        self.key = APPROVALS
        self.kept: dict[str, list[Kept]] = {}

    def hears(self, kind: Kind, _tool: str | None) -> bool:
        return kind in (Approval, Call, Reply)

    def observe(self, event: Kept, _look: Look) -> None:
        if isinstance(event.event, Approval):
            self.kept.setdefault(event.event.call, []).append(event)
        elif self.kept and isinstance(event.event, Call | Reply):
            self.kept.pop(self.digest_of(event.event), None)

    def relevant(self, evaluator: Evaluator) -> Iterator[Kept]:
        yield from self.kept.get(self.digest_of(evaluator.step.event), [])

    def all(self) -> Iterator[Kept]:
        for kept in self.kept.values():
            yield from kept


def makers_of(fires: ast.Expr) -> list[Maker]:
    """What makes the keepers that evaluating this condition at the decision point needs."""
    operators = list(outermost(fires))
    if any(nested(operator) for operator in operators):
        return [Everything]
    found: list[Maker] = []
    for operator in operators:
        found += makers_for(operator)
        inner = {node.name for node in ast.walk(operator) if isinstance(node, ast.FactValue)}
        found += (
            [partial(Facts, name, every=True) for name in sorted(inner)]
            if not isinstance(operator, ast.FactValue)
            else []
        )
    return found


def makers_for(operator: ast.Node) -> list[Maker]:
    """What makes the keepers of one operator that stands in no other."""
    match operator:
        case ast.FactValue():
            return [partial(Facts, operator.name, every=False)]
        case ast.Previous():
            return [NewestOfAll]
        case ast.Exceeds():
            return [partial(Limit, operator)]
        case ast.Once() if closed(operator.where):
            return [partial(Newest, operator.event, operator.where)]
        case ast.Last() if closed(operator.where):
            return [partial(Newest, operator.event, operator.where)]
        case ast.Since() if operator.absent is not None and closed(operator.where):
            return [partial(Newest, operator.event, operator.where), partial(Newest, operator.absent, None)]
        case ast.Once() | ast.CountEvents() | ast.SumEvents():
            return [partial(Window, operator.event, operator.within)]
        case ast.Last():
            return [partial(Window, operator.event, None)]
        case _:
            return [Everything]


def outermost(expr: ast.Node) -> Iterator[ast.Node]:
    """The operators that look back from the decision point itself."""
    if isinstance(expr, (*OPERATORS, ast.FactValue, ast.Exceeds)):
        yield expr
        patterns = [node for node in ast.children(expr) if isinstance(node, ast.Pattern)]
        for pattern in patterns:
            for binding in pattern.arguments:
                yield from outermost(binding.value)
    else:
        for child in ast.children(expr):
            yield from outermost(child)


def nested(operator: ast.Node) -> bool:
    """Whether the operator evaluates another one at an earlier position."""
    bodies = [child for child in ast.children(operator) if not isinstance(child, ast.Pattern)]
    return any(isinstance(node, OPERATORS) for body in bodies for node in ast.walk(body))


def closed(where: ast.Expr | None) -> bool:
    """Whether the condition speaks of its own event only, and a late answer can make it no less certain."""
    if where is None:
        return True
    inner = {node.variable for node in ast.walk(where) if isinstance(node, ast.Quantified | ast.CountIn | ast.SumIn)}
    for node in ast.walk(where):
        if isinstance(node, RIGID) or (isinstance(node, ast.EventPart) and node.depth > 0):
            return False
        if isinstance(node, ast.Local) and node.name not in inner:
            return False
        if isinstance(node, ast.JudgedAnswer) and node.depth != 0:
            return False
        if isinstance(node, ast.Present) and any(isinstance(inner, ast.JudgedAnswer) for inner in ast.walk(node)):
            return False  # whether there is an answer, a late one changes for good
    return True


def unbound_of(pattern: ast.Pattern) -> ast.Pattern:
    """The pattern without what its arguments must equal."""
    return msgspec.structs.replace(pattern, arguments=())


def could_be(pattern: ast.Pattern, kind: Kind, tool: str | None) -> bool:
    """A quick first look, by kind and tool."""
    return issubclass(kind, KINDS[pattern.kind]) and (pattern.tool is None or pattern.tool == tool)


def forget(kept: deque[Kept], before: int) -> None:
    """Drop the events from before that time."""
    while kept and kept[0].event.time is not None and kept[0].event.time < before:
        kept.popleft()


def _looks(values: Iterable[Known | Unknown]) -> tuple[Hashable, ...] | None:
    """Values that might be found equal, or of which it cannot be said, look the same; None if one is not known whole."""
    looks = tuple(_look(value) for value in values)
    return None if None in looks else looks


def _look(value: Known | Unknown) -> Hashable:
    match value:
        case Unknown():
            return None
        case str():
            return shape(value)
        case tuple():
            return _looks(value)
        case Fields():
            return _looks(member for _, member in sorted(value.members.items()))
        case Keyed():
            return None if _looks(value.items.values()) is None else tuple(sorted(map(shape, value.items)))
        case Json():
            return value.seen
    return repr(value)
