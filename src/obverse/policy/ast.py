"""The one syntax tree of the rule language, as written and as resolved.

The parser makes it with `Name`, `Use` in it; `check` returns the same tree with those resolved to `Argument`, `EventPart`,
`FactValue`, `JudgedAnswer`, `Local`, or replaced by the body of a definition. Every other node means the same before and
after. Nodes are compared without their spans.

**Position.** An expression is evaluated at a position: the decision point, or an event of the history while inside the
`where`/`has`/`since` of an operator. Past operators and facts look back from the position (strictly earlier events; a fact
event counts at its own position); `now`, the arguments of the step and `turn` are always those of the decision point.

**Three values.** Kleene. Unknown are: an unanswered judged predicate, a missing field, a value of a wrong type, a division
by zero, `last` of nothing, an absent time where a window asks for it, a text test whose answer differs between the text as
written and its skeleton (invisible characters removed, confusables folded).
"""

from __future__ import annotations

from collections.abc import Iterator
from decimal import Decimal
from typing import Any, Literal, TypeAlias

import msgspec

from obverse.core.errors import Span
from obverse.policy.types import Field, Type


class Node(msgspec.Struct, frozen=True, kw_only=True, eq=False, tag_field="node", tag=True):
    """A node of the tree; `at` is where it was written and takes no part in equality, hash or digest."""

    at: Span | None = None

    def parts(self) -> tuple[Any, ...]:
        """The fields but for the span."""
        return tuple(getattr(self, name) for name in self.__struct_fields__ if name != "at")

    def __eq__(self, other: object) -> bool:
        return type(self) is type(other) and self.parts() == other.parts()

    def __ne__(self, other: object) -> bool:
        return not self == other  # the record's own would compare identities

    def __hash__(self) -> int:
        return hash((type(self).__name__, self.parts()))


# --- values -------------------------------------------------------------------------------------------------------------


class Text(Node, frozen=True, kw_only=True):
    """`"a text"`."""

    value: str


class Number(Node, frozen=True, kw_only=True):
    """`100`, `12.50`: exact."""

    value: int | Decimal


class Boolean(Node, frozen=True, kw_only=True):
    """`true`, `false`."""

    value: bool


class Duration(Node, frozen=True, kw_only=True):
    """`24h`, `90s`, `7d`, `1h30m`: in milliseconds."""

    ms: int


class Time(Node, frozen=True, kw_only=True):
    """`time "2024-05-15T15:00:00Z"`: in milliseconds since the epoch."""

    ms: int


class Listing(Node, frozen=True, kw_only=True):
    """`["a", "b"]`."""

    items: tuple[Expr, ...]


# --- names --------------------------------------------------------------------------------------------------------------


class Name(Node, frozen=True, kw_only=True):
    """A dotted name as written; gone after `check`."""

    path: tuple[str, ...]


class Use(Node, frozen=True, kw_only=True):
    """`outside(to)`: a use of a definition with arguments; gone after `check`."""

    name: str
    arguments: tuple[Expr, ...]


class Argument(Node, frozen=True, kw_only=True):
    """An argument of the call that is decided (by the tool's own parameter name; binders are resolved to it)."""

    name: str


class StepPart(Node, frozen=True, kw_only=True):
    """Of the step that is decided: `text` of the reply, or `tool`, the name of the tool that is called."""

    part: Literal["text", "tool"]


class EventPart(Node, frozen=True, kw_only=True):
    """Of an event in scope; `depth` 0 is the innermost `where`/`has`/`since`, 1 the one around it.

    `value` with a name is a field of a result, without one the whole result (or a fact's value); `argument` is an argument
    of a call, or of the call that a result belongs to; `text`, `stamp` (its time), `tool`, `failed`, `by` (who approved).
    """

    depth: int
    part: Literal["value", "argument", "text", "stamp", "tool", "failed", "by"]
    name: str | None = None


class FactValue(Node, frozen=True, kw_only=True):
    """The newest value of a fact at the position; unknown when there is none."""

    name: str


