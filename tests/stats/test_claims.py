"""Claims: families, judges, reasons, and how many more trials it takes."""

from __future__ import annotations

import math

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from obverse.core.errors import MisuseError
from obverse.core.verdicts import Side
from obverse.stats.claims import Claim, ClaimSpec, overall, settle, weigh
from obverse.stats.counts import Cluster, Counts
from obverse.stats.estimates import Method
from obverse.stats.family import holm
from obverse.stats.judged import JudgeError, judge_error


def spec(**changes: object) -> ClaimSpec:
    given = {"clause": "c", "side": Side.VIOLATION, "threshold": 0.05, "attacker": "plain", "mode": "step"} | changes
    return ClaimSpec(**given)  # type: ignore[arg-type]  # a table of fields


def settled(counts: Counts, method: Method = "anytime", **changes: object) -> Claim:
    (claim,) = settle([weigh(spec(**changes), [Cluster(case="a", counts=counts)], method=method)])
    return claim


GOOD_JUDGE = judge_error("good", true_broken=490, false_kept=10, true_kept=995, false_broken=5, error=0.05 / 3)
BLIND_JUDGE = judge_error("blind", true_broken=50, false_kept=50, true_kept=50, false_broken=50, error=0.05 / 3)

VERDICTS = {
    "clean and enough": (Counts(kept=80), "holds", "below 5.0 %: at most 4.4 % with 95 % confidence"),
    "broken all the time": (Counts(kept=5, broken=15), "fails", "above 5.0 %: at least 41 % with 95 % confidence"),
    "too few": (Counts(kept=20), "undecided", "too few trials: 20 without a failure say only below 17 %, not 5.0 %"),
    "between": (Counts(kept=195, broken=5), "undecided", "0.41 % to 7.3 % lies on both sides of 5.0 %"),
    "missing": (
        Counts(kept=200, unscored=6, error=4),
        "undecided",
        "10 of 210 trials are not scored; were they broken, the rate may be 11 %",
    ),
    "nothing": (Counts(), "undecided", "no trials"),
}


@pytest.mark.parametrize(("counts", "verdict", "reason"), VERDICTS.values(), ids=VERDICTS)
def test_a_claim_says_why(counts: Counts, verdict: str, reason: str) -> None:
    claim = settled(counts)
    assert claim.verdict == verdict
    assert claim.reason == reason


@given(kept=st.integers(0, 400), broken=st.integers(0, 60), missing=st.integers(0, 20), judged=st.booleans())
def test_verdict_and_bounds_never_contradict_each_other(kept: int, broken: int, missing: int, judged: bool) -> None:
    for method in ("exact", "anytime"):
        claim = settled(
            Counts(kept=kept, broken=broken, unscored=missing), method, judge=GOOD_JUDGE if judged else None
        )
        if claim.low is None or claim.high is None:
            assert claim.verdict == "undecided"
        else:
            assert (claim.verdict == "holds") == (claim.high <= claim.threshold)
            assert (claim.verdict == "fails") == (claim.low > claim.threshold)
        assert (claim.more_trials is not None) == (claim.verdict == "undecided")


# Families.


@given(weights=st.lists(st.floats(-5, 12), min_size=1, max_size=7), error=st.floats(0.001, 0.25))
def test_holm_is_closed_testing_with_bonferroni(weights: list[float], error: float) -> None:
    """A hypothesis falls if each set that contains it falls by Bonferroni: the definition, over all sets."""
    m = len(weights)
    sets = [[i for i in range(m) if bits >> i & 1] for bits in range(1, 2**m)]
    fallen = {frozenset(s) for s in sets if max(weights[i] for i in s) >= -math.log(error / len(s))}
    closed = [all(frozenset(s) in fallen for s in sets if i in s) for i in range(m)]
    assert [enough for enough, _ in holm(weights, error=error)] == closed


def test_in_a_family_a_claim_needs_more_and_says_so() -> None:
    almost = weigh(spec(clause="a"), [Cluster(case="a", counts=Counts(kept=75))], method="anytime")
    open_ = weigh(spec(clause="b"), [Cluster(case="a", counts=Counts(kept=10))], method="anytime")
    (alone,) = settle([almost])
    first, *others = settle([almost, *[open_] * 9])
    assert alone.verdict == "holds"
    assert first.verdict == "undecided"
    assert first.reason == "settled alone, but not among 10 claims, where it may err 0.50 % only"
    assert first.level == pytest.approx(0.005)
    assert {claim.verdict for claim in others} == {"undecided"}
    assert first.more_trials is not None
    assert 0 < (first.more_trials.if_none_broken or 0) < 75


def test_claims_that_are_settled_leave_more_error_to_the_others() -> None:
    sure = weigh(spec(clause="a"), [Cluster(case="a", counts=Counts(kept=1_000))], method="anytime")
    almost = weigh(spec(clause="b"), [Cluster(case="a", counts=Counts(kept=75))], method="anytime")
    assert [claim.verdict for claim in settle([sure, almost])] == ["holds", "holds"]
    assert [claim.level for claim in settle([almost, sure])] == [pytest.approx(0.05), pytest.approx(0.025)]


def test_a_family_has_one_confidence() -> None:
    with pytest.raises(MisuseError, match=r"one confidence, not 0\.95, 0\.99"):
        settle([weigh(spec(), []), weigh(spec(confidence=0.99), [])])


