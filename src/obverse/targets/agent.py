"""The agent loop: a target, tools, and a world that answers. It gives back the transcript that really came about.

`converse` is dialogue mode; `chat_of` and `proposed_turn` are the two halves of step mode: a history becomes what a target
reads, what it says becomes proposed events. Deterministic: ids are `e1`, `e2`, …, times come from the caller.
It judges nothing: a gate may, and only says what is blocked.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from typing import Final, Literal, Protocol, TypeAlias

import msgspec

from obverse.core.chat import ChatMessage, Completion, Sampling, ToolCall, ToolSpec, Usage
from obverse.core.events import AnyEvent, Call, Denied, Message, Reply, Result, System, Transcript
from obverse.core.verdicts import Verdict
from obverse.targets.protocol import GREEDY, Target, TargetError

NOT_EXECUTED: Final = "This call was not executed."
NO_RESULT: Final = "(no result yet)"

Ended: TypeAlias = Literal["done", "step limit", "stopped", "error"]
"""Why a dialogue ended: the user had no more to say, too many turns, a verdict `stop`, or the target gave no answer."""


class Words(Protocol):
    """What a user says: a text, and what is known about it by construction (`{"message.says_yes": True}`)."""

    @property
    def text(self) -> str: ...

    @property
    def labels(self) -> Mapping[str, bool]: ...


class World(Protocol):
    """What answers the target: tools and the user. It sees raw arguments, and answers malformed ones with a failure."""

    def answer(self, tool: str, arguments: str) -> tuple[str, bool]:
        """The output of this call, and whether it failed."""
        ...

    def next_message(self, reply: str) -> Words | None:
        """What the user says to this reply; None when the dialogue is over."""
        ...


class Gated(msgspec.Struct, frozen=True, kw_only=True):
    """What a gate says of one proposed event. `message` is what the target, or the user, is told if it is blocked."""

    verdict: Verdict
    message: str = NOT_EXECUTED


Gate: TypeAlias = Callable[[Sequence[AnyEvent], Sequence[Call | Reply]], Sequence[Gated]]
"""(history, what is proposed in one turn) → one `Gated` for each."""


class Conversation(msgspec.Struct, frozen=True, kw_only=True):
    """A dialogue that has ended. `error` is there when `ended` is `error`; what happened until then stands all the same."""

    transcript: Transcript
    ended: Ended
    turns: int
    usage: Usage
    error: TargetError | None = None


async def converse(
    target: Target,
    world: World,
    *,
    opening: Sequence[AnyEvent],
    tools: Sequence[ToolSpec] = (),
    sampling: Sampling = GREEDY,
    gate: Gate | None = None,
    step_limit: int = 16,
    times: Iterator[int | None] | None = None,
    id: str = "dialogue",
) -> Conversation:
    """The conversation of this target in this world, from the opening events on.

    `times` gives the time of each further event, such as `itertools.count(start_ms, 1000)`; without it they have none.
    Turns are numbered on from the opening's.
    """
    run = _Run(events=list(opening), times=times or itertools.repeat(None), said_of_denied={})
    ended: Ended = "step limit"
    error = None
    turns = 0
    before = max((event.turn for event in opening), default=0)
    usages = []
    while turns < step_limit:
        chat = chat_of(run.events, said_of_denied=run.said_of_denied)
        try:
            completion = await target.complete(chat, tools=tools, sampling=sampling)
        except TargetError as raised:
            ended, error = "error", raised
            break
        turns += 1
        usages.append(completion.usage)
        proposed = run.propose(completion, before + turns)
        gated = gate(tuple(run.events), proposed) if gate else [Gated(verdict=Verdict.ALLOW)] * len(proposed)
        run.happen(proposed, gated, world)
        if any(one.verdict is Verdict.STOP for one in gated):
            ended = "stopped"
            break
        if not completion.tool_calls and not run.hear(world, before + turns):
            ended = "done"
            break
    return Conversation(
        transcript=Transcript(id=id, events=tuple(run.events)),
        ended=ended,
        turns=turns,
        usage=total(usages),
        error=error,
    )


def proposed_turn(
    completion: Completion,
    *,
    first: int = 1,
    turn: int = 1,
    times: Iterator[int | None] | None = None,
    taken: Collection[str] = (),
) -> tuple[Call | Reply, ...]:
    """What a completion proposes: its text as a reply, then its calls; an empty reply where it says nothing at all.

    Events are named `e{first}` and on. A call id that is empty or `taken` is made unique by the event's id.
    """
    times = times or itertools.repeat(None)
    found: list[Call | Reply] = []
    ids = set(taken)
    if completion.text.strip() or not completion.tool_calls:
        found.append(Reply(id=f"e{first}", time=next(times), turn=turn, text=completion.text))
    for call in completion.tool_calls:
        id = f"e{first + len(found)}"
        call_id = call.id if call.id and call.id not in ids else f"{call.id or 'call'}-{id}"
        ids.add(call_id)
        found.append(
            Call(id=id, time=next(times), turn=turn, call_id=call_id, tool=call.name, arguments=call.arguments)
        )
    return tuple(found)


def chat_of(events: Sequence[AnyEvent], *, said_of_denied: Mapping[str, str] | None = None) -> list[ChatMessage]:
    """The chat that a target reads of this history.

    A reply and the calls of one turn make one assistant message; each call is answered at once by a tool message, as
    endpoints demand: by its result wherever that stands, by `NOT_EXECUTED` (or what `said_of_denied` has under its call id)
    if it was denied, else by `NO_RESULT`. Facts, approvals, grants and thoughts are not for the target to read.
    """
    denied = said_of_denied or {}
    results = {event.call_id: event.output for event in reversed(events) if isinstance(event, Result)}
    chat: list[ChatMessage] = []
    group: list[Reply | Call | Denied] = []

    def flush() -> None:
        chat.extend(_assistant(group, results, denied))
        group.clear()

    for event in events:
        if isinstance(event, Reply | Call | Denied):
            if group and group[-1].turn != event.turn:
                flush()
            group.append(event)
        elif isinstance(event, Result | System | Message):
            flush()
        if isinstance(event, System | Message):
            chat.append(ChatMessage(role="system" if isinstance(event, System) else "user", content=event.text))
    flush()
    return chat


def total(usages: Sequence[Usage]) -> Usage:
    """The sum; unknown as soon as one is unknown, or there is none."""

    def add(counts: list[int | None]) -> int | None:
        known = [count for count in counts if count is not None]
        return sum(known) if known and len(known) == len(counts) else None

    return Usage(
        prompt_tokens=add([usage.prompt_tokens for usage in usages]),
        completion_tokens=add([usage.completion_tokens for usage in usages]),
    )


class _Run(msgspec.Struct, kw_only=True):
    """A dialogue while it goes on."""

    events: list[AnyEvent]
    times: Iterator[int | None]
    said_of_denied: dict[str, str]

    def propose(self, completion: Completion, turn: int) -> tuple[Call | Reply, ...]:
        taken = {event.call_id for event in self.events if isinstance(event, Call | Denied)}
        if not completion.text.strip() and not completion.tool_calls:
            return ()  # a silence is no event: the user is next
        return proposed_turn(completion, first=self._next(), turn=turn, times=self.times, taken=taken)

    def happen(self, proposed: Sequence[Call | Reply], gated: Sequence[Gated], world: World) -> None:
        """Let happen what is not blocked, and let the world answer the calls among it."""
        executed = []
        for event, one in zip(proposed, gated):
            if not one.verdict.blocks:
                self.events.append(event)
                executed += [event] if isinstance(event, Call) else []
            elif isinstance(event, Call):
                self.events.append(_denied(event))
                self.said_of_denied[event.call_id] = one.message
            else:  # the user is told the gate's words in place of the target's
                self.events.append(msgspec.structs.replace(event, text=one.message))
        for call in executed:
            output, failed = world.answer(call.tool, call.arguments)
            self.events.append(
                Result(
                    id=f"e{self._next()}",
                    time=next(self.times),
                    turn=call.turn,
                    call_id=call.call_id,
                    tool=call.tool,
                    output=output,
                    failed=failed,
                )
            )

    def hear(self, world: World, turn: int) -> bool:
        """Whether the user says something more; it is added."""
        reply = next((event.text for event in reversed(self.events) if isinstance(event, Reply)), "")
        words = world.next_message(reply)
        if words is not None:
            time = next(self.times)
            self.events.append(
                Message(id=f"e{self._next()}", time=time, turn=turn, text=words.text, labels=dict(words.labels))
            )
        return words is not None

    def _next(self) -> int:
        """One more than the highest number in an id so far: opening events may be numbered as they like."""
        numbers = (event.id[1:] for event in self.events if event.id.startswith("e"))
        return max((int(number) for number in numbers if number.isdecimal()), default=0) + 1


def _denied(call: Call) -> Denied:
    return Denied(
        id=call.id, time=call.time, turn=call.turn, call_id=call.call_id, tool=call.tool, arguments=call.arguments
    )


def _assistant(
    group: Sequence[Reply | Call | Denied], results: Mapping[str, str], denied: Mapping[str, str]
) -> Iterator[ChatMessage]:
    """One assistant message for what was proposed together, and an answer to each of its calls."""
    if not group:
        return
    calls = [event for event in group if not isinstance(event, Reply)]
    yield ChatMessage(
        role="assistant",
        content="\n".join(event.text for event in group if isinstance(event, Reply)),
        tool_calls=tuple(ToolCall(id=call.call_id, name=call.tool, arguments=call.arguments) for call in calls),
    )
    for call in calls:
        if isinstance(call, Denied):
            content = denied.get(call.call_id, NOT_EXECUTED)
        else:
            content = results.get(call.call_id, NO_RESULT)
        yield ChatMessage(role="tool", content=content, tool_call_id=call.call_id, name=call.tool)
