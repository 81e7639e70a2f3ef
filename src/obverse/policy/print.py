"""`text_of`: every node in its canonical form, as an author would write it, with no more parentheses than it needs.

Reading what was printed gives the same node again. Resolved nodes, which nobody writes, print as the names that they came
from. It is pure and light: `decide` words its explanations with it.

Precedence, loosest first: `or`; `and`; the prefixes (`not`, `any`, `all`, `once`, `last`, `previous`, `no`); `since`;
comparisons; `+ -`; `* /`; the rest. A prefix reaches as far to the right as it can, so where something follows that it
would swallow, it stands in parentheses.
"""

from __future__ import annotations

import datetime as dt
import re
from typing import Any, Final

from obverse.core.canon import number_text
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
from obverse.policy.wrap import wrapped

WIDTH: Final = 100
"""Statements longer than this are broken into lines, at their parts first."""

RESERVED: Final = frozenset(
    "and or not in any all once last previous no true false now when unless where has since".split()  # noqa: SIM905  # reads better
)
_KINDS = ("message", "reply", "thought", "approval", "grant")
_EVENT_WORDS = frozenset((*_KINDS, "call", "denied", "proposed", "result", "fact", "any", "event"))
_CALLED = frozenset(("sum", "count", "length"))
_PLAIN = re.compile(r"[^\W\d]\w*")

OR, AND, PREFIX, SINCE, TEST, SUM, PRODUCT, ATOM = range(8)  # how tightly a node binds
NOTHING, OPERATOR, CLAUSE, _NEVER = range(4)  # what may follow a node: `and`, `or`; or `where`, `within`, `has`


def text_of(node: ast.Node) -> str:
    """The canonical text of a node, on one line."""
    match node:
        case ast.Rule():
            return " ".join(_rule_parts(node))
        case ast.Head():
            return _head(node)
        case ast.Pattern():
            return _event(node)
        case ast.Binding():
            return f"{_part(node.name)}: {text_of(node.value)}"
        case ast.Clause():
            return f"{node.title} {{#{node.id}}}"
        case ast.Policy():
            return f"{node.name} {node.version}"
        case ast.Tool() | ast.FactTerm() | ast.JudgedTerm() | ast.LetTerm() | ast.ImportTerm():
            return " ".join(_term_parts(node))
        case ast.EffectTerm() | ast.ResultTerm() | ast.AsksTerm():
            return " ".join(_term_parts(node))
    return _text(_told_apart(node), OR, followed=NOTHING)


def layout(node: ast.Rule | ast.Term) -> str:
    """The statement as `fmt` writes it: on one line if it is short, else its parts on lines of their own."""
    parts = _rule_parts(node) if isinstance(node, ast.Rule) else _term_parts(node)
    line = " ".join(parts)
    if len(line) <= WIDTH:
        return line
    first, *others = parts
    return "\n    ".join((wrapped(first, WIDTH), *(wrapped(part, WIDTH, indent=4) for part in others)))


def type_text(kind: Type) -> str:
    """The type as it is declared."""
    match kind:
        case TextType():
            return "text folded" if kind.folded else "text"
        case NumberType():
            return ("integer" if kind.integer else "number") + (" from text" if kind.from_text else "")
        case BoolType():
            return "bool"
        case TimeType():
            return "time"
        case DurationType():
            return "duration"
        case EnumType():
            return "one of " + ", ".join(literal(value) for value in kind.values)
        case JsonType():
            return "json"
        case ListType():
            return f"list of {type_text(kind.item)}"
        case MapType():
            return f"map of {type_text(kind.item)}"
        case RecordType():
            return f"({_fields(kind.fields)})"


def literal(text: str) -> str:
    """The text in quotation marks; what does not print is escaped."""
    return '"' + "".join(_ESCAPES.get(character) or _visible(character) for character in text) + '"'


def duration_text(ms: int) -> str:
    """`36h`, `2d`, `1h30m`: days from two on and only whole, else hours and smaller."""
    if ms % 86_400_000 == 0 and ms >= 2 * 86_400_000:
        return f"{ms // 86_400_000}d"
    parts = []
    for unit, size in (("h", 3_600_000), ("m", 60_000), ("s", 1_000), ("ms", 1)):
        count, ms = divmod(ms, size)
        if count:
            parts.append(f"{count}{unit}")
    return "".join(parts) or "0s"


def time_text(ms: int) -> str:
    """The time in ISO 8601, in UTC."""
    moment = _EPOCH + dt.timedelta(milliseconds=ms)
    whole = moment.strftime("%Y-%m-%dT%H:%M:%S").rjust(19, "0")
    return f"{whole}{f'.{ms % 1000:03d}' if ms % 1000 else ''}Z"


