"""An OpenAI client whose answers are decided before the caller gets them: chat completions and responses, streaming included.

    client = guarded(openai.OpenAI(), Conversation(session))
    completion = client.chat.completions.create(model=…, messages=…, tools=…)

What the model proposes is one turn. Calls without a permit are taken out and the rule's message stands in their place; the calls that
stay are run by the caller between `begin` and `finish` of the conversation (or by `run`), which holds them to what was decided. A stream is
held until it ended, decided, and then given out anew, whole call by whole call: nobody can put its pieces together in two ways.

Only what is guarded can be reached: `chat.completions.create`, `responses.create`, `models`, `with_options`. Every other way to a
model (`parse`, `stream`, `with_raw_response`, batches, realtime, assistants) raises, and so does an option with which the provider acts
by itself.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator
from typing import Any, Final, overload

import openai
from openai import AsyncOpenAI, OpenAI
from openai.types.chat import ChatCompletion, ChatCompletionChunk
from openai.types.responses import Response, ResponseStreamEvent
from pydantic import TypeAdapter

from obverse.core.errors import MisuseError
from obverse.guard.adapters import openai_chat, openai_responses
from obverse.guard.adapters.conversation import Conversation, Only

_EVENT: Final[TypeAdapter[ResponseStreamEvent]] = TypeAdapter(ResponseStreamEvent)
_ABSENT: Final = (openai.Omit, openai.NotGiven)


@overload
def guarded(client: OpenAI, conversation: Conversation) -> Guarded: ...
@overload
def guarded(client: AsyncOpenAI, conversation: Conversation) -> AsyncGuarded: ...
def guarded(client: OpenAI | AsyncOpenAI, conversation: Conversation) -> Guarded | AsyncGuarded:
    """The client with this conversation's session in front of every answer."""
    return Guarded(client, conversation) if isinstance(client, OpenAI) else AsyncGuarded(client, conversation)


class Guarded(Only):
    """A guarded `openai.OpenAI`."""

    def __init__(self, client: OpenAI, conversation: Conversation) -> None:
        self._client = client
        self._conversation = conversation
        self.models = client.models
        self.chat = _Chat(completions=_Create(self._complete))
        self.responses = _Create(self._respond)

    def with_options(self, **options: Any) -> Guarded:
        """The same, with other options of the client."""
        return Guarded(self._client.with_options(**options), self._conversation)

    def _complete(self, options: dict[str, Any]) -> ChatCompletion | Iterator[ChatCompletionChunk]:
        _hear_chat(self._conversation, options)
        if not options.get("stream"):
            return _chat_ruled(self._conversation, self._client.chat.completions.create(**options))
        chunks = list(self._client.chat.completions.create(**options))
        return iter(_chunks_ruled(self._conversation, chunks))

    def _respond(self, options: dict[str, Any]) -> Response | Iterator[ResponseStreamEvent]:
        _hear_responses(self._conversation, options)
        if not options.get("stream"):
            return _response_ruled(self._conversation, self._client.responses.create(**options))
        events = list(self._client.responses.create(**options))
        return iter(_events_ruled(self._conversation, events))


class AsyncGuarded(Only):
    """A guarded `openai.AsyncOpenAI`; the core runs in threads."""

    def __init__(self, client: AsyncOpenAI, conversation: Conversation) -> None:
        self._client = client
        self._conversation = conversation
        self.models = client.models
        self.chat = _Chat(completions=_Create(self._complete))
        self.responses = _Create(self._respond)

    def with_options(self, **options: Any) -> AsyncGuarded:
        """The same, with other options of the client."""
        return AsyncGuarded(self._client.with_options(**options), self._conversation)

    async def _complete(self, options: dict[str, Any]) -> ChatCompletion | AsyncIterator[ChatCompletionChunk]:
        await asyncio.to_thread(_hear_chat, self._conversation, options)
        found = await self._client.chat.completions.create(**options)
        if not options.get("stream"):
            return await asyncio.to_thread(_chat_ruled, self._conversation, found)
        chunks = [chunk async for chunk in found]
        return _given(await asyncio.to_thread(_chunks_ruled, self._conversation, chunks))

    async def _respond(self, options: dict[str, Any]) -> Response | AsyncIterator[ResponseStreamEvent]:
        await asyncio.to_thread(_hear_responses, self._conversation, options)
        found = await self._client.responses.create(**options)
        if not options.get("stream"):
            return await asyncio.to_thread(_response_ruled, self._conversation, found)
        events = [event async for event in found]
        return _given(await asyncio.to_thread(_events_ruled, self._conversation, events))


