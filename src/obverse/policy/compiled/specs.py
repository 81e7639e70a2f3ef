"""From operators to tracks: which operators are remembered by a track, by which key, and the code that reads their events.

An operator is tracked if what it asks of an event hangs on that event alone, but for equalities with values of the step: those
become its key. All others keep what the reference keeps, and are left to the reference.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial
from typing import Any, Final, TypeAlias

import msgspec

from obverse.core.events import Call, Denied, Event, Fact, Reply, Result
from obverse.core.verdicts import Truth
from obverse.policy import ast
from obverse.policy.checked import Checked
from obverse.policy.compiled.proving import Code, Constants, Prover, Val, kind_of
from obverse.policy.compiled.reading import arguments_of, output_of
from obverse.policy.compiled.scopes import INDENT, CallScope, EventScope, Reads, made
from obverse.policy.compiled.tracks import Read, Spec, Take
from obverse.policy.keeping import Kept, Kind, Limit, Maker, closed, could_be, unbound_of
from obverse.policy.operations import head_truth, some
from obverse.policy.types import BoolType, RecordType, TextType, TimeType, Type

Operator: TypeAlias = ast.Once | ast.Last | ast.CountEvents | ast.SumEvents
_RECORD: Final = 3
"""What stands in a record before what was read: number, time, event."""


class EventKey(msgspec.Struct, frozen=True):
    """What an event is looked up by: a value of its own, and the value of the step that it must equal."""

    own: ast.Expr
    asked: ast.Expr


class Sought(msgspec.Struct, frozen=True):
    """What an operator looks for: events like this, by these keys, that satisfy a condition of their own."""

    pattern: ast.Pattern
    keys: tuple[EventKey, ...]
    where: ast.Expr | None
    kinds: tuple[str, ...]


def sought(checked: Checked, pattern: ast.Pattern, where: ast.Expr | None) -> Sought | None:
    """What an operator with this pattern and condition looks for; None if that is no matter of keys."""
    keys = [EventKey(ast.EventPart(depth=0, part="argument", name=one.name), one.value) for one in pattern.arguments]
    rest: list[ast.Expr] = []
    if closed(where):
        rest = [where] if where is not None else []
    else:
        for one in where.items if isinstance(where, ast.And) else (where,):
            key = _key(one)
            if key is not None:
                keys.append(key)
            elif closed(one) and one is not None:
                rest.append(one)
            else:
                return None
    kinds = [kind_of(type_of_part(checked, pattern, key.own)) for key in keys]
    whole = None if not rest else rest[0] if len(rest) == 1 else ast.And(items=tuple(rest))
    scalar = tuple(kind for kind in kinds if kind is not None)
    return Sought(unbound_of(pattern), tuple(keys), whole, scalar) if len(scalar) == len(keys) else None


def _key(test: ast.Expr | None) -> EventKey | None:
    """The key that a condition `part = value of the step` is."""
    if not isinstance(test, ast.Compare) or test.op != "=":
        return None
    for own, asked in ((test.left, test.right), (test.right, test.left)):
        if isinstance(own, ast.EventPart) and own.depth == 0 and _of_step(asked):
            return EventKey(own, asked)
    return None


def _of_step(expr: ast.Expr) -> bool:
    """Whether a value is one of the step, wherever it stands."""
    allowed = (ast.Argument, ast.StepPart, ast.Member, ast.Arith, ast.Text, ast.Number, ast.Duration, ast.Time, ast.Now)
    return all(isinstance(node, allowed) for node in ast.walk(expr))


def type_of_part(checked: Checked, pattern: ast.Pattern, part: ast.Expr) -> Type | None:
    """The type that a part of such an event has, if all such events have it of one type."""
    if isinstance(part, ast.JudgedAnswer):
        return BoolType()
    if not isinstance(part, ast.EventPart):
        return None
    tool = checked.tools.get(pattern.tool or "")
    match part.part:
        case "argument":
            field = tool.parameter(part.name or "") if tool else None
            return field.type if field else None
        case "value" if pattern.kind == "fact" and part.name is None:
            fact = checked.facts.get(pattern.fact or "")
            return fact.type if fact else None
        case "value" if pattern.kind == "result" and tool is not None:
            if part.name is None:
                return tool.returns
            field = tool.returns.field(part.name) if isinstance(tool.returns, RecordType) else None
            return field.type if field else None
        case "text" | "tool" | "by":
            return TextType()
        case "stamp":
            return TimeType()
        case "failed":
            return BoolType()
    return None


def parts_of(has: ast.Expr | None) -> Iterator[ast.Expr]:
    """What must be read of an event so that this can be asked of it later."""
    for node in ast.walk(has) if has is not None else ():
        if isinstance(node, ast.EventPart | ast.JudgedAnswer) and node.depth == 0:
            yield node


# --- what tracks share --------------------------------------------------------------------------------------------------


class Latest(msgspec.Struct, kw_only=True):
    """A track of newest events: its spec, and where in a record stands what was read. `windowed`: somebody asks how old."""

    sought: Sought
    spec: Spec
    parts: dict[ast.Expr, int]
    types: dict[ast.Expr, Type | None]
    windowed: bool = False

    def reads(self, checked: Checked, has: ast.Expr | None) -> None:
        """See to it that what this asks of an event is read when it comes."""
        for part in parts_of(has):
            if part not in self.parts:
                self.parts[part] = _RECORD + len(self.parts)
                self.types[part] = type_of_part(checked, self.sought.pattern, part)
                self.spec.judged |= isinstance(part, ast.JudgedAnswer)


class Writer:
    """Writes the code that reads events into tracks. `recent`: how many events of a key are kept where all count for ever."""

    def __init__(self, checked: Checked, recent: int) -> None:
        self.checked = checked
        self.recent = recent

    def latest(self, found: Sought, backup: Maker) -> Latest:
        """A track of the newest such events."""
        spec = Spec(
            ("latest", found.pattern, tuple(key.own for key in found.keys), found.where),
            hears=partial(could_be, found.pattern),
            backup=backup,
            judged=_judged(found.where),
            takes=lambda kind, tool: self._take_latest(latest, kind, tool),
        )
        latest = Latest(sought=found, spec=spec, parts={}, types={})
        return latest

    def tally(self, found: Sought, within: ast.Duration | None, amount: ast.Expr | None, backup: Maker) -> Spec:
        """A track of the numbers of such events, or of the sums of this value of them."""
        span = within.ms if within is not None else None
        return Spec(
            ("tally", found.pattern, tuple(key.own for key in found.keys), found.where, span, amount),
            hears=partial(could_be, found.pattern),
            backup=backup,
            judged=_judged(found.where) or _judged(amount),
            within=span,
            recent=self.recent if span is None and not _local(found) else None,
            takes=lambda kind, tool: self._take_tally(found, span, amount, kind, tool),
        )

    def limit(self, expr: ast.Exceeds) -> Spec:
        """A track of the calls that a limit counts."""
        return Spec(
            ("limit", expr),
            hears=lambda kind, tool: kind in (Call, Reply) and self._speaks(expr, kind, tool) is not Truth.FALSE,
            backup=partial(Limit, expr),
            within=expr.per.ms if expr.per is not None else None,
            recent=self.recent if expr.per is None else None,
            takes=lambda kind, tool: self._take_limit(expr, kind, tool),
            reads=lambda kind, tool: self._read_limit(expr, kind, tool),
        )

    # --- code -----------------------------------------------------------------------------------------------------------

    def _take_latest(self, latest: Latest, kind: Kind, tool: str | None) -> Take:
        def last(keys: Code, prover: Prover) -> list[Code]:
            read = [prover.value(part).code for part in latest.parts]
            record = ", ".join(["kept.number", "event.time", "kept", *read])
            return [f"track.newest[{keys}] = ({record},)"]

        return self._take(latest.sought, kind, tool, timed=latest.windowed, last=last)

    def _take_tally(
        self, found: Sought, span: int | None, amount: ast.Expr | None, kind: Kind, tool: str | None
    ) -> Take:
        def last(keys: Code, prover: Prover) -> list[Code]:
            read = prover.value(amount) if amount is not None else Val(code="0", sure=True)
            return _put(keys, read)

        return self._take(found, kind, tool, timed=span is not None, last=last)

    def _take(
        self, found: Sought, kind: Kind, tool: str | None, *, timed: bool, last: Callable[[Code, Prover], list[Code]]
    ) -> Take:
        constants = Constants()
        pattern, declared = found.pattern, self.checked.tools.get(tool or "")
        if pattern.effect is not None and kind in (Call, Denied, Result):
            if declared is None:
                return self._made(constants, ["track.doubt(kept, look)"])
            if pattern.effect not in declared.effects:
                return self._made(constants, ["return"])
        fact = self.checked.facts.get(pattern.fact or "") if kind is Fact else None
        reads = Reads(self.checked, constants)
        prover = Prover(EventScope(reads, kind, declared, fact), constants)
        test = []
        if found.where is not None:
            yes, no = prover.proves(found.where, True), prover.proves(found.where, False)
            test = [f"if {no}: return", f"if not {yes}: return track.doubt(kept, look)"]
        test += ["if event.time is None: return track.doubt(kept, look)"] if timed else []
        keys, known = _keys([prover.value(key.own) for key in found.keys])
        end = last(keys, prover)
        return self._made(constants, [*_meant(pattern, kind), *reads.lines, *test, *known, *end])

    def _take_limit(self, expr: ast.Exceeds, kind: Kind, tool: str | None) -> Take:
        constants = Constants()
        read = constants.add(self._read_limit(expr, kind, tool))
        timed = " or event.time is None" if expr.per is not None else ""
        lines = [f"found = {read}(event)", f"if found is None{timed}: return track.doubt(kept, look)"]
        return self._made(constants, [*lines, "track.put(found[0], kept, found[1])"])

    def _read_limit(self, expr: ast.Exceeds, kind: Kind, tool: str | None) -> Read:
        constants = Constants()
        reads = Reads(self.checked, constants)
        prover = Prover(CallScope(reads, self.checked.tools.get(tool or ""), reply=kind is Reply), constants)
        key = [prover.value(expr.by)] if expr.by is not None else []
        amount = prover.value(expr.amount) if expr.amount is not None else Val(code="0", sure=True)
        doubts = [f"{one.code} is None" for one in (*key, amount) if not one.sure]
        if self._speaks(expr, kind, tool) is Truth.UNKNOWN:
            doubts = ["True"]
        lines = ["args = arguments_of(event.arguments)", "if args is None: return None"] if kind is Call else []
        lines = [
            *(lines if reads.lines else []),
            *reads.lines,
            *([f"if {' or '.join(doubts)}: return None"] if doubts else []),
        ]
        names = {**constants.names, "arguments_of": arguments_of}
        body = "".join(f"{INDENT}{line}\n" for line in [*lines, f"return {key_code(key)}, {amount.code}"])
        read: Read | None = made("read", f"def read(event):\n{body}", names)
        return read or (lambda _event: None)

    def _speaks(self, expr: ast.Exceeds, kind: Kind, tool: str | None) -> Truth:
        """Whether a limit counts calls of this tool, or replies."""
        step = Reply(id="", text="") if kind is Reply else Call(id="", call_id="", tool=tool or "", arguments="")
        return some(head_truth(self.checked, head, step) for head in expr.heads)

    def _made(self, constants: Constants, lines: list[Code]) -> Take:
        names = {**constants.names, "arguments_at": _ARGUMENTS.at, "output_at": _OUTPUTS.at}
        body = "".join(f"{INDENT}{line}\n" for line in ["event = kept.event", *lines])
        take: Take | None = made("take", f"def take(track, kept, look):\n{body}", names)
        return take or (lambda track, kept, look: track.doubt(kept, look))


def _meant(pattern: ast.Pattern, kind: type[Event]) -> list[Code]:
    """What of the pattern is not told by kind and tool."""
    if kind is Fact and pattern.fact is not None:
        return [f"if event.name != {pattern.fact!r}: return"]
    if kind is Result and pattern.kind == "result":
        return [f"if event.failed is not {pattern.failed}: return"]
    return []


def _keys(found: list[Val]) -> tuple[Code, list[Code]]:
    """The key as code, and the lines that stop where it is in doubt."""
    doubts = [f"{one.code} is None" for one in found if not one.sure]
    known = [f"if {' or '.join(doubts)}: return track.doubt(kept, look)"] if doubts else []
    return key_code(found), known


def key_code(found: list[Val]) -> Code:
    """A key: one value, or as many as there are."""
    return found[0].code if len(found) == 1 else f"({''.join(f'{one.code}, ' for one in found)})"


def _put(keys: Code, amount: Val) -> list[Code]:
    known = [] if amount.sure else [f"amount = {amount.code}", "if amount is None: return track.doubt(kept, look)"]
    return [*known, f"track.put({keys}, kept, {amount.code if amount.sure else 'amount'})"]


def _local(found: Sought) -> bool:
    """Whether the key is one of many that a quantifier asks for."""
    return any(isinstance(node, ast.Local) for key in found.keys for node in ast.walk(key.asked))


def _judged(expr: ast.Expr | None) -> bool:
    return expr is not None and any(isinstance(node, ast.JudgedAnswer) for node in ast.walk(expr))


class _Read:
    """What was read last: several tracks ask for the same text in turn. One tuple, so that threads cannot mix two."""

    def __init__(self, read: Callable[..., Any]) -> None:
        self._read = read
        self._last: tuple[Kept | None, Any] = (None, None)

    def at(self, kept: Kept | None, *wanted: Type) -> Any:
        if kept is None:
            return None
        last = self._last
        if last[0] is not kept:
            last = self._last = (kept, self._read(kept.event, *wanted))
        return last[1]


_ARGUMENTS: Final = _Read(lambda event: arguments_of(event.arguments))
_OUTPUTS: Final = _Read(lambda event, wanted: output_of(event.output, wanted))
