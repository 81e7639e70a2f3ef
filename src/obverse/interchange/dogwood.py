"""`export_dogwood`: rules that look at the history, in Dogwood, the temporal extension of Cedar.

Dogwood is Cedar with past operators over a log of events. What needs no history is said as in the export to Cedar; a past
operator becomes `temporal { … }` where it stands. Each such block is a condition that holds or does not: an event that lacks
a declared field matches nothing there, and a text that only looks alike is another text. So the host must log results that
have their fields (the schema demands it), and the export is exact for such logs, tried against Dogwood's own interpreter.

    what happened here          the event kind that the host logs there
    a call that is decided      `request`, a decision
    a call that was executed    `executed`; that was proposed and denied: `denied`
    what it gave back           `response`, with its output; `failure`, where it failed

Every window of Dogwood ends somewhere: what has no `within` here looks back ten years there. What it cannot say is left out
and named: an order of numbers that are no integers, disjunction inside of an operator, messages, `previous`.

Source: the Dogwood guide, dogwood-policy.github.io/dogwood (sections 3, 4 and 8), 1.1.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

import msgspec

from obverse.interchange.cedar_conditions import Both, Inexpressible, Kind, Term, Translator, kind_of
from obverse.interchange.cedar_export import Exported, Exporter, schema_of
from obverse.interchange.cedar_text import Clause, Path, Test, is_identifier, quoted, some
from obverse.policy import ast
from obverse.policy.checked import Checked
from obverse.policy.types import NumberType, RecordType, Type

LONGEST_DAYS: Final = 3650
_KINDS: Final = {"call": "executed", "denied": "denied", "result": "response"}
_TYPES: Final[dict[Kind, str]] = {"text": "String", "bool": "Bool", "long": "Long", "time": "Long", "lapse": "Long"}
_DAY: Final = 86_400_000
_UNITS: Final = ((_DAY, "d"), (3_600_000, "h"), (60_000, "m"), (1_000, "s"))

EVENTS: Final = f"""\
max_window = {LONGEST_DAYS}d

