"""What the queue saw of its reviewers: when each request was asked, first seen and answered, by whom and how. Computes nothing."""

from __future__ import annotations

import msgspec
import sqlalchemy as sa

from obverse.guard.approvals import tables
from obverse.guard.approvals.canaries import Canaries


class Answered(msgspec.Struct, frozen=True, kw_only=True):
    """One answer of one person. `seen` is when they first looked at the whole request, as far as the queue knows.

    `seeded` says whether the request was one that must be rejected; None where the key of the seeds is not at hand.
    """

    request: str
    by: str
    answer: str
    asked: int
    seen: int | None
    answered: int
    seeded: bool | None


class Measured(msgspec.Struct, frozen=True, kw_only=True):
    """Every answer, and for every request its latency: `(asked, first seen, first answered)`, None for what never came."""

    answers: tuple[Answered, ...]
    latencies: tuple[tuple[int, int | None, int | None], ...]
    waiting: int


def measured(connection: sa.Connection, canaries: Canaries | None, now: int) -> Measured:
    """What the queue holds about its reviewers; requests that still wait are only counted."""
    seen = {(row.request, row.by): int(row.time) for row in connection.execute(sa.select(tables.views))}
    rows = {row.id: row for row in connection.execute(sa.select(*_COLUMNS))}
    closed = set(connection.execute(sa.select(tables.closed.c.request)).scalars())
    answers = [
        Answered(
            request=row.request, by=row.by, answer=row.answer, asked=rows[row.request].asked,
            seen=seen.get((row.request, row.by)), answered=row.received,
            seeded=None if canaries is None else canaries.is_seeded(row.request, rows[row.request].mark),
        )
        for row in connection.execute(sa.select(*_SAID).order_by(tables.statements.c.received))
        if row.request in rows
    ]  # fmt: skip
    first_seen: dict[str, int] = {}
    for (request, _), time in seen.items():
        first_seen[request] = min(time, first_seen.get(request, time))
    first_answer: dict[str, int] = {}
    for answer in answers:
        first_answer.setdefault(answer.request, answer.answered)
    over = [name for name, row in rows.items() if name in first_answer or name in closed or row.expires <= now]
    latencies = [(int(rows[name].asked), first_seen.get(name), first_answer.get(name)) for name in over]
    return Measured(answers=tuple(answers), latencies=tuple(latencies), waiting=len(rows) - len(over))


_COLUMNS = (tables.requests.c.id, tables.requests.c.asked, tables.requests.c.expires, tables.requests.c.mark)
_SAID = (
    tables.statements.c.request,
    tables.statements.c.by,
    tables.statements.c.answer,
    tables.statements.c.received,
)
