"""A text with some of its places replaced, and where the span has gone.

Places never overlap. Nothing here knows what is kept: that is `literals`.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import NamedTuple

from obverse.stability.ladders.forms import Made, with_request
from obverse.stability.records import Prompt


class Change(NamedTuple):
    """These characters (from, to) become this text."""

    start: int
    end: int
    text: str


def changed(text: str, changes: Iterable[Change]) -> str:
    """The text with all changes made."""
    pieces, done = [], 0
    for change in sorted(changes):
        pieces += [text[done : change.start], change.text]
        done = change.end
    return "".join([*pieces, text[done:]])


def moved(start: int, end: int, changes: Iterable[Change]) -> tuple[int, int]:
    """Where these characters stand after the changes. What is put in at an edge of the span stays outside of it."""
    first, last = start, end
    for change in changes:
        grown = len(change.text) - (change.end - change.start)
        if change.end <= start:
            first += grown
            last += grown
        elif change.start < end:
            last += grown
            if change.start < start:
                first -= start - change.start
    return first, last


def altered(prompt: Prompt, changes: Sequence[Change], count: int, note: str) -> Made:
    """The prompt with the first so many of the changes made to its request; its span moved along, its strength their share."""
    chosen = changes[:count]
    span = prompt.span
    if span:
        start = prompt.request.find(span)
        first, last = moved(start, start + len(span), chosen)
        span = changed(prompt.request, chosen)[first:last]
    return Made(
        messages=with_request(prompt, changed(prompt.request, chosen)), span=span, strength=count / len(changes),
        note=f"{count} of {len(changes)} {note}",
    )  # fmt: skip