decision event <A>::request {{
  ...inputs(A),
}}
event <A>::executed {{
  ...inputs(A),
}}
event <A>::denied {{
  ...inputs(A),
}}
event <A>::response {{
  ...inputs(A),
  ...outputs(A),
}}
event <A>::failure {{
  ...inputs(A),
}}
"""
"""The event schema (`.dwschema`) that the exported policies speak of."""


def export_dogwood(checked: Checked, *, namespace: str = "Agent") -> Exported:
    """The rules of this policy that Dogwood can say, and the names of those that it cannot."""
    return Exporter(checked, namespace, TemporalTranslator, schema_of(checked, namespace, outputs=True)).exported()


class TemporalTranslator(Translator):
    """Translates past operators too."""

    def condition(self, expr: ast.Expr) -> Both:
        """The condition, both ways; where it looks back, by a `temporal` block."""
        match expr:
            case ast.Once():
                return self._block(f"formerly within {_window(expr.within)} ({self._such(expr.event, expr.where)})")
            case ast.Since(absent=ast.Pattern() as absent):
                return self._block(
                    f"!{self._such(absent, None)} since within {_window(None)} ({self._such(expr.event, expr.where)})"
                )
            case ast.Last() if expr.event.kind in _KINDS:
                return self._last(expr)
            case ast.Compare(left=ast.CountEvents() as counted, right=ast.Number() as bound):
                return self._counted(self._count(counted), expr.op, bound)
            case ast.Compare(left=ast.SumEvents() as summed, right=ast.Number() as bound):
                return self._counted(self._sum(summed), expr.op, bound)
            case ast.Exceeds():
                return self._exceeds(expr)
        return super().condition(expr)

    # --- operators ------------------------------------------------------------------------------------------------------

    def _block(self, body: str) -> Both:
        needs = self._read()
        return Both(Test(f"temporal {{ {body} }}", needs), Test(f"!temporal {{ {body} }}", needs))

    def _read(self) -> tuple[Path, ...]:
        """What the block has read of the request since the last one."""
        needs, self.needs = tuple(dict.fromkeys(self.needs)), []
        return needs

    def _last(self, expr: ast.Last) -> Both:
        """The newest such event: none of its kind since one that is as it should be."""
        newer = self._such(expr.event, expr.where)
        holds = [self._since_such(newer, expr, parts) for parts in _ways(expr.has, wanted=True)]
        fails = [self._since_such(newer, expr, parts) for parts in _ways(expr.has, wanted=False)]
        return Both(some(holds), some(fails))

    def _since_such(self, newer: str, expr: ast.Last, parts: tuple[ast.Expr, ...]) -> Clause:
        anchor = self._such(expr.event, expr.where, parts)
        self._such(expr.event, expr.where)  # the left side reads the same of the request
        return Test(f"temporal {{ !{newer} since within {_window(None)} ({anchor}) }}", self._read())

    def _counted(self, aggregate: str, op: str, bound: ast.Number) -> Both:
        if not isinstance(bound.value, int):
            raise Inexpressible("a count beside a number that is no integer")
        return self._block(f"({aggregate}) {'==' if op == '=' else op} {bound.value}")

    def _count(self, expr: ast.CountEvents) -> str:
        such = self._such(expr.event, expr.where)
        return f"count for (t: Timepoint). where formerly within {_window(expr.within)} ({such} && tp(t))"

    def _sum(self, expr: ast.SumEvents) -> str:
        path, kind = self._field(expr.value, expr.event)
        if kind != "long":
            raise Inexpressible("a sum of numbers that are no integers")
        such = self._such(expr.event, expr.where, also=f"{path}: a")
        return f"sum a for (t: Timepoint), (a: Long). where formerly within {_window(expr.within)} ({such} && tp(t))"

    def _exceeds(self, expr: ast.Exceeds) -> Both:
        """One call more than those that were executed: so many are already too many."""
        if expr.amount is not None:
            raise Inexpressible("a limit to a sum (it adds an argument to an aggregate)")
        if len(expr.heads) != 1 or expr.heads[0].kind != "tool" or not isinstance(expr.to.value, int):
            raise Inexpressible("a limit to more than one tool")
        tool = expr.heads[0].tool
        arguments: tuple[ast.Binding, ...] = ()
        if expr.by is not None:
            if not isinstance(expr.by, ast.Argument):
                raise Inexpressible("a limit by something that is no argument")
            arguments = (ast.Binding(name=expr.by.name, value=expr.by),)
        such = self._such(ast.Pattern(kind="call", tool=tool, arguments=arguments), None)
        count = f"count for (t: Timepoint). where formerly within {_window(expr.per)} ({such} && tp(t))"
        return self._block(f"({count}) >= {expr.to.value}")

    # --- events ---------------------------------------------------------------------------------------------------------

    def _such(
        self, event: ast.Pattern, where: ast.Expr | None, more: tuple[ast.Expr, ...] = (), *, also: str = ""
    ) -> str:
        """One event that is as wanted: fields that are equal in its pattern, other tests on variables beside it."""
        if event.tool is None or event.kind not in _KINDS:
            raise Inexpressible(
                f"`{event.kind}` without a tool is no event there" if event.kind in _KINDS else _what(event)
            )
        tool = self.checked.tools.get(event.tool)
        if tool is None:
            raise Inexpressible("events of a tool that is not declared")
        fields = [also] if also else []
        tests: list[str] = []
        variables: list[str] = []
        for binding in event.arguments:
            kind = self._argument_kind(tool, binding.name)
            fields.append(f"input.{_field_name(binding.name)}: {self._term_beside(binding.value, kind)}")
        for part in (*(_conjuncts(where) if where is not None else ()), *(c for one in more for c in _conjuncts(one))):
            self._test(part, event, fields, tests, variables)
        kind_name = "failure" if event.failed else _KINDS[event.kind]
        found = f"{self.namespace}::Action::{quoted(event.tool)}::{kind_name}{{ {', '.join(fields)} }}"
        found = " && ".join([found, *tests])
        for variable in variables:
            found = f"exists {variable}. ({found})"
        return f"({found})" if variables or tests else found

    def _test(
        self, expr: ast.Expr, event: ast.Pattern, fields: list[str], tests: list[str], variables: list[str]
    ) -> None:
        """Adds one condition on the fields of an event."""
        wanted = True
        while isinstance(expr, ast.Not):
            expr, wanted = expr.body, not wanted
        match expr:
            case ast.Boolean() if expr.value == wanted:
                return
            case ast.EventPart():
                path, kind = self._field(expr, event)
                if kind != "bool":
                    raise Inexpressible("a value where a condition must stand")
                fields.append(f"{path}: {str(wanted).lower()}")
                return
            case ast.Compare():
                turned = not isinstance(expr.left, ast.EventPart)
                left, right = (expr.right, expr.left) if turned else (expr.left, expr.right)
                path, kind = self._field(left, event)
                op = _TURNED[expr.op] if turned else expr.op
                op = op if wanted else _NEGATED[op]
                beside = self._term_beside(right, kind)
                if op == "=":
                    fields.append(f"{path}: {beside}")
                    return
                if op != "!=" and kind not in ("long", "time", "lapse"):
                    raise Inexpressible("an order of numbers that are no integers")
                name = f"v{len(variables) + 1}"
                variables.append(f"({name}: {_TYPES[kind]})")
                fields.append(f"{path}: {name}")
                tests.append(f"{name} {op} {beside}")
                return
        raise Inexpressible("inside of an operator, anything but comparisons of fields")

    def _field(self, expr: ast.Expr, event: ast.Pattern) -> tuple[str, Kind]:
        """Where a field of an event stands, and of which kind it is."""
        tool = self.checked.tools.get(event.tool or "")
        if not isinstance(expr, ast.EventPart) or expr.depth != 0 or tool is None:
            raise Inexpressible("inside of an operator, anything but comparisons of its own fields")
        if expr.part == "argument" and expr.name:
            return f"input.{_field_name(expr.name)}", self._argument_kind(tool, expr.name)
        if expr.part == "value" and expr.name and event.kind == "result" and isinstance(tool.returns, RecordType):
            field = tool.returns.field(expr.name)
            if field is not None and not field.optional:
                return f"output.{_field_name(expr.name)}", _kind(field.type)
        raise Inexpressible("a part of an event that is no field of it, or that may be missing")

    def _argument_kind(self, tool: ast.Tool, name: str) -> Kind:
        field = tool.parameter(name)
        if field is None or field.optional:
            raise Inexpressible("an argument that may be missing")
        return _kind(field.type)

    def _term_beside(self, expr: ast.Expr, kind: Kind) -> str:
        """What a field of an event is compared with: a literal, or a value of the request."""
        term = _as(self.term(expr), kind)
        if term.known is None and term.number is None and term.needs:
            if term.needs[0][0] != "input":
                raise Inexpressible("inside of an operator, a value that is no argument of the step")
            self.needs += term.needs
        return term.text


_TURNED: Final[dict[str, str]] = {"=": "=", "!=": "!=", "<": ">", "<=": ">=", ">": "<", ">=": "<="}
_NEGATED: Final[dict[str, str]] = {"=": "!=", "!=": "=", "<": ">=", "<=": ">", ">": "<=", ">=": "<"}


def _as(term: Term, kind: Kind) -> Term:
    if term.number is not None:
        if term.number.denominator != 1:
            raise Inexpressible("a number that is no integer")
        return msgspec.structs.replace(term, text=str(int(term.number)))
    if term.kind != kind or term.many or (term.text.startswith("(")):
        raise Inexpressible("a value of another kind than the field, or one that is computed")
    return term


def _kind(declared: Type) -> Kind:
    found = kind_of(declared)
    if found is None or found[1] or found[0] not in _TYPES:
        raise Inexpressible(
            "numbers that are no integers"
            if isinstance(declared, NumberType)
            else f"a field of type `{type(declared).__name__.removesuffix('Type').lower()}`"
        )
    return found[0]


def _ways(expr: ast.Expr, *, wanted: bool) -> Iterator[tuple[ast.Expr, ...]]:
    """The ways in which a condition is as wanted, each a conjunction."""
    match expr:
        case ast.Not():
            yield from _ways(expr.body, wanted=not wanted)
        case ast.And() | ast.Or():
            together = isinstance(expr, ast.And) == wanted
            inner = [list(_ways(item, wanted=wanted)) for item in expr.items]
            if not together:
                yield from (way for ways in inner for way in ways)
                return
            combined: list[tuple[ast.Expr, ...]] = [()]
            for ways in inner:
                combined = [(*one, *way) for one in combined for way in ways]
                if len(combined) > _MOST_WAYS:
                    raise Inexpressible(f"a condition that is true in more than {_MOST_WAYS} ways")
            yield from combined
        case _:
            yield (expr if wanted else ast.Not(body=expr),)


_MOST_WAYS: Final = 16


def _conjuncts(expr: ast.Expr) -> Iterator[ast.Expr]:
    if isinstance(expr, ast.And):
        for item in expr.items:
            yield from _conjuncts(item)
    else:
        yield expr


def _window(window: ast.Duration | None) -> str:
    if window is None:
        return f"{LONGEST_DAYS}d"
    if window.ms % 1_000 or window.ms > LONGEST_DAYS * _DAY:
        raise Inexpressible("a window of less than a second, or of more than ten years")
    unit, name = next((unit, name) for unit, name in _UNITS if window.ms % unit == 0)
    return f"{window.ms // unit}{name}"


def _field_name(name: str) -> str:
    if not is_identifier(name):
        raise Inexpressible("a field whose name is no identifier")
    return name


def _what(event: ast.Pattern) -> str:
    return {"fact": "facts", "approval": "approvals", "any": "events of any kind"}.get(
        event.kind, f"{event.kind}s"
    ) + " are no events there"
