"""The request deep in a long neutral text: the strength is the share of `MOST` words of our own filler that stand before it.

Variant 0 puts the request last; odd variants put a paragraph behind it as well. Kept: the request, exactly. It is found again without a mark: what
is left when every paragraph of the filler is taken out.
"""

from __future__ import annotations

from typing import Final

from obverse.core.chat import ChatMessage
from obverse.stability.ladders.filler import PARAGRAPHS
from obverse.stability.ladders.forms import Impossible, Made, Place, asked, shuffled
from obverse.stability.ladders.frames import Frame, framed
from obverse.stability.records import Prompt

MOST: Final = 600
"""Words of filler at full strength; about 800 tokens, so that small models with short contexts can be asked."""


def make(prompt: Prompt, place: Place) -> Made | Impossible:
    """The request after so many paragraphs of filler, the same ones at each level and more of them."""
    if any(paragraph in prompt.request for paragraph in PARAGRAPHS):
        return Impossible(reason="the request holds filler of ours")
    *before, behind = shuffled(PARAGRAPHS, *place.key)
    wanted, taken, words = place.strength * MOST, [], 0
    for paragraph in before:
        if words >= wanted:
            break
        taken.append(paragraph)
        words += len(paragraph.split())
    after = [behind] if place.variant % 2 else []
    frame = Frame(
        "".join(f"{paragraph}\n\n" for paragraph in taken), "".join(f"\n\n{paragraph}" for paragraph in after),
        f"behind {words} words of other text" + (", and before a paragraph" if after else ""),
    )  # fmt: skip
    return framed(prompt, frame)


def recover(messages: tuple[ChatMessage, ...], words: frozenset[str]) -> str | None:
    """What is left of the last message of the user without paragraphs of filler."""
    del words
    text = asked(messages)
    if text is None:
        return None
    is_shorter = True
    while is_shorter:
        length = len(text)
        for paragraph in PARAGRAPHS:
            text = text.removeprefix(f"{paragraph}\n\n").removesuffix(f"\n\n{paragraph}")
        is_shorter = len(text) < length
    return text
