"""What a model answers in the responses protocol, read strictly, and what goes back to the client, written.

Only messages, reasoning and function calls are read; any other item is an act outside of the guard, and the whole turn is refused.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final

from obverse.core.errors import UntrustedInputError
from obverse.gateway.http.chat_answered import checked_call, garbage
from obverse.gateway.http.fields import model_name
from obverse.gateway.http.json_text import is_absent, number_of, read_answer, shown, write
from obverse.gateway.http.records import Answer, Outgoing, Proposed, Tokens
from obverse.gateway.http.sentences import Growing
from obverse.gateway.http.sse import Sent, event

ENDED: Final = ("response.completed", "response.incomplete", "response.failed")


def read_responses_answer(body: dict[str, Any], *, most_calls: int) -> Answer:
    """The turn that this `response` holds.

    Raises:
        UntrustedInputError: it failed, is not done, or holds an item that the guard does not read.
    """
    if body.get("error") is not None or body.get("status") not in (None, "completed", "incomplete"):
        raise garbage(f"is not complete: {shown(body.get('status'))}")
    output = body.get("output")
    if not isinstance(output, list) or not all(isinstance(item, dict) for item in output):
        raise garbage("has no list of items")
    texts, thoughts, calls = list[str](), list[str](), list[Proposed]()
    for item in output:
        kind = item.get("type")
        if kind == "message":
            texts.extend(_texts(item))
        elif kind == "reasoning":
            thoughts.extend(_thoughts(item))
        elif kind == "function_call":
            calls.append(checked_call(item.get("call_id"), item.get("name"), item.get("arguments")))
        else:
            raise garbage(f"has an item of type {shown(kind)}, which the guard does not read")
    if len(calls) > most_calls:
        raise garbage(f"has more than {most_calls} calls")
    cut = body.get("status") == "incomplete"
    return Answer(
        text="\n\n".join(texts),
        thought="\n\n".join(thoughts),
        calls=tuple(calls),
        finish="length" if cut else "tool_calls" if calls else "stop",
        tokens=_tokens(body.get("usage")),
        model=model_name(body.get("model")),
    )


def _texts(item: dict[str, Any]) -> Iterator[str]:
    if item.get("role") not in (None, "assistant"):
        raise garbage(f"is by {shown(item['role'])}")
    parts = item.get("content")
    if not isinstance(parts, list):
        raise garbage("has a message without content")
    for part in parts:
        field = _field(part)
        if field is None or not is_absent(part.get("annotations")):
            raise garbage(f"has a part that the guard does not read: {shown(part)}")
        if part[field]:
            yield part[field]


def _field(part: object) -> str | None:
    """Where a part holds its text; None if the guard does not read such a part."""
    kind = part.get("type") if isinstance(part, dict) else None
    field = "text" if kind == "output_text" else "refusal" if kind == "refusal" else None
    return field if isinstance(part, dict) and field is not None and isinstance(part.get(field), str) else None


def _thoughts(item: dict[str, Any]) -> Iterator[str]:
    """What it wrote for itself, where it can be read; it never leaves."""
    for parts in (item.get("summary"), item.get("content")):
        for part in parts if isinstance(parts, list) else ():
            if isinstance(part, dict) and isinstance(part.get("text"), str):
                yield part["text"]


def _tokens(usage: object) -> Tokens | None:
    if not isinstance(usage, dict):
        return None
    given, made = (number_of(usage.get(name)) for name in ("input_tokens", "output_tokens"))
    return None if given is None or made is None else Tokens(given=given, made=made)


class ResponsesJoiner:
    """Takes the events of a streamed response; what counts is the whole response that its last event holds.

    The pieces of text serve early release only; a whole that does not begin with what they said is refused.
    """

    def __init__(self, *, most_calls: int) -> None:
        self._most_calls = most_calls
        self.said = Growing()
        self._part: tuple[object, object] | None = None
        self._calling = False
        self._whole: dict[str, Any] | None = None

    @property
    def text(self) -> str:
        """What was said so far."""
        return self.said.text

    @property
    def calling(self) -> bool:
        """Whether a call was begun."""
        return self._calling

    def take(self, sent: Sent) -> None:
        """One event of the stream."""
        if sent.data.strip() == "[DONE]":
            return
        if self._whole is not None:
            raise garbage("goes on after its end")
        body = read_answer(sent.data.encode())
        kind = body.get("type")
        if sent.name and kind != sent.name:
            raise garbage(f"has an event that is {shown(sent.name)} and {shown(kind)}")
        if kind in ("error", "response.failed") or not is_absent(body.get("error")):
            raise garbage("is an error")
        if kind in ENDED:
            if not isinstance(body.get("response"), dict):
                raise garbage("ends without a response")
            self._whole = body["response"]
        elif kind == "response.output_text.delta":
            self._said(body)
        elif isinstance(kind, str) and kind.startswith("response.function_call_arguments"):
            self._calling = True

    def answer(self) -> Answer:
        """The whole turn, once the stream has ended."""
        if self._whole is None:
            raise UntrustedInputError("the model's answer was cut off", code="G405")
        answer = read_responses_answer(self._whole, most_calls=self._most_calls)
        if not answer.text.startswith(self.text):
            raise garbage("is not what its pieces said")
        return answer

    def _said(self, body: dict[str, Any]) -> None:
        delta = body.get("delta")
        if not isinstance(delta, str):
            raise garbage("has a piece that is no text")
        part = (body.get("output_index"), body.get("content_index"))
        if self._part is not None and part != self._part:
            delta = f"\n\n{delta}"  # the next part stands apart, as in the whole
        self._part = part
        self.said.add(delta)


# --- to the client ------------------------------------------------------------------------------------------------------


def responses_body(out: Outgoing, echo: dict[str, Any]) -> bytes:
    """The answer as a `response`; `echo` are the request's own fields that it repeats."""
    return write(_response(out, echo, status=_status(out), output=list(_output(out))))


