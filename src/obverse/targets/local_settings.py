"""How a local model is run: what a caller may choose, and what one server process is told of it."""

from __future__ import annotations

from typing import Final

import msgspec

SOCKET: Final = "engine.sock"
"""The name of the socket in the folder of a server; by its end the engine knows it from a host."""


class LocalSettings(msgspec.Struct, frozen=True, kw_only=True):
    """What a caller may choose. Only `context` and `slots` can change an answer; the others are a matter of speed."""

    cores: int | None = None
    """Threads of all engines together; the processors that this process may use, if it is not said."""
    engines: int | None = None
    """Processes, each with the whole model; one per core, if it is not said, as far as 2 GiB of weights go."""
    slots: int = 1
    """Requests that one engine batches. More than 1 lets a greedy answer depend on what else is in the batch."""
    context: int = 4096
    """Tokens of prompt and answer together."""
    load_timeout_s: float = 120.0


class ServerSettings(msgspec.Struct, frozen=True, kw_only=True):
    """What one server process is told, as JSON in its one argument."""

    model: str
    folder: str
    """Private to it: the socket, the snapshots, what it had to say."""
    context: int
    slots: int
    threads: int
