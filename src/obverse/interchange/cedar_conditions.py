"""A condition of the rule language as two Cedar conditions: when it is *definitely* true, and when it is *definitely* false.

Cedar skips a policy that errs, so a `forbid` whose condition reads a missing field forbids nothing. Here nothing errs: each
value is looked for before it is read, and what is not there makes both conditions false, which is our *unknown* (L03). Texts
come with what a person sees of them (`context.looks`), since a text that only looks alike is unknown too.

What Cedar cannot say raises `Inexpressible` with the reason; nothing is approximated.
"""

from __future__ import annotations

from fractions import Fraction
from typing import Final, Literal, NamedTuple, TypeAlias

import msgspec

from obverse.interchange.cedar_text import (
    FALSE,
    TRUE,
    Clause,
    Path,
    Test,
    decimal_of,
    every,
    long_of,
    pattern,
    quoted,
    read,
    some,
    there,
)
from obverse.policy import ast
from obverse.policy.checked import Checked
from obverse.policy.looks import LOOKALIKES, composed, shape, skeleton
from obverse.policy.print import text_of
from obverse.policy.types import (
    BoolType,
    DurationType,
    EnumType,
    ListType,
    NumberType,
    RecordType,
    TextType,
    TimeType,
    Type,
)

Kind: TypeAlias = Literal["text", "folded", "bool", "long", "decimal", "time", "lapse"]

INPUT: Final = "input"
LOOKS: Final = "looks"
FACTS: Final = "facts"
JUDGED: Final = "judged"
TURN: Final = "turn"
LEAVES: Final = "leaves"
UNHELD: Final = "unheld"
"""What is known and no Cedar value can hold, by its place: for `is present`, which is never unknown."""

NOW: Final = ("now",)
MESSAGE: Final = ("message", "text")
REPLY: Final = ("reply", "text")


class Inexpressible(Exception):  # noqa: N818  # an answer about the language, not a fault
    """What Cedar cannot say, in a few words."""


class Both(NamedTuple):
    """When a condition is definitely true, and when definitely false."""

    true: Clause
    false: Clause

    def opposite(self) -> Both:
        """The same of `not`."""
        return Both(self.false, self.true)


class Term(msgspec.Struct, frozen=True, kw_only=True):
    """A value in Cedar: its text, what it needs to be there, and, for texts, what a person sees of it.

    `number` is set for a literal number, which is a long or a decimal as the other side wants; `known` for a literal text.
    `items` are the terms of a list that was written out.
    """

    kind: Kind
    many: bool = False
    text: str = ""
    needs: tuple[Path, ...] = ()
    looks: str = ""
    looks_needs: tuple[Path, ...] = ()
    number: Fraction | None = None
    known: str | None = None
    items: tuple[Term, ...] | None = None