class ResponsesStream:
    """The answer as a stream of events, numbered, in the order that the protocol wants."""

    def __init__(self, echo: dict[str, Any]) -> None:
        self._echo = echo
        self._number = -1
        self._begun = False
        self._said = False

    def text(self, out: Outgoing, piece: str) -> bytes:
        """A piece of what was released."""
        return self._opened(out) + self._speaking(out) + self._delta(out, piece)

    def end(self, out: Outgoing, sent: int) -> bytes:
        """The rest: what was released and not sent yet, behind the first `sent` characters, and the end."""
        parts, rest = [self._opened(out)], out.shown[sent:]
        if rest:
            parts += [self._speaking(out), self._delta(out, rest)]
        for place, item in enumerate(_output(out)):
            if item["type"] == "message":
                parts.append(self._spoken(out, item, place))
            else:
                parts.append(self._called(item, place))
        whole = _response(out, self._echo, status=_status(out), output=list(_output(out)))
        parts.append(self._event(f"response.{whole['status']}", response=whole))
        return b"".join(parts)

    def _opened(self, out: Outgoing) -> bytes:
        if self._begun:
            return b""
        self._begun = True
        begun = _response(out, self._echo, status="in_progress", output=[])
        return self._event("response.created", response=begun) + self._event("response.in_progress", response=begun)

    def _speaking(self, out: Outgoing) -> bytes:
        if self._said:
            return b""
        self._said = True
        item = {**_message(out, ""), "status": "in_progress", "content": []}
        return self._event("response.output_item.added", output_index=0, item=item) + self._event(
            "response.content_part.added", item_id=item["id"], output_index=0, content_index=0, part=_part(out, "")
        )

    def _delta(self, out: Outgoing, piece: str) -> bytes:
        at = {"item_id": _message(out, "")["id"], "output_index": 0, "content_index": 0}
        if out.refused:
            return self._event("response.refusal.delta", **at, delta=piece)
        return self._event("response.output_text.delta", **at, delta=piece, logprobs=[])

    def _spoken(self, out: Outgoing, item: dict[str, Any], place: int) -> bytes:
        at = {"item_id": item["id"], "output_index": place, "content_index": 0}
        done = (
            self._event("response.refusal.done", **at, refusal=out.shown)
            if out.refused
            else self._event("response.output_text.done", **at, text=out.shown, logprobs=[])
        )
        return (
            done
            + self._event("response.content_part.done", **at, part=item["content"][0])
            + self._event("response.output_item.done", output_index=place, item=item)
        )

    def _called(self, item: dict[str, Any], place: int) -> bytes:
        at = {"item_id": item["id"], "output_index": place}
        begun = {**item, "arguments": "", "status": "in_progress"}
        return (
            self._event("response.output_item.added", output_index=place, item=begun)
            + self._event("response.function_call_arguments.delta", **at, delta=item["arguments"])
            + self._event("response.function_call_arguments.done", **at, arguments=item["arguments"], name=item["name"])
            + self._event("response.output_item.done", output_index=place, item=item)
        )

    def _event(self, kind: str, **fields: object) -> bytes:
        self._number += 1
        return event(write({"type": kind, "sequence_number": self._number, **fields}), kind)


