"""A turn that waits for people: what they are asked, and whether what they said is enough. Pure.

A request is bound to everything that an approval must fit (L14). That a signature is right is checked by who holds the keys
(`ports.People`); here it is checked that what was said answers exactly this request, in time, and by how many.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Literal, TypeAlias

import msgspec

from obverse.core.canon import canonical
from obverse.core.events import AnyEvent, Call
from obverse.core.verdicts import Verdict
from obverse.guard.records import Proposal, Request, Said
from obverse.guard.turn import Weighed
from obverse.policy.checked import Checked
from obverse.policy.decide import call_digest
from obverse.policy.reading import read_arguments

Standing: TypeAlias = Literal["open", "approved", "rejected", "expired"]


class Waiting(msgspec.Struct, frozen=True, kw_only=True):
    """A turn that waits: its steps, and the request for each that needs one, by the id of the step."""

    steps: tuple[Weighed, ...]
    requests: Mapping[str, Request]


def request_for(
    step: Weighed, checked: Checked, *, name: str, session: str, head: str, now: int, seconds: float
) -> Request:
    """What people are asked about this step: the strictest rule that asks says how many."""
    rules = {rule.id: rule for rule in checked.rules}
    asking = [reason for reason in step.decision.reasons if reason.verdict is Verdict.ASK]
    event = step.proposal
    return Request(
        id=name,
        session=session,
        policy=checked.digest,
        head=head,
        step=event.id,
        tool=event.tool if isinstance(event, Call) else None,
        arguments=shown_arguments(event),
        digest=call_digest(event),
        clauses=tuple(dict.fromkeys(reason.clause for reason in asking)),
        people=max((rules[reason.rule].people for reason in asking if reason.rule in rules), default=1),
        asked=now,
        expires=now + round(seconds * 1000),
    )


def shown_arguments(event: Proposal) -> str:
    """What a person is shown of a step: canonical arguments, so that two readings are impossible; a reply as it is."""
    if not isinstance(event, Call):
        return event.text
    arguments = read_arguments(event.arguments)
    return canonical(arguments).decode() if isinstance(arguments, dict) else event.arguments


def shown(
    step: Weighed, turn: Sequence[Weighed], history: Sequence[AnyEvent], holder: str, happened: int
) -> dict[str, object]:
    """What stands beside a request: why, what else was proposed, the newest of what happened, and how much that was in all."""
    return {
        "holder": holder,
        "why": msgspec.to_builtins(step.decision.reasons),
        "turn": [msgspec.to_builtins(one.proposal) for one in turn],
        "history": [msgspec.to_builtins(event) for event in history],
        "happened": happened,
    }


def standing(request: Request, said: Sequence[Said], now: int) -> Standing:
    """Where a request stands: one who rejects is enough; people count by the name of the key's owner."""
    fitting = [one for one in said if one.request == request.id and one.time <= request.expires]
    if any(one.answer == "reject" for one in fitting):
        return "rejected"
    if len({one.by for one in fitting if one.answer == "approve"}) >= request.people and now <= request.expires:
        return "approved"
    return "expired" if now >= request.expires else "open"
