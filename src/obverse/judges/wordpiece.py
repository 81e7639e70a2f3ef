"""WordPiece: text to the token numbers of an uncased BERT, from its `vocab.txt`.

Follows the reference tokenizer of BERT (Devlin et al. 2018, arXiv 1810.04805, `tokenization.py`): clean, split Chinese
characters, lower, strip accents, split punctuation, then the longest known piece first. Our own fifty lines instead of
the `tokenizers` wheel, which brings a hub client and twenty megabytes; compared with it token by token over 443 texts
(`docs/design/judges.md`). Not for any other vocabulary than an uncased one.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Iterator
from pathlib import Path

from obverse.core.errors import UntrustedInputError

LONGEST_WORD = 100
_CJK = (
    (0x4E00, 0x9FFF), (0x3400, 0x4DBF), (0x20000, 0x2A6DF), (0x2A700, 0x2B73F), (0x2B740, 0x2B81F), (0x2B820, 0x2CEAF),
    (0xF900, 0xFAFF), (0x2F800, 0x2FA1F),
)  # fmt: skip


class WordPiece:
    """A vocabulary, and `ids`, which reads a text with it."""

    def __init__(self, vocabulary: list[str]) -> None:
        self._number = {piece: number for number, piece in enumerate(vocabulary)}
        missing = [piece for piece in ("[UNK]", "[CLS]", "[SEP]") if piece not in self._number]
        if missing:
            raise UntrustedInputError(f"the vocabulary has no `{missing[0]}`", code="J101")
        self._unknown, self._first, self._last = (self._number[piece] for piece in ("[UNK]", "[CLS]", "[SEP]"))

    @classmethod
    def read(cls, path: Path) -> WordPiece:
        """The vocabulary of a `vocab.txt`: one piece a line, its number is the line's."""
        return cls(path.read_text(encoding="utf-8").splitlines())

    def ids(self, text: str, *, limit: int) -> list[int]:
        """At most `limit` numbers, `[CLS]` first and `[SEP]` last. Reads no further in the text than it needs."""
        numbers = [self._first]
        for word in _words(text):
            numbers += self._pieces(word)
            if len(numbers) >= limit:
                break
        return [*numbers[: limit - 1], self._last]

    def _pieces(self, word: str) -> list[int]:
        if len(word) > LONGEST_WORD:
            return [self._unknown]
        numbers: list[int] = []
        start = 0
        while start < len(word):
            for end in range(len(word), start, -1):
                number = self._number.get(("##" if start else "") + word[start:end])
                if number is not None:
                    numbers.append(number)
                    start = end
                    break
            else:
                return [self._unknown]
        return numbers


def _words(text: str) -> Iterator[str]:
    word: list[str] = []
    for letter in _clean(text):
        alone = _is_punctuation(letter) or _is_cjk(letter)
        if word and (alone or letter == " "):
            yield "".join(word)
            word = []
        if alone:
            yield letter
        elif letter != " ":
            word.append(letter)
    if word:
        yield "".join(word)


def _clean(text: str) -> Iterator[str]:
    for raw in text:
        if raw in "\t\n\r" or unicodedata.category(raw).startswith("Z"):
            yield " "
        elif raw not in "\0\ufffd" and not unicodedata.category(raw).startswith("C"):
            yield from (
                part for part in unicodedata.normalize("NFD", raw.lower()) if unicodedata.category(part) != "Mn"
            )


def _is_punctuation(letter: str) -> bool:
    ascii_symbol = letter.isascii() and not letter.isalnum() and letter > " "
    return ascii_symbol or unicodedata.category(letter).startswith("P")


def _is_cjk(letter: str) -> bool:
    return any(low <= ord(letter) <= high for low, high in _CJK)
