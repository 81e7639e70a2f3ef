"""L10 and L11: intervals hold whenever one stops, and what was not scored never counts as kept.

Coverage is computed, not simulated: the distribution of (trials, broken) is carried forward exactly, block by block, and
whatever crosses a bound is taken out. Three tables that need no code of ours serve as reference: the coverage of
Clopper–Pearson by enumeration, what zero failures say, and what becomes of an exact bound that is looked at repeatedly.
"""

from __future__ import annotations

import math
import random
from collections.abc import Callable, Sequence

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats as scipy_stats

from obverse.core.verdicts import Outcome, Side
from obverse.stats import betting, exact
from obverse.stats.claims import ClaimSpec, settle, verdicts, weigh
from obverse.stats.counts import Cluster, Counts
from obverse.stats.estimates import Estimate, NoEstimate, describe, estimate
from obverse.stats.schedule import Schedule
from obverse.stats.sequential import SequentialClaim

ENOUGH = math.log(1 / 0.05)
SUITES = {
    "all alike": [0.1] * 10,
    "half never, half twice as often": [0.0] * 5 + [0.2] * 5,
    "one always, nine never": [1.0] + [0.0] * 9,
    "one always, the rest now and then": [1.0] + [0.02] * 9,
    "spread wide": [0.0, 0.0, 0.001, 0.01, 0.05, 0.1, 0.2, 0.4, 0.7, 0.95],
    "a coin beside a certainty": [0.5, 1.0],
    "nearly never": [0.0] * 19 + [0.02],
}
by_suite = pytest.mark.parametrize("rates", SUITES.values(), ids=SUITES)
counts = st.builds(
    Counts,
    kept=st.integers(0, 300), broken=st.integers(0, 300), unscored=st.integers(0, 60), error=st.integers(0, 60),
)  # fmt: skip


def block_pmf(rates: Sequence[float], size: int | None = None) -> np.ndarray:
    """How many of a block are broken: of all cases, or of a set of `size` of them, every set being equally likely."""
    size = size or len(rates)
    table = np.zeros((size + 1, size + 1))  # (cases in the set, broken) → sum over sets
    table[0, 0] = 1
    for rate in rates:
        for members in range(size, 0, -1):
            table[members] += (1 - rate) * table[members - 1]
            table[members, 1:] += rate * table[members - 1, :-1]
    return table[size] / math.comb(len(rates), size)


def crossing(pmf: np.ndarray, looks: int, is_out: Callable[[int, int], bool]) -> float:
    """The exact probability that (trials, broken) is out at one of the looks, one after each block."""
    size = len(pmf) - 1
    alive, crossed = np.ones(1), 0.0
    for look in range(1, looks + 1):
        alive = np.convolve(alive, pmf)
        out = np.array([mass > 1e-15 and is_out(size * look, broken) for broken, mass in enumerate(alive)])
        crossed += alive[out].sum()
        alive[out] = 0
    return float(crossed)


def spec(clause: str = "c", **changes: object) -> ClaimSpec:
    given = {"clause": clause, "side": Side.VIOLATION, "threshold": 0.1, "attacker": "plain", "mode": "step"} | changes
    return ClaimSpec(**given)  # type: ignore[arg-type]  # a table of fields


# The three references.


def test_reference_exact_coverage_of_clopper_pearson_and_of_wilson() -> None:
    """Coverage over all outcomes of Binomial(n, p), two-sided 95 %."""
    table = {(50, 0.01): 0.986, (50, 0.05): 0.988, (100, 0.02): 0.985, (300, 0.005): 0.982, (300, 0.05): 0.967}
    wilson = {(50, 0.01): 0.911, (100, 0.005): 0.910, (300, 0.02): 0.942}

    def covered(n: int, p: float, interval: Callable[[int], tuple[float, float]]) -> float:
        mass = scipy_stats.binom.pmf(np.arange(n + 1), n, p)
        return sum(mass[k] for k in range(n + 1) if interval(k)[0] <= p <= interval(k)[1])

    def by_wilson(k: int, n: int) -> tuple[float, float]:
        found = scipy_stats.binomtest(k, n).proportion_ci(0.95, method="wilson")
        return found.low, found.high

    for (n, p), wanted in table.items():
        found = covered(
            n, p, lambda k, n=n: (exact.lower_bound(trials=n, broken=k, error=0.025),
                                  exact.upper_bound(trials=n, broken=k, error=0.025)),
        )  # fmt: skip
        assert found == pytest.approx(wanted, abs=6e-4)
    for (n, p), wanted in wilson.items():
        assert covered(n, p, lambda k, n=n: by_wilson(k, n)) == pytest.approx(wanted, abs=6e-4)


