"""Where a condition can stand, and what its names are there as code: at the step, at an event that is read, at a record of one.

Each scope collects what must be read before its code can run (`lines`), and reads nothing twice.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

from obverse.core.events import Approval, Call, Denied, Event, Fact, Result, Spoken
from obverse.core.verdicts import Truth
from obverse.policy import ast
from obverse.policy.checked import Checked
from obverse.policy.compiled.plain import plain_text
from obverse.policy.compiled.proving import DOUBT, Code, Constants, Prover, Val, Wanted
from obverse.policy.compiled.reading import reader_of
from obverse.policy.operations import reading
from obverse.policy.types import BoolType, EnumType, Field, JsonType, NumberType, RecordType, TextType, TimeType, Type

INDENT: Final = "    "


def made(name: str, source: Code, names: dict[str, Any]) -> Any:
    """The function of this name that the source defines; None if it nests deeper than Python goes."""
    try:
        exec(compile(source, "<policy>", "exec"), names)  # noqa: S102  # our own code, made of our own tree
    except (SyntaxError, RecursionError, MemoryError):
        return None
    return names[name]


class Reads:
    """Lines of code that read values, each into a name of its own, once."""

    def __init__(self, checked: Checked, constants: Constants) -> None:
        self.checked = checked
        self.constants = constants
        self.lines: list[Code] = []
        self._names: dict[object, Code] = {}

    def once(self, key: object, code: Callable[[Code], list[Code]]) -> Code:
        """The name of what these lines read, which are written when it is first asked for."""
        name = self._names.get(key)
        if name is None:
            name = self._names[key] = self.constants.fresh()
            self.lines += code(name)
        return name

    def typed(self, key: object, source: Code, wanted: Type) -> Val:
        """A JSON value (None for a missing one) read as this type."""
        return Val(code=self.once(key, lambda name: self._typed(name, source, wanted)), type=wanted)

    def said(self, key: object, source: Code) -> Val:
        """A text that no term gives a type."""
        return Val(code=self.once(key, lambda name: [f"{name} = plain_said({source})"]), type=TextType())

    def _typed(self, name: Code, source: Code, wanted: Type) -> list[Code]:
        read = self.constants.add(reader_of(wanted, self.checked.timezone_minutes))
        match wanted:
            case TextType(folded=False):
                quick = f"type({name}) is not str or not ({name}.isascii() and {name}.isprintable())"
            case NumberType(integer=False, from_text=False):
                quick = f"type({name}) is not int"
            case BoolType():
                quick = f"type({name}) is not bool"
            case EnumType():
                quick = "True"
            case _:
                quick = f"{name} is not None"
        return [f"{name} = {source}", f"if {quick}: {name} = {read}({name})"]


def judged_reader(checked: Checked, name: str) -> Callable[[Event], bool | None]:
    """What reads the answer to a judged predicate off an event."""
    term = checked.judged.get(name)

    def answer(event: Event) -> bool | None:
        if isinstance(event, Spoken):
            found = event.labels.get(name)
            if found is not None or term is None or term.pattern is None:
                return found
            said = event.text
        elif isinstance(event, Result) and term is not None and term.pattern is not None:
            said = event.output
        else:
            return None
        read = reading(term, said)
        return None if read is None or read is Truth.UNKNOWN else read is Truth.TRUE

    return answer


class Alone:
    """A scope without a past."""

    def past(self, _expr: ast.Expr, _prover: Prover, *, wanted: Wanted) -> Code:
        return "False"

    def number(self, _expr: ast.CountEvents | ast.SumEvents, _prover: Prover) -> Val:
        return DOUBT

    def absent(self, _expr: ast.Expr) -> Code:
        return "False"


class CallScope(Alone):
    """A proposed or executed call, or a reply, whose arguments are meant. The code knows `event`, and `args` where it is a call."""

    def __init__(self, reads: Reads, tool: ast.Tool | None, *, reply: bool) -> None:
        self.reads = reads
        self.tool = tool
        self.reply = reply

    def leaf(self, expr: ast.Expr) -> Val:
        match expr:
            case ast.Argument():
                return self._argument(expr.name)
            case ast.StepPart(part="tool") if self.tool is not None and plain_text(self.tool.name) is not None:
                return Val(code=repr(self.tool.name), type=TextType(), sure=True)
            case ast.StepPart(part="text") if self.reply:
                return self.reads.said("text", "event.text")
        return DOUBT

    def _argument(self, name: str) -> Val:
        field = self.tool.parameter(name) if self.tool is not None else None
        if field is None:
            return DOUBT
        return self.reads.typed(("argument", name), f"args.get({name!r})", field.type)

    def absent(self, expr: ast.Expr) -> Code:
        if not isinstance(expr, ast.Argument):
            return "False"
        field = self.tool.parameter(expr.name) if self.tool is not None else None
        if field is None:
            return "True"
        return (
            f"({expr.name!r} not in args)" if isinstance(field.type, JsonType) else f"(args.get({expr.name!r}) is None)"
        )


class EventScope(Alone):
    """An event that happened, as it is read. The code knows `event` and `kept`; `tool` None is one that nobody declared."""

    def __init__(
        self, reads: Reads, kind: type[Event], tool: ast.Tool | None, fact: ast.FactTerm | None = None
    ) -> None:
        self.reads = reads
        self.kind = kind
        self.tool = tool
        self.fact = fact

    def leaf(self, expr: ast.Expr) -> Val:
        match expr:
            case ast.EventPart(depth=0, part="argument"):
                return self._argument(expr.name or "")
            case ast.EventPart(depth=0, part="value"):
                return self._value(expr.name)
            case ast.EventPart(depth=0):
                return self._part(expr.part)
            case ast.JudgedAnswer(depth=0):
                answer = self.reads.constants.add(judged_reader(self.reads.checked, expr.name))
                return self._read(expr, f"{answer}(event)", BoolType())
        return DOUBT

    def _read(self, key: object, code: Code, wanted: Type) -> Val:
        return Val(code=self.reads.once(key, lambda name: [f"{name} = {code}"]), type=wanted)

    def _argument(self, name: str) -> Val:
        field: Field | None = self.tool.parameter(name) if self.tool is not None else None
        if field is None or self.kind not in (Call, Denied, Result):
            return DOUBT
        whose = "kept.call" if self.kind is Result else "kept"
        args = self.reads.once("arguments", lambda one: [f"{one} = arguments_at({whose})"])
        return self.reads.typed(("argument", name), f"{args}.get({name!r}) if {args} is not None else None", field.type)

    def _value(self, name: str | None) -> Val:
        if self.kind is Fact:
            whole_fact = name is None and self.fact is not None
            return self.reads.typed("value", "event.value", self.fact.type) if whole_fact and self.fact else DOUBT
        returns = self.tool.returns if self.tool is not None else None
        if returns is None or self.kind is not Result:
            return DOUBT
        wanted = self.reads.constants.add(returns)
        whole = self.reads.once(
            "output", lambda one: [f"{one} = output_at(kept, {wanted}) if not event.failed else None"]
        )
        if name is None:
            return self.reads.typed("value", whole, returns)
        field = returns.field(name) if isinstance(returns, RecordType) else None
        if field is None:
            return DOUBT
        return self.reads.typed(
            ("value", name), f"{whole}.get({name!r}) if type({whole}) is dict else None", field.type
        )

    def _part(self, part: str) -> Val:
        match part:
            case "stamp":
                return self._read(part, "Instant(event.time) if event.time is not None else None", TimeType())
            case "text" if issubclass(self.kind, Spoken):
                return self.reads.said(part, "event.text")
            case "text" if self.kind is Result:
                return self.reads.said(part, "event.output")
            case "tool" if self.kind in (Call, Denied, Result):
                return self.reads.said(part, "event.tool")
            case "by" if self.kind is Approval:
                return self.reads.said(part, "event.by")
            case "failed" if self.kind is Result:
                return self._read(part, "event.failed", BoolType())
        return DOUBT


class RecordScope(Alone):
    """An event of which a track holds a record: `parts` are the places in it, `outer` is where the step's own names are."""

    def __init__(
        self, record: Code, parts: dict[ast.Expr, int], types: dict[ast.Expr, Type | None], outer: Any
    ) -> None:
        self.record = record
        self.parts = parts
        self.types = types
        self.outer = outer

    def leaf(self, expr: ast.Expr) -> Val:
        place = self.parts.get(expr)
        if place is not None:
            return Val(code=f"{self.record}[{place}]", type=self.types.get(expr))
        if isinstance(expr, ast.EventPart | ast.FactValue) or (
            isinstance(expr, ast.JudgedAnswer) and expr.depth is not None
        ):
            return DOUBT
        found: Val = self.outer.leaf(expr)
        return found

    def absent(self, expr: ast.Expr) -> Code:
        return str(self.outer.absent(expr)) if isinstance(expr, ast.Argument) else "False"
