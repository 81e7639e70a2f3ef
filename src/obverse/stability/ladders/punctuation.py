"""Other marks: the strength is the share of places that are changed, the ending mark always first.

The ending mark is doubled, mixed, made an ellipsis or dropped; ends of sentences and commas within the text are doubled; an ellipsis of hesitation stands behind
some words. A question keeps its mark unless its first word says that it is one. Kept: the words, where sentences end, which of them
ask, and the commas. Literals keep their marks.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Final

from obverse.core.chat import ChatMessage
from obverse.stability.ladders.edits import Change, altered
from obverse.stability.ladders.forms import Impossible, Made, Place, asked, pick, shuffled
from obverse.stability.ladders.literals import is_free, taken
from obverse.stability.ladders.sentences import inner_marks
from obverse.stability.ladders.whitespace import free_gaps
from obverse.stability.records import Prompt

_ASKS: Final = re.compile(r"\W*(?:how|what|why|when|where|who|whom|whose|which)\b", re.IGNORECASE)
_COMMA: Final = re.compile(r"(?<=\w),(?=\s)")
_QUESTION: Final = ("??", "?!", "???", "?!?", "?...")
_STATEMENT: Final = ("!", "!!", "!!!", "...", "..")
_ONE_IN: Final = 2
"""Of so many gaps one may get an ellipsis."""


def make(prompt: Prompt, place: Place) -> Made | Impossible:
    """The ending mark, then so many marks and gaps by lot."""
    end = list(_at_end(prompt.request, place))
    changes = end + shuffled(list(_within(prompt.request, place)), *place.key)
    if not changes:
        return Impossible(reason="no place for another mark")
    return altered(prompt, changes, place.share(len(changes)), "places with other marks")


def _at_end(text: str, place: Place) -> Iterator[Change]:
    body, mark, _ = _parts(text)
    if (
        not body
        or not (body[-1].isalnum() or body[-1] in ")\"'”’")
        or not is_free(len(body), len(body + mark), taken(text))
    ):
        return
    asks = _ASKS.match(text) is not None
    ways = [*(_QUESTION if "?" in mark else _STATEMENT), *([""] if mark and ("?" not in mark or asks) else [])]
    way = pick([way for way in ways if way != mark], *place.key, "end")
    yield Change(len(body), len(body) + len(mark), way)


def _parts(text: str) -> tuple[str, str, str]:
    """The text up to its ending marks, these, and the blanks behind them."""
    end = text.rstrip()
    body = end.rstrip(".!?")
    return body, end[len(body) :], text[len(end) :]


def _within(text: str, place: Place) -> Iterator[Change]:
    mask = taken(text)
    places = [found.span() for found in _COMMA.finditer(text) if is_free(*found.span(), mask)]
    for start, end in places + [span for span in inner_marks(text) if span[1] < len(text.rstrip())]:
        mark = text[start:end]
        if len(mark) == 1:
            ways = {",": (",,",), "?": ("??", "?!"), "!": ("!!", "!!!")}.get(mark, ("!", ".."))
            yield Change(start, end, pick(ways, *place.key, start))
    gaps = [gap for gap in free_gaps(text) if text[gap - 1].isalpha()]
    lot = shuffled(gaps, *place.key, "gaps")[: -(-len(gaps) // _ONE_IN)]
    yield from (Change(gap, gap, "...") for gap in lot)


def recover(messages: tuple[ChatMessage, ...], words: frozenset[str]) -> str | None:
    """The last message of the user, as it stands."""
    del words
    return asked(messages)


def alike(text: str) -> str:
    """The text with one mark for each run of marks, none for a hesitation, and none at the end but that of a question.

    A question whose first word asks has none at the end either.
    """
    text, last, _ = _parts(text)
    text = re.sub(r"(?<=\w)\.\.\.(?=\s)", "", text)
    text = re.sub(r"(?<![.!?])[.!?]+(?=\s)", lambda run: "?" if "?" in run[0] else ".", text)
    text = re.sub(r"(?<!,),+(?=\s)", ",", text)
    return text + ("?" if "?" in last and not _ASKS.match(text) else "")
