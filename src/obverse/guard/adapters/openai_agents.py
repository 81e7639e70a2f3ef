"""The OpenAI Agents SDK: the model of an agent guarded, so that turns are decided as turns, and its function tools held to permits.

    agent = guarded(Agent(name=…, model=…, tools=[…]), Conversation(session))
    result = await Runner.run(agent, "…")

The model's answer is decided before the runner sees it: calls without a permit are not in it. A tool that runs uses its permit first,
on the text of the arguments that it is given. Where people are asked, the SDK's own interruption shows it (`result.interruptions`);
to approve there only asks again: what counts are the signatures that the guard has by then. A reply that comes with a turn that
waits is not shown, since nobody knows yet whether it may be.

What the SDK runs by itself does not pass and is refused when the agent is made: hosted tools, shells, computers, MCP servers (put the
proxy before those), handoffs to agents that are not guarded. `unguarded` lists such ways for any agent.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any, Final

from agents import (
    Agent,
    AgentOutputSchemaBase,
    FunctionTool,
    Handoff,
    Model,
    ModelProvider,
    ModelResponse,
    ModelSettings,
    ModelTracing,
    RunContextWrapper,
    Tool,
    TResponseInputItem,
)
from agents.items import TResponseOutputItem, TResponseStreamEvent
from agents.tool_context import ToolContext
from openai.types.responses import ResponseOutputItem, ResponseStreamEvent
from pydantic import TypeAdapter

from obverse.core.errors import EvidenceError, MisuseError
from obverse.guard.adapters import openai_responses
from obverse.guard.adapters.conversation import Conversation
from obverse.guard.records import Ruling

_ITEM: Final[TypeAdapter[ResponseOutputItem]] = TypeAdapter(ResponseOutputItem)
_EVENT: Final[TypeAdapter[ResponseStreamEvent]] = TypeAdapter(ResponseStreamEvent)


def guarded(agent: Agent[Any], conversation: Conversation, provider: ModelProvider | None = None) -> Agent[Any]:
    """The same agent, with this conversation's session in front of its model and its tools.

    Raises:
        MisuseError: the agent can act in a way that would not pass the guard.
    """
    ways = [way for way in unguarded(agent) if way not in {*_tools_of(agent), "model"}]
    if ways:
        raise MisuseError(f"`{ways[0]}` of the agent would not pass the guard", code="G511", hint="see `unguarded`")
    model = agent.model
    if not isinstance(model, Model):
        if provider is None:
            raise MisuseError(
                "the model is only a name", code="G511", hint="give a `Model`, or the provider that knows it"
            )
        model = provider.get_model(model)
    tools: list[Tool] = [_guarded_tool(tool, conversation) for tool in agent.tools if isinstance(tool, FunctionTool)]
    return agent.clone(model=GuardedModel(model, conversation), tools=tools)


def unguarded(agent: Agent[Any]) -> list[str]:
    """Every way in which this agent can act past the guard, by name: for a check at the start. Empty for a guarded one."""
    found = [] if isinstance(agent.model, GuardedModel) else ["model"]
    found += [tool.name for tool in agent.tools if not isinstance(tool, GuardedTool)]
    found += [f"MCP server {server.name}" for server in agent.mcp_servers]
    for other in agent.handoffs:
        if isinstance(other, Handoff):
            found.append(f"handoff to {other.agent_name}")
        elif unguarded(other):
            found.append(f"handoff to {other.name}")
    return found


class GuardedModel(Model):
    """A model whose answers are decided before anybody gets them."""

    def __init__(self, model: Model, conversation: Conversation) -> None:
        self._model = model
        self._conversation = conversation

    async def get_response(
        self,
        system_instructions: str | None,
        input: str | list[TResponseInputItem],  # noqa: A002  # the SDK's name
        model_settings: ModelSettings,
        tools: list[Tool],
        output_schema: AgentOutputSchemaBase | None,
        handoffs: list[Handoff],
        tracing: ModelTracing,
        **options: Any,
    ) -> ModelResponse:
        """What the model answers, after the ruling."""
        await asyncio.to_thread(self._hear, system_instructions, input, tools, options)
        found = await self._model.get_response(
            system_instructions, input, model_settings, tools, output_schema, handoffs, tracing, **options
        )
        output = [item.model_dump(mode="json", exclude_none=True) for item in found.output]
        left = await asyncio.to_thread(self._ruled, {"id": found.response_id, "output": output})
        items: list[TResponseOutputItem] = [_ITEM.validate_python(item) for item in left["output"]]
        return ModelResponse(
            output=items, usage=found.usage, response_id=found.response_id, request_id=found.request_id
        )

    async def stream_response(
        self,
        system_instructions: str | None,
        input: str | list[TResponseInputItem],  # noqa: A002  # the SDK's name
        model_settings: ModelSettings,
        tools: list[Tool],
        output_schema: AgentOutputSchemaBase | None,
        handoffs: list[Handoff],
        tracing: ModelTracing,
        **options: Any,
    ) -> AsyncIterator[TResponseStreamEvent]:
        """The same as a stream, which begins when the turn is decided."""
        await asyncio.to_thread(self._hear, system_instructions, input, tools, options)
        events = [
            event.model_dump(mode="json", exclude_none=True)
            async for event in self._model.stream_response(
                system_instructions, input, model_settings, tools, output_schema, handoffs, tracing, **options
            )
        ]
        left = await asyncio.to_thread(self._ruled, openai_responses.whole(events))
        for event in openai_responses.streamed(left):
            yield _EVENT.validate_python(event)

    def _hear(
        self,
        system_instructions: str | None,
        given: str | list[TResponseInputItem],
        tools: list[Tool],
        options: dict[str, Any],
    ) -> None:
        openai_responses.refused_options({**options, "conversation": options.get("conversation_id")})
        strange = [tool.name for tool in tools if not isinstance(tool, GuardedTool)]
        if strange:
            raise MisuseError(f"the tool `{strange[0]}` is not guarded", code="G511", hint="`guarded` guards an agent")
        listed: Any = given
        self._conversation.hear(openai_responses.items(system_instructions, listed))

    def _ruled(self, response: dict[str, Any]) -> dict[str, Any]:
        calls, said, thought = openai_responses.turn(response["output"])
        if thought:
            self._conversation.session.thought(thought)
        ruling = self._conversation.propose(calls, said)
        left = _held(response) if ruling.waiting and calls else openai_responses.released(response, ruling)
        calls, said, _ = openai_responses.turn(left["output"])
        self._conversation.shown(said or "", calls)
        return left


class GuardedTool(FunctionTool):
    """A function tool that runs by a permit only."""


def _guarded_tool(tool: FunctionTool, conversation: Conversation) -> FunctionTool:
    """The tool, run by the permit that its call has."""

    async def invoke(context: ToolContext[Any], arguments: str) -> Any:
        call = context.tool_call_id
        if not conversation.may_run(call):
            await asyncio.to_thread(conversation.resume, 0.0)
        try:
            await asyncio.to_thread(conversation.begin, call, tool.name, arguments)
        except EvidenceError:
            return conversation.message(call)
        try:
            output = await tool.on_invoke_tool(context, arguments)
        except BaseException as error:
            conversation.finish(call, f"{type(error).__name__}: {error}", failed=True)
            raise
        await asyncio.to_thread(conversation.finish, call, str(output))
        return output

    async def waits(_context: RunContextWrapper[Any], _arguments: dict[str, Any], call: str) -> bool:
        return is_waiting(conversation.ruling, call)

    return GuardedTool(
        name=tool.name,
        description=tool.description,
        params_json_schema=tool.params_json_schema,
        on_invoke_tool=invoke,
        strict_json_schema=tool.strict_json_schema,
        is_enabled=tool.is_enabled,
        tool_input_guardrails=tool.tool_input_guardrails,
        tool_output_guardrails=tool.tool_output_guardrails,
        needs_approval=waits,
        timeout_seconds=tool.timeout_seconds,
        timeout_behavior=tool.timeout_behavior,
        timeout_error_function=tool.timeout_error_function,
    )


def is_waiting(ruling: Ruling | None, call: str) -> bool:
    """Whether this call belongs to a turn that waits for people."""
    steps = () if ruling is None or not ruling.waiting else ruling.steps
    return any(getattr(step.proposal, "call_id", None) == call for step in steps)


def _held(response: dict[str, Any]) -> dict[str, Any]:
    """The response of a turn that waits: its calls, for the SDK to interrupt at, and nothing that a user would see."""
    return {**response, "output": [item for item in response["output"] if item.get("type", "message") != "message"]}


def _tools_of(agent: Agent[Any]) -> set[str]:
    return {tool.name for tool in agent.tools if isinstance(tool, FunctionTool)}
