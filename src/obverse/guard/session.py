"""One session: what happens in it, what its agent proposes, and what the guard rules. The heart of the room.

    propose   the turn is decided step by step on one history ─ judges, where the verdict hangs on them ─ grants in force ─
              people, where it asks ─ recorded, durably and as a whole ─ released with permits, or blocked

    (1) Nothing is released that is not recorded (L13), and whatever raises is a denial (L16).
    (2) What happened moves the head; what is only proposed does not. Who approved, approved at one head (L14).
    (3) A permit is used once, for exactly what was decided, while the session is open.
    (4) Times never go back.

Thread-safe: one lock. `stop` does not wait for it.
"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Mapping, Sequence
from typing import Final

import msgspec

from obverse.core.canon import Value
from obverse.core.errors import EvidenceError, MisuseError
from obverse.core.events import AnyEvent, Approval, Call, Fact, Message, Result, Step, System, Thought
from obverse.core.verdicts import Verdict, strictest
from obverse.guard.approving import Waiting, request_for, shown, standing
from obverse.guard.parts import Parts
from obverse.guard.ports import Item
from obverse.guard.records import Permit, Proposal, ProposedCall, Ruled, Ruling, Said, State
from obverse.guard.turn import CANARY, Proposed, Weighed, at, happened, joined, proposed, readable, unanswered
from obverse.guard.writing import Writer, first_head, next_head
from obverse.policy.decide import MESSAGES, call_digest
from obverse.policy.monitor import Monitor

FAILURES: Final = 2
"""So many turns in a row that the core could not settle stop the session."""


class Session:
    """An agent under a guard. `Guard.session` makes one."""

    def __init__(self, parts: Parts, *, session: str, holder: str) -> None:
        self.id = session
        self.holder = holder
        self.state: State = "open"
        self.head = first_head(session, parts.checked.digest)
        self._parts = parts
        self._write = Writer(parts.fresh, session)
        self._lock = threading.RLock()
        self._stirred = threading.Event()
        self._stopping: tuple[str, str] | None = None
        self._watch = parts.watch()
        self._now = 0
        self._events = 0
        self._turns = 0
        self._failures = 0
        self._open: dict[str, str] = {}
        self._permits: dict[str, Permit] = {}
        self._waiting: Waiting | None = None
        self._settled: Ruling | None = None
        self._history: deque[AnyEvent] = deque(maxlen=None if parts.grants else parts.settings.most_shown)
        start = {"guard": parts.guard, "policy": parts.checked.digest, "holder": holder, "head": self.head}
        self._unrecorded: list[Item] = [self._write.item("session", self._time(), start)]

    # --- what the host tells --------------------------------------------------------------------------------------------

    def system(self, text: str) -> str:
        """The id of this instruction of the operator."""
        with self._lock:
            return self._note(System(id=self._name(), time=self._time(), text=readable(text)))

    def message(self, text: str, labels: Mapping[str, bool] | None = None) -> str:
        """The id of what the user said; `labels` are answers to judged predicates that the host vouches for."""
        with self._lock:
            return self._note(Message(id=self._name(), time=self._time(), text=readable(text), labels=labels or {}))

    def thought(self, text: str) -> str:
        """The id of what the agent wrote for itself."""
        with self._lock:
            return self._note(Thought(id=self._name(), time=self._time(), text=readable(text)))

    def fact(self, name: str, value: Value) -> str:
        """The id of a fact that the host vouches for."""
        with self._lock:
            return self._note(Fact(id=self._name(), time=self._time(), name=name, value=value))

    def result(self, call_id: str, output: str, *, failed: bool = False) -> str:
        """The id of what a released call gave back.

        Raises:
            MisuseError: if no call of this id was released and is open.
        """
        with self._lock:
            tool = self._open.pop(call_id, None)
            if tool is None:
                raise MisuseError(f"no open call `{call_id}`", code="G101", hint="a result answers one released call")
            return self._note(
                Result(
                    id=self._name(),
                    time=self._time(),
                    call_id=call_id,
                    tool=tool,
                    output=readable(output),
                    failed=failed,
                )
            )

    # --- what the agent proposes ----------------------------------------------------------------------------------------

    def propose(self, calls: Sequence[ProposedCall] = (), reply: str | None = None, *, wait: float = 0.0) -> Ruling:
        """The ruling on a whole turn, before any of it runs. Waits for people at most so many seconds."""
        with self._lock:
            self._supersede()
            self._turns += 1
            names = [
                self._name() for _ in range(min(len(calls) + (reply is not None), self._parts.settings.most_steps))
            ]
            turn = proposed(calls, reply, names=names, turn=self._turns, time=self._time(), bounds=self._parts.settings)
            ruling = self._ruled(turn)
        return (self.resume(wait) or ruling) if ruling.waiting and wait > 0 else ruling

    def resume(self, wait: float = 0.0) -> Ruling | None:
        """The turn that waits for people, decided again; None if none waits. Waits at most so many seconds for them."""
        until = self._parts.steady() + round(wait * 1000)
        while True:
            with self._lock:
                ruling = self._again()
                if ruling is None or not ruling.waiting:
                    return ruling
            left = (until - self._parts.steady()) / 1000
            if left <= 0:
                return ruling
            self._stirred.wait(min(left, 0.05))

    def redeem(self, permit: Permit, tool: str, arguments: str) -> None:
        """(3) Returns once, for what the permit names: who executes calls it with what will really run.

        Raises:
            EvidenceError: if this permit was not given for exactly this, was used, or the session is not open.
        """
        with self._lock:
            kept = self._permits.pop(permit.id, None)
            call = Call(id="", call_id="", tool=tool, arguments=arguments)
            if kept is None or kept != permit:
                raise EvidenceError("no such permit, or it was used", code="G111")
            if self.state != "open" or self._stopping is not None:
                raise EvidenceError("the session is not open any more", code="G112")
            if tool != kept.tool or call_digest(call) != kept.digest:
                raise EvidenceError("this is not what was permitted", code="G113")

    # --- its end --------------------------------------------------------------------------------------------------------

    def stop(self, by: str, why: str) -> None:
        """Nothing is released any more, from this moment on: a turn that is being decided is denied."""
        self._stopping = self._stopping or (by, why)
        self._stirred.set()
        with self._lock:
            self._close("stopped", by, why)

    def end(self) -> None:
        """The session is over; what happened is recorded."""
        with self._lock:
            self._close("ended", "owner", "ended by its owner")

    # --- a turn, step by step -------------------------------------------------------------------------------------------

    def _ruled(self, turn: Proposed, approved: Sequence[Said] = ()) -> Ruling:
        """The turn, settled; what cannot be settled is denied."""
        try:
            ruling = self._settle(turn, approved)
        except Exception as fault:  # boundary: whatever raises denies the turn; the second in a row stops the session
            return self._failed(turn, fault)
        self._failures = 0
        return ruling

    def _settle(self, turn: Proposed, approved: Sequence[Said]) -> Ruling:
        """Decided on one history; judged, lifted, joined; then asked of people, or recorded and released."""
        if self.state != "open":
            return self._refused(turn, f"the session is {self.state}")
        watch, approvals = self._approved(approved)
        weighed = joined(
            [self._own(self._lifted(step), turn) for step in self._judged(watch, turn)],
            self._parts.checked.default.turn,
        )
        if strictest([step.verdict for step in weighed]) is Verdict.ASK:
            if self._parts.people is not None and not approved:
                return self._ask(weighed)
            weighed = tuple(step.stricter(Verdict.DENY, "nobody can be asked") for step in weighed)
        return self._release(watch, weighed, approved, approvals)

    def _judged(self, watch: Monitor, turn: Proposed) -> list[Weighed]:
        """What the policy says of each step, all on the same history and the turn itself."""
        decisions = [watch.decide(Step(event=event, turn=turn.steps)) for event in turn.steps]
        return [
            Weighed(proposal=event, policy=decision, decision=decision, verdict=decision.verdict)
            for event, decision in zip(turn.steps, decisions, strict=True)
        ]

    def _lifted(self, step: Weighed) -> Weighed:
        """The step without the reasons that a grant in force lifts."""
        grants = self._parts.grants
        if grants is None or not step.policy.verdict.blocks:
            return step
        lifted = grants.lift(
            step.policy,
            tuple(self._history),
            Step(event=step.proposal, turn=(step.proposal,)),
            session=self.id,
            holder=self.holder,
            now=self._now,
        )
        return msgspec.structs.replace(
            step, decision=lifted.decision, verdict=lifted.decision.verdict, lifted=lifted.grants
        )

    def _own(self, step: Weighed, turn: Proposed) -> Weighed:
        """The step with what the guard itself has against it."""
        step = unanswered(step, self._parts.checked, self._parts.settings)
        for fault in turn.faults:
            step = step.stricter(Verdict.DENY, fault)
        if isinstance(step.proposal, Call) and step.proposal.call_id in self._open:
            step = step.stricter(Verdict.DENY, f"a call with the id `{step.proposal.call_id}` is open")
        if isinstance(step.proposal, Call) and step.proposal.tool == CANARY:
            step = step.stricter(Verdict.DENY, "a canary")
        return step

    def _approved(self, said: Sequence[Said]) -> tuple[Monitor, tuple[Approval, ...]]:
        """The monitor to decide by: the session's own, or one of its own for this try, which has seen the approvals."""
        waiting = self._waiting
        if not said or waiting is None:
            return self._watch, ()
        digests = {request.id: request.digest for request in waiting.requests.values()}
        approvals = tuple(
            Approval(id=self._name(), time=self._now, turn=self._turns, call=digests[one.request], by=one.by)
            for one in said
        )
        raise NotImplementedError(approvals)

    def _ask(self, weighed: Sequence[Weighed]) -> Ruling:
        """The turn waits: the requests are recorded, then put before people. None of it is released meanwhile."""
        people = self._parts.people
        now = self._now
        requests = {
            step.proposal.id: request_for(
                step, self._parts.checked, name=self._parts.name(), session=self.id, head=self.head, now=now,
                seconds=self._parts.settings.approval_seconds,
            )
            for step in weighed
            if step.verdict is Verdict.ASK
        }  # fmt: skip
        items = [self._write.request(request) for request in requests.values()]
        self._record([*items, *self._decisions(weighed, {}, {name: one.id for name, one in requests.items()})])
        self._waiting = Waiting(steps=tuple(weighed), requests=requests)
        for step in weighed:
            if people is not None and step.proposal.id in requests:
                people.ask(requests[step.proposal.id], shown(step, weighed, self._newest(), self.holder))
        return self._ruling([self._said(step, request=requests.get(step.proposal.id)) for step in weighed], Verdict.ASK)

    def _again(self) -> Ruling | None:
        """The turn that waits, as people have answered by now."""
        waiting, people = self._waiting, self._parts.people
        if waiting is None or people is None:
            settled, self._settled = self._settled, None
            return settled
        now = self._time()
        said = {request.id: people.answers(request.id) for request in waiting.requests.values()}
        stand = [standing(request, said[request.id], now) for request in waiting.requests.values()]
        everything = [one for several in said.values() for one in several]
        turn = Proposed(steps=tuple(at(step.proposal, now) for step in waiting.steps))
        if "rejected" in stand or "expired" in stand:
            why = "rejected" if "rejected" in stand else "expired"
            return self._dropped(turn, why, everything)
        if "open" in stand:
            return self._ruling(
                [self._said(step, request=waiting.requests.get(step.proposal.id)) for step in waiting.steps],
                Verdict.ASK,
            )
        return self._ruled(turn, everything)

    def _release(
        self, watch: Monitor, weighed: Sequence[Weighed], approved: Sequence[Said], approvals: Sequence[Approval]
    ) -> Ruling:
        """(1) Recorded as a whole, then released: either the act and all that allowed it are on disk, or it does not happen."""
        del watch, approvals
        permits = {step.proposal.id: self._parts.name() for step in weighed if not step.verdict.blocks}
        stopped = any(step.verdict is Verdict.STOP for step in weighed)
        events = [event for step in weighed if (event := happened(step)) is not None]
        items = [self._write.approval(one, self._now) for one in approved]
        decided = self._decisions(weighed, permits, {})
        heads = self._heads(events)
        first = len(self._unrecorded) + len(items)
        place = self._record(
            [*items, *decided, *(self._write.event(event, head) for event, head in zip(events, heads, strict=True))]
        )
        for event, head in zip(events, heads, strict=True):
            self._happened(event, head)
        ruled = []
        for number, step in enumerate(weighed):
            permit = permits.get(step.proposal.id)
            ruled.append(self._said(step, permit=self._permit(permit, step.proposal, place + first + number)))
        if stopped:
            self._close("stopped", "rule", "a rule stopped it")
        return self._ruling(ruled, strictest([step.verdict for step in weighed]))

    def _failed(self, turn: Proposed, fault: Exception) -> Ruling:
        """Denied, because something raised; recorded if that is still possible."""
        self._failures += 1
        if self._failures >= FAILURES:
            self._close("stopped", "guard", f"the guard failed twice: {type(fault).__name__}")
        return self._refused(turn, f"the guard failed: {type(fault).__name__}: {fault}")

    # --- small parts ----------------------------------------------------------------------------------------------------

    def _refused(self, turn: Proposed, why: str) -> Ruling:
        ruled = [
            Ruled(proposal=event, verdict=Verdict.DENY, message=MESSAGES[Verdict.DENY], why=why) for event in turn.steps
        ]
        return self._ruling(ruled, Verdict.DENY)

    def _dropped(self, turn: Proposed, why: str, said: Sequence[Said]) -> Ruling:
        del said
        self._waiting = None
        return self._refused(turn, why)

    def _supersede(self) -> None:
        if self._waiting is not None:
            self._waiting = None

    def _ruling(self, ruled: Sequence[Ruled], verdict: Verdict) -> Ruling:
        return Ruling(session=self.id, turn=self._turns, verdict=verdict, steps=tuple(ruled), state=self.state)

    def _said(self, step: Weighed, *, permit: Permit | None = None, request: object = None) -> Ruled:
        return Ruled(
            proposal=step.proposal,
            verdict=step.verdict,
            message=step.message,
            why=step.why,
            decision=step.decision,
            permit=permit,
            request=getattr(request, "id", None),
            lifted=step.lifted,
        )

    def _permit(self, name: str | None, event: Proposal, entry: int) -> Permit | None:
        if name is None:
            return None
        tool = event.tool if isinstance(event, Call) else None
        permit = Permit(
            id=name, session=self.id, step=event.id, tool=tool, digest=call_digest(event),
            policy=self._parts.checked.digest, entry=entry,
        )  # fmt: skip
        if isinstance(event, Call):
            self._permits[name] = permit
        return permit

    def _decisions(
        self, weighed: Sequence[Weighed], permits: Mapping[str, str], requests: Mapping[str, str]
    ) -> list[Item]:
        return [
            self._write.decision(
                step, time=self._now, place=place, of=len(weighed), head=self.head,
                permit=permits.get(step.proposal.id), request=requests.get(step.proposal.id),
            )
            for place, step in enumerate(weighed)
        ]  # fmt: skip

    def _record(self, items: Sequence[Item]) -> int:
        """The place of the first of what was not recorded yet, once all of it and these are durable."""
        place = self._parts.recorder.record([*self._unrecorded, *items])
        self._unrecorded = []
        return place

    def _heads(self, events: Sequence[AnyEvent]) -> list[str]:
        heads, head = [], self.head
        for event in events:
            head = next_head(head, event)
            heads.append(head)
        return heads

    def _note(self, event: AnyEvent) -> str:
        """Something happened: into the history, the head and the record, with the next decision at the latest."""
        if self.state == "ended":
            raise MisuseError(f"the session `{self.id}` has ended", code="G102")
        self._supersede()
        head = next_head(self.head, event)
        self._unrecorded.append(self._write.event(event, head))
        self._happened(event, head)
        return event.id

    def _happened(self, event: AnyEvent, head: str) -> None:
        self._watch.observe(event)
        self._history.append(event)
        self.head = head
        if isinstance(event, Call):
            self._open[event.call_id] = event.tool

    def _newest(self) -> list[AnyEvent]:
        return list(self._history)[-self._parts.settings.most_shown :]

    def _close(self, state: State, by: str, why: str) -> None:
        if self.state != "open":
            return
        self.state = state
        self._permits.clear()
        kind = "session stop" if state == "stopped" else "session end"
        self._record([self._write.item(kind, self._time(), {"why": why, "by": by, "head": self.head})])

    def _name(self) -> str:
        self._events += 1
        return f"e{self._events}"

    def _time(self) -> int:
        """(4) The time, never before an earlier one."""
        self._now = max(self._now, self._parts.clock())
        return self._now
