"""From lark's tree to the syntax tree: one method per alternative of `grammar.lark`, under its name there.

It knows what a statement may be made of (which parts a rule takes, what a literal may hold), not what names mean.
The walk is not recursive: depth is measured afterwards and capped (`parse.py`), whatever the text.
"""

from __future__ import annotations

import json
import re
import unicodedata
from decimal import Decimal
from typing import Any, Final

from lark import Token, Tree
from lark.tree import Meta
from lark.visitors import Transformer_NonRecursive, v_args

from obverse.core.errors import Span
from obverse.policy import ast
from obverse.policy.faults import Faults, did_you_mean, quoted
from obverse.policy.reading import instant, lapse
from obverse.policy.types import (
    BoolType,
    DurationType,
    EnumType,
    Field,
    JsonType,
    ListType,
    MapType,
    NumberType,
    RecordType,
    TextType,
    TimeType,
)

LONGEST_NUMBER: Final = 300
LONGEST_WINDOW_MS: Final = 1_000_000_000_000_000

SUBJECTS: Final = ("message", "reply", "thought", "result")
_SEGMENT = re.compile(r"`([^`\n]+)`|([^\W\d]\w*)")
_SIMPLE = {"bool": BoolType(), "time": TimeType(), "duration": DurationType(), "json": JsonType()}
_TAKES: Final = {
    "forbid": ("when", "unless", "says", "trusting"),
    "stop": ("when", "unless", "says", "trusting"),
    "ask": ("when", "unless", "people", "says", "trusting"),
    "warn": ("when", "unless", "says", "trusting"),
    "permit": ("when", "unless"),
    "require": ("when", "says", "trusting"),
    "limit": ("per", "by", "says"),
}
_OPTIONS = {"trusting": "trusting judge", "people": "by N people"}

Part = tuple[str, Any, Span]


def segments(path: str) -> tuple[str, ...]:
    """The parts of a dotted name, out of their backticks."""
    return tuple(found[1] or found[2] for found in _SEGMENT.finditer(path))


