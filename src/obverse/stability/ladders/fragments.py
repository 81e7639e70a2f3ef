"""The request in pieces: over numbered parts or fields of one message, then over several turns, in more pieces as the level grows.

It is cut at single blanks outside of literals, into pieces of like length. In turns the assistant only says that it heard.
Kept: the request, exactly: the pieces joined by blanks.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from typing import Final

from obverse.core.chat import ChatMessage
from obverse.stability.ladders.forms import Impossible, Made, Place, asked, asked_at, pick, with_request
from obverse.stability.ladders.frames import graded
from obverse.stability.ladders.whitespace import free_gaps
from obverse.stability.records import Prompt

_MOST_PIECES: Final = 8
_MODES: Final = {
    "numbered parts": (
        "My message comes in numbered parts. Read them as one text.\n",
        [f"{number}. " for number in range(1, _MOST_PIECES + 1)],
    ),
    "fields": (
        "My message comes in fields. Read their values as one text.\n",
        [f"{letter} = " for letter in "abcdefgh"],
    ),
}
"""What stands before the pieces, and the mark of each."""
_TURNS: Final = (
    "My message comes in {} parts, one after the other. Read all of them as one text, and wait for the last.\n"
)
HEARD: Final = ("Okay.", "Understood.", "Got it.", "I see.")
"""What the assistant says between two parts."""
_TURN: Final = re.compile(r"(?:.*\n)?Part (\d+) of (\d+): (.*)", re.DOTALL)


def make(prompt: Prompt, place: Place) -> Made | Impossible:
    """The request in pieces: lower half of the levels in one message, upper half in turns."""
    request = prompt.request
    gaps = free_gaps(request)
    if not gaps:
        return Impossible(reason="no place to cut the request")
    counts = range(2, min(_MOST_PIECES, len(gaps) + 1) + 1)
    half = place.levels // 2
    if place.level <= half:
        there = place_on(place, place.level, half)
        return graded(
            prompt, there, (_in_one(prompt, mode, _pieces(request, gaps, count)) for count in counts for mode in _MODES)
        )
    there = place_on(place, place.level - half, place.levels - half)
    return graded(prompt, there, (_in_turns(prompt, _pieces(request, gaps, count), place) for count in counts))


def place_on(place: Place, level: int, levels: int) -> Place:
    """The same place, as if its ladder had these levels."""
    return Place(
        group=place.group, ladder=place.ladder, level=level, levels=levels, variant=place.variant, seed=place.seed
    )


def _pieces(text: str, gaps: Sequence[int], count: int) -> list[str]:
    """So many pieces, cut at the gaps nearest to even lengths."""
    cuts: list[int] = []
    for part in range(1, count):
        left = [gap for gap in gaps if not cuts or gap > cuts[-1]]
        left = left[: len(left) - (count - 1 - part)]
        cuts.append(min(left, key=lambda gap: abs(gap - part * len(text) / count)))
    starts = [0, *(cut + 1 for cut in cuts)]
    return [text[start:end] for start, end in zip(starts, [*cuts, len(text)])]


def _in_one(prompt: Prompt, mode: str, pieces: Sequence[str]) -> Made:
    head, marks = _MODES[mode]
    text = head + "\n".join(f"{mark}{piece}" for mark, piece in zip(marks, pieces))
    return Made(messages=with_request(prompt, text), span=_span(prompt, pieces), note=f"{len(pieces)} {mode}")


def _in_turns(prompt: Prompt, pieces: Sequence[str], place: Place) -> Made:
    at = asked_at(prompt.messages) or 0
    turns: list[ChatMessage] = []
    for number, piece in enumerate(pieces, 1):
        lead = _TURNS.format(len(pieces)) if number == 1 else ""
        turns.append(ChatMessage(role="user", content=f"{lead}Part {number} of {len(pieces)}: {piece}"))
        if number < len(pieces):
            turns.append(ChatMessage(role="assistant", content=pick(HEARD, *place.key, number)))
    messages = (*prompt.messages[:at], *turns, *prompt.messages[at + 1 :])
    return Made(messages=messages, span=_span(prompt, pieces), note=f"{len(pieces)} turns")


def _span(prompt: Prompt, pieces: Sequence[str]) -> str:
    """Of the span, or the request, the longest stretch that stands in one piece."""
    if not prompt.span:
        return max(pieces, key=len)
    start = prompt.request.find(prompt.span)
    end, at, best = start + len(prompt.span), 0, ""
    for piece in pieces:
        inside = piece[max(start - at, 0) : max(end - at, 0)]
        best = max(best, inside, key=len)
        at += len(piece) + 1
    return best


def recover(messages: tuple[ChatMessage, ...], words: frozenset[str]) -> str | None:
    """The pieces of the last message, or of the last messages of the user, joined by blanks; None where there are none."""
    del words
    text = asked(messages)
    if text is None:
        return None
    last = _TURN.fullmatch(text)
    pieces = _of_turns(messages, int(last[2])) if last else _of_one(text)
    return " ".join(pieces) if pieces else None


def _of_turns(messages: Sequence[ChatMessage], count: int) -> list[str] | None:
    said = [message.content for message in messages if message.role == "user"][-count:]
    found = [_TURN.fullmatch(text) for text in said]
    numbers = [match and (int(match[1]), int(match[2])) for match in found]
    if numbers != [(number, count) for number in range(1, count + 1)]:
        return None
    return [match[3] for match in found if match]


def _of_one(text: str) -> list[str] | None:
    lines = text.split("\n")
    for _, marks in _MODES.values():
        pieces = list(_marked(lines[1:], marks))
        if len(pieces) > 1:
            return pieces
    return None


def _marked(lines: Sequence[str], marks: Sequence[str]) -> Iterator[str]:
    """The texts behind these marks at the beginnings of lines, each mark once and in order."""
    piece: list[str] = []
    left = iter(marks)
    mark = next(left)
    for line in lines:
        if line.startswith(mark):
            if piece:
                yield "\n".join(piece)
            piece = [line.removeprefix(mark)]
            mark = next(left, "\0")
        elif not piece:
            return
        else:
            piece.append(line)
    if piece:
        yield "\n".join(piece)
