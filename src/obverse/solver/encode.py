"""Expressions → formulas: the language's meaning over a symbolic trace, operator for operator as in `policy.evaluate`.

`Encoder` holds conditions and values; the past operators stand in `past`. Three-valued throughout, so that "definitely true"
is a formula of its own. Not decided here: what to ask, and what an answer means (`find`). Law L06 rests on every witness
being replayed, not on this file being right; completeness ("impossible") rests on this file, and on its tests.
"""

from __future__ import annotations

import operator
from collections.abc import Callable
from decimal import Decimal
from fractions import Fraction
from typing import Any, Final

import z3

from obverse.policy import ast
from obverse.policy.types import TextType
from obverse.solver import past
from obverse.solver.past import Here
from obverse.solver.symbols import (
    FALSE,
    NOTHING,
    TRUE,
    UNKNOWN,
    Formula,
    Keys,
    Kleene,
    Rec,
    Scalar,
    Seq,
    Value,
    both,
    certain,
    conjunction,
    either,
    every,
    given,
    negation,
    no,
    some,
    total,
    weaker,
)
from obverse.solver.trace import STEP, Path, Trace, merged


class Outside(Exception):  # noqa: N818  # it names where a question lies, and becomes an answer
    """Something that the bounded fragment does not cover; the text says what."""


