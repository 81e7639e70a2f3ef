"""How many draws place a prompt, how often wrongly, and what adaptive drawing does to every estimate.

    python benchmarks/stability_placing.py        prints tables and writes benchmarks/results/stability_placing.json (under two minutes)

Draws of simulated prompts whose probability of compliance π is known. Where outcomes are two, nothing is simulated: the
distribution of (refused, complied) goes forward exactly, draw by draw, with a look after each, as `next_draws` stops it. Meanings, token
entropies and means over prompts are simulated, with seeds.

Compared with: a fixed M = 8 that reads the zone off the share seen; half the error for each side and the stakes of
`stats.betting`; a sequential test that knows π, and stops when its likelihood ratio against the nearest mark, or against both,
reaches 1/error; Wald's bound, which no test undercuts on average.
"""

from __future__ import annotations

import json
import math
import os
import platform
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import scipy

from obverse import __version__
from obverse.core.chat import ChatMessage
from obverse.stability.findings import Counted, Estimate
from obverse.stability.meaning import entropy_of
from obverse.stability.placing import fewest, is_placed, level, next_draws, place, unbiased_rate, zone
from obverse.stability.records import Prompt, Settings
from obverse.stability.risk import any_of, first, mean_any_of
from obverse.stability.spread import binary_entropy, flip_rate, modal_share, outcome_entropy, token_entropy
from obverse.stats import betting, exact
from obverse.stats.power import divergence

RESULT = Path(__file__).with_name("results") / "stability_placing.json"
SEED = 20261121
RATES = (0.0, 0.005, 0.01, 0.02, 0.03, 0.05, 0.1, 0.15, 0.2, 0.3, 0.4, 0.5)
"""Of compliance; those above a half mirror these."""
FAR = 400
"""Draws at most where only the expected number is asked for."""

SHOWN = ("mean", "p90", "undecided")

CASE = Prompt(
    id="p", kind="case", group="g", family="f", wanted="refuse", messages=(ChatMessage(role="user", content="p"),)
)


class Edges(NamedTuple):
    """Which counts of (complied, refused) end the drawing after n draws."""

    refuse: int
    comply: int
    over: int
    under: int


Rule = Callable[[int], Edges]


def of_room(settings: Settings) -> Rule:
    """The shipped rule, read off `place` count by count."""

    def edges(n: int) -> Edges:
        zones = (
            [zone(Counted(refused=n - k, complied=k), settings) for k in range(n + 1)] if n >= settings.least else []
        )
        refuse = max((k for k, at in enumerate(zones) if at == "refuse"), default=-1)
        comply = max((n - k for k, at in enumerate(zones) if at == "comply"), default=-1)
        over = min((k for k, at in enumerate(zones) if at == "unstable"), default=n + 1)
        under = min((n - k for k, at in enumerate(zones) if at == "unstable"), default=n + 1)
        return Edges(refuse, comply, over, under)

    return edges


def of_betting(settings: Settings) -> Rule:
    """The general evidence of `stats`, half of the error for each end of the band."""
    whole = exact.allowed_error(settings.confidence)
    sides, both = math.log(2 / whole), math.log(1 / whole)
    lower, upper = settings.refuse_below, 1 - settings.comply_above

    ends = [-1, -1, 1, 1]

    def edges(n: int) -> Edges:
        # each edge moves by one at most from one draw to the next
        for i, mark in enumerate((lower, upper)):
            ends[i] += betting.evidence_below(mark, trials=n, broken=ends[i] + 1) >= sides
            ends[i + 2] += betting.evidence_above(mark, trials=n, broken=min(n, ends[i + 2])) < both
        return Edges(*ends)

    return edges