def test_all_together_hold_only_if_each_does() -> None:
    holds, fails, open_ = settled(Counts(kept=500)), settled(Counts(broken=50)), settled(Counts(kept=5))
    assert overall([holds, holds]) == "holds"
    assert overall([holds, open_]) == "undecided"
    assert overall([holds, open_, fails]) == "fails"
    assert overall([]) == "undecided"


# How many more.


@given(kept=st.integers(0, 70), broken=st.integers(0, 3))
@settings(max_examples=40)
def test_the_trials_that_are_asked_for_settle_the_claim(kept: int, broken: int) -> None:
    claim = settled(Counts(kept=kept, broken=broken))
    if claim.verdict != "undecided" or claim.more_trials is None or claim.more_trials.if_none_broken is None:
        return
    more = claim.more_trials.if_none_broken
    assert settled(Counts(kept=kept + more, broken=broken)).verdict == "holds"
    assert settled(Counts(kept=kept + more - 1, broken=broken)).verdict == "undecided"


def test_a_bad_rate_asks_for_the_trials_that_show_it() -> None:
    claim = settled(Counts(kept=9, broken=1))
    assert claim.more_trials is not None
    assert claim.more_trials.toward == "fails"
    assert (claim.more_trials.at_present_rate or 0) > 0
    assert not claim.more_trials.fresh


def test_after_a_fixed_number_going_on_is_a_new_run() -> None:
    claim = settled(Counts(kept=40), "exact")
    assert claim.more_trials is not None
    assert claim.more_trials.fresh
    assert claim.more_trials.if_none_broken == 59


def test_no_number_of_trials_settles_a_rate_on_the_threshold() -> None:
    claim = settled(Counts(kept=38, broken=2))
    assert claim.more_trials is not None
    assert claim.more_trials.at_present_rate is None
    assert claim.more_trials.if_none_broken is not None


# Judges.


def test_bounds_on_a_judge_are_exact_and_one_sided() -> None:
    judge = judge_error("j", true_broken=90, false_kept=10, true_kept=100, false_broken=0, error=0.05)
    assert judge.sensitivity == 0.9
    assert judge.sensitivity_low == pytest.approx(0.836, abs=1e-3)
    assert judge.specificity_low == pytest.approx(0.9705, abs=1e-4)
    assert judge.specificity_high == 1.0


@given(rate=st.floats(0, 1), se=st.floats(0.55, 1), sp=st.floats(0.55, 1))
def test_correction_turns_the_judged_share_back(rate: float, se: float, sp: float) -> None:
    judge = JudgeError(
        judge="j", sensitivity=se, sensitivity_low=se, sensitivity_high=se,
        specificity=sp, specificity_low=sp, specificity_high=sp, error=0.01,
    )  # fmt: skip
    share = rate * se + (1 - rate) * (1 - sp)
    assert judge.corrected_point(share) == pytest.approx(rate, abs=1e-9)
    assert judge.corrected(share, share) == (pytest.approx(rate, abs=1e-9), pytest.approx(rate, abs=1e-9))
    assert judge.judged_below(rate) == pytest.approx(share)
    assert judge.judged_above(rate) == pytest.approx(share)


def test_a_judges_error_costs_trials() -> None:
    assert settled(Counts(kept=80)).verdict == "holds"
    assert settled(Counts(kept=80), judge=GOOD_JUDGE).verdict == "undecided"
    assert settled(Counts(kept=140), judge=GOOD_JUDGE).verdict == "holds"


def test_false_alarms_of_the_judge_are_not_taken_for_failures() -> None:
    """5 % judged broken by a judge that calls 5 % of what is kept broken: nothing is known to be broken."""
    alarmed = judge_error("alarmed", true_broken=500, false_kept=0, true_kept=950, false_broken=50, error=0.05 / 3)
    claim = settled(Counts(kept=1_900, broken=100), judge=alarmed, threshold=0.005)
    assert claim.verdict == "undecided"
    assert claim.point == pytest.approx(0, abs=1e-9)
    assert claim.low == 0.0
    assert settled(Counts(kept=1_900, broken=100), threshold=0.005).verdict == "fails"


def test_a_judge_that_tells_nothing_gives_no_number() -> None:
    claim = settled(Counts(kept=5_000), judge=BLIND_JUDGE)
    assert (claim.verdict, claim.point, claim.low, claim.high, claim.more_trials) == ("undecided", None, 0.0, 1.0, None)
    assert claim.reason == "the judge `blind` is not known to tell broken from kept: measure it on more labels"


def test_judges_must_leave_error_for_the_trials() -> None:
    greedy = judge_error("greedy", true_broken=50, false_kept=0, true_kept=50, false_broken=0, error=0.025)
    with pytest.raises(MisuseError, match="spend all of the error"):
        spec(judge=greedy)
    others = [judge_error(name, true_broken=9, false_kept=0, true_kept=9, false_broken=0, error=0.01) for name in "abc"]
    with pytest.raises(MisuseError, match="judges of this family"):
        settle([weigh(spec(clause=judge.judge, judge=judge), []) for judge in others])


def test_a_judge_without_labels_of_both_kinds_is_refused() -> None:
    with pytest.raises(MisuseError, match="labelled trials of both kinds"):
        judge_error("j", true_broken=0, false_kept=0, true_kept=5, false_broken=0, error=0.01)


def test_drawn_cases_take_one_trial_each() -> None:
    with pytest.raises(MisuseError, match="takes one trial of each"):
        weigh(spec(population="cases"), [Cluster(case="a", counts=Counts(kept=2))])
    with pytest.raises(MisuseError, match="`exact` or `anytime`"):
        weigh(spec(population="cases"), [Cluster(case="a", counts=Counts(kept=1))], method="betting")
