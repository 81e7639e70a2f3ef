"""A request of the chat protocol, read: `POST /v1/chat/completions`. What cannot be guarded is refused by name.

Not a validator for the model's sake: values of known options pass as they are, and the model's own server judges them.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final

from obverse.core.canon import digest_bytes
from obverse.gateway.http.fields import (
    Content,
    flag_at,
    name_at,
    objects_at,
    offers_of,
    only,
    options_of,
    speaker_at,
    text_at,
    unguarded,
    wrong,
)
from obverse.gateway.http.json_text import is_absent, shown, write
from obverse.gateway.http.records import Answering, AnyItem, Asking, Calling, Instruction, Request, Returning
from obverse.gateway.http.settings import Settings

PASSED: Final = frozenset({
    "temperature", "top_p", "top_k", "min_p", "max_tokens", "max_completion_tokens", "presence_penalty", "frequency_penalty",
    "repetition_penalty", "seed", "stop", "logit_bias", "reasoning_effort", "verbosity", "parallel_tool_calls",
    "tool_choice", "response_format", "user", "metadata", "safety_identifier", "service_tier", "store",
    "prompt_cache_key", "prompt_cache_retention", "prompt_cache_options",
})  # fmt: skip
REFUSED: Final = {
    "logprobs": "would show words that were not decided",
    "top_logprobs": "would show words that were not decided",
    "audio": "asks for speech, which the guard cannot read",
    "functions": "is the old form of `tools`, which the guard does not read",
    "function_call": "is the old form of `tool_choice`, which the guard does not read",
    "prediction": "gives the model a text that is no part of the conversation",
    "web_search_options": "has the provider search, without the guard",
    "moderation": "has the provider decide beside the guard",
}
"""What is known and cannot be guarded, and why."""
READ: Final = frozenset({"model", "messages", "tools", "stream", "stream_options", "n", "modalities"})
_PLAIN: Final = ("text",)


def read_chat(body: dict[str, Any], settings: Settings) -> Request:
    """What the client asks.

    Raises:
        UntrustedInputError: it is no chat request, or holds something that cannot be guarded.
    """
    options = options_of(body, PASSED, REFUSED, READ, settings.parameters)
    if body.get("n") not in (None, 1):
        raise unguarded("n", f"is {shown(body['n'])}: one answer is decided at a time", hint="send the request n times")
    if body.get("modalities") not in (None, [], ["text"]):
        raise unguarded("modalities", f"is {shown(body['modalities'])}: the guard reads text")
    messages = objects_at(body.get("messages"), "messages")
    if not messages:
        raise wrong("messages", "is empty")
    content = Content(_PLAIN, settings.unseen)
    items = [item for place, message in enumerate(messages) for item in _items(message, f"messages[{place}]", content)]
    stream = flag_at(body, "stream")
    delivered = ("stream", "stream_options")
    return Request(
        protocol="chat",
        model=name_at(body.get("model"), "model"),
        items=tuple(items),
        wire=[_kept(message) for message in messages],
        options=options,
        offers=offers_of(body.get("tools"), "tools", nested=True),
        stream=stream,
        usage=_usage(body.get("stream_options")),
        structured=_structured(options.get("response_format")),
        unseen=tuple(content.unseen),
        digest=digest_bytes(write({name: value for name, value in body.items() if name not in delivered})),
    )


def _items(message: dict[str, Any], where: str, content: Content) -> Iterator[AnyItem]:
    role = message.get("role")
    if role in ("system", "developer"):
        only(message, ("role", "content", "name"), where)
        speaker_at(message.get("name"), f"{where}.name")
        yield Instruction(text=content.read(message.get("content"), f"{where}.content"))
    elif role == "user":
        only(message, ("role", "content", "name"), where)
        speaker = speaker_at(message.get("name"), f"{where}.name")
        yield Asking(text=content.read(message.get("content"), f"{where}.content"), speaker=speaker)
    elif role == "assistant":
        yield from _assistant(message, where)
    elif role == "tool":
        only(message, ("role", "content", "tool_call_id", "name"), where)
        name = name_at(message.get("tool_call_id"), f"{where}.tool_call_id")
        yield Returning(id=name, output=content.read(message.get("content"), f"{where}.content"))
    else:
        raise wrong(f"{where}.role", f"is {shown(role)}", hint="system, developer, user, assistant or tool")


def _assistant(message: dict[str, Any], where: str) -> Iterator[AnyItem]:
    """What the model is said to have said and called; a refusal is something that it said."""
    only(message, ("role", "content", "name", "refusal", "tool_calls"), where)
    speaker_at(message.get("name"), f"{where}.name")
    said = message.get("content")
    text = "" if is_absent(said) else Content((*_PLAIN, "refusal"), ()).read(said, f"{where}.content")
    if message.get("refusal") is not None:
        refusal = text_at(message["refusal"], f"{where}.refusal")
        text = "\n\n".join(part for part in (text, refusal) if part)
    if text:
        yield Answering(text=text)
    for place, call in enumerate(objects_at(message.get("tool_calls") or [], f"{where}.tool_calls")):
        yield _call(call, f"{where}.tool_calls[{place}]")


def _call(call: dict[str, Any], where: str) -> Calling:
    if call.get("type", "function") != "function":
        raise unguarded(f"{where}.type", f"is {shown(call.get('type'))}: only functions can be guarded")
    only(call, ("id", "type", "function", "index"), where)
    function = call.get("function")
    if not isinstance(function, dict):
        raise wrong(f"{where}.function", "is missing")
    only(function, ("name", "arguments"), f"{where}.function")
    return Calling(
        id=name_at(call.get("id"), f"{where}.id"),
        name=name_at(function.get("name"), f"{where}.function.name"),
        arguments=text_at(function.get("arguments"), f"{where}.function.arguments"),
    )


def _kept(message: dict[str, Any]) -> dict[str, Any]:
    """The message as it goes on to the model: without fields that say nothing."""
    kept = {name: value for name, value in message.items() if not is_absent(value)}
    if "content" in message:
        kept.setdefault("content", message["content"])
    return kept


def _usage(options: object) -> bool:
    if options is None:
        return False
    if not isinstance(options, dict):
        raise wrong("stream_options", f"is no object: {shown(options)}")
    only(options, ("include_usage", "include_obfuscation"), "stream_options")
    return flag_at(options, "include_usage")


def _structured(form: object) -> bool:
    return isinstance(form, dict) and form.get("type") != "text"