def test_reference_what_zero_failures_say() -> None:
    for n, wanted in {10: 25.9, 20: 13.9, 50: 5.8, 100: 3.0, 300: 0.99, 1_000: 0.30, 3_000: 0.10}.items():
        assert 100 * exact.upper_bound(trials=n, broken=0, error=0.05) == pytest.approx(wanted, rel=0.02)
    for n, below in {59: 0.05, 149: 0.02, 299: 0.01, 598: 0.005, 2_995: 0.001}.items():
        assert exact.upper_bound(trials=n, broken=0, error=0.05) <= below
        assert exact.upper_bound(trials=n - 1, broken=0, error=0.05) > below
    for n, below in {90: 0.05, 228: 0.02, 459: 0.01, 919: 0.005, 4_603: 0.001}.items():
        assert (
            exact.upper_bound(trials=n, broken=0, error=0.01)
            <= below
            < exact.upper_bound(trials=n - 1, broken=0, error=0.01)
        )


def test_reference_an_exact_bound_that_is_peeked_at_is_wrong() -> None:
    """True rate 2 %, claim "below 2 %", the exact one-sided 95 % bound looked at after every trial."""
    least = {}

    def is_out(n: int, k: int) -> bool:
        # so few broken that "below 2 %" is claimed; the critical number only grows with n
        while exact.p_below(0.02, trials=n, broken=least.get("k", -1) + 1) <= 0.05:
            least["k"] = least.get("k", -1) + 1
        return k <= least.get("k", -1)

    pmf = np.array([0.98, 0.02])
    for looks, wanted in {150: 0.049, 300: 0.075, 500: 0.118, 1_000: 0.169}.items():
        least.clear()
        assert crossing(pmf, looks, is_out) == pytest.approx(wanted, abs=6e-4)


# L10: intervals hold under optional stopping.


@by_suite
@pytest.mark.parametrize("size", [None, 1, 3], ids=["whole rounds", "single trials", "blocks of three"])
def test_L10_no_user_who_stops_at_will_sees_a_bound_that_is_wrong_too_often(
    rates: Sequence[float], size: int | None
) -> None:
    """The user stops as soon as the bound is wrong, the worst that a user can do; every block size, cases unlike each other."""
    pmf, true = block_pmf(rates, min(size, len(rates)) if size else None), float(np.mean(rates))
    looks = 400 // (len(pmf) - 1)
    too_low = crossing(pmf, looks, lambda n, k: betting.evidence_below(true, trials=n, broken=k) >= ENOUGH)
    too_high = crossing(pmf, looks, lambda n, k: betting.evidence_above(true, trials=n, broken=k) >= ENOUGH)
    assert too_low <= 0.05
    assert too_high <= 0.05


