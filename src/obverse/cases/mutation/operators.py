"""The operators: the faults that an author of a policy makes, each a function from a place to what may stand there instead.

They look at the tree as written, so that a change reads as an author would have written it; whether the result means anything
is for `policy.check` to say. The list follows those of mutation testing for conditions (Jia and Harman 2011, section 3) and
adds what a policy has besides: windows, looking back, exceptions, keys, limits, verdicts, heads. Drop, negate, shift, swap:
each changes one thing. Not here: which of them are the same policy after all.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from decimal import Decimal
from typing import Any, Final

import msgspec

from obverse.cases.mutation import past, whole
from obverse.cases.mutation.sites import Site
from obverse.cases.mutation.vocabulary import Vocabulary
from obverse.policy import ast

Changes = Callable[[Site, Vocabulary], Iterator[ast.Node]]

_COMPLEMENT: Final[dict[str, Any]] = {"=": "!=", "!=": "=", "<": ">=", ">=": "<", ">": "<=", "<=": ">"}
_BESIDE: Final[dict[str, Any]] = {"<": "<=", "<=": "<", ">": ">=", ">=": ">"}
_SECOND: Final = 1_000
_ITEMS_TRIED: Final = 8


class Operator(msgspec.Struct, frozen=True, kw_only=True):
    """One kind of fault: its name in reports, what it does in a sentence, and where."""

    name: str
    does: str
    at: Changes


def _drop_condition(site: Site, _: Vocabulary) -> Iterator[ast.Node]:
    node = site.node
    if isinstance(node, ast.And | ast.Or):
        for place in range(len(node.items)):
            rest = (*node.items[:place], *node.items[place + 1 :])
            yield rest[0] if len(rest) == 1 else msgspec.structs.replace(node, items=rest)
    elif isinstance(node, ast.Rule) and node.when is not None:
        yield msgspec.structs.replace(node, when=None)
    elif getattr(node, "where", None) is not None:
        yield msgspec.structs.replace(node, where=None)
    elif isinstance(node, ast.Previous) and node.has is not None:
        yield msgspec.structs.replace(node, has=None)


def _negate(site: Site, _: Vocabulary) -> Iterator[ast.Node]:
    node: Any = site.node
    if isinstance(node, ast.Not):
        yield node.body
    elif site.is_leaf and not isinstance(site.holder, ast.Not):
        yield negated(node)


def negated(node: Any) -> ast.Expr:
    """The condition that is true where this one is false: `<` as `>=`, others with `not`."""
    if isinstance(node, ast.Compare):
        return msgspec.structs.replace(node, op=_COMPLEMENT[node.op])
    return node.body if isinstance(node, ast.Not) else ast.Not(body=node, at=node.at)


def _and_or(site: Site, _: Vocabulary) -> Iterator[ast.Node]:
    match site.node:
        case ast.And(items=items, at=at):
            yield ast.Or(items=items, at=at)
        case ast.Or(items=items, at=at):
            yield ast.And(items=items, at=at)


def _threshold(site: Site, _: Vocabulary) -> Iterator[ast.Node]:
    """One unit of the last digit written, or a second, up and down; limits and windows are operators of their own."""
    node = site.node
    if site.field in ("to", "within", "per", "span"):
        return
    for sign in (1, -1):
        match node:
            case ast.Number():
                yield ast.Number(value=shifted(node.value, sign), at=node.at)
            case ast.Duration() | ast.Time():
                yield msgspec.structs.replace(node, ms=node.ms + sign * _SECOND)


def shifted(value: int | Decimal, sign: int) -> int | Decimal:
    """The number, `sign` units of its last digit further."""
    exponent = value.as_tuple().exponent if isinstance(value, Decimal) else 0
    return value + sign * (Decimal(1).scaleb(exponent) if isinstance(exponent, int) and exponent < 0 else 1)


def _comparison(site: Site, _: Vocabulary) -> Iterator[ast.Node]:
    if isinstance(site.node, ast.Compare) and site.node.op in _BESIDE:
        yield msgspec.structs.replace(site.node, op=_BESIDE[site.node.op])


def _quantifier(site: Site, _: Vocabulary) -> Iterator[ast.Node]:
    if isinstance(site.node, ast.Quantified):
        yield msgspec.structs.replace(site.node, kind="all" if site.node.kind == "any" else "any")


def _arithmetic(site: Site, _: Vocabulary) -> Iterator[ast.Node]:
    if isinstance(site.node, ast.Arith) and site.node.op in ("+", "-"):
        yield msgspec.structs.replace(site.node, op="-" if site.node.op == "+" else "+")


def _widen_test(site: Site, _: Vocabulary) -> Iterator[ast.Node]:
    """A glob, an expression or a text test that lets more through."""
    node = site.node
    if not isinstance(node, ast.TextTest) or not isinstance(node.pattern, ast.Text):
        return
    pattern = node.pattern.value
    match node.op:
        case "like":
            wider = [pattern + "*", "*" + pattern, pattern.replace("?", "*")]
            for text in dict.fromkeys(one.replace("**", "*") for one in wider):
                if text != pattern:
                    yield _tested(node, text)
        case "matches":
            flags, body = _flags(pattern)
            whole = f"(?:{body})" if "|" in body else body
            if not body.endswith(".*"):
                yield _tested(node, f"{flags}{whole}.*")
            if not body.startswith(".*"):
                yield _tested(node, f"{flags}.*{whole}")
        case "starts with" | "ends with":
            yield msgspec.structs.replace(node, op="contains")
        case "at domain":
            yield msgspec.structs.replace(node, op="ends with")


def _flags(pattern: str) -> tuple[str, str]:
    """The flags that an expression begins with, and the rest."""
    found = re.match(r"\(\?[a-zA-Z]+\)", pattern)
    return (found[0], pattern[found.end() :]) if found else ("", pattern)


def _tested(node: ast.TextTest, pattern: str) -> ast.TextTest:
    return msgspec.structs.replace(node, pattern=ast.Text(value=pattern, at=node.pattern.at))


def _text(site: Site, words: Vocabulary) -> Iterator[ast.Node]:
    """Another value of the same enum; of a free text, one that lost its last letter."""
    node, holder = site.node, site.holder
    if not isinstance(node, ast.Text) or (isinstance(holder, ast.TextTest) and holder.op in ("like", "matches")):
        return
    if isinstance(holder, ast.Rule | ast.LetTerm):  # what the agent is told
        return
    other = words.other_value(node.value)
    yield ast.Text(value=other or node.value[:-1] or f"{node.value}x", at=node.at)


def _item(site: Site, _: Vocabulary) -> Iterator[ast.Node]:
    """A list without one of its elements; of a long list the first and the last ones."""
    node = site.node
    if isinstance(node, ast.Listing) and len(node.items) > 1:
        places = range(len(node.items))
        half = _ITEMS_TRIED // 2
        for place in places if len(places) <= _ITEMS_TRIED else (*places[:half], *places[-half:]):
            yield msgspec.structs.replace(node, items=(*node.items[:place], *node.items[place + 1 :]))


OPERATORS: Final = (
    Operator(name="drop condition", does="a condition is left out", at=_drop_condition),
    Operator(name="negate condition", does="a condition says the opposite", at=_negate),
    Operator(name="and/or", does="`and` where `or` was meant, or the other way round", at=_and_or),
    Operator(name="threshold", does="a number or time is one unit of its last digit off", at=_threshold),
    Operator(name="comparison", does="`<` for `<=`, `>` for `>=`, and back", at=_comparison),
    Operator(name="window", does="a window is a second off, twice as long, or not there", at=past.window),
    Operator(name="look back", does="`once`, `previous`, `last`, `since` are mixed up", at=past.look_back),
    Operator(name="event", does="another kind of event: proposed for executed, failed for done", at=past.event),
    Operator(name="binding", does="an earlier event is not tied to this step", at=past.binding),
    Operator(name="exception", does="an exception is left out", at=whole.exception),
    Operator(name="drop rule", does="a rule is left out", at=whole.drop_rule),
    Operator(name="verdict", does="a rule says another verdict", at=whole.verdict),
    Operator(name="head", does="a rule speaks of other steps", at=whole.head),
    Operator(name="key", does="a limit counts everybody together", at=whole.key),
    Operator(name="limit", does="a limit is one off", at=whole.limit),
    Operator(name="people", does="one person more or less has to agree", at=whole.people),
    Operator(name="widen test", does="a glob or a test of a text lets more through", at=_widen_test),
    Operator(name="text", does="a constant is another one", at=_text),
    Operator(name="list", does="an element of a list is missing", at=_item),
    Operator(name="quantifier", does="`any` for `all`, and back", at=_quantifier),
    Operator(name="arithmetic", does="`+` for `-`, and back", at=_arithmetic),
)
"""All operators that change one rule or definition; `precedence` changes two and stands in `mutants`."""

PRECEDENCE: Final = "precedence"
"""Two rules that may speak of one step exchange their verdicts: which of them wins is the other way round."""

NAMES: Final = (*(operator.name for operator in OPERATORS), PRECEDENCE)
