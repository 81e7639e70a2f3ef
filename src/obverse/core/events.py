"""Events, and the transcript that they make: one versioned schema for everything that happens in a session.

History holds what happened, decisions included: a `Call` was allowed and executed, a `Denied` was proposed and was not.
What is only proposed is a `Step` and is in no history yet. Times are integer milliseconds since the epoch (UTC), or
absent: an absent time makes every question about it unknown, never zero.

`labels` on a text event are the recorded answers to judged predicates about that text (`{"message.says_yes": True}`);
a predicate that is not there was not answered, which is unknown. So a decision stays a pure function of the history.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, TypeAlias

import msgspec

SCHEMA = "obverse.transcript/1"


class Event(msgspec.Struct, frozen=True, kw_only=True, tag_field="kind"):
    """What all events share. `id` is unique in its transcript; `turn` joins what a target proposed together.

    `origin` is the index of the message in the source that it was read from, where there was one.
    """

    id: str
    time: int | None = None
    turn: int = 0
    origin: int | None = None


class Spoken(Event, frozen=True, kw_only=True):
    """An event that is a text, with recorded answers of judges about it."""

    text: str
    labels: Mapping[str, bool] = msgspec.field(default_factory=dict)


class System(Spoken, frozen=True, kw_only=True, tag="system"):
    """An instruction of the operator."""


class Message(Spoken, frozen=True, kw_only=True, tag="message"):
    """What the user said."""


class Reply(Spoken, frozen=True, kw_only=True, tag="reply"):
    """What the target said to the user."""


class Thought(Spoken, frozen=True, kw_only=True, tag="thought"):
    """What the target wrote for itself."""


class Call(Event, frozen=True, kw_only=True, tag="call"):
    """A tool call. In a history: it was executed. `arguments` is the raw text, as the target wrote it."""

    call_id: str
    tool: str
    arguments: str


class Denied(Event, frozen=True, kw_only=True, tag="denied"):
    """A tool call that was proposed and not executed."""

    call_id: str
    tool: str
    arguments: str


class Result(Event, frozen=True, kw_only=True, tag="result"):
    """What an executed call gave back: `output` as raw text; `failed` when the tool said so."""

    call_id: str
    tool: str
    output: str
    failed: bool = False


class Fact(Event, frozen=True, kw_only=True, tag="fact"):
    """Something that the host knows and vouches for: `user.verified` is `True`. The value is a `core.canon.Value`."""

    name: str
    value: Any


class Approval(Event, frozen=True, kw_only=True, tag="approval"):
    """A person approved one call: `call` is the digest of its tool and canonical arguments (`policy.call_digest`)."""

    call: str
    by: str


class Grant(Event, frozen=True, kw_only=True, tag="grant"):
    """A relaxation was put in force. `decide` does not lift anything for it until signatures are checked (fails closed)."""

    grant: str
    clauses: tuple[str, ...]
    until: int | None = None


AnyEvent: TypeAlias = System | Message | Reply | Thought | Call | Denied | Result | Fact | Approval | Grant


class Transcript(msgspec.Struct, frozen=True, kw_only=True):
    """A session from its first event on. `id` names it in reports."""

    id: str
    events: tuple[AnyEvent, ...]
    schema: str = SCHEMA


class Step(msgspec.Struct, frozen=True, kw_only=True):
    """One decision point: a proposed `event`, together with all that was proposed in the same `turn` (itself included)."""

    event: Call | Reply
    turn: tuple[Call | Reply, ...]
