"""The stub server (`obverse.testing.server`) started and asked from a test or a benchmark, as a process of its own."""

from __future__ import annotations

import subprocess
import sys
from http.client import HTTPConnection
from types import TracebackType
from typing import Self
from urllib.parse import urlsplit

import msgspec


class StubStats(msgspec.Struct, frozen=True, kw_only=True):
    """What the stub has seen, by content key: asked how often, answered in full how often; and its faults by mode."""

    requests: int
    asked: dict[str, int]
    answered: dict[str, int]
    faults: dict[str, int]

    @property
    def asked_again(self) -> dict[str, int]:
        """Contents that were answered more than once: what was answered should never be asked again."""
        return {key: count for key, count in self.answered.items() if count > 1}


class StubServer:
    """A context in which the stub runs: `with StubServer("--mode", "mixed") as stub: … stub.url …`."""

    def __init__(self, *options: str) -> None:
        self._options = options
        self._process: subprocess.Popen[bytes] | None = None
        self.url = ""
        """The base URL, with `/v1`: for `openai:` as it is, for `anthropic:` too."""

    def __enter__(self) -> Self:
        command = [sys.executable, "-m", "obverse.testing.server", *self._options]
        self._process = subprocess.Popen(command, stdout=subprocess.PIPE)  # noqa: S603  # our own module, and options of the test
        assert self._process.stdout is not None
        self.url = msgspec.json.decode(self._process.stdout.readline(), type=dict[str, str])["url"]
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        assert self._process is not None
        self._process.terminate()
        self._process.communicate(timeout=10)

    def stats(self) -> StubStats:
        """What the stub has seen so far."""
        connection = HTTPConnection(urlsplit(self.url).netloc, timeout=10)  # which, unlike urllib, knows no proxies
        connection.request("GET", "/stats")
        try:
            return msgspec.json.decode(connection.getresponse().read(), type=StubStats)
        finally:
            connection.close()
