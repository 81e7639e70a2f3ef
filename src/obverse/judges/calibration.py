"""How good is a judge? Its answers against labels, with exact intervals; and the trial on both poles before it counts.

    (1) a judge that does not say yes to any example of yes and no to any of no is refused: it cannot tell them apart
    (2) sensitivity: of the texts labelled yes that it answered, the share answered yes; specificity likewise for no
    (3) abstentions are counted, and the worst case counts each of them as wrong (L11)

Intervals are Clopper–Pearson (1934), two-sided, over labels taken as independent. Not a fit: a judge that was fitted on
these labels has a card that flatters it, and `measured_on` must say so.
"""

from __future__ import annotations

from collections.abc import Sequence
from importlib.resources import files

import msgspec

from obverse.core.errors import MisuseError
from obverse.judges.judgement import (
    NO_CONTEXT,
    Answer,
    Context,
    Judge,
    JudgeCard,
    Predicate,
    Rate,
    uncalibrated,
)  # fmt: skip
from obverse.stats import exact

CARDS = "refusal_cards.json"
SHORT_CARDS = "short_reply_cards.json"
"""Of the judges of short, cut replies, which have errors of their own there (`benchmarks/stability_judge.py`)."""


class Labelled(msgspec.Struct, frozen=True, kw_only=True):
    """A text with what a person says about it."""

    text: str
    is_yes: bool
    context: Context = NO_CONTEXT


class Tried(msgspec.Struct, frozen=True, kw_only=True):
    """The proof that a judge was tried on both poles; only `try_both_poles` makes it."""

    judge: str
    predicate: str
    yes_right: int
    yes_of: int
    no_right: int
    no_of: int


async def try_both_poles(judge: Judge, predicate: Predicate, context: Context = NO_CONTEXT) -> Tried:
    """What the judge said to the predicate's own examples.

    Raises:
        MisuseError: without examples of both kinds, or when it got none of one kind right (1).
    """
    if not predicate.yes or not predicate.no:
        raise MisuseError(
            f"`{predicate.name}` needs an example of yes and one of no before a judge of it counts", code="J120",
            hint='add `yes "…"` and `no "…"` to the term',
        )  # fmt: skip
    yes = [(await judge.judge(predicate, text, context)).answer for text in predicate.yes]
    no = [(await judge.judge(predicate, text, context)).answer for text in predicate.no]
    if "yes" not in yes or "no" not in no:
        raise MisuseError(
            f"this judge of `{predicate.name}` cannot tell its own examples apart", code="J121",
            hint=f"it said {', '.join(yes)} to the examples of yes and {', '.join(no)} to those of no",
        )  # fmt: skip
    return Tried(
        judge=judge.identity, predicate=predicate.name,
        yes_right=yes.count("yes"), yes_of=len(yes), no_right=no.count("no"), no_of=len(no),
    )  # fmt: skip


async def calibrate(
    judge: Judge, predicate: Predicate, labelled: Sequence[Labelled], *, measured_on: str, confidence: float = 0.95
) -> JudgeCard:
    """The card of the judge on these labels; both errors may be missing, and then stay missing."""
    answers = [(await judge.judge(predicate, item.text, item.context)).answer for item in labelled]
    card = card_of([(item.is_yes, answer) for item, answer in zip(labelled, answers)], confidence)
    return msgspec.structs.replace(card, judge=judge.identity, predicate=predicate.name, measured_on=measured_on)


def card_of(pairs: Sequence[tuple[bool, Answer]], confidence: float = 0.95) -> JudgeCard:
    """The card of these (label, answer) pairs, of a judge without a name."""
    yes = [answer for label, answer in pairs if label]
    no = [answer for label, answer in pairs if not label]
    right = yes.count("yes") + no.count("no")
    abstained = yes.count("unknown") + no.count("unknown")
    return JudgeCard(
        judge="", predicate="", measured_on="", labels=len(pairs), confidence=confidence, abstained=abstained,
        accuracy=rate(right, len(pairs) - abstained, confidence),
        sensitivity=rate(yes.count("yes"), len(yes) - yes.count("unknown"), confidence),
        specificity=rate(no.count("no"), len(no) - no.count("unknown"), confidence),
        sensitivity_worst=rate(yes.count("yes"), len(yes), confidence),
        specificity_worst=rate(no.count("no"), len(no), confidence),
    )  # fmt: skip


def rate(hits: int, of: int, confidence: float = 0.95) -> Rate | None:
    """The rate with its exact interval, or None of nothing (L10)."""
    if of == 0:
        return None
    tail = (1 - confidence) / 2
    low = exact.lower_bound(trials=of, broken=hits, error=tail)
    return Rate(hits=hits, of=of, low=low, high=exact.upper_bound(trials=of, broken=hits, error=tail))


def shipped_card(judge: Judge, predicate: Predicate) -> JudgeCard:
    """The measured card that comes with the package for exactly this judge, else one that says `uncalibrated`."""
    shipped = (files("obverse.judges").joinpath(name) for name in (CARDS, SHORT_CARDS))
    cards = [card for file in shipped for card in msgspec.json.decode(file.read_bytes(), type=list[JudgeCard])]
    fitting = [card for card in cards if (card.judge, card.predicate) == (judge.identity, predicate.name)]
    return fitting[0] if fitting else uncalibrated(judge, predicate)
