"""How good the answers of reviewers are: how long they take, how often they answer at a glance, which seeded errors they let pass.

A rate comes with an interval that may be looked at again and again; without data there is no number (L10). Not a judgement of
people: a small sample says little, and the interval shows how little.
"""

from __future__ import annotations

import math

import msgspec

from obverse.guard.approvals.measures import Answered, Measured
from obverse.stats.counts import Counts
from obverse.stats.estimates import Estimate, NoEstimate, estimate_counts
from obverse.stats.quantiles import Median, median


class Reviewer(msgspec.Struct, frozen=True, kw_only=True):
    """One reviewer, or all of them together (`everybody`).

    `decision` is seconds from the first look at a request to the answer; `unseen` how many answers came without a look that the
    queue knows of. `fast` is the rate of answers within `fast_seconds`, `missed` that of seeded requests that were approved.
    """

    name: str
    answers: int
    approved: int
    unseen: int
    decision: Median
    fast_seconds: float
    fast: Estimate | NoEstimate
    missed: Estimate | NoEstimate


class Reviews(msgspec.Struct, frozen=True, kw_only=True):
    """All reviewers, and the queue: seconds until a request was first seen and first answered, infinite where it never was."""

    everybody: Reviewer
    reviewers: tuple[Reviewer, ...]
    until_seen: Median
    until_answered: Median
    unanswered: int
    waiting: int


def reviews(measured: Measured, *, fast: float = 5.0, confidence: float = 0.95) -> Reviews:
    """The figures; `fast` is the time in seconds within which nobody reads a request."""
    names = sorted({answer.by for answer in measured.answers})
    by_name = {name: [answer for answer in measured.answers if answer.by == name] for name in names}
    seen = [_seconds(asked, seen) for asked, seen, _ in measured.latencies]
    answered = [_seconds(asked, answer) for asked, _, answer in measured.latencies]
    return Reviews(
        everybody=_reviewer("everybody", list(measured.answers), fast, confidence),
        reviewers=tuple(_reviewer(name, answers, fast, confidence) for name, answers in by_name.items()),
        until_seen=median(seen, confidence=confidence),
        until_answered=median(answered, confidence=confidence),
        unanswered=sum(answer is None for _, _, answer in measured.latencies),
        waiting=measured.waiting,
    )


def _reviewer(name: str, answers: list[Answered], fast: float, confidence: float) -> Reviewer:
    took = [(answer.answered - answer.seen) / 1000 for answer in answers if answer.seen is not None]
    seeded = [answer for answer in answers if answer.seeded]
    return Reviewer(
        name=name,
        answers=len(answers),
        approved=sum(answer.answer == "approve" for answer in answers),
        unseen=len(answers) - len(took),
        decision=median(took, confidence=confidence),
        fast_seconds=fast,
        fast=_rate(sum(one < fast for one in took), len(took), confidence),
        missed=_rate(sum(answer.answer == "approve" for answer in seeded), len(seeded), confidence),
    )


def _rate(hits: int, of: int, confidence: float) -> Estimate | NoEstimate:
    counts = Counts(broken=hits, kept=of - hits)
    return estimate_counts(
        counts, cases=of, population="cases", confidence=confidence, ends="both", method="anytime", seed=None
    )


def _seconds(begin: int, end: int | None) -> float:
    return math.inf if end is None else (end - begin) / 1000
