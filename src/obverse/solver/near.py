"""Staying close to a given scenario: its events have slots of their own, its values as preferences.

Used for twins: what the new wishes do not force apart stays as it was. Preferences only; nothing here excludes an answer.
"""

from __future__ import annotations

import json
from decimal import Decimal
from fractions import Fraction
from typing import Any

import z3

from obverse.core.events import AnyEvent, Approval, Call, Denied, Fact, Reply, Result, Spoken
from obverse.policy.reading import instant, lapse
from obverse.policy.types import DurationType
from obverse.solver.answers import Scenario
from obverse.solver.trace import STEP, Leaf, Path, Trace


class Likeness:
    """How to stay close to one scenario in one trace: literals, the most important first, and which event a slot had."""

    def __init__(self, trace: Trace, near: Scenario, covered: frozenset[Path]) -> None:
        self._trace = trace
        self._covered = covered
        places = zip(trace.layout.near, near.history, strict=True)
        self.events: dict[Any, AnyEvent] = {slot: event for slot, event in places if slot is not None}
        self.events[STEP] = near.step.event
        formulas = [*self._presence(), *self._turn(near), *self._labels(), *self._values(), *self._times(near)]
        self.literals: list[z3.BoolRef] = [_remembered(trace, formula) for formula in formulas]

    def _presence(self) -> list[z3.BoolRef]:
        """The same events: those that were there, and no others."""
        present = self._trace.present
        return [one if number in self.events else z3.Not(one) for number, one in enumerate(present)]

    def _turn(self, near: Scenario) -> list[z3.BoolRef]:
        if self._trace.touched_turn is None:
            return []
        calls, spoken = self._trace.touched_turn
        said = any(isinstance(event, Reply) and event.text.strip() for event in near.step.turn)
        return [
            calls == sum(isinstance(event, Call) for event in near.step.turn),
            spoken if said else z3.Not(spoken),
        ]

    def _labels(self) -> list[z3.BoolRef]:
        found = []
        for path, flag in self._trace.labels.items():
            if path not in self._covered:
                continue
            event = self.events.get(path[0])
            if path[1] == "failed":
                value = isinstance(event, Result) and event.failed
            elif isinstance(event, Spoken):
                value = bool(event.labels.get(path[2], False))
            else:
                continue
            found.append(flag if value else z3.Not(flag))
        return found

    def _values(self) -> list[z3.BoolRef]:
        found = []
        for path, presence in self._trace.presences.items():
            if path in self._covered and path[0] in self.events:
                there = _at(self._json(path), path[2:-1]) is not None
                found.append(presence if there else z3.Not(presence))
        for path, length in self._trace.lengths.items():
            old = _at(self._json(path), path[2:])
            if path in self._covered and isinstance(old, list | dict):
                found.append(length == len(old))
        for leaf in [leaf for path, leaf in self._trace.leaves.items() if path in self._covered]:
            old = _at(self._json(leaf.path), leaf.path[2:])
            term = self._term(leaf, old)
            if term is not None:
                found.append(leaf.scalar.term == term)
        return found

    def _times(self, near: Scenario) -> list[z3.BoolRef]:
        if not self._trace.has_times:
            return []
        unit = self._trace.layout.unit
        found = []
        ends = {len(self._trace.layout.slots): near.step.event}
        for number, time in enumerate(self._trace.times):
            event = self.events.get(number) or ends.get(number)
            if event is not None and event.time is not None:
                found.append(time == event.time // unit)
        return found

    def _json(self, path: Path) -> Any:
        """The parsed JSON that a path leads into."""
        event = self.events.get(path[0])
        match event, path[1]:
            case ((Call() | Denied()), "argument"):
                return _parsed(event.arguments)
            case Result(), "value":
                found = _parsed(event.output)
                return event.output if found is None else found
            case Fact(), "value":
                return event.value
            case Approval(), "by":
                return event.by
            case Spoken(), "text":
                return event.text
            case _:
                return None

    def _term(self, leaf: Leaf, old: Any) -> Any:
        unit = self._trace.layout.unit
        match leaf.scalar.kind, old:
            case "text", str():
                return self._trace.texts.literal(old)
            case "bool", bool():
                return z3.BoolVal(old, self._trace.context)
            case "number", int() | Decimal() if not isinstance(old, bool):
                return z3.RealVal(str(Fraction(old)), self._trace.context)
            case "time", str():
                moment = instant(old, self._trace.checked.timezone_minutes)
                return None if moment is None else z3.IntVal(moment.ms // unit, self._trace.context)
            case "duration", str() if isinstance(leaf.of, DurationType):
                span = lapse(old)
                return None if span is None else z3.IntVal(int(span.ms) // unit, self._trace.context)
        return None


def _remembered(trace: Trace, formula: z3.BoolRef) -> z3.BoolRef:
    """The literal that assumes this formula, the same one each time."""
    key = formula.get_id()
    found = trace.assumed.get(key)
    if found is None:
        found = trace.assumed[key] = trace.assumable(formula)
        trace.kept.append(formula)  # Z3 may give the number of a formula that is gone to another one
    return found


def _at(value: Any, path: Path) -> Any:
    for part in path:
        if isinstance(value, dict) and isinstance(part, str):
            value = value.get(part)
        elif isinstance(value, list) and isinstance(part, int) and part < len(value):
            value = value[part]
        elif isinstance(value, dict) and isinstance(part, int):
            keys = list(value)
            if part >= len(keys):
                return None
            value = {"key": keys[part], "value": value[keys[part]]}
        else:
            return None
    return value


def _parsed(text: str) -> Any:
    try:
        return json.loads(text, parse_float=Decimal)
    except ValueError:
        return None
