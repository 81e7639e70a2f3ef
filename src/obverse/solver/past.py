"""The past operators over a symbolic trace; each is its definition in `policy.evaluate`, folded over the slots.

An absent slot is no event: patterns are false of it, and it leaves `since` and `last` as they were.
"""

from __future__ import annotations

from decimal import Decimal
from fractions import Fraction
from typing import Any, Protocol

import msgspec
import z3

from obverse.policy import ast
from obverse.solver.symbols import (
    FALSE,
    NOTHING,
    TRUE,
    UNKNOWN,
    Formula,
    Kleene,
    Scalar,
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
    unknown_is,
)
from obverse.solver.trace import Trace

_KINDS = {
    "call": ("call",),
    "denied": ("denied",),
    "proposed": ("call", "denied"),
    "any": ("fact", "message", "call", "result", "denied", "thought", "approval", "grant", "reply"),
}


class Here(msgspec.Struct, frozen=True):
    """Where an expression is evaluated: as `policy.evaluate.Place`, over slots. `call` None is the step itself."""

    past: int
    scopes: tuple[int, ...] = ()
    locals: tuple[tuple[str, Any], ...] = ()
    call: int | None = None

    def inside(self, slot: int) -> Here:
        """The place of the event in this slot, with it in scope."""
        return Here(slot, (*self.scopes, slot), self.locals, self.call)

    def binding(self, name: str, value: Value) -> Here:
        """The same place with a local variable."""
        return Here(self.past, self.scopes, ((name, value), *self.locals), self.call)


class Encodes(Protocol):
    """What the operators need of the encoder of conditions and values."""

    trace: Trace
    context: z3.Context
    here: Here

    def truth(self, expr: ast.Expr, here: Here) -> Kleene: ...

    def value(self, expr: ast.Expr, here: Here) -> Value: ...

    def equal(self, left: Value, right: Value) -> Kleene: ...

    def argument(self, call: int | None, name: str) -> Value: ...

    def number(self, value: int | Decimal | Fraction) -> Scalar: ...

    def summed(self, values: list[tuple[Value, Formula]], known: Formula) -> Value: ...


def once(encoder: Encodes, expr: ast.Once, here: Here) -> Kleene:
    """Whether some earlier event is such a one."""
    return some(meant for _, meant in _matching(encoder, expr.event, expr.where, expr.within, here))


def last(encoder: Encodes, expr: ast.Last, here: Here) -> Kleene:
    """Whether the newest such event satisfies the condition; unknown when there is none."""
    found = UNKNOWN
    for slot, meant in _matching(encoder, expr.event, expr.where, None, here):
        holds = encoder.truth(expr.has, here.inside(slot))
        unsure = unknown_is(meant)
        found = Kleene(
            true=either(
                both(meant.true, holds.true), both(unsure, holds.true, found.true), both(meant.false, found.true)
            ),
            false=either(
                both(meant.true, holds.false), both(unsure, holds.false, found.false), both(meant.false, found.false)
            ),
        )
    return found


def previous(encoder: Encodes, expr: ast.Previous, here: Here) -> Kleene:
    """Whether the event just before is such a one and satisfies the condition; false at the start."""
    true: list[Formula] = []
    false: list[Formula] = []
    later_absent: list[Formula] = []
    for slot in reversed(range(here.past)):
        just_before = both(encoder.trace.present[slot], *later_absent)
        holds = _meant(encoder, expr.event, slot, here)
        if expr.has is not None and holds.false is not True:
            holds = every([holds, encoder.truth(expr.has, here.inside(slot))])
        true.append(both(just_before, holds.true))
        false.append(both(just_before, holds.false))
        later_absent.append(negation(encoder.trace.present[slot]))
    return some([Kleene(true=either(*true), false=either(conjunction(later_absent), *false))])


def since(encoder: Encodes, expr: ast.Since, here: Here) -> Kleene:
    """Whether there is such an event, and the condition holds at every event after the newest one."""
    found = FALSE
    for slot in range(here.past):
        present = encoder.trace.present[slot]
        starts = _meant(encoder, expr.event, slot, here)
        if expr.where is not None and starts.false is not True:
            starts = every([starts, encoder.truth(expr.where, here.inside(slot))])
        if expr.absent is not None:
            holds = no(_meant(encoder, expr.absent, slot, here))
        else:
            holds = encoder.truth(expr.body or ast.Boolean(value=True), here.inside(slot))
        began = every([certain(present), starts])
        went_on = some([certain(negation(present)), holds])
        found = some([began, every([found, went_on])])
    return found


def counted(encoder: Encodes, expr: ast.CountEvents | ast.SumEvents, here: Here) -> Value:
    """How many such events there are, or the sum of a value over them; unknown if one may be such an event or not."""
    matching = list(_matching(encoder, expr.event, expr.where, expr.within, here))
    settled = conjunction(either(meant.true, meant.false) for _, meant in matching)
    if isinstance(expr, ast.CountEvents):
        number = total((1, meant.true) for _, meant in matching)
        return Scalar("number", _term(encoder, number), settled)
    values = [(encoder.value(expr.value, here.inside(slot)), meant.true) for slot, meant in matching]
    return encoder.summed(values, settled)


