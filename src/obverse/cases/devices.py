"""Generic devices of delivery: the same message in pieces, as a quotation, padded, in capitals, in lower case, mistyped.

Harmless and general: each is what a hurried, careless or long-winded person does, and none is aimed at a model. What must
stand word for word (`literals`) is left as it is. A device may break a test of words that a policy makes; whether it did is
for `retell` to find out, which asks `decide`.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Final, TypeAlias

import msgspec

from obverse.cases.choice import number, pick
from obverse.cases.phrases.book import Phrases

_SENTENCES = re.compile(r"(?<=[.!?])\s+(?=\S)")
_LONG_WORD = re.compile(r"[^\W\d_]{5,}")
_ONE_IN = 5
"""Every so many-th long word is mistyped, the first at least."""


class Delivery(msgspec.Struct, frozen=True, kw_only=True):
    """A message and what goes before it: pairs of what the user says and what is said back."""

    text: str
    before: tuple[tuple[str, str], ...] = ()


Device: TypeAlias = Callable[[str, Phrases, Sequence[str], Sequence[object]], Iterator[Delivery]]
"""Text, phrases, literals, key → ways to deliver it, the best first."""


def plain(text: str, phrases: Phrases, literals: Sequence[str], key: Sequence[object]) -> Iterator[Delivery]:
    """As it is."""
    del phrases, literals, key
    yield Delivery(text=text)


def fragments(text: str, phrases: Phrases, literals: Sequence[str], key: Sequence[object]) -> Iterator[Delivery]:
    """In two messages, cut between sentences, near the middle first; or announced, where it cannot be cut."""
    del literals
    announced, answered = pick(phrases.fragments, *key)
    sentences = _SENTENCES.split(text)
    cuts = sorted(range(1, len(sentences)), key=lambda cut: (abs(2 * cut - len(sentences)), cut))
    for cut in cuts:
        yield Delivery(text=" ".join(sentences[cut:]), before=((" ".join(sentences[:cut]), answered),))
    yield Delivery(text=text, before=((announced, answered),))


def quoted(text: str, phrases: Phrases, literals: Sequence[str], key: Sequence[object]) -> Iterator[Delivery]:
    """Inside of a note that the user shows, and says to mean."""
    del literals
    lines = "\n".join(f"> {line}".rstrip() for line in text.splitlines())
    yield Delivery(text=pick(phrases.quoted, *key, "quoted").format(text=lines))


def padded(text: str, phrases: Phrases, literals: Sequence[str], key: Sequence[object]) -> Iterator[Delivery]:
    """Between sentences about something else."""
    del literals
    before, after = pick(phrases.padded, *key, "padded")
    yield Delivery(text=f"{before} {text} {after}")


def capitals(text: str, phrases: Phrases, literals: Sequence[str], key: Sequence[object]) -> Iterator[Delivery]:
    """In capitals."""
    del phrases, key
    yield Delivery(text=_outside(text, literals, str.upper))


def lowercase(text: str, phrases: Phrases, literals: Sequence[str], key: Sequence[object]) -> Iterator[Delivery]:
    """In lower case."""
    del phrases, key
    yield Delivery(text=_outside(text, literals, str.lower))


def typos(text: str, phrases: Phrases, literals: Sequence[str], key: Sequence[object]) -> Iterator[Delivery]:
    """With two letters changed about in some of the long words."""
    del phrases
    for attempt in range(4):
        yield Delivery(text=_outside(text, literals, lambda piece, turn=attempt: _mistyped(piece, *key, turn)))  # type: ignore[misc]  # a default binds the loop's value


DEVICES: Final[Mapping[str, Device]] = {
    "plain": plain,
    "fragments": fragments,
    "quoted": quoted,
    "padded": padded,
    "capitals": capitals,
    "lowercase": lowercase,
    "typos": typos,
}
EVERYWHERE: Final = frozenset({"capitals", "lowercase", "typos"})
"""Devices of how somebody types: they bite on all that the user says, the others on the message that opens."""


def _outside(text: str, literals: Iterable[str], change: Callable[[str], str]) -> str:
    """The text with everything changed but the literals."""
    kept = sorted({literal for literal in literals if literal}, key=lambda literal: (-len(literal), literal))
    if not kept:
        return change(text)
    pieces = re.split("(" + "|".join(re.escape(literal) for literal in kept) + ")", text)
    return "".join(piece if place % 2 else change(piece) for place, piece in enumerate(pieces))


def _mistyped(piece: str, *key: object) -> str:
    """Inner letters change about: who knows the word still reads it (Rawlinson 1976)."""
    chosen = number(*key, piece)

    def mistype(found: re.Match[str]) -> str:
        nonlocal chosen
        chosen += 1
        word = found[0]
        if chosen % _ONE_IN:
            return word
        at = 1 + number(*key, word) % (len(word) - 3)
        return word[:at] + word[at + 1] + word[at] + word[at + 2 :]

    changed = _LONG_WORD.sub(mistype, piece)
    if changed == piece and (first := _LONG_WORD.search(piece)):
        chosen = -1
        return piece[: first.start()] + _LONG_WORD.sub(mistype, piece[first.start() :], count=1)
    return changed
