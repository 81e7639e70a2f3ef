"""Text that an agent, a tool or a user wrote, made fit for somebody who must approve it: nothing hides, steers or imitates.

1. What leaves no mark or steers (controls, directions of writing, joiners, odd blanks, lone surrogates) stands as `⟨U+202E⟩`.
2. What looks like something else (`policy.looks`) is followed by its code: `а⟨U+0430⟩` in a word that could be taken for a Latin one.
   A word that is plainly of another script stays as it is.
3. The marks of the page itself (`⟨⟩⟪⟫│┆`) stand as codes in such a text, so that none of it looks like ours.
4. Lines stand behind `│`, what was wrapped behind `┆`; wrapped here, so that no narrow screen begins a line with foreign text.
5. What is cut is said by a line in `⟪⟫`, with the length and digest of the whole.

Not an escape for HTML. Stricter than `report.visible`, which is for reading and not for approving.
"""

from __future__ import annotations

import re
import unicodedata
from functools import lru_cache
from typing import Final

from obverse.core.canon import digest_bytes
from obverse.policy.looks import LOOKALIKES, skeleton

WIDTH: Final = 78
_GUTTER, _WRAPPED = "  │ ", "  ┆ "
_OURS: Final = frozenset("⟨⟩⟪⟫│┆")
_STEERS: Final = frozenset({"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"})
_LIKE_ASCII: Final = frozenset(
    "‐‑‒–−˗⁃⁄∕⧸∶ː꞉․‚∗⁎∼˜ǃ⼁ꓸ׃᛬ꓹⳆ"
)  # marks that pass for `-/:.,*~!`, and that NFKC leaves alone
_OVERLAYS: Final = frozenset(map(chr, (*range(0x334, 0x339), *range(0x20D2, 0x20E5))))
_PLAIN: Final = re.compile(r"[ -~\n]*")
_LOST: Final = re.compile(r"^ | $|(?<= ) ")  # blanks that a reader does not see
_MOST_MARKS: Final = 2
_LAST_WORD: Final = 24


def seen(text: str) -> str:
    """The text with whatever hides, steers or passes for something else written out; line feeds stay."""
    if _PLAIN.fullmatch(text):
        return text
    return "".join(_word(word) for word in re.split(r"([\s!-/:-@\[-`{-~]+)", text) if word)


def seen_line(text: str, limit: int = 60) -> str:
    """The same on one line of at most `limit` characters; `…⟪n⟫` says that n more were left out."""
    line = _LOST.sub("⟨U+0020⟩", seen(text[:limit]).replace("\n", "⟨U+000A⟩"))
    return line if len(text) <= limit else f"{line}…⟪{len(text) - limit:,} more⟫"


def framed(text: str, limit: int | None = None) -> list[str]:
    """The lines of the text, made visible, each behind the page's own margin; at most `limit` characters of it."""
    if limit is None or len(text) <= limit:
        return _lines(text)
    head, tail = text[: limit * 3 // 4], text[len(text) - limit // 4 :]
    digest = digest_bytes(text.encode("utf-8", "backslashreplace"))
    cut = f"  ⟪{len(text) - len(head) - len(tail):,} of {len(text):,} characters are not shown here"
    return [*_lines(head), cut, f"   all of it: {digest}⟫", *_lines(tail)]


def runs_backwards(text: str) -> bool:
    """Whether it has letters that are written from right to left: a screen may show them in another order."""
    return not text.isascii() and any(unicodedata.bidirectional(letter) in {"R", "AL", "AN"} for letter in text)


def _lines(text: str) -> list[str]:
    return [
        (_WRAPPED if place else _GUTTER) + piece
        for line in seen(text).split("\n")
        for place, piece in enumerate(_wrapped(line, WIDTH - len(_GUTTER)))
    ]


def _wrapped(line: str, width: int) -> list[str]:
    """The line in pieces of that many cells, broken behind a blank where there is one near the end; nothing is dropped."""
    pieces: list[str] = []
    start = used = 0
    for place, character in enumerate(line):
        cells = 1 if " " <= character <= "~" else _cells(character)
        if used + cells > width:
            blank = line.rfind(" ", max(start + 1, place - _LAST_WORD), place) + 1
            end = blank or place
            pieces.append(line[start:end])
            start, used = end, sum(map(_cells, line[end:place]))
        used += cells
    return [*pieces, line[start:]]


@lru_cache(maxsize=2048)
def _cells(character: str) -> int:
    if unicodedata.combining(character):
        return 0
    return 2 if unicodedata.east_asian_width(character) in "WF" else 1


def _word(word: str) -> str:
    if word.isascii() and word.isprintable():
        return word
    foreign = _is_plainly_foreign(word)
    out, marks = [], 0
    for character in word:
        marks = marks + 1 if unicodedata.category(character).startswith("M") else 0
        out.append(_code(character) if marks > _MOST_MARKS else _shown(character, foreign))
    return "".join(out)


def _is_plainly_foreign(word: str) -> bool:
    """Whether nobody takes it for a Latin word: no Latin letter in it, and one that looks like none."""
    letters = [letter for letter in word if letter.isalpha()]
    if any(letter.isascii() or "LATIN" in unicodedata.name(letter, "") for letter in letters):
        return False
    return any(not skeleton(letter).isascii() and ord(letter) not in LOOKALIKES for letter in letters)


@lru_cache(maxsize=4096)
def _shown(character: str, foreign: bool) -> str:
    if " " <= character <= "~" or character == "\n":
        return character
    if (
        character in _OURS
        or unicodedata.category(character) in _STEERS
        or character.isspace()
        or not skeleton(character)
    ):
        return _code(character)
    mark, wide = unicodedata.category(character).startswith("M"), unicodedata.east_asian_width(character) in "WF"
    if character in _OVERLAYS or (mark and not foreign):  # `e` and an accent look like `é`
        return _code(character)
    if foreign and (character.isalpha() or mark or wide):  # wide: `，` between Chinese letters
        return character
    odd = skeleton(character) != character or character in _LIKE_ASCII or character.isdigit()
    return f"{character}{_code(character)}" if odd else character


def _code(character: str) -> str:
    return f"⟨U+{ord(character):04X}⟩"
