"""One session: what happens in it, what its agent proposes, and what the guard rules. The heart of the room.

    propose   the turn is decided step by step on one history ─ judges, where the verdict hangs on them ─ grants in force ─
              people, where it asks ─ recorded, durably and as a whole ─ released with permits, or blocked

    (1) Nothing is released that is not recorded (L13), and whatever raises is a denial (L16).
    (2) A turn that waits for people waits whole; what they approved, they approved at one head of the history (L14).
    (3) A permit is used once, for exactly what was decided, while the session is open.

Thread-safe: one lock. `stop` does not wait for it to take effect.
"""

from __future__ import annotations

import threading
from collections.abc import Iterable, Mapping, Sequence
from functools import partial
from typing import Final

import msgspec

from obverse.core.errors import EvidenceError
from obverse.core.events import Approval, Call
from obverse.core.verdicts import Verdict, strictest
from obverse.guard.approving import Waiting, request_for, shown, standing
from obverse.guard.life import Life, said_of
from obverse.guard.parts import Parts
from obverse.guard.ports import Item
from obverse.guard.records import Permit, Proposal, ProposedCall, Request, Ruled, Ruling, Said
from obverse.guard.turn import Proposed, Weighed, at, happened, joined, nonce_of, proposed, undecided
from obverse.guard.weighing import denied, weigh
from obverse.policy.decide import call_digest

_LOOK: Final = 0.05
_LONGEST_LOOK: Final = 0.5
"""Seconds between two looks at the queue, at first and later, while somebody waits for people."""

_LONGEST_WAIT: Final = 1e9
NONE: Final[Mapping[str, str]] = {}


