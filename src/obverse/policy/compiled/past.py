"""Looking back from the step: which track each operator has, and the code that asks it.

`Tracked` goes through the rules once and gives every operator that can have one a track; `StepScope` writes the code.
"""

from __future__ import annotations

from collections.abc import Hashable, Iterator
from functools import partial
from typing import Any, Final, NamedTuple

from obverse.core.events import Call, Step
from obverse.policy import ast
from obverse.policy.checked import Checked, CheckedRule
from obverse.policy.compiled import tracks
from obverse.policy.compiled.plain import total
from obverse.policy.compiled.proving import DOUBT, Code, Constants, Prover, Val, Wanted, both, either, kind_of
from obverse.policy.compiled.reading import reader_of
from obverse.policy.compiled.scopes import CallScope, Reads, RecordScope, judged_reader
from obverse.policy.compiled.specs import Latest, Sought, Writer, key_code, sought
from obverse.policy.compiled.tracks import Spec, Stated, Tally
from obverse.policy.evaluate import before
from obverse.policy.keeping import Facts, Maker, Newest, Window, makers_for, makers_of, nested, outermost
from obverse.policy.types import BoolType, NumberType, TimeType


class Tracked:
    """The tracks of a policy. `makers` gives what makes the keepers of a rule: a track where there is one, else the reference's."""

    def __init__(self, checked: Checked, recent: int) -> None:
        self.checked = checked
        self.writer = Writer(checked, recent)
        self.latest: dict[Hashable, Latest] = {}
        self.tallies: dict[Hashable, Spec] = {}
        self.left: dict[str, list[ast.Node]] = {}
        """By rule: the operators that are left to the reference."""
        self.summed: dict[str, list[tuple[ast.Node, Spec, tuple[ast.Expr, ...]]]] = {}
        """By rule: the operators whose events are not all kept, and by which values of the step they count."""
        self._found: dict[ast.Node, Latest | Spec | None] = {}

    def makers(self, rule: CheckedRule) -> list[Maker]:
        """What makes the keepers of this rule."""
        operators = [*outermost(rule.fires)]
        if any(nested(operator) for operator in operators):
            self.left[rule.id] = [operator for operator in operators if nested(operator)]
            return makers_of(rule.fires)
        found: list[Maker] = []
        for operator in operators:
            made = self._makers(operator)
            if made is None:
                self.left.setdefault(rule.id, []).append(operator)
            found += made or makers_for(operator)
            self._note_sums(rule, operator)
            if not isinstance(operator, ast.FactValue):
                found += [partial(Facts, name, every=True) for name in sorted(_facts_inside(operator))]
        return found

    def _note_sums(self, rule: CheckedRule, operator: ast.Node) -> None:
        spec = self._found.get(operator)
        if not isinstance(spec, Spec) or spec.recent is None:
            return
        if isinstance(operator, ast.Exceeds):
            values: tuple[ast.Expr, ...] = () if operator.by is None else (operator.by,)
        elif isinstance(operator, ast.CountEvents | ast.SumEvents):
            found = sought(self.checked, operator.event, operator.where)
            values = tuple(key.asked for key in found.keys) if found is not None else ()
        else:
            return
        self.summed.setdefault(rule.id, []).append((operator, spec, values))

    def of(self, operator: ast.Node) -> Latest | Spec | None:
        """The track of an operator, if it has one."""
        return self._found.get(operator)

    def specs(self) -> Iterator[Spec]:
        """What all tracks share, track by track."""
        yield from (latest.spec for latest in self.latest.values())
        yield from self.tallies.values()

    def absent(self, operator: ast.Since) -> Latest | None:
        """The track of what must be absent since."""
        found = self._found.get(operator.absent) if operator.absent is not None else None
        return found if isinstance(found, Latest) else None

    def fact(self, name: str) -> Maker:
        """What makes the keeper of the newest value of a fact."""
        term = self.checked.facts.get(name)
        reader = reader_of(term.type, self.checked.timezone_minutes) if term else lambda _value: None
        return partial(Stated, name, reader)

    def _makers(self, operator: ast.Node) -> list[Maker] | None:
        match operator:
            case ast.FactValue():
                return [self.fact(operator.name)]
            case ast.Once() | ast.Last():
                return self._newest(operator)
            case ast.Since() if operator.absent is not None:
                return self._since(operator, operator.absent)
            case ast.CountEvents() | ast.SumEvents():
                return self._counted(operator)
            case ast.Exceeds():
                return self._limited(operator)
        return None

    def _newest(self, operator: ast.Once | ast.Last) -> list[Maker] | None:
        found = sought(self.checked, operator.event, operator.where)
        if found is None:
            return None
        latest = self._latest(found, operator)
        if isinstance(operator, ast.Once):
            latest.windowed |= operator.within is not None
        else:
            latest.reads(self.checked, operator.has)
        self._found[operator] = latest
        return [partial(tracks.Latest, latest.spec)]

    def _since(self, operator: ast.Since, absent: ast.Pattern) -> list[Maker] | None:
        starts, ends = sought(self.checked, operator.event, operator.where), sought(self.checked, absent, None)
        if starts is None or ends is None:
            return None
        first, second = self._latest(starts, operator), self._latest(ends, ast.Once(event=absent))
        self._found[operator], self._found[absent] = first, second
        return [partial(tracks.Latest, first.spec), partial(tracks.Latest, second.spec)]

    def _latest(self, found: Sought, operator: ast.Once | ast.Last | ast.Since) -> Latest:
        closed = len(found.keys) == len(operator.event.arguments)
        backup: Maker = (
            partial(Newest, operator.event, operator.where) if closed else partial(Window, operator.event, None)
        )
        made = self.writer.latest(found, backup)
        latest = self.latest.setdefault(made.spec.name, made)
        _asked(latest.spec, found)
        return latest

    def _counted(self, operator: ast.CountEvents | ast.SumEvents) -> list[Maker] | None:
        found = sought(self.checked, operator.event, operator.where)
        amount = operator.value if isinstance(operator, ast.SumEvents) else None
        if found is None or (amount is not None and not _own(amount)):
            return None
        made = self.writer.tally(found, operator.within, amount, partial(Window, operator.event, operator.within))
        spec = self._found[operator] = self.tallies.setdefault(made.name, made)
        _asked(spec, found)
        return [partial(Tally, spec)]

    def _limited(self, operator: ast.Exceeds) -> list[Maker] | None:
        if any(part is not None and not _of_call(part) for part in (operator.by, operator.amount)):
            return None
        if operator.by is not None and len(self._kinds(operator, operator.by)) != 1:
            return None
        made = self.writer.limit(operator)
        spec = self._found[operator] = self.tallies.setdefault(made.name, made)
        spec.keys = [() if operator.by is None else (operator.by,)]
        return [partial(Tally, spec)]

    def _kinds(self, operator: ast.Exceeds, by: ast.Expr) -> set[str | None]:
        """The kinds of value that the key has, over all tools that the limit counts."""
        found: set[str | None] = set()
        for tool in self.checked.tools.values():
            if any(self.checked.matches(head, "call", tool.name) for head in operator.heads):
                scope = CallScope(Reads(self.checked, Constants()), tool, reply=False)
                found.add(kind_of(Prover(scope, Constants()).value(by).type))
        if any(head.kind == "reply" for head in operator.heads):
            scope = CallScope(Reads(self.checked, Constants()), None, reply=True)
            found.add(kind_of(Prover(scope, Constants()).value(by).type))
        return found if None not in found else set()


