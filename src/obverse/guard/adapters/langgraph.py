"""LangGraph: the turn decided between the model and its tools, tools run by their permits, asking by the graph's own interrupt.

    create_agent(model, tools, middleware=[middleware(conversation)], checkpointer=…)        LangChain's agent
    graph.add_node("guard", GraphGuard(conversation).turn)                                    a graph of your own: model → guard → tools
    graph.add_node("tools", GraphGuard(…).tool_node(tools))

While people are asked, the graph is interrupted; whatever it is resumed with only asks again: what counts are the signatures that
the guard has by then. The arguments are those that LangChain parsed, which are those that run; a key that stood twice in the model's own
text is not seen here. A graph that streams tokens (`stream_mode="messages"`) shows them before anybody decided: put the gateway, or a
guarded client, beneath its model.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from langchain_core.messages import AIMessage, AnyMessage, HumanMessage, SystemMessage, ToolMessage
from langgraph.prebuilt import ToolNode
from langgraph.types import Command, interrupt

from obverse.core.canon import digest
from obverse.core.errors import EvidenceError
from obverse.guard.adapters.conversation import Conversation, Item, instead, kept, may_speak, text_of
from obverse.guard.records import ProposedCall, Ruling

if TYPE_CHECKING:
    from langchain.agents.middleware import AgentMiddleware

Answer = ToolMessage | Command[Any]


class GraphGuard:
    """The guard of one conversation, as the nodes and wrappers of a graph."""

    def __init__(self, conversation: Conversation) -> None:
        self._conversation = conversation
        self._rulings: dict[str, Ruling] = {}

    # --- the turn ---------------------------------------------------------------------------------------------------------

    def hear(self, messages: Sequence[AnyMessage]) -> None:
        """Feed the session what the model is sent."""
        self._conversation.hear([item for message in messages for item in _items(message)])

    def turn(self, state: Mapping[str, Any]) -> dict[str, Any] | None:
        """A node after the model: the turn as it may be seen; interrupts the graph while people are asked."""
        ruling, message, name = self._begin(state)
        while ruling is not None and ruling.waiting:
            interrupt(_asked(ruling))
            ruling = self._again(name, ruling)
        return self._seen(message, ruling)

    async def aturn(self, state: Mapping[str, Any]) -> dict[str, Any] | None:
        """The same for a graph that runs in an event loop."""
        ruling, message, name = await asyncio.to_thread(self._begin, state)
        while ruling is not None and ruling.waiting:
            interrupt(_asked(ruling))
            ruling = await asyncio.to_thread(self._again, name, ruling)
        return self._seen(message, ruling)

    def _begin(self, state: Mapping[str, Any]) -> tuple[Ruling | None, AIMessage, str]:
        """The ruling on the newest message, and what it is known by: all that stands there, since an id may come twice."""
        *before, message = state["messages"]
        if not isinstance(message, AIMessage):
            return None, AIMessage(""), ""
        name = digest(repr([message.id, *_heard(state["messages"])]))
        if name not in self._rulings:  # a node that was interrupted begins anew
            if not self._conversation.hears(_heard(before)):
                self.hear(before)
            self._rulings[name] = self._conversation.propose(_calls(message), _said(message))
        return self._rulings[name], message, name

    def _again(self, name: str, ruling: Ruling) -> Ruling:
        again = self._conversation.resume()
        self._rulings[name] = ruling if again is None else again
        return self._rulings[name]

    def _seen(self, message: AIMessage, ruling: Ruling | None) -> dict[str, Any] | None:
        if ruling is None:
            return None
        notes, calls = instead(ruling), _calls(message)
        if notes:
            stay = {call.call_id for call in kept(ruling, calls)}
            said = _said(message) if may_speak(ruling) else None
            left = [call for call in message.tool_calls if call["id"] in stay]
            message = AIMessage("\n".join(text for text in (said, notes) if text), id=message.id, tool_calls=left)
        self._conversation.shown(_said(message) or "", _calls(message))
        return {"messages": [message]} if notes else None

    # --- what runs --------------------------------------------------------------------------------------------------------

    def tool_node(self, tools: Sequence[Any], **options: Any) -> ToolNode:
        """A `ToolNode` whose tools run by their permits."""
        return ToolNode(tools, wrap_tool_call=self.wrap_tool_call, awrap_tool_call=self.awrap_tool_call, **options)

    def wrap_tool_call(self, request: Any, run: Callable[[Any], Answer]) -> Answer:
        """Around each call of a tool: its permit is used for what will really run, and its result is told."""
        call = request.tool_call
        try:
            self._conversation.begin(call["id"], call["name"], json.dumps(call["args"]))
        except EvidenceError:
            return self._refused(call)
        return self._told(call, lambda: run(request))

    async def awrap_tool_call(self, request: Any, run: Callable[[Any], Awaitable[Answer]]) -> Answer:
        """The same for a graph that runs in an event loop."""
        call = request.tool_call
        try:
            await asyncio.to_thread(self._conversation.begin, call["id"], call["name"], json.dumps(call["args"]))
        except EvidenceError:
            return self._refused(call)
        try:
            answer = await run(request)
        except BaseException as error:
            self._conversation.finish(call["id"], f"{type(error).__name__}: {error}", failed=True)
            raise
        return await asyncio.to_thread(self._told, call, lambda: answer)

    def _refused(self, call: Mapping[str, Any]) -> ToolMessage:
        text = self._conversation.message(call["id"])
        return ToolMessage(text, tool_call_id=call["id"], name=call["name"], status="error")

    def _told(self, call: Mapping[str, Any], run: Callable[[], Answer]) -> Answer:
        try:
            answer = run()
        except BaseException as error:
            self._conversation.finish(call["id"], f"{type(error).__name__}: {error}", failed=True)
            raise
        if isinstance(answer, ToolMessage):
            self._conversation.finish(call["id"], text_of(answer.content), failed=answer.status == "error")
        else:
            self._conversation.finish(call["id"], "[a command to the graph]")
        return answer


def middleware(conversation: Conversation) -> AgentMiddleware[Any, Any, Any]:
    """Middleware for LangChain's `create_agent`: put it last in the list, so that nothing changes what was decided."""
    from langchain.agents.middleware import AgentMiddleware

    guard = GraphGuard(conversation)

    class Guarded(AgentMiddleware[Any, Any, Any]):
        """Hears what the model is sent, decides its turn, and runs tools by their permits."""

        def wrap_model_call(self, request: Any, handler: Any) -> Any:
            guard.hear(_sent(request))
            return handler(request)

        async def awrap_model_call(self, request: Any, handler: Any) -> Any:
            await asyncio.to_thread(guard.hear, _sent(request))
            return await handler(request)

        def after_model(self, state: Any, runtime: Any) -> dict[str, Any] | None:
            return guard.turn(state)

        async def aafter_model(self, state: Any, runtime: Any) -> dict[str, Any] | None:
            return await guard.aturn(state)

        def wrap_tool_call(self, request: Any, handler: Any) -> Any:
            return guard.wrap_tool_call(request, handler)

        async def awrap_tool_call(self, request: Any, handler: Any) -> Any:
            return await guard.awrap_tool_call(request, handler)

    return Guarded()