def name_text(name: str, *, reserved: frozenset[str] = frozenset()) -> str:
    """One part of a name, in backticks where it is not a plain word or would be read as a word of the language."""
    plain = _PLAIN.fullmatch(name) and name not in RESERVED and name not in reserved
    return name if plain else f"`{name}`"


# --- conditions and values ----------------------------------------------------------------------------------------------


def _text(node: Any, needs: int, *, followed: int) -> str:
    """The text of an expression where one of precedence `needs` may stand, `followed` by what may come after it."""
    strength, takes = _strength(node)
    if strength < needs or followed >= takes:
        return f"({_bare(node, followed=NOTHING)})"
    return _bare(node, followed=followed)


def _strength(node: Any) -> tuple[int, int]:
    """How tightly a node binds, and the least of what it would swallow if it followed."""
    match node:
        case ast.Or():
            return OR, _NEVER
        case ast.And():
            return AND, _NEVER
        case ast.Not(body=ast.In()):
            return TEST, _NEVER
        case ast.Not() | ast.Last():
            return PREFIX, _NEVER
        case ast.Quantified():
            return PREFIX, OPERATOR
        case ast.Once():
            return PREFIX, CLAUSE if node.within is None else _NEVER
        case ast.Previous():
            return PREFIX, CLAUSE if node.has is None else _NEVER
        case ast.Since():
            return (PREFIX if node.absent is not None else SINCE), CLAUSE if node.where is None else _NEVER
        case (
            ast.Compare() | ast.In() | ast.TextTest() | ast.Within() | ast.Present() | ast.TurnHasText() | ast.Exceeds()
        ):
            return TEST, _NEVER
        case ast.Arith():
            return (SUM if node.op in "+-" else PRODUCT), _NEVER
    return ATOM, _NEVER


def _bare(node: Any, *, followed: int) -> str:
    """The text without parentheses around it; what ends it is `followed` by what follows it."""
    match node:
        case ast.Text():
            return literal(node.value)
        case ast.Number():
            return number_text(node.value)
        case ast.Boolean():
            return "true" if node.value else "false"
        case ast.Duration():
            return duration_text(node.ms)
        case ast.Time():
            return f"time {literal(time_text(node.ms))}"
        case ast.Now():
            return "now"
        case ast.TurnHasText():
            return "turn has text"
        case ast.TurnCalls():
            return "turn.calls"
        case ast.Listing():
            return f"[{', '.join(map(_inside, node.items))}]"
        case ast.Name():
            return _path(node.path)
        case ast.Use():
            return f"{name_text(node.name, reserved=_CALLED)}({', '.join(map(_inside, node.arguments))})"
        case ast.Argument() | ast.Local():
            return name_text(node.name)
        case ast.FactValue() | ast.JudgedAnswer():
            return dotted_text(node.name)
        case ast.StepPart():
            return "reply.text" if node.part == "text" else node.part
        case ast.EventPart():
            return name_text(node.name) if node.name is not None else node.part
        case ast.Member():
            base = _text(node.base, ATOM, followed=OPERATOR)
            apart = isinstance(node.base, ast.Boolean | ast.Now | ast.TurnCalls | ast.Name)
            return f"{f'({base})' if apart else base}.{_part(node.name)}"
        case ast.Length():
            return f"length({_inside(node.body)})"
        case ast.CountIn() | ast.SumIn():
            word, over = ("count" if isinstance(node, ast.CountIn) else "sum"), _text(node.over, SUM, followed=OPERATOR)
            needs = OR if isinstance(node, ast.CountIn) else SUM
            variable = name_text(node.variable, reserved=_EVENT_WORDS)
            return f"{word}({variable} in {over}: {_text(node.body, needs, followed=NOTHING)})"
        case ast.CountEvents():
            return f"count({_event(node.event)}{_where(node, NOTHING)})"
        case ast.SumEvents():
            return f"sum({_text(node.value, SUM, followed=OPERATOR)} of {_event(node.event)}{_where(node, NOTHING)})"
    return _condition(node, followed=followed)


