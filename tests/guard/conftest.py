"""A guard on a small shop, with a clock that is moved and a ledger in memory."""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping
from typing import Any

import pytest

from obverse.guard.guard import Guard
from obverse.guard.records import ProposedCall, Request, Said
from obverse.policy.check import check
from obverse.policy.checked import Checked
from obverse.policy.parse import parse
from obverse.testing.recorder import MemoryRecorder

POLICY = """\
---
policy: shop
version: 1
---
# Shop

```terms
tool look(id: text) -> (owner: text, price: number) effect read
tool pay(to: text, amount: number) effect money
tool wipe(id: text) effect write
tool explode() effect write
judged message.says_yes "The user agrees." yes "yes" no "no"
```

## Paying {#pay}

```rule
forbid pay when amount > 1000 says "Too much at once."
ask pay when amount > 100
limit pay to 3 per 24h
```

## Wiping {#wipe inviolable}

```rule
forbid wipe unless once look(id: "a")
stop explode
```
"""


class Clock:
    """Milliseconds, moved by hand."""

    def __init__(self) -> None:
        self.ms = 1_800_000_000_000

    def __call__(self) -> int:
        return self.ms

    def move(self, seconds: float) -> None:
        self.ms += round(seconds * 1000)


def checked_policy(text: str = POLICY) -> Checked:
    return check(parse(text.encode()))


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def recorder() -> MemoryRecorder:
    return MemoryRecorder()


@pytest.fixture
def make(clock: Clock, recorder: MemoryRecorder) -> Callable[..., Guard]:
    """A guard of this policy, or of the shop."""

    def build(text: str = POLICY, **given: Any) -> Guard:
        ports = {"recorder": recorder, "clock": clock, "fresh": random.Random(7).randbytes, **given}
        return Guard(checked_policy(text), files={"shop.md": text.encode()}, **ports)

    return build


class Desk:
    """People who are asked, and answer when the test says so. Signatures are not its business."""

    def __init__(self) -> None:
        self.asked: list[Request] = []
        self.shown: list[Mapping[str, object]] = []
        self.said: dict[str, list[Said]] = {}
        self.closed: dict[str, str] = {}

    def ask(self, request: Request, shown: Mapping[str, object]) -> None:
        self.asked.append(request)
        self.shown.append(shown)

    def answers(self, request: str) -> tuple[Said, ...]:
        return tuple(self.said.get(request, ()))

    def wait(self, request: str, seconds: float) -> None:
        raise AssertionError

    def close(self, request: str, why: str) -> None:
        self.closed[request] = why

    def say(self, by: str, answer: str = "approve", *, request: Request | None = None, time: int = 0) -> None:
        asked = request or self.asked[-1]
        said = Said(request=asked.id, by=by, answer=answer, time=time or asked.asked, signature={})
        self.said.setdefault(asked.id, []).append(said)


@pytest.fixture
def desk() -> Desk:
    return Desk()


def call(tool: str, arguments: str = "{}", name: str = "c1") -> ProposedCall:
    return ProposedCall(call_id=name, tool=tool, arguments=arguments)


@pytest.fixture
def propose() -> Callable[..., ProposedCall]:
    return call
