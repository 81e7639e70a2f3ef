"""Evidence about a rate that holds whenever one stops looking: a mixture of constant bets.

Against "the rate is at least t" a gambler stakes a share on each trial being kept; against "at most t", on its being broken.
If the hypothesis is true, no stake makes money on average, so by Ville's inequality (1939) the chance that wealth ever
reaches 1/error is at most `error`. Wealth is spread over fixed stakes at the start (the diversified Kelly bets of
Waudby-Smith and Ramdas, JRSS B 86, 2024; after Robbins, Ann. Math. Statist. 41, 1970), which makes it

- a function of (trials, broken) alone: the order inside a block does not matter, and two integers are the whole state;
- valid for blocks whose cases differ in rate: with the stake fixed, the expected product over a block is a product of
  means, at most the power of their mean (proof in `docs/design/stats.md`);
- monotone in the threshold, so that the thresholds not yet refuted form one interval.

Evidence is the natural logarithm of wealth: reject at `log(1 / error)`. Not for a number of trials that was fixed first,
where `exact` is a little sharper. Law L10.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import lru_cache
from typing import Final, NamedTuple

from obverse.core.errors import MisuseError
from obverse.stats.exact import check_counts, check_error, check_threshold


class _Stake(NamedTuple):
    """One constant bet, with the logarithm of the share of wealth that is put on it."""

    log_share: float
    size: float


def _bold() -> tuple[_Stake, ...]:
    """What is left of wealth after one broken trial, from nothing (v = 0) to nearly all (v = 1).

    Dense at nothing: most claims are made about rates far below the threshold, and the fewest trials without a failure
    come from betting nearly everything. The timid end serves long runs close to the threshold.
    """
    power, many = 0.3, 40
    common = [((j + 0.5) / many) ** (1 / power) for j in range(many)]
    timid = [1 - 0.024 * 0.6**j for j in range(6)]
    return (
        *(_Stake(math.log(0.96 / many), size) for size in common),
        *(_Stake(math.log(0.04 / len(timid)), size) for size in timid),
    )


def _wary() -> tuple[_Stake, ...]:
    """What is lost on one kept trial, from nearly all down to a trace; smaller losses get less wealth."""
    sizes = [0.97 * 0.8**j for j in range(36)]
    weights = [size**0.2 for size in sizes]
    return tuple(_Stake(math.log(weight / sum(weights)), size) for size, weight in zip(sizes, weights))


_FOR_BELOW: Final = _bold()
_FOR_ABOVE: Final = _wary()


def evidence_below(threshold: float, *, trials: int, broken: int) -> float:
    """Log-wealth of betting against "the rate is at least the threshold". Large: the rate is below it."""
    check_threshold(threshold)
    check_counts(trials=trials, broken=broken)
    return _wealth(_known_bets_below(threshold), trials, broken)


def evidence_above(threshold: float, *, trials: int, broken: int) -> float:
    """Log-wealth of betting against "the rate is at most the threshold". Large: the rate is above it."""
    check_threshold(threshold)
    check_counts(trials=trials, broken=broken)
    return _wealth(_known_bets_above(threshold), trials, broken)


def upper_bound(*, trials: int, broken: int, error: float) -> float:
    """The smallest rate that is refuted from above; over all looks together it is wrong with probability `error` at most."""
    check_counts(trials=trials, broken=broken)
    check_error(error)
    if broken == trials:
        return 1.0
    return _edge(lambda rate: _wealth(_bets_below(rate), trials, broken), math.log(1 / error), rising=True)


def lower_bound(*, trials: int, broken: int, error: float) -> float:
    """The largest rate that is refuted from below; over all looks together it is wrong with probability `error` at most."""
    check_counts(trials=trials, broken=broken)
    check_error(error)
    if broken == 0:
        return 0.0
    return _edge(lambda rate: _wealth(_bets_above(rate), trials, broken), math.log(1 / error), rising=False)


def mean_evidence_below(threshold: float, values: Iterable[float]) -> float:
    """The same for independent observations in [0, 1] of one mean, such as the rates of cases that were drawn."""
    check_threshold(threshold)
    return _mean_wealth_below(threshold, _grouped(values))


def mean_evidence_above(threshold: float, values: Iterable[float]) -> float:
    """The same for independent observations in [0, 1] of one mean, such as the rates of cases that were drawn."""
    check_threshold(threshold)
    return _mean_wealth_above(threshold, _grouped(values))


def mean_upper_bound(values: Iterable[float], *, error: float) -> float:
    """An upper bound on the mean of which these are independent observations in [0, 1]; 1.0 without any."""
    check_error(error)
    seen = _grouped(values)
    if not seen or min(seen) == 1:
        return 1.0
    return _edge(lambda mean: _mean_wealth_below(mean, seen), math.log(1 / error), rising=True)


def mean_lower_bound(values: Iterable[float], *, error: float) -> float:
    """A lower bound on the mean of which these are independent observations in [0, 1]; 0.0 without any."""
    check_error(error)
    seen = _grouped(values)
    if not seen or max(seen) == 0:
        return 0.0
    return _edge(lambda mean: _mean_wealth_above(mean, seen), math.log(1 / error), rising=False)


def _grouped(values: Iterable[float]) -> Counter[float]:
    """How often each value came: cases have few distinct rates, and order does not matter."""
    seen = Counter(values)
    wrong = [value for value in seen if not 0 <= value <= 1]
    if wrong:
        raise MisuseError(f"the observation `{wrong[0]}` is not between 0 and 1", code="N106")
    return seen


def _mean_wealth_below(threshold: float, seen: Mapping[float, int]) -> float:
    # the bounded bet 1 + λ(t - x), with λ such that x = 1 leaves v, as in `_bets_below`
    return _mixed([
        share + sum(many * math.log1p((1 - left) / (1 - threshold) * (threshold - x)) for x, many in seen.items())
        for share, left in _FOR_BELOW
    ])  # fmt: skip


def _mean_wealth_above(threshold: float, seen: Mapping[float, int]) -> float:
    # the bounded bet 1 + λ(x - t), with λ such that x = 0 costs c, as in `_bets_above`
    return _mixed([
        share + sum(many * math.log1p(cost / threshold * (x - threshold)) for x, many in seen.items())
        for share, cost in _FOR_ABOVE
    ])  # fmt: skip


class _Bet(NamedTuple):
    """What a stake makes of wealth against one threshold, in logarithms."""

    log_share: float
    when_kept: float
    when_broken: float


def _bets_below(threshold: float) -> list[_Bet]:
    # a broken trial leaves v, a kept one gives (1 - t·v)/(1 - t): on average 1 at rate t, less above it
    return [
        _Bet(share, math.log((1 - threshold * left) / (1 - threshold)), math.log(left)) for share, left in _FOR_BELOW
    ]


def _bets_above(threshold: float) -> list[_Bet]:
    # a kept trial costs c, a broken one gives 1 - c + c/t: on average 1 at rate t, less below it
    return [_Bet(share, math.log1p(-cost), math.log1p(cost / threshold - cost)) for share, cost in _FOR_ABOVE]


_known_bets_below = lru_cache(maxsize=1024)(_bets_below)
_known_bets_above = lru_cache(maxsize=1024)(_bets_above)


def _wealth(bets: Sequence[_Bet], trials: int, broken: int) -> float:
    kept = trials - broken
    return _mixed([share + kept * when_kept + broken * when_broken for share, when_kept, when_broken in bets])


def _mixed(logs: list[float]) -> float:
    """Log of the sum of exponentials."""
    top = max(logs)
    return top + math.log(sum([math.exp(log - top) for log in logs]))


def _edge(evidence: Callable[[float], float], needed: float, *, rising: bool) -> float:
    """Where monotone evidence reaches what is needed; of the last two candidates the refuted one, so never too narrow."""
    inside, refuted = (0.0, 1.0) if rising else (1.0, 0.0)
    while abs(refuted - inside) > 1e-10 * max(refuted, 1e-6):
        middle = (inside + refuted) / 2
        if not 0 < middle < 1:
            break
        if evidence(middle) >= needed:
            refuted = middle
        else:
            inside = middle
    return refuted
