"""A stub endpoint for the whole room, in a process of its own."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from obverse.testing.stub import StubServer


@pytest.fixture(scope="session")
def stub() -> Iterator[StubServer]:
    with StubServer("--slow-s", "0.05") as server:
        yield server