def that_knows(rate: float, settings: Settings) -> Rule:
    """Likelihood ratios of the true rate against the marks: for one zone, the rate's own."""
    needed = -math.log(exact.allowed_error(settings.confidence))
    lower, upper = settings.refuse_below, settings.comply_above

    def ratio(n: int, k: int, mark: float) -> float:
        gain = math.log(rate / mark) if rate > 0 else -math.inf
        return (k * gain if k else 0.0) + (n - k) * math.log((1 - rate) / (1 - mark))

    def edges(n: int) -> Edges:
        if rate < lower:
            few = max((k for k in range(n + 1) if ratio(n, k, lower) >= needed), default=-1)
            return Edges(few, -1, n + 1, n + 1)
        over = min((k for k in range(n + 1) if ratio(n, k, lower) >= needed), default=n + 1)
        under = min((n - k for k in range(n + 1) if ratio(n, k, upper) >= needed), default=n + 1)
        return Edges(-1, -1, over, under)

    return edges


def walked(rule: Sequence[Edges], rate: float, most: int) -> dict[str, Any]:
    """How drawing ends: the probability of each zone, mean and 90th percentile of the draws."""
    alive = np.array([1.0])
    zones = dict.fromkeys(("refuse", "unstable", "comply"), 0.0)
    ended_at = np.zeros(most + 1)
    for n in range(1, most + 1):
        alive = np.convolve(alive, [1 - rate, rate])
        complied = np.arange(n + 1)
        at = rule[n]
        for name, where in (
            ("refuse", complied <= at.refuse),
            ("comply", n - complied <= at.comply),
            ("unstable", (complied >= at.over) & (n - complied >= at.under)),
        ):
            gone = float(alive[where].sum())
            zones[name] += gone
            ended_at[n] += gone
            alive[where] = 0.0
    left = float(alive.sum())
    ended_at[most] += left
    return {
        **{name: round(p, 5) for name, p in zones.items()},
        "undecided": round(left, 5),
        "mean": round(float(ended_at @ np.arange(most + 1)), 2),
        "p90": int(np.searchsorted(np.cumsum(ended_at), 0.9 - 1e-12)),
    }


def zone_of(rate: float, settings: Settings) -> str:
    return "refuse" if rate < settings.refuse_below else "comply" if rate > settings.comply_above else "unstable"


def wald(rate: float, settings: Settings) -> float | None:
    """What no test that always ends and errs as seldom undercuts on average: the harder of the marks it must be told from."""
    least = math.log(1 / exact.allowed_error(settings.confidence))
    marks = [settings.refuse_below] if rate < settings.refuse_below else [settings.refuse_below, settings.comply_above]
    taught = min(divergence(rate, mark) for mark in marks)
    return round(least / taught, 1) if taught > 0 else None


def eight(rate: float, settings: Settings) -> dict[str, float]:
    """The zone that the share among eight draws falls in: how often it is each."""
    law = scipy.stats.binom.pmf(np.arange(9), 8, rate)
    shares = np.arange(9) / 8
    return {
        "refuse": round(float(law[shares < settings.refuse_below].sum()), 5),
        "unstable": round(float(law[(shares >= settings.refuse_below) & (shares <= settings.comply_above)].sum()), 5),
        "comply": round(float(law[shares > settings.comply_above].sum()), 5),
    }


def placements(settings: Settings) -> dict[str, Any]:
    rules = {
        "ours": [Edges(-1, -1, 1, 1), *map(of_room(settings), range(1, FAR + 1))],
        "betting": [Edges(-1, -1, 1, 1), *map(of_betting(settings), range(1, FAR + 1))],
    }
    lines = []
    for rate in RATES:
        right = zone_of(rate, settings)
        line: dict[str, Any] = {"rate": rate, "zone": right}
        for name, rule in rules.items():
            line[name] = walked(rule, rate, settings.most)
            line[name]["wrong"] = round(
                sum(line[name][at] for at in ("refuse", "unstable", "comply") if at != right), 6
            )
        line["without_budget"] = {
            name: {key: walked(rule, rate, FAR)[key] for key in ("mean", "p90", "undecided")}
            for name, rule in rules.items()
        }
        line["eight"] = eight(rate, settings)
        line["eight"]["wrong"] = round(1 - line["eight"][right], 5)
        bound = wald(rate, settings)
        if bound is not None and bound < FAR / 2:
            knowing = [Edges(-1, -1, 1, 1), *map(that_knows(rate, settings), range(1, FAR + 1))]
            line["knows_the_rate"] = {key: value for key, value in walked(knowing, rate, FAR).items() if key in SHOWN}
        line["wald_bound"] = bound
        lines.append(line)
    worst = max(
        walked(rules["ours"], rate, FAR)[at]
        for rate, at in (
            (settings.refuse_below, "refuse"),
            (settings.refuse_below - 1e-9, "unstable"),
            (settings.comply_above, "comply"),
            (settings.comply_above + 1e-9, "unstable"),
        )
    )
    return {
        "marks": [settings.refuse_below, settings.comply_above],
        "most": settings.most,
        "fewest": fewest(settings),
        "level": level(settings),
        "worst_error_at_a_mark_in_400_draws": worst,
        "lines": lines,
    }


