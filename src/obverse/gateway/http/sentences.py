"""Where a text may be cut: after a sentence, and nowhere else."""

from __future__ import annotations

import re

_END = re.compile(r"(?:[.!?…]+[\"'”’»)\]]*(?=\s)|[。！？]+[」』）]*|\n(?=\s*\n))")


def last_end(text: str, begin: int, least: int) -> int:
    """The place after the last sentence of `text` that ends at least `least` characters behind `begin`; `begin` if none does.

    What stands at the very end is no end yet: the next piece may go on (`3.` and then `14`).
    """
    found = begin
    for match in _END.finditer(text, begin):
        if match.end() < len(text) and match.end() - begin >= least:
            found = match.end()
    return found
