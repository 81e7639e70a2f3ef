"""Callables for tests of `python:`."""

from __future__ import annotations

import asyncio
import time
from typing import Any

from obverse.core.chat import Completion


def simple(messages: list[dict[str, Any]]) -> str:
    return f"{len(messages)} {messages[-1]['content']}"


async def patient(messages: list[dict[str, Any]]) -> str:
    await asyncio.sleep(0)
    return "later"


class Agent:
    async def __call__(
        self, messages: list[dict[str, Any]], *, tools: list[dict[str, Any]], sampling: dict[str, Any]
    ) -> Any:
        names = [tool["function"]["name"] for tool in tools]
        return {"text": "x", "tool_calls": [{"name": names[0], "arguments": {"seed": sampling["seed"]}},
                                            {"id": "q", "function": {"name": "raw", "arguments": "{"}}]}  # fmt: skip


agent = Agent()


def whole(messages: list[dict[str, Any]]) -> Completion:
    return Completion(text="whole", stop="stop")


def raises(messages: list[dict[str, Any]]) -> str:
    raise ValueError("two\nlines")


def disconnected(messages: list[dict[str, Any]]) -> str:
    raise ConnectionResetError("gone")


def stops_iterating(messages: list[dict[str, Any]]) -> str:
    return next(iter(()))


def sleeps(messages: list[dict[str, Any]]) -> str:
    time.sleep(0.1)
    return "slept"


def hangs(messages: list[dict[str, Any]]) -> str:
    time.sleep(60)
    return "never"


def says_nothing(messages: list[dict[str, Any]]) -> None:
    return None


def says_a_wrong_field(messages: list[dict[str, Any]]) -> dict[str, Any]:
    return {"txt": "typo"}


NOT_CALLABLE = 3
