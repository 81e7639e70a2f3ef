"""What is said of reviewers: times, haste and seeded errors, with intervals."""

from __future__ import annotations

import math

from obverse.campaign.reviewers import reviews
from obverse.guard.approvals.measures import Answered, Measured
from obverse.stats.estimates import Estimate, NoEstimate


def answered(by: str, *, took: float | None, answer: str = "approve", seeded: bool | None = False) -> Answered:
    seen = None if took is None else 10_000
    return Answered(
        request="r", by=by, answer=answer, asked=0, seen=seen, answered=10_000 + round((took or 0) * 1000), seeded=seeded
    )  # fmt: skip


HASTY = [answered("hasty", took=1, seeded=n < 10) for n in range(40)]
CAREFUL = [answered("careful", took=30 + n, answer="reject" if n < 10 else "approve", seeded=n < 10) for n in range(40)]
FOUND = reviews(
    Measured(
        answers=(*HASTY, *CAREFUL, answered("careful", took=None, seeded=None)),
        latencies=(*[(0, 5_000, 60_000)] * 10, (0, None, None)),
        waiting=3,
    )
)


def test_a_reviewer_who_stamps_at_a_glance_stands_out() -> None:
    careful, hasty = FOUND.reviewers
    assert isinstance(hasty.fast, Estimate)
    assert isinstance(careful.fast, Estimate)
    assert hasty.fast.interval.low > 0.8
    assert careful.fast.interval.high < 0.2
    assert (hasty.decision.median, hasty.decision.n) == (1, 40)
    assert careful.decision.low is not None
    assert careful.decision.low > 30
    assert (careful.answers, careful.approved, careful.unseen) == (41, 31, 1)


def test_seeded_errors_that_were_let_pass_are_counted_of_those_that_are_known_to_be_seeded() -> None:
    careful, hasty = FOUND.reviewers
    assert isinstance(hasty.missed, Estimate)
    assert isinstance(careful.missed, Estimate)
    assert (hasty.missed.counts.broken, hasty.missed.counts.scored) == (10, 10)
    assert (careful.missed.counts.broken, careful.missed.counts.scored) == (0, 10)
    assert careful.missed.interval.high > 0.2  # ten are few


def test_all_together_and_the_queue() -> None:
    assert FOUND.everybody.answers == 81
    assert (FOUND.unanswered, FOUND.waiting) == (1, 3)
    assert FOUND.until_seen.median == 5
    assert FOUND.until_answered.n == 11
    assert FOUND.until_answered.high == 60


def test_requests_that_nobody_answered_count_as_never() -> None:
    found = reviews(Measured(answers=(), latencies=((0, None, None),) * 7, waiting=0))
    assert found.until_answered.median == math.inf
    assert found.unanswered == 7


def test_without_answers_there_is_no_number() -> None:
    found = reviews(Measured(answers=(), latencies=(), waiting=0))
    assert isinstance(found.everybody.fast, NoEstimate)
    assert isinstance(found.everybody.missed, NoEstimate)
    assert found.everybody.decision.median is None
    assert found.until_seen.median is None