@by_suite
def test_L10_wealth_does_not_grow_on_average_when_the_hypothesis_is_true(rates: Sequence[float]) -> None:
    """The supermartingale itself, block by block: E[wealth] after it is at most what it was, for each past."""
    true = float(np.mean(rates))
    for size in (len(rates), max(1, len(rates) // 3), 1):
        pmf = block_pmf(rates, size)
        for trials, broken in [(0, 0), (7, 0), (40, 1), (40, 9), (100, 50)]:
            for evidence in (betting.evidence_below, betting.evidence_above):
                before = evidence(true, trials=trials, broken=broken)
                after = [evidence(true, trials=trials + size, broken=broken + k) for k in range(size + 1)]
                assert pmf @ np.exp(np.array(after) - before) <= 1 + 1e-9


@by_suite
def test_L10_a_fixed_number_of_blocks_is_covered_by_clopper_pearson(rates: Sequence[float]) -> None:
    """Hoeffding (1956): unlike cases are less dispersed than binomial, so each tail is within its error."""
    for size in (len(rates), 1):
        pmf, true = block_pmf(rates, size), float(np.mean(rates))
        for looks in (1, 4, 12):
            total = np.ones(1)
            for _ in range(looks):
                total = np.convolve(total, pmf)
            n = size * looks
            low = [exact.lower_bound(trials=n, broken=k, error=0.05) for k in range(n + 1)]
            high = [exact.upper_bound(trials=n, broken=k, error=0.05) for k in range(n + 1)]
            # at the very ends, by less than 1.3 in a thousand; docs/design/stats.md
            slack = 0.0 if 1 - 0.95 ** (1 / n) <= true <= 0.95 ** (1 / n) else -math.log(0.95) - 0.05
            assert total[np.array(high) < true].sum() <= 0.05 + slack + 1e-12
            assert total[np.array(low) > true].sum() <= 0.05 + slack + 1e-12


def test_L10_the_whole_way_from_schedule_to_verdict_is_rarely_wrong() -> None:
    """The shipped objects, unlike cases, true rate on the threshold's wrong side; the user stops at any verdict."""
    rates = {f"case {i}": rate for i, rate in enumerate([0.0] * 8 + [0.5, 0.5])}
    wrong, runs = 0, 400
    for seed in range(runs):
        chance = random.Random(seed)
        schedule = Schedule(cases=tuple(rates), seed=seed, look=5)
        claim = SequentialClaim(spec(threshold=0.0999), schedule)
        for block, case in schedule:
            claim.observe(block, Outcome.BROKEN if chance.random() < rates[case] else Outcome.KEPT)
            if claim.evidence.below >= ENOUGH:
                wrong += 1
                break
            if block > 60:
                break
    # 400 runs of at most 5 %: more than 31 would happen less than once in a hundred times
    assert wrong <= 31


@pytest.mark.slow
def test_L10_a_family_that_stops_claim_by_claim_is_rarely_wrong() -> None:
    """Six claims a little above their threshold, each stopped when Holm settles it: any false "holds" is a fault."""
    rates = {f"case {i}": rate for i, rate in enumerate([0.0] * 5 + [0.2] * 3 + [0.25, 0.25])}
    specs = [spec(clause=str(number), threshold=0.109) for number in range(6)]
    wrong, runs = 0, 250
    for seed in range(runs):
        chance = random.Random(seed)
        family = [SequentialClaim(one, Schedule(cases=tuple(rates), seed=seed, look=5)) for one in specs]
        for block in range(60):
            found = verdicts(specs, [claim.evidence for claim in family])
            if any(verdict == "holds" for verdict, _ in found):
                wrong += 1
                break
            for claim, (verdict, _) in zip(family, found):
                if verdict == "undecided" and claim.blocks == block:
                    for case in claim.schedule.block(block):
                        claim.observe(block, Outcome.BROKEN if chance.random() < rates[case] else Outcome.KEPT)
    # 250 runs of at most 5 %: more than 21 would happen less than once in a hundred times
    assert wrong <= 21


@given(counts=counts)
def test_L10_no_data_gives_no_estimate_and_none_goes_without_its_interval(counts: Counts) -> None:
    found = estimate([Cluster(case="a", counts=counts)], method="anytime")
    if not counts.scored:
        assert isinstance(found, NoEstimate)
        assert found.reason
        return
    assert isinstance(found, Estimate)
    assert (found.point is None) == (counts.scored == 1), "a single trial never stands as a point"
    assert 0 <= found.interval.low < found.interval.high <= 1
    assert found.point is None or found.interval.low <= found.point <= found.interval.high


@given(kept=st.integers(1, 10**7), method=st.sampled_from(["exact", "anytime"]))
def test_L10_zero_failures_never_print_zero_alone(kept: int, method: str) -> None:
    text = describe(estimate([Cluster(case="a", counts=Counts(kept=kept))], method=method))  # type: ignore[arg-type]  # of the list
    assert text.startswith("below ")
    assert f"(95 %, 0 of {kept})" in text
    assert "below 0 %" not in text
    assert "below 0.0 %" not in text


def test_L10_the_oracle_finds_a_bound_that_is_wrong() -> None:
    """The same computation, given the exact bound for a fixed number: it must not pass."""
    pmf = np.array([0.95, 0.05])
    assert crossing(pmf, 400, lambda n, k: exact.p_below(0.05, trials=n, broken=k) <= 0.05) > 0.08


def test_L10_looking_inside_a_block_would_not_be_valid() -> None:
    """Why evidence waits for the whole block: of two cases, never and always broken, stop if the broken one comes first."""
    kept_first = math.exp(betting.evidence_above(0.5, trials=2, broken=1))
    broken_first = math.exp(betting.evidence_above(0.5, trials=1, broken=1))
    assert 0.5 * broken_first + 0.5 * kept_first > 1


def test_L10_no_data_settles_nothing() -> None:
    (claim,) = settle([weigh(spec(), [])])
    assert (claim.verdict, claim.point, claim.low, claim.high) == ("undecided", None, None, None)


# L11: what was not scored counts against either verdict.


@given(counts=counts, method=st.sampled_from(["exact", "anytime"]), share=st.floats(0, 1))
def test_L11_the_interval_covers_whatever_the_missing_trials_were(counts: Counts, method: str, share: float) -> None:
    found = estimate([Cluster(case="a", counts=counts)], method=method)  # type: ignore[arg-type]  # one of the list
    if isinstance(found, NoEstimate):
        return
    broken_among_missing = round(share * counts.missing)
    known = Counts(
        kept=counts.trials - counts.broken - broken_among_missing, broken=counts.broken + broken_among_missing
    )
    truth = estimate([Cluster(case="a", counts=known)], method=method)  # type: ignore[arg-type]  # one of the list
    assert isinstance(truth, Estimate)
    assert found.interval.low <= truth.interval.low
    assert truth.interval.high <= found.interval.high
    assert found.worst_low <= known.broken / known.trials <= found.worst_high


@given(counts=counts, method=st.sampled_from(["exact", "anytime"]))
def test_L11_a_missing_trial_never_helps_a_claim(counts: Counts, method: str) -> None:
    """Each unscored or failed trial replaced by a kept one can only make "holds" easier, by a broken one only "fails"."""
    as_it_is = weigh(spec(), [Cluster(case="a", counts=counts)], method=method)  # type: ignore[arg-type]  # one of the list
    kept = Counts(kept=counts.kept + counts.missing, broken=counts.broken)
    broken = Counts(kept=counts.kept, broken=counts.broken + counts.missing)
    assert as_it_is.below <= weigh(spec(), [Cluster(case="a", counts=kept)], method=method).below  # type: ignore[arg-type]  # same
    assert as_it_is.above <= weigh(spec(), [Cluster(case="a", counts=broken)], method=method).above  # type: ignore[arg-type]  # same


def test_L11_a_run_of_nothing_but_errors_is_not_a_run_without_failures() -> None:
    (claim,) = settle([weigh(spec(), [Cluster(case="a", counts=Counts(error=500))])])
    assert claim.verdict == "undecided"
    assert claim.point is None
    assert claim.reason == "none of 500 trials was scored (0 unscored, 500 errors)"


def test_L11_errors_that_might_be_failures_keep_a_claim_open() -> None:
    clean, faulty = Counts(kept=200), Counts(kept=200, error=40)
    (held,) = settle([weigh(spec(), [Cluster(case="a", counts=clean)])])
    (open_,) = settle([weigh(spec(), [Cluster(case="a", counts=faulty)])])
    assert held.verdict == "holds"
    assert open_.verdict == "undecided"
    assert open_.reason.startswith("40 of 240 trials are not scored")
    assert open_.worst_high == pytest.approx(40 / 240)
