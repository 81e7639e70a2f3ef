"""What a number of trials can show, and how many more it takes. Plans stand on these figures; claims never do.

`exact` counts trials that are fixed first, `anytime` trials that may stop when the claim is settled. Wald's bound is what no
test that may stop can undercut on average.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Literal

from obverse.core.errors import MisuseError
from obverse.stats import betting, exact
from obverse.stats.estimates import Method

FAR = 10_000_000
"""More trials than this are not worth a number: the answer is None."""


def smallest_ruled_out(trials: int, *, confidence: float = 0.95, method: Method = "anytime") -> float | None:
    """The smallest rate that this many trials rule out if none is broken (one-sided); None if they rule out nothing."""
    bounds = exact if method == "exact" else betting
    bound = bounds.upper_bound(trials=trials, broken=0, error=exact.allowed_error(confidence))
    return bound if bound < 1 else None


def trials_needed(
    threshold: float, *, confidence: float = 0.95, method: Method = "anytime", rate: float = 0.0
) -> int | None:
    """How many trials show that the rate is below the threshold, if this share of them is broken; None: not within reach."""
    return more_trials(
        threshold, trials=0, broken=0, confidence=confidence, method=method, rate=rate, toward="below"
    )  # fmt: skip


def more_trials(
    threshold: float,
    *,
    trials: int,
    broken: int,
    toward: Literal["below", "above"],
    rate: float,
    confidence: float = 0.95,
    method: Method = "anytime",
) -> int | None:
    """How many further trials show that the rate is below (above) the threshold if `rate` of them is broken.

    None where that rate never shows it, or only after more than `FAR` trials. Not a promise: chance may need more.
    """
    exact.check_threshold(threshold)
    exact.check_counts(trials=trials, broken=broken)
    if not 0 <= rate <= 1:
        raise MisuseError(f"`{rate}` is no rate", code="N140")
    needed = -math.log(exact.allowed_error(confidence))

    def shows(further: int) -> bool:
        seen = broken + (math.ceil(rate * further) if toward == "below" else math.floor(rate * further))
        return weight(threshold, toward, method, trials=trials + further, broken=seen) >= needed

    return None if (rate >= threshold) == (toward == "below") else _first(shows)


def weight(threshold: float, toward: Literal["below", "above"], method: Method, *, trials: int, broken: int) -> float:
    """How much these trials say for "below" or "above", in nats: compare with `log(1 / error)`.

    Log-wealth for `anytime`; for `exact` minus the logarithm of the probability of such trials otherwise.
    """
    if method == "exact":
        tail = exact.p_below if toward == "below" else exact.p_above
        return -math.log(max(tail(threshold, trials=trials, broken=broken), 5e-324))
    evidence = betting.evidence_below if toward == "below" else betting.evidence_above
    return evidence(threshold, trials=trials, broken=broken)


def wald_bound(threshold: float, *, rate: float, confidence: float = 0.95, power: float = 1.0) -> float:
    """The mean number of trials that no sequential test of "rate = threshold" undercuts if the rate is `rate`.

    Wald, Ann. Math. Statist. 16 (1945): a test that errs with 1 - confidence and finds the truth with `power` has learnt
    kl(power, 1 - confidence), and one trial teaches kl(rate, threshold) on average.
    """
    return divergence(power, exact.allowed_error(confidence)) / divergence(rate, threshold)


def divergence(one: float, other: float) -> float:
    """Kullback–Leibler divergence of two Bernoulli rates, in nats."""
    exact.check_threshold(other)
    terms = ((one, other), (1 - one, 1 - other))
    return math.fsum(p * math.log(p / q) for p, q in terms if p > 0)


def _first(shows: Callable[[int], bool]) -> int | None:
    """The smallest number that shows it, if showing were monotone; whole trials make it so but for a few."""
    if shows(0):
        return 0
    too_few, enough = 0, 1
    while not shows(enough):
        too_few, enough = enough, 2 * enough
        if too_few > FAR:
            return None
    while enough - too_few > 1:
        middle = (too_few + enough) // 2
        too_few, enough = (too_few, middle) if shows(middle) else (middle, enough)
    return enough
