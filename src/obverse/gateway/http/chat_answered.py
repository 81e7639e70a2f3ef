"""What a model answers in the chat protocol, read strictly, and what goes back to the client, written.

The model's server is a stranger too: an answer that could be read in two ways is none. What goes back is made anew from what was
released; no byte of the model's answer passes by.
"""

from __future__ import annotations

from typing import Any, Final

from obverse.core.errors import UntrustedInputError
from obverse.gateway.http.fields import model_name
from obverse.gateway.http.json_text import is_absent, number_of, shown, write
from obverse.gateway.http.records import Answer, Outgoing, Proposed, Tokens
from obverse.gateway.http.sse import event

FINISHED: Final = ("stop", "length", "tool_calls", "content_filter")
THOUGHTS: Final = ("reasoning_content", "reasoning")
END: Final = b"data: [DONE]\n\n"


def garbage(what: str) -> UntrustedInputError:
    """The error for an answer that is not what the protocol says."""
    return UntrustedInputError(f"the model's answer {what}", code="G403")


def read_chat_answer(body: dict[str, Any], *, most_calls: int) -> Answer:
    """The turn that this `chat.completion` holds.

    Raises:
        UntrustedInputError: it holds none, or more than one, or could be read in two ways.
    """
    choice = only_choice(body)
    if choice is None:
        raise garbage("has no choice")
    message = choice.get("message")
    if not isinstance(message, dict):
        raise garbage("has no message")
    check_message(message)
    calls = message.get("tool_calls")
    if not isinstance(calls, list | None):
        raise garbage("has calls that are no list")
    if len(calls or ()) > most_calls:
        raise garbage(f"has more than {most_calls} calls")
    return Answer(
        text=joined_text(text_of(message, "content"), text_of(message, "refusal")),
        thought=next((found for name in THOUGHTS if (found := text_of(message, name))), ""),
        calls=tuple(_call(call) for call in calls or ()),
        finish=finish_of(choice.get("finish_reason")),
        tokens=tokens_of(body.get("usage")),
        model=model_name(body.get("model")),
    )


def only_choice(body: dict[str, Any]) -> dict[str, Any] | None:
    """The one choice of an answer or of a piece of it; None if it has none, as the last piece of a stream may."""
    if body.get("error") is not None:
        raise garbage("is an error")
    choices = body.get("choices")
    if not isinstance(choices, list) or not all(isinstance(one, dict) for one in choices):
        raise garbage("has no list of choices")
    if len(choices) > 1:
        raise garbage(f"has {len(choices)} choices")
    if choices and choices[0].get("index", 0) != 0:
        raise garbage(f"has a choice with the index {shown(choices[0]['index'])}")
    return choices[0] if choices else None


def check_message(message: dict[str, Any]) -> None:
    """Raises if a message holds an act in a form that the guard does not read."""
    if message.get("role") not in (None, "assistant"):
        raise garbage(f"is by {shown(message['role'])}")
    for name in ("function_call", "audio", "annotations", "images"):
        if not is_absent(message.get(name)):
            raise garbage(f"has `{name}`, which the guard does not read")


def text_of(message: dict[str, Any], name: str) -> str:
    """A text of a message; absent is empty."""
    value = message.get(name)
    if not isinstance(value, str | None):
        raise garbage(f"has `{name}` that is no text")
    return value or ""


def joined_text(content: str, refusal: str) -> str:
    """All that the model says; a refusal is something that it says."""
    return "\n\n".join(part for part in (content, refusal) if part)


def finish_of(value: object) -> Any:
    """Why it ended, in the protocol's four words."""
    return value if isinstance(value, str) and value in FINISHED else "stop"


def tokens_of(usage: object) -> Tokens | None:
    """What it cost, if it says so in numbers."""
    if not isinstance(usage, dict):
        return None
    given, made = (number_of(usage.get(name)) for name in ("prompt_tokens", "completion_tokens"))
    return None if given is None or made is None else Tokens(given=given, made=made)