def _condition(node: Any, *, followed: int) -> str:
    match node:
        case ast.Or() | ast.And():
            word, needs = ("or", AND) if isinstance(node, ast.Or) else ("and", PREFIX)
            *first, last = node.items
            texts = [_text(item, needs, followed=OPERATOR) for item in first]
            return f" {word} ".join([*texts, _text(last, needs, followed=followed)])
        case ast.Not(body=ast.In() as test):
            return f"{_operand(test.item)} not in {_operand(test.over)}"
        case ast.Not():
            return f"not {_text(node.body, PREFIX, followed=followed)}"
        case ast.Compare():
            return f"{_operand(node.left)} {node.op} {_operand(node.right)}"
        case ast.Arith():
            needs = SUM if node.op in "+-" else PRODUCT
            left, right = _text(node.left, needs, followed=OPERATOR), _text(node.right, needs + 1, followed=followed)
            return f"{left} {node.op} {right}"
        case ast.In():
            return f"{_operand(node.item)} in {_operand(node.over)}"
        case ast.TextTest():
            return f"{_operand(node.subject)} {node.op} {_operand(node.pattern)}"
        case ast.Within():
            return f"{_operand(node.left)} within {_operand(node.span)} of {_operand(node.right)}"
        case ast.Present():
            return f"{_operand(node.body)} is present"
        case ast.Quantified():
            body = _text(node.body, OR, followed=NOTHING)
            return f"{node.kind} {name_text(node.variable)} in {_operand(node.over)}: {body}"
        case ast.Once():
            return f"once {_event(node.event)}{_where(node, followed)}"
        case ast.Last():
            where = _where_of(node.where, followed=CLAUSE)
            return f"last {_event(node.event)}{where} has {_text(node.has, PREFIX, followed=followed)}"
        case ast.Previous():
            has = "" if node.has is None else f" has {_text(node.has, PREFIX, followed=followed)}"
            return f"previous {_event(node.event)}{has}"
        case ast.Since():
            held = _text(node.body, TEST, followed=OPERATOR) if node.absent is None else f"no {_event(node.absent)}"
            return f"{held} since {_event(node.event)}{_where_of(node.where, followed=followed)}"
        case ast.Exceeds():
            return _exceeds(node)
    raise TypeError(f"no text for a {type(node).__name__}")


def _told_apart(node: Any) -> Any:
    """The node with `args.x` for an argument of the step that a part of an event would hide by its name."""
    hidden = {part.name for part in ast.walk(node) if isinstance(part, ast.EventPart) and part.name is not None}
    hidden &= {part.name for part in ast.walk(node) if isinstance(part, ast.Argument)}
    return _with_args(node, hidden) if hidden else node


def _with_args(part: Any, hidden: set[str]) -> Any:
    match part:
        case ast.Argument() if part.name in hidden:
            return ast.Name(path=("args", part.name))
        case tuple():
            return tuple(_with_args(item, hidden) for item in part)
        case ast.Node():
            fields = {name: _with_args(getattr(part, name), hidden) for name in part.__struct_fields__ if name != "at"}
            return type(part)(**fields)
    return part


def _inside(node: Any) -> str:
    """The text between brackets, where nothing can follow."""
    return _text(node, OR, followed=NOTHING)


def _operand(node: Any) -> str:
    return _text(node, SUM, followed=OPERATOR)


def _where(node: ast.Once | ast.CountEvents | ast.SumEvents, followed: int) -> str:
    if node.within is None:
        return _where_of(node.where, followed=followed)
    return f"{_where_of(node.where, followed=CLAUSE)} within {duration_text(node.within.ms)}"


def _where_of(where: ast.Expr | None, *, followed: int) -> str:
    return "" if where is None else f" where {_text(where, PREFIX, followed=followed)}"


def _event(event: ast.Pattern) -> str:
    """EVENT as written; a result that did not fail needs no word of its own."""
    failed = " failed" if event.failed else ""
    if event.fact is not None:
        return f"fact {dotted_text(event.fact)}"
    if event.kind in _KINDS:
        return event.kind
    if event.kind == "any":
        return "any event"
    if event.tool is None:
        effect = f" with effect {dotted_text(event.effect)}" if event.effect is not None else ""
        return f"any {event.kind}{effect}{failed}"
    kind = "" if event.kind == "result" and not failed else f"{event.kind} "
    bindings = f"({', '.join(map(text_of, event.arguments))})" if event.arguments else ""
    return f"{kind}{dotted_text(event.tool, reserved=_EVENT_WORDS)}{bindings}{failed}"


def _exceeds(node: ast.Exceeds) -> str:
    heads = ", ".join(map(_head, node.heads))
    what = f"count of {heads}" if node.amount is None else f"sum of {_operand(node.amount)} of {heads}"
    return f"{what}{_per_by(node)} > {number_text(node.to.value)}"


# --- rules and terms ----------------------------------------------------------------------------------------------------


def _rule_parts(rule: ast.Rule) -> list[str]:
    """The parts of a rule, which `fmt` may put on lines of their own."""
    heads = ", ".join(map(_head, rule.heads))
    if rule.kind == "require":
        first = [f"require {_text(rule.requirement, OR, followed=NOTHING)}", f"for {heads}"]
    elif rule.kind == "limit" and rule.to is not None:
        amount = f"sum({_text(rule.amount, SUM, followed=NOTHING)}) of " if rule.amount is not None else ""
        first = [f"limit {amount}{heads} to {number_text(rule.to.value)}{_per_by(rule)}"]
    else:
        first = [f"{rule.kind} {heads}"]
    conditions = [(word, getattr(rule, word)) for word in ("when", "unless") if getattr(rule, word) is not None]
    return [
        *first,
        *(f"{word} {_text(condition, OR, followed=NOTHING)}" for word, condition in conditions),
        *([f"by {rule.people} people"] if rule.people != 1 else []),
        *([f"says {literal(rule.says)}"] if rule.says is not None else []),
        *(["trusting judge"] if rule.trusting_judge else []),
    ]


