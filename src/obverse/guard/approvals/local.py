"""The queue of a guard's home: its database, its people, its policy's clauses and its seeded requests, put together."""

from __future__ import annotations

from functools import partial

from obverse.guard.approvals.canaries import Canaries, read_canaries
from obverse.guard.approvals.queue import Preview, Queue
from obverse.guard.approvals.tables import TABLES
from obverse.guard.database import connect
from obverse.guard.home import Home
from obverse.guard.people import read_people
from obverse.guard.ports import Clock, Fresh


def open_queue(home: Home, *, clock: Clock, fresh: Fresh, preview: Preview | None = None) -> Queue:
    """The queue: for the guard itself, which calls `begin` once, and for every process in which people answer.

    Raises:
        UnavailableError: the database cannot be opened.
        UntrustedInputError: the policy or the seeded requests cannot be read.
    """
    return Queue(
        connect(home.database, TABLES),
        people=partial(read_people, home.people),
        clock=clock,
        fresh=fresh,
        clauses=home.loaded.checked.clauses,
        preview=preview,
        canaries=_canaries(home),
    )


def _canaries(home: Home) -> Canaries | None:
    """The seeded requests, for their owner; who only answers cannot read which they are."""
    try:
        return read_canaries(home.folder)
    except PermissionError:
        return None
