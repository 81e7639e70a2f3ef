"""Serving the pages: the one place of this room that opens a socket and reads the clock."""

from __future__ import annotations

import contextlib
import errno
import socket
import threading
import time
from collections.abc import Iterator
from typing import TYPE_CHECKING, Final

from obverse.core.errors import MisuseError, UnavailableError

if TYPE_CHECKING:
    import uvicorn
    from starlette.types import ASGIApp

LOOPBACK: Final = ("127.0.0.1", "::1")
"""Both: a browser tries `localhost` by either, and nobody else shall sit on the other one."""

_LAST_PORT: Final = 65_535
_START: Final = 10.0


def now() -> int:
    """Milliseconds since the epoch."""
    return time.time_ns() // 1_000_000


def listen(port: int) -> list[socket.socket]:
    """Sockets on this port of the loopback addresses; port 0 is one that is free.

    Raises:
        MisuseError: if it is no port, or another program has it.
    """
    if not 0 <= port <= _LAST_PORT:
        raise MisuseError(f"`{port}` is no port", code="G601", hint=f"0 to {_LAST_PORT}; 0 takes one that is free")
    first = _bound(socket.AF_INET, LOOPBACK[0], port)
    try:
        second = _bound(socket.AF_INET6, LOOPBACK[1], first.getsockname()[1])
    except UnavailableError:  # a machine without IPv6
        return [first]
    except MisuseError:
        first.close()
        raise
    return [first, second]


def serve(app: ASGIApp, sockets: list[socket.socket]) -> None:
    """Answers until the process is interrupted."""
    _server(app).run(sockets=sockets)


@contextlib.contextmanager
def serving(app: ASGIApp, sockets: list[socket.socket]) -> Iterator[None]:
    """Answers in a thread of its own, for as long as the block lasts."""
    server = _server(app)
    thread = threading.Thread(target=server.run, kwargs={"sockets": sockets}, daemon=True)
    thread.start()
    until = time.monotonic() + _START
    while not server.started and thread.is_alive() and time.monotonic() < until:
        time.sleep(0.005)
    try:
        yield
    finally:
        server.should_exit = True
        thread.join(_START)


def _server(app: ASGIApp) -> uvicorn.Server:
    import uvicorn

    settings = uvicorn.Config(
        app, log_config=None, log_level="critical", access_log=False, server_header=False, lifespan="off", ws="none", http="h11",
        timeout_graceful_shutdown=1, timeout_keep_alive=30, limit_concurrency=256,
    )  # fmt: skip
    return uvicorn.Server(settings)


def _bound(family: socket.AddressFamily, host: str, port: int) -> socket.socket:
    found = None
    try:
        found = socket.socket(family, socket.SOCK_STREAM)
        found.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        found.bind((host, port))
        found.listen(128)
    except OSError as error:
        if found is not None:
            found.close()
        if error.errno == errno.EADDRINUSE:
            hint = "`--port` takes another; passkeys are bound to the port that they were registered at"
            raise MisuseError(f"another program has port {port}", code="G602", hint=hint) from error
        if error.errno in {errno.EACCES, errno.EPERM}:
            raise MisuseError(
                f"port {port} is not for us to take", code="G602", hint="`--port` takes another"
            ) from error
        raise UnavailableError(f"port {port} cannot be taken: {error.strerror}", code="G603") from error
    return found
