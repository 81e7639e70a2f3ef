"""Hypothesis strategies: policies that mean something, and transcripts that they speak of, over one small set of terms.

`checked_policies` and `scenarios` fit together: small pools of values make coincidences common, so that rules really fire.
Trees for the printer and the parser, whether they mean something or not, are in `testing.trees`.

Generators have one settings record, `Size`; what is drawn shrinks towards short and plain.
"""

from __future__ import annotations

from functools import cache
from typing import Any

import msgspec
from hypothesis import strategies as st

from obverse.policy import ast
from obverse.policy.check import check
from obverse.policy.checked import Checked
from obverse.policy.scope import event_parts
from obverse.policy.types import (
    BoolType,
    EnumType,
    JsonType,
    ListType,
    MapType,
    NumberType,
    RecordType,
    TextType,
    TimeType,
    Type,
)
from obverse.testing.histories import histories, scenarios
from obverse.testing.vocabulary import (
    EFFECTS,
    FACTS,
    JUDGED,
    NUMBERS,
    SPANS,
    START,
    TERMS,
    TEXTS,
    Size,
    base,
    document_of,
    world,
)

__all__ = [
    "TERMS",
    "Size",
    "checked_policies",
    "document_of",
    "histories",
    "policies",
    "scenarios",
    "sound_conditions",
    "sound_rules",
    "world",
]


def checked_policies(size: Size = Size()) -> st.SearchStrategy[Checked]:  # noqa: B008  # frozen
    """Policies over `TERMS`, checked; every operator of the language occurs."""
    return policies(size).map(check)


@st.composite
def policies(draw: st.DrawFn, size: Size = Size()) -> ast.Policy:  # noqa: B008  # frozen
    """Policies over `TERMS` that `check` accepts."""
    policy, count = base(), draw(st.integers(1, size.rules))
    clauses = [
        ast.Clause(
            id=f"c{number + 1}",
            title=f"Clause {number + 1}",
            prose="",
            level=draw(st.sampled_from(policy.levels)),
            severity=draw(st.sampled_from(("low", "medium", "high", "critical"))),
            inviolable=draw(st.booleans()),
            rules=(draw(sound_rules(size)),),
        )
        for number in range(count)
    ]
    default = ast.Defaults(
        calls=draw(st.sampled_from(("deny-unknown-tools", "ask-unknown-tools", "allow-unknown-tools"))),
        arguments=draw(st.sampled_from(("deny-unknown", "allow-unknown"))),
        replies=draw(st.sampled_from(("allow", "deny"))),
    )
    return msgspec.structs.replace(policy, clauses=tuple(clauses), default=default)


@st.composite
def sound_rules(draw: st.DrawFn, size: Size = Size()) -> ast.Rule:  # noqa: B008  # frozen
    """Rules over `TERMS` that `check` accepts."""
    heads, names = draw(_heads())
    kind: Any = draw(st.sampled_from(("forbid", "stop", "ask", "warn", "require", "permit", "limit")))
    if kind == "limit":
        limit: ast.Rule = draw(_limits(heads, names))
        return limit
    conditions = _conditions(names, size.depth)
    when = draw(st.none() | conditions)
    if kind == "require":
        return ast.Rule(kind="require", heads=heads, requirement=draw(conditions), when=when, trusting_judge=True)
    return ast.Rule(
        kind=kind,
        heads=heads,
        when=when,
        unless=draw(st.none() | conditions),
        people=draw(st.integers(1, 2)) if kind == "ask" else 1,
        trusting_judge=kind != "permit",
    )


def sound_conditions(size: Size = Size()) -> st.SearchStrategy[ast.Expr]:  # noqa: B008  # frozen
    """Conditions over `TERMS` for a rule whose head is `pay`."""
    return _conditions(_arguments("pay"), size.depth)


Names = dict[str, Type]


