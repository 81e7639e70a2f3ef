"""A few events as lines for people: how every command shows a past and a step; not a command itself."""

from __future__ import annotations

import json
from collections.abc import Collection, Iterable, Iterator, Sequence
from decimal import Decimal
from typing import TYPE_CHECKING

from obverse.cli.output import one_line

if TYPE_CHECKING:
    from obverse.core.events import AnyEvent, Step
    from obverse.policy.checked import CheckedRule

_WIDEST = 140  # of one line


def transcript(history: Sequence[AnyEvent], step: Step, rules: Iterable[CheckedRule] = ()) -> Iterator[str]:
    """What happened, then what is proposed: `>` marks the step that is decided, `+` what comes with it.

    Of arguments and results that are too long for a line, the fields that these rules read are shown.
    """
    names = frozenset(name for rule in rules for name in names_read(rule))
    for event in history:
        yield cut(f"      {event_line(event)}", names)
    for proposed in step.turn:
        here = proposed.id == step.event.id
        yield cut(f"    {'>' if here else '+'} {event_line(proposed)}", names)


def names_read(rule: CheckedRule) -> Iterator[str]:
    """The names of arguments and fields that a rule reads."""
    from obverse.policy import ast

    for node in ast.walk(rule.fires):
        if isinstance(node, ast.Argument | ast.Member | ast.Binding | ast.EventPart) and node.name is not None:
            yield node.name


def event_line(event: AnyEvent) -> str:
    """An event in a line: what it is, and what it says."""
    from obverse.core import events

    match event:
        case events.Call():
            return f"call {event.tool} {event.arguments}"
        case events.Denied():
            return f"denied {event.tool} {event.arguments}"
        case events.Result():
            return f"{'failed' if event.failed else 'result'} {event.tool} {event.output}"
        case events.Fact():
            return f"fact {event.name} = {_as_written(event.value)}"
        case events.Approval():
            return f"approval by {event.by}"
        case events.Grant():
            return f"grant {event.grant}"
        case _:
            said = ", ".join(sorted(name for name, answer in event.labels.items() if answer))
            return f'{type(event).__name__.lower()} "{event.text}"{f" ({said})" if said else ""}'


def _as_written(value: object) -> str:
    """A value as an author would write it in a rule: `false`, `"basic"`, `12.5`."""
    from obverse.core.canon import number_text

    match value:
        case bool():
            return str(value).lower()
        case int() | Decimal():
            return number_text(value)
    return json.dumps(value, ensure_ascii=False, default=str)


def cut(line: str, names: Collection[str] = ()) -> str:
    """The line, no wider than a terminal likes; what these fields of a JSON object in it hold is shown first of all."""
    shown = one_line(line)
    if len(shown) > _WIDEST and names:
        shown = one_line(_fewer_fields(line, names))
    return shown if len(shown) <= _WIDEST else f"{shown[: _WIDEST - 1]}…"


def _fewer_fields(line: str, names: Collection[str]) -> str:
    """The line with only these fields of the JSON object that ends it."""
    before, brace, inside = line.partition("{")
    try:
        fields = json.loads(brace + inside)
    except ValueError:
        return line
    if not isinstance(fields, dict):
        return line
    kept = {name: value for name, value in fields.items() if name in names}
    if not kept:
        return line
    return (
        f"{before}{json.dumps(kept, ensure_ascii=False).removesuffix('}')}{', …' if len(kept) < len(fields) else ''}}}"
    )


def number_of(number: int, noun: str) -> str:
    """`1 rule`, `2 rules`."""
    return f"{number} {noun}{'' if number == 1 else 's'}"
