"""Where sentences begin and end in a stretch of text: by their full stops, not by what they mean."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from typing import Final

_END = re.compile(r"[.!?]+[\"'”’»)\]*_`]*(?=\s+|$)|[。！？]+[”’」』）]*")  # one pattern, no backslash trick
_ABBREVIATIONS: Final = frozenset(
    re.findall(
        r"\S+",
        "e.g i.e etc vs no nos mr mrs ms dr prof st art arts sec secs fig figs cf ca approx inc ltd co corp dept est al resp "
        "incl excl min max ch pp vol eg ie jan feb mar apr jun jul aug sep sept oct nov dec",
    )
)
_LAST_WORD = re.compile(r"[^\s(\[\"'“‘]*$")
_NEXT = re.compile(r"\s+[*_`\"'“‘(\[]*(\S)")
_OPEN, _CLOSE = "([“", ")]”"
_LONGEST_ASIDE: Final = 400
_LONGEST_WORD: Final = 40


def sentences(text: str, chunks: Sequence[tuple[int, int]]) -> Iterator[tuple[int, int]]:
    """The stretches of `text` that are sentences, over chunks that follow one another (the lines of a paragraph)."""
    joined = "\n".join(text[begin:end] for begin, end in chunks)
    offsets: list[int] = []
    for begin, end in chunks:
        offsets += range(begin, end + 1)  # the last one stands for the line feed
    begin = 0
    for stop in (*_ends(joined), len(joined)):
        said = joined[begin:stop]
        if said.strip():
            first = begin + len(said) - len(said.lstrip())
            last = stop - (len(said) - len(said.rstrip()))
            yield offsets[first], offsets[last - 1] + 1
        begin = stop


def _ends(text: str) -> Iterator[int]:
    """The places right after a sentence."""
    asides = _asides(text)
    for found in _END.finditer(text):
        if asides[found.start()]:
            continue
        if found[0][0] in "。！？":  # those of Chinese and Japanese, which need no blank after them
            yield found.end()
            continue
        word = _LAST_WORD.search(text, max(0, found.start() - _LONGEST_WORD), found.start())
        before = word[0].lower().lstrip("*_`") if word else ""
        if found[0].startswith(".") and (before in _ABBREVIATIONS or re.fullmatch(r"[a-z]|(?:[a-z]\.)+[a-z]", before)):
            continue
        following = _NEXT.match(text, found.end())
        if following is not None and following[1].islower():
            continue
        if found[0].startswith(".") and re.fullmatch(r"\d{1,3}|[ivx]{1,4}", before) and _at_line_start(text, found):
            continue  # "1. " begins an item
        yield found.end()


def _at_line_start(text: str, found: re.Match[str]) -> bool:
    before = text[max(0, found.start() - _LONGEST_WORD) : found.start()]
    return " " not in before.rpartition("\n")[2].strip()


def _asides(text: str) -> bytearray:
    """For each place, whether it is inside brackets or quotation marks that close again soon: no sentence ends there."""
    inside = bytearray(len(text))
    opened: list[tuple[str, int]] = []
    quote: int | None = None
    for place, character in enumerate(text):
        if character == '"':
            if quote is not None and place - quote <= _LONGEST_ASIDE:
                _mark(inside, quote, place - 1)
                quote = None
            else:
                quote = place
        elif character in _OPEN:
            opened.append((_CLOSE[_OPEN.index(character)], place))
        elif opened and character == opened[-1][0]:
            _, start = opened.pop()
            if place - start <= _LONGEST_ASIDE:
                _mark(inside, start, place - 1)
    return inside


def _mark(inside: bytearray, start: int, stop: int) -> None:
    """All but the very last character: a full stop right before the closing mark may end the sentence with it."""
    inside[start:stop] = b"\1" * max(stop - start, 0)
