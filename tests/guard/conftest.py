"""A guard on a small shop, with a clock that is moved and a ledger in memory."""

from __future__ import annotations

import random
from collections.abc import Callable
from typing import Any

import pytest

from obverse.guard.guard import Guard
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
