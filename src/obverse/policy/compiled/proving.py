"""Conditions as Python code: for each, an expression that is true only if the condition is true for certain, and one for false.

The two are made for each other: `not C` is true where `C` is false; `C and D` is false where one of them is. Both may be false
at once: that is "in doubt", an unknown or something that this code does not look into. Nothing else follows from it. A third
expression is true only if the condition is unknown for certain; of that one kind is looked into, `last` of nothing.

# UNSOUND IF: a reader or a track gives a value that the reference evaluator does not have at the same place.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Mapping
from typing import Any, Final, Protocol, TypeAlias

import msgspec

from obverse.policy import ast
from obverse.policy.compiled import plain
from obverse.policy.compiled.plain import plain_number, plain_text
from obverse.policy.reading import Instant, Lapse
from obverse.policy.types import (
    BoolType,
    DurationType,
    EnumType,
    ListType,
    MapType,
    NumberType,
    RecordType,
    TextType,
    TimeType,
    Type,
)

Code: TypeAlias = str
"""A Python expression."""

Wanted: TypeAlias = bool | None
"""Which of Kleene's three values is to be proved; None is unknown."""

_PAST: Final = (ast.Once, ast.Last, ast.Previous, ast.Since, ast.Exceeds)
_CONDITIONS: Final = (
    ast.Not,
    ast.And,
    ast.Or,
    ast.Compare,
    ast.In,
    ast.TextTest,
    ast.Within,
    ast.Present,
    ast.Quantified,
)
_MOST: Final = 300
_INSIDE: Final = 2
_NEGATED: Final = {"<": ">=", "<=": ">", ">": "<=", ">=": "<"}


class Val(msgspec.Struct, frozen=True, kw_only=True):
    """A value as code. `type` is what a value that is not in doubt has, if that is known; `sure` says that it never is."""

    code: Code
    type: Type | None = None
    sure: bool = False


DOUBT: Final = Val(code="None")


class Constants:
    """The names that the code uses: each value gets one."""

    def __init__(self) -> None:
        self.names: dict[str, Any] = {
            name: getattr(plain, name)
            for name in (
                "equal", "among", "elements", "few_elements", "tested", "near", "ordered", "computed", "plus", "total",
                "counted", "member", "length", "has_text", "every", "some", "Instant", "plain_said",
            )
        }  # fmt: skip
        self._count = itertools.count()

    def add(self, value: Any) -> Code:
        """The name of this value."""
        name = f"c{next(self._count)}"
        self.names[name] = value
        return name

    def fresh(self) -> Code:
        """A new local name."""
        return f"t{next(self._count)}"


class Scope(Protocol):
    """Where a condition stands: what its names are as code, and how it looks back."""

    def leaf(self, expr: ast.Expr) -> Val:
        """A name: an argument, a part of an event, a fact, an answer, the time."""
        ...

    def absent(self, expr: ast.Expr) -> Code:
        """Whether this name has no value for certain, unless it is one that judges have."""
        ...

    def past(self, expr: ast.Expr, prover: Prover, *, wanted: Wanted) -> Code:
        """Whether a condition about the past is true, false, or unknown, for certain."""
        ...

    def number(self, expr: ast.CountEvents | ast.SumEvents, prover: Prover) -> Val:
        """A number out of the past."""
        ...


def opposite(wanted: Wanted) -> Wanted:
    """What `C` must be for `not C` to be this."""
    return None if wanted is None else not wanted


def both(found: Iterable[Code]) -> Code:
    """All of these."""
    parts = [one for one in found if one != "True"]
    if "False" in parts:
        return "False"
    return f"({' and '.join(parts)})" if len(parts) > 1 else parts[0] if parts else "True"


def either(found: Iterable[Code]) -> Code:
    """One of these."""
    parts = [one for one in found if one != "False"]
    if "True" in parts:
        return "True"
    return f"({' or '.join(parts)})" if len(parts) > 1 else parts[0] if parts else "False"


