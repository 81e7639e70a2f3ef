"""A session in step with a framework's list of messages: what is new is heard, turns are decided, tools run by their permits.

Frameworks send a model the whole list of messages each time. The list is the history as the model was sent it (need R10), so
each list is compared with what was heard before: what was added is heard in order. A list that does not begin with what was
heard (cut, summed up, reordered) is heard for what is new in it, and the fact `history.edited` says so (need R2): the session's own
history keeps what happened, whatever a framework chose to forget. An assistant's message that no ruling released is no act of
this session: it is heard as a thought, and the fact `history.foreign` says so.

One conversation is one agent's; its turns come one after another, while its tools may run in threads at the same time.
"""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from typing import Final, Literal

import msgspec

from obverse.core.canon import digest
from obverse.core.errors import EvidenceError, MisuseError
from obverse.core.events import Call, Reply
from obverse.guard.records import Permit, ProposedCall, Ruled, Ruling
from obverse.guard.session import Session
from obverse.policy.decide import call_digest

EDITED: Final = "history.edited"
FOREIGN: Final = "history.foreign"
REFUSED: Final = "This call was not allowed."
"""What an agent sees in place of a result where no ruling's own message is at hand (L17)."""


class Item(msgspec.Struct, frozen=True, kw_only=True):
    """One message of a framework's list, in one form for all: text, the calls of an assistant, whom a tool's text answers."""

    role: Literal["system", "user", "assistant", "tool"]
    text: str = ""
    calls: tuple[ProposedCall, ...] = ()
    call_id: str = ""
    failed: bool = False


class Conversation:
    """One agent's session, fed from its message lists. `wait` is how long a turn waits for people before it is given back."""

    def __init__(self, session: Session, *, wait: float = 0.0) -> None:
        self.session = session
        self.wait = wait
        self.ruling: Ruling | None = None
        self._heard: list[str] = []
        self._released: set[str] = set()
        self._permits: dict[str, Permit] = {}
        self._answered: dict[str, str] = {}
        self._messages: dict[str, str] = {}
        self._lock = threading.RLock()

    # --- what was sent to the model ---------------------------------------------------------------------------------------

    def hear(self, items: Sequence[Item]) -> None:
        """Feed the session what is new in this list, in order; say so if the list is not the old one with something added."""
        items = [piece for item in items for piece in _pieces(item)]
        marks = [_mark(item) for item in items]
        if marks[: len(self._heard)] == self._heard:
            new = list(items[len(self._heard) :])
        else:
            self.session.fact(EDITED, True)
            new = _beyond(items, marks, Counter(self._heard))
        for item in new:
            self._hear(item)
        self._heard = marks

    def hears(self, items: Sequence[Item]) -> bool:
        """Whether this list, or a longer one that ends with it, is what was heard last."""
        marks = [_mark(piece) for item in items for piece in _pieces(item)]
        return not marks or self._heard[-len(marks) :] == marks

    def _hear(self, item: Item) -> None:
        match item.role:
            case "system":
                self.session.system(item.text)
            case "user":
                self.session.message(item.text)
            case "tool":
                self._answer(item)
            case "assistant" if _mark(item) not in self._released:
                self.session.fact(FOREIGN, True)
                self.session.thought(_told(item))

    def _answer(self, item: Item) -> None:
        """A tool's text, as the model was sent it; what the executor said before must be the same."""
        if item.call_id in self._messages:
            return  # the refusal of a denied call, back from the framework
        if item.call_id not in self._answered:
            self.finish(item.call_id, item.text, failed=item.failed)
        elif self._answered[item.call_id] != item.text:
            self.session.fact(EDITED, True)

    # --- what the model proposes ------------------------------------------------------------------------------------------

    def propose(self, calls: Sequence[ProposedCall], reply: str | None) -> Ruling:
        """The ruling on this turn, decided before any of it is seen or runs."""
        return self._ruled(self.session.propose(calls, reply, wait=self.wait))

    def resume(self, wait: float | None = None) -> Ruling | None:
        """The ruling on the turn that waits for people, decided again; None if none waits."""
        with self._lock:  # who comes second finds the permits that the first one brought
            again = self.session.resume(self.wait if wait is None else wait)
            return None if again is None else self._ruled(again)

    def _ruled(self, ruling: Ruling) -> Ruling:
        self.ruling = ruling
        for step in ruling.steps:
            name = _call_id(step)
            if name is None:
                continue
            if step.permit is not None:
                self._permits[name] = step.permit
                self._messages.pop(name, None)
                self._answered.pop(name, None)  # some models name each turn's calls alike
                self._answered.pop(name, None)  # a name that an earlier call had: what comes now answers this one
            elif step.request is None:
                self._messages[name] = step.message
        return ruling

    def shown(self, text: str, calls: Sequence[ProposedCall]) -> None:
        """Tell what of the turn was given to the caller, so that it is known when it comes back in the next list."""
        self._released |= {_mark(piece) for piece in _pieces(Item(role="assistant", text=text, calls=tuple(calls)))}

    # --- what runs --------------------------------------------------------------------------------------------------------

    def message(self, call_id: str) -> str:
        """What an agent may see in place of this call's result."""
        return self._messages.get(call_id, REFUSED)

    def may_run(self, call_id: str) -> bool:
        """Whether there is a permit for this call that was not used."""
        return call_id in self._permits

    def begin(self, call_id: str, tool: str, arguments: str) -> None:
        """Use the permit of this call for what will really run.

        Raises:
            EvidenceError: there is none, or it was given for something else, or it was used.
        """
        with self._lock:
            permit = self._permits.pop(call_id, None)
        if permit is None:
            raise EvidenceError("there is no permit for this call", code="G510")
        self.session.redeem(permit, tool, arguments)

    def run(self, call_id: str, tool: str, arguments: str, do: Callable[[], str]) -> str:
        """What `do` gives, run between `begin` and `finish`; what it raises is the call's failed result, and goes on.

        Raises:
            EvidenceError: the call may not run; `do` was not called.
        """
        self.begin(call_id, tool, arguments)
        try:
            output = do()
        except BaseException as error:
            self.finish(call_id, f"{type(error).__name__}: {error}", failed=True)
            raise
        self.finish(call_id, output)
        return output

    def finish(self, call_id: str, output: str, *, failed: bool = False) -> None:
        """Tell the session what the call gave back; of a call that it never released it is told that there was one."""
        self._answered[call_id] = output
        try:
            self.session.result(call_id, output, failed=failed)
        except (EvidenceError, MisuseError):
            self.session.fact(FOREIGN, True)


