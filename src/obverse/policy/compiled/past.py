"""Looking back from the step: the code that asks the tracks."""

from __future__ import annotations

from collections.abc import Hashable
from typing import Any, Final, NamedTuple

from obverse.core.events import Call, Step
from obverse.policy import ast
from obverse.policy.compiled.plain import total
from obverse.policy.compiled.proving import DOUBT, Code, Prover, Val, Wanted, both, either, kind_of
from obverse.policy.compiled.scopes import CallScope, Reads, RecordScope, judged_reader
from obverse.policy.compiled.specs import Latest, Sought, key_code, sought
from obverse.policy.compiled.tracked import Tracked
from obverse.policy.compiled.tracks import Spec
from obverse.policy.evaluate import before
from obverse.policy.types import BoolType, NumberType, TimeType


class StepScope:
    """The decision point. The code knows `event`, `turn`, `now`, the keepers `k`, and `args` where it is a call."""

    def __init__(self, tracked: Tracked, places: dict[Hashable, int], reads: Reads, tool: ast.Tool | None) -> None:
        self.tracked = tracked
        self.places = places
        self.reads = reads
        self.constants: Final = reads.constants
        self.call = CallScope(reads, tool, reply=tool is None)

    def leaf(self, expr: ast.Expr) -> Val:
        match expr:
            case ast.FactValue():
                place = self.places.get(("fact", expr.name, False))
                term = self.tracked.checked.facts.get(expr.name)
                return DOUBT if place is None or term is None else Val(code=f"k[{place}].value", type=term.type)
            case ast.JudgedAnswer(depth=None) if self.call.reply:
                answer = self.constants.add(judged_reader(self.tracked.checked, expr.name))
                return Val(code=self.reads.once(expr, lambda name: [f"{name} = {answer}(event)"]), type=BoolType())
            case ast.Now():
                code = "Instant(now) if now is not None else None"
                return Val(code=self.reads.once("now", lambda name: [f"{name} = {code}"]), type=TimeType())
            case ast.TurnCalls():
                counts = self.constants.add(_calls)
                return Val(
                    code=self.reads.once("calls", lambda name: [f"{name} = {counts}(turn)"]),
                    type=NumberType(),
                    sure=True,
                )
        return self.call.leaf(expr)

    def absent(self, expr: ast.Expr) -> Code:
        if isinstance(expr, ast.FactValue):
            place = self.places.get(("fact", expr.name, False))
            return "False" if place is None else f"(not k[{place}].stated)"
        return self.call.absent(expr)

    def past(self, expr: ast.Expr, prover: Prover, *, wanted: Wanted) -> Code:
        match expr:
            case ast.Last() if wanted is None:
                return self._none(expr, prover)
            case _ if wanted is None:
                return "False"
            case ast.Once():
                return self._once(expr, prover, wanted=wanted)
            case ast.Last():
                return self._last(expr, prover, wanted=wanted)
            case ast.Since(absent=ast.Pattern()):
                return self._since(expr, prover, wanted=wanted)
            case ast.Exceeds():
                return self._exceeds(expr, prover, wanted=wanted)
        return "False"

    def number(self, expr: ast.CountEvents | ast.SumEvents, prover: Prover) -> Val:
        spec = self.tracked.of(expr)
        found = sought(self.tracked.checked, expr.event, expr.where)
        if not isinstance(spec, Spec) or found is None:
            return DOUBT
        keys = self.keys(found, prover)
        what = "count" if isinstance(expr, ast.CountEvents) else "whole"
        return (
            DOUBT
            if keys is None
            else Val(code=f"k[{self.places[spec.name]}].{what}({_key(keys)}, now)", type=NumberType())
        )

    def keys(self, found: Sought, prover: Prover) -> list[Val] | None:
        """The key that the step asks for; None if it is of another kind than that of the events."""
        keys = [prover.value(key.asked) for key in found.keys]
        return keys if all(kind_of(key.type) == kind for key, kind in zip(keys, found.kinds, strict=True)) else None

    def asked(self, expr: ast.Once | ast.Last, prover: Prover) -> Code | None:
        """Where the event is kept that decides a condition; None where only the reference knows."""
        found = self._sought(expr, prover)
        return None if found is None else f"{found[1]}.wanted({key_code(found[2])})"

    def counted(self, expr: ast.Exceeds | ast.CountEvents | ast.SumEvents, prover: Prover) -> Code | None:
        """Where the events are kept that count."""
        spec = self.tracked.of(expr)
        if isinstance(expr, ast.Exceeds):
            keys: list[Val] | None = [prover.value(expr.by)] if expr.by is not None else []
        else:
            found = sought(self.tracked.checked, expr.event, expr.where)
            keys = self.keys(found, prover) if found is not None else None
        return (
            f"k[{self.places[spec.name]}].wanted({_key(keys)})" if isinstance(spec, Spec) and keys is not None else None
        )

    # --- the newest -----------------------------------------------------------------------------------------------------

    def _sought(self, expr: ast.Once | ast.Last | ast.Since, prover: Prover) -> tuple[Latest, Code, list[Val]] | None:
        """The track, its code, and the key that is asked for."""
        found, latest = sought(self.tracked.checked, expr.event, expr.where), self.tracked.of(expr)
        keys = self.keys(found, prover) if found is not None else None
        if not isinstance(latest, Latest) or keys is None:
            return None
        return latest, f"k[{self.places[latest.spec.name]}]", keys

    def _once(self, expr: ast.Once, prover: Prover, *, wanted: bool) -> Code:
        asked = self._sought(expr, prover)
        if asked is None:
            return "False"
        _, track, keys = asked
        record = self.constants.fresh()
        found = f"({record} := {track}.newest.get({key_code(keys)})) is not None"
        span = expr.within.ms if expr.within is not None else None
        if wanted:
            recent = [] if span is None else ["now is not None", f"now - {record}[1] <= {span}"]
            return both([f"{track}.sure", found, *recent])
        missing = f"({record} := {track}.newest.get({key_code(keys)})) is None"
        old = "False" if span is None else both(["now is not None", f"now - {record}[1] > {span}"])
        return both([f"{track}.sure", *_known(keys), either([missing, old])])

    def _last(self, expr: ast.Last, prover: Prover, *, wanted: bool) -> Code:
        asked = self._sought(expr, prover)
        if asked is None:
            return "False"
        latest, track, keys = asked
        record = self.constants.fresh()
        inside = RecordScope(record, latest.parts, latest.types, self)
        holds = prover.inside(inside).proves(expr.has, wanted)
        return both([f"{track}.sure", f"({record} := {track}.newest.get({key_code(keys)})) is not None", holds])

    def _none(self, expr: ast.Last, prover: Prover) -> Code:
        """There is no such event, for certain."""
        asked = self._sought(expr, prover)
        if asked is None:
            return "False"
        _, track, keys = asked
        return both([f"{track}.sure", *_known(keys), f"{key_code(keys)} not in {track}.newest"])

    def _since(self, expr: ast.Since, prover: Prover, *, wanted: bool) -> Code:
        asked, ends = self._sought(expr, prover), self.tracked.absent(expr)
        found = sought(self.tracked.checked, expr.absent, None) if expr.absent is not None else None
        other = self.keys(found, prover) if found is not None else None
        if asked is None or ends is None or other is None:
            return "False"
        _, track, keys = asked
        until = f"k[{self.places[ends.spec.name]}]"
        start, end = self.constants.fresh(), self.constants.fresh()
        first, second = (
            f"{start} := {track}.newest.get({key_code(keys)})",
            f"{end} := {until}.newest.get({key_code(other)})",
        )
        sure = [f"{track}.sure", f"{until}.sure", *_known(keys), *_known(other)]
        if wanted:
            return both([*sure, f"({first}) is not None", either([f"({second}) is None", f"{end}[0] <= {start}[0]"])])
        gone = both([f"({second}) is not None", f"{end}[0] > {start}[0]"])
        return both([*sure, either([f"({first}) is None", gone])])

    # --- limits ---------------------------------------------------------------------------------------------------------

    def _exceeds(self, expr: ast.Exceeds, prover: Prover, *, wanted: bool) -> Code:
        spec = self.tracked.of(expr)
        if not isinstance(spec, Spec):
            return "False"
        keys = [prover.value(expr.by)] if expr.by is not None else []
        limit = prover.value(expr.to)
        if DOUBT in (*keys, limit):
            return "False"
        track, asked = f"k[{self.places[spec.name]}]", _key(keys)
        others, number = self.constants.fresh(), self.constants.fresh()
        turn = (
            f"({others} := NOTHING if len(turn) < 2 else beside(step, {self.constants.add(spec)}, {asked})) is not None"
        )
        if expr.amount is None:
            found = f"({number} := {track}.count({asked}, now)) is not None"
            return both([turn, found, f"{number} + {others}.number {'>=' if wanted else '<'} {limit.code}"])
        known, amount = prover.known(prover.value(expr.amount))
        before, mine = ("whole", amount) if wanted else ("above", f"({amount} if {amount} > 0 else 0)")
        total = f"({number} := total(({track}.{before}({asked}, now), {others}.{before}, {mine}))) is not None"
        return both([turn, *known, total, f"{number} {'>' if wanted else '<='} {limit.code}"])


