"""Hypothesis strategies for syntax trees as the parser makes them, of every node, whether they mean something or not.

Reading what is printed of such a tree must give the same tree. `statements` draws rules and terms with everything in them.
"""

from __future__ import annotations

import unicodedata
from decimal import Decimal
from functools import cache
from typing import Any

from hypothesis import strategies as st

from obverse.policy import ast
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
    Type,
)

_WORDS = ("a", "to", "amount", "x", "größe", "last", "any", "call", "message", "reply", "sum", "count", "turn", "time")
_ODD = ("get-user", "in", "and", "when", "true", "a b", "text", "failed", "where")
names = st.sampled_from((*_WORDS, *_ODD))
dotted = st.one_of(
    st.sampled_from(("pay", "get_user", "files.read", "get-user", "a-b.c", "message", "reply", "any", "sum", "now"))
)
texts = st.text(st.characters(codec="utf-8"), max_size=6) | st.sampled_from(
    ('"', "\\", "#", "`", "a\nb", "\u200b", "😀")
)
numbers = st.integers(0, 10**30) | st.decimals(0, 10**9, places=2)
spans = st.integers(0, 10**12).map(lambda ms: ast.Duration(ms=ms))


def _number(value: int | Decimal) -> ast.Number:
    """As the parser makes it: whole numbers are integers."""
    return ast.Number(value=int(value) if value == int(value) else value)


@cache
def types() -> st.SearchStrategy[Type]:
    """Any type."""
    leaves: st.SearchStrategy[Any] = st.one_of(
        st.builds(TextType, folded=st.booleans()),
        st.builds(NumberType, integer=st.booleans(), from_text=st.booleans()),
        st.sampled_from((BoolType(), TimeType(), DurationType(), JsonType())),
        st.lists(texts, min_size=1, max_size=3, unique=True).map(lambda values: EnumType(values=tuple(values))),
    )
    return st.recursive(leaves, _inner_types, max_leaves=4)


