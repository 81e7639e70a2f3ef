"""The chat completions protocol as plain JSON: what was sent, what a model proposes, and what is left of it after a ruling. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from copy import deepcopy
from typing import Any, Final, Literal

from obverse.core.errors import MisuseError
from obverse.guard.adapters.conversation import Item, custom_arguments, instead, kept, may_speak, text_of
from obverse.guard.records import ProposedCall, Ruling

ROLES: Final[Mapping[str, Literal["system", "user", "tool"]]] = {
    "system": "system",
    "developer": "system",
    "user": "user",
    "tool": "tool",
}

DECIDED: Final = ("role", "content", "refusal", "tool_calls", "reasoning_content")
"""The fields of a message that were read; words in any other would pass undecided."""


def refused_options(options: Mapping[str, Any]) -> None:
    """Nothing, if the guard sees all that such a request can do.

    Raises:
        MisuseError: it asks for something that would not pass the guard.
    """
    if (options.get("n") or 1) != 1:
        raise MisuseError("several answers at once are several turns", code="G511", hint="ask with `n=1`")
    if options.get("functions"):
        raise MisuseError("`functions` have no ids to tell their calls apart", code="G511", hint="give `tools`")
    for name in ("audio", "web_search_options"):
        if options.get(name):
            raise MisuseError(f"`{name}` makes the provider answer or act in ways that no rule sees", code="G511")
    strange = [
        str(tool.get("type")) for tool in options.get("tools") or () if tool.get("type") not in {"function", "custom"}
    ]
    if strange:
        raise MisuseError(f"a tool of type `{strange[0]}` runs at the provider, past the guard", code="G511")


def items(messages: Iterable[Mapping[str, Any]]) -> list[Item]:
    """The messages of a request, one item each."""
    return [_item(message) for message in messages]


def turn(message: Mapping[str, Any]) -> tuple[list[ProposedCall], str | None, str]:
    """What an answer proposes: its calls, what it says, and what it thought."""
    said = "\n".join(text for text in (message.get("content"), message.get("refusal")) if text)
    calls = [_call(call) for call in message.get("tool_calls") or ()]
    if message.get("function_call"):
        calls.append(ProposedCall(call_id="", tool=str(message["function_call"].get("name")), arguments="malformed"))
    return calls, said or None, str(message.get("reasoning_content") or "")


def released(completion: Mapping[str, Any], ruling: Ruling) -> dict[str, Any]:
    """The completion with what may be given to the caller; where something was taken out, its message stands in its place."""
    left = deepcopy(dict(completion))
    choice = left["choices"][0]
    message = choice["message"] = {name: value for name, value in choice["message"].items() if name in DECIDED}
    calls, said, _ = turn(message)
    stay = {call.call_id for call in kept(ruling, calls)}
    notes = instead(ruling)
    if not notes:
        return left
    for name in ("refusal", "reasoning_content"):
        message.pop(name, None)
    choice.pop("logprobs", None)  # words of what was taken out
    message["content"] = "\n".join(text for text in (said if may_speak(ruling) else None, notes) if text)
    message["tool_calls"] = [call for call in message.get("tool_calls") or () if call.get("id") in stay] or None
    if not message["tool_calls"]:
        message.pop("tool_calls")
        choice["finish_reason"] = "stop"
    return left


def collected(chunks: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """The completion that these chunks of a stream make."""
    message: dict[str, Any] = {"role": "assistant", "content": None}
    calls: dict[int, dict[str, Any]] = {}
    finish = None
    for chunk in chunks:
        for choice in chunk.get("choices") or ():
            if choice.get("index"):
                raise MisuseError("several answers at once are several turns", code="G511", hint="ask with `n=1`")
            finish = choice.get("finish_reason") or finish
            _collect(choice.get("delta") or {}, message, calls)
    if calls:
        message["tool_calls"] = [calls[index] for index in sorted(calls)]
    head = {key: value for key, value in (chunks[0] if chunks else {}).items() if key not in {"choices", "object"}}
    usage = next((chunk["usage"] for chunk in reversed(chunks) if chunk.get("usage")), None)
    choice = {"index": 0, "message": message, "finish_reason": finish or "stop"}
    return {**head, "object": "chat.completion", "choices": [choice], "usage": usage}


def chunked(completion: Mapping[str, Any]) -> list[dict[str, Any]]:
    """A stream that makes this completion: all that was said, then why it ended, then what it cost."""
    choice = completion["choices"][0]
    head = {key: value for key, value in completion.items() if key not in {"choices", "object", "usage"}}
    head["object"] = "chat.completion.chunk"
    delta = dict(choice["message"])
    calls = [{**call, "index": index} for index, call in enumerate(delta.pop("tool_calls", None) or ())]
    if calls:
        delta["tool_calls"] = calls
    parts = [
        {**head, "choices": [{"index": 0, "delta": delta, "finish_reason": None}]},
        {**head, "choices": [{"index": 0, "delta": {}, "finish_reason": choice["finish_reason"]}]},
    ]
    return [*parts, {**head, "choices": [], "usage": completion["usage"]}] if completion.get("usage") else parts


def _collect(delta: Mapping[str, Any], message: dict[str, Any], calls: dict[int, dict[str, Any]]) -> None:
    for name in ("content", "refusal", "reasoning_content"):
        if isinstance(delta.get(name), str):
            message[name] = (message.get(name) or "") + delta[name]
    if delta.get("function_call"):
        message["function_call"] = delta["function_call"]
    for part in delta.get("tool_calls") or ():
        call = calls.setdefault(part.get("index", 0), {"id": "", "type": part.get("type") or "function"})
        call["id"] = part.get("id") or call["id"]
        for kind, text in (("function", "arguments"), ("custom", "input")):
            if part.get(kind):
                inner = call.setdefault(kind, {"name": "", text: ""})
                inner["name"] += part[kind].get("name") or ""
                inner[text] += part[kind].get(text) or ""


def _item(message: Mapping[str, Any]) -> Item:
    role = message.get("role")
    if role == "assistant":
        calls, said, _ = turn({**message, "content": text_of(message.get("content"))})
        return Item(role="assistant", text=said or "", calls=tuple(calls))
    if not isinstance(role, str) or role not in ROLES:
        raise MisuseError(f"a message of the role `{str(role)[:40]}` cannot be guarded", code="G511")
    return Item(role=ROLES[role], text=text_of(message.get("content")), call_id=str(message.get("tool_call_id") or ""))


def _call(call: Mapping[str, Any]) -> ProposedCall:
    name = str(call.get("id") or "")
    if call.get("type") == "custom":
        inner = call.get("custom") or {}
        return ProposedCall(call_id=name, tool=str(inner.get("name")), arguments=custom_arguments(inner.get("input")))
    inner = call.get("function") or {}
    return ProposedCall(call_id=name, tool=str(inner.get("name")), arguments=str(inner.get("arguments") or ""))
