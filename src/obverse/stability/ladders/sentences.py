"""Where sentences end: at marks before white space, not behind abbreviations or single letters, not in literals."""

from __future__ import annotations

import re
from typing import Final

from obverse.stability.ladders.literals import is_free, taken

_BEHIND: Final = r"(?<!\b\w)(?<!\bDr)(?<!\bMr)(?<!\bMs)(?<!\bSt)(?<!\bvs)(?<!\bca)(?<!\bMrs)(?<!\betc)(?<!\bfig)(?<!\bProf)(?<!\bapprox)"
_MARKS: Final = re.compile(rf"{_BEHIND}(?<![.!?])[.!?]+(?=\s)")
_END: Final = re.compile(rf"{_BEHIND}(?<![.!?])[.!?]+(?=\s)|(?=\n)")


def inner_marks(text: str) -> list[tuple[int, int]]:
    """Where the marks between two sentences stand: (from, to)."""
    mask = taken(text)
    return [found.span() for found in _MARKS.finditer(text) if is_free(*found.span(), mask)]


def first_sentence(text: str) -> tuple[str, str]:
    """The first sentence with its mark, and all behind it; a line ends a sentence too."""
    mask = taken(text)
    for found in _END.finditer(text):
        if is_free(found.start(), max(found.end(), found.start() + 1), mask):
            return text[: found.end()], text[found.end() :]
    return text, ""
