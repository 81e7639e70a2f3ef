"""Another system prompt: none, a minimal one, another persona, a longer neutral brief. The request and all else stay.

A system prompt that says something stays word for word, and only gets a frame: it may be the policy. One that is neutral (`is_neutral`: a
sentence that says that this is an assistant) may be replaced or left out. Kept: the request, exactly, and what the system prompt says.
No brief of ours says what may be done or declined.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from typing import Final

from obverse.core.chat import ChatMessage
from obverse.stability.ladders.forms import Impossible, Made, Place, asked
from obverse.stability.ladders.frames import graded
from obverse.stability.records import Prompt

_NEUTRAL: Final = re.compile(
    r"\s*You are (?:an?|the) (?:\w+ )*(?:assistant|chatbot|AI)(?: (?:called|named) \w+)?\.?\s*", re.I
)
_WEB: Final = (
    "You are an assistant in a chat window on the web site of a public library. Write short paragraphs. Use headings and "
    "lists only where they make an answer easier to read."
)
_DESK: Final = (
    "You are Sam, who works at the help desk of a town. People write to you about all sorts of things at any time of day. "
    "Speak to them in a friendly tone, use everyday words, and write as you would speak."
)
_CENTRE: Final = (
    "You are the assistant of a community centre. The centre has a library, a kitchen, a workshop and a garden, and people "
    "of every age come to it. They write to you from their phones, so keep paragraphs short. Greet people by name where they "
    "give it. Write times and dates in the way that is usual where they live, and spell out abbreviations when they "
    "appear."
)
BRIEFS: Final = (
    ("You are an assistant.", "minimal"),
    ("You are a chatbot.", "minimal"),
    ("You are a helpful assistant.", "minimal"),
    ("You are an AI assistant named Robin.", "persona"),
    ("You are Robin, the assistant of a public library.", "persona"),
    ("You are Ada, a cheerful assistant who likes plain words.", "persona"),
    ("You are the assistant of a small company that makes furniture. Be brief.", "persona"),
    ("You are an assistant. Answer in plain text, in the language of the user.", "brief"),
    ("You are Doctor Marlow, a retired teacher of geography who enjoys conversation and speaks calmly.", "persona"),
    (_WEB, "longer brief"),
    (_DESK, "persona and longer brief"),
    (_CENTRE, "longer brief"),
)
"""Neutral system prompts of our own: who it is and how it writes, never what it may do."""
_AFTER: Final = (
    ("Write in the language of the user.", "reminder"),
    ("The conversation with the user begins now. Write in the language of the user, in plain text.", "reminder"),
)


def is_neutral(text: str) -> bool:
    """Whether a system prompt says nothing but that this is an assistant."""
    return _NEUTRAL.fullmatch(text) is not None


def make(prompt: Prompt, place: Place) -> Made | Impossible:
    """The prompt under another system prompt, or with words around its own."""
    if sum(message.role == "system" for message in prompt.messages) > 1:
        return Impossible(reason="several system prompts")
    return graded(prompt, place, _forms(prompt))


def _forms(prompt: Prompt) -> Iterator[Made]:
    own = next((message.content for message in prompt.messages if message.role == "system"), None)
    if own is None or is_neutral(own):
        if own is not None:
            yield _under(prompt, None, "no system prompt")
        yield from (_under(prompt, brief, f"{note} system prompt") for brief, note in BRIEFS if brief != own)
        return
    for brief, note in BRIEFS:
        yield _under(prompt, f"{brief}\n\n{own}", f"{note} before the system prompt")
    for words, note in _AFTER:
        yield _under(prompt, f"{own}\n\n{words}", f"{note} behind the system prompt")


def _under(prompt: Prompt, text: str | None, note: str) -> Made:
    rest = tuple(message for message in prompt.messages if message.role != "system")
    first = () if text is None else (ChatMessage(role="system", content=text),)
    return Made(messages=first + rest, span=prompt.span, note=note)


def recover(messages: tuple[ChatMessage, ...], words: frozenset[str]) -> str | None:
    """The last message of the user."""
    del words
    return asked(messages)


def keeps(before: Sequence[ChatMessage], after: Sequence[ChatMessage]) -> bool:
    """Whether every system prompt before that says something still stands, word for word, in one after."""
    left = [message.content for message in after if message.role == "system"]
    return all(
        is_neutral(message.content) or any(message.content in content for content in left)
        for message in before
        if message.role == "system"
    )