class JudgedAnswer(Node, frozen=True, kw_only=True):
    """The recorded answer of a judged predicate, `message.asks_refund`: of the event at `depth`, or of the step (None)."""

    name: str
    depth: int | None


class Local(Node, frozen=True, kw_only=True):
    """A variable of a quantifier."""

    name: str


# --- logic and arithmetic -----------------------------------------------------------------------------------------------


class Not(Node, frozen=True, kw_only=True):
    """`not C`."""

    body: Expr


class And(Node, frozen=True, kw_only=True):
    """`C and D and …`, two or more, flattened."""

    items: tuple[Expr, ...]


class Or(Node, frozen=True, kw_only=True):
    """`C or D or …`, two or more, flattened."""

    items: tuple[Expr, ...]


class Compare(Node, frozen=True, kw_only=True):
    """`=`, `!=` on equal types; the ordering ones on numbers, times, durations.

    Where exactly one side is a list and the other a scalar of its item type it is an error: say `any`/`all`. Two lists are
    equal element by element.
    """

    op: Literal["=", "!=", "<", "<=", ">", ">="]
    left: Expr
    right: Expr


class Arith(Node, frozen=True, kw_only=True):
    """Exact rational arithmetic on numbers; time ± duration, time - time, duration ± duration, duration * number."""

    op: Literal["+", "-", "*", "/"]
    left: Expr
    right: Expr


class In(Node, frozen=True, kw_only=True):
    """`E in L`: equal to an element of a list, or a key of a map."""

    item: Expr
    over: Expr


class TextTest(Node, frozen=True, kw_only=True):
    """`starts with`, `ends with`, `contains`, `like "glob of the whole value"`, `matches "regular expression of the whole"`,
    `at domain "acme.com"` (the host of an e-mail address or URL is that domain or below it).
    """

    op: Literal["starts with", "ends with", "contains", "like", "matches", "at domain"]
    subject: Expr
    pattern: Expr


class Within(Node, frozen=True, kw_only=True):
    """`E within D of F`: |E - F| <= D, closed at both ends."""

    left: Expr
    span: Expr
    right: Expr


class Present(Node, frozen=True, kw_only=True):
    """`E is present`: true if the value is there and of its type, false if not. Two-valued."""

    body: Expr


class Member(Node, frozen=True, kw_only=True):
    """`E.name`: a field of a record; over a list, the list of that field of each element."""

    base: Expr
    name: str


class Quantified(Node, frozen=True, kw_only=True):
    """`any x in L: C`, `all x in L: C`: Kleene disjunction and conjunction over the elements."""

    kind: Literal["any", "all"]
    variable: str
    over: Expr
    body: Expr


class CountIn(Node, frozen=True, kw_only=True):
    """`count(x in L: C)`: how many elements satisfy C; unknown if C is unknown for one."""

    variable: str
    over: Expr
    body: Expr


class SumIn(Node, frozen=True, kw_only=True):
    """`sum(x in L: E)`."""

    variable: str
    over: Expr
    body: Expr


class Length(Node, frozen=True, kw_only=True):
    """`length(E)` of a list, a map or a text (in code points after NFC)."""

    body: Expr


class Now(Node, frozen=True, kw_only=True):
    """`now`: the time stamp of the step."""


class TurnHasText(Node, frozen=True, kw_only=True):
    """`turn has text`: what is proposed together with this step holds a reply that is not empty."""


class TurnCalls(Node, frozen=True, kw_only=True):
    """`turn.calls`: the number of calls that are proposed together with this step."""


# --- the past -----------------------------------------------------------------------------------------------------------


class Pattern(Node, frozen=True, kw_only=True):
    """EVENT: which events are meant.

    `call T` was executed; `denied T` was proposed and not executed; `proposed T` is either; `result T` came back and did
    not fail; `result T failed` failed; a bare `T` is `result T`. `arguments` must equal those of the call (of the call that
    a result belongs to). `tool` None is any tool, `effect` narrows to tools with it.
    """

    kind: Literal[
        "message", "reply", "thought", "call", "denied", "proposed", "result", "approval", "grant", "fact", "any"
    ]
    tool: str | None = None
    effect: str | None = None
    arguments: tuple[Binding, ...] = ()
    failed: bool = False
    fact: str | None = None