@v_args(meta=True)
class Lower(Transformer_NonRecursive[Token, Any]):
    """Makes the nodes of one statement; `first` is the line of the document on which it begins."""

    def __init__(self, faults: Faults, first: int, zone: int) -> None:
        super().__init__()
        self.faults = faults
        self.first = first
        self.zone = zone

    def lowered(self, tree: Tree[Token]) -> Any:
        """The node of this tree: an `ast.Rule` or an `ast.Term`."""
        return self.transform(tree)

    # --- places and leaves ----------------------------------------------------------------------------------------------

    def _at(self, meta: Meta) -> Span | None:
        if meta.empty:
            return None
        above = self.first - 1
        return Span(
            line=meta.line + above, column=meta.column, end_line=meta.end_line + above, end_column=meta.end_column
        )

    def _of(self, token: Token) -> Span:
        line, end = token.line or 1, token.end_line or token.line or 1
        start = token.column or 1
        return Span(
            line=line + self.first - 1, column=start, end_line=end + self.first - 1,
            end_column=token.end_column or start + 1,
        )  # fmt: skip

    def _single(self, token: Token) -> str:
        """The one name that a token holds."""
        path = segments(token)
        if len(path) > 1:
            self.faults.add(f"a dotted name {quoted(token)} cannot stand here", self._of(token), code="P117")
        return path[0]

    def _dotted(self, token: Token) -> str:
        return ".".join(segments(token))

    def _text(self, token: Token) -> str:
        try:
            text = str(json.loads(token, strict=False))
            text.encode()
        except ValueError:
            hint = 'inside a text, write `\\\\` for a backslash and `\\"` for a quotation mark'
            self.faults.add(f"an unknown escape in {quoted(token)}", self._of(token), code="P112", hint=hint)
            return ""
        return text

    def _number(self, token: Token) -> int | Decimal:
        if len(token) > LONGEST_NUMBER:
            self.faults.add(f"a number of {len(token)} digits", self._of(token), code="P113")
            return 0
        number = Decimal(token)
        return int(number) if number == number.to_integral_value() else number

    def _duration(self, token: Token) -> ast.Duration:
        found = lapse(token) if len(token) <= LONGEST_NUMBER else None
        if found is None or found.ms > LONGEST_WINDOW_MS:
            self.faults.add(f"{quoted(token)} is too long a time", self._of(token), code="P114")
            return ast.Duration(ms=0, at=self._of(token))
        return ast.Duration(ms=int(found.ms), at=self._of(token))

    def _window(self, token: Token | None) -> ast.Duration | None:
        if token is None:
            return None
        return self._duration(token.update(value=token.split()[-1]))

    def _unique(self, names: list[str], what: str, meta: Meta) -> None:
        for name in {name for name in names if names.count(name) > 1}:
            self.faults.add(f"the {what} {quoted(name)} is given twice", self._at(meta), code="P118")

    # --- rules ----------------------------------------------------------------------------------------------------------

    def plain(self, meta: Meta, items: list[Token]) -> str:
        return str(items[0])

    def plain_rule(self, meta: Meta, items: list[Any]) -> ast.Rule:
        kind, heads, *options = items
        return ast.Rule(kind=kind, heads=heads, at=self._at(meta), **self._options(kind, options))

    def require_rule(self, meta: Meta, items: list[Any]) -> ast.Rule:
        requirement, heads, *options = items
        found = self._options("require", options)
        return ast.Rule(kind="require", heads=heads, requirement=requirement, at=self._at(meta), **found)

    def limit_rule(self, meta: Meta, items: list[Any]) -> ast.Rule:
        amount, heads, to, *options = items
        number = ast.Number(value=self._number(to), at=self._of(to))
        return ast.Rule(
            kind="limit", heads=heads, amount=amount, to=number, at=self._at(meta), **self._options("limit", options)
        )

    def _options(self, kind: str, options: list[Part]) -> dict[str, Any]:
        """The parts of a rule by field; those that its kind does not take, and second ones, are faults."""
        found: dict[str, Any] = {}
        for name, value, at in options:
            shown = _OPTIONS.get(name, name)
            if name not in _TAKES[kind]:
                hint = f"`{kind}` takes " + ", ".join(f"`{_OPTIONS.get(one, one)}`" for one in _TAKES[kind])
                if kind == "limit" and name in ("when", "unless"):
                    hint = "write `forbid … when count(call … where …) >= N`"
                self.faults.add(f"`{kind}` takes no `{shown}`", at, code="P116", hint=hint)
            elif name in found:
                self.faults.add(f"`{shown}` is given twice", at, code="P116", hint="join the conditions by `and`")
            found[name] = value
        if "trusting" in found:
            found["trusting_judge"] = found.pop("trusting")
        return found

    def when(self, meta: Meta, items: list[Any]) -> Part:
        return "when", items[0], self._place(meta)

    def unless(self, meta: Meta, items: list[Any]) -> Part:
        return "unless", items[0], self._place(meta)

    def by(self, meta: Meta, items: list[Any]) -> Part:
        return "by", items[0], self._place(meta)

    def says(self, meta: Meta, items: list[Token]) -> Part:
        return "says", self._text(items[0]), self._place(meta)

    def trusting(self, meta: Meta, items: list[Any]) -> Part:
        return "trusting", True, self._place(meta)

    def per(self, meta: Meta, items: list[Token]) -> Part:
        return "per", self._duration(items[0]), self._place(meta)

    def people(self, meta: Meta, items: list[Token]) -> Part:
        number = self._number(items[0])
        if not isinstance(number, int) or not 1 <= number <= 100:
            self.faults.add(f"{quoted(items[0])} people cannot approve", self._of(items[0]), code="P113")
            number = 1
        return "people", number, self._place(meta)

    def _place(self, meta: Meta) -> Span:
        return self._at(meta) or Span(line=self.first, column=1, end_line=self.first, end_column=2)

    def heads(self, meta: Meta, items: list[ast.Head]) -> tuple[ast.Head, ...]:
        return tuple(items)

    def tool_head(self, meta: Meta, items: list[Any]) -> ast.Head:
        name, *binders = items
        pairs = tuple(pair for pair in binders if pair is not None)
        self._unique([name for name, _ in pairs], "argument", meta)
        self._unique([bound for _, bound in pairs], "name", meta)
        return ast.Head(kind="tool", tool=self._dotted(name), binders=pairs, at=self._at(meta))

    def any_head(self, meta: Meta, items: list[Token | None]) -> ast.Head:
        effect = items[0]
        return ast.Head(kind="any", effect=self._dotted(effect) if effect else None, at=self._at(meta))

    def reply_head(self, meta: Meta, items: list[Any]) -> ast.Head:
        return ast.Head(kind="reply", at=self._at(meta))

    def binder(self, meta: Meta, items: list[Token]) -> tuple[str, str]:
        return self._single(items[0]), self._single(items[1])

    # --- terms ----------------------------------------------------------------------------------------------------------

    def tool(self, meta: Meta, items: list[Any]) -> ast.Tool:
        name, fields, returns, *parts = items
        found: dict[str, list[str]] = {"effects": [], "asks": [], "description": []}
        for key, values, _ in parts:
            found[key] += values
        if len(found["description"]) > 1:
            self.faults.add("a tool has one description", self._at(meta), code="P116")
        return ast.Tool(
            name=self._dotted(name),
            parameters=fields or (),
            returns=returns,
            effects=tuple(dict.fromkeys(found["effects"])),
            asks=tuple(found["asks"]),
            description=next(iter(found["description"]), None),
            at=self._at(meta),
        )

    def tool_effect(self, meta: Meta, items: list[Any]) -> Part:
        return "effects", [".".join(path) for path in items[0]], self._place(meta)

    def tool_asks(self, meta: Meta, items: list[Any]) -> Part:
        return "asks", items[0], self._place(meta)

    def tool_description(self, meta: Meta, items: list[Token]) -> Part:
        return "description", [self._text(items[0])], self._place(meta)

    def fact(self, meta: Meta, items: list[Any]) -> ast.FactTerm:
        name, found, origin = items
        origin = self._dotted(origin) if origin else None
        return ast.FactTerm(name=self._dotted(name), type=found, origin=origin, at=self._at(meta))

    def judged(self, meta: Meta, items: list[Any]) -> ast.JudgedTerm:
        token, definition, pattern, *examples = items
        subject, *rest = segments(token)
        if subject not in SUBJECTS or len(rest) != 1:
            self.faults.add(
                f"a judged predicate cannot be called {quoted(token)}", self._of(token), code="P117",
                hint=did_you_mean(subject, SUBJECTS) if rest else 'write `judged message.NAME "…"`',
            )  # fmt: skip
            subject, rest = "message", rest or [subject]
        yes = tuple(text for kind, texts in examples if kind == "yes" for text in texts)
        no = tuple(text for kind, texts in examples if kind == "no" for text in texts)
        return ast.JudgedTerm(
            subject=subject,  # type: ignore[arg-type]  # one of SUBJECTS, as tested above
            name=rest[0], definition=self._text(definition),
            pattern=None if pattern is None else self._text(pattern), yes=yes, no=no, at=self._at(meta),
        )  # fmt: skip

    def yes(self, meta: Meta, items: list[Any]) -> tuple[str, tuple[str, ...]]:
        return "yes", items[0]

    def no(self, meta: Meta, items: list[Any]) -> tuple[str, tuple[str, ...]]:
        return "no", items[0]

    def let(self, meta: Meta, items: list[Any]) -> ast.LetTerm:
        name, parameters, body = items
        names = [path[0] for path in parameters or ()]
        self._unique(names, "parameter", meta)
        return ast.LetTerm(name=self._single(name), parameters=tuple(names), body=body, at=self._at(meta))

    def import_(self, meta: Meta, items: list[Token]) -> ast.ImportTerm:
        return ast.ImportTerm(path=self._text(items[0]), at=self._at(meta))

    def effect(self, meta: Meta, items: list[Any]) -> ast.EffectTerm:
        tools, name = items
        return ast.EffectTerm(
            tools=tuple(".".join(path) for path in tools), effect=self._dotted(name), at=self._at(meta)
        )

    def result(self, meta: Meta, items: list[Any]) -> ast.ResultTerm:
        return ast.ResultTerm(tool=self._dotted(items[0]), type=items[1], at=self._at(meta))

    def asks(self, meta: Meta, items: list[Any]) -> ast.AsksTerm:
        return ast.AsksTerm(tool=self._dotted(items[0]), phrases=tuple(items[1]), at=self._at(meta))

    def paths(self, meta: Meta, items: list[Token]) -> list[tuple[str, ...]]:
        return [segments(token) for token in items]

    def strings(self, meta: Meta, items: list[Token]) -> tuple[str, ...]:
        return tuple(self._text(token) for token in items if token.type == "STRING")

    # --- types ----------------------------------------------------------------------------------------------------------

    def fields(self, meta: Meta, items: list[Field]) -> tuple[Field, ...]:
        self._unique([field.name for field in items], "field", meta)
        return tuple(items)

    def field(self, meta: Meta, items: list[Any]) -> Field:
        name, found, optional = items
        return Field(name=self._single(name), type=found, optional=optional is not None)

    def text_type(self, meta: Meta, items: list[Any]) -> TextType:
        return TextType(folded=items[0] is not None)

    def number_type(self, meta: Meta, items: list[Any]) -> NumberType:
        return NumberType(integer=items[0] == "integer", from_text=items[1] is not None)

    def enum_type(self, meta: Meta, items: list[Any]) -> EnumType:
        self._unique(list(items[0]), "value", meta)
        return EnumType(values=tuple(items[0]))

    def list_type(self, meta: Meta, items: list[Any]) -> ListType:
        return ListType(item=items[0])

    def map_type(self, meta: Meta, items: list[Any]) -> MapType:
        return MapType(item=items[0])

    def record_type(self, meta: Meta, items: list[Any]) -> RecordType:
        return RecordType(fields=items[0])

    def simple_type(self, meta: Meta, items: list[Token]) -> Any:
        return _SIMPLE[items[0]]

    # --- conditions -----------------------------------------------------------------------------------------------------

    def or_(self, meta: Meta, items: list[ast.Expr]) -> ast.Expr:
        return items[0] if len(items) == 1 else ast.Or(items=_flat(ast.Or, items), at=self._at(meta))

    def and_(self, meta: Meta, items: list[ast.Expr]) -> ast.Expr:
        return items[0] if len(items) == 1 else ast.And(items=_flat(ast.And, items), at=self._at(meta))

    def not_(self, meta: Meta, items: list[ast.Expr]) -> ast.Not:
        return ast.Not(body=items[0], at=self._at(meta))

    def quantified(self, meta: Meta, items: list[Any]) -> ast.Quantified:
        kind, variable, over, body = items
        return ast.Quantified(
            kind="any" if kind == "any" else "all", variable=self._single(variable), over=over, body=body,
            at=self._at(meta),
        )  # fmt: skip

    def compare(self, meta: Meta, items: list[Any]) -> ast.Compare:
        left, op, right = items
        return ast.Compare(op=op.value, left=left, right=right, at=self._at(meta))

    def in_(self, meta: Meta, items: list[Any]) -> ast.In:
        return ast.In(item=items[0], over=items[1], at=self._at(meta))

    def not_in(self, meta: Meta, items: list[Any]) -> ast.Not:
        return ast.Not(body=self.in_(meta, items), at=self._at(meta))

    def text_op(self, meta: Meta, items: list[Token]) -> str:
        return " ".join(items)

    def text_test(self, meta: Meta, items: list[Any]) -> ast.TextTest:
        subject, op, pattern = items
        return ast.TextTest(op=op, subject=subject, pattern=pattern, at=self._at(meta))

    def within(self, meta: Meta, items: list[Any]) -> ast.Within:
        left, span, right = items
        return ast.Within(left=left, span=span, right=right, at=self._at(meta))

    def present(self, meta: Meta, items: list[Any]) -> ast.Present:
        return ast.Present(body=items[0], at=self._at(meta))

    def turn_has_text(self, meta: Meta, items: list[Any]) -> ast.TurnHasText:
        return ast.TurnHasText(at=self._at(meta))

    # --- the past -------------------------------------------------------------------------------------------------------

    def where(self, meta: Meta, items: list[Any]) -> ast.Expr:
        return items[0]  # type: ignore[no-any-return]  # a condition, by the grammar

    def once(self, meta: Meta, items: list[Any]) -> ast.Once:
        event, where, window = items
        return ast.Once(event=event, where=where, within=self._window(window), at=self._at(meta))

    def last(self, meta: Meta, items: list[Any]) -> ast.Last:
        event, where, has = items
        return ast.Last(event=event, where=where, has=has, at=self._at(meta))

    def previous(self, meta: Meta, items: list[Any]) -> ast.Previous:
        return ast.Previous(event=items[0], has=items[1], at=self._at(meta))

    def since(self, meta: Meta, items: list[Any]) -> ast.Since:
        body, event, where = items
        return ast.Since(body=body, event=event, where=where, at=self._at(meta))

    def absent_since(self, meta: Meta, items: list[Any]) -> ast.Since:
        absent, event, where = items
        return ast.Since(absent=absent, event=event, where=where, at=self._at(meta))

    def count_events(self, meta: Meta, items: list[Any]) -> ast.CountEvents:
        event, where, window = items
        return ast.CountEvents(event=event, where=where, within=self._window(window), at=self._at(meta))

    def sum_events(self, meta: Meta, items: list[Any]) -> ast.SumEvents:
        value, event, where, window = items
        return ast.SumEvents(value=value, event=event, where=where, within=self._window(window), at=self._at(meta))

    def result_event(self, meta: Meta, items: list[Any]) -> ast.Pattern:
        tool, bindings, failed = items
        return self._pattern(meta, "result", tool=self._dotted(tool), arguments=bindings, failed=failed)

    def act_event(self, meta: Meta, items: list[Any]) -> ast.Pattern:
        kind, tool, bindings = items
        return self._pattern(meta, str(kind), tool=self._dotted(tool), arguments=bindings)

    def any_event(self, meta: Meta, items: list[Any]) -> ast.Pattern:
        kind, effect, failed = items
        if failed is not None and kind != "result":
            self.faults.add("only a `result` has failed", self._of(failed), code="P116")
        if effect is not None and kind in ("event", "fact"):
            self.faults.add("only calls and results have effects", self._of(effect), code="P116")
            effect = None
        effect = self._dotted(effect) if effect is not None else None
        return self._pattern(meta, "any" if kind == "event" else kind, effect=effect, failed=failed)

    def any_kind(self, meta: Meta, items: list[Token]) -> str:
        return str(items[0])

    def plain_event(self, meta: Meta, items: list[Token]) -> ast.Pattern:
        return self._pattern(meta, str(items[0]))

    def fact_event(self, meta: Meta, items: list[Token]) -> ast.Pattern:
        return ast.Pattern(kind="fact", fact=self._dotted(items[0]), at=self._at(meta))

    def _pattern(
        self,
        meta: Meta,
        kind: str,
        *,
        tool: str | None = None,
        effect: str | None = None,
        arguments: Any = None,
        failed: Token | None = None,
    ) -> ast.Pattern:
        return ast.Pattern(
            kind=kind,  # type: ignore[arg-type]  # one of the kinds, by the grammar
            tool=tool, effect=effect, arguments=arguments or (), failed=failed is not None and kind == "result",
            at=self._at(meta),
        )  # fmt: skip

    def bindings(self, meta: Meta, items: list[Any]) -> tuple[ast.Binding, ...]:
        found = tuple(item for item in items if item is not None)
        self._unique([binding.name for binding in found], "argument", meta)
        return found

    def binding(self, meta: Meta, items: list[Any]) -> ast.Binding:
        return ast.Binding(name=self._single(items[0]), value=items[1], at=self._at(meta))

    # --- values ---------------------------------------------------------------------------------------------------------

    def arith(self, meta: Meta, items: list[Any]) -> ast.Arith:
        left, op, right = items
        return ast.Arith(op=op.value, left=left, right=right, at=self._at(meta))

    def member(self, meta: Meta, items: list[Any]) -> ast.Member:
        return ast.Member(base=items[0], name=segments(items[1])[0], at=self._at(meta))

    def name(self, meta: Meta, items: list[Token]) -> ast.Expr:
        path = segments(items[0])
        return ast.TurnCalls(at=self._at(meta)) if items[0] == "turn.calls" else ast.Name(path=path, at=self._at(meta))

    def use(self, meta: Meta, items: list[Any]) -> ast.Use:
        name, *arguments = items
        found = tuple(argument for argument in arguments if argument is not None)
        return ast.Use(name=self._single(name), arguments=found, at=self._at(meta))

    def text(self, meta: Meta, items: list[Token]) -> ast.Text:
        return ast.Text(value=unicodedata.normalize("NFC", self._text(items[0])), at=self._at(meta))

    def number(self, meta: Meta, items: list[Token]) -> ast.Number:
        return ast.Number(value=self._number(items[0]), at=self._at(meta))

    def negative(self, meta: Meta, items: list[Token]) -> ast.Number:
        return ast.Number(value=-self._number(items[0]), at=self._at(meta))

    def duration(self, meta: Meta, items: list[Token]) -> ast.Duration:
        return self._duration(items[0])

    def time(self, meta: Meta, items: list[Token]) -> ast.Time:
        text = self._text(items[0])
        try:
            found = instant(text, self.zone)
        except (ValueError, OverflowError):
            found = None
        if found is None:
            hint = 'write it as `time "2026-05-15T15:00:00Z"`'
            self.faults.add(f"{quoted(text)} is no time", self._of(items[0]), code="P114", hint=hint)
        return ast.Time(ms=found.ms if found else 0, at=self._at(meta))

    def true(self, meta: Meta, items: list[Any]) -> ast.Boolean:
        return ast.Boolean(value=True, at=self._at(meta))

    def false(self, meta: Meta, items: list[Any]) -> ast.Boolean:
        return ast.Boolean(value=False, at=self._at(meta))

    def now(self, meta: Meta, items: list[Any]) -> ast.Now:
        return ast.Now(at=self._at(meta))

    def listing(self, meta: Meta, items: list[Any]) -> ast.Listing:
        return ast.Listing(items=tuple(item for item in items if item is not None), at=self._at(meta))

    def count_in(self, meta: Meta, items: list[Any]) -> ast.CountIn:
        variable, over, body = items
        return ast.CountIn(variable=self._single(variable), over=over, body=body, at=self._at(meta))

    def sum_in(self, meta: Meta, items: list[Any]) -> ast.SumIn:
        variable, over, body = items
        return ast.SumIn(variable=self._single(variable), over=over, body=body, at=self._at(meta))

    def length(self, meta: Meta, items: list[Any]) -> ast.Length:
        return ast.Length(body=items[0], at=self._at(meta))


def _flat(kind: type[ast.And | ast.Or], items: list[ast.Expr]) -> tuple[ast.Expr, ...]:
    """The items, those of the same connective spread out: `(a and b) and c` is `a and b and c`."""

    def spread(item: ast.Expr) -> tuple[ast.Expr, ...]:
        return item.items if isinstance(item, ast.And | ast.Or) and type(item) is kind else (item,)

    return tuple(one for item in items for one in spread(item))
