"""`anthropic:MODEL`: the Anthropic messages protocol, through the official SDK (extra `anthropic`).

As for `openai:`, the SDK makes the request and we decode the raw answer strictly. Two things that the protocol lacks: it
takes no seed, and arguments of earlier calls are objects, so malformed ones are sent back as `{"malformed": "…"}`.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import Any

import anthropic
import httpx2
import msgspec

from obverse.core.chat import ChatMessage, Completion, Sampling, ToolCall, ToolSpec
from obverse.core.errors import MisuseError
from obverse.targets.openai_chat import endpoint, read_usage
from obverse.targets.protocol import GREEDY, Connection
from obverse.targets.transport import Transport, http_client, not_an_answer, own_error

OFFICIAL = "https://api.anthropic.com"


class AnthropicTarget:
    """One Anthropic model."""

    def __init__(self, model: str, connection: Connection) -> None:
        if not model:
            raise MisuseError("`anthropic:` needs the name of a model", code="T001")
        self._model = model
        self._url = endpoint(connection.base_url or os.environ.get("ANTHROPIC_BASE_URL") or OFFICIAL).removesuffix(
            "/v1"
        )
        self._client = anthropic.AsyncAnthropic(
            base_url=self._url,
            api_key=_key(connection),
            max_retries=0,
            timeout=connection.timeout_s,
            http_client=http_client(Transport(connection)),
        )

    @property
    def name(self) -> str:
        return f"anthropic:{self._model}"

    def fingerprint(self) -> str:
        return f"{self.name} at {self._url}"

    async def complete(
        self, messages: Sequence[ChatMessage], *, tools: Sequence[ToolSpec] = (), sampling: Sampling = GREEDY
    ) -> Completion:
        body: dict[str, Any] = {
            "model": self._model,
            "max_tokens": sampling.max_tokens,
            "temperature": sampling.temperature,
            "messages": turns(messages),
        }
        system = "\n\n".join(message.content for message in messages if message.role == "system" and message.content)
        if system:
            body["system"] = system
        if tools:
            body["tools"] = [
                {"name": tool.name, "description": tool.description, "input_schema": tool.parameters} for tool in tools
            ]
        try:
            response = await self._client.post("/v1/messages", cast_to=httpx2.Response, body=body)
        except anthropic.AnthropicError as error:
            raise own_error(error, self.name) from error
        return read_message(response.content)

    async def close(self) -> None:
        await self._client.close()


def turns(messages: Sequence[ChatMessage]) -> list[dict[str, Any]]:
    """The messages but for system ones, in strictly alternating turns as the protocol wants them."""
    found: list[dict[str, Any]] = []
    for message in messages:
        if message.role == "system":
            continue
        role = "assistant" if message.role == "assistant" else "user"
        if not found or found[-1]["role"] != role:
            found.append({"role": role, "content": []})
        found[-1]["content"] += _blocks(message)
    return found


def read_message(body: bytes) -> Completion:
    """The completion that this body is.

    Raises:
        TargetError: it is none (kind `garbage`).
    """
    try:
        answer = _DECODE(body)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise not_an_answer("message", body, str(error)) from error
    return Completion(
        text="".join(block.text for block in answer.content if block.type == "text"),
        tool_calls=tuple(
            ToolCall(id=block.id, name=block.name, arguments=bytes(block.input).decode())
            for block in answer.content
            if block.type == "tool_use"
        ),
        usage=read_usage(answer.usage, "input_tokens", "output_tokens"),
        model=answer.model,
        stop=answer.stop_reason,
    )


class _Block(msgspec.Struct):
    """One content block; kinds other than text and tool_use (thinking and the like) are read over."""

    type: str
    text: str = ""
    id: str = ""
    name: str = ""
    input: msgspec.Raw = msgspec.Raw(b"{}")


class _Answer(msgspec.Struct):
    content: list[_Block]
    model: str | None = None
    stop_reason: str | None = None
    usage: dict[str, Any] | None = None


_DECODE = msgspec.json.Decoder(_Answer).decode


def _blocks(message: ChatMessage) -> list[dict[str, Any]]:
    if message.role == "tool":
        return [{"type": "tool_result", "tool_use_id": message.tool_call_id, "content": message.content}]
    text = [{"type": "text", "text": message.content}] if message.content else []
    calls = [
        {"type": "tool_use", "id": call.id, "name": call.name, "input": _object(call.arguments)}
        for call in message.tool_calls
    ]
    return [*text, *calls]


def _object(arguments: str) -> dict[str, Any]:
    try:
        value = msgspec.json.decode(arguments)
    except msgspec.DecodeError:
        value = None
    return value if isinstance(value, dict) else {"malformed": arguments}


def _key(connection: Connection) -> str:
    """The key to send; as for `openai:`, the environment's goes to no other address."""
    if connection.api_key is not None:
        return connection.api_key
    if connection.base_url is not None:
        return "none"
    key = os.environ.get("ANTHROPIC_API_KEY")
    if not key:
        raise MisuseError("no key for `anthropic:`", code="T004", hint="set ANTHROPIC_API_KEY")
    return key
