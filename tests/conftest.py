"""What every test may count on."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest


@pytest.fixture(autouse=True)
def forgotten_modules(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """A module that a test wrote and imported is not there for the next one, which may have another of its name."""
    before = set(sys.modules)
    yield
    base = tmp_path_factory.getbasetemp().parent
    for name in set(sys.modules) - before:
        file = getattr(sys.modules[name], "__file__", None)
        if file is not None and base in Path(file).parents:
            del sys.modules[name]
