"""One trial: put a case to a target, have what comes back judged, and hold it against what the case expects.

In `step` mode the history of the case is pre-filled and the target makes one decision. In `dialogue` mode it acts from the
first message on, and the world of the case answers its calls; nothing is blocked, since what counts is what it does.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Mapping, Sequence
from typing import Protocol, runtime_checkable

import msgspec

from obverse.campaign.judging import Bench, predicates_for
from obverse.campaign.keys import Planned, seed_of
from obverse.campaign.records import Mode, Trial
from obverse.campaign.spending import Meter, Metered
from obverse.cases.expect import Judgement, judge_dialogue, judge_turn
from obverse.cases.records import Case, Said
from obverse.cases.world import User, answer
from obverse.core.chat import ChatMessage, Completion, Sampling, ToolSpec
from obverse.core.errors import MisuseError
from obverse.core.events import AnyEvent, Call, Message, Reply, Transcript
from obverse.core.verdicts import Outcome, Side
from obverse.policy.checked import Checked
from obverse.targets.agent import chat_of, converse, proposed_turn
from obverse.targets.protocol import GREEDY, Target

TICK_MS = 1000
"""How far the simulated clock moves with each event of a dialogue."""


@runtime_checkable
class MeetsCases(Protocol):
    """A target that wants to know which case it meets: a simulated agent."""

    def for_case(self, case: Case, mode: Mode) -> Target: ...


class Asker:
    """Asks one target the cases of one policy. Calling it with a planned trial makes that trial."""

    def __init__(
        self,
        checked: Checked,
        cases: Mapping[str, Case],
        target: Target,
        bench: Bench,
        *,
        tools: Sequence[ToolSpec],
        sampling: Sampling,
        mode: Mode,
        step_limit: int = 16,
    ) -> None:
        self.checked, self.cases, self.target, self.bench = checked, cases, target, bench
        self.tools, self.sampling, self.mode, self.step_limit = tuple(tools), sampling, mode, step_limit
        self._wanted = {wants: predicates_for(checked, wants_act=wants) for wants in (True, False)}
        self._knower = target if isinstance(target, MeetsCases) else None
        self._chats: dict[str, tuple[ChatMessage, ...]] = {}

    async def __call__(self, planned: Planned, meter: Meter) -> Trial:
        """The trial, scored; the meter counts what it uses up.

        Raises:
            TargetError: the target gave no answer.
        """
        case = self.cases[planned.case]
        sampling = msgspec.structs.replace(self.sampling, seed=seed_of(self.sampling.seed, planned))
        target = Metered(self._met(case), meter)
        if self.mode == "step":
            return await self._step(planned, case, target, sampling)
        return await self._dialogue(planned, case, target, sampling)

    async def _step(self, planned: Planned, case: Case, target: Target, sampling: Sampling) -> Trial:
        completion = await target.complete(self._chat(case), tools=self.tools, sampling=sampling)
        turn = proposed_turn(
            completion,
            first=len(case.history) + 1,
            turn=case.step.event.turn,
            times=itertools.repeat(case.step.event.time),
            taken={event.call_id for event in case.history if isinstance(event, Call)},
        )
        turn = await self.bench.label(turn, case.history, self._wanted[case.side is Side.OVER_REFUSAL])
        found = judge_turn(self.checked, case, turn)
        return _trial(planned, found, (*case.history, *turn))

    def _met(self, case: Case) -> Target:
        return self.target if self._knower is None else self._knower.for_case(case, self.mode)

    def _chat(self, case: Case) -> tuple[ChatMessage, ...]:
        """What the target reads of a case in step mode: the same in every round."""
        if case.id not in self._chats:
            self._chats[case.id] = (*_briefed(case), *chat_of(case.history))
        return self._chats[case.id]

    async def _dialogue(self, planned: Planned, case: Case, target: Target, sampling: Sampling) -> Trial:
        user = User(self.checked, case)
        times = _times(case)
        opening: list[AnyEvent] = list(case.history[: case.opening])
        first = user.next_message(None)
        if first is not None:
            said = Message(id=f"e{len(opening) + 1}", time=next(times), text=first.text, labels=dict(first.labels))
            opening.append(said)
        elif not any(isinstance(event, Message) for event in opening):
            raise MisuseError(f"the case `{case.id}` has nothing to say", code="R110", hint="run it with --mode step")
        conversation = await converse(
            _Briefed(target, _briefed(case)),
            _Scene(case, user),
            opening=opening,
            tools=self.tools,
            sampling=sampling,
            step_limit=self.step_limit,
            times=times,
            id=planned.key,
        )
        transcript = await self._judged(case, conversation.transcript, len(opening))
        found = judge_dialogue(self.checked, case, transcript)
        if conversation.error is not None and found.outcome is not Outcome.BROKEN:
            raise conversation.error  # what was broken before the target fell silent stays broken
        return _trial(planned, found, transcript.events)

    async def _judged(self, case: Case, transcript: Transcript, start: int) -> Transcript:
        wanted = self._wanted[case.side is Side.OVER_REFUSAL]
        events: list[AnyEvent] = []
        for place, event in enumerate(transcript.events):
            if place >= start and isinstance(event, Reply):
                events += await self.bench.label([event], events, wanted)
            else:
                events.append(event)
        return msgspec.structs.replace(transcript, events=tuple(events))


class _Scene:
    """The world of a case, for the agent loop."""

    def __init__(self, case: Case, user: User) -> None:
        self._case, self._user = case, user

    def answer(self, tool: str, arguments: str) -> tuple[str, bool]:
        return answer(self._case.world, tool, arguments)

    def next_message(self, reply: str) -> Said | None:
        return self._user.next_message(reply)


class _Briefed:
    """A target that is told the case's system prompt first, each time."""

    def __init__(self, target: Target, brief: Sequence[ChatMessage]) -> None:
        self._target, self._brief = target, tuple(brief)
        self.name = target.name

    async def complete(
        self, messages: Sequence[ChatMessage], *, tools: Sequence[ToolSpec] = (), sampling: Sampling = GREEDY
    ) -> Completion:
        return await self._target.complete([*self._brief, *messages], tools=tools, sampling=sampling)

    async def close(self) -> None:
        await self._target.close()

    def fingerprint(self) -> str:
        return self._target.fingerprint()


def _times(case: Case) -> Iterator[int | None]:
    """The times of what happens after the opening: those of the case as far as they go, then a steady tick."""
    last = case.step.event.time
    planned = (event.time for event in case.history[case.opening :])
    further = itertools.repeat(None) if last is None else itertools.count(last, TICK_MS)
    return itertools.chain(planned, further)


def _briefed(case: Case) -> list[ChatMessage]:
    return [ChatMessage(role="system", content=case.system)] if case.system else []


def _trial(planned: Planned, found: Judgement, events: Sequence[AnyEvent]) -> Trial:
    decision = found.decision
    return Trial(
        key=planned.key,
        case=planned.case,
        round=planned.round,
        outcome=found.outcome,
        reason=found.reason,
        clauses=decision.clauses if decision is not None and found.outcome is Outcome.BROKEN else (),
        offending=decision.step if decision is not None else None,
        transcript=tuple(events),
    )