class Session(Life):
    """An agent under a guard. `Guard.session` makes one."""

    __slots__ = ("_settled", "_waiting")

    def __init__(self, parts: Parts, *, session: str, holder: str) -> None:
        self._waiting: Waiting | None = None
        self._settled: Ruling | None = None
        super().__init__(parts, session=session, holder=holder)

    # --- what the agent proposes ----------------------------------------------------------------------------------------

    def propose(self, calls: Sequence[ProposedCall] = (), reply: str | None = None, *, wait: float = 0.0) -> Ruling:
        """The ruling on a whole turn, before any of it runs. Waits for people at most so many seconds."""
        with self._lock:
            self._turns += 1
            ruling = self._ruled(self._proposed(calls, reply))
        return (self.resume(wait) or ruling) if ruling.waiting and wait > 0 else ruling

    def resume(self, wait: float = 0.0) -> Ruling | None:
        """The ruling on the turn that waits for people, as they have answered by now; None if none waits.

        It is given once after it was settled. Waits at most so many seconds for people.
        """
        wait = min(wait, _LONGEST_WAIT) if wait > 0 else 0.0  # not a number is no time
        stirred = self._stirred = self._stirred or threading.Event()
        until, look = self._parts.steady() + round(wait * 1000), _LOOK
        while True:
            with self._lock:
                ruling = self._again()
            left = (until - self._parts.steady()) / 1000
            if ruling is None or not ruling.waiting or not 0 < left <= wait:
                return ruling
            stirred.wait(min(left, look))
            look = min(1.5 * look, _LONGEST_LOOK)

    def call_name(self) -> str:
        """A fresh id for a call that nobody named."""
        with self._lock:
            return f"call-{self._past.name()}"

    def redeem(self, permit: Permit, tool: str, arguments: str) -> None:
        """(3) Returns once, for what the permit names: who executes calls it with what will really run.

        Raises:
            EvidenceError: if this permit was not given for exactly this, was used, or the session is not open.
        """
        with self._lock:
            self._obey()
            kept = self._permits.pop(permit.id, None)
            if self.state != "open":
                raise EvidenceError("the session is not open any more", code="G112")
            if kept is None or kept != permit:
                raise EvidenceError("no such permit, or it was used", code="G111", hint="a permit is used once")
            if tool != kept.tool or call_digest(Call(id="", call_id="", tool=tool, arguments=arguments)) != kept.digest:
                self.tampered("permit", f"permit {kept.id} was shown for something else")
                raise EvidenceError("this is not what was permitted", code="G113")

    # --- a turn ---------------------------------------------------------------------------------------------------------

    def _proposed(self, calls: Sequence[ProposedCall], reply: str | None) -> Proposed:
        bounds = self._parts.settings
        names = [self._past.name() for _ in range(min(len(calls) + (reply is not None), bounds.most_steps))]
        return proposed(calls, reply, names=names, turn=self._turns, time=self._past.now, bounds=bounds)

    def _ruled(self, turn: Proposed, approved: Sequence[Said] = ()) -> Ruling:
        """The turn, settled; what cannot be settled is denied."""
        try:
            ruling = self._settle(turn, approved)
        except Exception as fault:  # boundary: whatever raises denies the turn; the second in a row stops the session
            return self._failed(turn.steps, fault)
        finally:
            self._past.forget()
        if self._failed_at != self._turns:
            self._failures = 0
        return ruling

    def _settle(self, turn: Proposed, approved: Sequence[Said]) -> Ruling:
        """Weighed on one history; then people are asked, or it is recorded and released, or blocked."""
        self._obey()
        if approved and self._waiting is None and (settled := self._taken()) is not None:
            return settled  # an order has just ended it
        if not approved:
            self._supersede("superseded", "the agent proposed something else")
            self._settled = None
        turn = at(turn, self._past.time())
        if self.state != "open":
            return self._refuse(denied(self._past, turn, f"the session is {self.state}"))
        approvals = self._past.suppose([(self._request(said).digest, said.by) for said in approved])
        asked = self._waiting.requests if approved and self._waiting is not None else {}
        steps = weigh(self._parts, self._past, turn, session=self.id, holder=self.holder, approved=asked.keys())
        asking = any(step.verdict is Verdict.ASK for step in steps)
        if asking and self._parts.people is not None and not approved:
            return self._ask(steps)
        if asking:
            why = "it was approved, and still asks" if approved else "there is nobody to ask"
            steps = joined(
                [step.stricter(Verdict.DENY, why) if step.verdict is Verdict.ASK else step for step in steps],
                self._parts.checked.default.turn,
            )
        if self._stopping is None and any(not step.verdict.blocks for step in steps):
            return self._release(steps, approved, approvals)
        return self._unreleased(steps, approved)

    def _unreleased(self, steps: Sequence[Weighed], approved: Sequence[Said]) -> Ruling:
        """None of it happens; what was approved is void, and decided without the approvals that led nowhere."""
        if not approved:
            return self._refuse(steps)
        self._past.forget()
        why = next((step.why for step in steps if step.verdict.blocks and step.why), "it was approved, and is denied")
        return self._dropped("superseded", why, approved)

    def _failed(self, events: Sequence[Proposal], fault: Exception) -> Ruling:
        """Denied because something raised; if not even that can be written down, the session is over (L16)."""
        turn = at(Proposed(steps=tuple(events)), self._past.now)
        steps = [undecided(event, f"the guard failed: {said_of(fault)}") for event in turn.steps]
        try:
            self._fail(fault)
            ruling = self._refuse(steps)
        except Exception:  # boundary: nothing works any more; nothing is released any more
            self._abandon("stopped")
            ruling = self._ruling(steps)
        return ruling if steps else msgspec.structs.replace(ruling, verdict=Verdict.DENY)

    def _release(self, steps: Sequence[Weighed], approved: Sequence[Said], approvals: Sequence[Approval]) -> Ruling:
        """(1) Recorded as a whole, then released: the act and all that allowed it are on disk, or it does not happen."""
        write, now, waiting = self._past.write, self._past.now, self._waiting
        steps, uses = self._used(steps)
        permits = {step.proposal.id: self._parts.name() for step in steps if not step.verdict.blocks}
        asked = {} if waiting is None else {step: request.id for step, request in waiting.requests.items()}
        if not permits or asked.keys() - permits.keys():  # of what was approved all happens: no approval is left over
            self._past.note(*uses)
            return self._unreleased(steps, approved)
        self._claim(asked.values())
        agreed, head = self._past.items(approvals, self.head)
        before = [
            *(write.approval(one, now) for one in approved),
            *(write.approval_end(request, "used", now) for request in asked.values()),
            *agreed,
            *uses,
        ]
        decided = self._decisions(steps, head, permits, asked)
        events = [event for step in steps if (event := happened(step)) is not None]
        items, head = self._past.items(events, head)
        place = self._past.record([*before, *decided, *items])
        self._doubtful = True  # it is on record from here on: what raises now stops the session
        self._past.kept()
        self._past.took(events, head)
        self._waiting = None
        given = {} if self._stopping else self._permits_for(steps, permits, place + len(before))
        self._canaries(steps)
        self._doubtful = False
        return self._ruling(steps, given=given)

    def _refuse(self, steps: Sequence[Weighed], said: Sequence[Said] = (), ended: str = "superseded") -> Ruling:
        """None of it happens: recorded if that is still possible; a rule that stops ends the session with it."""
        write, now, waiting = self._past.write, self._past.now, self._waiting
        steps = [step.stricter(Verdict.DENY, "another step of its turn is denied") for step in steps]
        if self.state == "ended" or (self.state != "open" and self._past.waiting >= self._parts.settings.most_waiting):
            return self._ruling(steps)  # its record is closed, or nobody takes it any more
        requests = () if waiting is None else waiting.requests.values()
        events = [event for step in steps if (event := happened(step)) is not None]
        items, head = self._past.items(events, self.head)
        self._past.note(
            *(write.approval(one, now) for one in said),
            *(write.approval_end(request.id, ended, now) for request in requests),
            *self._decisions(steps, self.head),
            *items,
        )
        self._past.took(events, head)
        self._close_requests(ended)
        if self.state == "open" and any(step.verdict is Verdict.STOP for step in steps):
            self._shut("stopped", "rule", "a rule stopped it")
        self._flush()
        self._canaries(steps)
        return self._ruling(steps)

    def _used(self, steps: Sequence[Weighed]) -> tuple[Sequence[Weighed], list[Item]]:
        """One use counted of each grant that a released step rests on; a step whose grant is used up by now is denied."""
        grants, items, found = self._parts.grants, list[Item](), list[Weighed]()
        for step in steps:
            if grants is None or not step.lifted or step.verdict.blocks:
                found.append(step)
                continue
            try:
                use = partial(grants.use, step.lifted, session=self.id, step=step.proposal.id, now=self._past.now)
                items += self._parts.bounded(use, "the register of grants")
            except EvidenceError as fault:
                found.append(step.stricter(Verdict.DENY, f"its grant: {fault.message}"))
            else:
                found.append(step)
        return joined(found, self._parts.checked.default.turn), items

    # --- people ---------------------------------------------------------------------------------------------------------

    def _ask(self, steps: Sequence[Weighed]) -> Ruling:
        """(2) The turn waits: its requests are recorded, then put before people. None of it is released meanwhile."""
        requests = {
            step.proposal.id: request_for(
                step, self._parts.checked, name=self._parts.name(), session=self.id, head=self.head, now=self._past.now,
                seconds=self._parts.settings.approval_seconds,
            )
            for step in steps
            if step.verdict is Verdict.ASK
        }  # fmt: skip
        steps = [step.stricter(Verdict.ASK, "its turn waits for people") for step in steps]
        asked = {step: request.id for step, request in requests.items()}
        awaited = {step.proposal.id: asked.get(step.proposal.id, *list(asked.values())[:1]) for step in steps}
        decided = self._decisions(steps, self.head, {}, awaited)
        self._past.record([*map(self._past.write.request, requests.values()), *decided])
        self._waiting = Waiting(steps=tuple(steps), requests=requests)
        history, people = self._past.newest(self._parts.settings.most_shown), self._parts.people
        for step in steps:
            request = requests.get(step.proposal.id)
            if request is not None and people is not None:
                ask = partial(people.ask, request, shown(step, steps, history, self.holder, self._past.happened))
                self._parts.bounded(ask, "the queue of people")
        return self._ruling(steps, asked=asked)

    def _again(self) -> Ruling | None:
        """The turn that waits, as people have answered by now; whatever goes wrong with that denies it."""
        waiting = self._waiting
        try:
            return self._looked()
        except Exception as fault:  # boundary: a queue that fails approves nothing; it is denied and recorded
            return self._failed([] if waiting is None else [step.proposal for step in waiting.steps], fault)

    def _looked(self) -> Ruling | None:
        self._obey()
        waiting = self._waiting
        if waiting is None:
            return self._taken()
        now = self._past.time()
        said = {request.id: self._answers(request) for request in waiting.requests.values()}
        stand = {standing(request, said[request.id], now) for request in waiting.requests.values()}
        everything = [one for several in said.values() for one in several]
        if "rejected" in stand:
            return self._dropped("rejected", "somebody rejected it", everything)
        if "expired" in stand:
            return self._dropped("expired", "nobody approved it in time", everything)
        if "open" in stand:
            return self._ruling(waiting.steps, asked={step: one.id for step, one in waiting.requests.items()})
        turn = Proposed(steps=tuple(step.proposal for step in waiting.steps))
        return self._ruled(turn, [one for one in everything if one.answer == "approve"])

    def _taken(self) -> Ruling | None:
        """The ruling on a turn that was denied while nobody asked for it, once."""
        settled, self._settled = self._settled, None
        return None if settled is None else msgspec.structs.replace(settled, state=self.state)

    def _answers(self, request: Request) -> tuple[Said, ...]:
        people = self._parts.people
        return (
            ()
            if people is None
            else tuple(self._parts.bounded(lambda: people.answers(request.id), "the queue of people"))
        )

    def _request(self, said: Said) -> Request:
        """The request that was answered: what was approved is what it says, at the head that it says."""
        waiting = self._waiting
        for request in () if waiting is None else waiting.requests.values():
            if request.id == said.request and request.head == self.head:
                return request
        raise EvidenceError("an answer to no request of this history", code="G114")

    def _dropped(self, ended: str, why: str, said: Sequence[Said] = ()) -> Ruling:
        """The turn that waits is denied, by the clock of now."""
        waiting = self._waiting
        turn = Proposed(steps=() if waiting is None else tuple(step.proposal for step in waiting.steps))
        return self._refuse(denied(self._past, at(turn, self._past.time()), why), said, ended)

    def _supersede(self, ended: str, why: str) -> None:
        """The session goes on without the turn that waits, if one does; `resume` says so."""
        if self._waiting is not None:
            self._settled = self._dropped(ended, why)

    def _claim(self, requests: Iterable[str]) -> None:
        """What was approved is used here and nowhere else: who closes a request first has it.

        Raises:
            EvidenceError: somebody else closed it.
        """
        people = self._parts.people
        if people is None:
            return
        for request in requests:
            self._parts.bounded(partial(people.close, request, "used"), "the queue of people")

    def _close_requests(self, ended: str) -> None:
        """Nobody need answer any more, and the queue is told, if it still lives."""
        waiting, people, self._waiting = self._waiting, self._parts.people, None
        if waiting is None or people is None:
            return
        for request in waiting.requests.values():
            close = partial(people.close, request.id, ended)
            self._try(partial(self._parts.bounded, close, "the queue of people"))

    # --- what is said of it ---------------------------------------------------------------------------------------------

    def _decisions(
        self, steps: Sequence[Weighed], head: str, permits: Mapping[str, str] = NONE, asked: Mapping[str, str] = NONE
    ) -> list[Item]:
        return [
            self._past.write.decision(
                step, time=self._past.now, place=place, of=len(steps), head=head, permit=permits.get(step.proposal.id),
                request=asked.get(step.proposal.id),
            )
            for place, step in enumerate(steps)
        ]  # fmt: skip

    def _permits_for(self, steps: Sequence[Weighed], names: Mapping[str, str], first: int) -> dict[str, Permit]:
        """(3) A permit for each released step; those of calls are kept until they are used."""
        given = {}
        for place, step in enumerate(steps):
            event = step.proposal
            if event.id in names:
                given[event.id] = permit = Permit(
                    id=names[event.id], session=self.id, step=event.id, digest=call_digest(event), entry=first + place,
                    tool=event.tool if isinstance(event, Call) else None, policy=self._parts.checked.digest,
                )  # fmt: skip
                if isinstance(event, Call):
                    self._permits[permit.id] = permit
                    self._names[event.call_id] = permit.id
        return given

    def _ruling(
        self,
        steps: Sequence[Weighed],
        *,
        given: Mapping[str, Permit] | None = None,
        asked: Mapping[str, str] = NONE,
    ) -> Ruling:
        """What the caller is told; a step without permit or request is denied whatever was thought of it."""
        ruled = []
        for step in steps:
            permit = (given or {}).get(step.proposal.id)
            shown_ = step if permit or asked else step.stricter(Verdict.DENY, "the session was stopped")
            ruled.append(
                Ruled(
                    proposal=step.proposal, verdict=shown_.verdict, message=shown_.message, why=shown_.why,
                    decision=step.decision if step.decided else None, permit=permit, lifted=step.lifted,
                    request=asked.get(step.proposal.id),
                )
            )  # fmt: skip
        return Ruling(
            session=self.id, turn=self._turns, verdict=strictest([one.verdict for one in ruled]), steps=tuple(ruled),
            state=self.state,
        )  # fmt: skip

    def _canaries(self, steps: Sequence[Weighed]) -> None:
        """A canary that was denied, and is on record, has done its work."""
        for step in steps:
            nonce = nonce_of(step.proposal)
            if nonce in self._parts.canaries and not self._past.waiting:
                self._parts.canaries[nonce] = True