def wire_of(out: Outgoing) -> list[dict[str, Any]]:
    """The answer as it stands in the conversation that the model is sent next time."""
    said = [{"role": "assistant", "content": [{"type": "output_text", "text": out.shown}], "type": "message"}]
    calls = [
        {"type": "function_call", "call_id": call.id, "name": call.name, "arguments": call.arguments}
        for call in out.calls
    ]
    return [*(said if out.shown else []), *calls]


def _output(out: Outgoing) -> Iterator[dict[str, Any]]:
    if out.shown:
        yield _message(out, out.shown)
    for call in out.calls:
        yield {
            "type": "function_call", "id": f"fc_{call.id.removeprefix('call_')}", "call_id": call.id, "name": call.name,
            "arguments": call.arguments, "status": "completed",
        }  # fmt: skip


def _message(out: Outgoing, text: str) -> dict[str, Any]:
    name = f"msg_{out.id.removeprefix('resp_')}"
    return {"type": "message", "id": name, "role": "assistant", "status": "completed", "content": [_part(out, text)]}


def _part(out: Outgoing, text: str) -> dict[str, Any]:
    if out.refused:
        return {"type": "refusal", "refusal": text}
    return {"type": "output_text", "text": text, "annotations": [], "logprobs": []}


def _status(out: Outgoing) -> str:
    return "incomplete" if out.finish == "length" else "completed"


def _response(out: Outgoing, echo: dict[str, Any], *, status: str, output: list[dict[str, Any]]) -> dict[str, Any]:
    cut = {"reason": "max_output_tokens"} if status == "incomplete" else None
    tokens = out.tokens
    usage = None if tokens is None or status == "in_progress" else {
        "input_tokens": tokens.given, "input_tokens_details": {"cached_tokens": 0}, "output_tokens": tokens.made,
        "output_tokens_details": {"reasoning_tokens": 0}, "total_tokens": tokens.given + tokens.made,
    }  # fmt: skip
    return {
        "id": out.id, "object": "response", "created_at": out.created, "status": status, "error": None,
        "incomplete_details": cut, "model": out.model, "output": output, "usage": usage, **echo,
    }  # fmt: skip


def echo_of(options: dict[str, Any], tools: list[dict[str, Any]], previous: str | None) -> dict[str, Any]:
    """The request's own fields that a response repeats."""
    return {
        "instructions": options.get("instructions"),
        "metadata": options.get("metadata", {}),
        "parallel_tool_calls": options.get("parallel_tool_calls", True),
        "temperature": options.get("temperature"),
        "top_p": options.get("top_p"),
        "tool_choice": options.get("tool_choice", "auto"),
        "tools": tools,
        "previous_response_id": previous,
    }
