"""`estimate`: the one calculator of rates, and `describe`, which words them.

A rate never goes alone. It comes with n, method, seed and an interval; without data there is none (L10); and the interval
covers whatever the unscored and failed trials may have been (L11): its lower end takes them as kept, its upper end as
broken. `scored` is the narrower interval for readers who hold that what is missing is like what was seen.

Estimands. `suite`: the mean over these cases of the chance that a fresh trial is broken; trials follow a `Schedule`.
`cases`: the same mean over the population that the cases were drawn from, independently; then the case is the unit, and only
`betting` takes more than one trial of it.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Literal, TypeAlias

import msgspec

from obverse.core.errors import MisuseError
from obverse.stats import betting, exact
from obverse.stats.counts import Cluster, Counts, together

Method: TypeAlias = Literal["exact", "anytime", "betting"]
"""Clopper–Pearson for a fixed number of trials; a mixture of bets for any stopping; the same on the rates of drawn cases."""

Population: TypeAlias = Literal["suite", "cases"]
Ends: TypeAlias = Literal["both", "each"]
"""Whether both ends of an interval hold together with its confidence, or each end alone, as one-sided bounds."""


class Interval(msgspec.Struct, frozen=True, kw_only=True):
    """A range that holds the rate with this confidence; `ends` says whether together or each."""

    low: float
    high: float
    confidence: float
    ends: Ends
    method: Method

    def __post_init__(self) -> None:
        if not 0 <= self.low <= self.high <= 1:
            raise MisuseError(f"no interval from `{self.low}` to `{self.high}`", code="N120")

    @property
    def error(self) -> float:
        """How often each end may be wrong."""
        return end_error(self.confidence, self.ends)


class Estimate(msgspec.Struct, frozen=True, kw_only=True, tag="estimate"):
    """A rate of broken trials with all that it may not go without.

    `point` is broken/scored; None for a single trial, which never stands as a point. `worst_low` and `worst_high` are what
    the point would be if all that is missing were kept, or broken.
    """

    counts: Counts
    cases: int
    population: Population
    point: float | None
    interval: Interval
    scored: Interval
    worst_low: float
    worst_high: float
    method: Method
    seed: int | None

    @property
    def n(self) -> int:
        """The number of scored trials."""
        return self.counts.scored


class NoEstimate(msgspec.Struct, frozen=True, kw_only=True, tag="none"):
    """Nothing was scored: no number, and why."""

    counts: Counts
    reason: str


def estimate(
    clusters: Sequence[Cluster],
    *,
    confidence: float = 0.95,
    method: Method = "exact",
    population: Population = "suite",
    ends: Ends = "both",
    seed: int | None = None,
) -> Estimate | NoEstimate:
    """The rate of broken trials over these cases with its interval, or why there is none.

    Raises:
        MisuseError: for a confidence below 0.75, a case that comes twice, or a method that does not fit: `exact` and
            `anytime` take trials for independent, which several trials of a case that was drawn are not; `betting` is
            for drawn cases only.
    """
    counts = together(clusters)
    tried = [cluster for cluster in clusters if cluster.counts.trials]
    _check_method(tried, method, population)
    if method != "betting":
        return estimate_counts(
            counts, cases=len(tried), population=population, confidence=confidence, ends=ends, method=method, seed=seed
        )
    error = end_error(confidence, ends)
    whole, seen = _of_case_rates(tried, error)
    return _assemble(
        counts, cases=len(tried), population=population, whole=whole, seen=seen,
        confidence=confidence, ends=ends, method=method, seed=seed,
    )  # fmt: skip


def estimate_counts(
    counts: Counts,
    *,
    cases: int,
    population: Population,
    confidence: float,
    ends: Ends,
    method: Method,
    seed: int | None,
) -> Estimate | NoEstimate:
    """The same for trials that are independent, given only how many ended how: whole blocks, or one trial a case."""
    bounds = exact if method == "exact" else betting
    error = end_error(confidence, ends)
    whole = (
        bounds.lower_bound(trials=counts.trials, broken=counts.broken, error=error),
        bounds.upper_bound(trials=counts.trials, broken=counts.at_worst, error=error),
    )
    if counts.missing:
        seen = (
            bounds.lower_bound(trials=counts.scored, broken=counts.broken, error=error),
            bounds.upper_bound(trials=counts.scored, broken=counts.broken, error=error),
        )
    else:
        seen = whole
    return _assemble(
        counts, cases=cases, population=population, whole=whole, seen=seen,
        confidence=confidence, ends=ends, method=method, seed=seed,
    )  # fmt: skip


def _assemble(
    counts: Counts,
    *,
    cases: int,
    population: Population,
    whole: tuple[float, float],
    seen: tuple[float, float],
    confidence: float,
    ends: Ends,
    method: Method,
    seed: int | None,
) -> Estimate | NoEstimate:
    if not counts.scored:
        return NoEstimate(counts=counts, reason=_nothing_scored(counts))
    return Estimate(
        counts=counts,
        cases=cases,
        population=population,
        point=counts.broken / counts.scored if counts.scored > 1 else None,
        interval=Interval(low=whole[0], high=whole[1], confidence=confidence, ends=ends, method=method),
        scored=Interval(low=seen[0], high=seen[1], confidence=confidence, ends=ends, method=method),
        worst_low=counts.broken / counts.trials,
        worst_high=counts.at_worst / counts.trials,
        method=method,
        seed=seed,
    )


def describe(found: Estimate | NoEstimate) -> str:
    """One line for people: `below 3.0 % (95 %, 0 of 100)`; without a failure never a bare "0 %" (L10)."""
    if isinstance(found, NoEstimate):
        return f"no estimate: {found.reason}"
    interval, counts = found.interval, found.counts
    basis = f"({interval.confidence * 100:g} %, {counts.broken} of {counts.scored})"
    if counts.broken == 0:
        said = f"below {percent(interval.high, up=True)} {basis}"
    elif found.point is None or counts.broken == counts.scored:
        said = f"above {percent(interval.low, up=False)} {basis}"
    else:
        span = f"{percent(interval.low, up=False)} to {percent(interval.high, up=True)}"
        said = f"{percent(found.point)}, {span} {basis}"
    if counts.missing:
        at_worst = f"{percent(found.worst_low, up=False)} to {percent(found.worst_high, up=True)}"
        said += f"; {counts.missing} not scored, so {at_worst} seen at worst"
    return said


def percent(rate: float, *, up: bool | None = None) -> str:
    """The rate in per cent with two digits that count: rounded up or down where it is a bound, else to the nearest."""
    value = rate * 100
    if value in {0, 100}:
        return f"{value:.0f} %"
    # near 100 % it is the distance from 100 that needs its digits
    digits = max(0, 1 - math.floor(math.log10(min(value, 100 - value) if value > 99 else value)))
    scale = 10**digits
    steps = value * scale
    # a bound that is a whole step up to rounding errors stays where it is
    whole = round(steps) if abs(steps - round(steps)) < 1e-9 * steps else None
    rounded = round(steps) if up is None else whole if whole is not None else (math.ceil if up else math.floor)(steps)
    return f"{rounded / scale:.{digits}f} %"


def end_error(confidence: float, ends: Ends) -> float:
    """How often one end of an interval may be wrong.

    Raises:
        MisuseError: for a confidence that is not between 0.75 and 1.
    """
    return exact.allowed_error(confidence) / (2 if ends == "both" else 1)


def _of_case_rates(clusters: Sequence[Cluster], error: float) -> tuple[tuple[float, float], tuple[float, float]]:
    low = [cluster.counts.broken / cluster.counts.trials for cluster in clusters]
    high = [cluster.counts.at_worst / cluster.counts.trials for cluster in clusters]
    seen = [cluster.counts.broken / cluster.counts.scored for cluster in clusters if cluster.counts.scored]
    whole = (betting.mean_lower_bound(low, error=error), betting.mean_upper_bound(high, error=error))
    if low == high:
        return whole, whole
    return whole, (betting.mean_lower_bound(seen, error=error), betting.mean_upper_bound(seen, error=error))


def _check_method(clusters: Sequence[Cluster], method: Method, population: Population) -> None:
    if population == "cases" and method != "betting" and any(cluster.counts.trials > 1 for cluster in clusters):
        raise MisuseError(
            f"`{method}` takes trials for independent, but trials of one drawn case are not", code="N121",
            hint="use method `betting`, which takes the case as the unit, or one trial per case",
        )  # fmt: skip
    if population == "suite" and method == "betting":
        raise MisuseError(
            "`betting` on the rates of cases is for cases that were drawn", code="N122",
            hint="a fixed suite is measured by `exact` or `anytime`",
        )  # fmt: skip


def _nothing_scored(counts: Counts) -> str:
    if not counts.trials:
        return "no trials"
    return f"none of {counts.trials} trials was scored ({counts.unscored} unscored, {counts.error} errors)"
