"""A guard on this machine: the one module of the room that reads the clock and draws random numbers, and gives both to the core."""

from __future__ import annotations

import logging
import os
import secrets
import threading
import time
from collections.abc import Sequence
from functools import partial
from typing import Final

from obverse.core.errors import MisuseError
from obverse.guard.approvals.local import open_queue
from obverse.guard.grants.local import open_register
from obverse.guard.guard import Guard
from obverse.guard.home import CONFIGURATION, Home
from obverse.guard.leases import Control
from obverse.guard.people import read_people
from obverse.guard.ports import Answerer
from obverse.guard.vault import Vault, read_vault
from obverse.guard.watch import Files, Head, Tampering, own_code
from obverse.ledger.log import Log, Rhythm
from obverse.ledger.tiles import CHECKPOINT

LOG: Final = logging.getLogger(__name__)
_LOOK: Final = 1.0
_SELDOM: Final = 20.0
"""Seconds between two looks at our own code, which is a few hundred files."""


def now() -> int:
    """Milliseconds since the epoch."""
    return time.time_ns() // 1_000_000


def steady() -> int:
    """Milliseconds of a clock that is never set."""
    return time.monotonic_ns() // 1_000_000


class LocalGuard(Guard):
    """A guard that owns its log, and looks after itself: closing it closes the log."""

    log: Log
    _keeper: Keeper | None = None

    def keep(self, keeper: Keeper) -> None:
        """From now on somebody looks at files, clock and orders, also while nobody proposes anything."""
        self._keeper = keeper
        keeper.start()

    def close(self) -> None:
        """Every session ended, the end recorded, and everything under a checkpoint."""
        if self._keeper is not None:
            self._keeper.stop()
        try:
            super().close()
        finally:
            self.log.close()


class Keeper(threading.Thread):
    """Looks every second: orders and leases; files and the log's checkpoint now and then; a heartbeat as often as the home says."""

    def __init__(self, guard: LocalGuard, home: Home, control: Control) -> None:
        super().__init__(name="keeper", daemon=True)
        self._guard, self._home, self._control = guard, home, control
        self._over = threading.Event()
        self._files = Files(
            {"policy": [home.policy.parent], "settings": [home.folder / CONFIGURATION], "people": [home.people]}
        )
        self._code = Files({"code": own_code()})
        self._head = Head(home.ledger / CHECKPOINT)

    def stop(self) -> None:
        """No more."""
        self._over.set()
        self.join(_LOOK * 5)

    def run(self) -> None:
        """Until it is stopped; what it cannot do it says, and tries again."""
        beat = looked = steady()
        while not self._over.wait(_LOOK):
            try:
                seldom = steady() - looked >= _SELDOM * 1000
                looked = steady() if seldom else looked
                self._look([*self._files.look(), *self._head.look(), *(self._code.look() if seldom else ())])
                if steady() - beat >= self._home.configuration.heartbeat_seconds * 1000:
                    beat = steady()
                    self._guard.heartbeat()
            except Exception as fault:  # boundary: a gap in the log shows it; no session is freer for it
                LOG.warning("the guard could not look after itself: %s", fault)

    def _look(self, found: Sequence[Tampering]) -> None:
        if found:
            self._guard.tampered(found)
        if self._control.ordered() or self._guard.settings.lease_seconds is not None:
            self._guard.look()


def open_guard(home: Home, *, judge: Answerer | None = None) -> LocalGuard:
    """The guard of this home, started: its log is open for writing, and the start is on record."""
    log = Log.open(home.ledger, [home.signer()], rhythm=Rhythm())
    people = partial(read_people, home.people)
    try:
        queue = open_queue(home, clock=now, fresh=secrets.token_bytes)
        queue.begin()
        control = Control(home.control, clock=now, people=people if home.configuration.leases == "signed" else None)
        guard = LocalGuard(
            home.loaded.checked, recorder=log, clock=now, steady=steady, fresh=secrets.token_bytes, judge=judge,
            people=queue, grants=open_register(home, fresh=secrets.token_bytes), orders=control,
            settings=home.settings, files=home.loaded.files,
        )  # fmt: skip
    except BaseException:
        log.close()
        raise
    guard.log = log
    guard.prepare()
    guard.keep(Keeper(guard, home, control))
    return guard


def open_vault(home: Home) -> Vault:
    """The credentials that `guard.toml` names: from the environment of this process, and from a file beside it.

    Raises:
        MisuseError: one of them is not set, or others may read the file.
    """
    source = home.configuration.credentials
    held = {} if source.file is None else read_vault(home.folder / source.file)
    for name in source.environment:
        value = os.environ.get(name)
        if value is None:
            raise MisuseError(
                f"no credential `{name}` in the environment", code="G151", hint="set it for the guard alone"
            )
        held[name] = value
    return Vault(held)