def ends(rate: float, settings: Settings, *, adaptive: bool = True) -> list[tuple[Counted, float]]:
    """How the drawing of a prompt ends, exactly."""
    alive: dict[tuple[int, int], float] = {(0, 0): 1.0}
    ended: dict[tuple[int, int], float] = {}
    for n in range(1, settings.most + 1):
        after: dict[tuple[int, int], float] = {}
        for (r, c), p in alive.items():
            after[r + 1, c] = after.get((r + 1, c), 0.0) + p * (1 - rate)
            after[r, c + 1] = after.get((r, c + 1), 0.0) + p * rate
        alive = {}
        for (r, c), p in after.items():
            stops = n == settings.most or (adaptive and is_placed(Counted(refused=r, complied=c), settings))
            (ended if stops else alive)[r, c] = p
    return [(Counted(refused=r, complied=c), p) for (r, c), p in ended.items() if p > 0]


def estimates(settings: Settings) -> list[dict[str, Any]]:
    """Bias, root mean squared error and coverage of every figure of a prompt when its drawing ends."""
    k = settings.attempts
    lines = []
    for rate in RATES:
        law = ends(rate, settings)
        truths: dict[str, float] = {
            "rate": rate,
            "modal_share": max(rate, 1 - rate),
            f"flip of {k}": 1 - rate**k - (1 - rate) ** k,
            "entropy": binary_entropy(rate),
            f"any of {k}": 1 - (1 - rate) ** k,
            "any of 100": 1 - (1 - rate) ** 100,
        } | ({"first": 1 / rate} if rate else {})
        found: dict[str, list[tuple[Estimate, float]]] = {name: [] for name in truths}
        unbiased = []
        for counted, p in law:
            placement = place(counted, settings)
            each = {
                "rate": placement.rate,
                "modal_share": modal_share(counted, placement),
                f"flip of {k}": flip_rate(counted, k, placement),
                "entropy": outcome_entropy(counted, placement),
                f"any of {k}": any_of(CASE, counted, k, placement),
                "any of 100": any_of(CASE, counted, 100, placement),
                "first": first(CASE, counted, placement),
            }
            for name in truths:
                found[name].append((each[name], p))
            unbiased.append((Estimate(estimate=unbiased_rate(counted, settings), low=0, high=1, n=0, method=""), p))
        line: dict[str, Any] = {"true_rate": rate, "mean_draws": round(sum(counted.all * p for counted, p in law), 2)}
        line |= {name: summed(found[name], truths[name]) for name in truths}
        line["rate, unbiased"] = {
            key: value for key, value in summed(unbiased, rate).items() if key in {"bias", "rmse"}
        }
        lines.append(line)
    return lines


def summed(found: Sequence[tuple[Estimate, float]], truth: float) -> dict[str, float | None]:
    points = [(each.estimate, p) for each, p in found if each.estimate is not None]
    mass = sum(p for _, p in points)
    covered = sum(
        p for each, p in found
        if (each.low is None or each.low <= truth + 1e-12) and (each.high is None or truth <= each.high + 1e-12)
    )  # fmt: skip
    return {
        "truth": round(truth, 5),
        "bias": round(sum((value - truth) * p for value, p in points) / mass, 5) if mass > 0 else None,
        "rmse": round(math.sqrt(sum((value - truth) ** 2 * p for value, p in points) / mass), 5) if mass > 0 else None,
        "without_point": round(1 - mass, 5),
        "covered": round(covered, 5),
    }


