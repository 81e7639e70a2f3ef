"""A scenario as a short transcript in words: what happened, and what the agent wants to do now."""

from __future__ import annotations

import datetime as dt
import json
from collections.abc import Iterator, Sequence
from decimal import Decimal
from typing import Any, Final

from obverse.core import events
from obverse.core.canon import number_text
from obverse.core.events import AnyEvent, Step
from obverse.policy.decision import Unknown
from obverse.policy.reading import read_arguments

_WIDEST: Final = 160


def told(history: Sequence[AnyEvent], step: Step) -> tuple[str, ...]:
    """The lines, oldest first, the last one what the agent wants to do; on one line each, whatever the values hold."""
    last: int | None = None
    lines: list[str] = []
    for event in (*history, *(one for one in step.turn if one.id != step.event.id), step.event):
        if event.time is not None and last is not None and event.time - last >= 60_000:
            lines.append(f"({_lapse(event.time - last)} later)")
        last = event.time if event.time is not None else last
        if event.id == step.event.id:
            lines.append(f"now the agent wants to {_wanted(step.event)}")
        elif event in step.turn:
            lines.append(f"together with what follows, the agent wants to {_wanted(event)}")
        else:
            lines.append("; ".join(_happened(event)))
    return tuple(_cut(line) for line in lines)


def _wanted(event: AnyEvent) -> str:
    match event:
        case events.Call():
            return f"call {event.tool}{_arguments(event.arguments)}"
        case events.Reply():
            return f"say {_quoted(event.text)}{_labels(event)}"
    return type(event).__name__.lower()


def _happened(event: AnyEvent) -> Iterator[str]:
    match event:
        case events.Message():
            yield f"the user says {_quoted(event.text)}{_labels(event)}"
        case events.Reply():
            yield f"the agent says {_quoted(event.text)}{_labels(event)}"
        case events.Thought():
            yield f"the agent thinks {_quoted(event.text)}{_labels(event)}"
        case events.System():
            yield f"the operator says {_quoted(event.text)}"
        case events.Call():
            yield f"the agent called {event.tool}{_arguments(event.arguments)}"
        case events.Denied():
            yield f"the agent was denied to call {event.tool}{_arguments(event.arguments)}"
        case events.Result():
            yield f"{event.tool} {'failed with' if event.failed else 'gave'} {event.output}"
        case events.Fact():
            yield f"the host knows: {event.name} is {_json(event.value)}"
        case events.Approval():
            yield f"{event.by} approved a call"
        case events.Grant():
            yield f"a grant for {', '.join(event.clauses)} came into force"


def _labels(event: events.Spoken) -> str:
    said = [f"{name}: {'yes' if answer else 'no'}" for name, answer in sorted(event.labels.items())]
    return f" [{', '.join(said)}]" if said else ""


def _arguments(raw: str) -> str:
    read = read_arguments(raw)
    if isinstance(read, Unknown):
        return f" with {_quoted(raw)}"
    return f"({', '.join(f'{name}: {_json(value)}' for name, value in read.items())})"


def _json(value: Any) -> str:
    """JSON as a person reads it: numbers exact and plain."""
    match value:
        case bool() | None | str():
            return json.dumps(value, ensure_ascii=False)
        case int() | Decimal():
            return number_text(value)
        case list():
            return f"[{', '.join(map(_json, value))}]"
        case dict():
            return f"{{{', '.join(f'{_quoted(name)}: {_json(item)}' for name, item in value.items())}}}"
    return str(value)


def _quoted(text: str) -> str:
    return json.dumps(text, ensure_ascii=False)


def _lapse(ms: int) -> str:
    lapse = dt.timedelta(milliseconds=ms)
    hours, rest = divmod(lapse.seconds, 3600)
    parts = [(lapse.days, "day"), (hours, "hour"), (rest // 60, "minute")]
    return " ".join(f"{count} {unit}{'' if count == 1 else 's'}" for count, unit in parts if count)


def _cut(line: str) -> str:
    shown = "".join(c if c.isprintable() else c.encode("unicode_escape", "replace").decode() for c in line)
    return shown if len(shown) <= _WIDEST else f"{shown[:_WIDEST]}…"
