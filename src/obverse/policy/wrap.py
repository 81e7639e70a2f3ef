"""`wrapped`: one long line of the language as several, broken where a reader would break it.

Only blanks outside of quoted texts and backticks turn into line ends, so the words stay the same. Pure.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Final

_TOKEN: Final = re.compile(r'"(?:[^"\\]|\\.)*"|`[^`]*`|[()\[\]]| (?=and |or )|(?<=,) ')
_DEEPER: Final = 8


def wrapped(text: str, width: int, *, indent: int = 0) -> str:
    """The text in lines of at most this width where it can be broken so, the later ones indented deeper than any part.

    A line ends before `and` or `or`, or behind a comma: in as few brackets as there are, then as late as fits.
    """
    if indent + len(text) <= width:
        return text
    places = [place for place in _places(text) if place[1] + indent <= width]
    if not places:
        places = list(_places(text))[:1]
    if not places:
        return text
    depth = min(depth for depth, _ in places)
    place = max(place for deep, place in places if deep == depth)
    rest = wrapped(text[place + 1 :], width, indent=_DEEPER)
    return f"{text[:place]}\n{' ' * _DEEPER}{rest}"


def _places(text: str) -> Iterator[tuple[int, int]]:
    """Where the text may be broken: how many brackets are open there, and the blank."""
    depth = 0
    for token in _TOKEN.finditer(text):
        if token[0] in ("(", "["):
            depth += 1
        elif token[0] in (")", "]"):
            depth -= 1
        elif token[0] == " ":
            yield depth, token.start()