@st.composite
def _heads(draw: st.DrawFn) -> tuple[tuple[ast.Head, ...], Names]:
    """The heads of a rule with the names that they give."""
    kind = draw(st.sampled_from(("pay", "cancel", "look", "ping", "any", "effect", "reply", "both", "bound")))
    match kind:
        case "any":
            return (ast.Head(kind="any"),), {"tool": TextType()}
        case "effect":
            return (ast.Head(kind="any", effect=draw(st.sampled_from(EFFECTS))),), {}
        case "reply":
            return (ast.Head(kind="reply"),), {"text": TextType()}
        case "both":
            return (ast.Head(kind="tool", tool="look"), ast.Head(kind="tool", tool="cancel")), {"id": TextType()}
        case "bound":
            return (ast.Head(kind="tool", tool="pay", binders=(("to", "who"),)),), _arguments("pay") | {
                "who": TextType()
            }
    return (ast.Head(kind="tool", tool=kind),), _arguments(kind)


def _arguments(tool: str) -> Names:
    return {field.name: field.type for field in world().tools[tool].parameters}


@st.composite
def _limits(draw: st.DrawFn, heads: tuple[ast.Head, ...], names: Names) -> ast.Rule:
    numbers = [name for name, kind in names.items() if isinstance(kind, NumberType)]
    keys = [name for name, kind in names.items() if isinstance(kind, TextType)]
    keyed, summed = draw(st.booleans()), draw(st.booleans())
    return ast.Rule(
        kind="limit",
        heads=heads,
        to=ast.Number(value=draw(st.sampled_from((0, 1, 2, 150)))),
        per=draw(st.none() | _spans()),
        by=_name(draw(st.sampled_from(keys))) if keyed and keys else None,
        amount=_name(draw(st.sampled_from(numbers))) if summed and numbers else None,
    )


def _conditions(names: Names, depth: int) -> st.SearchStrategy[ast.Expr]:
    """Conditions that may use these names, and everything that the terms declare."""
    return _cached_conditions(tuple(names.items()), depth)


@cache
def _cached_conditions(pairs: tuple[tuple[str, Type], ...], depth: int) -> st.SearchStrategy[ast.Expr]:
    names = dict(pairs)
    leaves = _leaves(names)
    if depth <= 0:
        return leaves
    inner = _conditions(names, depth - 1)
    return st.one_of(
        leaves,
        _tests(names, depth),
        inner.map(lambda body: ast.Not(body=body)),
        st.lists(inner, min_size=2, max_size=3).map(_all),
        st.lists(inner, min_size=2, max_size=3).map(_some),
        _past(names, depth),
    )


def _all(items: list[ast.Expr]) -> ast.Expr:
    return ast.And(items=tuple(one for item in items for one in (item.items if isinstance(item, ast.And) else (item,))))


def _some(items: list[ast.Expr]) -> ast.Expr:
    return ast.Or(items=tuple(one for item in items for one in (item.items if isinstance(item, ast.Or) else (item,))))


def _leaves(names: Names) -> st.SearchStrategy[ast.Expr]:
    """Conditions without conditions in them."""
    fixed: list[ast.Expr] = [ast.TurnHasText(), _name("calm"), *map(_name, JUDGED)]
    return st.one_of(
        st.sampled_from(fixed),
        st.booleans().map(lambda value: ast.Boolean(value=value)),
        _tests(names, 0),
    )


@st.composite
def _tests(draw: st.DrawFn, names: Names, depth: int) -> ast.Expr:
    """A test of one value whose type tells what can be asked of it."""
    facts = {name: term.type for name, term in world().facts.items()}
    known = {**facts, **names}
    name = draw(st.sampled_from(sorted(known)))
    value, kind = _name(name), known[name]
    if draw(st.integers(0, 9)) == 0:
        return ast.Present(body=value)
    return draw(_test_of(value, kind, known, depth))


def _test_of(value: ast.Expr, kind: Type, names: Names, depth: int) -> st.SearchStrategy[ast.Expr]:
    match kind:
        case BoolType():
            return st.just(value)
        case EnumType():
            return _enum_tests(value, kind)
        case TextType():
            return _text_tests(value, names)
        case NumberType():
            return _number_tests(value, names, depth)
        case TimeType():
            return _time_tests(value)
        case ListType() | MapType():
            return _list_tests(value, kind, names, depth)
        case RecordType():
            tests = [_test_of(_member(value, field.name), field.type, names, depth) for field in kind.fields]
            return st.one_of(tests)
        case JsonType():
            return st.just(ast.Present(body=value))
    return st.just(ast.Present(body=value))


