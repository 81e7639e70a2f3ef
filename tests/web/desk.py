"""A guard's home with its pages: requests are put into the real queue, pages are asked without a socket."""

from __future__ import annotations

import asyncio
import json
import random
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import msgspec
from starlette.types import ASGIApp, Message

from obverse.core.events import AnyEvent, Call
from obverse.guard.approvals.local import open_queue
from obverse.guard.approvals.queue import Queue
from obverse.guard.approving import shown_arguments
from obverse.guard.home import Home, make_home
from obverse.guard.people import Person, read_people, write_person
from obverse.guard.records import Request
from obverse.policy.decide import call_digest
from obverse.web.app import Desk, application
from obverse.web.fence import Address

ORIGIN = "http://localhost:8722"
KEY = "the-key-to-look"
POLICY = """\
---
policy: shop
version: 1
---
# Shop

```terms
tool look(id: text) effect read
tool pay(to: text, amount: number, note: text optional) effect money
tool wipe(path: text) effect write
```

## Payments above 100 need a person {#pay}

Above **100** somebody looks first. <b>Nobody</b> pays twice.

```rule
ask pay when amount > 100
```

## Two people wipe {#wipe}

```rule
ask wipe by 2 people
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


@dataclass(kw_only=True)
class Got:
    """An answer over HTTP."""

    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def text(self) -> str:
        return self.body.decode()

    @property
    def json(self) -> Any:
        return json.loads(self.body)


@dataclass(kw_only=True)
class Place:
    """A home, its queue and its pages."""

    home: Home
    queue: Queue
    app: ASGIApp
    clock: Callable[[], int]
    origin: str = ORIGIN
    cookie: str = ""
    _count: list[int] = field(default_factory=lambda: [0])

    def put(
        self,
        tool: str | None = "pay",
        arguments: str = '{"to": "bob", "amount": 250}',
        *,
        seconds: float = 600,
        people: int = 1,
        clauses: tuple[str, ...] = ("pay",),
        holder: str = "agent-7",
        history: Iterable[AnyEvent] = (),
        why: Iterable[dict[str, Any]] = (),
        **beside: object,
    ) -> Request:
        """A request in the queue, as a guard puts it there."""
        self._count[0] += 1
        number = self._count[0]
        event = Call(id=f"e{number}", call_id="c", tool=tool or "", arguments=arguments)
        request = Request(
            id=f"{number:032x}",
            session="s1",
            policy=self.home.loaded.checked.digest,
            head=f"sha256:{number:064x}",
            step=event.id,
            tool=tool,
            arguments=shown_arguments(event),
            digest=call_digest(event),
            clauses=clauses,
            people=people,
            asked=self.clock(),
            expires=self.clock() + round(seconds * 1000),
        )
        self.queue.ask(
            request,
            {
                "holder": holder,
                "why": list(why),
                "turn": [],
                "history": [msgspec.to_builtins(one) for one in history],
                **beside,
            },
        )
        return request

    def add(self, *people: Person) -> None:
        for person in people:
            write_person(self.home.people, person)

    def queue_people(self) -> dict[str, Person]:
        return read_people(self.home.people)

    def ask(
        self, path: str, *, method: str = "GET", headers: dict[str, str] | None = None, body: bytes | None = None
    ) -> Got:
        """The answer to this request, with the cookie of somebody who may look."""
        given = {"host": self.origin.split("//")[1], "cookie": f"{self.cookie}={KEY}", **(headers or {})}
        return asyncio.run(asgi(self.app, method, path, given, body or b""))

    def post(self, path: str, value: object, **headers: str) -> Got:
        """What our own page sends."""
        own = {"origin": self.origin, "content-type": "application/json", "sec-fetch-site": "same-origin"}
        given = {**own, **{name.replace("_", "-"): text for name, text in headers.items()}}
        return self.ask(path, method="POST", headers=given, body=json.dumps(value).encode())


def make_place(folder: Path, clock: Callable[[], int] | None = None, origin: str = ORIGIN) -> Place:
    """A new home in this folder, with pages at this address."""
    source = folder / "shop.md"
    source.write_text(POLICY)
    home = make_home(folder / "home", source, name="guard.example", origin="guard.example/shop")
    return make_pages(home, clock or Clock(), origin)


def make_pages(home: Home, clock: Callable[[], int], origin: str = ORIGIN) -> Place:
    """The pages of this home."""
    fresh = random.Random(7).randbytes
    queue = open_queue(home, clock=clock, fresh=fresh)
    address = Address(origin=origin)
    desk = Desk(
        queue=queue, people=partial(read_people, home.people), folder=home.people, home=home.folder,
        checked=home.loaded.checked, clock=clock, fresh=fresh, address=address,
    )  # fmt: skip
    app = application(desk, key=KEY)
    return Place(home=home, queue=queue, app=app, clock=clock, origin=origin, cookie=address.cookie)


async def asgi(app: ASGIApp, method: str, path: str, headers: dict[str, str], body: bytes) -> Got:
    """One request to the application, without a socket."""
    plain, _, query = path.partition("?")
    scope = {
        "type": "http", "asgi": {"version": "3.0"}, "http_version": "1.1", "method": method, "scheme": "http",
        "path": plain, "raw_path": plain.encode(), "query_string": query.encode(), "root_path": "",
        "headers": [(name.lower().encode(), value.encode("latin-1")) for name, value in headers.items()],
        "client": ("127.0.0.1", 1), "server": ("127.0.0.1", 8722),
    }  # fmt: skip
    parts: list[Message] = []
    given = iter([{"type": "http.request", "body": body, "more_body": False}])

    async def receive() -> Message:
        return next(given, {"type": "http.disconnect"})

    async def send(message: Message) -> None:
        parts.append(message)

    await app(scope, receive, send)
    start = next(part for part in parts if part["type"] == "http.response.start")
    return Got(
        status=start["status"],
        headers={name.decode().lower(): value.decode("latin-1") for name, value in start["headers"]},
        body=b"".join(part.get("body", b"") for part in parts if part["type"] == "http.response.body"),
    )
