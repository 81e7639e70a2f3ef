"""What must stand in a request word for word: numbers, ids, links, addresses, quotations, code, placeholders, names.

Generous on purpose: what is kept too often costs a little strength, what is changed wrongly costs the meaning.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from functools import lru_cache
from itertools import chain
from typing import Final

_QUOTED: Final = (
    r"\"[^\"\n]+\"|“[^”\n]+”|„[^“”\n]+[“”]|«[^»\n]+»|「[^」\n]+」"
    r"|(?<![\w])'[^'\n]+'(?!\w)|(?<![\w])‘[^’\n]+’(?!\w)"
)
_PARTS: Final = (
    r"```.*?(?:```|\Z)",  # code between fences, to the end where the fence is not closed
    r"`[^`\n]+`",
    r"^(?: {4,}|\t)\S[^\n]*",  # code by its indent
    _QUOTED,
    r"(?<!\w)\w+://\S+|(?<!\w)www\.\S+",
    r"(?<![\w.+-])[\w.+-]+@[\w-]+(?:\.[\w-]+)+",
    r"(?<![\w@])[@#]\w+",
    r"\{[^{}\n]*\}|<[^<>\n]*>|\[[^\[\]\n]*\]",  # placeholders, tags
    r"(?<![\w./\\-])(?:[A-Za-z]:\\|\.{0,2}/)[\w./\\-]*\w",  # paths
    r"(?<![\w$€£¥%°§+±.,:/\\^*=-])[\w$€£¥%°§+±.,:/\\^*=-]*\d[\w$€£¥%°§+±.,:/\\^*=-]*",  # all that holds a digit
    r"(?<!\w)\w*[^\W\d_]_\w+|(?<!\w)\w+(?:\.\w+)+(?:\(\))?|(?<!\w)\w+\(\)",  # identifiers
    r"(?<!\w)[^\W\d_]*[a-z][A-Z]\w*",
    r"\b[A-Z]{2,}s?\b",
)
_EXACT: Final = re.compile("|".join(_PARTS), re.DOTALL | re.MULTILINE)
_CAPITALS: Final = re.compile(r"[A-Z]{2,}s?")
NOT: Final = re.compile(
    r"\b(?:not|no|non|never|none|nobody|nothing|nowhere|neither|nor|without|cannot|hardly|barely|unless|except|instead|"
    r"[a-z]+n['’]t|dont|cant|wont)\b",
    re.IGNORECASE,
)
"""Words that turn a meaning round."""
NUMERAL: Final = re.compile(
    r"\b(?:one|two|three|four|five|six|seven|eight|nine|ten|eleven|twelve|(?:thir|four|fif|six|seven|eigh|nine)teen|"
    r"twenty|thirty|forty|fifty|sixty|seventy|eighty|ninety|hundreds?|thousands?|millions?|billions?|dozens?|half|halves|"
    r"quarters?|thirds?|once|twice|first|second|fourth|fifth|sixth|seventh|eighth|ninth|tenth|double|triple|single|zero|"
    r"(?:mon|tues|wednes|thurs|fri|satur|sun)days?)\b",
    re.IGNORECASE,
)
_NAME: Final = re.compile(r"(?<=[^\s.!?:;\n•*-] )[A-ZÀ-ÖØ-Þ][^\W\d_]+")


@lru_cache(maxsize=4096)
def exact(text: str) -> tuple[tuple[int, int], ...]:
    """Where literals stand: (from, to), in order, not overlapping. Capitals are literals only in a text that also has small letters."""
    shouted = text.upper() == text
    found = []
    for match in _EXACT.finditer(text):
        start, end = match.span()
        while end > start and text[end - 1] in ".,:" and not match[0].startswith("`"):
            end -= 1  # a mark behind a number ends the sentence
        if start < end and not (shouted and _CAPITALS.fullmatch(match[0])):
            found.append((start, end))
    return tuple(found)


def literals(text: str) -> tuple[str, ...]:
    """The literals themselves, in the order of the text."""
    return tuple(text[start:end] for start, end in exact(text))


@lru_cache(maxsize=4096)
def telling(text: str) -> tuple[tuple[int, int], ...]:
    """Where words stand whose letters must not be touched beside the literals: names, numerals, negations."""
    return tuple(sorted(match.span() for pattern in (NOT, NUMERAL, _NAME) for match in pattern.finditer(text)))


def taken(text: str, *places: Iterable[tuple[int, int]]) -> bytes:
    """For each character of the text 1 where a literal stands, or one of these places, else 0."""
    mask = bytearray(len(text))
    for start, end in chain(exact(text), *places):
        mask[start:end] = b"\x01" * (end - start)
    return bytes(mask)


def is_free(start: int, end: int, mask: bytes) -> bool:
    """Whether none of the characters from start to end is taken."""
    return mask.find(b"\x01", start, end) < 0


def kept(before: str, after: str) -> bool:
    """Whether the text after holds each literal of the one before, whole and in the same order."""
    at = 0
    for literal in literals(before):
        found = re.compile(rf"(?:(?<!\w)|(?!\w)){re.escape(literal)}(?:(?!\w)|(?<!\w))").search(after, at)
        if found is None:
            return False
        at = found.end()
    return True


def negations(text: str) -> tuple[str, ...]:
    """The words of the text that turn a meaning round, in small letters and in order."""
    return tuple(match[0].casefold() for match in NOT.finditer(text))
