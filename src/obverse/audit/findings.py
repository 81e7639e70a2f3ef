"""Findings: which clause a recorded agent broke, at which step, and what made it so.

Decisions come from the compiled monitor, which L05 holds equal to `decide`; so a transcript of a million events is audited
without being held. What could not be known is a finding too, an undecided one: it is never counted as kept (L11).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Literal, TypeAlias

import msgspec

from obverse.core.events import AnyEvent, Call, Reply
from obverse.core.verdicts import Truth, Verdict
from obverse.policy.checked import Checked, CheckedRule
from obverse.policy.compiled.program import Program
from obverse.policy.compiled.session import CompiledMonitor
from obverse.policy.decision import Decision, Reason
from obverse.policy.steps import steps_of, turns_of

State: TypeAlias = Literal["broken", "undecided", "warned"]


class Finding(msgspec.Struct, frozen=True, kw_only=True):
    """One clause at one step. `broken` for certain, or `undecided` because something was not known.

    `message` is the index in the message list that the transcript was read from; `act` is what the agent did, in a few
    words; `reason` tells the rule, its conditions, the earlier events and the unknowns.
    """

    transcript: str
    step: str
    message: int | None
    clause: str
    verdict: Verdict
    state: State
    act: str
    reason: Reason


class Audited(msgspec.Struct, frozen=True, kw_only=True):
    """One audited transcript: its findings, and in how many steps each clause had a say.

    `counts` is of all findings, by clause and state, also of those beyond the limit that `findings` keeps.
    """

    transcript: str
    events: int
    steps: int
    spoken: dict[str, int]
    counts: dict[str, dict[State, int]]
    findings: tuple[Finding, ...]


def audit(
    checked: Checked, transcript: str, events: Iterable[AnyEvent], *, most: int = 10_000, program: Program | None = None
) -> Audited:
    """Everything that the policy has to say of these events. Of findings, at most `most` are held; more are counted.

    Whoever audits many transcripts makes the `program` of the policy once.
    """
    program = program or Program(checked)
    monitor = CompiledMonitor(checked, program)
    found: list[Finding] = []
    spoken: dict[str, int] = {}
    counts: dict[str, dict[State, int]] = {}
    count = steps = 0
    for item in turns_of(events):
        if not isinstance(item, tuple):
            count += 1
            monitor.observe(item)
            continue
        for step in steps_of(item):
            steps += 1
            for clause in _clauses(program.speaking(step.event)):
                spoken[clause] = spoken.get(clause, 0) + 1
            for finding in _findings(transcript, step.event, monitor.decide(step)):
                states = counts.setdefault(finding.clause, {})
                states[finding.state] = states.get(finding.state, 0) + 1
                if len(found) < most:
                    found.append(finding)
        for event in item:
            count += 1
            monitor.observe(event)
    return Audited(
        transcript=transcript, events=count, steps=steps, spoken=spoken, counts=counts, findings=tuple(found)
    )


def _findings(transcript: str, event: Call | Reply, decision: Decision) -> Iterator[Finding]:
    """One finding per clause of this step: the worst of its rules."""
    worst: dict[str, Reason] = {}
    for reason in decision.reasons:
        held = worst.get(reason.clause)
        if held is None or _rank(reason) > _rank(held):
            worst[reason.clause] = reason
    for clause, reason in worst.items():
        yield Finding(
            transcript=transcript,
            step=event.id,
            message=event.origin,
            clause=clause,
            verdict=reason.verdict,
            state=_state(reason),
            act=f"calls {event.tool}" if isinstance(event, Call) else "replies",
            reason=reason,
        )


def _rank(reason: Reason) -> tuple[bool, bool, int]:
    return (reason.verdict.blocks, reason.certain is Truth.TRUE, reason.verdict.strictness)


def _state(reason: Reason) -> State:
    if not reason.verdict.blocks:
        return "warned"
    return "broken" if reason.certain is Truth.TRUE else "undecided"


def _clauses(rules: tuple[tuple[CheckedRule, Truth], ...]) -> tuple[str, ...]:
    """The clauses with a rule, other than a permit, among these."""
    return tuple(dict.fromkeys(rule.clause for rule, _ in rules if rule.kind != "permit"))
