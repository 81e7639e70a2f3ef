"""A guard to try things on: a small shop, a clock that is moved by hand, people who answer when they are told, ports that fail.

For tests of what stands before or behind a guard. Nothing is signed here and nothing is on disk.
"""

from __future__ import annotations

import random
import threading
from collections.abc import Callable, Mapping
from typing import Any, Final, Literal, TypeAlias

from obverse.guard.guard import Guard
from obverse.guard.records import ProposedCall, Request, Said
from obverse.policy.check import check
from obverse.policy.checked import Checked
from obverse.policy.parse import parse
from obverse.testing.recorder import MemoryRecorder

SHOP: Final = """\
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
"""Reads are free; payments are limited, asked about, forbidden; wiping needs a look before it; `explode` ends the session."""

START: Final = 1_800_000_000_000

Mode: TypeAlias = Literal["raise", "hang", "lie"]


class HandClock:
    """Milliseconds since the epoch, moved by hand."""

    def __init__(self, ms: int = START) -> None:
        self.ms = ms

    def __call__(self) -> int:
        return self.ms

    def move(self, seconds: float) -> None:
        """Let time pass."""
        self.ms += round(seconds * 1000)


class Desk:
    """People who are asked, and answer when they are told to. A `People` without signatures."""

    def __init__(self) -> None:
        self.asked: list[Request] = []
        self.shown: list[Mapping[str, object]] = []
        self.said: dict[str, list[Said]] = {}
        self.closed: dict[str, str] = {}

    def ask(self, request: Request, shown: Mapping[str, object]) -> None:
        """Noted."""
        self.asked.append(request)
        self.shown.append(shown)

    def answers(self, request: str) -> tuple[Said, ...]:
        """What was said so far."""
        return tuple(self.said.get(request, ()))

    def wait(self, request: str, seconds: float) -> None:
        """Does not."""

    def close(self, request: str, why: str) -> None:
        """Noted."""
        self.closed[request] = why

    def say(
        self,
        by: str,
        answer: Literal["approve", "reject"] = "approve",
        *,
        request: Request | None = None,
        time: int = 0,
    ) -> None:
        """Somebody answers the newest request, or this one."""
        asked = request or self.asked[-1]
        said = Said(request=asked.id, by=by, answer=answer, time=time or asked.asked, signature={})
        self.said.setdefault(asked.id, []).append(said)


class Faulty:
    """Another port, of which one call fails, or every call from there on: it raises, hangs until `release`, or gives nonsense."""

    def __init__(self, inner: Any, mode: Mode, at: int, *, forever: bool = False) -> None:
        self._inner, self._mode, self._at, self._forever = inner, mode, at, forever
        self._released = threading.Event()
        self._lock = threading.Lock()
        self.calls = 0
        self.failed = False

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        return self._through(self._inner)(*args, **kwargs)

    def __getattr__(self, name: str) -> Any:
        found = getattr(self._inner, name)
        return self._through(found) if callable(found) else found

    def release(self) -> None:
        """What hangs goes on."""
        self._released.set()

    def _through(self, work: Callable[..., Any]) -> Callable[..., Any]:
        def call(*args: Any, **kwargs: Any) -> Any:
            with self._lock:
                self.calls += 1
                fails = self.calls == self._at or (self._forever and self.calls > self._at)
                self.failed = self.failed or fails
            if not fails:
                return work(*args, **kwargs)
            if self._mode == "raise":
                raise OSError(28, "no space left on device")
            if self._mode == "hang":
                self._released.wait(20)
                raise TimeoutError
            return "nonsense"

        return call


def checked_policy(text: str = SHOP) -> Checked:
    """This policy, checked."""
    return check(parse(text.encode()))


def guard_of(text: str = SHOP, **ports: Any) -> Guard:
    """A guard of this policy on a clock of its own and a ledger in memory, or with these ports."""
    fresh = random.Random(7).randbytes  # noqa: S311  # a double: the same names in every run
    given = {"recorder": MemoryRecorder(), "clock": HandClock(), "fresh": fresh, **ports}
    return Guard(checked_policy(text), files={"policy.md": text.encode()}, **given)


def call(tool: str, arguments: str = "{}", name: str = "c1") -> ProposedCall:
    """A call as an agent proposes it."""
    return ProposedCall(call_id=name, tool=tool, arguments=arguments)