class _Chat(Only):
    def __init__(self, completions: _Create) -> None:
        self.completions = completions


class _Create(Only):
    def __init__(self, create: Any) -> None:
        self._create = create

    def create(self, **options: Any) -> Any:
        """What the SDK's `create` gives, after the ruling."""
        return self._create({name: value for name, value in options.items() if not isinstance(value, _ABSENT)})


# --- what was sent ---------------------------------------------------------------------------------------------------------


def _hear_chat(conversation: Conversation, options: dict[str, Any]) -> None:
    openai_chat.refused_options(options)
    _no_side_door(options)
    conversation.hear(openai_chat.items([_plain(message) for message in options.get("messages") or ()]))


def _hear_responses(conversation: Conversation, options: dict[str, Any]) -> None:
    openai_responses.refused_options(options)
    _no_side_door(options)
    given = options.get("input")
    listed = given if given is None or isinstance(given, str) else [_plain(one) for one in given]
    conversation.hear(openai_responses.items(options.get("instructions"), listed))


def _no_side_door(options: dict[str, Any]) -> None:
    """`extra_body` goes over what was checked, so it may not name what is checked."""
    if options.get("extra_body"):
        raise MisuseError(
            "`extra_body` goes to the provider unchecked", code="G511", hint="give the option by its name"
        )


def _plain(message: Any) -> dict[str, Any]:
    """A message as plain JSON; callers give back the SDK's own objects, too."""
    plain = message.model_dump(mode="json", exclude_none=True) if hasattr(message, "model_dump") else dict(message)
    return plain if isinstance(plain, dict) else {}


# --- what came back --------------------------------------------------------------------------------------------------------


def _chat_ruled(conversation: Conversation, completion: ChatCompletion) -> ChatCompletion:
    return ChatCompletion.model_validate(_chat(conversation, completion.model_dump(mode="json", exclude_none=True)))


def _chunks_ruled(conversation: Conversation, chunks: list[ChatCompletionChunk]) -> list[ChatCompletionChunk]:
    whole = openai_chat.collected([chunk.model_dump(mode="json", exclude_none=True) for chunk in chunks])
    return [ChatCompletionChunk.model_validate(part) for part in openai_chat.chunked(_chat(conversation, whole))]


def _chat(conversation: Conversation, completion: dict[str, Any]) -> dict[str, Any]:
    if len(completion["choices"]) != 1:
        raise MisuseError("several answers at once are several turns", code="G511", hint="ask with `n=1`")
    calls, said, thought = openai_chat.turn(completion["choices"][0]["message"])
    if thought:
        conversation.session.thought(thought)
    left = openai_chat.released(completion, conversation.propose(calls, said))
    calls, said, _ = openai_chat.turn(left["choices"][0]["message"])
    conversation.shown(said or "", calls)
    return left


def _response_ruled(conversation: Conversation, response: Response) -> Response:
    return Response.model_validate(_response(conversation, response.model_dump(mode="json", exclude_none=True)))


def _events_ruled(conversation: Conversation, events: list[ResponseStreamEvent]) -> list[ResponseStreamEvent]:
    whole = openai_responses.whole([event.model_dump(mode="json", exclude_none=True) for event in events])
    return [_EVENT.validate_python(event) for event in openai_responses.streamed(_response(conversation, whole))]


def _response(conversation: Conversation, response: dict[str, Any]) -> dict[str, Any]:
    calls, said, thought = openai_responses.turn(response["output"])
    if thought:
        conversation.session.thought(thought)
    left = openai_responses.released(response, conversation.propose(calls, said))
    calls, said, _ = openai_responses.turn(left["output"])
    conversation.shown(said or "", calls)
    return left


async def _given(parts: list[Any]) -> AsyncIterator[Any]:
    for part in parts:
        yield part
