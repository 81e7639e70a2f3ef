"""What a monitor keeps for each rule, with how much of it there can be at most while the policy is kept.

`policy.memory` says what is kept; here stands how much, in events: a window of calls that a `limit` counts holds no more of
them than that allows. A number is a bound for one session, and for one value of each key; None where nothing bounds it.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import msgspec

from obverse.policy import ast
from obverse.policy.checked import Checked, CheckedRule
from obverse.policy.memory import memory_of
from obverse.policy.print import duration_text, text_of


class Remembered(msgspec.Struct, frozen=True, kw_only=True):
    """One thing that is kept for a rule. `bounded`: whatever happens, it is so much; `most`: events of a window at most."""

    rule: str
    keeps: str
    bounded: bool
    within_ms: int | None = None
    most: int | None = None


def remembered(checked: Checked) -> tuple[Remembered, ...]:
    """Everything that is kept, in the order of the rules."""
    return tuple(one for rule in checked.rules for one in kept_for(checked, rule))


def kept_for(checked: Checked, rule: CheckedRule) -> Iterator[Remembered]:
    """What is kept for one rule."""
    windows = {text: (span, most) for text, span, most in _windows(checked, rule)}
    for memory in memory_of(rule):
        span, most = windows.get(memory.keeps, (None, None))
        yield Remembered(rule=rule.id, keeps=memory.keeps, bounded=memory.bounded, within_ms=span, most=most)


def _windows(checked: Checked, rule: CheckedRule) -> Iterator[tuple[str, int, int | None]]:
    """The windows of a rule as `policy.memory` words them, how long each is, and how many events it can hold."""
    for node in ast.walk(rule.fires):
        match node:
            case ast.Once() | ast.CountEvents() | ast.SumEvents() if node.within is not None:
                span = node.within.ms
                text = f"the events of the last {duration_text(span)}: {text_of(node.event)}"
                yield text, span, _most_events(checked, node.event, span)
            case ast.Exceeds() if node.per is not None:
                span = node.per.ms
                text = f"the calls of the last {duration_text(span)}: {', '.join(map(text_of, node.heads))}"
                own = int(node.to.value) if node.amount is None else None
                yield text, span, own if own is not None else _most_calls(checked, node.heads, span)


def _most_events(checked: Checked, event: ast.Pattern, span: int) -> int | None:
    """A result comes of a call, so there are no more of them."""
    if event.kind not in ("call", "result") or event.tool is None:
        return None
    return _most_of(checked, event.tool, span)


def _most_calls(checked: Checked, heads: Sequence[ast.Head], span: int) -> int | None:
    found = [_most_of(checked, head.tool, span) if head.kind == "tool" and head.tool else None for head in heads]
    known = [most for most in found if most is not None]
    return sum(known) if known and len(known) == len(found) else None


def _most_of(checked: Checked, tool: str, span: int) -> int | None:
    """How many calls of a tool a window of this length can hold, by the strictest `limit` without a key or an amount.

    A closed window of S is covered by S/D + 1 windows of D, each of which holds no more than the limit.
    """
    found = []
    for rule in checked.rules:
        limit = rule.fires
        if not isinstance(limit, ast.Exceeds) or limit.amount is not None or limit.by is not None:
            continue
        if any(checked.matches(head, "call", tool) for head in limit.heads):
            times = 1 if limit.per is None else span // max(1, limit.per.ms) + 1
            found.append(int(limit.to.value) * times)
    return min(found, default=None)
