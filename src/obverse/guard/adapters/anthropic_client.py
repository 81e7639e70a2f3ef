"""An Anthropic client whose answers are decided before the caller gets them: `messages.create`, streaming included.

    client = guarded(anthropic.Anthropic(), Conversation(session))
    message = client.messages.create(model=…, messages=…, max_tokens=…, tools=…)

As `openai_client`, with one difference: this protocol sends the arguments of a call as an object inside the answer, and its SDK keeps
of two equal keys the last. So the answer's own text is read as well: one with a key twice is not given to anybody. Of a stream the
pieces of the arguments are put together and read as the text they are.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Iterable, Iterator, Mapping, Sequence
from copy import deepcopy
from typing import Any, Final, overload

import anthropic
from anthropic import Anthropic, AsyncAnthropic
from anthropic.types import Message, RawMessageStreamEvent
from pydantic import TypeAdapter

from obverse.core.errors import MisuseError, UntrustedInputError
from obverse.guard.adapters.conversation import Conversation, Item, Only, instead, kept, may_speak, text_of
from obverse.guard.records import ProposedCall, Ruling
from obverse.policy.decision import Unknown
from obverse.policy.reading import read_json

_EVENT: Final[TypeAdapter[RawMessageStreamEvent]] = TypeAdapter(RawMessageStreamEvent)
_ABSENT: Final = (anthropic.Omit, anthropic.NotGiven)
_THOUGHTS: Final = ("thinking", "redacted_thinking")
_EMPTY: Final[Mapping[str, Mapping[str, Any]]] = {
    "text": {"text": ""}, "thinking": {"thinking": "", "signature": ""}, "tool_use": {"input": {}},
}  # fmt: skip
_REFUSED: Final = ("container", "mcp_servers", "extra_body")


@overload
def guarded(client: Anthropic, conversation: Conversation) -> Guarded: ...
@overload
def guarded(client: AsyncAnthropic, conversation: Conversation) -> AsyncGuarded: ...
def guarded(client: Anthropic | AsyncAnthropic, conversation: Conversation) -> Guarded | AsyncGuarded:
    """The client with this conversation's session in front of every answer."""
    return Guarded(client, conversation) if isinstance(client, Anthropic) else AsyncGuarded(client, conversation)


class Guarded(Only):
    """A guarded `anthropic.Anthropic`."""

    def __init__(self, client: Anthropic, conversation: Conversation) -> None:
        self._client = client
        self._conversation = conversation
        self.models = client.models
        self.messages = _Messages(self._create)

    def _create(self, options: dict[str, Any]) -> Message | Iterator[RawMessageStreamEvent]:
        _hear(self._conversation, options)
        if not options.get("stream"):
            raw = self._client.messages.with_raw_response.create(**options)
            return _message_ruled(self._conversation, raw.http_response.text)
        return iter(_events_ruled(self._conversation, list(self._client.messages.create(**options))))


class AsyncGuarded(Only):
    """A guarded `anthropic.AsyncAnthropic`; the core runs in threads."""

    def __init__(self, client: AsyncAnthropic, conversation: Conversation) -> None:
        self._client = client
        self._conversation = conversation
        self.models = client.models
        self.messages = _Messages(self._create)

    async def _create(self, options: dict[str, Any]) -> Message | AsyncIterator[RawMessageStreamEvent]:
        await asyncio.to_thread(_hear, self._conversation, options)
        if not options.get("stream"):
            raw = await self._client.messages.with_raw_response.create(**options)
            return await asyncio.to_thread(_message_ruled, self._conversation, raw.http_response.text)
        events = [event async for event in await self._client.messages.create(**options)]
        return _given(await asyncio.to_thread(_events_ruled, self._conversation, events))


class _Messages(Only):
    def __init__(self, create: Any) -> None:
        self._create = create

    def create(self, **options: Any) -> Any:
        """What the SDK's `create` gives, after the ruling."""
        return self._create({name: value for name, value in options.items() if not isinstance(value, _ABSENT)})


# --- what was sent ---------------------------------------------------------------------------------------------------------


def _hear(conversation: Conversation, options: dict[str, Any]) -> None:
    for name in _REFUSED:
        if options.get(name):
            raise MisuseError(f"`{name}` makes the provider act in ways that no rule sees", code="G511")
    strange = [str(tool["type"]) for tool in options.get("tools") or () if tool.get("type", "custom") != "custom"]
    if strange:
        raise MisuseError(f"a tool of type `{strange[0]}` may run at the provider, past the guard", code="G511")
    system = text_of(options.get("system"))
    found = [Item(role="system", text=system)] if system else []
    conversation.hear([*found, *items(_plain(message) for message in options.get("messages") or ())])


def items(messages: Iterable[Mapping[str, Any]]) -> list[Item]:
    """The messages of a request: results that stand in a user's message are results, the rest of it is what the user said."""
    found: list[Item] = []
    for message in messages:
        content = message.get("content")
        blocks = (
            [{"type": "text", "text": content}] if isinstance(content, str) else [_plain(one) for one in content or ()]
        )
        if message.get("role") == "assistant":
            calls, said, _ = turn(blocks)
            found.append(Item(role="assistant", text=said or "", calls=tuple(calls)))
            continue
        found += [_result(block) for block in blocks if block.get("type") == "tool_result"]
        said = text_of([block for block in blocks if block.get("type") != "tool_result"])
        if said:
            found.append(Item(role="user", text=said))
    return found


def _result(block: Mapping[str, Any]) -> Item:
    return Item(
        role="tool",
        text=text_of(block.get("content")),
        call_id=str(block.get("tool_use_id")),
        failed=bool(block.get("is_error")),
    )