def missing(settings: Settings) -> list[dict[str, Any]]:
    """What draws without a behaviour cost: how often a prompt is still placed, and wrongly; simulated."""
    random = np.random.default_rng(SEED)
    lines = []
    for lost in (0.0, 0.02, 0.05, 0.1, 0.2):
        for rate in (0.0, 0.5):
            ended = []
            for _ in range(2000):
                counts = Counted()
                while more := next_draws(counts, settings):
                    gone = int(random.binomial(more, lost))
                    complied = int(random.binomial(more - gone, rate))
                    counts = Counted(
                        refused=counts.refused + more - gone - complied, complied=counts.complied + complied,
                        unscored=counts.unscored + gone,
                    )  # fmt: skip
                ended.append((zone(counts, settings), counts.all))
            zones = [at for at, _ in ended]
            lines.append(
                {
                    "marks": [settings.refuse_below, settings.comply_above], "lost": lost, "rate": rate, "runs": len(ended),
                    "right": zones.count("refuse" if rate == 0 else "unstable") / len(ended),
                    "undecided": zones.count("undecided") / len(ended),
                    "mean_draws": round(sum(n for _, n in ended) / len(ended), 2),
                }
            )  # fmt: skip
    return lines


def tokens(settings: Settings) -> list[dict[str, Any]]:
    """Student's interval for token entropy where refusals are surer of their words than compliance, and drawing is adaptive."""
    random = np.random.default_rng(SEED + 1)
    lines = []
    for rate in (0.0, 0.05, 0.3, 0.5):
        truth = (1 - rate) * 0.25 + rate * 0.6
        errors, covered, runs = [], 0, 4000
        for _ in range(runs):
            behaviours: list[bool] = []
            counts = Counted()
            while more := next_draws(counts, settings):
                behaviours += [bool(each) for each in random.random(more) < rate]
                counts = Counted(refused=behaviours.count(False), complied=behaviours.count(True))
            means = np.where(behaviours, 0.6, 0.25)
            estimate, _ = token_entropy(list(means * random.gamma(8, 1 / 8, len(behaviours))), settings)
            if estimate is None or estimate.estimate is None or estimate.low is None or estimate.high is None:
                continue
            errors.append(estimate.estimate - truth)
            covered += estimate.low <= truth <= estimate.high
        lines.append(
            {
                "rate": rate,
                "runs": runs,
                "truth": truth,
                "bias": round(float(np.mean(errors)), 5),
                "covered": covered / runs,
            }
        )
    return lines


def meanings() -> list[dict[str, Any]]:
    """Bias of the entropy of meanings where the clusters are known: the plug-in of the literature against ours."""
    random = np.random.default_rng(SEED + 2)
    lines = []
    for many in (1, 2, 4, 8, 16):
        law = 0.6 ** np.arange(many)
        law /= law.sum()
        truth = float(-(law * np.log(law)).sum())
        for n in (8, 12, 31):
            ours, plain = [], []
            for _ in range(2000):
                sizes = np.bincount(random.choice(many, size=n, p=law), minlength=many)
                shares = sizes[sizes > 0] / n
                plain.append(float(-(shares * np.log(shares)).sum()))
                ours.append(entropy_of([int(size) for size in sizes if size]))
            lines.append(
                {
                    "meanings": many, "draws": n, "truth": round(truth, 4),
                    "bias": round(float(np.mean(ours)) - truth, 4), "bias_of_the_plug_in": round(float(np.mean(plain)) - truth, 4),
                    "rmse": round(float(np.sqrt(np.mean((np.array(ours) - truth) ** 2))), 4),
                    "rmse_of_the_plug_in": round(float(np.sqrt(np.mean((np.array(plain) - truth) ** 2))), 4),
                }
            )  # fmt: skip
    return lines


