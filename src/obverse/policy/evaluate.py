"""The reference evaluator of expressions: three-valued, by the book, and slow. Every other evaluator is compared with it.

An expression is evaluated at a `Place`: how much of the history lies before it, which events are in scope, which call the
arguments belong to. Each operator is its definition in `ast.py`, folded over the history from its first event on. Nothing is
clever; what is remembered (an output that was parsed, a text that was tested) is a function of that text alone. What was
touched on the way (events, unknowns) is noted in `Seen` for explanations.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence, Sized
from fractions import Fraction
from typing import Final, Literal, assert_never

import msgspec

from obverse.core.events import (
    AnyEvent,
    Approval,
    Call,
    Denied,
    Event,
    Fact,
    Grant,
    Message,
    Reply,
    Result,
    Spoken,
    Step,
    Thought,
)
from obverse.core.verdicts import Truth
from obverse.policy import ast, text
from obverse.policy.checked import Checked
from obverse.policy.decision import Unknown
from obverse.policy.looks import shape
from obverse.policy.operations import (
    ORDER,
    arithmetic,
    because,
    every,
    has_effect,
    head_truth,
    member_of,
    of_event,
    read_output,
    reading,
    some,
    total_of,
)
from obverse.policy.reading import Fields, Instant, Json, Keyed, Known, Lapse, member, read_arguments, typed

KINDS: dict[str, type[Event] | tuple[type[Event], ...]] = {
    "message": Message,
    "reply": Reply,
    "thought": Thought,
    "call": Call,
    "denied": Denied,
    "proposed": (Call, Denied),
    "result": Result,
    "approval": Approval,
    "grant": Grant,
    "fact": Fact,
    "any": Event,
}


MOST_TESTS: Final = 100_000
"""What quantifiers would have to test more often, all those around it taken together, is not known."""


class Seen:
    """What an evaluation touched: ids of events in the order of the history, and what was not known."""

    def __init__(self) -> None:
        self.events: dict[str, None] = {}
        self.unknowns: dict[Unknown, None] = {}


class Forgotten(msgspec.Struct, frozen=True):
    """Events that a monitor counted and dropped: how many, what their amounts are together, and those above zero together.

    `least` and `most` are what they add to a limit: of those whose key only may be the one that is meant, what is below zero
    adds to the least, and what is above it to the most.
    """

    number: int
    whole: Fraction
    least: Fraction
    most: Fraction


class Place(msgspec.Struct, frozen=True, kw_only=True):
    """Where an expression is evaluated. `past`: how many events lie before. `scopes`: indexes of events, innermost last.

    `call` is the call (or reply) whose arguments are meant, the step's own unless a `limit` looks at an earlier one. `tests`:
    how often the quantifiers around it test what stands here.
    """

    past: int
    call: Call | Reply
    scopes: tuple[int, ...] = ()
    locals: tuple[tuple[str, Known | Unknown], ...] = ()
    tests: int = 1

    def inside(self, index: int) -> Place:
        """The place of the event at this index, with that event in scope."""
        return Place(past=index, call=self.call, scopes=(*self.scopes, index), locals=self.locals, tests=self.tests)

    def binding(self, name: str, values: Sequence[Known | Unknown]) -> Iterator[Place]:
        """The same place once for each value of a local variable."""
        tests = self.tests * len(values)
        for value in values:
            bound = ((name, value), *self.locals)
            yield Place(past=self.past, call=self.call, scopes=self.scopes, locals=bound, tests=tests)


class Evaluator:
    """Evaluates resolved expressions against one history and one step."""

    def __init__(
        self, checked: Checked, history: Sequence[AnyEvent], step: Step, seen: Seen | None = None,
        forgotten: Mapping[ast.Node, Forgotten] | None = None,
    ) -> None:  # fmt: skip
        self.checked = checked
        self.forgotten = (
            forgotten or {}
        )  # what is not in the history, by the operator at the decision point that counts it
        self.history = history
        self.step = step
        self.seen = seen or Seen()
        self.quick = seen is None  # nobody asks what was touched, so what cannot change the value need not be
        self.here = Place(past=len(history), call=step.event)
        self._read: dict[
            tuple[int, str | None], Known | Unknown
        ] = {}  # by identity: a list is read once, not per element

    # --- conditions -----------------------------------------------------------------------------------------------------

    def truth(self, expr: ast.Expr, place: Place) -> Truth:
        """The truth of a condition at a place."""
        match expr:
            case ast.Not():
                return ~self.truth(expr.body, place)
            case ast.And():
                return every((self.truth(item, place) for item in expr.items), quick=self.quick)
            case ast.Or():
                return some((self.truth(item, place) for item in expr.items), quick=self.quick)
            case ast.JudgedAnswer():
                return self._boolean(self.value(expr, place))
            case ast.Compare():
                return self._compare(expr, place)
            case ast.Last():
                return self._last(expr, place)
            case ast.Once():
                return self._once(expr, place)
            case ast.In():
                return self._in(expr, place)
            case ast.TextTest():
                return self._text_test(expr, place)
            case ast.Within():
                return self._within(expr, place)
            case ast.Present():
                return Truth.of(not isinstance(Evaluator.value(self._unseen(), expr.body, place), Unknown))
            case ast.Quantified():
                return self._quantified(expr, place)
            case ast.TurnHasText():
                return Truth.of(any(isinstance(event, Reply) and event.text.strip() for event in self.step.turn))
            case ast.Previous():
                return self._previous(expr, place)
            case ast.Since():
                return self._since(expr, place)
            case ast.Exceeds():
                return self._exceeds(expr)
            case _:
                return self._boolean(self.value(expr, place))

    def _boolean(self, value: Known | Unknown) -> Truth:
        return Truth.of(value) if isinstance(value, bool) else Truth.UNKNOWN

    def _compare(self, expr: ast.Compare, place: Place) -> Truth:
        left, right = self.value(expr.left, place), self.value(expr.right, place)
        if expr.op == "=":
            return self.equal(left, right)
        if expr.op == "!=":
            return ~self.equal(left, right)
        match left, right:
            case (Fraction(), Fraction()) | (Instant(), Instant()) | (Lapse(), Lapse()):
                return Truth.of(ORDER[expr.op](left, right))
        return self._odd(left, right)

    def equal(self, left: Known | Unknown, right: Known | Unknown) -> Truth:
        """Whether two values are equal."""
        if isinstance(left, Unknown) or isinstance(right, Unknown):
            return Truth.UNKNOWN
        match left, right:
            case str(), str():
                found = text.same(left, right)
                if found is Truth.UNKNOWN:
                    self._note(Unknown(what=_quoted(left), why="confusable"))
                return found
            case tuple(), tuple():
                if len(left) != len(right):
                    return Truth.FALSE
                return every(self.equal(one, other) for one, other in zip(left, right, strict=True))
            case Fields(), Fields():
                names = sorted(left.members.keys() | right.members.keys())
                missing = Unknown(what="field", why="missing")
                return every(
                    self.equal(left.members.get(name, missing), right.members.get(name, missing)) for name in names
                )
            case Keyed(), Keyed():
                if left.items.keys() == right.items.keys():
                    return every(self.equal(left.items[name], right.items[name]) for name in left.items)
                return Truth.UNKNOWN if _alike(left, right) else Truth.FALSE
            case Json(), Json():
                found = Truth.of(left.canonical == right.canonical)
                return Truth.UNKNOWN if found is Truth.FALSE and left.seen == right.seen else found
        if type(left) is type(right):
            return Truth.of(left == right)
        return self._odd(left, right)

    def _odd(self, left: Known | Unknown, right: Known | Unknown) -> Truth:
        if not isinstance(left, Unknown) and not isinstance(right, Unknown):
            self._note(Unknown(what="comparison", why="wrong type"))
        return Truth.UNKNOWN

    def _in(self, expr: ast.In, place: Place) -> Truth:
        item, over = self.value(expr.item, place), self.value(expr.over, place)
        match over:
            case tuple():
                among: Sequence[Known | Unknown] = over
            case Keyed():
                among = list(over.items)
            case _:
                return Truth.UNKNOWN
        return some([self.equal(item, other) for other in among]) if self._bounded(among, place) else Truth.UNKNOWN

    def _text_test(self, expr: ast.TextTest, place: Place) -> Truth:
        subject, pattern = self.value(expr.subject, place), self.value(expr.pattern, place)
        if not isinstance(subject, str) or not isinstance(pattern, str):
            return self._odd(subject, pattern)
        found = text.test(expr.op, subject, pattern)
        if found is Truth.UNKNOWN:
            self._note(Unknown(what=_quoted(subject), why="confusable"))
        return found

    def _within(self, expr: ast.Within, place: Place) -> Truth:
        left, span, right = (self.value(part, place) for part in (expr.left, expr.span, expr.right))
        if isinstance(left, Instant) and isinstance(span, Lapse) and isinstance(right, Instant):
            return Truth.of(abs(left.ms - right.ms) <= span.ms)
        return self._odd(left, right)

    def _quantified(self, expr: ast.Quantified, place: Place) -> Truth:
        over = self._elements(self.value(expr.over, place), place)
        if over is None:
            return Truth.UNKNOWN
        found = [self.truth(expr.body, inner) for inner in place.binding(expr.variable, over)]
        return some(found) if expr.kind == "any" else every(found)

    # --- values ---------------------------------------------------------------------------------------------------------

    def value(self, expr: ast.Expr, place: Place) -> Known | Unknown:
        """The value of an expression at a place; conditions are values too."""
        found = self._value(expr, place)
        if isinstance(found, Unknown):
            self._note(found)
        return found

    def _value(self, expr: ast.Expr, place: Place) -> Known | Unknown:
        match expr:
            case ast.Argument():
                return self._argument(place.call, expr.name)
            case ast.EventPart():
                return self._event_part(expr, place)
            case ast.JudgedAnswer():
                return self._judged(expr, place)
            case ast.Text() | ast.Boolean():
                return expr.value
            case ast.Number():
                return Fraction(expr.value)
            case ast.Duration():
                return Lapse(Fraction(expr.ms))
            case ast.Time():
                return Instant(expr.ms)
            case ast.Listing():
                return tuple(self.value(item, place) for item in expr.items)
            case ast.StepPart():
                return self._step_part(expr, place)
            case ast.FactValue():
                return self._fact(expr.name, place)
            case ast.Local():
                return next(value for name, value in place.locals if name == expr.name)
            case ast.Now():
                return self._instant(self.step.event)
            case ast.TurnCalls():
                return Fraction(sum(isinstance(event, Call) for event in self.step.turn))
            case ast.Member():
                return member_of(self.value(expr.base, place), expr.name)
            case ast.Arith():
                return arithmetic(expr.op, self.value(expr.left, place), self.value(expr.right, place))
            case ast.Length():
                return self._length(self.value(expr.body, place))
            case ast.CountIn():
                return self._count_in(expr, place)
            case ast.SumIn():
                return self._sum_in(expr, place)
            case ast.CountEvents():
                return self._count_events(expr, place)
            case ast.SumEvents():
                return self._sum_events(expr, place)
            case ast.Name() | ast.Use():
                raise TypeError(f"an unresolved name reached the evaluator: {expr}")
            case _:
                found = self.truth(expr, place)
                return Unknown(what="condition", why="missing") if found is Truth.UNKNOWN else found is Truth.TRUE

    def _argument(self, call: Call | Reply | Denied, name: str) -> Known | Unknown:
        found = self._read.get((id(call), name))
        if found is None:
            found = self._read[id(call), name] = self._read_argument(call, name)
        return found

    def _read_argument(self, call: Call | Reply | Denied, name: str) -> Known | Unknown:
        tool = self.checked.tools.get(call.tool) if not isinstance(call, Reply) else None
        field = tool.parameter(name) if tool else None
        arguments = read_arguments(call.arguments) if not isinstance(call, Reply) else None
        if isinstance(arguments, Unknown):
            return Unknown(what=name, why="malformed arguments", event=call.id)
        if field is None or arguments is None:
            return Unknown(what=name, why="missing", event=call.id)
        return of_event(member(arguments, field, self.checked.timezone_minutes, ""), call)

    def _step_part(self, expr: ast.StepPart, place: Place) -> Known | Unknown:
        event = place.call
        if expr.part == "tool":
            return event.tool if isinstance(event, Call) else Unknown(what="tool", why="missing")
        return event.text if isinstance(event, Reply) else Unknown(what="text", why="missing")

    def _event_part(self, expr: ast.EventPart, place: Place) -> Known | Unknown:
        index = place.scopes[-1 - expr.depth]
        event = self.history[index]
        self.seen.events[event.id] = None
        match expr.part:
            case "stamp":
                return self._instant(event)
            case "text":
                found = event.output if isinstance(event, Result) else getattr(event, "text", None)
            case "tool" | "by" | "failed":
                found = getattr(event, expr.part, None)
            case "argument":
                return self.event_argument(index, expr.name or "")
            case "value":
                return self._event_value(event, expr.name)
            case _:
                assert_never(expr.part)
        return Unknown(what=expr.part, why="missing", event=event.id) if found is None else found

    def event_argument(self, index: int, name: str) -> Known | Unknown:
        """An argument of the call that this event of the history is, or that it is the result of."""
        event, call = self.history[index], self._call_of(index)
        return self._argument(call, name) if call else Unknown(what=name, why="missing", event=event.id)

    def _call_of(self, index: int) -> Call | Denied | None:
        event = self.history[index]
        if isinstance(event, Call | Denied):
            return event
        if not isinstance(event, Result):
            return None
        earlier = (self.history[place] for place in range(index - 1, -1, -1))
        return next(
            (e for e in earlier if isinstance(e, Call) and e.call_id == event.call_id and e.tool == event.tool), None
        )

    def _event_value(self, event: AnyEvent, name: str | None) -> Known | Unknown:
        what = name or "value"
        if isinstance(event, Fact):
            term = self.checked.facts.get(event.name)
            whole: Known | Unknown = Unknown(what=event.name, why="missing")
            if term:
                whole = typed(event.value, term.type, self.checked.timezone_minutes, event.name)
        elif isinstance(event, Result):
            whole = self._result(event)
        else:
            return Unknown(what=what, why="missing", event=event.id)
        return of_event(member_of(whole, name) if name else whole, event)

    def _result(self, event: Result) -> Known | Unknown:
        tool = self.checked.tools.get(event.tool)
        if tool is None or tool.returns is None or event.failed:
            return Unknown(what="result", why="missing")
        found = self._read.get((id(event), None))
        if found is None:
            found = read_output(event.output, tool.returns, self.checked.timezone_minutes)
            self._read[id(event), None] = found
        return found

    def _fact(self, name: str, place: Place) -> Known | Unknown:
        upto = place.past + 1 if place.scopes else place.past
        for event in reversed(self.history[:upto]):
            if isinstance(event, Fact) and event.name == name:
                self.seen.events[event.id] = None
                return self._event_value(event, None)
        return Unknown(what=name, why="no such event")

    def _judged(self, expr: ast.JudgedAnswer, place: Place) -> Known | Unknown:
        event: Event = place.call if expr.depth is None else self.history[place.scopes[-1 - expr.depth]]
        if expr.depth is not None:
            self.seen.events[event.id] = None
        if isinstance(event, Spoken) and expr.name in event.labels:
            return event.labels[expr.name]
        said = event.text if isinstance(event, Spoken) else event.output if isinstance(event, Result) else None
        term = self.checked.judged.get(expr.name)
        found = reading(term, said) if term is not None and said is not None else None
        if found is None or found is Truth.UNKNOWN:
            why: Literal["confusable", "not answered"] = "not answered" if found is None else "confusable"
            return Unknown(what=expr.name, why=why, event=event.id)
        return found is Truth.TRUE

    def _instant(self, event: Event) -> Known | Unknown:
        return Unknown(what="time", why="no time", event=event.id) if event.time is None else Instant(event.time)

    def _length(self, value: Known | Unknown) -> Known | Unknown:
        match value:
            case tuple() | str():
                return Fraction(len(value))
            case Keyed():
                return Fraction(len(value.items))
        return because(value, "length", "not a list")

    def _elements(self, value: Known | Unknown, place: Place) -> Sequence[Known | Unknown] | None:
        match value:
            case tuple():
                items: Sequence[Known | Unknown] = value
            case Keyed():
                items = list(value.items.values())
            case _:
                return None
        return items if self._bounded(items, place) else None

    def _bounded(self, items: Sized, place: Place) -> bool:
        """Whether so many elements may be tested here: lists of lists are no way to keep a guard busy."""
        few = place.tests * len(items) <= MOST_TESTS
        if not few:
            self._note(Unknown(what=f"{len(items)} elements", why="too many"))
        return few

    def _count_in(self, expr: ast.CountIn, place: Place) -> Known | Unknown:
        over = self.value(expr.over, place)
        items = self._elements(over, place)
        if items is None:
            return because(over, "count", "not a list")
        found = [self.truth(expr.body, inner) for inner in place.binding(expr.variable, items)]
        return Unknown(what="count", why="missing") if Truth.UNKNOWN in found else Fraction(found.count(Truth.TRUE))

    def _sum_in(self, expr: ast.SumIn, place: Place) -> Known | Unknown:
        over = self.value(expr.over, place)
        items = self._elements(over, place)
        if items is None:
            return because(over, "sum", "not a list")
        return total_of([self.value(expr.body, inner) for inner in place.binding(expr.variable, items)])

    # --- the past -------------------------------------------------------------------------------------------------------

    def _once(self, expr: ast.Once, place: Place) -> Truth:
        return some([found for _, found in self._matching(expr.event, expr.where, expr.within, place)])

    def _last(self, expr: ast.Last, place: Place) -> Truth:
        found: Truth | None = None
        for index, meant in self._matching(expr.event, expr.where, None, place):
            holds = self.truth(expr.has, place.inside(index))
            found = holds if meant is Truth.TRUE or found is holds else Truth.UNKNOWN
        if found is None:
            self._note(Unknown(what=f"last {expr.event.tool or expr.event.kind}", why="no such event"))
        return found or Truth.UNKNOWN

    def _previous(self, expr: ast.Previous, place: Place) -> Truth:
        if place.past == 0:
            return Truth.FALSE
        index = place.past - 1
        meant = self.meant(expr.event, index, place)
        if meant is Truth.FALSE or expr.has is None:
            return meant
        return meant & self.truth(expr.has, place.inside(index))

    def _since(self, expr: ast.Since, place: Place) -> Truth:
        found = Truth.FALSE
        for index in range(place.past):
            starts = self.meant(expr.event, index, place)
            if starts is not Truth.FALSE and expr.where is not None:
                starts &= self.truth(expr.where, place.inside(index))
            if expr.absent is not None:
                holds = ~self.meant(expr.absent, index, place)
            else:
                holds = self.truth(expr.body or ast.Boolean(value=True), place.inside(index))
            found = starts | (found & holds)
        return found

    def _count_events(self, expr: ast.CountEvents, place: Place) -> Known | Unknown:
        found = [meant for _, meant in self._matching(expr.event, expr.where, expr.within, place)]
        gone = self.forgotten.get(expr) if self.forgotten and not place.scopes else None
        count = len(found) + (gone.number if gone is not None else 0)
        return Unknown(what="count", why="missing") if Truth.UNKNOWN in found else Fraction(count)

    def _sum_events(self, expr: ast.SumEvents, place: Place) -> Known | Unknown:
        matching = list(self._matching(expr.event, expr.where, expr.within, place))
        if any(meant is Truth.UNKNOWN for _, meant in matching):
            return Unknown(what="sum", why="missing")
        gone = self.forgotten.get(expr) if self.forgotten and not place.scopes else None
        values = [self.value(expr.value, place.inside(index)) for index, _ in matching]
        return total_of(values if gone is None else [gone.whole, *values])

    def _matching(
        self, event: ast.Pattern, where: ast.Expr | None, within: ast.Duration | None, place: Place
    ) -> Iterator[tuple[int, Truth]]:
        """The earlier events that are, or may be, such ones, oldest first."""
        for index in range(place.past):
            meant = self.meant(event, index, place)
            if meant is not Truth.FALSE and within is not None:
                meant &= self._in_window(index, within, place)
            if meant is not Truth.FALSE and where is not None:
                meant &= self.truth(where, place.inside(index))
            if meant is not Truth.FALSE:
                self.seen.events[self.history[index].id] = None
                yield index, meant

    def _in_window(self, index: int, within: ast.Duration, place: Place) -> Truth:
        position = self.history[place.scopes[-1]] if place.scopes else self.step.event
        now, then = self._instant(position), self._instant(self.history[index])
        if isinstance(now, Instant) and isinstance(then, Instant):
            return Truth.of(now.ms - then.ms <= within.ms)
        self._note(Unknown(what="window", why="no time", event=self.history[index].id))
        return Truth.UNKNOWN

    def meant(self, pattern: ast.Pattern, index: int, place: Place) -> Truth:
        """Whether the event at this index is one that the pattern means."""
        event = self.history[index]
        if not isinstance(event, KINDS[pattern.kind]):
            return Truth.FALSE
        if isinstance(event, Fact) and pattern.fact is not None and event.name != pattern.fact:
            return Truth.FALSE
        if isinstance(event, Result) and pattern.kind == "result" and event.failed != pattern.failed:
            return Truth.FALSE
        if isinstance(event, Call | Denied | Result):
            if pattern.tool is not None and event.tool != pattern.tool:
                return Truth.FALSE
            if (
                pattern.effect is not None
                and (has := has_effect(self.checked, event.tool, pattern.effect)) is not Truth.TRUE
            ):
                return has
        return every([self._bound(binding, index, place) for binding in pattern.arguments])

    def _bound(self, binding: ast.Binding, index: int, place: Place) -> Truth:
        return self.equal(self.event_argument(index, binding.name), self.value(binding.value, place))

    # --- limits ---------------------------------------------------------------------------------------------------------

    def _exceeds(self, expr: ast.Exceeds) -> Truth:
        earlier = [self._counts(expr, event, index) for index, event in enumerate(self.history)]
        earlier += [self._counts(expr, event, None) for event in before(self.step)]
        mine = (self.step.event, Truth.TRUE)
        counted = [found for found in earlier if found is not None] + [mine]
        if expr.amount is None:
            return self._more_than(expr, [(Fraction(1), meant) for _, meant in counted])
        return self._more_than(
            expr,
            [
                (self.value(expr.amount, msgspec.structs.replace(self.here, call=event)), meant)
                for event, meant in counted
            ],
        )

    def _more_than(self, expr: ast.Exceeds, amounts: list[tuple[Known | Unknown, Truth]]) -> Truth:
        known = [(amount, meant) for amount, meant in amounts if isinstance(amount, Fraction)]
        limit = Fraction(expr.to.value)
        least = sum((a for a, m in known if m is Truth.TRUE or a < 0), Fraction(0))
        most = sum((a for a, _ in known if a > 0), Fraction(0))  # nobody knows that what is below zero made room
        gone = self.forgotten.get(expr) if self.forgotten else None
        if gone is not None:
            least, most = least + gone.least, most + gone.most
        if len(known) < len(amounts):
            return Truth.UNKNOWN
        return Truth.TRUE if least > limit else Truth.UNKNOWN if most > limit else Truth.FALSE

    def _counts(self, expr: ast.Exceeds, event: AnyEvent, index: int | None) -> tuple[Call | Reply, Truth] | None:
        """An earlier call with whether it counts; `index` None for one that is proposed in the same turn."""
        if not isinstance(event, Call | Reply):
            return None
        meant = some([head_truth(self.checked, head, event) for head in expr.heads])
        if meant is not Truth.FALSE and expr.per is not None and index is not None:
            meant &= self._in_window(index, expr.per, self.here)
        if meant is not Truth.FALSE and expr.by is not None:
            theirs = msgspec.structs.replace(self.here, call=event, past=len(self.history) if index is None else index)
            meant &= self.equal(self.value(expr.by, theirs), self.value(expr.by, self.here))
        if meant is Truth.FALSE:
            return None
        if index is not None:
            self.seen.events[event.id] = None
        return event, meant

    def _note(self, unknown: Unknown) -> None:
        self.seen.unknowns[unknown] = None

    def _unseen(self) -> Evaluator:
        silent = Evaluator(self.checked, self.history, self.step, forgotten=self.forgotten)
        silent._read = self._read
        return silent


def before(step: Step) -> tuple[Call | Reply, ...]:
    """What was proposed in the same turn before this step."""
    places = [place for place, event in enumerate(step.turn) if event.id == step.event.id]
    return step.turn[: places[-1]] if places else ()


def _alike(left: Keyed, right: Keyed) -> bool:
    return sorted(map(shape, left.items)) == sorted(map(shape, right.items))


def _quoted(subject: str) -> str:
    """As much of a text as a reason needs, and nothing that cannot be written down."""
    return subject[:_QUOTED].encode(errors="replace").decode()


_QUOTED = 200


def truth(checked: Checked, expr: ast.Expr, history: Sequence[AnyEvent], step: Step) -> Truth:
    """The truth of a resolved condition at the decision point."""
    evaluator = Evaluator(checked, history, step)
    return evaluator.truth(expr, evaluator.here)
