"""Deciding a stream: events in, decisions out. What was blocked enters the history as denied, the rest as having happened."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Protocol

import msgspec

from obverse.core.events import AnyEvent, Call, Denied, Reply, Step
from obverse.policy.checked import Checked
from obverse.policy.compiled.session import CompiledMonitor
from obverse.policy.decide import decide
from obverse.policy.decision import Decision
from obverse.policy.steps import steps_of, turns_of


class Decider(Protocol):
    """Something that remembers what happened and decides what is proposed."""

    def observe(self, event: AnyEvent) -> None: ...

    def decide(self, step: Step) -> Decision: ...


class Reference:
    """The reference evaluator as a decider: it keeps the whole history and reads it again each time."""

    def __init__(self, checked: Checked) -> None:
        self.checked = checked
        self.history: list[AnyEvent] = []

    def observe(self, event: AnyEvent) -> None:
        """Add the event to the history."""
        self.history.append(event)

    def decide(self, step: Step) -> Decision:
        """The decision after that history."""
        return decide(self.checked, self.history, step)


def decider(checked: Checked, *, streaming: bool) -> Decider:
    """The compiled monitor, or the reference evaluator; L05 says that they agree."""
    return CompiledMonitor(checked) if streaming else Reference(checked)


def decisions(decider: Decider, events: Iterable[AnyEvent], *, recorded: bool = False) -> Iterator[Decision]:
    """One decision for each reply and call, in order.

    A call that is denied, stopped, or waits for a person enters the history as `Denied`, such a reply not at all; with
    `recorded` all of it is taken to have happened, as in a transcript of the past.
    """
    for item in turns_of(events):
        if not isinstance(item, tuple):
            decider.observe(item)
            continue
        decided = [(step.event, decider.decide(step)) for step in steps_of(item)]
        for event, decision in decided:
            yield decision
            happened = event if recorded or not decision.verdict.blocks else _denied(event)
            if happened is not None:
                decider.observe(happened)


def _denied(event: Call | Reply) -> Denied | None:
    if isinstance(event, Reply):
        return None
    return msgspec.convert(msgspec.to_builtins(event) | {"kind": "denied"}, Denied)