def _inner_types(inner: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    records = fields(inner, least=1).map(lambda found: RecordType(fields=found))
    return inner.map(lambda item: ListType(item=item)) | inner.map(lambda item: MapType(item=item)) | records


def fields(inner: st.SearchStrategy[Any] | None = None, *, least: int = 0) -> st.SearchStrategy[tuple[Field, ...]]:
    """Fields with different names."""
    one = st.builds(Field, name=names, type=inner if inner is not None else types(), optional=st.booleans())
    return st.lists(one, min_size=least, max_size=3, unique_by=lambda field: field.name).map(tuple)


@cache
def expressions() -> st.SearchStrategy[ast.Expr]:
    """Any expression that can be written, of every node."""
    return st.recursive(_leaves(), _inner, max_leaves=8)


def _leaves() -> st.SearchStrategy[Any]:
    path = st.lists(names, min_size=1, max_size=3).map(tuple).filter(lambda found: found != ("turn", "calls"))
    return st.one_of(
        path.map(lambda found: ast.Name(path=found)),
        texts.map(_text),
        numbers.map(_number),
        st.integers(1, 10**6).map(lambda value: ast.Number(value=-value)),
        st.booleans().map(lambda value: ast.Boolean(value=value)),
        spans,
        st.integers(0, 4 * 10**12).map(lambda ms: ast.Time(ms=ms)),
        st.sampled_from((ast.Now(), ast.TurnCalls(), ast.TurnHasText())),
    )


def _text(value: str) -> ast.Text:
    return ast.Text(value=unicodedata.normalize("NFC", value))


def _inner(inner: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    several = st.lists(inner, min_size=2, max_size=3)
    maybe = st.none() | inner
    event = events(inner)
    window = st.none() | spans
    return st.one_of(
        st.builds(ast.Not, body=inner),
        several.map(lambda items: ast.And(items=_flat(ast.And, items))),
        several.map(lambda items: ast.Or(items=_flat(ast.Or, items))),
        st.builds(ast.Compare, op=st.sampled_from(("=", "!=", "<", "<=", ">", ">=")), left=inner, right=inner),
        st.builds(ast.Arith, op=st.sampled_from("+-*/"), left=inner, right=inner),
        st.builds(ast.In, item=inner, over=inner),
        st.builds(
            ast.TextTest,
            op=st.sampled_from(("starts with", "ends with", "contains", "like", "matches", "at domain")),
            subject=inner, pattern=inner,
        ),
        st.builds(ast.Within, left=inner, span=inner, right=inner),
        st.builds(ast.Present, body=inner),
        st.builds(ast.Member, base=inner.filter(lambda base: not isinstance(base, ast.Name)), name=names),
        st.builds(ast.Quantified, kind=st.sampled_from(("any", "all")), variable=names, over=inner, body=inner),
        st.builds(ast.CountIn, variable=names, over=inner, body=inner),
        st.builds(ast.SumIn, variable=names, over=inner, body=inner),
        st.builds(ast.Length, body=inner),
        st.lists(inner, max_size=3).map(lambda items: ast.Listing(items=tuple(items))),
        st.builds(ast.Use, name=names, arguments=st.lists(inner, max_size=2).map(tuple)),
        st.builds(ast.Once, event=event, where=maybe, within=window),
        st.builds(ast.Last, event=event, where=maybe, has=inner),
        st.builds(ast.Previous, event=event, has=maybe),
        st.builds(ast.Since, body=inner, event=event, where=maybe),
        st.builds(ast.Since, absent=event, event=event, where=maybe),
        st.builds(ast.CountEvents, event=event, where=maybe, within=window),
        st.builds(ast.SumEvents, value=inner, event=event, where=maybe, within=window),
    )  # fmt: skip


def _flat(kind: type[ast.And | ast.Or], items: list[Any]) -> tuple[Any, ...]:
    return tuple(one for item in items for one in (item.items if isinstance(item, kind) else (item,)))


def events(inner: st.SearchStrategy[Any]) -> st.SearchStrategy[ast.Pattern]:
    """Any pattern of an event."""
    bindings = st.lists(
        st.builds(ast.Binding, name=names, value=inner), max_size=2, unique_by=lambda binding: binding.name
    ).map(tuple)
    acts = st.sampled_from(("call", "denied", "proposed"))
    return st.one_of(
        st.sampled_from(("message", "reply", "thought", "approval", "grant", "any", "fact")).map(_plain_event),
        dotted.map(lambda name: ast.Pattern(kind="fact", fact=name)),
        st.builds(ast.Pattern, kind=acts, tool=dotted, arguments=bindings),
        st.builds(ast.Pattern, kind=st.just("result"), tool=dotted, arguments=bindings, failed=st.booleans()),
        st.builds(ast.Pattern, kind=acts, effect=st.none() | dotted),
        st.builds(ast.Pattern, kind=st.just("result"), effect=st.none() | dotted, failed=st.booleans()),
    )


def _plain_event(kind: Any) -> ast.Pattern:
    return ast.Pattern(kind=kind)


@st.composite
def rules(draw: st.DrawFn) -> ast.Rule:
    """Any rule that can be written."""
    kind: Any = draw(st.sampled_from(("forbid", "stop", "ask", "warn", "require", "permit", "limit")))
    inner = expressions()
    found: dict[str, Any] = {"heads": draw(st.lists(heads(), min_size=1, max_size=2).map(tuple))}
    said: dict[str, Any] = {"says": draw(st.none() | texts)}
    if kind == "limit":
        found |= {"to": _number(draw(numbers)), "per": draw(st.none() | spans)}
        found |= {"by": draw(st.none() | inner), "amount": draw(st.none() | inner)}
        return ast.Rule(kind="limit", **found, **said)
    found["when"] = draw(st.none() | inner)
    if kind == "permit":
        return ast.Rule(kind="permit", unless=draw(st.none() | inner), **found)
    trusting = draw(st.booleans())
    if kind == "require":
        return ast.Rule(kind="require", requirement=draw(inner), trusting_judge=trusting, **found, **said)
    people = draw(st.integers(1, 3)) if kind == "ask" else 1
    unless = draw(st.none() | inner)
    return ast.Rule(kind=kind, unless=unless, people=people, trusting_judge=trusting, **found, **said)


@cache
def heads() -> st.SearchStrategy[ast.Head]:
    """Any head of a rule."""
    binders = st.dictionaries(names, names, max_size=2).map(lambda found: tuple(found.items()))
    unique = binders.filter(lambda pairs: len({bound for _, bound in pairs}) == len(pairs))
    return st.one_of(
        st.just(ast.Head(kind="reply")),
        st.builds(ast.Head, kind=st.just("any"), effect=st.none() | dotted),
        st.builds(ast.Head, kind=st.just("tool"), tool=dotted, binders=unique),
    )


@cache
def terms() -> st.SearchStrategy[ast.Term]:
    """Any term that can be written."""
    some = st.lists(texts, min_size=1, max_size=2).map(tuple)
    several = st.lists(dotted, min_size=1, max_size=2, unique=True).map(tuple)
    empty: st.SearchStrategy[Any] = st.just(())
    return st.one_of(
        st.builds(
            ast.Tool, name=dotted, parameters=fields(), returns=st.none() | types(), effects=empty | several,
            description=st.none() | texts, asks=empty | some,
        ),
        st.builds(ast.FactTerm, name=dotted, type=types(), origin=st.none() | st.sampled_from(("host", "text", "a-b"))),
        st.builds(
            ast.JudgedTerm, subject=st.sampled_from(("message", "reply", "thought", "result")), name=names,
            definition=texts, pattern=st.none() | texts, yes=empty | some, no=empty | some,
        ),
        st.builds(ast.LetTerm, name=names, parameters=st.lists(names, max_size=2, unique=True).map(tuple), body=expressions()),
        st.builds(ast.ImportTerm, path=texts),
        st.builds(ast.EffectTerm, tools=several, effect=dotted),
        st.builds(ast.ResultTerm, tool=dotted, type=types()),
        st.builds(ast.AsksTerm, tool=dotted, phrases=some),
    )  # fmt: skip
