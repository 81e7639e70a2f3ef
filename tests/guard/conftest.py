"""A guard on a small shop, with a clock that is moved and a ledger in memory."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import pytest

from obverse.guard.guard import Guard
from obverse.guard.records import ProposedCall
from obverse.testing.guards import Desk, HandClock, call, guard_of
from obverse.testing.recorder import MemoryRecorder


@pytest.fixture
def clock() -> HandClock:
    return HandClock()


@pytest.fixture
def recorder() -> MemoryRecorder:
    return MemoryRecorder()


@pytest.fixture
def make(clock: HandClock, recorder: MemoryRecorder) -> Callable[..., Guard]:
    """A guard of this policy, or of the shop."""
    given: dict[str, Any] = {"recorder": recorder, "clock": clock}

    def build(*text: str, **ports: Any) -> Guard:
        return guard_of(*text, **{**given, **ports})

    return build


@pytest.fixture
def desk() -> Desk:
    return Desk()


@pytest.fixture
def propose() -> Callable[..., ProposedCall]:
    return partial(call)