def _asked(spec: Spec, found: Sought) -> None:
    asked = tuple(key.asked for key in found.keys)
    if asked not in spec.keys:
        spec.keys.append(asked)


def _facts_inside(operator: ast.Node) -> set[str]:
    return {node.name for node in ast.walk(operator) if isinstance(node, ast.FactValue)}


def _of_call(expr: ast.Expr) -> bool:
    """Whether a value hangs on the call alone, whenever it is asked for."""
    elsewhere = (ast.Now, ast.TurnCalls, ast.TurnHasText, ast.FactValue, ast.JudgedAnswer, ast.EventPart)
    return not any(isinstance(node, elsewhere) for node in ast.walk(expr))


def _own(expr: ast.Expr) -> bool:
    """Whether a value of an event hangs on that event alone."""
    other = (ast.Argument, ast.StepPart, ast.Now, ast.TurnCalls, ast.TurnHasText, ast.FactValue, ast.Present)
    inner = {node.variable for node in ast.walk(expr) if isinstance(node, ast.Quantified | ast.CountIn | ast.SumIn)}
    return not any(
        isinstance(node, other)
        or (isinstance(node, ast.EventPart) and node.depth > 0)
        or (isinstance(node, ast.JudgedAnswer) and node.depth != 0)
        or (isinstance(node, ast.Local) and node.name not in inner)
        for node in ast.walk(expr)
    )


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
