"""The encoder for tests that need the real one: from `OBVERSE_ENCODER`, a folder; else those tests are skipped."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from obverse.judges.encoder import Encoder


@pytest.fixture(scope="session")
def encoder() -> Encoder:
    folder = os.environ.get("OBVERSE_ENCODER")
    if folder is None or not (Path(folder) / "model.safetensors").is_file():
        pytest.skip("no encoder: set OBVERSE_ENCODER to the folder of all-MiniLM-L6-v2")
    return Encoder.read(Path(folder))