def _sent(request: Any) -> list[AnyMessage]:
    system = request.system_message
    return [*([system] if system is not None else []), *request.messages]


def _heard(messages: Sequence[AnyMessage]) -> list[Item]:
    return [item for message in messages for item in _items(message)]


def _items(message: AnyMessage) -> list[Item]:
    match message:
        case SystemMessage():
            return [Item(role="system", text=text_of(message.content))]
        case HumanMessage():
            return [Item(role="user", text=text_of(message.content))]
        case ToolMessage():
            failed = message.status == "error"
            return [Item(role="tool", text=text_of(message.content), call_id=message.tool_call_id, failed=failed)]
        case AIMessage():
            return [Item(role="assistant", text=_said(message) or "", calls=tuple(_calls(message)))]
    return []


def _said(message: AIMessage) -> str | None:
    """The text of a message; blocks of other kinds (reasoning, calls) say nothing to the user."""
    return str(message.text) or None


def _calls(message: AIMessage) -> list[ProposedCall]:
    """The calls of a message, those that could not be parsed too: they are denied as malformed, with their turn."""
    parsed = [
        ProposedCall(call_id=str(call["id"]), tool=call["name"], arguments=json.dumps(call["args"]))
        for call in message.tool_calls
    ]
    broken = [
        ProposedCall(call_id=str(call["id"]), tool=str(call["name"]), arguments=str(call["args"]) or "malformed")
        for call in message.invalid_tool_calls
    ]
    return parsed + broken


def _asked(ruling: Ruling) -> dict[str, Any]:
    """What an interrupt shows: which requests wait, and the words that an agent may see; approving happens elsewhere."""
    messages = list(dict.fromkeys(step.message for step in ruling.steps if step.request is not None))
    return {"requests": list(ruling.waiting), "message": "\n".join(messages)}
