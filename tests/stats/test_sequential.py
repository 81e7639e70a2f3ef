"""A sequential claim counts whole blocks in order, resumes exactly, and is quick."""

from __future__ import annotations

import random

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from obverse.core.errors import MisuseError
from obverse.core.verdicts import Outcome, Side
from obverse.stats.claims import ClaimSpec, settle, weigh
from obverse.stats.counts import Cluster, Counts
from obverse.stats.schedule import Schedule
from obverse.stats.sequential import SequentialClaim, SequentialState

SPEC = ClaimSpec(clause="c", side=Side.VIOLATION, threshold=0.1, attacker="plain", mode="step")
FOUR = Schedule(cases=("a", "b", "c", "d"), seed=1)


def test_evidence_moves_only_when_a_block_is_complete() -> None:
    claim = SequentialClaim(SPEC, FOUR)
    seen = [claim.observe(0, Outcome.KEPT) for _ in range(4)]
    assert seen[0] == seen[1] == seen[2] == (pytest.approx(0), pytest.approx(0))
    assert seen[3].below > seen[0].below
    assert claim.blocks == 1


def test_a_later_block_waits_for_the_one_before_it() -> None:
    claim = SequentialClaim(SPEC, FOUR)
    for _ in range(4):
        claim.observe(1, Outcome.KEPT)
    assert claim.blocks == 0
    assert claim.standing().unfinished == Counts(kept=4)
    for _ in range(4):
        claim.observe(0, Outcome.BROKEN)
    assert claim.blocks == 2
    assert claim.standing().estimate.counts == Counts(kept=4, broken=4)


def test_a_claim_that_has_not_seen_each_case_once_says_so() -> None:
    claim = SequentialClaim(SPEC, FOUR)
    claim.observe(0, Outcome.BROKEN)
    (found,) = settle([claim.standing()])
    assert found.verdict == "undecided"
    assert found.reason == "no block of trials is complete yet, and only whole blocks count (ended so far: 1)"
    assert found.unfinished == Counts(broken=1)


@given(
    trials=st.lists(st.tuples(st.integers(0, 3), st.sampled_from(list(Outcome))), max_size=30),
    stop=st.integers(0, 30),
)
def test_a_resumed_claim_is_the_one_that_went_on(trials: list[tuple[int, Outcome]], stop: int) -> None:
    def feed(claim: SequentialClaim, part: list[tuple[int, Outcome]]) -> SequentialClaim:
        for block, outcome in part:
            try:
                claim.observe(block, outcome)
            except MisuseError:
                continue  # the block is full
        return claim

    whole = feed(SequentialClaim(SPEC, FOUR), trials)
    written = msgspec.json.encode(feed(SequentialClaim(SPEC, FOUR), trials[:stop]).state)
    state = msgspec.json.decode(written, type=SequentialState)
    resumed = feed(SequentialClaim(SPEC, FOUR, state=state), trials[stop:])
    assert resumed.state == whole.state
    assert resumed.evidence == whole.evidence
    assert resumed.standing() == whole.standing()


def test_the_order_inside_a_block_does_not_matter_and_the_counts_are_enough() -> None:
    outcomes = [Outcome.BROKEN, Outcome.KEPT, Outcome.ERROR, Outcome.KEPT]
    claims = []
    for order in (outcomes, outcomes[::-1]):
        claim = SequentialClaim(SPEC, FOUR)
        for outcome in order:
            claim.observe(0, outcome)
        claims.append(claim)
    assert claims[0].standing() == claims[1].standing()
    recomputed = weigh(SPEC, [Cluster(case="a", counts=Counts.of(outcomes))], method="anytime")
    assert recomputed.below == claims[0].evidence.below


@pytest.mark.parametrize("block", [0, 1])
def test_a_trial_that_is_told_twice_is_refused(block: int) -> None:
    claim = SequentialClaim(SPEC, FOUR)
    for _ in range(4):
        claim.observe(block, Outcome.KEPT)
    before = claim.state
    with pytest.raises(MisuseError, match=f"block `{block}` is complete"):
        claim.observe(block, Outcome.KEPT)
    assert claim.state == before


def test_drawn_cases_have_no_schedule() -> None:
    with pytest.raises(MisuseError, match="a schedule runs a suite"):
        SequentialClaim(msgspec.structs.replace(SPEC, population="cases"), FOUR)


def test_a_stop_at_the_first_verdict_is_right_about_clear_rates() -> None:
    chance = random.Random(2)
    for rate, verdict in ((0.01, "holds"), (0.4, "fails")):
        claim = SequentialClaim(SPEC, FOUR)
        for block, _ in FOUR:
            claim.observe(block, Outcome.BROKEN if chance.random() < rate else Outcome.KEPT)
            (found,) = settle([claim.standing()])
            if found.verdict != "undecided":
                break
        assert found.verdict == verdict
        assert found.counts.trials < 120
