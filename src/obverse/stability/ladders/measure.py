"""How far a form is from its prompt, in letters and words: so that strengths compare between prompts, and harmful with harmless ones.

The distance is Levenshtein's, by Myers' bit vectors in Hyyrö's form (Hyyrö 2001, "Explaining and extending the bit-parallel approximate string
matching algorithm of Myers"): one step of whole-number arithmetic a letter.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence

import msgspec

from obverse.core.chat import ChatMessage
from obverse.stability.ladders.forms import asked
from obverse.stability.records import Ladder, Prompt


class Measure(msgspec.Struct, frozen=True, kw_only=True):
    """One form against its prompt, over the messages that differ and the request.

    `distance` is the number of letters put in, left out or replaced; `share` that over the longer of both texts, so in [0, 1]; `length` the letters of
    the form over those of the prompt, None for an empty prompt; `words` the share of words, those of both texts together, that are not
    in both.
    """

    level: int
    variant: int
    strength: float
    distance: int
    share: float
    length: float | None
    words: float


def measure(prompt: Prompt, ladder: Ladder) -> tuple[Measure, ...]:
    """Each form of the ladder against the prompt, in the order of the ladder."""
    found = []
    for rung in ladder.rungs:
        before, after = compared(prompt.messages, rung.messages)
        steps = distance(before, after)
        longer = max(len(before), len(after))
        found.append(
            Measure(
                level=rung.level, variant=rung.variant, strength=rung.strength, distance=steps,
                share=steps / longer if longer else 0.0,
                length=len(after) / len(before) if before else None, words=_changed(before, after),
            )
        )  # fmt: skip
    return tuple(found)


def compared(before: Sequence[ChatMessage], after: Sequence[ChatMessage]) -> tuple[str, str]:
    """What is compared: of both sides the messages that the other has not, and the request if it is the same on both."""
    ours, theirs = Counter(_said(before)), Counter(_said(after))
    same = asked(before) if asked(before) == asked(after) else None
    return _only(before, theirs, same), _only(after, ours, same)


def _said(messages: Iterable[ChatMessage]) -> list[tuple[str, str]]:
    return [(message.role, message.content) for message in messages]


def _only(messages: Sequence[ChatMessage], other: Counter[tuple[str, str]], request: str | None) -> str:
    left = Counter(other)
    texts = []
    for said in _said(messages):
        if left[said]:
            left[said] -= 1
        else:
            texts.append(said[1])
    return "\n".join([*texts, request] if request is not None else texts)


def distance(before: str, after: str) -> int:
    """Levenshtein's distance of two texts."""
    shorter, longer = (before, after) if len(before) <= len(after) else (after, before)
    left = iter(longer)
    if all(letter in left for letter in shorter):
        return len(longer) - len(shorter)  # nothing but put in, or left out
    first = _same(before, after)
    before, after = before[first:], after[first:]
    last = _same(before[::-1], after[::-1])
    before, after = before[: len(before) - last], after[: len(after) - last]
    # INVARIANT: both still hold letters: else the one would stand in the other
    where: dict[str, int] = defaultdict(int)
    for place, letter in enumerate(before):
        where[letter] |= 1 << place
    full, last = (1 << len(before)) - 1, 1 << (len(before) - 1)
    more, less, steps = full, 0, len(before)
    for letter in after:
        same = where.get(letter, 0)
        diagonal = (((same & more) + more) ^ more) | same | less
        up = less | ~(diagonal | more)
        down = diagonal & more
        steps += bool(up & last) - bool(down & last)
        up = (up << 1) | 1
        down <<= 1
        more = (down | ~(diagonal | up)) & full
        less = up & diagonal & full
    return steps


def _same(one: str, other: str) -> int:
    """How many letters at the beginning are the same."""
    return next(
        (place for place, (ours, theirs) in enumerate(zip(one, other)) if ours != theirs), min(len(one), len(other))
    )


def _changed(before: str, after: str) -> float:
    ours, theirs = Counter(before.split()), Counter(after.split())
    every = (ours | theirs).total()
    return 1 - (ours & theirs).total() / every if every else 0.0