def _enum_tests(value: ast.Expr, kind: EnumType) -> st.SearchStrategy[ast.Expr]:
    texts = st.sampled_from(kind.values).map(lambda text: ast.Text(value=text))
    return st.one_of(
        st.builds(lambda op, text: ast.Compare(op=op, left=value, right=text), st.sampled_from(("=", "!=")), texts),
        st.lists(texts, min_size=1, max_size=2).map(
            lambda items: ast.In(item=value, over=ast.Listing(items=tuple(items)))
        ),
    )


def _text_tests(value: ast.Expr, names: Names) -> st.SearchStrategy[ast.Expr]:
    others = [_name(name) for name, kind in names.items() if isinstance(kind, TextType)]
    right = st.sampled_from([*(ast.Text(value=text) for text in TEXTS), *others])
    plain = st.sampled_from(("starts with", "ends with", "contains"))
    patterns = st.sampled_from(
        (("like", "*@acme.com"), ("like", "?"), ("matches", "[a-z]+@.*"), ("at domain", "acme.com"))
    )
    return st.one_of(
        st.builds(lambda op, other: ast.Compare(op=op, left=value, right=other), st.sampled_from(("=", "!=")), right),
        st.builds(lambda op, other: ast.TextTest(op=op, subject=value, pattern=other), plain, right),
        patterns.map(lambda pair: ast.TextTest(op=pair[0], subject=value, pattern=ast.Text(value=pair[1]))),  # type: ignore[arg-type]  # the pairs above
        _compared(ast.Length(body=value)),
    )


def _number_tests(value: ast.Expr, names: Names, depth: int) -> st.SearchStrategy[ast.Expr]:
    use = st.just(ast.Use(name="large", arguments=(value,)))
    if depth <= 0:
        return st.one_of(_compared(value), use)
    others = [_name(name) for name, kind in names.items() if isinstance(kind, NumberType)]
    operand = st.sampled_from([*(ast.Number(value=number) for number in NUMBERS), ast.TurnCalls(), *others])
    sums = st.builds(
        lambda op, left, right: ast.Arith(op=op, left=left, right=right), st.sampled_from("+-*/"), operand, operand
    )
    return st.one_of(_compared(value), use, sums.flatmap(_compared))


def _compared(value: ast.Expr) -> st.SearchStrategy[ast.Expr]:
    return st.builds(
        lambda op, number: ast.Compare(op=op, left=value, right=ast.Number(value=number)),
        st.sampled_from(("=", "!=", "<", "<=", ">", ">=")),
        st.sampled_from(NUMBERS),
    )


def _time_tests(value: ast.Expr) -> st.SearchStrategy[ast.Expr]:
    other = st.sampled_from([ast.Now(), ast.Time(ms=START), _name("trip.start")])
    order = st.sampled_from(("=", "<", "<=", ">", ">="))
    return st.one_of(
        st.builds(lambda span, right: ast.Within(left=value, span=span, right=right), _spans(), other),
        st.builds(lambda op, right: ast.Compare(op=op, left=value, right=right), order, other),
        st.builds(
            lambda op, span, right: ast.Compare(op=op, left=ast.Arith(op="-", left=value, right=right), right=span),
            order, _spans(), other,
        ),
        st.builds(
            lambda op, span, right: ast.Compare(op=op, left=ast.Arith(op="+", left=value, right=span), right=right),
            order, _spans(), other,
        ),
    )  # fmt: skip


