"""Hypothesis strategies: policies that mean something, and transcripts that they speak of, over one small set of terms.

`checked_policies` and `scenarios` fit together: small pools of values make coincidences common, so that rules really fire.
Trees for the printer and the parser, whether they mean something or not, are in `testing.trees`.

Generators have one settings record, `Size`; what is drawn shrinks towards short and plain.
"""

from __future__ import annotations

import json
from decimal import Decimal
from functools import cache
from typing import Any, Final

import msgspec
from hypothesis import strategies as st

from obverse.core.events import (
    AnyEvent,
    Approval,
    Call,
    Denied,
    Fact,
    Grant,
    Message,
    Reply,
    Result,
    Step,
    System,
    Thought,
)
from obverse.policy import ast
from obverse.policy.check import check
from obverse.policy.checked import Checked
from obverse.policy.decide import call_digest
from obverse.policy.declare import declared
from obverse.policy.faults import Faults
from obverse.policy.parse import parse
from obverse.policy.print import layout
from obverse.policy.scope import World, event_parts
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


class Size(msgspec.Struct, frozen=True, kw_only=True):
    """How much is generated; each field says where it bites."""

    rules: int = 3
    """Most rules of a policy: conflicts between rules need two."""

    depth: int = 3
    """How deep conditions nest: scopes in scopes need three."""

    events: int = 8
    """Most events of a history: an operator in an operator needs some."""

    oddities: bool = True
    """Whether arguments and results may be missing, of a wrong type or malformed, and times absent."""


TERMS: Final = """\
tool look(id: text) -> (cabin: one of "basic", "economy", "business", price: number, booked: time, insured: bool,
    people: list of (name: text, age: integer), seats: map of integer, note: text optional) effect read
tool pay(to: text, amount: number, memo: text optional) effect money, write asks "Please pay {to} {amount}."
tool cancel(id: text, reasons: list of text) -> bool effect write
tool ping() -> text folded
fact user.tier: one of "regular", "gold" from host
fact user.verified: bool from host
fact user.limit: number
fact trip.start: time
judged message.says_yes "The user agrees." yes "Yes, please." no "Let me think."
judged message.asks_refund "The user asks for money back." yes "Refund me." no "Hello."
judged message.names_acme "The user names Acme." matches "(?is).*acme.*" yes "alice@acme.com" no "B"
judged reply.gives_advice "The reply gives advice." yes "You should rest." no "Good morning."
judged thought.plans_harm "The thought plans harm." yes "I will break it." no "I will help."
let large(a) = a > 100
let calm = not message.asks_refund
let named(list, who) = any one in list: one.name = who
"""
"""The terms that everything here speaks of, as a `terms` block."""

START: Final = 1_767_607_200_000
HOUR: Final = 3_600_000
_TEXTS = ("A", "B", "alice@acme.com", "bob@evil.example", "")
_NUMBERS = (0, 1, 2, 100, 101, Decimal("99.99"), -5)
_SPANS = (0, 1_000, HOUR, 24 * HOUR)
_EFFECTS = ("read", "money", "write")
_JUDGED = (
    "message.says_yes",
    "message.asks_refund",
    "message.names_acme",
    "reply.gives_advice",
    "reply.refuses",
    "thought.plans_harm",
)
_FACTS = {
    "user.tier": ("regular", "gold", "odd"),
    "user.verified": (True, False),
    "user.limit": (0, 100),
    "trip.start": (),
}


@cache
def world() -> World:
    """What `TERMS` declares."""
    return declared(_base(), Faults("strategies"))


@cache
def _base() -> ast.Policy:
    return parse(f"---\npolicy: generated\nversion: 1\n---\n```terms\n{TERMS}```\n")


def document_of(policy: ast.Policy) -> str:
    """The policy as a document: `parse` of it gives the policy again."""
    default = ", ".join(f"{name}: {getattr(policy.default, name)}" for name in policy.default.__struct_fields__)
    front = [f"policy: {json.dumps(policy.name)}", f"version: {json.dumps(policy.version)}", f"default: {{{default}}}"]
    front += [f"levels: [{', '.join(policy.levels)}]", f'timezone: "{policy.timezone}"']
    parts = ["---", *front, "---", "", policy.prose, "", "```terms", *map(layout, policy.terms), "```"]
    for clause in policy.clauses:
        flags = (
            f"#{clause.id} level={clause.level} severity={clause.severity}{' inviolable' if clause.inviolable else ''}"
        )
        parts += ["", f"## {clause.title} {{{flags}}}", "", clause.prose]
        parts += ["", "```rule", *map(layout, clause.rules), "```"] if clause.rules else []
    return "\n".join(parts) + "\n"


# --- policies that mean something ---------------------------------------------------------------------------------------


def checked_policies(size: Size = Size()) -> st.SearchStrategy[Checked]:  # noqa: B008  # frozen
    """Policies over `TERMS`, checked; every operator of the language occurs."""
    return policies(size).map(check)


