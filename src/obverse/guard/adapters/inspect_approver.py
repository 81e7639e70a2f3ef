"""Inspect AI: an approver that asks a guard. Needs the extra `inspect`.

    Task(…, approval=[ApprovalPolicy(guard_approver(guard), "*")])

An approver is asked of one call at a time, but is shown the message that the call stands in. So the whole turn is decided when the first
of its calls comes up, and the others get what was ruled then: nothing of a turn runs before all of it is decided (need R1).

What cannot be met on this interface: a reply is seen and recorded but cannot be held back; the approver does not run the tool, so the
permit is used just before that, for the arguments as they are shown here, and not for what a tool makes of them; the result of a call is
heard with the next one, that of a sample's last call not at all; a call that Inspect itself refuses (no such tool) does not come up. Who
is asked are the guard's people: a call that they have not answered in time is rejected, and never escalated to an approver whose word is
not signed (need R6). Whatever raises here rejects.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Sequence
from typing import Any, Final

from inspect_ai.approval import Approval, approver
from inspect_ai.model import ChatMessageAssistant, ChatMessageTool
from inspect_ai.util import store

from obverse.core.errors import EvidenceError
from obverse.core.verdicts import Verdict
from obverse.guard.adapters.conversation import REFUSED, Conversation, Item
from obverse.guard.guard import Guard
from obverse.guard.records import ProposedCall, Ruling

KEY: Final = "obverse:session"
"""Where a sample keeps the id of its session: each has one of its own."""


class Approver:
    """Inspect's protocol `Approver` in front of a guard."""

    def __init__(self, guard: Guard, *, holder: str, wait: float) -> None:
        self._guard = guard
        self._holder = holder
        self._wait = wait
        self._conversations: dict[str, Conversation] = {}
        self._rulings: dict[tuple[str, str], Ruling] = {}

    async def __call__(self, message: str, call: Any, view: Any, history: list[Any]) -> Approval:
        """What is to become of this call."""
        try:
            conversation = self._conversation()
            return await asyncio.to_thread(self._decided, conversation, call, list(history))
        except Exception:  # boundary: an evaluation goes on, with this call rejected
            return Approval(decision="reject", explanation=REFUSED)

    def _conversation(self) -> Conversation:
        """That of the sample in which this runs."""
        name = store().get(KEY)
        if name not in self._conversations:
            session = self._guard.session(holder=self._holder)
            name = session.id
            store().set(KEY, name)
            self._conversations[name] = Conversation(session, wait=self._wait)
        return self._conversations[name]

    def _decided(self, conversation: Conversation, call: Any, history: Sequence[Any]) -> Approval:
        ruling = self._turn(conversation, call, history)
        if ruling.waiting:
            again = conversation.resume()
            ruling = ruling if again is None else again
        if ruling.verdict is Verdict.STOP or ruling.state != "open":
            return Approval(decision="terminate", explanation=conversation.message(call.id))
        try:
            conversation.begin(call.id, call.function, json.dumps(call.arguments))
        except EvidenceError:
            return Approval(decision="reject", explanation=_message(ruling, call.id))
        return Approval(decision="approve")

    def _turn(self, conversation: Conversation, call: Any, history: Sequence[Any]) -> Ruling:
        """The ruling on the turn of this call; decided with the first of its calls."""
        place = max(index for index, one in enumerate(history) if _holds(one, call.id))
        turn = history[place]
        key = (conversation.session.id, str(turn.id))
        if key not in self._rulings:
            conversation.hear([_item(one) for one in history[:place]])
            calls, said = _calls(turn), turn.text or None
            self._rulings[key] = conversation.propose(calls, said)
            conversation.shown(said or "", calls)  # Inspect keeps the message as it is, whatever of it runs
        return conversation.ruling or self._rulings[key]


def guard_approver(guard: Guard, *, holder: str = "inspect", wait: float = 0.0) -> Any:
    """An approver for Inspect; `wait` is how many seconds it waits for people."""
    return _registered(guard, holder=holder, wait=wait)


def _make(guard: Guard, holder: str, wait: float) -> Approver:
    return Approver(guard, holder=holder, wait=wait)


_registered: Any = approver(name="obverse_guard")(_make)


def _holds(message: Any, call: str) -> bool:
    return isinstance(message, ChatMessageAssistant) and any(one.id == call for one in message.tool_calls or ())


def _item(message: Any) -> Item:
    if isinstance(message, ChatMessageAssistant):
        return Item(role="assistant", text=message.text, calls=tuple(_calls(message)))
    if isinstance(message, ChatMessageTool):
        text = message.error.message if message.error else message.text
        return Item(role="tool", text=text, call_id=str(message.tool_call_id), failed=message.error is not None)
    return Item(role="system" if message.role == "system" else "user", text=message.text)


def _calls(message: Any) -> list[ProposedCall]:
    """The calls of a turn; one that could not be parsed is malformed, and denied with its turn."""
    return [
        ProposedCall(
            call_id=call.id,
            tool=call.function,
            arguments="malformed" if call.parse_error else json.dumps(call.arguments),
        )
        for call in message.tool_calls or ()
    ]


def _message(ruling: Ruling, call: str) -> str:
    """What the agent may see of this call (L17)."""
    found = [step.message for step in ruling.steps if getattr(step.proposal, "call_id", None) == call]
    return (found and found[0]) or REFUSED
