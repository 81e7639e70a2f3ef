"""A guard on this machine: the one module of the room that reads the clock and draws random numbers, and gives both to the core."""

from __future__ import annotations

import secrets
import time

from obverse.guard.approvals.local import open_queue
from obverse.guard.grants.local import open_register
from obverse.guard.guard import Guard
from obverse.guard.home import Home
from obverse.guard.ports import Answerer
from obverse.ledger.log import Log, Rhythm


def now() -> int:
    """Milliseconds since the epoch."""
    return time.time_ns() // 1_000_000


def steady() -> int:
    """Milliseconds of a clock that is never set."""
    return time.monotonic_ns() // 1_000_000


class LocalGuard(Guard):
    """A guard that owns its log: closing it closes the log."""

    log: Log

    def close(self) -> None:
        """Every session ended, the end recorded, and everything under a checkpoint."""
        try:
            super().close()
        finally:
            self.log.close()


def open_guard(home: Home, *, judge: Answerer | None = None) -> LocalGuard:
    """The guard of this home, started: its log is open for writing, and the start is on record."""
    log = Log.open(home.ledger, [home.signer()], rhythm=Rhythm())
    try:
        queue = open_queue(home, clock=now, fresh=secrets.token_bytes)
        queue.begin()
        guard = LocalGuard(
            home.loaded.checked, recorder=log, clock=now, steady=steady, fresh=secrets.token_bytes, judge=judge,
            people=queue, grants=open_register(home, fresh=secrets.token_bytes), settings=home.settings,
            files=home.loaded.files,
        )  # fmt: skip
    except BaseException:
        log.close()
        raise
    guard.log = log
    return guard
