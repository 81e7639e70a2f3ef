"""What is thought of a turn: decided by the policy on one history, judged where it hangs on judges, lifted by grants, joined.

It releases nothing and records nothing; answers of judges are noted in the history, to be recorded with what comes of them.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from functools import partial

import msgspec

from obverse.core.events import Call, Reply, Step
from obverse.core.verdicts import Truth, Verdict, strictest
from obverse.guard.history import History
from obverse.guard.judging import Question
from obverse.guard.parts import Parts
from obverse.guard.records import Proposal
from obverse.guard.turn import CANARY, Proposed, Weighed, joined, labelled, unanswered
from obverse.policy.decision import Decision


def weigh(
    parts: Parts, past: History, turn: Proposed, *, session: str, holder: str, approved: Collection[str] = ()
) -> tuple[Weighed, ...]:
    """The steps of the turn, each with what holds for it, as one turn; people have `approved` these of them."""
    turn, steps = _decided(parts, past, turn, session, holder)
    own = [_own(past, unanswered(step, parts.checked, parts.settings, approved), turn) for step in steps]
    return joined(own, parts.checked.default.turn)


def denied(past: History, turn: Proposed, why: str) -> tuple[Weighed, ...]:
    """The steps of a turn that cannot happen any more: what the policy says of each is still on record."""
    decisions = [past.decide(Step(event=event, turn=turn.steps)) for event in turn.steps]
    return tuple(
        Weighed(proposal=event, policy=decision, decision=decision, verdict=decision.verdict).stricter(
            Verdict.DENY, why
        )
        for event, decision in zip(turn.steps, decisions, strict=True)
    )


def _decided(parts: Parts, past: History, turn: Proposed, session: str, holder: str) -> tuple[Proposed, list[Weighed]]:
    """What the policy and grants say of each step, all on the same history, once judges have said what that hangs on."""
    seconds = parts.settings.judge_seconds
    asked, until = set[tuple[str, str]](), parts.steady() + round(seconds * 1000)
    while True:
        decisions = [past.decide(Step(event=event, turn=turn.steps)) for event in turn.steps]
        steps = _lifted(parts, past, turn, decisions, session, holder)
        left = [step.decision for step in steps]
        questions = tuple(_questions(parts, past, turn, left, asked)) if parts.judging is not None else ()
        if parts.judging is None or not questions:
            return turn, steps
        asked |= {(one.event, one.predicate) for one in questions}
        for answer in parts.judging.ask(questions, min((until - parts.steady()) / 1000, seconds)):
            past.note(past.write.answer(answer, past.now))
            if answer.truth is not Truth.UNKNOWN:
                labels = {answer.question.predicate: answer.truth is Truth.TRUE}
                turn = _labelled(past, turn, answer.question.event, labels)


def _questions(
    parts: Parts, past: History, turn: Proposed, decisions: Sequence[Decision], asked: set[tuple[str, str]]
) -> Iterator[Question]:
    """What to ask judges now: each question once a turn, and no more than so many."""
    floor = floor_of(decisions, whole=parts.checked.default.turn == "whole", faulty=bool(turn.faults))
    own = {event.id: (event.text, past.before(Reply)) for event in turn.steps if isinstance(event, Reply)}
    left = parts.settings.most_questions - len(asked)
    for event, predicate in wanted(decisions, floor=floor):
        said = own.get(event) or past.spoken(event)
        if said is not None and (event, predicate) not in asked and left > 0:
            left -= 1
            yield Question(event=event, predicate=predicate, text=said[0], before=said[1])


def wanted(decisions: Sequence[Decision], *, floor: Verdict) -> Iterator[tuple[str, str]]:
    """Event and predicate of each answer that could still make a step milder than the rest of its turn leaves it.

    `floor` is what holds for every step whatever judges say: a rule that is no stricter need not be asked about.
    """
    found: dict[tuple[str, str], None] = {}
    for decision in decisions:
        least = max(decision.certain.strictness, floor.strictness)
        for reason in decision.reasons:
            if reason.certain is Truth.UNKNOWN and reason.verdict.strictness > least:
                for unknown in reason.unknowns:
                    if unknown.why == "not answered" and unknown.event is not None:
                        found[unknown.event, unknown.what] = None
    yield from found


def floor_of(decisions: Sequence[Decision], *, whole: bool, faulty: bool) -> Verdict:
    """What every step of the turn gets at least, judges or not."""
    certain = strictest([decision.certain for decision in decisions])
    denied = faulty or certain is Verdict.STOP or (whole and certain is Verdict.DENY)
    return Verdict.DENY if denied else Verdict.ALLOW


def _labelled(past: History, turn: Proposed, event: str, labels: Mapping[str, bool]) -> Proposed:
    """The answers where they belong: at a reply of this turn, or at what was said before."""
    if all(step.id != event for step in turn.steps):
        past.label(event, labels)
        return turn
    steps: list[Proposal] = [labelled(step, labels) if step.id == event else step for step in turn.steps]
    return msgspec.structs.replace(turn, steps=tuple(steps))


def _lifted(
    parts: Parts, past: History, turn: Proposed, decisions: Sequence[Decision], session: str, holder: str
) -> list[Weighed]:
    """The steps without the reasons that grants in force lift; a use that an earlier step of the turn takes is not there twice."""
    found, taken = list[Weighed](), list[str]()
    for event, decision in zip(turn.steps, decisions, strict=True):
        step = Weighed(proposal=event, policy=decision, decision=decision, verdict=decision.verdict)
        if parts.grants is not None and past.whole and decision.verdict.blocks:
            lift = partial(
                parts.grants.lift, decision, past.events, Step(event=event, turn=turn.steps), session=session,
                holder=holder, now=past.now, taken=tuple(taken),
            )  # fmt: skip
            lifted = parts.bounded(lift, "the register of grants")
            left = lifted.decision
            step = msgspec.structs.replace(step, decision=left, verdict=left.verdict, lifted=tuple(lifted.grants))
            taken += step.lifted
        found.append(step)
    return found


def _own(past: History, step: Weighed, turn: Proposed) -> Weighed:
    """The step with what the guard itself has against it."""
    for fault in turn.faults:
        step = step.stricter(Verdict.DENY, fault)
    if isinstance(step.proposal, Call) and step.proposal.call_id in past.open:
        step = step.stricter(Verdict.DENY, f"a call with the id `{step.proposal.call_id}` is open")
    if isinstance(step.proposal, Call) and step.proposal.tool == CANARY:
        step = step.stricter(Verdict.DENY, "a canary")
    return step
