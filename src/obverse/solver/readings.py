"""Judged terms that two policies read by different patterns: without a recorded answer, each is a test of words of its own."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

import msgspec

from obverse.core.events import AnyEvent, Call, Reply, Spoken
from obverse.policy import ast
from obverse.solver.answers import Scenario

_NOTHING: Final = ast.Compare(
    op="=",
    left=ast.Arith(op="/", left=ast.Number(value=1), right=ast.Number(value=0)),
    right=ast.Number(value=1),
)
"""What is never known."""


def read_as_words(expr: ast.Expr, patterns: Mapping[str, str | None]) -> ast.Expr:
    """The condition with these judged terms as tests of the text: what they are where no answer is recorded."""
    found = _read(expr, patterns)
    return expr if found == expr else found


def _read(node: Any, patterns: Mapping[str, str | None]) -> Any:
    if isinstance(node, tuple):
        return tuple(_read(part, patterns) for part in node)
    if isinstance(node, ast.JudgedAnswer) and node.name in patterns:
        pattern = patterns[node.name]
        text: ast.Expr = ast.StepPart(part="text")
        if node.depth is not None:
            text = ast.EventPart(depth=node.depth, part="text")
        return (
            _NOTHING if pattern is None else ast.TextTest(op="matches", subject=text, pattern=ast.Text(value=pattern))
        )
    if not isinstance(node, ast.Node):
        return node
    parts = {name: _read(getattr(node, name), patterns) for name in node.__struct_fields__}
    return type(node)(**parts)


def unanswered(scenario: Scenario, names: Sequence[str]) -> Scenario:
    """The scenario without recorded answers to these judged terms."""
    if not names:
        return scenario
    turn = tuple(_proposed(_silent(event, names)) for event in scenario.step.turn)
    event = next(one for one in turn if one.id == scenario.step.event.id)
    step = msgspec.structs.replace(scenario.step, event=event, turn=turn)
    return Scenario(history=tuple(_silent(event, names) for event in scenario.history), step=step)


def _silent(event: AnyEvent, names: Sequence[str]) -> AnyEvent:
    if not isinstance(event, Spoken):
        return event
    labels = {name: answer for name, answer in event.labels.items() if name not in names}
    return msgspec.structs.replace(event, labels=labels)


def _proposed(event: AnyEvent) -> Call | Reply:
    if not isinstance(event, Call | Reply):
        raise TypeError(f"a step proposes calls and replies, not {event}")
    return event
