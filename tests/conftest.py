"""What every test may count on: properties are tried on the same examples everywhere.

`pytest --hypothesis-profile=explore` tries others; what it finds becomes an `@example`.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import settings

settings.register_profile("same", derandomize=True, database=None)
settings.register_profile("explore", derandomize=False, print_blob=True)
settings.load_profile("same")


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
