"""A session of a guard on the shop, and what a test wants to know of it."""

from __future__ import annotations

import random
from collections.abc import Iterator
from typing import Any

import pytest

from obverse.guard.adapters.conversation import Conversation
from obverse.guard.guard import Guard
from obverse.policy.check import check
from obverse.policy.parse import parse
from obverse.testing.mcp_agent import SHOP
from obverse.testing.recorder import MemoryRecorder


@pytest.fixture
def recorder() -> MemoryRecorder:
    return MemoryRecorder()


@pytest.fixture
def guard(recorder: MemoryRecorder) -> Iterator[Guard]:
    ticks = iter(range(1_800_000_000_000, 1_900_000_000_000))
    found = Guard(check(parse(SHOP)), recorder=recorder, clock=lambda: next(ticks), fresh=random.Random(7).randbytes)
    yield found
    found.close()


@pytest.fixture
def conversation(guard: Guard) -> Conversation:
    return Conversation(guard.session(holder="agent"))


@pytest.fixture
def history(recorder: MemoryRecorder, guard: Guard) -> Any:
    """What is on record of what happened, in order: kind, and what it says."""

    def read() -> list[tuple[str, Any]]:
        guard.close()
        said = {"fact": "name", "call": "tool", "denied": "tool", "result": "output"}
        events = [(one.body["kind"], recorder.read(one, "event")) for one in recorder.of("event")]
        return [(kind, event[said.get(kind, "text")]) for kind, event in events]

    return read
