"""Where a text may be cut: after a sentence, and nowhere else. In time that grows with the text, whatever is in it."""

from __future__ import annotations

import re
from typing import Final

_LONGEST: Final = 32
_END = re.compile(
    rf"(?:(?<![.!?…])[.!?…]{{1,{_LONGEST}}}+[\"'”’»)\]]{{0,{_LONGEST}}}+(?=\s)"
    rf"|(?<![。！？])[。！？]{{1,{_LONGEST}}}+[」』）]{{0,{_LONGEST}}}+|\n(?=[^\S\n]{{0,{_LONGEST}}}+\n))"
)
"""Runs of marks are bounded and taken whole, so that no text makes the search go over them again and again."""
_BACK: Final = 4 * _LONGEST
"""No end hangs on more characters than these in front of it."""
_AHEAD: Final = _LONGEST + 2
"""Nor on more than these behind it: an end may show itself only when they have come."""


class Growing:
    """A text that comes in pieces, and where it may be cut: each piece is looked at once, together with a little before it."""

    def __init__(self) -> None:
        self._pieces: list[str] = []
        self._length = 0
        self._looked = 0

    def add(self, piece: str) -> None:
        """So much more of it came."""
        self._pieces.append(piece)
        self._length += len(piece)

    @property
    def text(self) -> str:
        """All of it."""
        if len(self._pieces) > 1:
            self._pieces = ["".join(self._pieces)]
        return self._pieces[0] if self._pieces else ""

    def next_end(self, begin: int, least: int) -> int:
        """As `next_end` of the whole text; `begin` never goes back."""
        self._looked = max(self._looked, begin)
        tail = self._tail(self._length - self._looked + _BACK)
        first = self._length - len(tail)
        end = _end(tail, from_=self._looked - first, least=begin + least - first)
        self._looked = max(begin, self._length - _AHEAD) if end is None else first + end
        return begin if end is None else first + end

    def _tail(self, least: int) -> str:
        """The last characters of it, at least so many."""
        found: list[str] = []
        for piece in reversed(self._pieces):
            found.append(piece[-least:])
            least -= len(piece)
            if least <= 0:
                break
        return "".join(reversed(found))


def next_end(text: str, begin: int, least: int) -> int:
    """The place after the first sentence that ends at least `least` characters behind `begin`; `begin` if none does yet.

    It hangs on the text alone, not on the pieces in which it comes: what stands at the very end is no end yet, since the next
    piece may go on (`3.` and then `14`).
    """
    end = _end(text, from_=begin, least=begin + least)
    return begin if end is None else end


def _end(text: str, *, from_: int, least: int) -> int | None:
    """The first end at or behind both of these places; what stands at the very end is none."""
    for match in _END.finditer(text, max(0, from_ - _BACK)):
        if match.end() >= max(from_, least) and match.end() < len(text):
            return match.end()
    return None
