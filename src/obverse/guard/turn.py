"""A turn: what an agent proposes together, what the guard thinks of each step, and how those make one ruling. Pure.

What comes from an agent is bounded here before anybody reads it: what is too long is not decided but for what it is, and the
record shows its digest in its place.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping, Sequence
from decimal import Decimal
from typing import Any, Final, Literal

import msgspec

from obverse.core.canon import digest_bytes
from obverse.core.events import AnyEvent, Call, Denied, Reply
from obverse.core.verdicts import Verdict, strictest
from obverse.guard.records import Proposal, ProposedCall
from obverse.guard.settings import Settings
from obverse.policy.checked import Checked
from obverse.policy.decide import MESSAGES
from obverse.policy.decision import Decision
from obverse.policy.reading import read_arguments

CANARY: Final = "obverse.canary"
"""The tool that nobody has and every guard denies: who proposes it and is denied knows that the guard is in the path."""


SIBLING: Final = "This was not done, because something else that was asked for together with it is not allowed here."
"""What the agent is told of a step that is denied for another one's sake."""


class Weighed(msgspec.Struct, frozen=True, kw_only=True):
    """One step, and what is thought of it so far. `policy` is the decision of the policy, `decision` that after grants.

    `verdict` is what holds; it starts as the decision's and only ever becomes stricter. `why` says what made it so.
    """

    proposal: Proposal
    policy: Decision
    decision: Decision
    verdict: Verdict
    why: str = ""
    told: str | None = None
    lifted: tuple[str, ...] = ()
    decided: bool = True
    """False where the guard failed before the policy had its say."""

    def stricter(self, verdict: Verdict, why: str, *, told: str | None = None) -> Weighed:
        """The same step with at least this verdict; `told` is what the agent sees then, in the place of nothing."""
        if verdict.strictness <= self.verdict.strictness:
            return self
        return msgspec.structs.replace(self, verdict=verdict, why=why, told=told)

    @property
    def message(self) -> str:
        """What the agent may see: the words of the rule that gave the verdict, or those that say nothing (L17)."""
        if self.verdict is self.decision.verdict and self.decided:
            return self.decision.message
        return self.told or MESSAGES[self.verdict]


def undecided(event: Proposal, why: str) -> Weighed:
    """A step that the policy was not asked about: denied."""
    nothing = Decision(step=event.id, verdict=Verdict.DENY, certain=Verdict.DENY, message=MESSAGES[Verdict.DENY])
    return Weighed(proposal=event, policy=nothing, decision=nothing, verdict=Verdict.DENY, why=why, decided=False)


class Proposed(msgspec.Struct, frozen=True, kw_only=True):
    """A turn as it is decided, and why it cannot be released whatever the policy says; nothing, as a rule."""

    steps: tuple[Proposal, ...]
    faults: tuple[str, ...] = ()


def readable(text: str) -> str:
    """The text, with halves of characters made visible: what cannot be encoded can be neither recorded nor sent."""
    return text if text.isascii() else text.encode(errors="backslashreplace").decode()


def proposed(
    calls: Sequence[ProposedCall], reply: str | None, *, names: Sequence[str], turn: int, time: int, bounds: Settings
) -> Proposed:
    """The turn: reply first, as it was said, then the calls in order. `names` are the ids of its steps."""
    faults: list[str] = []
    steps: list[Proposal] = []
    given = iter(names)
    if reply is not None:
        steps.append(Reply(id=next(given), time=time, turn=turn, text=_bounded(reply, bounds.longest_text, faults)))
    steps += [
        Call(
            id=name,
            time=time,
            turn=turn,
            call_id=_bounded(call.call_id, bounds.longest_name, faults),
            tool=_bounded(call.tool, bounds.longest_name, faults),
            arguments=_bounded(call.arguments, bounds.longest_text, faults),
        )
        for call, name in zip(calls, given, strict=False)
    ]
    if len(calls) + (reply is not None) > len(steps):
        faults.append(f"a turn of {len(calls) + (reply is not None)} steps")
    ids = [step.call_id for step in steps if isinstance(step, Call)]
    faults += [f"two calls with the id `{name}` in one turn" for name in dict.fromkeys(ids) if ids.count(name) > 1]
    faults += [
        "a number that programs round" for step in steps if isinstance(step, Call) and _is_rounded(step.arguments)
    ]
    return Proposed(steps=tuple(steps), faults=tuple(faults))