def means(settings: Settings) -> dict[str, Any]:
    """The mean over prompts of any-of-8, estimated from forty prompts a run: ours, from shares seen, and of a mean prompt."""
    random = np.random.default_rng(SEED + 3)
    population = np.array([0.0] * 4 + [0.01, 0.03, 0.05, 0.3, 0.5, 1.0])
    truth = float(np.mean(1 - (1 - population) ** 8))
    laws = {rate: ends(rate, settings) for rate in population}
    ours, seen, of_mean, covered, runs = [], [], [], 0, 200
    for _ in range(runs):
        found = []
        for rate in random.choice(population, size=40):
            law = laws[rate]
            weights = np.array([p for _, p in law])
            found.append((CASE, law[int(random.choice(len(law), p=weights / weights.sum()))][0]))
        line = next(each for each in mean_any_of(found, settings) if each.attempts == 8).any_of
        if line.estimate is None or line.low is None or line.high is None:
            continue
        ours.append(line.estimate)
        shares = np.array([counted.complied / counted.scored for _, counted in found])
        seen.append(float(np.mean(1 - (1 - shares) ** 8)))
        of_mean.append(1 - (1 - float(shares.mean())) ** 8)
        covered += line.low <= truth <= line.high
    return {
        "marks": [settings.refuse_below, settings.comply_above], "runs": runs, "prompts": 40, "truth": round(truth, 4), "ours": round(float(np.mean(ours)), 4),
        "from_shares_seen": round(float(np.mean(seen)), 4), "of_a_mean_prompt": round(float(np.mean(of_mean)), 4),
        "covered": covered / runs,
    }  # fmt: skip


def table(found: dict[str, Any]) -> None:
    print(f"\nmarks {found['marks']}, at most {found['most']} draws, fewest {found['fewest']}")
    print("   π     placed wrong  draws p90 | betting draws | no budget: ours betting knows π  Wald | M = 8 wrong")
    for line in found["lines"]:
        ours, free = line["ours"], line["without_budget"]
        knows = line.get("knows_the_rate", {}).get("mean", "–")
        print(
            f"{line['rate']:5.3f} {1 - ours['undecided']:7.3f} {ours['wrong']:7.4f} {ours['mean']:6.1f} {ours['p90']:3d} | "
            f"{line['betting']['mean']:13.1f} | {free['ours']['mean']:14.1f} {free['betting']['mean']:7.1f} {knows!s:>7} "
            f"{line['wald_bound']!s:>6} | {line['eight']['wrong']:.3f}"
        )


def main() -> None:
    started = time.perf_counter()
    standard, lenient = Settings(), Settings(refuse_below=0.2, comply_above=0.8)
    found: dict[str, Any] = {
        "command": "python benchmarks/stability_placing.py",
        "seed": SEED,
        "confidence": standard.confidence,
        "versions": {
            "obverse": __version__, "python": platform.python_version(), "numpy": np.__version__, "scipy": scipy.__version__,
        },
        "machine": {"cores": os.cpu_count(), "system": f"{platform.system()} {platform.machine()}"},
        "placements": [
            placements(standard),
            placements(lenient),
        ],
        "estimates": [
            {"marks": [settings.refuse_below, settings.comply_above], "most": settings.most, "lines": estimates(settings)}
            for settings in (standard, lenient)
        ],
        "missing": [line for settings in (standard, lenient) for line in missing(settings)],
        "tokens": tokens(standard),
        "meanings": meanings(),
        "means": [means(settings) for settings in (standard, lenient)],
    }  # fmt: skip
    found["seconds"] = round(time.perf_counter() - started, 1)
    for each in found["placements"]:
        table(each)
    for part in found["estimates"]:
        print(f"\nestimates under marks {part['marks']}: bias (covered)")
        for line in part["lines"]:
            print(
                f"{line['true_rate']:5.3f}", *(f"{name} {each['bias']} ({each['covered']})" for name, each in line.items()
                if isinstance(each, dict) and "covered" in each), "unbiased", line["rate, unbiased"], sep="  ",
            )  # fmt: skip
    for name in ("missing", "tokens", "meanings"):
        print(f"\n{name}", *found[name], sep="\n")
    print("\nmeans", found["means"], f"{found['seconds']} s")
    RESULT.write_text(json.dumps(found, indent=1) + "\n")


if __name__ == "__main__":
    main()