def _call(call: object) -> Proposed:
    if not isinstance(call, dict) or call.get("type", "function") != "function":
        raise garbage(f"has a call that is no function: {shown(call)}")
    function = call.get("function")
    if not isinstance(function, dict):
        raise garbage("has a call without a function")
    return checked_call(call.get("id"), function.get("name"), function.get("arguments"))


def checked_call(name: object, tool: object, arguments: object) -> Proposed:
    """The call, if it has an id, a tool and arguments in text."""
    if not isinstance(name, str) or not name:
        raise garbage("has a call without an id")
    if not isinstance(tool, str) or not tool:
        raise garbage("has a call without a tool")
    if not isinstance(arguments, str):
        raise garbage("has a call whose arguments are no text")
    return Proposed(id=name, name=tool, arguments=arguments)


# --- to the client ------------------------------------------------------------------------------------------------------


def chat_body(out: Outgoing) -> bytes:
    """The answer as a `chat.completion`."""
    message: dict[str, Any] = {"role": "assistant", **_said(out)}
    if out.calls:
        message["tool_calls"] = [_written(call) for call in out.calls]
    choice = {"index": 0, "message": message, "logprobs": None, "finish_reason": out.finish}
    body = {**_head(out, "chat.completion"), "choices": [choice]}
    return write({**body, **({"usage": _usage(out.tokens)} if out.tokens else {})})


class ChatStream:
    """The answer as a stream of `chat.completion.chunk`s, piece by piece."""

    def __init__(self, *, usage: bool) -> None:
        self._usage = usage
        self._begun = False

    def text(self, out: Outgoing, piece: str) -> bytes:
        """A piece of what was released."""
        return self._opened(out) + self._chunk(out, {"content": piece})

    def end(self, out: Outgoing, sent: int) -> bytes:
        """The rest: what was released and not sent yet, behind the first `sent` characters, and the end."""
        parts = [self._opened(out)]
        if out.shown[sent:]:
            parts.append(self._chunk(out, _said(out, after=sent)))
        for place, call in enumerate(out.calls):
            parts.append(self._chunk(out, {"tool_calls": [{"index": place, **_written(call)}]}))
        parts.append(self._chunk(out, {}, finish=out.finish))
        if self._usage:
            parts.append(event(write({**_head(out, _CHUNK), "choices": [], "usage": _usage(out.tokens or Tokens())})))
        return b"".join(parts) + END

    def _opened(self, out: Outgoing) -> bytes:
        if self._begun:
            return b""
        self._begun = True
        return self._chunk(out, {"role": "assistant", "content": ""})

    def _chunk(self, out: Outgoing, delta: dict[str, Any], *, finish: str | None = None) -> bytes:
        choice = {"index": 0, "delta": delta, "logprobs": None, "finish_reason": finish}
        usage = {"usage": None} if self._usage else {}
        return event(write({**_head(out, _CHUNK), "choices": [choice], **usage}))


_CHUNK: Final = "chat.completion.chunk"


def _head(out: Outgoing, kind: str) -> dict[str, Any]:
    return {"id": out.id, "object": kind, "created": out.created, "model": out.model}


def _said(out: Outgoing, *, after: int = 0) -> dict[str, Any]:
    """What the client reads. The guard's own words are content, as a model's would be; a `refusal` ends the loops of agents.

    Where JSON was asked for they are a refusal all the same, as the protocol has it, since they are none.
    """
    if out.refused:
        return {"content": None, "refusal": out.notice}
    return {"content": out.shown[after:] or None, "refusal": None}


def _written(call: Proposed) -> dict[str, Any]:
    return {"id": call.id, "type": "function", "function": {"name": call.name, "arguments": call.arguments}}


def _usage(tokens: Tokens | None) -> dict[str, int]:
    known = tokens or Tokens()
    return {
        "prompt_tokens": known.given,
        "completion_tokens": known.made,
        "total_tokens": known.given + known.made,
    }