def exceeds(encoder: Encodes, expr: ast.Exceeds) -> Kleene:
    """Whether the step is one too many. Calls beside it in its turn come after it in every witness, so they do not count."""
    step = encoder.here
    amounts = [(_amount(encoder, expr, None), TRUE)]
    for slot in range(step.past):
        counts = _counts(encoder, expr, slot)
        if counts.false is not True:
            amounts.append((_amount(encoder, expr, slot), counts))
    known: list[Formula] = []
    least: list[tuple[Any, Formula]] = []
    most: list[tuple[Any, Formula]] = []
    for amount, counts in amounts:
        if not isinstance(amount, Scalar) or amount.kind != "number":
            known.append(counts.false)
            continue
        known.append(either(counts.false, amount.known))
        negative = False if expr.amount is None else amount.term < 0
        unsure = unknown_is(counts)
        least.append((amount.term, either(counts.true, both(unsure, negative))))
        most.append((amount.term, both(negation(counts.false), negation(negative))))
    settled = conjunction(known)
    limit = encoder.number(expr.to.value).term
    above = _term(encoder, total(least)) > limit
    at_most = z3.And(z3.Not(above), _term(encoder, total(most)) <= limit)
    return Kleene(true=both(settled, above), false=both(settled, at_most))


def _counts(encoder: Encodes, expr: ast.Exceeds, slot: int) -> Kleene:
    place = encoder.trace.layout.slots[slot]
    if place.kind not in ("call", "reply"):
        return FALSE
    act = "reply" if place.kind == "reply" else "call"
    if not any(encoder.trace.checked.matches(head, act, place.name) for head in expr.heads):  # type: ignore[arg-type]  # one of two literals
        return FALSE
    parts = [certain(encoder.trace.present[slot])]
    if expr.per is not None:
        parts.append(_in_window(encoder, slot, expr.per, encoder.here))
    if expr.by is not None:
        theirs = Here(slot, (), (), slot)
        parts.append(encoder.equal(encoder.value(expr.by, theirs), encoder.value(expr.by, encoder.here)))
    return every(parts)


def _amount(encoder: Encodes, expr: ast.Exceeds, slot: int | None) -> Value:
    if expr.amount is None:
        return encoder.number(1)
    step = encoder.here
    found = encoder.value(expr.amount, Here(step.past, (), (), slot))
    return found if isinstance(found, Scalar) and found.kind == "number" else NOTHING


def _matching(
    encoder: Encodes, event: ast.Pattern, where: ast.Expr | None, within: ast.Duration | None, here: Here
) -> list[tuple[int, Kleene]]:
    """The earlier slots whose event may be such a one, oldest first, each with whether it is."""
    found = []
    for slot in range(here.past):
        meant = _meant(encoder, event, slot, here)
        if meant.false is True:
            continue
        parts = [certain(encoder.trace.present[slot]), meant]
        if within is not None:
            parts.append(_in_window(encoder, slot, within, here))
        if where is not None:
            parts.append(encoder.truth(where, here.inside(slot)))
        found.append((slot, every(parts)))
    return found


def _meant(encoder: Encodes, pattern: ast.Pattern, number: int, here: Here) -> Kleene:
    """Whether the event in this slot, if there is one, is one that the pattern means."""
    slot = encoder.trace.layout.slots[number]
    if slot.kind not in _KINDS.get(pattern.kind, (pattern.kind,)):
        return FALSE
    if slot.kind == "fact" and pattern.fact is not None and slot.name != pattern.fact:
        return FALSE
    parts: list[Kleene] = []
    if slot.kind in ("call", "denied", "result"):
        if pattern.tool is not None and slot.name != pattern.tool:
            return FALSE
        tool = encoder.trace.checked.tools.get(slot.name or "")
        if pattern.effect is not None and (tool is None or pattern.effect not in tool.effects):
            return FALSE
    if slot.kind == "result" and pattern.kind == "result":
        failed = encoder.trace.failed(number)
        parts.append(certain(failed if pattern.failed else negation(failed)))
    for binding in pattern.arguments:
        argument = encoder.argument(slot.call if slot.kind == "result" else number, binding.name)
        parts.append(encoder.equal(argument, encoder.value(binding.value, here)))
    return every(parts)


def _in_window(encoder: Encodes, slot: int, within: ast.Duration, here: Here) -> Kleene:
    times = encoder.trace.times
    position = here.scopes[-1] if here.scopes else len(times) - 1
    span = z3.IntVal(within.ms // encoder.trace.layout.unit, encoder.context)
    known = both(encoder.trace.timed(position), encoder.trace.timed(slot))
    return given(known, times[position] - times[slot] <= span)


def _term(encoder: Encodes, number: Any) -> Any:
    return z3.IntVal(number, encoder.context) if isinstance(number, int) else number