def kind_of(wanted: Type | None) -> str | None:
    """The one kind of plain value that a scalar type has; None for others."""
    match wanted:
        case TextType() | EnumType():
            return "text"
        case NumberType():
            return "number"
        case BoolType():
            return "bool"
        case TimeType():
            return "time"
        case DurationType():
            return "duration"
    return None


class Prover:
    """Writes the code of conditions that stand in one scope. `locals` are the variables of quantifiers around them."""

    def __init__(
        self, scope: Scope, constants: Constants, local: Mapping[str, Val] | None = None, depth: int = 0
    ) -> None:
        self.scope = scope
        self.constants = constants
        self.local = local or {}
        self.depth = depth
        self._inside = 0

    def inside(self, scope: Scope) -> Prover:
        """The same in another scope."""
        made = Prover(scope, self.constants, self.local, self.depth)
        made._inside = self._inside
        return made

    # --- conditions -----------------------------------------------------------------------------------------------------

    def proves(self, expr: ast.Expr, wanted: Wanted) -> Code:
        """Whether the condition has this value for certain."""
        if wanted is None:
            return self._proves_unknown(expr)
        match expr:
            case ast.Not():
                return self.proves(expr.body, opposite(wanted))
            case ast.And():
                return (both if wanted else either)([self.proves(item, wanted) for item in expr.items])
            case ast.Or():
                return (either if wanted else both)([self.proves(item, wanted) for item in expr.items])
            case ast.Boolean():
                return str(expr.value is wanted)
            case ast.Compare():
                return self._compare(expr, wanted)
            case ast.In():
                return self._in(expr, wanted)
            case ast.TextTest():
                return self._text_test(expr, wanted)
            case ast.Within():
                parts = ", ".join(self.value(part).code for part in (expr.left, expr.span, expr.right))
                return f"(near({parts}) is {wanted})"
            case ast.Present():
                return self._present(expr.body, wanted)
            case ast.Quantified():
                return self._quantified(expr, wanted)
            case ast.TurnHasText():
                return f"(has_text(turn) is {wanted})"
            case _ if isinstance(expr, _PAST):
                return self.scope.past(expr, self, wanted=wanted)
        found = self.value(expr)
        may_be = found is not DOUBT and kind_of(found.type) in ("bool", None) and not isinstance(expr, ast.Listing)
        return f"({found.code} is {wanted})" if may_be else "False"

    def _proves_unknown(self, expr: ast.Expr) -> Code:
        """Whether the condition is unknown for certain: a part of it is, and no other part settles it."""
        match expr:
            case ast.Not():
                return self.proves(expr.body, None)
            case ast.And() | ast.Or():
                unknown = [self.proves(item, None) for item in expr.items]
                if either(unknown) == "False":
                    return "False"
                open_ = [self.proves(item, isinstance(expr, ast.And)) for item in expr.items]
                return both([either(unknown), *(either(pair) for pair in zip(open_, unknown, strict=True))])
            case ast.Last():
                return self.scope.past(expr, self, wanted=None)
        return "False"

    def _compare(self, expr: ast.Compare, wanted: bool) -> Code:
        left, right = self.value(expr.left), self.value(expr.right)
        if DOUBT in (left, right):
            return "False"
        kind = kind_of(left.type)
        if kind is None or kind != kind_of(right.type):
            return self._compare_any(expr.op, left, right, wanted)
        if expr.op in ("=", "!="):
            op = "==" if (expr.op == "=") is wanted else "!="
        else:
            op = expr.op if wanted else _NEGATED[expr.op]
        (known, one), (also, other) = self.known(left), self.known(right)
        if op == "==" and (left.sure or right.sure):
            return f"({left.code} == {right.code})"  # what is in doubt is equal to nothing
        return both([*known, *also, f"{one} {op} {other}"])

    def _compare_any(self, op: str, left: Val, right: Val, wanted: bool) -> Code:
        if op in ("=", "!="):
            return f"(equal({left.code}, {right.code}) is {(op == '=') is wanted})"
        return f"(ordered({op!r}, {left.code}, {right.code}) is {wanted})"

    def _in(self, expr: ast.In, wanted: bool) -> Code:
        item = self.value(expr.item)
        literal = self._literals(expr.over)
        if literal is not None and len(literal) <= (_MOST, _MOST, 8)[min(self.depth, 2)] and kind_of(item.type):
            if any(kind_of(self.value(one).type) != kind_of(item.type) for one in expr.over.items):  # type: ignore[union-attr]  # a list
                return "False"
            known, name = self.known(item)
            test = f"{name} {'in' if wanted else 'not in'} {self.constants.add(frozenset(literal))}"
            return both([*known, test])
        over = self.value(expr.over)
        if DOUBT in (item, over) or self.depth > 0:
            return "False"
        return f"(among({item.code}, {over.code}) is {wanted})"

    def _literals(self, over: ast.Expr) -> list[Any] | None:
        """The elements of a written list, if each is plain."""
        if not isinstance(over, ast.Listing):
            return None
        found = [_literal(item) for item in over.items]
        return None if None in found else found

    def _text_test(self, expr: ast.TextTest, wanted: bool) -> Code:
        subject, pattern = self.value(expr.subject), self.value(expr.pattern)
        if DOUBT in (subject, pattern):
            return "False"
        written = _literal(expr.pattern)
        simple = isinstance(written, str) and kind_of(subject.type) == "text"
        if simple and expr.op in ("starts with", "ends with", "contains"):
            known, name = self.known(subject)
            tests = {
                "starts with": f"{name}.startswith({written!r})",
                "ends with": f"{name}.endswith({written!r})",
                "contains": f"{written!r} in {name}",
            }
            return both([*known, tests[expr.op] if wanted else f"not {tests[expr.op]}"])
        return f"(tested({expr.op!r}, {subject.code}, {pattern.code}) is {wanted})"

    def _present(self, body: ast.Expr, wanted: bool) -> Code:
        if not wanted:
            return self.scope.absent(body)
        found = self.value(body)
        if found.sure or isinstance(body, ast.Listing):
            return "True"
        return "False" if found is DOUBT else f"({found.code} is not None)"

    def _quantified(self, expr: ast.Quantified, wanted: bool) -> Code:
        found = self._ranging(expr.variable, expr.over)
        if found is None:
            return "False"
        inner, name, over, conditions = found
        word = "any" if (expr.kind == "any") is wanted else "all"
        body = inner.proves(expr.body, wanted)
        return both([*conditions, f"{word}({body} for {name} in {over})"])

    def _ranging(self, variable: str, over: ast.Expr) -> tuple[Prover, Code, Code, list[Code]] | None:
        """The prover for what is said of each element; its name, the elements, and whether there are any to speak of."""
        among = self.value(over)
        if among is DOUBT or self.depth > 1:
            return None
        name, held = self.constants.fresh(), self.constants.fresh()
        element = Val(code=name, type=_element(among.type))
        inner = Prover(self.scope, self.constants, {**self.local, variable: element}, self.depth + 1)
        inner._inside = self._inside
        reads = "few_elements" if self.depth else "elements"
        return inner, name, held, [f"({held} := {reads}({among.code})) is not None"]

    # --- values ---------------------------------------------------------------------------------------------------------

    def known(self, found: Val) -> tuple[list[Code], Code]:
        """What must hold for the value not to be in doubt, and its name once that holds."""
        if found.sure:
            return [], found.code
        if found.code.isidentifier():
            return [f"{found.code} is not None"], found.code
        name = self.constants.fresh()
        return [f"({name} := {found.code}) is not None"], name

    def value(self, expr: ast.Expr) -> Val:
        """The value of an expression, None where it is in doubt."""
        match expr:
            case ast.Text() | ast.Number() | ast.Boolean() | ast.Time() | ast.Duration():
                return self._written(expr)
            case ast.Local():
                return self.local.get(expr.name, DOUBT)
            case ast.Listing():
                items = [self.value(item) for item in expr.items]
                return Val(code=f"({''.join(f'{item.code}, ' for item in items)})", type=_listed(items))
            case ast.Member():
                base = self.value(expr.base)
                return self._call("member", _field(base.type, expr.name), base, repr(expr.name))
            case ast.Arith():
                return self._arith(expr)
            case ast.Length():
                return self._call("length", NumberType(), self.value(expr.body))
            case ast.CountIn():
                return self._folded("counted", expr.variable, expr.over, expr.body)
            case ast.SumIn():
                return self._folded("total", expr.variable, expr.over, expr.body)
            case ast.CountEvents() | ast.SumEvents():
                return self.scope.number(expr, self)
            case _ if isinstance(expr, (*_CONDITIONS, *_PAST, ast.TurnHasText)):
                return self._as_value(expr)
        return self.scope.leaf(expr)

    def _as_value(self, condition: ast.Expr) -> Val:
        """A condition that is compared with another one. It is written twice, so few may stand in each other."""
        if self._inside >= _INSIDE:
            return DOUBT
        self._inside += 1
        yes, no = self.proves(condition, True), self.proves(condition, False)
        self._inside -= 1
        known = yes != "False" or no != "False"
        return Val(code=f"(True if {yes} else False if {no} else None)", type=BoolType()) if known else DOUBT

    def _written(self, expr: ast.Expr) -> Val:
        found = _literal(expr)
        if found is None:
            return DOUBT
        kinds: dict[type, Type] = {
            ast.Text: TextType(), ast.Number: NumberType(), ast.Boolean: BoolType(), ast.Time: TimeType(),
            ast.Duration: DurationType(),
        }  # fmt: skip
        code = repr(found) if isinstance(found, str | int) else self.constants.add(found)
        return Val(code=code, type=kinds[type(expr)], sure=True)

    def _arith(self, expr: ast.Arith) -> Val:
        left, right = self.value(expr.left), self.value(expr.right)
        kinds = kind_of(left.type), kind_of(right.type)
        wanted: Type | None = NumberType() if kinds == ("number", "number") else None
        if kinds == ("time", "duration"):
            wanted = TimeType()
        elif kinds == ("time", "time"):
            wanted = DurationType()
        return DOUBT if DOUBT in (left, right) else self._call("computed", wanted, repr(expr.op), left, right)

    def _call(self, name: str, wanted: Type | None, *given: Val | Code) -> Val:
        if DOUBT in given:
            return DOUBT
        codes = ", ".join(one.code if isinstance(one, Val) else one for one in given)
        return Val(code=f"{name}({codes})", type=wanted)

    def _folded(self, name: str, variable: str, over: ast.Expr, body: ast.Expr) -> Val:
        found = self._ranging(variable, over)
        if found is None:
            return DOUBT
        inner, element, held, conditions = found
        each = inner.value(body)
        if name == "counted" and not isinstance(body, (*_CONDITIONS, *_PAST)):
            each = DOUBT if kind_of(each.type) != "bool" else each
        if each is DOUBT:
            return DOUBT
        code = f"({name}([{each.code} for {element} in {held}]) if {both(conditions)} else None)"
        return Val(code=code, type=NumberType())


def _literal(expr: ast.Expr) -> Any:
    """The plain value that is written there; None for one that is in doubt, or nothing written."""
    match expr:
        case ast.Text():
            return expr.value if plain_text(expr.value) == expr.value else None
        case ast.Number():
            number = plain_number(expr.value)
            return int(number) if number is not None and number == int(number) else number
        case ast.Boolean():
            return expr.value
        case ast.Time():
            return Instant(expr.ms)
        case ast.Duration():
            return Lapse(expr.ms)  # type: ignore[arg-type]  # an int is a rational
    return None


def _element(over: Type | None) -> Type | None:
    return over.item if isinstance(over, ListType | MapType) else None


def _listed(items: list[Val]) -> Type | None:
    kinds = {kind_of(item.type) for item in items}
    return ListType(item=items[0].type) if len(kinds) == 1 and items[0].type is not None else None


def _field(base: Type | None, name: str) -> Type | None:
    match base:
        case RecordType():
            found = base.field(name)
            return found.type if found else None
        case ListType():
            inner = _field(base.item, name)
            return ListType(item=inner) if inner else None
    return None
