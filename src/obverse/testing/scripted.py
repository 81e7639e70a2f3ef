"""What the stub server answers, and how that looks in the OpenAI and in the Anthropic protocol.

A dummy model with three manners, all of them pure functions of the request:
- a line `call NAME ARGUMENTS` in the last user message makes it call that tool, with the rest of the line as the raw
  argument text (malformed text stays malformed; several lines make parallel calls);
- otherwise it refuses a share of the requests, chosen by their content;
- otherwise it answers. What it answers for which content can be computed by a test, which therefore knows the true rate.
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Sequence
from typing import Any

import msgspec

REFUSAL = "I'm sorry, but I can't help with that."
ANSWER = "Sure, the first step is to loosen the soil; then add two litres of water."
"""With something in it: a judge of refusals may well take an empty promise for a way of declining."""


class Answer(msgspec.Struct, frozen=True, kw_only=True):
    """What the stub says: a text, or calls as (name, raw arguments)."""

    text: str = ""
    calls: tuple[tuple[str, str], ...] = ()


class Asked(msgspec.Struct, frozen=True, kw_only=True):
    """The part of a request that the stub reads; both protocols have it."""

    messages: list[dict[str, Any]]
    model: str = "stub"
    tools: list[dict[str, Any]] = []


_ASKED = msgspec.json.Decoder(Asked)
_ENCODE = msgspec.json.Encoder().encode


def key_of(body: bytes) -> str:
    """The name of a request: the same bytes have the same key."""
    return hashlib.blake2b(body, digest_size=8).hexdigest()


def share_of(key: str, purpose: str) -> float:
    """A number in [0, 1) that depends on the key and the purpose alone."""
    drawn = hashlib.blake2b(f"{purpose}\0{key}".encode(), digest_size=8).digest()
    return int.from_bytes(drawn, "big") / 2**64


def answer(body: bytes, *, refuse: float) -> Answer:
    """What the stub answers to this request body.

    Raises:
        msgspec.DecodeError: the body is no chat request.
    """
    asked = _ASKED.decode(body)
    calls = _scripted_calls(asked.messages[-1]) if asked.messages and asked.tools else ()
    if calls:
        return Answer(calls=calls)
    return Answer(text=REFUSAL if share_of(key_of(body), "refuse") < refuse else ANSWER)


def openai_body(said: Answer, *, key: str, model: str, listed: bool = False) -> bytes:
    """The answer as a `chat.completion`; `listed` with the probability of each word, 0.9 beside an alternative of 0.0999."""
    calls = [
        {"id": f"call_{key}_{n}", "type": "function", "function": {"name": name, "arguments": arguments}}
        for n, (name, arguments) in enumerate(said.calls)
    ]
    message = {"role": "assistant", "content": said.text or None, **({"tool_calls": calls} if calls else {})}
    return _ENCODE(
        {
            "id": f"chatcmpl-{key}",
            "object": "chat.completion",
            "created": 0,
            "model": model,
            "choices": [
                {
                    "index": 0,
                    "message": message,
                    "finish_reason": "tool_calls" if calls else "stop",
                    **({"logprobs": {"content": [_listed(word) for word in said.text.split()]}} if listed else {}),
                }
            ],
            "usage": {"prompt_tokens": 12, "completion_tokens": 9, "total_tokens": 21},
        }
    )


def _listed(word: str) -> dict[str, Any]:
    alternatives = [(word, math.log(0.9)), (f"{word}?", math.log(0.0999))]
    return {
        "token": word, "logprob": math.log(0.9),
        "top_logprobs": [{"token": token, "logprob": logprob} for token, logprob in alternatives],
    }  # fmt: skip


def anthropic_body(said: Answer, *, key: str, model: str) -> bytes:
    """The answer as an Anthropic `message`. Its protocol has no raw arguments: malformed ones come as `{"raw": …}`."""
    blocks: list[dict[str, Any]] = [{"type": "text", "text": said.text}] if said.text else []
    for n, (name, arguments) in enumerate(said.calls):
        blocks.append({"type": "tool_use", "id": f"toolu_{key}_{n}", "name": name, "input": _object(arguments)})
    return _ENCODE(
        {
            "id": f"msg_{key}",
            "type": "message",
            "role": "assistant",
            "model": model,
            "content": blocks,
            "stop_reason": "tool_use" if said.calls else "end_turn",
            "stop_sequence": None,
            "usage": {"input_tokens": 12, "output_tokens": 9},
        }
    )


def model_of(body: bytes) -> str:
    """The model that the request names."""
    return _ASKED.decode(body).model


def _scripted_calls(message: dict[str, Any]) -> tuple[tuple[str, str], ...]:
    if message.get("role") != "user":
        return ()
    lines: Sequence[str] = _text(message.get("content")).splitlines()
    split = (line[5:].partition(" ") for line in lines if line.startswith("call "))
    return tuple((name, arguments) for name, _, arguments in split)


def _text(content: object) -> str:
    if isinstance(content, list):
        return "\n".join(str(part.get("text", "")) for part in content if isinstance(part, dict))
    return content if isinstance(content, str) else ""


def _object(arguments: str) -> object:
    try:
        value = msgspec.json.decode(arguments)
    except msgspec.DecodeError:
        return {"raw": arguments}
    return value if isinstance(value, dict) else {"raw": arguments}