@st.composite
def policies(draw: st.DrawFn, size: Size = Size()) -> ast.Policy:  # noqa: B008  # frozen
    """Policies over `TERMS` that `check` accepts."""
    base, count = _base(), draw(st.integers(1, size.rules))
    clauses = [
        ast.Clause(
            id=f"c{number + 1}",
            title=f"Clause {number + 1}",
            prose="",
            level=draw(st.sampled_from(base.levels)),
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
    return msgspec.structs.replace(base, clauses=tuple(clauses), default=default)


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
            return (ast.Head(kind="any", effect=draw(st.sampled_from(_EFFECTS))),), {}
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
    fixed: list[ast.Expr] = [ast.TurnHasText(), _name("calm"), *map(_name, _JUDGED)]
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
    right = st.sampled_from([*(ast.Text(value=text) for text in _TEXTS), *others])
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
    operand = st.sampled_from([*(ast.Number(value=number) for number in _NUMBERS), ast.TurnCalls(), *others])
    sums = st.builds(
        lambda op, left, right: ast.Arith(op=op, left=left, right=right), st.sampled_from("+-*/"), operand, operand
    )
    return st.one_of(_compared(value), use, sums.flatmap(_compared))


def _compared(value: ast.Expr) -> st.SearchStrategy[ast.Expr]:
    return st.builds(
        lambda op, number: ast.Compare(op=op, left=value, right=ast.Number(value=number)),
        st.sampled_from(("=", "!=", "<", "<=", ">", ">=")),
        st.sampled_from(_NUMBERS),
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
            return ast.Use(name="named", arguments=(value, ast.Text(value=draw(st.sampled_from(_TEXTS)))))
        case "members":
            return ast.In(item=ast.Text(value=draw(st.sampled_from(_TEXTS))), over=_member(value, "name"))
        case "in":
            return ast.In(item=ast.Text(value=draw(st.sampled_from(_TEXTS))), over=value)
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
        return ast.Pattern(kind="fact", fact=draw(st.none() | st.sampled_from(sorted(_FACTS))))
    if kind not in ("result", "call", "denied", "proposed"):
        return ast.Pattern(kind=kind)
    failed = kind == "result" and draw(st.integers(0, 4)) == 0
    if draw(st.integers(0, 3)) == 0:
        return ast.Pattern(kind=kind, effect=draw(st.none() | st.sampled_from(_EFFECTS)), failed=failed)
    tool = draw(st.sampled_from(sorted(world().tools)))
    texts = [name for name, found in names.items() if isinstance(found, TextType)]
    values: list[ast.Expr] = [*(ast.Text(value=text) for text in _TEXTS[:2]), *map(_name, texts)]
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
    return st.sampled_from(_SPANS).map(lambda ms: ast.Duration(ms=ms))


# --- transcripts --------------------------------------------------------------------------------------------------------


@st.composite
def scenarios(draw: st.DrawFn, size: Size = Size()) -> tuple[tuple[AnyEvent, ...], Step]:  # noqa: B008  # frozen
    """A history and a step after it, over the tools, facts and judged predicates of `TERMS`."""
    history = draw(histories(size))
    turn = max((event.turn for event in history), default=0) + 1
    now = draw(_moment(history[-1].time if history else None, size))
    proposed = [draw(_step(f"s{place + 1}", now, turn, size)) for place in range(draw(st.integers(1, 3)))]
    event = draw(st.sampled_from(proposed))
    approvals = draw(st.integers(0, 2)) if draw(st.integers(0, 3)) == 0 else 0
    people = [
        Approval(
            id=f"p{place + 1}", time=history[-1].time if history else now, turn=turn, call=call_digest(event), by=by
        )
        for place, by in enumerate(("ann", "bo")[:approvals])
    ]
    return (*history, *people), Step(event=event, turn=tuple(proposed))


@st.composite
def histories(draw: st.DrawFn, size: Size = Size()) -> tuple[AnyEvent, ...]:  # noqa: B008  # frozen
    """Well-formed histories: ids are unique, times do not decrease, results follow their calls."""
    events: list[AnyEvent] = []
    open_: list[Call] = []
    for number in range(draw(st.integers(0, size.events))):
        time = draw(_moment(next((event.time for event in reversed(events) if event.time is not None), None), size))
        common = {"id": f"e{number + 1}", "time": time, "turn": number}
        kinds = ["message", "call", "call", "reply", "denied", "fact", "thought", "system", "approval", "grant"]
        kind = draw(st.sampled_from((["result"] * 4 if open_ else []) + kinds))
        event = draw(_event(kind, common, open_, size))
        if isinstance(event, Call):
            open_.append(event)
        events.append(event)
    return tuple(events)


@st.composite
def _event(draw: st.DrawFn, kind: str, common: dict[str, Any], open_: list[Call], size: Size) -> AnyEvent:
    texts = st.sampled_from(_TEXTS)
    match kind:
        case "message" | "reply" | "thought":
            made: dict[str, type[Message | Reply | Thought]] = {"message": Message, "reply": Reply, "thought": Thought}
            names = [name for name in _JUDGED if name.startswith(kind)]
            labels = draw(st.dictionaries(st.sampled_from(names), st.booleans()))
            return made[kind](**common, text=draw(texts), labels=labels)
        case "system":
            return System(**common, text=draw(texts))
        case "call" | "denied":
            tool = draw(_tools(size))
            arguments = draw(_arguments_of(tool, size))
            shape = Call if kind == "call" else Denied
            return shape(**common, call_id=f"k{common['id']}", tool=tool, arguments=arguments)
        case "result":
            call = open_.pop(draw(st.integers(0, len(open_) - 1)))
            output = draw(_output_of(call.tool, size))
            failed = draw(st.integers(0, 4)) == 0
            return Result(**common, call_id=call.call_id, tool=call.tool, output=output, failed=failed)
        case "fact":
            name = draw(st.sampled_from(sorted(_FACTS)))
            value = draw(_iso_times()) if name == "trip.start" else draw(st.sampled_from(_FACTS[name]))
            return Fact(**common, name=name, value=value)
        case "approval":
            return Approval(**common, call=f"sha256:{'0' * 64}", by="ann")
    return Grant(**common, grant="g1", clauses=("c1",))


@st.composite
def _step(draw: st.DrawFn, name: str, time: int | None, turn: int, size: Size) -> Call | Reply:
    if draw(st.integers(0, 3)) == 0:
        labels = draw(st.dictionaries(st.sampled_from(("reply.gives_advice", "reply.refuses")), st.booleans()))
        return Reply(id=name, time=time, turn=turn, text=draw(st.sampled_from(_TEXTS)), labels=labels)
    tool = draw(_tools(size))
    arguments = draw(_arguments_of(tool, size))
    return Call(id=name, time=time, turn=turn, call_id=f"k{name}", tool=tool, arguments=arguments)


def _tools(size: Size) -> st.SearchStrategy[str]:
    return st.sampled_from([*sorted(world().tools) * 3, *(["stranger"] if size.oddities else [])])


@st.composite
def _moment(draw: st.DrawFn, before: int | None, size: Size) -> int | None:
    if size.oddities and draw(st.integers(0, 11)) == 0:
        return None
    return (START if before is None else before) + draw(st.sampled_from((0, 1, 1_000, HOUR, 24 * HOUR, 24 * HOUR + 1)))


@st.composite
def _arguments_of(draw: st.DrawFn, tool: str, size: Size) -> str:
    """The raw arguments of a call, mostly as declared."""
    if size.oddities and draw(st.integers(0, 14)) == 0:
        return draw(
            st.sampled_from(("", "{", "[]", '{"id": "A", "id": "B"}', '{"extra": 1}', '{"to": 5}', '{"amount": "7"}'))
        )
    known = world().tools.get(tool)
    fields = known.parameters if known else ()
    return _written({field.name: draw(_json(field.type, size)) for field in fields if not _left_out(draw, field, size)})


def _left_out(draw: st.DrawFn, field: Any, size: Size) -> bool:
    return bool(draw(st.integers(0, 1 if field.optional else 9)) == 0 and (field.optional or size.oddities))


@st.composite
def _output_of(draw: st.DrawFn, tool: str, size: Size) -> str:
    if size.oddities and draw(st.integers(0, 11)) == 0:
        return draw(st.sampled_from(("", "Error", "{}", "null", "[1]")))
    known = world().tools.get(tool)
    returned = known.returns if known else None
    return "done" if returned is None else _written(draw(_json(returned, size)))


def _json(kind: Type, size: Size) -> st.SearchStrategy[Any]:
    """JSON values of a type."""
    match kind:
        case BoolType():
            return st.booleans()
        case EnumType():
            return st.sampled_from(kind.values)
        case NumberType():
            return st.sampled_from([number for number in _NUMBERS if isinstance(number, int) or not kind.integer])
        case TimeType():
            return _iso_times()
        case ListType():
            return st.lists(_json(kind.item, size), max_size=3)
        case MapType():
            return st.dictionaries(st.sampled_from(_TEXTS[:3]), _json(kind.item, size), max_size=2)
        case RecordType():
            required = {field.name: _json(field.type, size) for field in kind.fields if not field.optional}
            optional = {field.name: _json(field.type, size) for field in kind.fields if field.optional}
            return st.fixed_dictionaries(required, optional=optional)
    return st.sampled_from(_TEXTS)


def _iso_times() -> st.SearchStrategy[str]:
    return st.sampled_from(("2026-01-05T10:00:00Z", "2026-01-05T11:00:00Z", "2026-01-06", "2026-01-04T10:00:00+00:00"))


def _written(value: Any) -> str:
    return msgspec.json.Encoder(decimal_format="number").encode(value).decode()
