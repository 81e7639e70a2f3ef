"""Other white space between words: the strength is the share of gaps that are changed. More blanks, line breaks, tabs, no-break spaces.

Only single blanks between words are gaps; line breaks and indents of the request stay, and so do literals. Kept: the words and their order,
that is the text with every run of white space as one blank.
"""

from __future__ import annotations

import re
from typing import Final

from obverse.core.chat import ChatMessage
from obverse.stability.ladders.edits import Change, altered
from obverse.stability.ladders.forms import Impossible, Made, Place, asked, pick, shuffled
from obverse.stability.ladders.literals import is_free, taken
from obverse.stability.records import Prompt

GAP: Final = re.compile(r"(?<=\S) (?=\S)")
_BLANKS: Final = ("  ", "   ", "\n", "\t", "\u00a0", " \n ", "\u00a0 ", " \t")


def make(prompt: Prompt, place: Place) -> Made | Impossible:
    """The first so many gaps, by lot, with other blanks."""
    gaps = free_gaps(prompt.request)
    if not gaps:
        return Impossible(reason="no gap between words")
    changes = [Change(gap, gap + 1, pick(_BLANKS, *place.key, gap)) for gap in gaps]
    return altered(prompt, shuffled(changes, *place.key), place.share(len(gaps)), "gaps with other white space")


def free_gaps(text: str) -> list[int]:
    """Where single blanks between words stand, outside of literals."""
    mask = taken(text)
    return [found.start() for found in GAP.finditer(text) if is_free(*found.span(), mask)]


def recover(messages: tuple[ChatMessage, ...], words: frozenset[str]) -> str | None:
    """The last message of the user, as it stands."""
    del words
    return asked(messages)


def alike(text: str) -> str:
    """The text with every run of white space as one blank."""
    return " ".join(text.split())
