"""A place of its own for each test."""

from __future__ import annotations

from pathlib import Path

import pytest
from tests.web.desk import Clock, Place, make_place


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def place(tmp_path: Path, clock: Clock) -> Place:
    return make_place(tmp_path, clock)
