"""From lark's tree to the syntax tree: one method per alternative of `grammar.lark`, under its name there.

It knows what a statement may be made of (which parts a rule takes, what a literal may hold), not what names mean.
The walk is not recursive: depth is measured afterwards and capped (`syntax.py`), whatever the text.
"""

from __future__ import annotations

import unicodedata
from typing import Any, Final

from lark import Token, Tree
from lark.tree import Meta
from lark.visitors import v_args

from obverse.policy import ast
from obverse.policy.faults import quoted
from obverse.policy.leaves import Part, segments
from obverse.policy.lower_terms import Terms
from obverse.policy.reading import instant

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


@v_args(meta=True)
class Lower(Terms):
    """Makes the nodes of one statement; `first` is the line of the document on which it begins."""

    def lowered(self, tree: Tree[Token]) -> Any:
        """The node of this tree: an `ast.Rule` or an `ast.Term`."""
        return self.transform(tree)

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
