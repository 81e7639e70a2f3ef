"""The entries of a guard: which fields each has. One function per kind; `docs/design/guard.md` is the table of them.

What may have to be erased is a payload, under a salt of its own. Nothing here decides or records.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from obverse.core.canon import canonical, digest, digest_bytes
from obverse.core.events import AnyEvent, Call
from obverse.guard.judging import Answer
from obverse.guard.ports import Fresh, Item
from obverse.guard.records import ENTRY, Request, Said
from obverse.guard.turn import Weighed
from obverse.ledger.entries import SALT_SIZE, Entry, payload_of
from obverse.policy.decide import call_digest


class Writer:
    """Makes entries of one session, or of the guard itself where `session` is None."""

    def __init__(self, fresh: Fresh, session: str | None = None) -> None:
        self.fresh = fresh
        self.session = session

    def item(self, kind: str, time: int, body: Mapping[str, Any], payloads: Mapping[str, bytes] | None = None) -> Item:
        """The entry, with what it commits to."""
        kept = {name: payload_of(data, self.fresh(SALT_SIZE)) for name, data in (payloads or {}).items()}
        commitments = {name: payload.commitment for name, payload in kept.items()}
        return Entry(type=ENTRY[kind], time=time, session=self.session, body=body, payloads=commitments), kept

    def event(self, event: AnyEvent, before: str, time: int) -> tuple[Item, str]:
        """Something that happened, after a history with the head `before`; and the head of the history after it."""
        data = canonical(event)
        named = digest_bytes(data)
        head = digest({"head": before, "event": named})
        body = {"event": event.id, "kind": kind_of(event), "digest": named, "head": head}
        return self.item("event", time, body, {"event": data}), head

    def answer(self, answer: Answer, time: int) -> Item:
        """A judge answered, or did not."""
        body = {
            "event": answer.question.event,
            "predicate": answer.question.predicate,
            "answer": answer.truth,
            "judge": answer.judge,
            "ms": answer.ms,
            "why": answer.why,
        }
        return self.item("answer", time, body)

    def decision(
        self, step: Weighed, *, time: int, place: int, of: int, head: str, permit: str | None, request: str | None
    ) -> Item:
        """What was decided of one step; `head` is that before it."""
        event = step.proposal
        body = {
            "step": event.id,
            "turn": event.turn,
            "place": place,
            "of": of,
            "kind": kind_of(event),
            "tool": event.tool if isinstance(event, Call) else None,
            "call": call_digest(event),
            "verdict": step.verdict,
            "policy_verdict": step.policy.verdict if step.decided else None,
            "certain": step.policy.certain if step.decided else None,
            "clauses": step.policy.clauses,
            "lifted": step.lifted,
            "permit": permit,
            "request": request,
            "head": head,
        }
        payloads = {"proposal": canonical(event)}
        if step.decided:
            payloads["decision"] = canonical(step.policy)
        if step.why:
            payloads["why"] = canonical(step.why)
        return self.item("decision", time, body, payloads)

    def request(self, request: Request) -> Item:
        """People are asked."""
        body = {
            "request": request.id,
            "step": request.step,
            "call": request.digest,
            "head": request.head,
            "policy": request.policy,
            "people": request.people,
            "expires": request.expires,
            "clauses": request.clauses,
        }
        return self.item("request", request.asked, body, {"request": canonical(request)})

    def approval(self, said: Said, time: int) -> Item:
        """Somebody answered; `time` is when the guard took it up, `approval_time` when it was signed."""
        body = {"request": said.request, "answer": said.answer, "by": said.by, "approval_time": said.time}
        return self.item("approval", time, body, {"statement": canonical(said.signature)})

    def approval_end(self, request: str, why: str, time: int) -> Item:
        """Nobody need answer any more."""
        return self.item("approval end", time, {"request": request, "why": why})


def first_head(session: str, policy: str) -> str:
    """The head of a history in which nothing happened yet."""
    return digest({"session": session, "policy": policy})


def kind_of(event: AnyEvent) -> str:
    """The name of this kind of event in a transcript."""
    return str(type(event).__struct_config__.tag)
