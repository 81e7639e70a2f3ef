"""Where a text may be cut: after a sentence, and nowhere else."""

from __future__ import annotations

import re

_END = re.compile(r"(?:[.!?…]+[\"'”’»)\]]*(?=\s)|[。！？]+[」』）]*|\n(?=\s*\n))")


def next_end(text: str, begin: int, least: int) -> int:
    """The place after the first sentence that ends at least `least` characters behind `begin`; `begin` if none does yet.

    It hangs on the text alone, not on the pieces in which it comes: what stands at the very end is no end yet, since the next
    piece may go on (`3.` and then `14`).
    """
    for match in _END.finditer(text, begin):
        if match.end() - begin >= least and match.end() < len(text):
            return match.end()
    return begin