class Translator:
    """Translates the conditions of rules about one act: `tool` is None for a reply.

    With `leaves`, what Cedar cannot say becomes a value that the host looks up, under the condition's own text.
    """

    def __init__(
        self,
        checked: Checked,
        tool: ast.Tool | None,
        leaves: dict[str, ast.Expr] | None = None,
        namespace: str = "Agent",
    ) -> None:
        self.checked = checked
        self.tool = tool
        self.leaves = leaves
        self.namespace = namespace
        self.needs: list[Path] = []

    # --- conditions -----------------------------------------------------------------------------------------------------

    def both(self, expr: ast.Expr) -> Both:
        """The condition, both ways.

        Raises:
            Inexpressible: if Cedar cannot say it, and no leaves are wanted.
        """
        try:
            return self.condition(expr)
        except Inexpressible:
            if self.leaves is None:
                raise
        name = text_of(expr)
        self.leaves[name] = expr
        return _flag((LEAVES, name))

    def condition(self, expr: ast.Expr) -> Both:
        """The condition, both ways, or `Inexpressible`; who knows more words overrides this."""
        match expr:
            case ast.Boolean():
                return Both(TRUE, FALSE) if expr.value else Both(FALSE, TRUE)
            case ast.Not():
                return self.both(expr.body).opposite()
            case ast.And():
                parts = [self.both(item) for item in expr.items]
                return Both(every(part.true for part in parts), some(part.false for part in parts))
            case ast.Or():
                parts = [self.both(item) for item in expr.items]
                return Both(some(part.true for part in parts), every(part.false for part in parts))
            case ast.Compare():
                return self._compare(expr)
            case ast.In():
                return self._in(self.term(expr.item), self.term(expr.over))
            case ast.TextTest():
                return self._text_test(expr)
            case ast.Within():
                return self._within(expr)
            case ast.Present():
                return self._present(self.term(expr.body))
            case ast.Quantified():
                return self._quantified(expr)
            case ast.Last() if _is_newest_message(expr):
                return self.both(expr.has)
            case ast.TurnHasText():
                return _flag((TURN, "text"))
            case ast.JudgedAnswer() | ast.FactValue() | ast.Argument() | ast.Member():
                term = self.term(expr)
                if term.kind != "bool" or term.many:
                    raise Inexpressible("a value where a condition must stand")
                return Both(Test(term.text, term.needs), Test(f"!{term.text}", term.needs))
        raise Inexpressible(_REASONS.get(type(expr), f"`{type(expr).__name__.lower()}` has no counterpart"))

    def _compare(self, expr: ast.Compare) -> Both:
        left, right = _agreed(self.term(expr.left), self.term(expr.right))
        if left.many or right.many:
            raise Inexpressible("equality of lists (a Cedar set has no order)")
        if expr.op in ("=", "!="):
            found = _equal(left, right)
            return found if expr.op == "=" else found.opposite()
        needs = _together(left, right)
        if left.kind == "decimal":
            method = {"<": "lessThan", "<=": "lessThanOrEqual", ">": "greaterThan", ">=": "greaterThanOrEqual"}
            return Both(
                Test(f"{left.text}.{method[expr.op]}({right.text})", needs),
                Test(f"{left.text}.{method[_OPPOSITE[expr.op]]}({right.text})", needs),
            )
        return Both(
            Test(f"{left.text} {expr.op} {right.text}", needs),
            Test(f"{left.text} {_OPPOSITE[expr.op]} {right.text}", needs),
        )

    def _in(self, item: Term, over: Term) -> Both:
        if over.items is not None:
            equal = [_equal(*_agreed(item, other)) for other in over.items]
            if all(other.known is not None for other in over.items) and len(equal) > 1:
                return _among(item, over.items)
            return Both(some(one.true for one in equal), every(one.false for one in equal))
        if not over.many:
            raise Inexpressible("`in` of a map")
        item, over = _agreed(item, over)
        needs, all_needs = _together(item, over), _together(item, over, looks=True)
        away = [Test(f"!{over.text}.contains({item.text})", needs)]
        if item.looks:
            away.append(Test(f"!{over.looks}.contains({item.looks})", all_needs))
        return Both(Test(f"{over.text}.contains({item.text})", needs), every(away))

    def _text_test(self, expr: ast.TextTest) -> Both:
        subject, wanted = self.term(expr.subject), expr.pattern
        if not isinstance(wanted, ast.Text):
            raise Inexpressible("a text test against a value (`like` takes a literal)")
        if subject.kind == "folded":
            raise Inexpressible("a text test that disregards case")
        if subject.many or subject.kind != "text" or subject.known is not None:
            raise Inexpressible("a text test of something that is no text")
        plain = composed(wanted.value) or skeleton(wanted.value)
        written, seen = _patterns(expr.op, plain)
        needs = tuple(dict.fromkeys((*subject.needs, *subject.looks_needs)))
        return Both(
            every([Test(f"{subject.text} like {written}", needs), Test(f"{subject.looks} like {seen}", needs)]),
            every([Test(f"!({subject.text} like {written})", needs), Test(f"!({subject.looks} like {seen})", needs)]),
        )

    def _within(self, expr: ast.Within) -> Both:
        left, span, right = (self.term(part) for part in (expr.left, expr.span, expr.right))
        needs = tuple(dict.fromkeys((*left.needs, *span.needs, *right.needs)))
        later, earlier = f"{left.text} - {right.text}", f"{right.text} - {left.text}"
        return Both(
            Test(f"{later} <= {span.text} && {earlier} <= {span.text}", needs),
            Test(f"({later} > {span.text} || {earlier} > {span.text})", needs),
        )

    def _present(self, term: Term) -> Both:
        if term.number is not None or term.known is not None or term.items is not None or len(term.needs) != 1:
            raise Inexpressible("`is present` of something that is computed")
        path = term.needs[0]
        here, known = there(path), Test(f"context.{UNHELD}.contains({quoted(read(path))})", ((UNHELD,),))
        away = Test(f"!({here}) && !context.{UNHELD}.contains({quoted(read(path))})", ((UNHELD,),))
        return Both(some([Test(here), known]), away)

    def _quantified(self, expr: ast.Quantified) -> Both:
        over = self.term(expr.over)
        if not over.many or over.items is not None:
            raise Inexpressible("a quantifier over a list that is written out")
        body, negated = expr.body, False
        while isinstance(body, ast.Not):
            body, negated = body.body, not negated
        if isinstance(body, ast.Compare) and body.op == "!=":
            negated = not negated
        values = self._set_of(body, expr.variable)
        values = tuple(_agreed(over, value)[1] for value in values)
        found = _every_in(over, values) if (expr.kind == "all") != negated else _any_in(over, values)
        return found.opposite() if negated else found

    def _set_of(self, body: ast.Expr, variable: str) -> tuple[Term, ...]:
        """The literals that the variable is compared with."""
        here = ast.Local(name=variable)
        if isinstance(body, ast.Compare) and body.op in ("=", "!=") and here in (body.left, body.right):
            return (self.term(body.right if body.left == here else body.left),)
        if isinstance(body, ast.In) and body.item == here:
            listed = self.term(body.over)
            if listed.items is not None:
                return listed.items
        raise Inexpressible("a quantifier whose body is more than a comparison with values")

    # --- values ---------------------------------------------------------------------------------------------------------

    def term(self, expr: ast.Expr) -> Term:
        """A value of the language in Cedar.

        Raises:
            Inexpressible: if Cedar has no such value.
        """
        match expr:
            case ast.Text():
                return Term(kind="text", text=quoted(expr.value), looks=quoted(skeleton(expr.value)), known=expr.value)
            case ast.Number():
                return Term(kind="long", number=Fraction(expr.value))
            case ast.Boolean():
                return Term(kind="bool", text=str(expr.value).lower())
            case ast.Duration():
                return Term(kind="lapse", text=str(expr.ms))
            case ast.Time():
                return Term(kind="time", text=str(expr.ms))
            case ast.Now():
                return _at(NOW, "time")
            case ast.TurnCalls():
                return _at((TURN, "calls"), "long")
            case ast.Listing():
                return Term(kind="text", many=True, items=tuple(self.term(item) for item in expr.items))
            case ast.JudgedAnswer():
                return _at((JUDGED, expr.name), "bool")
            case ast.EventPart(part="text", depth=0):
                return _at(MESSAGE, "text")
            case ast.StepPart(part="text"):
                return _at(REPLY, "text")
            case ast.StepPart(part="tool") if self.tool is not None:
                name = self.tool.name
                return Term(kind="text", text=quoted(name), looks=quoted(skeleton(name)), known=name)
            case ast.Arith():
                return self._arithmetic(expr)
        path, kind = self._place(expr)
        return _typed(path, kind)

    def _place(self, expr: ast.Expr) -> tuple[Path, Type]:
        match expr:
            case ast.Argument():
                field = self.tool.parameter(expr.name) if self.tool else None
                if field is None:
                    raise Inexpressible(f"`{expr.name}` is no parameter of every tool that is meant")
                return (INPUT, expr.name), field.type
            case ast.FactValue():
                return (FACTS, expr.name), self.checked.facts[expr.name].type
            case ast.Member():
                path, kind = self._place(expr.base)
                field = kind.field(expr.name) if isinstance(kind, RecordType) else None
                if field is None:
                    raise Inexpressible("the members of a list of records")
                return (*path, expr.name), field.type
        raise Inexpressible(_REASONS.get(type(expr), f"`{type(expr).__name__.lower()}` has no counterpart"))

    def _arithmetic(self, expr: ast.Arith) -> Term:
        left, right = self.term(expr.left), self.term(expr.right)
        if left.number is not None and right.number is not None and expr.op != "/":
            return Term(kind="long", number=_folded(expr.op, left.number, right.number))
        left, right = (_whole(term) for term in (left, right))
        if expr.op == "/" or "decimal" in (left.kind, right.kind) or left.many or right.many:
            raise Inexpressible("division" if expr.op == "/" else "arithmetic on decimals")
        kinds = (left.kind, expr.op, right.kind)
        kind = _RESULTS.get(kinds)
        if kind is None:
            raise Inexpressible(f"arithmetic on {left.kind} and {right.kind}")
        return Term(kind=kind, text=f"({left.text} {expr.op} {right.text})", needs=_together(left, right))


