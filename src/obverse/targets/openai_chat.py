"""`openai:MODEL`: any endpoint that speaks the OpenAI chat protocol, through the official SDK.

The SDK makes the request (address, key, headers), its public `post` gives back the raw answer, and we decode that
ourselves, strictly: the SDK builds its objects without checking them, so that any JSON would pass for a completion, and it
costs more than all the rest. Its own retries are off, and what it says of address and headers is taken from its first request.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import Any
from urllib.parse import urlsplit, urlunsplit

import httpx2
import msgspec
import openai

from obverse.core.chat import ChatMessage, Completion, Measured, Sampling, ToolCall, ToolSpec, Usage
from obverse.core.errors import MisuseError
from obverse.targets.logprobs import measured
from obverse.targets.protocol import GREEDY, Connection, TargetError
from obverse.targets.transport import Transport, http_client, not_an_answer, own_error
from obverse.targets.wire import message_dict, tool_dict

OFFICIAL = "https://api.openai.com/v1"
_ENCODE = msgspec.json.Encoder().encode


class OpenAITarget:
    """One model of one endpoint."""

    def __init__(self, model: str, connection: Connection) -> None:
        if not model:
            raise MisuseError("`openai:` needs the name of a model", code="T001", hint="such as `openai:gpt-x`")
        self._model = model
        self._url = endpoint(connection.base_url or os.environ.get("OPENAI_BASE_URL") or OFFICIAL)
        self._path = _below(self._url, "/chat/completions")
        self._limit = "max_completion_tokens" if self._url == OFFICIAL else "max_tokens"
        self._alternatives = connection.alternatives
        self._without = ""
        self._transport = Transport(connection)
        self._offered: tuple[Sequence[ToolSpec], msgspec.Raw] = ((), msgspec.Raw(b"[]"))
        self._client = openai.AsyncOpenAI(
            base_url=self._url,
            api_key=_key(connection),
            max_retries=0,
            timeout=connection.timeout_s,
            http_client=http_client(self._transport),
        )
        if connection.base_url is not None:  # the SDK would send what the environment says to a stranger
            self._client.organization = self._client.project = None

    @property
    def name(self) -> str:
        return f"openai:{self._model}"

    def fingerprint(self) -> str:
        return f"{self.name} at {self._url}"

    async def complete(
        self, messages: Sequence[ChatMessage], *, tools: Sequence[ToolSpec] = (), sampling: Sampling = GREEDY
    ) -> Completion:
        body: dict[str, Any] = {
            "model": self._model,
            "messages": [message_dict(message) for message in messages],
            "temperature": sampling.temperature,
            self._limit: sampling.max_tokens,
            "seed": sampling.seed,
        }
        if tools:
            body["tools"] = self._tools(tools)
        if not self._alternatives:
            return read_completion(await self._answer(_ENCODE(body)))
        return await self._measured(body)

    async def close(self) -> None:
        await self._client.close()

    async def _measured(self, body: dict[str, Any]) -> Completion:
        """The completion with what is said of its probabilities; without them where the endpoint refuses to be asked for them."""
        if not self._without:
            try:
                asked = {**body, "logprobs": True, "top_logprobs": self._alternatives}
                answer = await self._answer(_ENCODE(asked))
            except TargetError as error:
                if error.kind != "bad-request":
                    raise
                plain = read_completion(
                    await self._answer(_ENCODE(body))
                )  # if this too is refused, it was something else
                self._without = f"the endpoint takes no request for log-probabilities: {error.message}"
                return msgspec.structs.replace(plain, measured=Measured(missing=self._without))
            try:
                completion = read_completion(answer)
            except TargetError:
                # some servers write NaN and -Infinity among the probabilities, which is no JSON: the answer is there without them
                if b"NaN" not in answer and b"Infinity" not in answer:
                    raise
                plain = read_completion(await self._answer(_ENCODE(body)))
                self._without = "the endpoint writes log-probabilities that are not JSON"
                return msgspec.structs.replace(plain, measured=Measured(missing=self._without))
            return msgspec.structs.replace(completion, measured=measured(_probabilities(answer), body["temperature"]))
        plain = read_completion(await self._answer(_ENCODE(body)))
        return msgspec.structs.replace(plain, measured=Measured(missing=self._without))

    async def _answer(self, body: bytes) -> bytes:
        """The body that comes back: the first time through the SDK, from then on to where that went."""
        answer = await self._transport.again(body)
        if answer is not None:
            return answer
        try:
            response = await self._client.post(self._path, cast_to=httpx2.Response, content=body)
        except openai.OpenAIError as error:
            raise own_error(error, self.name) from error
        return response.content

    def _tools(self, tools: Sequence[ToolSpec]) -> msgspec.Raw:
        """The tools as JSON; the very tuple of the last call is not encoded again."""
        if self._offered[0] is not tools or not isinstance(tools, tuple):
            self._offered = (tools, msgspec.Raw(_ENCODE([tool_dict(tool) for tool in tools])))
        return self._offered[1]


def endpoint(url: str) -> str:
    """The base URL as it is used and recorded: no trailing slash, and no secret in it.

    Raises:
        MisuseError: it is no HTTP address, or holds a password.
    """
    parts = urlsplit(url)
    if parts.scheme not in {"http", "https"} or not parts.hostname:
        raise MisuseError(f"`{url}` is no base URL", code="T002", hint="such as `http://localhost:8000/v1`")
    if parts.username or parts.password:
        raise MisuseError("a base URL must not hold a password", code="T003", hint="give it as the key")
    return urlunsplit((parts.scheme, parts.netloc, parts.path.rstrip("/"), parts.query, ""))


def _below(url: str, path: str) -> str:
    """The address of this path; whole, since the SDK is slow to join it for each call. A query stays at the end."""
    parts = urlsplit(url)
    return urlunsplit((parts.scheme, parts.netloc, parts.path + path, parts.query, ""))


def read_completion(body: bytes) -> Completion:
    """The completion that this body is.

    Raises:
        TargetError: it is none (kind `garbage`), or an error inside of a 200.
    """
    try:
        answer = _DECODE(body)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise not_an_answer("chat completion", body, str(error)) from error
    choice = answer.choices[0]
    message = choice.message
    if choice.finish_reason == "content_filter":
        raise TargetError("the provider's content filter cut the answer off", kind="content-filter")
    return Completion(
        text="\n".join(text for text in (_text(message.content), message.refusal) if text),
        tool_calls=tuple(_calls(message)),
        usage=read_usage(answer.usage, "prompt_tokens", "completion_tokens"),
        model=answer.model,
        stop=choice.finish_reason,
    )


def read_usage(usage: dict[str, Any] | None, prompt: str, completion: str) -> Usage:
    """Tokens where the server counted them; anything but a whole number is not a count."""
    counts = [(usage or {}).get(name) for name in (prompt, completion)]
    known = [count if isinstance(count, int) and not isinstance(count, bool) else None for count in counts]
    return Usage(prompt_tokens=known[0], completion_tokens=known[1])


class _Listed(msgspec.Struct):
    content: list[Any] | None = None


class _Chosen(msgspec.Struct):
    logprobs: _Listed | None = None


class _Told(msgspec.Struct):
    choices: list[_Chosen]


def _probabilities(body: bytes) -> list[Any] | None:
    """The tokens that this body lists with their probabilities; None where it lists none that we can read."""
    try:
        told = msgspec.json.decode(body, type=_Told)
    except (msgspec.DecodeError, UnicodeDecodeError):
        return None
    listed = told.choices[0].logprobs if told.choices else None
    return listed.content if listed else None


class _Function(msgspec.Struct):
    name: str
    arguments: msgspec.Raw = msgspec.Raw(b'""')


class _Call(msgspec.Struct):
    function: _Function
    id: str | None = None


class _Message(msgspec.Struct):
    content: str | list[dict[str, Any]] | None = None
    tool_calls: list[_Call] | None = None
    function_call: _Function | None = None
    refusal: str | None = None


class _Choice(msgspec.Struct):
    message: _Message
    finish_reason: str | None = None


class _Answer(msgspec.Struct):
    choices: list[_Choice]
    model: str | None = None
    usage: dict[str, Any] | None = None

    def __post_init__(self) -> None:
        if not self.choices:
            raise ValueError("no choice")


_DECODE = msgspec.json.Decoder(_Answer).decode


def _calls(message: _Message) -> list[ToolCall]:
    calls = message.tool_calls or ([_Call(function=message.function_call)] if message.function_call else [])
    return [
        ToolCall(id=call.id or f"call_{n}", name=call.function.name, arguments=_raw_text(call.function.arguments))
        for n, call in enumerate(calls)
    ]


def _raw_text(arguments: msgspec.Raw) -> str:
    """The text of the arguments, byte for byte. Some servers send the object itself: then its own JSON text."""
    raw = bytes(arguments)
    return msgspec.json.decode(raw, type=str) if raw.startswith(b'"') else raw.decode() if raw != b"null" else ""


def _text(content: str | list[dict[str, Any]] | None) -> str:
    if isinstance(content, list):
        return "".join(part["text"] for part in content if isinstance(part.get("text"), str))
    return content or ""


def _key(connection: Connection) -> str:
    """The key to send. The environment's goes to the address that the environment or the vendor names, nowhere else."""
    if connection.api_key is not None:
        return connection.api_key
    if connection.base_url is not None:
        return "none"
    key = os.environ.get("OPENAI_API_KEY")
    if not key:
        raise MisuseError("no key for `openai:`", code="T004", hint="set OPENAI_API_KEY, or give a base URL")
    return key
