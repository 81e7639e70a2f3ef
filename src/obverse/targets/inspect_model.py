"""`inspect:PROVIDER/MODEL`: any Inspect AI model as a target, through its public API (extra `inspect`).

Thin on purpose: `get_model`, `generate`, and Inspect's own messages and tools. Its retries are off and its cache is unused.
Inspect parses arguments before we see them: their raw bytes are lost, and what it could not parse comes here as the text of
its own parse error, which is no JSON either and stays malformed.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Any

import inspect_ai.model as inspect_model
import msgspec
from inspect_ai.tool import ToolCall as InspectCall
from inspect_ai.tool import ToolInfo, ToolParams

from obverse.core.chat import ChatMessage, Completion, Sampling, ToolCall, ToolSpec, Usage
from obverse.core.errors import MisuseError
from obverse.targets.protocol import GREEDY, Connection, TargetError


class InspectTarget:
    """One Inspect model."""

    def __init__(self, model: str, connection: Connection) -> None:
        self._spec = model
        self._timeout_s = connection.timeout_s
        self._concurrency = connection.concurrency
        try:
            self._model = inspect_model.get_model(
                model, base_url=connection.base_url, api_key=connection.api_key, memoize=False
            )
        except Exception as error:  # boundary: a provider may raise whatever it likes when it is not set up
            raise MisuseError(f"Inspect cannot open `{model}`: {_said(error)}", code="T013") from error

    @property
    def name(self) -> str:
        return f"inspect:{self._spec}"

    def fingerprint(self) -> str:
        return self.name

    async def complete(
        self, messages: Sequence[ChatMessage], *, tools: Sequence[ToolSpec] = (), sampling: Sampling = GREEDY
    ) -> Completion:
        config = inspect_model.GenerateConfig(
            temperature=sampling.temperature,
            max_tokens=sampling.max_tokens,
            seed=sampling.seed,
            max_retries=0,
            max_connections=self._concurrency,
        )
        try:
            async with asyncio.timeout(self._timeout_s):
                output = await self._model.generate(
                    [_message(message) for message in messages], tools=[_tool(tool) for tool in tools], config=config
                )
        except TimeoutError as error:
            raise TargetError(f"no whole answer within {self._timeout_s:g} s", kind="time-out") from error
        except Exception as error:  # boundary: each provider has errors of its own
            raise _failure(error) from error
        return _completion(output)

    async def close(self) -> None:
        await self._model.__aexit__(None, None, None)


def _message(message: ChatMessage) -> Any:
    match message.role:
        case "system":
            return inspect_model.ChatMessageSystem(content=message.content)
        case "user":
            return inspect_model.ChatMessageUser(content=message.content)
        case "tool":
            return inspect_model.ChatMessageTool(
                content=message.content, tool_call_id=message.tool_call_id, function=message.name
            )
    calls = [
        InspectCall(id=call.id, function=call.name, arguments=_object(call.arguments)) for call in message.tool_calls
    ]
    return inspect_model.ChatMessageAssistant(content=message.content, tool_calls=calls or None)


def _object(arguments: str) -> dict[str, Any]:
    try:
        value = msgspec.json.decode(arguments)
    except msgspec.DecodeError:
        value = None
    return value if isinstance(value, dict) else {"malformed": arguments}


def _tool(tool: ToolSpec) -> ToolInfo:
    parameters = ToolParams.model_validate(tool.parameters)
    return ToolInfo(name=tool.name, description=tool.description, parameters=parameters)


def _completion(output: Any) -> Completion:
    if output.error or not output.choices:
        raise TargetError(f"the model answered with an error: `{_said(output.error or 'no choice')}`", kind="server")
    choice = output.choices[0]
    if choice.stop_reason == "content_filter":
        raise TargetError("the provider's content filter cut the answer off", kind="content-filter")
    usage = output.usage
    return Completion(
        text=choice.message.text,
        tool_calls=tuple(
            ToolCall(
                id=call.id,
                name=call.function,
                arguments=call.parse_error or msgspec.json.encode(call.arguments).decode(),
            )
            for call in choice.message.tool_calls or ()
        ),
        usage=Usage(prompt_tokens=usage.input_tokens, completion_tokens=usage.output_tokens) if usage else Usage(),
        model=output.model or None,
        stop=choice.stop_reason,
    )


def _failure(error: Exception) -> TargetError:
    """The error in our words; providers carry the status of HTTP as `status_code` where there was one."""
    status = getattr(error, "status_code", None)
    said = f"Inspect's provider failed: `{_said(error)}`"
    if not isinstance(status, int):
        return TargetError(said, kind="connection" if isinstance(error, ConnectionError) else "raised")
    if status in {401, 403}:
        return TargetError(said, kind="auth", status=status)
    if status == 429:
        return TargetError(said, kind="rate-limit", status=status)
    return TargetError(said, kind="server" if status >= 500 else "bad-request", status=status)


def _said(error: object) -> str:
    line = " ".join(f"{type(error).__name__}: {error}".split() if isinstance(error, Exception) else str(error).split())
    return line if len(line) <= 200 else line[:199] + "…"
