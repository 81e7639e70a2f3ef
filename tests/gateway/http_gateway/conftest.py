"""A gateway in this process, before the scripted model server in another; and the real SDK in front of it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from obverse.gateway.http.settings import Settings
from obverse.policy.check import check
from obverse.policy.parse import parse
from obverse.testing.gateway import RunningGateway
from obverse.testing.upstream import UpstreamServer

KEY = "obv_test"
OTHER_KEY = "obv_other"

POLICY = """---
policy: shop
version: 1
default: {calls: deny-unknown-tools, arguments: deny-unknown, replies: allow, turn: %(turn)s}
---
# Shop

```terms
tool look(id: text) -> (state: one of "open", "closed") effect read
tool pay(id: text, amount: number) effect money
tool wipe() effect write
```

## Paying {#pay}

```rule
forbid pay when amount > 100 says "Not that much."
forbid pay(id: r) unless once look(id: r)
limit pay to 2
%(more)s
```

## Wiping {#wipe}

```rule
forbid wipe
```
"""


def policy(*, turn: str = "whole", more: str = "") -> Any:
    """The shop's policy, with more rules."""
    return check(parse((POLICY % {"turn": turn, "more": more}).encode()))


class Gateway(RunningGateway):
    """A gateway of the shop, with two clients."""

    def __init__(self, upstream: str, checked: Any, settings: Settings, people: Any = None) -> None:
        super().__init__(
            checked, upstream=upstream, keys={KEY: "shop", OTHER_KEY: "other"}, settings=settings, people=people
        )


@pytest.fixture(scope="session")
def upstream() -> Iterator[UpstreamServer]:
    with UpstreamServer() as server:
        yield server


@pytest.fixture
def gateway(request: pytest.FixtureRequest, upstream: UpstreamServer) -> Iterator[Gateway]:
    options = dict(getattr(request, "param", {}))
    checked = policy(turn=options.pop("turn", "whole"), more=options.pop("more", ""))
    with Gateway(upstream.url, checked, Settings(**options)) as running:
        yield running


TOOLS = [
    {
        "type": "function",
        "function": {
            "name": name,
            "description": name,
            "parameters": {"type": "object", "properties": {one: {"type": kind} for one, kind in fields.items()}},
        },
    }
    for name, fields in {
        "look": {"id": "string"},
        "pay": {"id": "string", "amount": "number"},
        "wipe": {},
    }.items()
]


def user(text: str) -> dict[str, Any]:
    return {"role": "user", "content": text}