def _plain(value: Any) -> dict[str, Any]:
    plain = value.model_dump(mode="json", exclude_none=True) if hasattr(value, "model_dump") else dict(value)
    return plain if isinstance(plain, dict) else {}


# --- what came back --------------------------------------------------------------------------------------------------------


def turn(blocks: Sequence[Mapping[str, Any]]) -> tuple[list[ProposedCall], str | None, str]:
    """What an answer proposes: its calls, what it says, and what it thought.

    Raises:
        UntrustedInputError: it holds something that nobody decided.
    """
    calls: list[ProposedCall] = []
    said: list[str] = []
    thought: list[str] = []
    for block in blocks:
        kind = block.get("type")
        if kind == "text":
            said.append(str(block.get("text") or ""))
        elif kind in _THOUGHTS:
            thought.append(str(block.get("thinking") or "[redacted]"))
        elif kind == "tool_use":
            given = block.get("input")
            arguments = given if isinstance(given, str) else json.dumps(given if given is not None else {})
            calls.append(ProposedCall(call_id=str(block.get("id")), tool=str(block.get("name")), arguments=arguments))
        else:
            raise UntrustedInputError(f"an answer with a block of type `{str(kind)[:40]}`, past the guard", code="G512")
    return calls, "\n".join(text for text in said if text) or None, "\n".join(thought)


def released(message: Mapping[str, Any], ruling: Ruling) -> dict[str, Any]:
    """The message with what may be given to the caller; where something was taken out, the rule's words stand in its place."""
    left = deepcopy(dict(message))
    notes = instead(ruling)
    if not notes:
        return left
    calls, said, _ = turn(left["content"])
    stay = {call.call_id for call in kept(ruling, calls)}
    spoken = [said] if said and may_speak(ruling) else []
    left["content"] = [
        *(block for block in left["content"] if block["type"] in _THOUGHTS),
        {"type": "text", "text": "\n".join([*spoken, notes])},
        *(block for block in left["content"] if block["type"] == "tool_use" and block["id"] in stay),
    ]
    if not stay:
        left["stop_reason"] = "end_turn"
    return left


def _message_ruled(conversation: Conversation, text: str) -> Message:
    if isinstance(read_json(text), Unknown):
        raise UntrustedInputError("an answer with a key twice, or that is no JSON", code="G512")
    return Message.model_validate(_ruled(conversation, json.loads(text)))


def _events_ruled(conversation: Conversation, events: Sequence[RawMessageStreamEvent]) -> list[RawMessageStreamEvent]:
    message = collected([event.model_dump(mode="json", exclude_none=True) for event in events])
    return [_EVENT.validate_python(event) for event in streamed(_ruled(conversation, message))]


def _ruled(conversation: Conversation, message: dict[str, Any]) -> dict[str, Any]:
    calls, said, thought = turn(message["content"])
    if thought:
        conversation.session.thought(thought)
    left = released(message, conversation.propose(calls, said))
    calls, said, _ = turn(left["content"])
    conversation.shown(said or "", calls)
    return left


def collected(events: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """The message that these events of a stream make; the arguments of a call stay the text that they came as.

    Raises:
        UntrustedInputError: the stream does not come to its end.
    """
    message: dict[str, Any] = {}
    blocks: dict[int, dict[str, Any]] = {}
    for event in events:
        kind = event.get("type")
        if kind == "message_start":
            message = deepcopy(dict(event["message"]))
        elif kind == "content_block_start":
            blocks[event["index"]] = _begun(event["content_block"])
        elif kind == "content_block_delta":
            _collect(blocks[event["index"]], event["delta"])
        elif kind == "message_delta":
            message |= event["delta"]
            message["usage"] = {**message.get("usage", {}), **(event.get("usage") or {})}
    if not message or not events or events[-1].get("type") != "message_stop":
        raise UntrustedInputError("a stream that does not come to its end", code="G512")
    return {**message, "content": [blocks[index] for index in sorted(blocks)]}


def _begun(block: Mapping[str, Any]) -> dict[str, Any]:
    return {**block, "input": ""} if block["type"] == "tool_use" else dict(block)


def _collect(block: dict[str, Any], delta: Mapping[str, Any]) -> None:
    for name, field in (
        ("text", "text"),
        ("thinking", "thinking"),
        ("signature", "signature"),
        ("partial_json", "input"),
    ):
        if isinstance(delta.get(name), str):
            block[field] = (block.get(field) or "") + delta[name]


def streamed(message: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    """A stream that makes this message: each block whole."""
    yield {"type": "message_start", "message": {**message, "content": [], "stop_reason": None}}
    for index, block in enumerate(message["content"]):
        empty = _EMPTY.get(block["type"], {})
        yield {"type": "content_block_start", "index": index, "content_block": {**block, **empty}}
        for delta in _deltas(block):
            yield {"type": "content_block_delta", "index": index, "delta": delta}
        yield {"type": "content_block_stop", "index": index}
    delta = {"stop_reason": message.get("stop_reason"), "stop_sequence": message.get("stop_sequence")}
    yield {"type": "message_delta", "delta": delta, "usage": message.get("usage") or {"output_tokens": 0}}
    yield {"type": "message_stop"}


def _deltas(block: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    if block["type"] == "text":
        yield {"type": "text_delta", "text": block["text"]}
    elif block["type"] == "thinking":
        yield {"type": "thinking_delta", "thinking": block["thinking"]}
        yield {"type": "signature_delta", "signature": block.get("signature", "")}
    elif block["type"] == "tool_use":
        text = block["input"] if isinstance(block["input"], str) else json.dumps(block["input"])
        yield {"type": "input_json_delta", "partial_json": text}


async def _given(parts: list[Any]) -> AsyncIterator[Any]:
    for part in parts:
        yield part
