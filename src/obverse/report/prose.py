"""The prose of a clause as HTML: paragraphs, lists, emphasis, code. No link, no picture, no markup of the author's own."""

from __future__ import annotations

from obverse.report.visible import shown

_MOST = 20_000


def prose(text: str) -> str:
    """Safe HTML: whatever is not one of the listed forms stands escaped, as it was written."""
    from markdown_it import MarkdownIt

    maker = MarkdownIt("zero", {"html": False, "maxNesting": 20})
    maker.enable(["list", "emphasis", "backticks", "escape", "newline"])
    return str(maker.render(shown(text, _MOST).text))
