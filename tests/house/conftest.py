"""What a test finds out about a policy is kept in a folder of its own: none reads what another found, or fills the user's."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from obverse.targets.catalogue import cache_folder


@pytest.fixture(autouse=True)
def own_cache(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The cache folder of this test; models are those that are on this machine."""
    folder = tmp_path_factory.mktemp("cache")
    (folder / "models").symlink_to(cache_folder(os.environ))
    monkeypatch.setenv("OBVERSE_CACHE", str(folder))
    return folder
