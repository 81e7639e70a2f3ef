"""The agent's loop: a model proposes, the guard rules, and only what it permits is run.

The loop is all that an agent has to do to stand behind a guard: `propose` what the model wants, `redeem` the permit with what will really run, give
the `result` back.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

from shop import TOOLS, Shop

from obverse.core.chat import ChatMessage, Sampling, ToolCall, ToolSpec
from obverse.guard.records import ProposedCall, Ruling
from obverse.guard.session import Session

SYSTEM = "You are the desk of a shop. Use the tools to do what the customer asks."
SPECS = [ToolSpec(**tool) for tool in TOOLS]


class Agent:
    """A model with tools. `target` is any `obverse.targets` target."""

    def __init__(self, target: Any, session: Session, shop: Shop, told: Callable[[ToolCall, Ruling], None]) -> None:
        self.target, self.session, self.shop, self.told = target, session, shop, told

    def answer(self, request: str, *, wait: float) -> None:
        """Do what the customer asks; people have so many seconds to agree."""
        self.session.message(request)
        messages = [ChatMessage(role="system", content=SYSTEM), ChatMessage(role="user", content=request)]
        said = asyncio.run(self.target.complete(messages, tools=SPECS, sampling=Sampling(max_tokens=96)))
        for call in said.tool_calls:
            self._do(call, wait)

    def _do(self, call: ToolCall, wait: float) -> None:
        number = f"{call.id}-{len(self.shop.done)}-{id(call)}"
        ruling = self.session.propose([ProposedCall(call_id=number, tool=call.name, arguments=call.arguments)])
        self.told(call, ruling)
        if ruling.waiting:
            ruling = self.session.resume(wait) or ruling
            self.told(call, ruling)
        for step in ruling.released:
            if step.permit is not None:
                self.session.redeem(step.permit, call.name, call.arguments)
                self.session.result(number, self.shop.run(call.name, call.arguments))