@st.composite
def _list_tests(draw: st.DrawFn, value: ast.Expr, kind: ListType | MapType, names: Names, depth: int) -> ast.Expr:
    variable = draw(st.sampled_from(("x", "y")))
    item = kind.item
    inside = {**names, variable: item} if not isinstance(item, RecordType) else dict(names)
    local = _name(variable)
    body = draw(_test_of(local, item, inside, min(depth, 1) - 1))
    choices = ["any", "all", "count", "length"]
    choices += ["in"] if isinstance(kind, MapType) or isinstance(item, TextType) else []
    choices += ["sum"] if isinstance(item, NumberType) else []
    choices += ["sum of ages", "named", "members"] if isinstance(item, RecordType) else []
    match draw(st.sampled_from(choices)):
        case "any" | "all" as which:
            return ast.Quantified(kind=which, variable=variable, over=value, body=body)
        case "count":
            return draw(_compared(ast.CountIn(variable=variable, over=value, body=body)))
        case "sum":
            return draw(_compared(ast.SumIn(variable=variable, over=value, body=local)))
        case "sum of ages":
            return draw(_compared(ast.SumIn(variable=variable, over=value, body=_member(local, "age"))))
        case "named":
            return ast.Use(name="named", arguments=(value, ast.Text(value=draw(st.sampled_from(TEXTS)))))
        case "members":
            return ast.In(item=ast.Text(value=draw(st.sampled_from(TEXTS))), over=_member(value, "name"))
        case "in":
            return ast.In(item=ast.Text(value=draw(st.sampled_from(TEXTS))), over=value)
    return draw(_compared(ast.Length(body=value)))


@st.composite
def _past(draw: st.DrawFn, names: Names, depth: int) -> ast.Expr:
    """An operator that looks back, with conditions about the event that it finds."""
    event = draw(_events(names))
    inside = names | {name: kind for name, (_, _, kind) in event_parts(world(), event).items()}
    inner = _conditions(inside, depth - 1)
    where = draw(st.none() | inner)
    kind = draw(st.sampled_from(("once", "last", "previous", "since", "absent", "count", "sum")))
    within = draw(st.none() | _spans())
    match kind:
        case "once":
            return ast.Once(event=event, where=where, within=within)
        case "last":
            return ast.Last(event=event, where=where, has=draw(inner))
        case "previous":
            return ast.Previous(event=event, has=where)
        case "since":
            held = _conditions(names | {"stamp": TimeType()}, depth - 1)
            return ast.Since(body=draw(held), event=event, where=where)
        case "absent":
            return ast.Since(absent=draw(_events(names)), event=event, where=where)
        case "count":
            return draw(_compared(ast.CountEvents(event=event, where=where, within=within)))
    numbers = [_name(name) for name, found in inside.items() if isinstance(found, NumberType)]
    amounts: list[ast.Expr] = [ast.Number(value=1), *numbers]
    value = draw(st.sampled_from(amounts))
    return draw(_compared(ast.SumEvents(value=value, event=event, where=where, within=within)))


@st.composite
def _events(draw: st.DrawFn, names: Names) -> ast.Pattern:
    kind: Any = draw(
        st.sampled_from(
            ("message", "reply", "thought", "approval", "grant", "any", "fact", "result", "call", "denied", "proposed")
        )
    )
    if kind == "fact":
        return ast.Pattern(kind="fact", fact=draw(st.none() | st.sampled_from(sorted(FACTS))))
    if kind not in ("result", "call", "denied", "proposed"):
        return ast.Pattern(kind=kind)
    failed = kind == "result" and draw(st.integers(0, 4)) == 0
    if draw(st.integers(0, 3)) == 0:
        return ast.Pattern(kind=kind, effect=draw(st.none() | st.sampled_from(EFFECTS)), failed=failed)
    tool = draw(st.sampled_from(sorted(world().tools)))
    texts = [name for name, found in names.items() if isinstance(found, TextType)]
    values: list[ast.Expr] = [*(ast.Text(value=text) for text in TEXTS[:2]), *map(_name, texts)]
    keys = [field.name for field in world().tools[tool].parameters if isinstance(field.type, TextType)]
    bindings: tuple[ast.Binding, ...] = ()
    bound = draw(st.booleans())
    if keys and bound:
        bindings = (ast.Binding(name=draw(st.sampled_from(keys)), value=draw(st.sampled_from(values))),)
    return ast.Pattern(kind=kind, tool=tool, arguments=bindings, failed=failed)


def _name(path: str) -> ast.Name:
    return ast.Name(path=tuple(path.split(".")))


def _member(base: ast.Expr, name: str) -> ast.Expr:
    """The way in which an author writes it: one dotted name where there is one."""
    if isinstance(base, ast.Name):
        return ast.Name(path=(*base.path, name))
    return ast.Member(base=base, name=name)


def _spans() -> st.SearchStrategy[ast.Duration]:
    return st.sampled_from(SPANS).map(lambda ms: ast.Duration(ms=ms))
