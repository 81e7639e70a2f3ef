"""A guard of a small shop, its queue in SQLite, and people with keys who answer: all of it real, with a clock that is moved by hand."""

from __future__ import annotations

import contextlib
import random
import sqlite3
from pathlib import Path
from typing import Any, Final

from obverse.core.canon import canonical
from obverse.guard.approvals.queue import Queue
from obverse.guard.approvals.statement import Answer, statement_of
from obverse.guard.approvals.tables import TABLES
from obverse.guard.database import connect
from obverse.guard.guard import Guard
from obverse.guard.ports import Fresh
from obverse.guard.records import Said
from obverse.guard.session import Session
from obverse.guard.settings import Settings
from obverse.guard.signing import Signed, sign
from obverse.policy.check import check as check_policy
from obverse.policy.parse import parse
from obverse.testing.people import file_key, person
from obverse.testing.recorder import MemoryRecorder

POLICY: Final = """\
---
policy: shop
version: 1
---
# Shop

```terms
tool look(id: text) -> (owner: text) effect read
tool pay(to: text, amount: number) effect money
tool wipe(id: text) effect write
```

## Paying {#pay}

A person looks at every payment above 100.

```rule
ask pay when amount > 100
```

## Wiping {#wipe}

Two people agree.

```rule
ask wipe by 2 people
```
"""
CHECKED: Final = check_policy(parse(POLICY.encode()))
NOW: Final = 1_800_000_000_000


class Desk:
    """A guard, its queue, and people with keys; time is moved by hand."""

    def __init__(self, folder: Path, *, seed: int = 7, **given: Any) -> None:
        self.now = NOW
        self.people = {one.name: one for one in map(person, ("ana", "ben", "carl"))}
        self.folder = folder
        self.recorder = MemoryRecorder()
        self.queue = self.another_process()
        self.guard = Guard(
            CHECKED, recorder=self.recorder, clock=lambda: self.now, fresh=_seeded(seed), people=self.queue,
            settings=Settings(approval_seconds=600), **given,
        )  # fmt: skip

    def another_process(self) -> Queue:
        """A queue on the same database that asked nothing itself."""
        return Queue(
            connect(self.folder / "guard.sqlite", TABLES), people=lambda: self.people, clock=lambda: self.now,
            fresh=_seeded(8), clauses=CHECKED.clauses,
        )  # fmt: skip

    def session(self, holder: str = "agent") -> Session:
        return self.guard.session(holder=holder)

    def statement(self, request: str, by: str = "ana", answer: Answer = "approve") -> dict[str, Any]:
        asked = self.queue.find(request)
        return statement_of(asked.request, asked.page.digest, answer=answer, by=by, time=self.now)

    def sign(self, request: str, by: str = "ana", answer: Answer = "approve") -> Said:
        return self.another_process().submit(sign(self.statement(request, by, answer), file_key(by)))

    def plant(self, signed: Signed, request: str, *, by: str = "ana", answer: str = "approve") -> None:
        """What somebody who may write into the database puts there, past every check of `submit`."""
        row = request, by, answer, self.now, self.now, canonical(signed.envelope)
        self.edit("INSERT INTO approval_statements VALUES (?, ?, ?, ?, ?, ?)", *row)

    def edit(self, statement: str, *values: object) -> None:
        """What somebody does to the database who has no key, but the file."""
        with contextlib.closing(sqlite3.connect(self.folder / "guard.sqlite")) as connection, connection:
            connection.execute(statement, values)


def _seeded(seed: int) -> Fresh:
    return random.Random(seed).randbytes  # noqa: S311  # the same each time, on purpose
