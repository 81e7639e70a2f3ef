"""A guard, servers in processes of their own, and an agent that speaks the protocol or, where it must, raw text."""

from __future__ import annotations

import contextlib
import random
import socket
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path
from typing import Any

import anyio
import pytest

from obverse.gateway.mcp import stdio
from obverse.gateway.mcp.definitions import Lock
from obverse.gateway.mcp.proxy import Proxy, ProxySettings, running
from obverse.gateway.mcp.sessions import Desks
from obverse.guard.guard import Guard
from obverse.policy.check import check
from obverse.policy.parse import parse
from obverse.testing.mcp_agent import EXPLODE, LOOK, PAY, SHOP, SLOW, Agent, Puppet, running_puppet
from obverse.testing.recorder import MemoryRecorder


@pytest.fixture
def recorder() -> MemoryRecorder:
    return MemoryRecorder()


@pytest.fixture
def guard(recorder: MemoryRecorder) -> Guard:
    ticks = iter(range(1_800_000_000_000, 1_900_000_000_000))
    return Guard(check(parse(SHOP)), recorder=recorder, clock=lambda: next(ticks), fresh=random.Random(7).randbytes)


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


class Front:
    """A proxy that runs, and the agent before it."""

    def __init__(self, proxy: Proxy, agent: Agent, desks: Desks) -> None:
        self.proxy = proxy
        self.agent = agent
        self.desks = desks


@pytest.fixture
def before(guard: Guard) -> Callable[..., Any]:
    """`async with before(puppet) as front`: a proxy on a pair of streams, in this process, before servers in others."""

    @contextlib.asynccontextmanager
    async def front(
        *puppets: Puppet, lock: Lock | None = None, keep: Any = None, **settings: Any
    ) -> AsyncIterator[Front]:
        how = ProxySettings(**{"deadline": 1.0, "every": 0.05, **settings})
        desks = Desks(guard, holder="agent", settings=how)
        ours, theirs = socket.socketpair()
        ours.setblocking(False)
        names = [puppet.settings(puppet.folder.name) for puppet in puppets]
        async with running(guard, names, desk=desks, lock=lock, keep=keep, settings=how) as proxy:
            with theirs.makefile("rb") as source, theirs.makefile("wb") as sink:
                async with anyio.create_task_group() as tasks:
                    tasks.start_soon(stdio.serve, proxy.server(), source, sink)
                    try:
                        yield Front(proxy, Agent(ours), desks)
                    finally:
                        theirs.shutdown(socket.SHUT_RDWR)
                        tasks.cancel_scope.cancel()
            ours.close()
            theirs.close()

    return front
