"""Tools for models that were never taught to call them: a protocol in plain text, and how to read it strictly.

The system message ends with the tools, one JSON line each, and how to call one:

    <tool_call>
    {"name": "get_reservation", "arguments": {"id": "XK42"}}
    </tool_call>

A result comes back as a user message, between `<tool_response>` and `</tool_response>`. These are the tags that Qwen and
the Hermes models were trained on; smaller ones read them as they can.

What is a call:
    1. every `<tool_call>` block, also one that was cut off before its end tag
    2. a reply that is nothing but such an object, perhaps in a code fence, or that begins as one and names an offered tool:
       small models forget the tags, and a call that is not seen would be a violation that is not seen
Arguments stay the raw text between the braces. What is no object of exactly `name` and `arguments` is a call all the same,
its arguments the whole raw block: malformed is recorded, never dropped.
"""

from __future__ import annotations

import json
import re
from collections.abc import Collection, Iterable, Sequence
from typing import Final

import msgspec

from obverse.core.chat import ChatMessage, ToolCall, ToolSpec

VERSION: Final = 1
"""Changes with any word below that a model reads; part of every fingerprint."""

_HOW: Final = """# Tools

You can use these tools. Each line is one, with its parameters as a JSON Schema:
<tools>
{tools}
</tools>

To use a tool, write nothing but its name and arguments as JSON, in this form:
<tool_call>
{{"name": "NAME", "arguments": {{"PARAMETER": "VALUE"}}}}
</tool_call>"""

_BLOCK = re.compile(r"<tool_call>(.*?)(?:</tool_call>|\Z)", re.S)
_FENCED = re.compile(r"\A```(?:json)?\s*\n(.*?)\n?```\Z", re.S)
_NAME = re.compile(r'"name"\s*:\s*"([^"\\]*)"')


class _Written(msgspec.Struct):
    name: str
    arguments: msgspec.Raw


def spoken(messages: Sequence[ChatMessage], tools: Sequence[ToolSpec]) -> list[dict[str, str]]:
    """The conversation as roles and texts alone: tools, calls and results written out."""
    said = [_plain(message) for message in messages]
    if tools:
        how = _HOW.format(tools="\n".join(_line(tool) for tool in tools))
        if said and said[0]["role"] == "system":
            said[0] = {"role": "system", "content": f"{said[0]['content']}\n\n{how}"}
        else:
            said.insert(0, {"role": "system", "content": how})
    return said


def heard(text: str, offered: Collection[str]) -> tuple[str, tuple[ToolCall, ...]]:
    """What a reply says besides its calls, and the calls in order. Without offered tools all of it is said."""
    if not offered:
        return text, ()
    if blocks := _BLOCK.findall(text):
        return _BLOCK.sub("", text).strip(), _calls(blocks)
    whole = text.strip()
    fenced = _FENCED.match(whole)
    block = fenced[1] if fenced else whole
    written = _written(block)
    if written is not None or (block.startswith("{") and _name_in(block) in offered):
        return "", _calls([block])
    return text, ()


def _calls(blocks: Iterable[str]) -> tuple[ToolCall, ...]:
    found = []
    for n, block in enumerate(blocks, start=1):
        written = _written(block)
        name = written.name if written else _name_in(block)
        arguments = bytes(written.arguments).decode() if written else block.strip()
        found.append(ToolCall(id=f"call_{n}", name=name, arguments=arguments))
    return tuple(found)


def _written(block: str) -> _Written | None:
    """The call that this block is; None where it is no object of exactly a name and arguments, each once."""
    try:
        written = msgspec.json.decode(block.strip(), type=_Written)
        keys = json.loads(block, object_pairs_hook=lambda pairs: [key for key, _ in pairs])
    except (msgspec.DecodeError, UnicodeError, ValueError, RecursionError):
        return None
    return written if sorted(keys) == ["arguments", "name"] else None


def _name_in(block: str) -> str:
    """The name that a malformed block seems to mean, or none."""
    seen = _NAME.search(block)
    return seen[1] if seen else ""


def _plain(message: ChatMessage) -> dict[str, str]:
    if message.role == "tool":
        return {"role": "user", "content": f"<tool_response>\n{message.content}\n</tool_response>"}
    blocks = [
        f'<tool_call>\n{{"name": {json.dumps(call.name)}, "arguments": {call.arguments}}}\n</tool_call>'
        for call in message.tool_calls
    ]
    parts = [message.content] if message.content or not blocks else []
    return {"role": message.role, "content": "\n".join(parts + blocks)}


def _line(tool: ToolSpec) -> str:
    return json.dumps(
        {"name": tool.name, "description": tool.description, "parameters": tool.parameters}, ensure_ascii=False
    )
