"""Do claims hold, and what do they cost? Coverage, trials needed, speed.

    python benchmarks/claims.py        prints the tables and writes benchmarks/results/claims.json (about two minutes)

Coverage is computed, not simulated: the distribution of (trials, broken) goes forward exactly, block by block, and what
leaves the interval is taken out, as a user would who looks after every block and stops at the first interval that is wrong.
No stopping rule can do worse. One column is also simulated through the shipped objects, as a check of the computation.
"""

from __future__ import annotations

import json
import math
import os
import platform
import random
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import scipy

from obverse import __version__
from obverse.core.verdicts import Outcome, Side
from obverse.stats import betting, exact
from obverse.stats.claims import ClaimSpec, verdicts
from obverse.stats.power import wald_bound
from obverse.stats.schedule import Schedule
from obverse.stats.sequential import SequentialClaim

RESULT = Path(__file__).with_name("results") / "claims.json"
CONFIDENCE = 0.95
SEED = 20261121
LOOK = 20
RATES = (0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5)
THRESHOLDS = (0.01, 0.05, 0.1)
SHARES = (0.0, 0.1, 0.25, 0.5, 2.0, 4.0)
"""True rates for the cost of a claim, in units of its threshold."""

Tail = Callable[[float, int, int], float]
"""(rate, trials, broken) → how strongly these trials speak against the rate, in nats."""


