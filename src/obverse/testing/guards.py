"""A guard to try things on: a small shop, a clock that is moved by hand, people who answer when they are told, ports that fail.

For tests of what stands before or behind a guard. Nothing is on disk, and nobody checks who approves.
"""

from __future__ import annotations

import hashlib
import random
import threading
from collections.abc import Callable, Iterator, Mapping
from typing import TYPE_CHECKING, Any, Final, Literal, TypeAlias

from obverse.guard.approvals.statement import statement_of
from obverse.guard.guard import Guard
from obverse.guard.people import Person, edwards_key
from obverse.guard.records import ProposedCall, Request, Said
from obverse.guard.signing import sign
from obverse.ledger.contents import Item
from obverse.policy.check import check
from obverse.policy.checked import Checked
from obverse.policy.parse import parse
from obverse.testing.recorder import MemoryRecorder

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

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
    """People who are asked, and sign an answer when they are told to. A `People` that checks nothing and shows nothing."""

    def __init__(self) -> None:
        self.people: dict[str, Person] = {}
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
        """Somebody answers the newest request, or this one, with a key that is theirs alone."""
        asked = request or self.asked[-1]
        when = time or asked.asked
        signed = sign(statement_of(asked, "sha256:page", answer=answer, by=by, time=when), self._key(by))
        said = Said(request=asked.id, by=by, answer=answer, time=when, signature=signed.envelope)
        self.said.setdefault(asked.id, []).append(said)

    def _key(self, by: str) -> Ed25519PrivateKey:
        from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

        key = Ed25519PrivateKey.from_private_bytes(hashlib.sha256(by.encode()).digest())
        public = edwards_key(key.public_key().public_bytes_raw(), added=0)
        self.people[by] = Person(name=by, roles=("approve",), keys=(public,))
        return key


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


def items_of(recorder: MemoryRecorder) -> Iterator[Item]:
    """What was recorded, as a log gives it."""
    for index, entry in enumerate(recorder):
        payloads = {name: recorder.payloads[commitment] for name, commitment in entry.payloads.items()}
        yield Item(index=index, entry=entry, payloads=payloads)
