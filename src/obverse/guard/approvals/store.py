"""The rows of the queue: written and read, and believed by nobody. What counts is said in `queue`.

Statements that are made once stand at the end. Whatever the database refuses is an `UnavailableError`.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, Final

import sqlalchemy as sa

from obverse.core.canon import canonical
from obverse.core.errors import EvidenceError, MisuseError
from obverse.guard.approvals.asked import Asked, read_row
from obverse.guard.approvals.canaries import Canaries
from obverse.guard.approvals.measures import Measured, measured
from obverse.guard.approvals.tables import closed, counters, requests, statements, views
from obverse.guard.database import naming
from obverse.guard.records import Said
from obverse.guard.signing import Attested


class Store:
    """The tables of the queue in one database."""

    def __init__(self, engine: sa.Engine) -> None:
        self._engine = engine

    # --- written --------------------------------------------------------------------------------------------------------

    def put(self, rows: Iterable[Mapping[str, Any]]) -> None:
        """These requests, all or none.

        Raises:
            MisuseError: there is one of the same id.
        """
        if not self._added(requests, *sorted(rows, key=lambda row: str(row["id"]))):  # the order tells nothing
            raise MisuseError("a request of this id was asked before", code="G222")

    def end(self, request: str, why: str, now: int) -> bool:
        """Whether this ended the request; of several that try, one does."""
        return self._added(closed, {"request": request, "why": why, "time": now})

    def view(self, request: str, by: str, now: int) -> None:
        """Somebody looked; the first time counts."""
        self._added(views, {"request": request, "by": by, "time": now})

    def say(self, said: Said, attested: Attested, now: int) -> None:
        """This answer, and the counter of the passkey that gave it.

        Raises:
            MisuseError: this person gave it before.
            EvidenceError: the passkey's counter did not rise.
        """
        row = {
            "request": said.request, "by": said.by, "answer": said.answer, "time": said.time, "received": now,
            "envelope": canonical(said.signature),
        }  # fmt: skip
        try:
            with naming(self._engine.url), self._engine.begin() as connection:
                _advance(connection, attested)
                connection.execute(sa.insert(statements), [row])
        except sa.exc.IntegrityError as error:
            raise MisuseError(f"`{said.by}` has said that before", code="G226") from error

    # --- read -----------------------------------------------------------------------------------------------------------

    def waiting(self, now: int) -> tuple[Asked, ...]:
        """The requests that can still be answered, the one that ends first at the head."""
        chosen = _REQUESTS.where(requests.c.expires > now, closed.c.request.is_(None))
        return tuple(_readable(self._rows(chosen.order_by(requests.c.expires, requests.c.id))))

    def past(self, now: int, most: int) -> tuple[Asked, ...]:
        """The newest requests that can no longer be answered, the newest first; at most so many."""
        chosen = _REQUESTS.where((closed.c.why.is_not(None)) | (requests.c.expires <= now))
        return tuple(_readable(self._rows(chosen.order_by(requests.c.asked.desc(), requests.c.id).limit(most))))

    def pulse(self, now: int) -> tuple[int, int, int, int]:
        """How many requests, answers and ends there are, and how many requests wait: these change with any news."""
        counts = [sa.select(sa.func.count()).select_from(one) for one in (requests, statements, closed)]
        ended = sa.exists().where(closed.c.request == requests.c.id)
        waits = sa.select(sa.func.count()).select_from(requests).where(requests.c.expires > now, ~ended)
        row = self._rows(sa.select(*(one.scalar_subquery() for one in (*counts, waits))))[0]
        asked, answers, ends, waiting = (int(number) for number in row)
        return asked, answers, ends, waiting

    def named(self, name: str) -> list[Asked]:
        """The request of this id; else those whose ids begin so, two at most.

        Raises:
            EvidenceError: somebody put something else in its row.
        """
        rows = self._rows(_REQUESTS.where(requests.c.id == name)) if name else []
        if not rows and name:
            rows = self._rows(_REQUESTS.where(requests.c.id.startswith(name, autoescape=True)).limit(2))
        return [read_row(row.request, row.shown, row.why) for row in rows]

    def envelopes(self, request: str) -> list[bytes]:
        """What was said to the request, as it was signed, oldest first."""
        return [row.envelope for row in self._rows(_ENVELOPES, request=request)]

    def said(self, request: str) -> tuple[tuple[str, str], ...]:
        """Who said what, oldest first."""
        chosen = sa.select(statements.c.by, statements.c.answer).where(statements.c.request == request)
        return tuple((str(row.by), str(row.answer)) for row in self._rows(chosen.order_by(statements.c.received)))

    def said_of(self, digest: str, most: int) -> list[tuple[bytes, int]]:
        """The newest answers to requests of this digest: as they were signed, and when they came."""
        chosen = (
            sa.select(statements.c.envelope, statements.c.received)
            .join(requests, requests.c.id == statements.c.request)
            .where(requests.c.digest == digest)
            .order_by(statements.c.received.desc()).limit(most)
        )  # fmt: skip
        return [(row.envelope, int(row.received)) for row in self._rows(chosen)]

    def news(self, request: str) -> int:
        """How much was said to the request, its end included."""
        answers = sa.select(sa.func.count()).select_from(statements).where(statements.c.request == request)
        return int(self._rows(answers)[0][0]) + self.is_closed(request)

    def is_closed(self, request: str) -> bool:
        """Whether somebody ended it."""
        return bool(self._rows(sa.select(closed.c.why).where(closed.c.request == request)))

    def counter(self, key: str) -> int | None:
        """The last counter that was seen of a passkey."""
        rows = self._rows(sa.select(counters.c.counter).where(counters.c.key == key))
        return int(rows[0].counter) if rows else None

    def mark(self, request: str) -> bytes | None:
        """The mark of a request, which tells who has the key whether it was seeded."""
        rows = self._rows(sa.select(requests.c.mark).where(requests.c.id == request))
        return rows[0].mark if rows else None

    def measured(self, canaries: Canaries | None, now: int) -> Measured:
        """What there is about reviewers.

        Raises:
            EvidenceError: somebody put something else in a row.
        """
        try:
            with naming(self._engine.url), self._engine.connect() as connection:
                return measured(connection, canaries, now)
        except (TypeError, ValueError) as error:
            raise EvidenceError("a row of the queue whose times are none", code="G228") from error

    def _rows(self, chosen: sa.Select[Any], **given: object) -> Sequence[sa.Row[Any]]:
        with naming(self._engine.url), self._engine.connect() as connection:
            return connection.execute(chosen, given).all()

    def _added(self, table: sa.Table, *rows: Mapping[str, Any]) -> bool:
        """Whether these rows were added; not, if one of their keys is there."""
        try:
            with naming(self._engine.url), self._engine.begin() as connection:
                connection.execute(sa.insert(table), [dict(row) for row in rows])
        except sa.exc.IntegrityError:
            return False
        return True


def _advance(connection: sa.Connection, attested: Attested) -> None:
    """A passkey's counter only rises: one that does not, from two places at once, is a copy."""
    if not attested.counter:
        return
    row = {"key": attested.key, "counter": attested.counter}
    mine = counters.c.key == attested.key
    moved = connection.execute(sa.update(counters).where(mine, counters.c.counter < attested.counter).values(row))
    if moved.rowcount == 0 and connection.execute(sa.select(counters).where(mine)).first() is not None:
        raise EvidenceError("the passkey's counter did not rise", code="G215")
    if moved.rowcount == 0:
        connection.execute(sa.insert(counters), [row])


def _readable(rows: Iterable[sa.Row[Any]]) -> Iterator[Asked]:
    """The requests in these rows; a row that somebody broke hides no other."""
    for row in rows:
        with contextlib.suppress(EvidenceError):
            yield read_row(row.request, row.shown, row.why)


_REQUESTS: Final = sa.select(requests.c.request, requests.c.shown, closed.c.why).join(
    closed, closed.c.request == requests.c.id, isouter=True
)
_ENVELOPES: Final = (
    sa.select(statements.c.envelope)
    .where(statements.c.request == sa.bindparam("request"))
    .order_by(statements.c.received, statements.c.by)
)  # made once: a session that waits looks twenty times a second