def suites(rate: float) -> Iterator[tuple[str, list[float]]]:
    """Suites of this rate whose cases are ever less alike."""
    yield "cases alike", [rate] * LOOK
    yield "half never broken", [0.0] * (LOOK // 2) + [2 * rate] * (LOOK // 2)
    wide = np.array([(i + 0.5) / LOOK for i in range(LOOK)]) ** 6
    spread = wide * rate / wide.mean()
    yield "spread wide", list(spread) if spread.max() <= 1 else [0.02 * rate] * 10 + [1.98 * rate] * 10
    many = max(LOOK, round(1 / rate))
    yield "few always, the others never", [1.0] * round(rate * many) + [0.0] * (many - round(rate * many))


def block_pmf(rates: Sequence[float], size: int) -> np.ndarray:
    """How many of a block are broken, the block being any `size` of these cases with equal chance."""
    table = np.zeros((size + 1, size + 1))
    table[0, 0] = 1
    for seen, rate in enumerate(rates, start=1):
        # the table holds chances, not numbers of sets, so that a thousand cases do not overflow
        members = np.arange(1, size + 1)
        taken = np.minimum(members / seen, 1)[:, None]
        added = (1 - rate) * table[:-1] + rate * np.pad(table[:-1, :-1], ((0, 0), (1, 0)))
        table[1:] = _sets(seen, members) * table[1:] + taken * added
    return table[size]


def _sets(seen: int, members: np.ndarray) -> np.ndarray:
    """Of the sets of so many members among the cases seen, the share that leaves out the newest."""
    return np.maximum(1 - members / seen, 0)[:, None]


class Edges:
    """Which numbers broken are out, look by look: few speak against the rate from above, many from below."""

    def __init__(self, rate: float, below: Tail, above: Tail, *, error: float) -> None:
        self._rate, self._below, self._above = rate, below, above
        self._enough = math.log(1 / error)
        self._few, self._many = -1, 0

    def at(self, trials: int) -> tuple[int, int]:
        """Out are at most the first number, and at least the second; both only grow with the trials."""
        while self._few < trials and self._below(self._rate, trials, self._few + 1) >= self._enough:
            self._few += 1
        while self._many <= trials and self._above(self._rate, trials, self._many) < self._enough:
            self._many += 1
        return self._few, self._many


def walk(first: np.ndarray, later: np.ndarray, horizon: int, edges: Edges) -> Iterator[tuple[int, float, float]]:
    """(trials, newly out for having few broken, newly out for having many) after each block, exactly."""
    alive, trials, offset = first, len(first) - 1, 0
    while trials <= horizon:
        few, many = edges.at(trials)
        cut_low, cut_high = max(0, few + 1 - offset), max(0, many - offset)
        out_low, out_high = float(alive[:cut_low].sum()), float(alive[max(cut_low, cut_high) :].sum())
        alive = alive[cut_low : max(cut_low, cut_high)]
        offset += cut_low
        yield trials, out_low, out_high
        if not alive.size or alive.sum() < 1e-12:
            return
        alive = np.convolve(alive, later)
        trials += len(later) - 1


def anytime_below(rate: float, trials: int, broken: int) -> float:
    return betting.evidence_below(rate, trials=trials, broken=broken)


def anytime_above(rate: float, trials: int, broken: int) -> float:
    return betting.evidence_above(rate, trials=trials, broken=broken)


def exact_below(rate: float, trials: int, broken: int) -> float:
    return -math.log(max(exact.p_below(rate, trials=trials, broken=broken), 1e-300))


def exact_above(rate: float, trials: int, broken: int) -> float:
    return -math.log(max(exact.p_above(rate, trials=trials, broken=broken), 1e-300))


def coverage() -> list[dict[str, Any]]:
    """For each rate and suite: how surely bounds and interval hold under every look up to the horizon."""
    rows = []
    for rate in RATES:
        horizon = 20_000 if rate <= 0.02 else 5_000
        for name, cases in suites(rate):
            size = min(LOOK, len(cases))
            first, later = block_pmf(cases, len(cases)), block_pmf(cases, size)

            def miss(below: Tail, above: Tail, error: float) -> tuple[float, float]:
                steps = list(walk(first, later, horizon, Edges(float(np.mean(cases)), below, above, error=error)))  # noqa: B023  # used at once
                return sum(step[1] for step in steps), sum(step[2] for step in steps)

            def never(_rate: float, _trials: int, _broken: int) -> float:
                return -math.inf

            rows.append({
                "rate": rate, "suite": name, "cases": len(cases), "block": size, "trials": horizon,
                "upper_bound": 1 - miss(anytime_below, never, 0.05)[0],
                "lower_bound": 1 - miss(never, anytime_above, 0.05)[1],
                "interval": 1 - sum(miss(anytime_below, anytime_above, 0.025)),
                "peeked_exact_interval": 1 - sum(miss(exact_below, exact_above, 0.025)),
            })  # fmt: skip
    return rows


def trials_needed() -> list[dict[str, Any]]:
    """Mean trials until a claim is settled, against the fixed design of 90 % power and against Wald's bound."""
    rows = []
    for threshold in THRESHOLDS:
        for share in SHARES:
            rate = share * threshold
            toward = "below" if share < 1 else "above"
            wald = wald_bound(threshold, rate=rate)
            fixed = fixed_design(threshold, rate, toward)
            for name, cases in [("trial by trial", [rate]), *_two_suites(rate)]:
                pmf = block_pmf(cases, len(cases))
                edges = Edges(threshold, anytime_below, anytime_above, error=0.05)
                stops = list(walk(pmf, pmf, round(60 * wald) + 200, edges))
                right, wrong = (1, 2) if toward == "below" else (2, 1)
                settled = sum(stop[right] for stop in stops)
                mean = sum(stop[0] * stop[right] for stop in stops) / settled
                rows.append({
                    "threshold": threshold, "rate": rate, "suite": name, "fixed_n": fixed, "wald": wald,
                    "mean": mean, "ninth_decile": _decile(stops, right), "settled": settled,
                    "settled_wrongly": sum(stop[wrong] for stop in stops),
                    "to_fixed": mean / fixed, "to_wald": mean / wald,
                })  # fmt: skip
    return rows


def _two_suites(rate: float) -> list[tuple[str, list[float]]]:
    return [("rounds of 20, cases alike", [rate] * 20), ("rounds of 20, half never broken", [0.0, 2 * rate] * 10)]


def _decile(stops: Sequence[tuple[int, float, float]], right: int) -> int | None:
    """After how many trials nine claims in ten are settled."""
    total = 0.0
    for stop in stops:
        total += stop[right]
        if total >= 0.9:
            return stop[0]
    return None


def fixed_design(threshold: float, rate: float, toward: str) -> int:
    """The smallest fixed number of trials at which the exact test settles the claim with 90 % power, 1 without failures."""
    n = 1
    while True:
        k = np.arange(n + 1)
        mass = scipy.stats.binom.pmf(k, n, rate)
        if toward == "below":
            critical = scipy.stats.binom.ppf(0.05, n, threshold) - 1  # the largest k with P(K <= k) <= 5 %, or one less
            critical += scipy.stats.binom.cdf(critical + 1, n, threshold) <= 0.05
            power = mass[: int(critical) + 1].sum()
        else:
            critical = scipy.stats.binom.isf(0.05, n, threshold) + 1
            power = mass[int(critical) :].sum()
        if power >= 0.9:
            return n
        n = n + 1 if n < 200 else math.ceil(n * 1.005)


def simulated(runs: int) -> dict[str, Any]:
    """The upper bound's coverage through the shipped objects: ten cases, two of them broken half of the time."""
    rates = {f"case {i}": rate for i, rate in enumerate([0.0] * 8 + [0.5, 0.5])}
    spec = claim_spec(0.1)
    wrong = 0
    for run in range(runs):
        chance = random.Random(SEED + run)
        claim = SequentialClaim(spec, Schedule(cases=tuple(rates), seed=run, look=5))
        for block, case in claim.schedule:
            if claim.observe(block, _outcome(chance, rates[case])).below >= math.log(20):
                wrong += 1
                break
            if block == 100:
                break
    first, later = block_pmf(list(rates.values()), 10), block_pmf(list(rates.values()), 5)
    edges = Edges(0.1, anytime_below, lambda *_: -math.inf, error=0.05)
    computed = 1 - sum(step[1] for step in walk(first, later, 505, edges))
    return {"runs": runs, "simulated": 1 - wrong / runs, "computed": computed}


def speed(trials: int = 100_000, claims: int = 50) -> dict[str, Any]:
    """Trials per second through 50 claims of 20 cases, with a verdict over the family after every block."""
    specs = [claim_spec(0.05, clause=f"clause {i}") for i in range(claims)]
    schedule = Schedule(cases=tuple(f"case {i}" for i in range(20)), seed=SEED)
    running = [SequentialClaim(spec, schedule) for spec in specs]
    chance = random.Random(SEED)
    start = time.perf_counter()
    for i in range(trials):
        block, place = divmod(i, 20 * claims)
        claim = running[place // 20]
        done = claim.blocks
        claim.observe(block, _outcome(chance, 0.02))
        if claim.blocks > done:
            verdicts(specs, [one.evidence for one in running])
    return {"claims": claims, "trials": trials, "trials_per_second": trials / (time.perf_counter() - start)}


def claim_spec(threshold: float, clause: str = "c") -> ClaimSpec:
    return ClaimSpec(clause=clause, side=Side.VIOLATION, threshold=threshold, attacker="plain requests", mode="step")


def _outcome(chance: random.Random, rate: float) -> Outcome:
    return Outcome.BROKEN if chance.random() < rate else Outcome.KEPT


def main() -> None:
    start = time.perf_counter()
    found: dict[str, Any] = {
        "command": "python benchmarks/claims.py",
        "confidence": CONFIDENCE,
        "seed": SEED,
        "versions": {
            "obverse": __version__,
            "python": platform.python_version(),
            "numpy": np.__version__,
            "scipy": scipy.__version__,
        },
        "machine": {"cores": os.cpu_count(), "system": f"{platform.system()} {platform.machine()}"},
        "coverage": coverage(),
        "trials_needed": trials_needed(),
        "simulation": simulated(2_000),
        "speed": speed(),
    }
    found["least"] = {
        key: min(row[key] for row in found["coverage"])
        for key in ("upper_bound", "lower_bound", "interval", "peeked_exact_interval")
    }
    found["seconds"] = round(time.perf_counter() - start, 1)
    RESULT.parent.mkdir(exist_ok=True)
    RESULT.write_text(json.dumps(rounded(found), indent=1) + "\n")
    show(found)
    assert min(found["least"][key] for key in ("upper_bound", "lower_bound", "interval")) >= CONFIDENCE


def rounded(value: Any) -> Any:
    """The same with six digits."""
    match value:
        case float():
            return float(f"{value:.6g}")
        case dict():
            return {key: rounded(item) for key, item in value.items()}
        case list():
            return [rounded(item) for item in value]
    return value


def show(found: dict[str, Any]) -> None:
    print("Coverage of 95 % bounds and intervals for a user who stops at the first that is wrong, exact\n")
    print("  rate   suite                           cases   trials   upper   lower   interval   exact, peeked at")
    for row in found["coverage"]:
        print(
            f"{row['rate'] * 100:5.1f} %  {row['suite']:30}  {row['cases']:5}  {row['trials']:7}  {row['upper_bound']:6.1%}"
            f"  {row['lower_bound']:6.1%}  {row['interval']:9.1%}  {row['peeked_exact_interval']:17.1%}"
        )
    print(
        "\nMean trials until a claim is settled, and its ratio to the fixed design (90 % power) and to Wald's bound\n"
    )
    print("threshold    rate   suite                            mean   nine in ten   fixed   to fixed   to Wald")
    for row in found["trials_needed"]:
        print(
            f"{row['threshold'] * 100:7.1f} %  {row['rate'] * 100:5.2f} %  {row['suite']:31} {row['mean']:6.0f}"
            f"  {row['ninth_decile'] or '-':>12}  {row['fixed_n']:6}  {row['to_fixed']:9.2f}  {row['to_wald']:8.2f}"
        )
    print(f"\nsimulated {found['simulation']['simulated']:.1%}, computed {found['simulation']['computed']:.1%}")
    print(f"{found['speed']['trials_per_second']:,.0f} trials per second, {found['seconds']} s in all")


if __name__ == "__main__":
    main()
