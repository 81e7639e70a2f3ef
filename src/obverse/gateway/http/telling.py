"""What the gateway tells a session: the conversation as the model is about to be sent it, in the guard's own events.

What the client claims, and what the gateway itself knows, are facts: `gateway.branch`, `gateway.claim`, `gateway.edit`,
`gateway.speaker`, `gateway.unseen`, `gateway.offered`. A policy may speak of them; nothing that a client or a tool sends is
ever a reply, an approval or a grant.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from decimal import Decimal
from functools import cached_property, lru_cache
from typing import Any

import msgspec

from obverse.core.canon import digest
from obverse.gateway.http.conversation import Change, Difference
from obverse.gateway.http.json_text import write
from obverse.gateway.http.records import Answer, Answering, Asking, Calling, Instruction, Offer, Returning
from obverse.guard.session import Session


class Offered(msgspec.Struct, frozen=True, kw_only=True, dict=True):
    """What the model is offered at one step: the exact definitions, and what was left out of them (need R3)."""

    offers: tuple[Offer, ...]
    hidden: tuple[str, ...]
    model: str

    @cached_property
    def digest(self) -> str:
        """It stands for the model's name and every byte of meaning in the definitions."""
        return _digest(write([self.model, [one.definition for one in self.offers], self.hidden]))

    def fact(self, *, whole: bool) -> dict[str, Any]:
        """As it is recorded; `whole` with the definitions, else by their digest."""
        tools = [one.definition for one in self.offers]
        found = {"model": self.model, "tools": [one.name for one in self.offers], "hidden": list(self.hidden)}
        return {**found, "digest": self.digest, **({"definitions": tools} if whole else {})}


@lru_cache(maxsize=256)
def _digest(written: bytes) -> str:
    """The digest of what these bytes mean; clients offer the same tools again and again."""
    model, tools, hidden = json.loads(written, parse_float=Decimal)
    return digest({"model": model, "tools": tools, "hidden": hidden})


def tell(session: Session, difference: Difference, *, offered: dict[str, Any] | None, unseen: Sequence[str]) -> None:
    """Everything that is new, in order; what the gateway knows stands before what was said, which stays the newest."""
    if offered is not None:
        session.fact("gateway.offered", offered)
    if difference.branch:
        session.fact("gateway.branch", difference.same)
    if unseen and difference.changes:
        session.fact("gateway.unseen", list(unseen))
    for change in difference.changes:
        _tell_one(session, change)


def _tell_one(session: Session, change: Change) -> None:
    match change.item:
        case Instruction(text=text):
            session.system(text)
        case Asking(text=text, speaker=speaker):
            if speaker:
                session.fact("gateway.speaker", speaker)
            session.message(text)
        case Answering(text=text):
            session.fact("gateway.claim", text)
        case Returning(id=name, output=output) if change.kind == "edit":
            session.fact("gateway.edit", {"call": name, "output": output})
        case Returning(id=name, output=output):
            session.result(name, output)
        case Calling():
            pass  # released, and recorded when it was


def tell_thought(session: Session, answer: Answer) -> None:
    """What the model wrote for itself is on record; it leaves with nobody."""
    if answer.thought:
        session.thought(answer.thought)