class Encoder:
    """Encodes resolved expressions against one symbolic trace."""

    def __init__(self, trace: Trace) -> None:
        self.trace = trace
        self.texts = trace.texts
        self.context = trace.context
        self.here = Here(len(trace.layout.slots))
        self.sized = False
        """Whether anything since this was set to false asked how long a list is; `find` does so before each wish."""

    # --- conditions -----------------------------------------------------------------------------------------------------

    def truth(self, expr: ast.Expr, here: Here) -> Kleene:
        """The truth of a condition at a place."""
        match expr:
            case ast.Boolean():
                return TRUE if expr.value else FALSE
            case ast.Not():
                return no(self.truth(expr.body, here))
            case ast.And():
                return every(self.truth(item, here) for item in expr.items)
            case ast.Or():
                return some(self.truth(item, here) for item in expr.items)
            case ast.Compare():
                return self._compare(expr, here)
            case ast.In():
                return self._in(expr, here)
            case ast.TextTest():
                return self._text_test(expr, here)
            case ast.Within():
                return self._within(expr, here)
            case ast.Present():
                return certain(self.value(expr.body, here).known)
            case ast.Quantified():
                return self._quantified(expr, here)
            case ast.TurnHasText():
                return self._turn_has_text()
            case ast.Once():
                return past.once(self, expr, here)
            case ast.Last():
                return past.last(self, expr, here)
            case ast.Previous():
                return past.previous(self, expr, here)
            case ast.Since():
                return past.since(self, expr, here)
            case ast.Exceeds():
                return past.exceeds(self, expr)
            case _:
                found = self.value(expr, here)
                return given(found.known, found.term) if isinstance(found, Scalar) and found.kind == "bool" else UNKNOWN

    def _compare(self, expr: ast.Compare, here: Here) -> Kleene:
        left, right = self.value(expr.left, here), self.value(expr.right, here)
        if expr.op == "=":
            return self.equal(left, right)
        if expr.op == "!=":
            return no(self.equal(left, right))
        if isinstance(left, Scalar) and isinstance(right, Scalar) and left.kind == right.kind and left.kind in _ORDERED:
            return given(both(left.known, right.known), _ORDER[expr.op](left.term, right.term))
        return UNKNOWN

    def equal(self, left: Value, right: Value) -> Kleene:
        """Whether two values are equal; unknown if one is, or if they are of different kinds."""
        match left, right:
            case Scalar(kind="text"), Scalar(kind="text"):
                return self.texts.equal(left, right)
            case Scalar(), Scalar() if left.kind == right.kind:
                return given(both(left.known, right.known), _same(left.term, right.term))
            case Seq(), Seq():
                return self._equal_lists(left, right)
            case Rec(), Rec():
                names = sorted({*left.names, *right.names})
                members = [
                    self.equal(
                        left.member(name) if name in left.names else NOTHING,
                        right.member(name) if name in right.names else NOTHING,
                    )
                    for name in names
                ]
                return _where(both(left.known, right.known), every(members))
            case Keys(), Keys():
                raise Outside("equality of two maps")
        return UNKNOWN

    def _equal_lists(self, left: Seq, right: Seq) -> Kleene:
        self.sized = True
        pairs = []
        longest = max(len(left.items), len(right.items))
        lengths: list[Formula] = []
        for place in range(longest):
            mine = left.there[place] if place < len(left.there) else False
            theirs = right.there[place] if place < len(right.there) else False
            lengths.append(_iff(mine, theirs))
            if place < min(len(left.items), len(right.items)):
                item = self.equal(left.items[place], right.items[place])
                here = both(mine, theirs)
                pairs.append(Kleene(true=either(negation(here), item.true), false=both(here, item.false)))
        same_length = conjunction(lengths)
        items = every(pairs)
        known = both(left.known, right.known)
        return Kleene(
            true=both(known, same_length, items.true),
            false=both(known, either(negation(same_length), items.false)),
        )

    def _in(self, expr: ast.In, here: Here) -> Kleene:
        item, over = self.value(expr.item, here), self.value(expr.over, here)
        elements = over if isinstance(over, Seq) else over.keys if isinstance(over, Keys) else None
        if elements is None:
            return UNKNOWN
        found = [
            _if_there(there, self.equal(item, other))
            for other, there in zip(elements.items, elements.there, strict=True)
        ]
        return _where(elements.known, some(found))

    def _text_test(self, expr: ast.TextTest, here: Here) -> Kleene:
        subject, pattern = self.value(expr.subject, here), self.value(expr.pattern, here)
        if isinstance(subject, Scalar) and isinstance(pattern, Scalar) and subject.kind == pattern.kind == "text":
            return self.texts.test(expr.op, subject, pattern)
        return UNKNOWN

    def _within(self, expr: ast.Within, here: Here) -> Kleene:
        left, span, right = (self.value(part, here) for part in (expr.left, expr.span, expr.right))
        if not (isinstance(left, Scalar) and isinstance(span, Scalar) and isinstance(right, Scalar)):
            return UNKNOWN
        if (left.kind, span.kind, right.kind) != ("time", "duration", "time"):
            return UNKNOWN
        apart = left.term - right.term
        close = z3.And(apart <= span.term, -apart <= span.term)
        return given(both(left.known, span.known, right.known), close)

    def _quantified(self, expr: ast.Quantified, here: Here) -> Kleene:
        over = _elements(self.value(expr.over, here))
        if over is None:
            return UNKNOWN
        found = [self.truth(expr.body, here.binding(expr.variable, item)) for item in over.items]
        if expr.kind == "any":
            return _where(over.known, some(map(_if_there, over.there, found)))
        return _where(over.known, no(some(_if_there(t, no(one)) for t, one in zip(over.there, found, strict=True))))

    def _turn_has_text(self) -> Kleene:
        _, spoken = self.trace.turn
        if self.trace.act.kind == "call":
            return certain(spoken)
        text = self.step_text()
        self.trace.solver.add(spoken == (text.term != self.texts.literal("")))
        return certain(spoken)

    # --- values ---------------------------------------------------------------------------------------------------------

    def value(self, expr: ast.Expr, here: Here) -> Value:
        """The value of an expression at a place; conditions are values too."""
        match expr:
            case ast.Text():
                return Scalar("text", self.texts.literal(expr.value), literal=expr.value)
            case ast.Number():
                return self.number(expr.value)
            case ast.Duration():
                return Scalar("duration", self._units(expr.ms))
            case ast.Time():
                return Scalar("time", self._units(expr.ms))
            case ast.Listing():
                return Seq(tuple(self.value(item, here) for item in expr.items), (True,) * len(expr.items))
            case ast.Argument():
                return self.argument(here.call, expr.name)
            case ast.StepPart():
                return self._step_part(expr, here.call)
            case ast.EventPart():
                return self._event_part(expr, here)
            case ast.FactValue():
                return self._fact(expr.name, here)
            case ast.JudgedAnswer():
                return self._judged(expr, here)
            case ast.Local():
                found: Value = next(value for name, value in here.locals if name == expr.name)
                return found
            case ast.Now():
                return self._time(len(self.trace.layout.slots))
            case ast.TurnCalls():
                return Scalar("number", self.trace.turn[0])
            case ast.Member():
                return _member(self.value(expr.base, here), expr.name)
            case ast.Arith():
                return self._arith(expr.op, self.value(expr.left, here), self.value(expr.right, here))
            case ast.Length():
                return self._length(self.value(expr.body, here))
            case ast.CountIn():
                return self._count_in(expr, here)
            case ast.SumIn():
                return self._sum_in(expr, here)
            case ast.CountEvents() | ast.SumEvents():
                return past.counted(self, expr, here)
            case ast.Name() | ast.Use():
                raise TypeError(f"an unresolved name reached the solver: {expr}")
            case _:
                truth = self.truth(expr, here)
                return Scalar("bool", truth.true, either(truth.true, truth.false))

    def number(self, value: int | Decimal | Fraction) -> Scalar:
        """A number as a term."""
        exact = Fraction(value)
        if exact.denominator == 1:
            return Scalar("number", z3.IntVal(exact.numerator, self.context))
        return Scalar("number", z3.RealVal(str(exact), self.context))

    def _units(self, ms: int) -> z3.ArithRef:
        return z3.IntVal(ms // self.trace.layout.unit, self.context)

    def argument(self, call: int | None, name: str) -> Value:
        """An argument of the step, or of the call in a slot."""
        slot = None if call is None else self.trace.layout.slots[call]
        tool = self.trace.checked.tools.get((self.trace.act.tool if slot is None else slot.name) or "")
        if tool is None or (slot is not None and slot.kind not in ("call", "denied")):
            return NOTHING
        if slot is None and self.trace.act.kind == "reply":
            return NOTHING
        field = tool.parameter(name)
        if field is None:
            return NOTHING
        return self.trace.value((STEP if call is None else call, "argument", name), field.type, optional=field.optional)

    def step_text(self) -> Scalar:
        """The text of the reply that is decided."""
        return self._text((STEP, "text"))

    def _text(self, path: Path) -> Scalar:
        found = self.trace.value(path, TextType())
        if not isinstance(found, Scalar):
            raise Outside("a text that is not one")
        return found

    def _step_part(self, expr: ast.StepPart, earlier: int | None) -> Value:
        """Of the step, or of the earlier act in that slot which a `limit` counts."""
        if earlier is not None:
            slot = self.trace.layout.slots[earlier]
            if expr.part == "text":
                return self._event_text(earlier) if slot.kind == "reply" else NOTHING
            named = slot.kind == "call" and slot.name is not None
            return Scalar("text", self.texts.literal(slot.name or ""), literal=slot.name) if named else NOTHING
        act = self.trace.act
        if expr.part == "tool":
            if act.kind == "reply" or act.tool is None:
                return NOTHING
            return Scalar("text", self.texts.literal(act.tool), literal=act.tool)
        return self.step_text() if act.kind == "reply" else NOTHING

    def _event_part(self, expr: ast.EventPart, here: Here) -> Value:
        number = here.scopes[-1 - expr.depth]
        slot = self.trace.layout.slots[number]
        match expr.part:
            case "stamp":
                return self._time(number)
            case "argument":
                return self.argument(slot.call if slot.kind == "result" else number, expr.name or "")
            case "value":
                return self._event_value(number, expr.name)
            case "failed":
                return Scalar("bool", self.trace.failed(number)) if slot.kind == "result" else NOTHING
            case "tool":
                if slot.kind not in ("call", "denied", "result") or slot.name is None:
                    return NOTHING
                return Scalar("text", self.texts.literal(slot.name), literal=slot.name)
            case "by":
                return self._text((number, "by")) if slot.kind == "approval" else NOTHING
            case "text":
                return self._event_text(number)

    def _event_text(self, number: int) -> Value:
        slot = self.trace.layout.slots[number]
        if slot.kind in ("message", "reply", "thought"):
            return self._text((number, "text"))
        if slot.kind != "result":
            return NOTHING
        returns = self.trace.checked.tools[slot.name or ""].returns
        if returns is None:
            return self._text((number, "text"))
        if isinstance(returns, TextType):
            # bare text: what the tool gave back and its value are the same
            return self.trace.value((number, "value"), returns)
        raise Outside("the raw text of a structured result")

    def _event_value(self, number: int, name: str | None) -> Value:
        slot = self.trace.layout.slots[number]
        if slot.kind == "fact":
            whole = self.trace.value((number, "value"), self.trace.checked.facts[slot.name or ""].type)
        elif slot.kind == "result":
            returns = self.trace.checked.tools[slot.name or ""].returns
            if returns is None:
                return NOTHING
            whole = self.trace.value((number, "value"), returns)
            whole = weaker(whole, negation(self.trace.failed(number)))
        else:
            return NOTHING
        return _member(whole, name) if name else whole

    def _fact(self, name: str, here: Here) -> Value:
        upto = here.past + 1 if here.scopes else here.past
        choices: list[tuple[Formula, Value]] = []
        for number in range(min(upto, len(self.trace.layout.slots))):
            slot = self.trace.layout.slots[number]
            if slot.kind == "fact" and slot.name == name:
                choices.append((self.trace.present[number], self._event_value(number, None)))
        found = merged(choices)
        if found is None:
            raise Outside(f"a fact of several values, `{name}`")
        return found

    def _judged(self, expr: ast.JudgedAnswer, here: Here) -> Value:
        subject = expr.name.partition(".")[0]
        if expr.depth is None and here.call is not None:
            reply = self.trace.layout.slots[here.call].kind == "reply" and subject == "reply"
            return self._label(here.call, expr.name) if reply else NOTHING
        if expr.depth is None:
            if self.trace.act.kind == "reply" and subject == "reply":
                return self._label(STEP, expr.name)
            return NOTHING
        number = here.scopes[-1 - expr.depth]
        if subject == "result" and self.trace.checked.judged[expr.name].pattern is not None:
            raise Outside(f"a pattern that reads results, `{expr.name}`")
        if self.trace.layout.slots[number].kind != subject or subject not in ("message", "reply", "thought"):
            return NOTHING  # a label stands on a text event only
        return self._label(number, expr.name)

    def _label(self, at: int | str, name: str) -> Scalar:
        return Scalar("bool", self.trace.label(at, name), self.trace.answered(at, name))

    def _time(self, number: int) -> Scalar:
        """The time of an event, or of the step after them."""
        return Scalar("time", self.trace.times[number], self.trace.timed(number))

    def _length(self, value: Value) -> Value:
        self.sized = self.sized or isinstance(value, Seq | Keys)
        match value:
            case Seq():
                return Scalar("number", self._term(value.length), value.known)
            case Keys():
                return Scalar("number", self._term(value.keys.length), value.known)
            case Scalar(kind="text"):
                return Scalar("number", self.texts.length(value), value.known)
        return NOTHING

    def _count_in(self, expr: ast.CountIn, here: Here) -> Value:
        over = _elements(self.value(expr.over, here))
        if over is None:
            return NOTHING
        found = [self.truth(expr.body, here.binding(expr.variable, item)) for item in over.items]
        settled = [either(negation(there), one.true, one.false) for there, one in zip(over.there, found, strict=True)]
        number = total((1, both(there, one.true)) for there, one in zip(over.there, found, strict=True))
        return Scalar("number", self._term(number), both(over.known, *settled))

    def _sum_in(self, expr: ast.SumIn, here: Here) -> Value:
        over = _elements(self.value(expr.over, here))
        if over is None:
            return NOTHING
        found = [self.value(expr.body, here.binding(expr.variable, item)) for item in over.items]
        return self.summed(list(zip(found, over.there, strict=True)), over.known)

    def summed(self, values: list[tuple[Value, Formula]], known: Formula) -> Value:
        """The sum of the values whose formula holds; unknown if one of those is not a number."""
        terms: list[tuple[Any, Formula]] = []
        settled: list[Formula] = [known]
        for value, there in values:
            if isinstance(value, Scalar) and value.kind == "number":
                terms.append((value.term, there))
                settled.append(either(negation(there), value.known))
            else:
                settled.append(negation(there))
        return Scalar("number", self._term(total(terms)), conjunction(settled))

    def _term(self, number: Any) -> Any:
        return z3.IntVal(number, self.context) if isinstance(number, int) else number

    def _arith(self, op: str, left: Value, right: Value) -> Value:
        if not isinstance(left, Scalar) or not isinstance(right, Scalar):
            return NOTHING
        known = both(left.known, right.known)
        kind = _RESULTS.get((left.kind, op, right.kind))
        if kind is None:
            return NOTHING
        if op == "/":
            return Scalar(kind, _real(left.term) / _real(right.term), both(known, right.term != 0))  # type: ignore[arg-type]  # kinds are literals
        return Scalar(kind, _ARITH[op](left.term, right.term), known)  # type: ignore[arg-type]  # as above


_ORDERED: Final = ("number", "time", "duration")
_ORDER: Final[dict[str, Callable[[Any, Any], Any]]] = {
    "<": operator.lt,
    "<=": operator.le,
    ">": operator.gt,
    ">=": operator.ge,
}
_ARITH: Final[dict[str, Callable[[Any, Any], Any]]] = {"+": operator.add, "-": operator.sub, "*": operator.mul}
_RESULTS: Final = {
    **{("number", op, "number"): "number" for op in "+-*/"},
    ("time", "-", "time"): "duration",
    ("time", "+", "duration"): "time",
    ("time", "-", "duration"): "time",
    ("duration", "+", "duration"): "duration",
    ("duration", "-", "duration"): "duration",
    ("duration", "*", "number"): "duration",
    ("number", "*", "duration"): "duration",
    ("duration", "/", "number"): "duration",
}


def _same(left: Any, right: Any) -> Formula:
    if isinstance(left, bool) and isinstance(right, bool):
        return left == right
    if isinstance(left, bool) or isinstance(right, bool):
        return _iff(left, right)
    same: z3.BoolRef = left == right
    return same


def _iff(left: Formula, right: Formula) -> Formula:
    if isinstance(left, bool):
        return right if left else negation(right)
    if isinstance(right, bool):
        return left if right else negation(left)
    same: z3.BoolRef = left == right
    return same


def _where(known: Formula, truth: Kleene) -> Kleene:
    return Kleene(true=both(known, truth.true), false=both(known, truth.false))


def _if_there(there: Formula, truth: Kleene) -> Kleene:
    """The truth of an element, false where it is not there at all."""
    return Kleene(true=both(there, truth.true), false=either(negation(there), truth.false))


def _elements(value: Value) -> Seq | None:
    match value:
        case Seq():
            return value
        case Keys():
            return Seq(value.values.items, value.values.there, value.keys.known)
        case _:
            return None


def _member(base: Value, name: str) -> Value:
    match base:
        case Rec():
            return base.member(name) if name in base.names else NOTHING
        case Seq():
            return Seq(tuple(_member(item, name) for item in base.items), base.there, base.known)
    return NOTHING


def _real(term: Any) -> Any:
    return z3.ToReal(term) if term.is_int() else term
