"""The ledger, with a deadline: one thread writes for all who wait, and who waits too long is told so.

Whatever several sessions want recorded at one time becomes durable together (group commit). If a batch is refused, each part is
tried alone, so that one entry that cannot be written hurts nobody else. After a write that hangs nobody waits for the next.
"""

from __future__ import annotations

import threading
from collections.abc import Sequence

from obverse.core.errors import MisuseError
from obverse.guard.bounded import DoubtError, LateError, Promise
from obverse.guard.ports import Item, Recorder


class Recording:
    """A `Recorder` in front of another one that may hang."""

    def __init__(self, recorder: Recorder, seconds: float) -> None:
        self._recorder = recorder
        self._seconds = seconds
        self._change = threading.Condition()
        self._waiting: list[tuple[Sequence[Item], Promise[int]]] = []
        self._thread: threading.Thread | None = None
        self._hangs = False

    def record(self, items: Sequence[Item]) -> int:
        """The place of the first of these, once they are durable.

        Raises:
            OSError: they could not be written.
            LateError: an earlier record hangs; these were not even tried.
            DoubtError: nobody knows yet whether they were written.
        """
        promise: Promise[int] = Promise("the ledger")
        with self._change:
            if self._hangs:
                raise LateError("the ledger hangs", code="G104")
            self._waiting.append((items, promise))
            if self._thread is None:
                self._thread = threading.Thread(target=self._serve, name="ledger", daemon=True)
                self._thread.start()
            self._change.notify()
        try:
            return promise.wait(self._seconds)
        except LateError as late:
            with self._change:
                if not promise.is_settled:  # else it came just now, and nothing hangs
                    self._hangs = True
            raise DoubtError(late.message, code="G104") from late

    def _serve(self) -> None:
        while True:
            with self._change:
                while not self._waiting:
                    self._change.wait()
                batch, self._waiting = self._waiting, []
            self._write(batch)
            with self._change:
                self._hangs = False

    def _write(self, batch: Sequence[tuple[Sequence[Item], Promise[int]]]) -> None:
        """One write for all; where it is refused, one for each."""
        live = [(items, promise) for items, promise in batch if not promise.dropped]
        try:
            place = self._place([item for items, _ in live for item in items])
        except Exception as fault:  # boundary: given to who waits, or each is tried alone
            for items, promise in live:
                self._alone(items, promise) if len(live) > 1 else promise.fail(fault)
            return
        for items, promise in live:
            promise.settle(place)
            place += len(items)

    def _alone(self, items: Sequence[Item], promise: Promise[int]) -> None:
        try:
            promise.settle(self._place(items))
        except Exception as fault:  # boundary: given to who waits
            promise.fail(fault)

    def _place(self, items: Sequence[Item]) -> int:
        place = self._recorder.record(items)
        if type(place) is not int or place < 0:
            raise MisuseError("the ledger did not say where it wrote", code="G106")
        return place
