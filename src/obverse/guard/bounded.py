"""What may hang, run in other threads, so that who waits for it can give up. A thread that hangs is lost until it returns.

Few threads, made when needed; they end with the process. Not a scheduler: nothing here is retried, and what came too late is
dropped by who asked for it, not here.
"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable
from typing import Any, Generic, TypeVar

from obverse.core.errors import UnavailableError

T = TypeVar("T")


class LateError(UnavailableError):
    """It was not there in time. Whether it still happens is not known."""


class DoubtError(LateError):
    """A record that was not there in time: what it speaks of may be on disk, or not."""


class Promise(Generic[T]):
    """Something that somebody else brings; `wait` gives it, or gives up."""

    def __init__(self, what: str) -> None:
        self._what = what
        self._done = threading.Event()
        self._found: T | None = None
        self._fault: Exception | None = None
        self.dropped = False

    def settle(self, found: T) -> None:
        """Here it is."""
        self._found = found
        self._done.set()

    def fail(self, fault: Exception) -> None:
        """It will not come."""
        self._fault = fault
        self._done.set()

    @property
    def is_settled(self) -> bool:
        """Whether it came, or will not."""
        return self._done.is_set()

    def wait(self, seconds: float) -> T:
        """What came.

        Raises:
            LateError: it was not there in so many seconds; what has not begun by then never will.
            Exception: what was raised instead.
        """
        if not self._done.wait(max(seconds, 0.0)):
            self.dropped = True
            raise LateError(f"{self._what} took longer than {max(seconds, 0.0):g} s", code="G104")
        if self._fault is not None:
            raise self._fault
        return self._found  # type: ignore[return-value]  # it was settled, and not by a fault


class Workers:
    """At most so many threads; what comes when all are busy waits its turn, or until nobody wants it any more."""

    def __init__(self, most: int, name: str) -> None:
        self._most = most
        self._name = name
        self._waiting: deque[tuple[Callable[[], Any], Promise[Any]]] = deque()
        self._change = threading.Condition()
        self._idle = 0
        self._threads = 0

    def start(self, work: Callable[[], T], what: str) -> Promise[T]:
        """The promise of what comes of it."""
        promise: Promise[T] = Promise(what)
        with self._change:
            self._waiting.append((work, promise))
            if self._idle >= len(self._waiting):
                self._change.notify()
            elif self._threads < self._most:
                self._threads += 1
                threading.Thread(target=self._serve, name=f"{self._name}-{self._threads}", daemon=True).start()
        return promise

    def run(self, work: Callable[[], T], seconds: float, what: str) -> T:
        """What came of it, within so many seconds.

        Raises:
            LateError: it was not there in time.
            Exception: what the work raised.
        """
        return self.start(work, what).wait(seconds)

    def _serve(self) -> None:
        while True:
            with self._change:
                self._idle += 1
                while not self._waiting:
                    self._change.wait()
                self._idle -= 1
                work, promise = self._waiting.popleft()
            if promise.dropped:
                continue
            try:
                found = work()
            except Exception as fault:  # boundary: given to whoever waits
                promise.fail(fault)
            else:
                promise.settle(found)
