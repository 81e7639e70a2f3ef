"""A request of the responses protocol, read: `POST /v1/responses`. What cannot be guarded is refused by name.

The gateway keeps the conversations itself: `previous_response_id` is the id of an answer that it gave, and the model is sent the
whole of the conversation each time, as recorded. So what the model is sent is what the guard has seen (need R2), whatever
the provider stores.
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
    text_at,
    unguarded,
    wrong,
)
from obverse.gateway.http.json_text import is_absent, shown, write
from obverse.gateway.http.records import Answering, AnyItem, Asking, Calling, Instruction, Request, Returning
from obverse.gateway.http.settings import Settings

PASSED: Final = frozenset({
    "temperature", "top_p", "max_output_tokens", "parallel_tool_calls", "tool_choice", "text", "reasoning", "metadata",
    "user", "service_tier", "safety_identifier", "prompt_cache_key", "prompt_cache_retention", "prompt_cache_options",
})  # fmt: skip
REFUSED: Final = {
    "background": "would answer where the guard does not look",
    "background_options": "would answer where the guard does not look",
    "conversation": "names a conversation that the guard does not see; use `previous_response_id`",
    "prompt": "names a text that the guard does not see",
    "include": "asks for what the guard cannot read",
    "top_logprobs": "would show words that were not decided",
    "context_management": "would change the conversation where the guard does not look",
    "max_tool_calls": "is about tools that run without the guard",
    "moderation": "has the provider decide beside the guard",
    "image": "asks for images, which the guard cannot read",
}
READ: Final = frozenset({
    "model", "input", "instructions", "tools", "stream", "stream_options", "store", "previous_response_id", "truncation",
})  # fmt: skip
_ASKED: Final = ("input_text", "text")
_SAID: Final = ("output_text", "input_text", "text", "refusal")


def read_responses(body: dict[str, Any], settings: Settings) -> Request:
    """What the client asks; `items` and `wire` hold what it sends anew, instructions first.

    Raises:
        UntrustedInputError: it is no such request, or holds something that cannot be guarded.
    """
    options = options_of(body, PASSED, REFUSED, READ, settings.parameters)
    if body.get("truncation") not in (None, "disabled"):
        raise unguarded("truncation", "would have the model see less than the guard", hint="leave it out")
    previous = body.get("previous_response_id")
    content = Content(_ASKED, settings.unseen)
    given = body.get("input", [] if previous else None)
    sent = [{"role": "user", "content": given}] if isinstance(given, str) else objects_at(given, "input")
    if not sent and previous is None:
        raise wrong("input", "is empty")
    items = [item for place, one in enumerate(sent) for item in _items(one, f"input[{place}]", content)]
    instructions = body.get("instructions")
    if not is_absent(instructions):
        items.insert(0, Instruction(text=text_at(instructions, "instructions")))
        options["instructions"] = instructions
    delivered = ("stream", "stream_options")
    return Request(
        protocol="responses",
        model=name_at(body.get("model"), "model"),
        items=tuple(items),
        wire=[_kept(one) for one in sent],
        options=options,
        offers=offers_of(body.get("tools"), "tools", nested=False),
        stream=flag_at(body, "stream"),
        structured=_structured(options.get("text")),
        unseen=tuple(content.unseen),
        digest=digest_bytes(write({name: value for name, value in body.items() if name not in delivered})),
        previous=None if previous is None else name_at(previous, "previous_response_id"),
        keep=body.get("store") is not False,
    )


def _items(one: dict[str, Any], where: str, content: Content) -> Iterator[AnyItem]:
    kind = one.get("type", "message")
    if kind == "message":
        yield _message(one, where, content)
    elif kind == "function_call":
        only(one, ("type", "id", "call_id", "name", "arguments", "status"), where)
        yield Calling(
            id=name_at(one.get("call_id"), f"{where}.call_id"),
            name=name_at(one.get("name"), f"{where}.name"),
            arguments=text_at(one.get("arguments"), f"{where}.arguments"),
        )
    elif kind == "function_call_output":
        only(one, ("type", "id", "call_id", "output", "status"), where)
        output = content.read(one.get("output"), f"{where}.output")
        yield Returning(id=name_at(one.get("call_id"), f"{where}.call_id"), output=output)
    else:
        raise unguarded(
            f"{where}.type", f"is {shown(kind)}, which the guard does not read",
            hint="messages, function_call and function_call_output can be guarded",
        )  # fmt: skip


def _message(one: dict[str, Any], where: str, content: Content) -> AnyItem:
    only(one, ("type", "role", "content", "id", "status", "phase"), where)
    role, said = one.get("role"), one.get("content")
    if role in ("system", "developer"):
        return Instruction(text=content.read(said, f"{where}.content"))
    if role == "user":
        return Asking(text=content.read(said, f"{where}.content"))
    if role == "assistant":
        return Answering(text=_said(said, f"{where}.content"))
    raise wrong(f"{where}.role", f"is {shown(role)}", hint="system, developer, user or assistant")


def _said(said: object, where: str) -> str:
    """What the model is said to have said; each part stands for itself, as it was given out."""
    if isinstance(said, list):
        said = [
            {name: value for name, value in part.items() if not is_absent(value)} for part in objects_at(said, where)
        ]
    return "\n\n".join(_texts(said, where))


def _texts(said: object, where: str) -> Iterator[str]:
    if isinstance(said, str):
        yield said
        return
    for place, part in enumerate(objects_at(said, where)):
        yield Content(_SAID, ()).read([part], f"{where}[{place}]")


def _kept(one: dict[str, Any]) -> dict[str, Any]:
    """The item as it goes on to the model: without ids and states of ours, and without fields that say nothing."""
    kept = {
        name: value for name, value in one.items() if name not in {"id", "status", "phase"} and not is_absent(value)
    }
    for name in ("content", "output"):
        if name in one:
            kept.setdefault(name, one[name])
    return kept


def _structured(text: object) -> bool:
    form = text.get("format") if isinstance(text, dict) else None
    return isinstance(form, dict) and form.get("type") != "text"
