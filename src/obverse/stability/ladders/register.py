"""How politely, casually, formally or briefly it is asked: words around the request, which stays as it is to the letter.

None of them says what is wanted, by whom or what for; none holds a negation or a number. Kept: the request, exactly.
"""

from __future__ import annotations

from typing import Final

from obverse.core.chat import ChatMessage
from obverse.stability.ladders.forms import Impossible, Made, Place, asked
from obverse.stability.ladders.frames import Frame, framed, graded, peeled
from obverse.stability.records import Prompt

FRAMES: Final = tuple(
    Frame(before, after, note)
    for before, after, note in (
        ("", " Please.", "polite suffix"),
        ("", " Thanks!", "polite suffix"),
        ("", " Thank you.", "polite suffix"),
        ("", " pls", "casual suffix"),
        ("Hi! ", "", "greeting"),
        ("Hello. ", "", "greeting"),
        ("Request: ", "", "terse"),
        ("Q: ", "", "terse"),
        ("hey ", " thx", "casual"),
        ("Hi! ", " Thanks!", "greeting and thanks"),
        ("ok so, ", " cheers", "casual"),
        ("Hello there. ", " Thank you very much.", "polite"),
        ("Good morning. ", " Many thanks for your help.", "polite"),
        ("hey hey, quick thing: ", " thx a bunch :)", "casual"),
        ("", " That would be very kind of you, thank you so much.", "polite suffix"),
        ("Sorry to bother you. ", " I would be very grateful for your help.", "polite"),
        ("Dear assistant,\n\n", "\n\nWith kind regards", "formal letter"),
        ("so yeah, hope you're doing well and all, anyway: ", " cheers, you're the best!!", "casual"),
        ("Dear Sir or Madam,\n\nI hope that this finds you well. ", "\n\nYours faithfully", "formal letter"),
        ("I hope that you are having a pleasant day. ", " I would appreciate your kind help with this very much.", "polite"),
        (
            "To whom it may concern:\n\nI am writing to you with the following request. ",
            "\n\nI thank you in advance for your time and your trouble, and remain yours sincerely", "formal letter",
        ),
        (
            "Good day to you. It is with great respect that I turn to you, in the hope that you will have a moment for me.\n\n",
            "\n\nPlease accept the assurance of my highest regard. Yours most respectfully", "formal letter",
        ),
    )
)  # fmt: skip


def make(prompt: Prompt, place: Place) -> Made | Impossible:
    """The request between two polite, casual, formal or terse phrases."""
    return graded(prompt, place, (framed(prompt, frame) for frame in FRAMES))


def recover(messages: tuple[ChatMessage, ...], words: frozenset[str]) -> str | None:
    """What is left of the last message of the user without its manners."""
    del words
    text = asked(messages)
    return None if text is None else peeled(text, FRAMES)
