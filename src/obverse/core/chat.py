"""What is said to a target and what it says back: a small, versioned chat schema.

Close to the OpenAI chat format, which most endpoints speak. Arguments of a tool call stay the *raw text* that the target
wrote: parsing them is a decision (`policy.arguments`), and a lost byte here would be a lost finding.
"""

from __future__ import annotations

from typing import Any, Literal, TypeAlias

import msgspec

Role: TypeAlias = Literal["system", "user", "assistant", "tool"]


class ToolCall(msgspec.Struct, frozen=True, kw_only=True):
    """One call that a target proposes; `arguments` is its raw text, well-formed or not."""

    id: str
    name: str
    arguments: str


class ChatMessage(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One message of a conversation. `tool_call_id` only for role `tool`, `tool_calls` only for `assistant`."""

    role: Role
    content: str = ""
    tool_calls: tuple[ToolCall, ...] = ()
    tool_call_id: str | None = None
    name: str | None = None


class ToolSpec(msgspec.Struct, frozen=True, kw_only=True):
    """A tool as it is offered to a target; `parameters` is a JSON Schema of type object."""

    name: str
    description: str
    parameters: dict[str, Any]


class Usage(msgspec.Struct, frozen=True, kw_only=True):
    """Tokens that a completion cost; `None` where the target did not say."""

    prompt_tokens: int | None = None
    completion_tokens: int | None = None


class Sampling(msgspec.Struct, frozen=True, kw_only=True):
    """How to sample. Temperature 0 is greedy; the seed is sent where the target takes one."""

    temperature: float = 0.0
    max_tokens: int = 512
    seed: int = 0


class Measured(msgspec.Struct, frozen=True, kw_only=True):
    """What a target says of the probabilities of its answer's tokens: means over them, in nats; None where it cannot be known.

    `entropy` is of the distribution that was sampled from, `logprob` of the drawn tokens under the model (temperature 1).
    `missing` says why a figure is not there.
    """

    entropy: float | None = None
    logprob: float | None = None
    missing: str = ""


class Completion(msgspec.Struct, frozen=True, kw_only=True):
    """What a target answered: text and calls, both may be empty. `stop` is the target's word for why it ended.

    `measured` is there where probabilities were asked for (`targets.protocol.Connection.alternatives`).
    """

    text: str
    tool_calls: tuple[ToolCall, ...] = ()
    usage: Usage = Usage()
    model: str | None = None
    stop: str | None = None
    measured: Measured | None = None
