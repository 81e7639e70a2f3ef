"""Messages and tools as the OpenAI chat format writes them: what endpoints read, and what Python callables are given."""

from __future__ import annotations

from typing import Any

from obverse.core.chat import ChatMessage, ToolSpec


def message_dict(message: ChatMessage) -> dict[str, Any]:
    """The message as OpenAI writes it."""
    found: dict[str, Any] = {"role": message.role, "content": message.content}
    if message.tool_calls:
        found["content"] = message.content or None
        found["tool_calls"] = [
            {"id": call.id, "type": "function", "function": {"name": call.name, "arguments": call.arguments}}
            for call in message.tool_calls
        ]
    if message.tool_call_id is not None:
        found["tool_call_id"] = message.tool_call_id
    if message.name is not None:
        found["name"] = message.name
    return found


def tool_dict(tool: ToolSpec) -> dict[str, Any]:
    """The tool as OpenAI writes it."""
    function = {"name": tool.name, "description": tool.description, "parameters": tool.parameters}
    return {"type": "function", "function": function}
