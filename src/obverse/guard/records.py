"""What goes into the guard, what comes out, and what it writes down. Records only; what they mean is in `docs/design/guard.md`.

An agent proposes a turn of `Call`s and at most one `Reply`; the guard answers with a `Ruling` for the turn. What may run comes
with a `Permit`, one for each call: used once, for exactly what it names (L14).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final, Literal, TypeAlias

import msgspec

from obverse.core.events import Call, Reply
from obverse.core.verdicts import Verdict
from obverse.policy.decision import Decision

Proposal: TypeAlias = Call | Reply
"""What an agent wants to do: a call before it runs, a reply before it is sent."""

State: TypeAlias = Literal["open", "stopped", "ended"]
"""A session is `stopped` by a rule, a person or a lost lease, and `ended` by its owner. Nothing is released in either."""


class ProposedCall(msgspec.Struct, frozen=True, kw_only=True):
    """A call as the agent wrote it: `arguments` is the raw JSON text, `call_id` the agent's own name for it."""

    call_id: str
    tool: str
    arguments: str = "{}"


class Permit(msgspec.Struct, frozen=True, kw_only=True):
    """Leave to do one thing, once: `digest` is `policy.call_digest` of what was decided, `entry` its place in the ledger."""

    id: str
    session: str
    step: str
    tool: str | None
    digest: str
    policy: str
    entry: int


class Ruled(msgspec.Struct, frozen=True, kw_only=True):
    """What the guard says of one proposal.

    `decision` is that of the policy, after judges and grants; `verdict` is what holds: it may be stricter than the
    decision's, never milder (the session was stopped, the record could not be written, a sibling was blocked). `message` is all
    that the agent may see (L17); `why` is for the log. `permit` is there exactly if it may happen now; `request` is the id of
    the open request for approval, where a person is being asked.
    """

    proposal: Proposal
    verdict: Verdict
    message: str
    why: str
    decision: Decision | None = None
    permit: Permit | None = None
    request: str | None = None
    lifted: tuple[str, ...] = ()


class Ruling(msgspec.Struct, frozen=True, kw_only=True):
    """What the guard says of a whole turn, decided before any of it runs (need R1)."""

    session: str
    turn: int
    verdict: Verdict
    steps: tuple[Ruled, ...]
    state: State

    @property
    def released(self) -> tuple[Ruled, ...]:
        """The steps that may happen now."""
        return tuple(step for step in self.steps if step.permit is not None)

    @property
    def waiting(self) -> tuple[str, ...]:
        """The ids of the requests that people have not answered yet."""
        return tuple(step.request for step in self.steps if step.request is not None)


class Request(msgspec.Struct, frozen=True, kw_only=True):
    """What a person is asked: may this step happen? Everything that an approval is bound to (L14).

    `digest` is over tool and canonical arguments (`policy.call_digest`), `head` is the session's history when it was asked,
    `people` how many different people must approve, `expires` milliseconds since the epoch: no answer by then is a denial.
    """

    id: str
    session: str
    policy: str
    head: str
    step: str
    tool: str | None
    arguments: str
    digest: str
    clauses: tuple[str, ...]
    people: int
    asked: int
    expires: int


class Said(msgspec.Struct, frozen=True, kw_only=True):
    """What one person said to one request, and the signature that proves it. `by` is the name of the key."""

    request: str
    by: str
    answer: Literal["approve", "reject"]
    time: int
    signature: Mapping[str, Any]


class Standing(msgspec.Struct, frozen=True, kw_only=True):
    """What is ordered for a session from outside: until when its lease runs, who renewed it, and whether it must stop.

    `tampering` says what is wrong with the order itself, such as a renewal that nobody signed.
    """

    until: int | None = None
    by: str | None = None
    stop: str | None = None
    stopped_by: str | None = None
    tampering: str | None = None


ENTRY: Final = {
    "start": "guard.start",
    "stop": "guard.stop",
    "heartbeat": "guard.heartbeat",
    "canary": "guard.canary",
    "tampering": "guard.tampering",
    "policy": "policy.load",
    "session": "session.start",
    "session end": "session.end",
    "session stop": "session.stop",
    "suspend": "session.suspend",
    "restore": "session.restore",
    "event": "event",
    "decision": "decision",
    "answer": "judge.answer",
    "request": "approval.request",
    "approval": "approval",
    "approval end": "approval.end",
    "grant": "grant",
    "grant use": "grant.use",
    "revocation": "grant.revoke",
    "lease": "lease",
}
"""The types of the entries that a guard writes into the ledger; `docs/design/guard.md` has the fields of each."""
