"""The encoder for tests that need the real one: `OBVERSE_ENCODER`, else where `obverse models fetch` puts it, else skip."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from obverse.core.errors import ObverseError
from obverse.judges.encoder import Encoder
from obverse.targets.catalogue import cache_folder, located


@pytest.fixture(scope="session")
def encoder() -> Encoder:
    try:
        folder = os.environ.get("OBVERSE_ENCODER") or located("minilm-l6-v2", cache_folder(os.environ))
        return Encoder.read(Path(folder))
    except ObverseError as fault:
        pytest.skip(f"no encoder: {fault.message}; `obverse models fetch minilm-l6-v2` or set OBVERSE_ENCODER")