class Beside(NamedTuple):
    """What counts of the calls that are proposed before a step in its own turn."""

    number: int
    whole: Any
    above: Any


NOTHING: Final = Beside(0, 0, 0)


def beside(step: Step, spec: Spec, key: Hashable) -> Beside | None:
    """What counts beside the step for this key; None if that is in doubt."""
    amounts = []
    for event in before(step):
        tool = event.tool if isinstance(event, Call) else None
        if not spec.hears(type(event), tool):
            continue
        found = spec.read(type(event), tool)(event)
        if found is None or key is None:
            return None
        if found[0] == key:
            amounts.append(found[1])
    return Beside(len(amounts), total(amounts), total(amount for amount in amounts if amount > 0))


def _key(keys: list[Val]) -> Code:
    """The key as code, None if a part of it is in doubt."""
    if len(keys) < 2:
        return key_code(keys)
    doubt = " or ".join(f"{key.code} is None" for key in keys if not key.sure)
    return f"(None if {doubt} else {key_code(keys)})" if doubt else key_code(keys)


def _known(keys: list[Val]) -> list[Code]:
    return [f"{key.code} is not None" for key in keys if not key.sure]


def _calls(turn: tuple[object, ...]) -> int:
    return sum(isinstance(event, Call) for event in turn)