class Only:
    """An object of which only some members can be reached; the others would be ways past the guard."""

    def __getattr__(self, name: str) -> object:
        """Nothing but what the class has itself.

        Raises:
            MisuseError: for any other name.
        """
        if name.startswith("__"):
            raise AttributeError(name)
        raise MisuseError(f"`{name}` of this client does not pass the guard", code="G513", hint="use `create`")


def text_of(content: object) -> str:
    """The text of a message's content: texts of a list joined by line ends, of another part only its kind: `[image_url]`."""
    if content is None or isinstance(content, str):
        return content or ""
    if not isinstance(content, Sequence):
        return str(content)
    return "\n".join(_part(part) for part in content)


def _part(part: object) -> str:
    if not isinstance(part, Mapping):
        return str(part)
    text = part.get("text", part.get("refusal"))
    return text if isinstance(text, str) else f"[{part.get('type')}]"


def kept(ruling: Ruling, calls: Sequence[ProposedCall]) -> list[ProposedCall]:
    """The calls of a turn that may be given to the caller: those with a permit."""
    allowed = {_call_id(step) for step in ruling.released}
    return [call for call in calls if call.call_id in allowed]


def may_speak(ruling: Ruling) -> bool:
    """Whether the reply of the turn may be given to the caller."""
    return any(isinstance(step.proposal, Reply) for step in ruling.released)


def custom_arguments(text: object) -> str:
    """The arguments of a tool that takes free text: a policy speaks of it as `input`."""
    return msgspec.json.encode({"input": str(text)}).decode()


def instead(ruling: Ruling) -> str:
    """What the agent is told of the steps that were not released; each message once. Empty if all were."""
    return "\n".join(dict.fromkeys(step.message for step in ruling.steps if step.permit is None))


def _call_id(step: Ruled) -> str | None:
    return getattr(step.proposal, "call_id", None)


def _pieces(item: Item) -> list[Item]:
    """What an assistant said, and each of its calls, by itself: frameworks put results between the calls of one turn."""
    if item.role != "assistant":
        return [item]
    said = [Item(role="assistant", text=item.text)] if item.text else []
    return [*said, *(Item(role="assistant", calls=(call,)) for call in item.calls)]


def _mark(item: Item) -> str:
    """Equal for what a model cannot tell apart."""
    calls = [[call.call_id, _meant(call)] for call in item.calls]
    text = item.text.encode(errors="backslashreplace").decode()
    return digest({"role": item.role, "text": text, "calls": repr(calls), "call_id": repr(item.call_id)})


def _meant(call: ProposedCall) -> str:
    """By what the arguments mean: a framework that parsed them writes them anew."""
    return call_digest(Call(id="", call_id="", tool=call.tool, arguments=call.arguments))


def _beyond(items: Sequence[Item], marks: Sequence[str], heard: Counter[str]) -> list[Item]:
    """The items that were not heard before, each as often as it is new."""
    new = []
    for item, mark in zip(items, marks):
        if heard[mark]:
            heard[mark] -= 1
        else:
            new.append(item)
    return new


def _told(item: Item) -> str:
    calls = "".join(f"\n[call {call.tool} {call.arguments}]" for call in item.calls)
    return f"[not released by this session] {item.text}{calls}"