_OPPOSITE: Final = {"<": ">=", "<=": ">", ">": "<=", ">=": "<"}
_RESULTS: Final[dict[tuple[str, str, str], Kind]] = {
    **{("long", op, "long"): "long" for op in "+-*"},
    ("time", "-", "time"): "lapse",
    **{("time", op, "lapse"): "time" for op in "+-"},
    **{("lapse", op, "lapse"): "lapse" for op in "+-"},
    ("lapse", "*", "long"): "lapse",
    ("long", "*", "lapse"): "lapse",
}
_HISTORY: Final = "it looks at the history"
_REASONS: Final[dict[type, str]] = {
    **dict.fromkeys(
        (ast.Once, ast.Last, ast.Previous, ast.Since, ast.CountEvents, ast.SumEvents, ast.Exceeds), _HISTORY
    ),
    **dict.fromkeys((ast.CountIn, ast.SumIn, ast.Length), "it counts or sums the elements of a list"),
    ast.EventPart: _HISTORY,
    ast.Local: "an element of a list stands for itself",
}


def _is_newest_message(expr: ast.Last) -> bool:
    return expr.event.kind == "message" and expr.where is None


def _flag(path: Path) -> Both:
    return Both(Test(read(path), (path,)), Test(f"!{read(path)}", (path,)))