class Binding(Node, frozen=True, kw_only=True):
    """`id: E` in a pattern: the argument `id` of that call equals E (evaluated outside the event's own scope)."""

    name: str
    value: Expr


class Once(Node, frozen=True, kw_only=True):
    """`once EVENT [where C] [within D]`: some earlier event; the window is measured from the position, closed."""

    event: Pattern
    where: Expr | None = None
    within: Duration | None = None


class Last(Node, frozen=True, kw_only=True):
    """`last EVENT [where C] has D`: the newest such event satisfies D; unknown when there is none."""

    event: Pattern
    where: Expr | None = None
    has: Expr


class Previous(Node, frozen=True, kw_only=True):
    """`previous EVENT [has C]`: the event just before the position is such a one and satisfies C; false at the start."""

    event: Pattern
    has: Expr | None = None


class Since(Node, frozen=True, kw_only=True):
    """`C since EVENT [where D]`: there is such an event and C holds at every event after the newest one.

    `no EVENT since EVENT` is written with `absent` instead of a body.
    """

    body: Expr | None = None
    absent: Pattern | None = None
    event: Pattern
    where: Expr | None = None


class CountEvents(Node, frozen=True, kw_only=True):
    """`count(EVENT [where C] [within D])`."""

    event: Pattern
    where: Expr | None = None
    within: Duration | None = None


class SumEvents(Node, frozen=True, kw_only=True):
    """`sum(E of EVENT [where C] [within D])`: E is evaluated in the scope of each event."""

    value: Expr
    event: Pattern
    where: Expr | None = None
    within: Duration | None = None


class Exceeds(Node, frozen=True, kw_only=True):
    """What a `limit` rule fires on; only after `check`.

    The step, the executed calls that match `head` in the window, and matching calls placed before the step in its own turn,
    together number (or sum up `amount` to) more than `to`. With `by`, only calls for which `by` equals the step's value;
    an unknown key counts (L03). `amount` and `by` are evaluated with the arguments of each such call.
    """

    heads: tuple[Head, ...]
    to: Number
    per: Duration | None = None
    by: Expr | None = None
    amount: Expr | None = None


Expr: TypeAlias = (
    Text | Number | Boolean | Duration | Time | Listing | Name | Use | Argument | StepPart | EventPart | FactValue
    | JudgedAnswer | Local | Not | And | Or | Compare | Arith | In | TextTest | Within | Present | Member | Quantified
    | CountIn | SumIn | Length | Now | TurnHasText | TurnCalls | Once | Last | Previous | Since | CountEvents | SumEvents
    | Exceeds
)  # fmt: skip


# --- rules --------------------------------------------------------------------------------------------------------------


class Head(Node, frozen=True, kw_only=True):
    """What a rule is about: a tool, `any call [with effect E]`, or `reply`. `binders` name arguments: `pay(to: t)`."""

    kind: Literal["tool", "any", "reply"]
    tool: str | None = None
    effect: str | None = None
    binders: tuple[tuple[str, str], ...] = ()


RuleKind: TypeAlias = Literal["forbid", "stop", "ask", "warn", "require", "permit", "limit"]


class Rule(Node, frozen=True, kw_only=True):
    """One rule as written. `requirement` only for `require`, `to per by amount` only for `limit`, `people` for `ask`."""

    kind: RuleKind
    heads: tuple[Head, ...]
    when: Expr | None = None
    unless: Expr | None = None
    requirement: Expr | None = None
    to: Number | None = None
    per: Duration | None = None
    by: Expr | None = None
    amount: Expr | None = None
    people: int = 1
    says: str | None = None
    trusting_judge: bool = False


# --- terms --------------------------------------------------------------------------------------------------------------


