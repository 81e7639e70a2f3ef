"""The pages in a real browser, where there is one: they fit the screen, ask for nothing, and run nothing."""

from __future__ import annotations

import importlib.util
from pathlib import Path
from types import ModuleType

import pytest
from tests.report.sim import SKETCHES, summary

from obverse.report.html import render_html

TOOL = Path(__file__).resolve().parents[2] / "tools" / "screenshot.py"
LONG = "supercalifragilistic" * 300


def tool() -> ModuleType:
    spec = importlib.util.spec_from_file_location("screenshot", TOOL)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


screenshot = tool()
pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(screenshot.browser() is None, reason="no Chromium on this machine; apt-get install chromium"),
]

PAGES = {
    "usual": summary,
    "hostile": lambda: summary(sketches=SKETCHES[:2], reply="<script>document.title = 'taken'</script>"),
    "long words": lambda: summary(sketches=SKETCHES[:2], reply=LONG),
}


@pytest.mark.parametrize("make", PAGES.values(), ids=PAGES)
def test_a_page_fits_every_screen_and_asks_for_nothing(make, tmp_path: Path) -> None:
    page = tmp_path / "report.html"
    page.write_text(render_html(make()), encoding="utf-8")
    with screenshot.opened(screenshot.browser()) as chrome:
        for size, scheme in screenshot.SHOTS.values():
            screenshot.show(chrome, page, size, scheme)
            chrome.value("document.querySelectorAll('details').forEach(fold => fold.open = true)")
            assert screenshot.faults(chrome, size[0]) == []
            assert "Obverse" in chrome.value("document.title")
