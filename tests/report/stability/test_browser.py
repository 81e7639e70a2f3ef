"""Stability pages in a real browser, where there is one: they fit the screen, ask for nothing, and clip no label."""

from __future__ import annotations

from pathlib import Path

import pytest
from tests.report.test_browser import screenshot

from obverse.report.stability.page import comparison_html, stability_html
from obverse.testing.diagnoses import comparison, diagnosis, hostile

pytest.importorskip("vl_convert", reason="the extra `pictures` is not installed")
pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(screenshot.browser() is None, reason="no Chromium on this machine; apt-get install chromium"),
]

PAGES = {
    "usual": lambda: stability_html(diagnosis(prompts=24)),
    "hostile": lambda: stability_html(hostile("<script>document.title = 'taken'</script>", prompts=6)),
    "long words": lambda: stability_html(hostile("supercalifragilistic" * 300, prompts=3)),
    "two runs": lambda: comparison_html(*comparison(prompts=24)),
}
# texts of a drawing that leave the page, and texts of one size whose boxes overlap by more than a third of a line
CLIPPED = """[...document.querySelectorAll('.picture text')].filter(text => {
    const box = text.getBoundingClientRect();
    return box.width && (box.left < 0 || box.right > document.documentElement.clientWidth);
}).map(text => text.textContent).slice(0, 5)"""
SMALL = """[...document.querySelectorAll('.picture text')].filter(text => text.getBoundingClientRect().width)
    .map(text => parseFloat(getComputedStyle(text).fontSize) * Math.hypot(text.getScreenCTM().a, text.getScreenCTM().b)).filter(size => size < 9.9).length"""
OVERLAP = """[...document.querySelectorAll('.picture')].filter(each => each.getBoundingClientRect().width).flatMap(each => {
    const found = [...each.querySelectorAll('text')].map(text => [text, text.getBoundingClientRect()]);
    return found.flatMap(([one, a], at) => found.slice(at + 1).filter(([, b]) =>
        Math.min(a.right, b.right) - Math.max(a.left, b.left) > 2 &&
        Math.min(a.bottom, b.bottom) - Math.max(a.top, b.top) > Math.min(a.height, b.height) * 0.4
    ).map(([other]) => one.textContent + ' | ' + other.textContent));
}).slice(0, 5)"""


@pytest.mark.parametrize("make", PAGES.values(), ids=PAGES)
def test_a_page_fits_every_screen_and_asks_for_nothing(make, tmp_path: Path) -> None:
    page = tmp_path / "stability.html"
    page.write_text(make(), encoding="utf-8")
    with screenshot.opened(screenshot.browser()) as chrome:
        for size, scheme in screenshot.SHOTS.values():
            screenshot.show(chrome, page, size, scheme)
            chrome.value("document.querySelectorAll('details').forEach(fold => fold.open = true)")
            assert screenshot.faults(chrome, size[0]) == []
            assert "Obverse" in chrome.value("document.title")
            assert chrome.value(CLIPPED) == []
            assert chrome.value(SMALL) == 0
            assert chrome.value(OVERLAP) == []
