"""A guard, servers in processes of their own, and an agent that speaks the protocol or, where it must, raw text."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from obverse.guard.guard import Guard
from obverse.policy.check import check
from obverse.policy.parse import parse
from obverse.testing.mcp_agent import EXPLODE, LOOK, PAY, SHOP, SLOW, Puppet, fronted, running_puppet
from obverse.testing.recorder import MemoryRecorder


@pytest.fixture
def recorder() -> MemoryRecorder:
    return MemoryRecorder()


@pytest.fixture
def guard(recorder: MemoryRecorder) -> Iterator[Guard]:
    ticks = iter(range(1_800_000_000_000, 1_900_000_000_000))
    found = Guard(check(parse(SHOP)), recorder=recorder, clock=lambda: next(ticks), fresh=random.Random(7).randbytes)
    yield found
    found.close()


@pytest.fixture(scope="session")
def stage(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Path, str]]:
    folder = tmp_path_factory.mktemp("stage") / "shop"
    with running_puppet(folder) as url:
        yield folder, url


@pytest.fixture
def puppet(stage: tuple[Path, str]) -> Puppet:
    """A server that runs already, over HTTP; its folder is new."""
    return Puppet(stage[0], LOOK, PAY, SLOW, EXPLODE, url=stage[1])


@pytest.fixture
def started(tmp_path: Path) -> Puppet:
    """A server that the proxy starts, on its standard streams."""
    return Puppet(tmp_path / "shop", LOOK, PAY, SLOW, EXPLODE)


@pytest.fixture
def before(guard: Guard) -> Callable[..., Any]:
    """`async with before(puppet) as front`: a proxy with this guard before these servers."""
    return partial(fronted, guard)