class Tool(Node, frozen=True, kw_only=True):
    """`tool NAME(params) [-> type] [effect E, …]`. A tool without a declared effect is treated as one that has effects.

    `asks` are phrases in which a user asks for it, with `{parameter}` holes: they give test cases their words.
    """

    name: str
    parameters: tuple[Field, ...] = ()
    returns: Type | None = None
    effects: tuple[str, ...] = ()
    description: str | None = None
    asks: tuple[str, ...] = ()

    def parameter(self, name: str) -> Field | None:
        """The parameter of this name, if there is one."""
        return next((field for field in self.parameters if field.name == name), None)


class FactTerm(Node, frozen=True, kw_only=True):
    """`fact user.tier: T [from host]`."""

    name: str
    type: Type
    origin: str | None = None


class JudgedTerm(Node, frozen=True, kw_only=True):
    """`judged SUBJECT.name "definition" matches "…" yes "…" no "…"`: a question about a text.

    A recorded answer counts. Without one the `pattern` decides, as `text matches` would; without a pattern a judge is asked.
    """

    subject: Literal["message", "reply", "thought", "result"]
    name: str
    definition: str
    pattern: str | None = None
    yes: tuple[str, ...] = ()
    no: tuple[str, ...] = ()

    @property
    def full_name(self) -> str:
        """`message.asks_refund`, the key in the labels of events."""
        return f"{self.subject}.{self.name}"


class LetTerm(Node, frozen=True, kw_only=True):
    """`let outside(a) = not a at domain "acme.com"`: a definition, expanded where it is used; never recursive."""

    name: str
    parameters: tuple[str, ...] = ()
    body: Expr


class ImportTerm(Node, frozen=True, kw_only=True):
    """`terms from "tools.json"`: tools of an OpenAI function list, a JSON Schema or an MCP tool list; `digest` of the file."""

    path: str
    digest: str | None = None


class EffectTerm(Node, frozen=True, kw_only=True):
    """`effect refund, pay: money`."""

    tools: tuple[str, ...]
    effect: str


class ResultTerm(Node, frozen=True, kw_only=True):
    """`result get_user: (tier: text)`."""

    tool: str
    type: Type


class AsksTerm(Node, frozen=True, kw_only=True):
    """`asks cancel: "Please cancel {id}."`: phrases added to imported tools."""

    tool: str
    phrases: tuple[str, ...]


Term: TypeAlias = Tool | FactTerm | JudgedTerm | LetTerm | ImportTerm | EffectTerm | ResultTerm | AsksTerm


# --- documents ----------------------------------------------------------------------------------------------------------


class Defaults(msgspec.Struct, frozen=True, kw_only=True):
    """The front matter's `default`; what is not said is the strict one."""

    calls: Literal["deny-unknown-tools", "ask-unknown-tools", "allow-unknown-tools"] = "deny-unknown-tools"
    arguments: Literal["deny-unknown", "allow-unknown"] = "deny-unknown"
    replies: Literal["allow", "deny"] = "allow"
    turn: Literal["whole", "allowed-part"] = "whole"


class Clause(Node, frozen=True, kw_only=True):
    """A heading with an attribute block, its prose and its rules. Without a rule it is *not formalised*."""

    id: str
    title: str
    prose: str
    level: str
    severity: Literal["low", "medium", "high", "critical"] = "medium"
    inviolable: bool = False
    rules: tuple[Rule, ...] = ()


class Policy(Node, frozen=True, kw_only=True):
    """A document as parsed. `levels` are named highest first. `imported` are the tools that `terms from` brought in.

    `prose` is the text that belongs to no clause.
    """

    name: str
    version: str
    default: Defaults = Defaults()
    levels: tuple[str, ...] = ("platform", "developer", "user")
    timezone: str = "+00:00"
    terms: tuple[Term, ...] = ()
    imported: tuple[Tool, ...] = ()
    clauses: tuple[Clause, ...] = ()
    prose: str = ""


def children(node: Node) -> Iterator[Node]:
    """The nodes right below this one, in the order of its fields."""
    for part in node.parts():
        for item in part if isinstance(part, tuple) else (part,):
            if isinstance(item, Node):
                yield item


def walk(node: Node) -> Iterator[Node]:
    """This node and all below it, top down, left to right."""
    yield node
    for child in children(node):
        yield from walk(child)
