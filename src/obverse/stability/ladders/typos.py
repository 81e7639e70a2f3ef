"""Mistyped words: the strength is the share of the longer words that hold one slip of the keys.

A slip is two letters exchanged, one left out, one twice, or one in place of its neighbour on the keyboard; never the first letter. Left alone: literals, names,
numerals, negations, words of less than four letters, scripts that do not put letters side by side. What comes out is no common word, and it is *odd*
(`words.is_odd`), so it hardly is an uncommon one. Kept: the request regardless of case, after each odd word was
replaced by its only neighbour among common words and those of the request; two neighbours, or none, and the form is rejected.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator
from typing import Final

from obverse.core.chat import ChatMessage
from obverse.stability.ladders.edits import Change, altered
from obverse.stability.ladders.forms import Impossible, Made, Place, asked, shuffled
from obverse.stability.ladders.literals import is_free, taken, telling
from obverse.stability.ladders.words import common, is_odd, nearest
from obverse.stability.records import Prompt

_WORD: Final = re.compile(r"[^\W\d_]+(?:['’-][^\W\d_]+)*")
_SHORTEST: Final = 4
_LONGEST: Final = 40
_ROWS: Final = ("qwertyuiop", "asdfghjkl", "zxcvbnm")
_BESIDE: Final = {
    letter: "".join(
        other
        for other_row, others in enumerate(_ROWS)
        for other_column, other in enumerate(others)
        if abs(other_row - row) <= 1 and other != letter and abs(other_column - column + (other_row - row) * 0.5) <= 1
    )
    for row, letters in enumerate(_ROWS)
    for column, letter in enumerate(letters)
}
"""The keys around each key of an English keyboard; each row lies half a key further to the right."""


def make(prompt: Prompt, place: Place) -> Made | Impossible:
    """The first so many of the longer words, by lot, each with one slip."""
    text = prompt.request
    mask = taken(text, telling(text))
    words = words_of(text)
    changes = []
    for found in _WORD.finditer(text):
        word = found[0]
        if unicodedata.category(text[found.end() : found.end() + 1] or " ") in {"Mn", "Mc", "Me", "Cf"}:
            continue  # an accent that stands for itself would move to another letter
        is_name = word[0].isupper() and word.casefold() not in common()
        if (
            _SHORTEST <= len(word) <= _LONGEST
            and all(map(_is_plain, word))
            and not is_name
            and is_free(*found.span(), mask)
        ):
            slip = next(_slips(word, words, (*place.key, found.start())), None)
            if slip is not None:
                changes.append(Change(*found.span(), slip))
    if not changes:
        return Impossible(reason="no word that could be mistyped and still be read")
    return altered(prompt, shuffled(changes, *place.key), place.share(len(changes)), "words mistyped")


def words_of(text: str) -> frozenset[str]:
    """The words of a text in small letters."""
    return frozenset(found[0].casefold() for found in _WORD.finditer(text))


def _is_plain(letter: str) -> bool:
    """Latin, Greek, Cyrillic: letters with two cases, one beside the other."""
    return letter.isalpha() and letter.lower() != letter.upper() and len(letter.lower()) == len(letter.upper()) == 1


def _slips(word: str, words: frozenset[str], key: tuple[object, ...]) -> Iterator[str]:
    places = range(1, len(word))
    ways = [(way, place, 0) for way in ("exchange", "drop", "double") for place in places]
    ways += [("beside", place, which) for place in places for which in range(len(_BESIDE.get(word[place], "")))]
    by_kind = {
        kind: shuffled([way for way in ways if way[0] == kind], *key, kind)
        for kind in dict.fromkeys(w[0] for w in ways)
    }
    kinds = shuffled(list(by_kind), *key)
    for turn in range(max(map(len, by_kind.values()), default=0)):
        for kind in kinds:
            if turn < len(by_kind[kind]):
                slip = _slipped(word, *by_kind[kind][turn])
                small = slip.casefold()
                if (
                    slip != word
                    and small not in common()
                    and is_odd(small)
                    and nearest(small, words) == (word.casefold(),)
                ):
                    yield slip


def _slipped(word: str, way: str, place: int, which: int) -> str:
    before, letter, after = word[:place], word[place], word[place + 1 :]
    match way:
        case "exchange":
            return f"{before}{after[:1]}{letter}{after[1:]}"
        case "drop":
            return before + after
        case "double":
            return before + letter * 2 + after
        case _:
            return before + _BESIDE[letter][which] + after


def recover(messages: tuple[ChatMessage, ...], words: frozenset[str]) -> str | None:
    """The last message of the user with each unknown word as its only neighbour; None where one has none, or several."""
    text = asked(messages)
    if text is None:
        return None
    pieces, done = [], 0
    for found in _WORD.finditer(text):
        small = found[0].casefold()
        near = nearest(small, words)
        if len(near) != 1:
            return None
        pieces += [text[done : found.start()], found[0] if near[0] == small else near[0]]
        done = found.end()
    return "".join([*pieces, text[done:]])


def alike(text: str) -> str:
    """The text regardless of case."""
    return text.casefold()
