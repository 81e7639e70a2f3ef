"""Letters in another case: the strength is the share of words that are changed, outside of literals.

Variants take other ways by turn: capitals, alternating letters, letters by lot. Left alone: words that mean something else in capitals. Kept: the text regardless of case. A letter whose other case is not
one letter, or does not come back (`ß`, the Turkish dotless `i`), is left as it is.
"""

from __future__ import annotations

import re
from typing import Final

from obverse.core.chat import ChatMessage
from obverse.stability.ladders.edits import Change, altered
from obverse.stability.ladders.forms import Impossible, Made, Place, asked, number, shuffled
from obverse.stability.ladders.literals import is_free, taken
from obverse.stability.records import Prompt

_WORD: Final = re.compile(r"[^\W\d_]+(?:['’][^\W\d_]+)*")
_OTHERS: Final = frozenset(("us", "it", "who", "aids", "pin", "ram"))
"""In capitals, between words that are not, these would be read as something else."""
_WAYS: Final = ("capitals", "alternating", "by lot")


def make(prompt: Prompt, place: Place) -> Made | Impossible:
    """The first so many words, by lot, in another case."""
    mask = taken(prompt.request)
    way = _WAYS[place.variant % len(_WAYS)]
    changes = []
    for found in _WORD.finditer(prompt.request):
        if found[0].casefold() not in _OTHERS and is_free(*found.span(), mask):
            other = _cased(found[0], way, place, found.start())
            if other != found[0]:
                changes.append(Change(*found.span(), other))
    if not changes:
        return Impossible(reason="no word has letters of two cases")
    return altered(prompt, shuffled(changes, *place.key), place.share(len(changes)), f"words in {way}")


def _cased(word: str, way: str, place: Place, start: int) -> str:
    letters = []
    for index, letter in enumerate(word):
        up = {"capitals": True, "alternating": index % 2 == 1}.get(way, number(*place.key, start, index) % 2 == 0)
        other = letter.upper() if up else letter.lower()
        letters.append(other if len(other) == 1 and other.casefold() == letter.casefold() else letter)
    return "".join(letters)


def recover(messages: tuple[ChatMessage, ...], words: frozenset[str]) -> str | None:
    """The last message of the user, as it stands: case is what `alike` forgives."""
    del words
    return asked(messages)


def alike(text: str) -> str:
    """The text regardless of case."""
    return text.casefold()
