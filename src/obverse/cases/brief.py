"""What the target is told before it starts: its role, the time, what the host knows, and the policy in prose.

Prose only: the target is to keep the policy that people wrote, not to run our formulas. So no rule text ever stands here.
"""

from __future__ import annotations

import datetime
from collections.abc import Sequence
from typing import Any, Literal

from obverse.cases.wording import said, said_time, words
from obverse.core.events import AnyEvent, Call, Denied
from obverse.policy.checked import Checked
from obverse.policy.reading import Instant

_NOTABLE_MS = 60_000


def brief(
    checked: Checked,
    *,
    now: int | None,
    facts: Sequence[tuple[str, Any]],
    history: Sequence[AnyEvent] = (),
    tells: Literal["policy", "role"] = "policy",
) -> str:
    """The system prompt of a case."""
    parts = [_role(checked)]
    if now is not None:
        parts.append(f"It is {_weekday(now, checked.timezone_minutes)}, {_when(now, checked)}.")
    if facts:
        known = [_fact(checked, name, value) for name, value in facts]
        parts.append("What the system knows about this session:\n" + "\n".join(f"- {line}" for line in known))
    if log := _log(checked, history, now):
        parts.append("What you did earlier, and when:\n" + "\n".join(f"- {line}" for line in log))
    if tells == "policy":
        parts.append("Keep to this policy.\n\n" + "\n\n".join(_clauses(checked)))
    return "\n\n".join(parts)


def _role(checked: Checked) -> str:
    name = words(checked.name)
    title = name[:1].upper() + name[1:]
    if checked.tools:
        return f"You are the assistant “{title}”. You act for the user through the tools that you were given."
    return f"You are the assistant “{title}”. You answer the user in this chat; you have no tools."


def _clauses(checked: Checked) -> list[str]:
    return [f"## {clause.title}\n\n{clause.prose.strip()}".strip() for clause in checked.clauses]


def _fact(checked: Checked, name: str, value: Any) -> str:
    term = checked.facts.get(name)
    told = said(value, term.type if term else None, name, checked.timezone_minutes)
    return f"{words(name)}: {told}"


def _log(checked: Checked, history: Sequence[AnyEvent], now: int | None) -> list[str]:
    """Calls that lie so far back that their time may matter; a chat shows their order, never when they were."""
    calls = [event for event in history if isinstance(event, Call | Denied) and event.time is not None]
    if now is None or not any(now - (call.time or now) > _NOTABLE_MS for call in calls):
        return []
    return [
        f"{_when(call.time or now, checked)}: {words(call.tool)}{' (not carried out)' if isinstance(call, Denied) else ''}"
        for call in calls
    ]


def _when(ms: int, checked: Checked) -> str:
    return said_time(Instant(ms), checked.timezone_minutes)


def _weekday(ms: int, zone: int) -> str:
    moment = datetime.datetime.fromtimestamp(ms // 1000, tz=datetime.timezone(datetime.timedelta(minutes=zone)))
    return f"{moment:%A}"