def _per_by(node: ast.Rule | ast.Exceeds) -> str:
    per = f" per {duration_text(node.per.ms)}" if node.per is not None else ""
    return per + (f" by {_operand(node.by)}" if node.by is not None else "")


def _head(head: ast.Head) -> str:
    if head.kind == "reply":
        return "reply"
    if head.kind == "any":
        return "any call" + (f" with effect {dotted_text(head.effect)}" if head.effect is not None else "")
    binders = ", ".join(f"{_part(name)}: {name_text(bound)}" for name, bound in head.binders)
    return dotted_text(head.tool or "", reserved=frozenset(("any", "reply", "sum"))) + (
        f"({binders})" if binders else ""
    )


def _term_parts(term: ast.Term) -> list[str]:
    match term:
        case ast.Tool():
            returns = f" -> {type_text(term.returns)}" if term.returns is not None else ""
            return [
                f"tool {dotted_text(term.name)}({_fields(term.parameters)}){returns}",
                *([literal(term.description)] if term.description is not None else []),
                *([f"effect {', '.join(map(dotted_text, term.effects))}"] if term.effects else []),
                *([f"asks {_texts(term.asks)}"] if term.asks else []),
            ]
        case ast.FactTerm():
            origin = f" from {_origin(term.origin)}" if term.origin is not None else ""
            return [f"fact {dotted_text(term.name)}: {type_text(term.type)}{origin}"]
        case ast.JudgedTerm():
            name = f"{term.subject}.{name_text(term.name)}"
            examples = [f"{word} {_texts(texts)}" for word, texts in (("yes", term.yes), ("no", term.no)) if texts]
            pattern = [f"matches {literal(term.pattern)}"] if term.pattern is not None else []
            return [f"judged {name} {literal(term.definition)}", *pattern, *examples]
        case ast.LetTerm():
            parameters = f"({', '.join(map(name_text, term.parameters))})" if term.parameters else ""
            return [f"let {name_text(term.name)}{parameters} =", _text(term.body, OR, followed=NOTHING)]
        case ast.ImportTerm():
            return [f"terms from {literal(term.path)}"]
        case ast.EffectTerm():
            return [f"effect {', '.join(map(dotted_text, term.tools))}: {dotted_text(term.effect)}"]
        case ast.ResultTerm():
            return [f"result {dotted_text(term.tool)}: {type_text(term.type)}"]
        case ast.AsksTerm():
            return [f"asks {dotted_text(term.tool)}: {_texts(term.phrases)}"]


def _fields(fields: tuple[Field, ...]) -> str:
    return ", ".join(
        f"{_part(field.name)}: {type_text(field.type)}{' optional' if field.optional else ''}" for field in fields
    )


def _texts(texts: tuple[str, ...]) -> str:
    return ", ".join(map(literal, texts))


def _origin(name: str) -> str:
    return "`text`" if name == "text" else dotted_text(name)


def dotted_text(name: str, *, reserved: frozenset[str] = frozenset()) -> str:
    """A name that may have dots in it, such as a tool's or a fact's."""
    parts = name.split(".")
    if all(_PLAIN.fullmatch(part) for part in parts) and (len(parts) > 1 or name not in RESERVED | reserved):
        return name
    return f"`{name}`"


def _path(path: tuple[str, ...]) -> str:
    """A dotted name; only one without a dot can be taken for a word of the language."""
    if len(path) == 1:
        return name_text(path[0], reserved=frozenset(("turn",)))
    return ".".join(map(_part, path)) if path != ("turn", "calls") else "`turn`.calls"


def _part(name: str) -> str:
    return name if _PLAIN.fullmatch(name) else f"`{name}`"


_ESCAPES = {'"': '\\"', "\\": "\\\\", "\n": "\\n", "\t": "\\t"}
_EPOCH = dt.datetime(1970, 1, 1, tzinfo=dt.UTC)


def _visible(character: str) -> str:
    """The character, or its escapes in UTF-16 as JSON has them."""
    if character.isprintable():
        return character
    units = character.encode("utf-16-be", errors="surrogatepass")
    return "".join(f"\\u{units[place]:02x}{units[place + 1]:02x}" for place in range(0, len(units), 2))
