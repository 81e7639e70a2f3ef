"""A few events as lines for people: how every command shows a past and a step; not a command itself."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from obverse.cli.output import one_line

if TYPE_CHECKING:
    from obverse.core.events import AnyEvent, Step

_WIDEST = 140  # of one line


def transcript(history: Sequence[AnyEvent], step: Step) -> Iterator[str]:
    """What happened, then what is proposed: `>` marks the step that is decided, `+` what comes with it."""
    for event in history:
        yield cut(f"      {event_line(event)}")
    for proposed in step.turn:
        here = proposed.id == step.event.id
        yield cut(f"    {'>' if here else '+'} {event_line(proposed)}")


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
            return f"fact {event.name} = {event.value}"
        case events.Approval():
            return f"approval by {event.by}"
        case events.Grant():
            return f"grant {event.grant}"
        case _:
            said = ", ".join(sorted(name for name, answer in event.labels.items() if answer))
            return f'{type(event).__name__.lower()} "{event.text}"{f" ({said})" if said else ""}'


def cut(line: str) -> str:
    """The line, no wider than a terminal likes."""
    shown = one_line(line)
    return shown if len(shown) <= _WIDEST else f"{shown[: _WIDEST - 1]}…"


def number_of(number: int, noun: str) -> str:
    """`1 rule`, `2 rules`."""
    return f"{number} {noun}{'' if number == 1 else 's'}"
