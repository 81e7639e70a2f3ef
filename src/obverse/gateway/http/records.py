"""What both protocols mean, in one form: the items of a conversation, what a client asks, what a model answers, what goes back.

An `Item` is one thing that stands in a conversation as the client sends it. Its `mark` is what two items are compared by: who said
it and what, whatever the spelling of the protocol around it.
"""

from __future__ import annotations

import hashlib
from functools import cached_property
from typing import Any, Literal, TypeAlias

import msgspec

from obverse.core.events import Call as CallEvent
from obverse.policy.decide import call_digest


class Item(msgspec.Struct, frozen=True, kw_only=True, tag=True, dict=True):
    """One thing in a conversation."""

    @cached_property
    def mark(self) -> bytes:
        """Sixteen bytes that stand for it."""
        return _mark([type(self).__name__, *(str(getattr(self, name)) for name in self.__struct_fields__)])


class Instruction(Item, frozen=True, kw_only=True):
    """What the operator tells the model: `system` and `developer` messages, `instructions`."""

    text: str


class Asking(Item, frozen=True, kw_only=True):
    """What the user said; `speaker` where the client names one."""

    text: str
    speaker: str = ""


class Answering(Item, frozen=True, kw_only=True, dict=True):
    """What stands there as said by the model. Blanks around it say nothing, and some clients drop them."""

    text: str

    @cached_property
    def mark(self) -> bytes:
        """Sixteen bytes that stand for the text."""
        return _mark(["Answering", self.text.strip()])


class Calling(Item, frozen=True, kw_only=True, dict=True):
    """What stands there as called by the model. Its mark goes by what the arguments mean, since frameworks write them anew."""

    id: str
    name: str
    arguments: str

    @cached_property
    def mark(self) -> bytes:
        """Sixteen bytes that stand for the id, the tool and its canonical arguments."""
        meant = call_digest(CallEvent(id="", call_id="", tool=self.name, arguments=self.arguments))
        return _mark(["Calling", self.id, meant])


class Returning(Item, frozen=True, kw_only=True):
    """What a tool gave back to one call."""

    id: str
    output: str


AnyItem: TypeAlias = Instruction | Asking | Answering | Calling | Returning


class Offer(msgspec.Struct, frozen=True, kw_only=True):
    """A tool that the client offers to the model, and its definition exactly as sent (need R3)."""

    name: str
    definition: dict[str, Any]


class Request(msgspec.Struct, frozen=True, kw_only=True):
    """What a client asks, read and found fit to be guarded. `options` is what goes on to the model but for the conversation.

    `wire` is the conversation in the protocol's own form, `unseen` the digests of parts that the guard cannot read and the
    operator lets through, `structured` says that the answer is to be JSON, `digest` names the request apart from how it
    is delivered, `previous` is the id of an answer that it goes on from.
    """

    protocol: Literal["chat", "responses"]
    model: str
    items: tuple[AnyItem, ...]
    wire: list[dict[str, Any]]
    options: dict[str, Any]
    offers: tuple[Offer, ...] = ()
    stream: bool = False
    usage: bool = False
    structured: bool = False
    unseen: tuple[str, ...] = ()
    digest: str = ""
    previous: str | None = None
    keep: bool = False


class Proposed(msgspec.Struct, frozen=True, kw_only=True):
    """One call that the model proposes; `arguments` is its raw text, joined from whatever pieces it came in."""

    id: str
    name: str
    arguments: str


class Tokens(msgspec.Struct, frozen=True, kw_only=True):
    """What an answer cost, where the model says so."""

    given: int = 0
    made: int = 0


class Answer(msgspec.Struct, frozen=True, kw_only=True):
    """One turn of the model, whole. `thought` is what it wrote for itself; `finish` is why it ended."""

    text: str = ""
    thought: str = ""
    calls: tuple[Proposed, ...] = ()
    finish: Literal["stop", "length", "tool_calls", "content_filter"] = "stop"
    tokens: Tokens | None = None
    model: str | None = None


class Outgoing(msgspec.Struct, frozen=True, kw_only=True):
    """What the client gets: what was released of a turn, or the guard's own words in place of it (`notice`).

    `verdict` is what holds for the turn; it goes into a header, for programs. `structured`: the client wants JSON.
    """

    id: str
    model: str
    created: int
    text: str = ""
    notice: str = ""
    calls: tuple[Proposed, ...] = ()
    finish: str = "stop"
    tokens: Tokens | None = None
    verdict: str = "allow"
    structured: bool = False

    @property
    def refused(self) -> bool:
        """Whether the text is the guard's alone and stands where no JSON is expected."""
        return self.structured and bool(self.notice) and not self.text

    @property
    def shown(self) -> str:
        """The text that the client sees: what was released, then the notice."""
        return "\n\n".join(part for part in (self.text, self.notice) if part)

    def items(self) -> tuple[AnyItem, ...]:
        """What will stand in the conversation when the client sends it again."""
        said = (Answering(text=self.shown),) if self.shown else ()
        return (*said, *(Calling(id=call.id, name=call.name, arguments=call.arguments) for call in self.calls))


def _mark(parts: list[str]) -> bytes:
    whole = b"".join(b"%d:%s" % (len(part), part.encode()) for part in parts)
    return hashlib.blake2b(whole, digest_size=16).digest()
