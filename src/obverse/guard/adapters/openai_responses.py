"""The responses protocol as plain JSON: what was sent, what a model proposes, and what is left of it after a ruling. Pure.

Read are messages, reasoning, and calls of functions and custom tools. Any other item of an answer is something that the provider
did by itself, past the guard: such an answer is refused, and so is a request for a tool that would do it.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from copy import deepcopy
from typing import Any, Final, Literal

from obverse.core.errors import MisuseError, UntrustedInputError
from obverse.guard.adapters.conversation import Item, custom_arguments, instead, kept, may_speak, text_of
from obverse.guard.records import ProposedCall, Ruling

CALLS: Final = {"function_call": "arguments", "custom_tool_call": "input"}
RESULTS: Final = ("function_call_output", "custom_tool_call_output")
ROLES: Final[Mapping[str, Literal["system", "user"]]] = {"system": "system", "developer": "system", "user": "user"}
ENDED: Final = ("response.completed", "response.incomplete")
UNSEEN: Final = ("previous_response_id", "conversation", "prompt", "background")


def refused_options(options: Mapping[str, Any]) -> None:
    """Nothing, if the guard sees all that such a request can do.

    Raises:
        MisuseError: it asks for something that would not pass the guard.
    """
    for name in UNSEEN:
        if options.get(name):
            raise MisuseError(
                f"`{name}` makes a model see or do what no rule sees",
                code="G511",
                hint="send the whole input each time",
            )
    strange = [
        str(tool.get("type")) for tool in options.get("tools") or () if tool.get("type") not in {"function", "custom"}
    ]
    if strange:
        raise MisuseError(f"a tool of type `{strange[0]}` runs at the provider, past the guard", code="G511")


def items(instructions: str | None, given: str | Iterable[Mapping[str, Any]] | None) -> list[Item]:
    """What a request sends, one item each. What the model wrote at one time stands in one item, as it was decided."""
    found = [Item(role="system", text=instructions)] if instructions else []
    if isinstance(given, str):
        return [*found, Item(role="user", text=given)]
    turn_: list[Mapping[str, Any]] = []
    for one in given or ():
        if _is_models(one):
            turn_.append(one)
            continue
        found += _assistant(turn_)
        turn_ = []
        found.append(_item(one))
    return [*found, *_assistant(turn_)]


def turn(output: Sequence[Mapping[str, Any]]) -> tuple[list[ProposedCall], str | None, str]:
    """What an answer proposes: its calls, what it says, and what it thought.

    Raises:
        UntrustedInputError: it holds an item that nobody decided.
    """
    calls: list[ProposedCall] = []
    said: list[str] = []
    thought: list[str] = []
    for item in output:
        kind = item.get("type", "message")
        if kind == "message":
            said.append(text_of(item.get("content")))
        elif kind == "reasoning":
            thought += [text_of(item.get(part)) for part in ("summary", "content") if item.get(part)]
        elif kind in CALLS:
            text = item.get(CALLS[kind])
            arguments = str(text or "") if kind == "function_call" else custom_arguments(text)
            calls.append(
                ProposedCall(call_id=str(item.get("call_id")), tool=str(item.get("name")), arguments=arguments)
            )
        else:
            raise UntrustedInputError(f"an answer with an item of type `{str(kind)[:40]}`, past the guard", code="G512")
    return calls, "\n".join(text for text in said if text) or None, "\n".join(thought)


def released(response: Mapping[str, Any], ruling: Ruling) -> dict[str, Any]:
    """The response with what may be given to the caller; where something was taken out, its message stands in its place."""
    left = deepcopy(dict(response))
    notes = instead(ruling)
    if not notes:
        left["output"] = [_decided(item) for item in left["output"]]
        return left
    calls, said, _ = turn(left["output"])
    stay = {call.call_id for call in kept(ruling, calls)}
    left["output"] = [
        item
        for item in left["output"]
        if (item.get("type") == "reasoning" and stay) or (item.get("type") in CALLS and item.get("call_id") in stay)
    ]
    spoken = [said] if said and may_speak(ruling) else []
    left["output"].insert(0, _message(str(left.get("id")), "\n".join([*spoken, notes])))
    return left


def _decided(item: dict[str, Any]) -> dict[str, Any]:
    """The item with what was read of it; words beside the text of a message would pass undecided."""
    if item.get("type", "message") != "message":
        return item
    return {**item, "content": [_text_alone(part) for part in item.get("content") or ()]}


def _text_alone(part: Mapping[str, Any]) -> dict[str, Any]:
    match part:
        case {"type": "output_text", "text": str(text)}:
            return {"type": "output_text", "text": text, "annotations": [], "logprobs": part.get("logprobs") or []}
        case {"type": "refusal", "refusal": str(text)}:
            return {"type": "refusal", "refusal": text}
    raise UntrustedInputError("an answer with a part that is no text, past the guard", code="G512")


def whole(events: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """The response that a stream ends with; what its pieces said before counts for nothing.

    Raises:
        UntrustedInputError: it ends with none.
    """
    last = events[-1] if events else {}
    if last.get("type") not in ENDED or not isinstance(last.get("response"), dict):
        raise UntrustedInputError("a stream that does not end with a response", code="G512")
    return dict(last["response"])


def streamed(response: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    """A stream that makes this response: each item whole, then the response."""
    begun = {**response, "status": "in_progress", "output": []}
    events = (
        {"type": "response.created", "response": begun},
        *(event for index, item in enumerate(response["output"]) for event in _item_events(index, item)),
        {"type": f"response.{response.get('status') or 'completed'}", "response": dict(response)},
    )
    for number, event in enumerate(events):
        yield {**event, "sequence_number": number}


def _item_events(index: int, item: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    empty = (
        {**item, "content": []}
        if item.get("type") == "message"
        else {**item, CALLS.get(str(item.get("type")), "status"): ""}
    )
    yield {"type": "response.output_item.added", "output_index": index, "item": empty}
    where = {"output_index": index, "item_id": str(item.get("id") or "")}
    if item.get("type") == "message":
        for place, part in enumerate(item.get("content") or ()):
            at = {**where, "content_index": place}
            kind, field = ("output_text", "text") if part.get("type") == "output_text" else ("refusal", "refusal")
            yield {"type": "response.content_part.added", **at, "part": {**part, field: ""}}
            extra: dict[str, Any] = {"logprobs": []} if kind == "output_text" else {}
            yield {"type": f"response.{kind}.delta", **at, "delta": part.get(field, ""), **extra}
            yield {"type": f"response.{kind}.done", **at, field: part.get(field, ""), **extra}
            yield {"type": "response.content_part.done", **at, "part": part}
    if item.get("type") == "function_call":
        text = str(item.get("arguments") or "")
        yield {"type": "response.function_call_arguments.delta", **where, "delta": text}
        yield {
            "type": "response.function_call_arguments.done", **where, "arguments": text, "name": item.get("name"),
        }  # fmt: skip
    yield {"type": "response.output_item.done", "output_index": index, "item": dict(item)}


def _message(response: str, text: str) -> dict[str, Any]:
    part = {"type": "output_text", "text": text, "annotations": []}
    return {
        "id": f"msg_guard_{response}",
        "type": "message",
        "role": "assistant",
        "status": "completed",
        "content": [part],
    }


def _is_models(item: Mapping[str, Any]) -> bool:
    return item.get("role") == "assistant" or item.get("type") in {"reasoning", *CALLS}


def _assistant(output: Sequence[Mapping[str, Any]]) -> list[Item]:
    calls, said, _ = turn(output)
    return [Item(role="assistant", text=said or "", calls=tuple(calls))] if calls or said else []


def _item(item: Mapping[str, Any]) -> Item:
    kind, role = item.get("type", "message"), item.get("role")
    if kind in RESULTS:
        return Item(role="tool", text=text_of(item.get("output")), call_id=str(item.get("call_id")))
    if kind != "message" or not isinstance(role, str) or role not in ROLES:
        raise MisuseError(f"an input item of type `{str(kind)[:40]}` cannot be guarded", code="G511")
    return Item(role=ROLES[role], text=text_of(item.get("content")))