def _at(path: Path, kind: Kind, *, many: bool = False) -> Term:
    looks = (LOOKS, *path) if kind in ("text", "folded") else ()
    return Term(
        kind=kind, many=many, text=read(path), needs=(path,),
        looks=read(looks) if looks else "", looks_needs=(looks,) if looks else (),
    )  # fmt: skip


def kind_of(declared: Type) -> tuple[Kind, bool] | None:
    """How Cedar holds a value of this type, and whether many of them; None where it cannot."""
    match declared:
        case TextType():
            return ("folded" if declared.folded else "text"), False
        case EnumType():
            return "text", False
        case BoolType():
            return "bool", False
        case NumberType():
            return ("long" if declared.integer else "decimal"), False
        case TimeType():
            return "time", False
        case DurationType():
            return "lapse", False
        case ListType():
            inner = kind_of(declared.item)
            return (inner[0], True) if inner is not None and not inner[1] else None
    return None


def _typed(path: Path, declared: Type) -> Term:
    found = kind_of(declared)
    if found is None:
        raise Inexpressible(f"a value of type `{type(declared).__name__.removesuffix('Type').lower()}`")
    return _at(path, found[0], many=found[1])


def _folded(op: str, left: Fraction, right: Fraction) -> Fraction:
    return {"+": left + right, "-": left - right, "*": left * right}[op]


def _together(left: Term, right: Term, *, looks: bool = False) -> tuple[Path, ...]:
    seen = (*left.looks_needs, *right.looks_needs) if looks else ()
    return tuple(dict.fromkeys((*left.needs, *right.needs, *seen)))


def _whole(term: Term) -> Term:
    """A literal number as a long."""
    if term.number is None:
        return term
    whole = long_of(term.number)
    if whole is None:
        raise Inexpressible("a number that is no 64-bit integer, beside integers")
    return msgspec.structs.replace(term, text=str(whole), number=None)


def _agreed(left: Term, right: Term) -> tuple[Term, Term]:
    """Both sides of a comparison as one kind: literals become what the other side is."""
    if "decimal" in (left.kind, right.kind):
        return _decimal(left), _decimal(right)
    left, right = _whole(left), _whole(right)
    if "folded" in (left.kind, right.kind):
        return _case_folded(left), _case_folded(right)
    return left, right


