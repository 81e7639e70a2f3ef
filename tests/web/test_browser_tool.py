"""`tools/browser.py` gives a Chromium that starts, or says that there is none."""

from __future__ import annotations

import importlib.util
from pathlib import Path
from types import ModuleType

import pytest

TOOL = Path(__file__).resolve().parents[2] / "tools" / "browser.py"


@pytest.fixture
def tool(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    """The tool on a machine without any browser."""
    spec = importlib.util.spec_from_file_location("browser_tool", TOOL)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    (tmp_path / "bin").mkdir()
    monkeypatch.setattr(module, "OWN", tmp_path / "headless")
    monkeypatch.setenv("PATH", str(tmp_path / "bin"))
    monkeypatch.setenv("PLAYWRIGHT_BROWSERS_PATH", str(tmp_path / "cache"))
    monkeypatch.delenv("CHROMIUM", raising=False)
    return module


def program(path: Path, says: str, code: int = 0) -> str:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(f"#!/bin/sh\necho '{says}'\nexit {code}\n")
    path.chmod(0o755)
    return str(path)


def test_where_there_is_none_it_says_so(tool: ModuleType) -> None:
    assert tool.browser() is None


def test_a_browser_is_found_where_it_may_lie(tool: ModuleType, tmp_path: Path) -> None:
    cached = program(tmp_path / "cache" / "chromium-1" / "chrome-linux" / "chrome", "Chromium 150")
    assert tool.browser() == cached
    own = program(tmp_path / "headless", "Chromium 150")
    assert tool.browser() == own
    named = program(tmp_path / "bin" / "chromium", "Chromium 150")
    assert tool.browser() == named


def test_what_only_asks_to_install_something_is_no_browser(tool: ModuleType, tmp_path: Path) -> None:
    program(tmp_path / "bin" / "chromium-browser", "requires the chromium snap", code=1)
    assert tool.browser() is None


def test_a_browser_that_is_named_by_hand_is_taken_or_none(
    tool: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    program(tmp_path / "bin" / "chromium", "Chromium 150")
    other = program(tmp_path / "other", "Chromium 151")
    monkeypatch.setenv("CHROMIUM", other)
    assert tool.browser() == other
    monkeypatch.setenv("CHROMIUM", str(tmp_path / "none"))
    assert tool.browser() is None