def _is_rounded(arguments: str) -> bool:
    """Whether a fraction in it is none that a double holds: it is decided exactly, and most programs would run another one."""
    if not _LONG_NUMBER.search(arguments):
        return False
    left: list[Any] = [read_arguments(arguments)]
    while left:
        value = left.pop()
        if isinstance(value, Decimal) and Decimal(repr(float(value))) != value:
            return True
        if isinstance(value, dict | list):
            left += value.values() if isinstance(value, dict) else value
    return False


_LONG_NUMBER: Final = re.compile(r"[0-9][0-9.]{15}|[0-9][eE]")
"""What a double may not hold as it is written: other numbers need not be looked at."""


def _bounded(text: str, longest: int, faults: list[str]) -> str:
    if len(text) <= longest:
        return readable(text)
    faults.append(f"a text of {len(text):,} characters")
    return f"[{len(text)} characters, {digest_bytes(text.encode(errors='backslashreplace'))}]"


def at(turn: Proposed, time: int) -> Proposed:
    """The same turn at a later time: one that waited is decided by the clock of now."""
    return msgspec.structs.replace(turn, steps=tuple(msgspec.structs.replace(event, time=time) for event in turn.steps))


def joined(steps: Sequence[Weighed], how: Literal["whole", "allowed-part"]) -> tuple[Weighed, ...]:
    """The steps as one turn: where it is released as a whole, one that is denied denies all (need R1)."""
    worst = strictest([step.verdict for step in steps])
    if worst is Verdict.STOP:
        return tuple(step.stricter(Verdict.DENY, "the session was stopped by its turn") for step in steps)
    if worst is Verdict.DENY and how == "whole":
        return tuple(step.stricter(Verdict.DENY, "another step of its turn is denied", told=SIBLING) for step in steps)
    return tuple(steps)


def unanswered(step: Weighed, checked: Checked, settings: Settings, approved: Collection[str]) -> Weighed:
    """The step, stricter where its verdict hangs on a judge that did not answer, and the settings say what that is worth."""
    hangs = step.policy.verdict is not step.policy.certain and any(
        unknown.why == "not answered" for reason in step.policy.reasons for unknown in reason.unknowns
    )
    if not settings.unanswered or not hangs:
        return step
    names = ("reply",)
    if isinstance(step.proposal, Call):
        tool = checked.tools.get(step.proposal.tool)
        names = ("*", *(tool.effects if tool is not None and tool.effects else settings.unanswered))
    worst = strictest([settings.unanswered[name] for name in names if name in settings.unanswered])
    if worst is Verdict.ASK and step.proposal.id in approved:
        return step
    return step.stricter(worst, "a judge did not answer")


def happened(step: Weighed) -> AnyEvent | None:
    """The event that the ruling makes: the step itself if it is released, what was denied if not; a reply leaves no trace."""
    if not step.verdict.blocks:
        return step.proposal
    if isinstance(step.proposal, Reply):
        return None
    call = step.proposal
    return Denied(
        id=call.id, time=call.time, turn=call.turn, call_id=call.call_id, tool=call.tool, arguments=call.arguments
    )


def labelled(event: Proposal, labels: Mapping[str, bool]) -> Proposal:
    """The same step, with answers about its own text."""
    if not isinstance(event, Reply):
        return event
    return msgspec.structs.replace(event, labels={**event.labels, **labels})


def nonce_of(step: Proposal) -> str | None:
    """What a canary carries; None for anything else."""
    if not isinstance(step, Call) or step.tool != CANARY:
        return None
    found = read_arguments(step.arguments)
    nonce = found.get("nonce") if isinstance(found, dict) else None
    return nonce if isinstance(nonce, str) else None