def _decimal(term: Term) -> Term:
    if term.kind == "decimal":
        return term
    text = None if term.number is None else decimal_of(term.number)
    if text is None:
        raise Inexpressible(
            "an integer beside a decimal" if term.number is None else "a number of more than four places"
        )
    return msgspec.structs.replace(term, kind="decimal", text=f'decimal("{text}")', number=None)


def _case_folded(term: Term) -> Term:
    if term.kind == "folded":
        return term
    if term.known is None:
        raise Inexpressible("a folded text beside one that is not")
    return msgspec.structs.replace(
        term, kind="folded", text=quoted(term.known.casefold()), looks=quoted(shape(term.known))
    )


def _equal(left: Term, right: Term) -> Both:
    if left.kind != right.kind or left.many or right.many:
        raise Inexpressible(f"{left.kind} beside {right.kind}")
    if left.known is not None and right.known is not None:
        raise Inexpressible("two literals compared")
    needs = _together(left, right)
    apart: list[Clause] = [Test(f"{left.text} != {right.text}", needs)]
    if left.looks:
        apart.append(Test(f"{left.looks} != {right.looks}", _together(left, right, looks=True)))
    return Both(Test(f"{left.text} == {right.text}", needs), every(apart))


def _among(item: Term, items: tuple[Term, ...]) -> Both:
    pairs = [_agreed(item, other) for other in items]
    item, values = pairs[0][0], [other for _, other in pairs]
    if item.known is not None or item.many:
        raise Inexpressible("a literal in a list of literals")
    seen = tuple(dict.fromkeys((*item.needs, *item.looks_needs)))
    return Both(
        Test(f"{_set(values)}.contains({item.text})", item.needs),
        every(
            [
                Test(f"!{_set(values)}.contains({item.text})", item.needs),
                Test(f"!{_seen(values)}.contains({item.looks})", seen),
            ]
        ),
    )


def _set(values: list[Term] | tuple[Term, ...]) -> str:
    return f"[{', '.join(dict.fromkeys(value.text for value in values))}]"


def _seen(values: list[Term] | tuple[Term, ...]) -> str:
    return f"[{', '.join(dict.fromkeys(value.looks for value in values))}]"


def _any_in(over: Term, values: tuple[Term, ...]) -> Both:
    """Some element is one of these."""
    needs, seen = _needs_of(over, values)
    away = [Test(f"!{over.text}.containsAny({_set(values)})", needs)]
    if over.looks:
        away.append(Test(f"!{over.looks}.containsAny({_seen(values)})", seen))
    return Both(Test(f"{over.text}.containsAny({_set(values)})", needs), every(away))


def _every_in(over: Term, values: tuple[Term, ...]) -> Both:
    """Each element is one of these."""
    needs, seen = _needs_of(over, values)
    looks, looked = (over.looks, _seen(values)) if over.looks else (over.text, _set(values))
    return Both(Test(f"{_set(values)}.containsAll({over.text})", needs), Test(f"!{looked}.containsAll({looks})", seen))


def _needs_of(over: Term, values: tuple[Term, ...]) -> tuple[tuple[Path, ...], tuple[Path, ...]]:
    needs = tuple(dict.fromkeys(path for term in (over, *values) for path in term.needs))
    return needs, tuple(dict.fromkeys([*needs, *(path for term in (over, *values) for path in term.looks_needs)]))


def _patterns(op: str, plain: str) -> tuple[str, str]:
    """The pattern as written, and as it is put to what a person sees (as `policy.text` does)."""
    seen = skeleton(plain)
    match op:
        case "starts with":
            return pattern([plain, None]), pattern([seen, None])
        case "ends with":
            return pattern([None, plain]), pattern([None, seen])
        case "contains":
            return pattern([None, plain, None]), pattern([None, seen, None])
        case "like":
            return _glob(plain), _glob(plain.translate(LOOKALIKES))
    raise Inexpressible(f"`{op}`")


def _glob(text: str) -> str:
    parts: list[str | None] = []
    characters = iter(text)
    for character in characters:
        if character == "?":
            raise Inexpressible("`?` in a glob")
        parts.append(None if character == "*" else next(characters, "") if character == "\\" else character)
    return pattern(parts)
