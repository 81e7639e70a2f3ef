"""The two protocols side by side: how each reads a request and an answer, what it sends on, and how it writes to the client."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Protocol

from obverse.gateway.http.chat_answered import ChatStream, chat_body, read_chat_answer
from obverse.gateway.http.chat_joined import ChatJoiner
from obverse.gateway.http.json_text import write
from obverse.gateway.http.records import Answer, Offer, Outgoing, Request
from obverse.gateway.http.responses_answered import (
    ResponsesJoiner,
    ResponsesStream,
    echo_of,
    read_responses_answer,
    responses_body,
)
from obverse.gateway.http.sentences import Growing
from obverse.gateway.http.sse import Sent


class Joiner(Protocol):
    """Takes a stream apart and puts the turn together."""

    said: Growing

    @property
    def text(self) -> str: ...

    @property
    def calling(self) -> bool: ...

    def take(self, sent: Sent) -> None: ...

    def answer(self) -> Answer: ...


class Writer(Protocol):
    """Writes a stream to the client."""

    def text(self, out: Outgoing, piece: str) -> bytes: ...

    def end(self, out: Outgoing, sent: int) -> bytes: ...


PATHS = {"chat": "/chat/completions", "responses": "/responses"}


def body_for(request: Request, wire: Sequence[dict[str, Any]], offers: Sequence[Offer]) -> bytes:
    """What the model's server is sent: the conversation that the guard has seen, and nothing else."""
    options = dict(request.options)
    if not offers:
        for name in ("tool_choice", "parallel_tool_calls"):
            options.pop(name, None)
    tools = {"tools": [one.definition for one in offers]} if offers else {}
    if request.protocol == "chat":
        usage = {"stream_options": {"include_usage": True}} if request.stream and request.usage else {}
        return write({"model": request.model, "messages": wire, **options, **tools, "stream": request.stream, **usage})
    return write({"model": request.model, "input": wire, **options, **tools, "stream": request.stream, "store": False})


def joiner_for(request: Request, *, most_calls: int) -> Joiner:
    """What joins the stream of this answer."""
    return ChatJoiner(most_calls=most_calls) if request.protocol == "chat" else ResponsesJoiner(most_calls=most_calls)


def read_whole(request: Request, body: dict[str, Any], *, most_calls: int) -> Answer:
    """The turn of an answer that came in one piece."""
    read = read_chat_answer if request.protocol == "chat" else read_responses_answer
    return read(body, most_calls=most_calls)


def written(request: Request, out: Outgoing) -> bytes:
    """The answer to the client, in one piece."""
    return chat_body(out) if request.protocol == "chat" else responses_body(out, _echo(request))


def writer_for(request: Request) -> Writer:
    """What writes the answer to the client as a stream."""
    return ChatStream(usage=request.usage) if request.protocol == "chat" else ResponsesStream(_echo(request))


def named_tool(request: Request) -> str | None:
    """The one tool that the model is told to call, if it is told to."""
    choice = request.options.get("tool_choice")
    if not isinstance(choice, dict):
        return None
    inner = choice.get("function") if request.protocol == "chat" else choice
    name = inner.get("name") if isinstance(inner, dict) else None
    return name if isinstance(name, str) else None


def _echo(request: Request) -> dict[str, Any]:
    return echo_of(request.options, [one.definition for one in request.offers], request.previous)
