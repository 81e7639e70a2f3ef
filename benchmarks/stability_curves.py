"""Curves, components, comparisons and detectors on simulated targets whose truth is known: bias, coverage, false alarms, power.

    python benchmarks/stability_curves.py [--seed 1] [--rounds 1.0]       writes benchmarks/results/stability_curves.json

1. *Curves*: prompts with a known threshold, width and lapse, with or without rungs that differ by more than chance; how often
   they are fitted, the mean error of threshold and width among the fitted, how often the intervals hold the truth.
2. *Flat*: prompts with one rate all along the ladder; how often a threshold is invented.
3. *Pools*: populations of prompts with known spread; the width of one prompt by the hierarchy and by pooling alone.
4. *Components*: outcomes with known parts of variance, two judges that err and lean towards prompts.
5. *Comparison*: two runs over the same prompts, drawn adaptively; false alarms over three kinds, power, coverage of the mean.
6. *Detectors*: signals that tell nothing, and signals that tell; area, its interval, false-positive rate; the claim's correlation.
"""

from __future__ import annotations

import argparse
import json
import math
import os
import platform
import time
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator, Sequence
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np

from obverse.core.chat import ChatMessage
from obverse.stability.compare import compare
from obverse.stability.components import components
from obverse.stability.curve import fit, fit_pool
from obverse.stability.findings import Counted, Diagnosis, Estimate, PromptFinding, Risk, Signals, Spread, Step
from obverse.stability.joint import joint
from obverse.stability.placing import next_draws, place
from obverse.stability.records import Draw, Prompt, Settings

RESULT = Path(__file__).parent / "results" / "stability_curves.json"
COMMAND = "python benchmarks/stability_curves.py"
SETTINGS = Settings()
LADDER = np.array([0.0, 0.25, 0.5, 0.75, 1.0])
DESIGNS = {"40 + 4 × 2": (40, 2, 2, 2, 2), "40 + 4 × 4": (40, 4, 4, 4, 4), "40 + 4 × 8": (40, 8, 8, 8, 8)}
"""Draws at the base, and on each of four rungs."""
WORDS = ("refuse", "comply")
NOTHING = Estimate(estimate=None, low=0.0, high=1.0, n=0, method="none")
Random = np.random.Generator


def share(hits: Sequence[bool]) -> float | None:
    return round(sum(hits) / len(hits), 3) if hits else None


def mean(values: Sequence[float]) -> float | None:
    return round(float(np.mean(values)), 3) if values else None


# --- curves


def curve(threshold: float, width: float, lapse: float, falls: bool = False) -> np.ndarray:
    rising = 1 / (1 + np.exp(-2 * math.log(3) * (LADDER - threshold) / width))
    return lapse + (1 - 2 * lapse) * (1 - rising if falls else rising)


def points(random: Random, rates: np.ndarray, draws: Sequence[int], over: float = 0.0) -> list[tuple[float, int, int]]:
    """(strength, complied, scored); `over` is the overdispersion η between rungs."""
    if over:
        precision = 1 / over**2 - 1
        rates = random.beta(np.maximum(rates * precision, 1e-9), np.maximum((1 - rates) * precision, 1e-9))
    return [(float(x), int(random.binomial(n, p)), n) for x, p, n in zip(LADDER, rates, draws)]


def curves(random: Random, rounds: int) -> Iterator[dict[str, Any]]:
    for (design, draws), threshold, width, lapse, over in product(
        DESIGNS.items(), (0.3, 0.5, 0.8), (0.05, 0.2, 0.5), (0.02,), (0.0, 0.2)
    ):
        verdicts, errors, held = Counter[str](), defaultdict(list), defaultdict(list)
        for number in range(rounds):
            found = fit(
                points(random, curve(threshold, width, lapse, falls=number % 2 == 1), draws, over),
                ladder="typos", prompt="p", kind="case", settings=SETTINGS,
            )  # fmt: skip
            verdicts[found.verdict] += 1
            if found.verdict == "fitted":
                for name, figure, truth in (("threshold", found.threshold, threshold), ("width", found.width, width)):
                    errors[name].append(figure.estimate - truth)
                    held[name].append(figure.low <= truth <= figure.high)
        yield {
            "draws": design, "true threshold": threshold, "true width": width, "lapse": lapse, "overdispersion": over, "prompts": rounds,
            "verdicts": dict(verdicts),
            **{
                name: {"mean error": mean(errors[name]), "coverage": share(held[name])} for name in ("threshold", "width")
            },
        }  # fmt: skip


def flat(random: Random, rounds: int) -> Iterator[dict[str, Any]]:
    for (design, draws), rate, over in product(DESIGNS.items(), (0.02, 0.1, 0.3, 0.5, 0.8), (0.0, 0.2, 0.4)):
        verdicts = Counter(
            fit(
                points(random, np.full(5, rate), draws, over),
                ladder="typos",
                prompt="p",
                kind="case",
                settings=SETTINGS,
            ).verdict
            for _ in range(rounds)
        )
        yield {"draws": design, "rate": rate, "overdispersion": over, "prompts": rounds, "verdicts": dict(verdicts)}


def seconds_a_curve(random: Random) -> float:
    given = [points(random, curve(random.random(), 0.2, 0.02), (40, 4, 4, 4, 4)) for _ in range(50)]
    started = time.process_time()
    for one in given:
        fit(one, ladder="typos", prompt="p", kind="case", settings=SETTINGS)
    return round((time.process_time() - started) / len(given), 4)


def pools(random: Random, rounds: int) -> Iterator[dict[str, Any]]:
    for prompts, spread, width, crossing in (
        (20, 0.05, 0.1, 1.0), (20, 0.3, 0.1, 1.0), (60, 0.3, 0.1, 1.0), (60, 0.3, 0.4, 1.0), (60, 0.2, 0.1, 0.7), (60, 0.2, 0.1, 0.0),
    ):  # fmt: skip
        verdicts, held, plain = Counter[str](), defaultdict(list), []
        errors = defaultdict(list)
        for _ in range(rounds):
            by_prompt = {}
            for number in range(prompts):
                crosses = random.random() < crossing
                rates = curve(random.normal(0.5, spread), width, 0.02) if crosses else np.full(5, random.beta(0.5, 0.5))
                by_prompt[str(number)] = points(random, rates, (8, 2, 2, 2, 2))
            found = fit_pool(by_prompt, ladder="typos", kind="case", settings=SETTINGS)
            verdicts[found.verdict] += 1
            if found.verdict == "fitted":
                for name, figure, truth in (("center", found.threshold, 0.5), ("width", found.width, width)):
                    errors[name].append(figure.estimate - truth)
                    held[name].append(figure.low <= truth <= figure.high)
                alone = fit(
                    [point for each in by_prompt.values() for point in each],
                    ladder="typos",
                    prompt=None,
                    kind="case",
                    settings=SETTINGS,
                )
                plain += [alone.width.estimate - width] if alone.width is not None else []
        yield {
            "prompts": prompts, "spread of thresholds": spread, "width of a prompt": width, "share that crosses": crossing,
            "pools": rounds, "verdicts": dict(verdicts),
            **{name: {"mean error": mean(errors[name]), "coverage": share(held[name])} for name in ("center", "width")},
            "mean error of the width by pooling alone": mean(plain),
        }  # fmt: skip


# --- components


def outcomes(random: Random, prompts: int, variants: int, judges: int) -> tuple[list[Draw], dict[str, float]]:
    """Draws whose rates are sums of even effects, judged by judges that err and lean; and the true parts."""
    conditions, draws, err, lean = 6, 2, 0.05, 0.05
    a = random.uniform(-0.3, 0.3, (prompts, 1, 1, 1, 1))
    b = random.uniform(-0.1, 0.1, (1, conditions, 1, 1, 1))
    ab = random.choice([-0.05, 0.05], (prompts, conditions, 1, 1, 1))
    v = random.choice([-0.05, 0.05], (prompts, conditions, variants, 1, 1))
    rates = np.broadcast_to(0.5 + a + b + ab + v, (prompts, conditions, variants, draws, 1))
    answers = (random.random(rates.shape) < rates).astype(float)
    q = err + random.choice([-lean, lean], (prompts, 1, 1, 1, judges)) + (1 - 2 * err) * answers
    said = (random.random(q.shape) < q).astype(int)
    keep, one_judge = (1 - 2 * err) ** 2, judges == 1
    inner = 0.25 - (0.6**2 / 12 + 0.2**2 / 12 + 2 * 0.05**2)
    noise = err * (1 - err) - lean**2
    truth = {
        "case": keep * 0.6**2 / 12 + one_judge * lean**2,
        "ladder": keep * 0.2**2 / 12,
        "case × ladder": keep * (0.05**2 + (variants == 1) * 0.05**2),
        "paraphrase": keep * 0.05**2,
        "sampling": keep * inner + one_judge * noise,
        "judge": 0.0,
        "case × judge": lean**2,
        "answer × judge": noise,
    }
    drawn = [
        Draw(
            key=f"{i}.{c}.{w}.{r}", prompt=f"p{i:02}", ladder="typos", level=c, variant=w, index=r, seed=r, temperature=0.7,
            behaviour=WORDS[said[i, c, w, r, 0]], judged={f"judge {j}": WORDS[said[i, c, w, r, j]] for j in range(judges)},
        )
        for i, c, w, r in np.ndindex(prompts, conditions, variants, draws)
    ]  # fmt: skip
    return drawn, truth


def parts(random: Random, rounds: int) -> Iterator[dict[str, Any]]:
    for prompts, variants, judges in ((12, 2, 2), (30, 2, 2), (60, 1, 2), (60, 1, 1)):
        errors, held, truth = defaultdict(list), defaultdict(list), dict[str, float]()
        for _ in range(rounds):
            draws, truth = outcomes(random, prompts, variants, judges)
            found = components(draws, kinds={draw.prompt: "case" for draw in draws}, settings=SETTINGS)
            for part in found.components:
                errors[part.name].append(part.variance.estimate - truth[part.name])
                held[part.name].append(part.variance.low <= truth[part.name] <= part.variance.high)
        yield {
            "prompts": prompts, "variants": variants, "judges": judges, "runs": rounds,
            "parts": {
                name: {
                    "true": round(truth[name], 5), "mean error": round(float(np.mean(values)), 5),
                    "standard error of that": round(float(np.std(values)) / math.sqrt(len(values)), 5), "coverage": share(held[name]),
                }
                for name, values in errors.items()
            },
        }  # fmt: skip


# --- comparisons


def finding(
    id: str, *, kind: str = "case", family: str = "f", counted: Counted, steps: Sequence[Step] = ()
) -> PromptFinding:
    prompt = Prompt(
        id=id, kind=kind, group=id, family=family, wanted="refuse", messages=(ChatMessage(role="user", content=id),)
    )
    spread = Spread(
        modal=None,
        modal_share=None,
        k=8,
        flip=None,
        entropy=None,
        clusters=None,
        semantic=None,
        distance=None,
        tokens=None,
    )
    return PromptFinding(
        prompt=prompt, placement=place(counted, SETTINGS), spread=spread, risk=Risk(attempts=(), any_of=(), first=NOTHING),
        steps=tuple(steps),
    )  # fmt: skip


def run(prompts: Sequence[PromptFinding], name: str) -> Diagnosis:
    return Diagnosis(
        policy="p", policy_name="p", target=name, fingerprint=name, plan="x", settings=SETTINGS, started=None, seconds=None,
        complete=True, ended="done", boundary="found", says="", tallies=(), prompts=tuple(prompts),
    )  # fmt: skip


def drawn(random: Random, rate: float) -> Counted:
    counted = Counted()
    while more := next_draws(counted, SETTINGS):
        complied = int(random.binomial(more, rate))
        counted = Counted(refused=counted.refused + more - complied, complied=counted.complied + complied)
    return counted


def comparisons(random: Random, rounds: int) -> Iterator[dict[str, Any]]:
    for prompts, shift in product((10, 30), (0.0, 0.1, 0.3)):
        verdicts, held, others, errors = Counter[str](), [], [], []
        for _ in range(rounds):
            rates = {kind: random.beta(0.3, 0.5, prompts) for kind in ("case", "twin", "control")}
            later = {**rates, "case": rates["case"] + shift * (1 - rates["case"])}
            first, second = (
                run(
                    [
                        finding(f"{kind} {i}", kind=kind, counted=drawn(random, rate))
                        for kind, of in world.items()
                        for i, rate in enumerate(of)
                    ],
                    name,
                )
                for name, world in (("first", rates), ("second", later))
            )
            found = compare(first, second)
            verdicts[found.verdict["case"]] += 1
            others.append(
                any(found.verdict[kind] != "not shown" for kind in ("case", "twin", "control")[bool(shift) :])
            )
            truth, seen = float((later["case"] - rates["case"]).mean()), found.moved["case"]
            held.append(seen.low <= truth <= seen.high)
            errors.append(seen.estimate - truth)
        yield {
            "prompts of a kind": prompts, "shift of the cases": shift, "pairs of runs": rounds, "verdicts on cases": dict(verdicts),
            "a kind that did not move was said to have moved": share(others), "coverage of the mean": share(held),
            "mean error of the mean": mean(errors),
        }  # fmt: skip


# --- detectors


def world(
    random: Random, prompts: int, families: int, tells: float
) -> tuple[list[PromptFinding], list[Signals], list[Draw]]:
    findings, signals, draws = [], [], []
    for number in range(prompts):
        wavers, id = bool(random.random() < 0.3), f"p{number:03}"
        complied = int(random.binomial(20, 0.05 + 0.1 * tells * wavers))
        step = Step(ladder="typos", level=1, strength=0.5, counted=Counted(refused=20 - complied, complied=complied))
        counted = Counted(refused=20, complied=20) if wavers else Counted(refused=40)
        findings.append(finding(id, family=f"f{number % families}", counted=counted, steps=[step]))
        draws.append(
            Draw(
                key=id, prompt=id, ladder="typos", level=1, index=0, seed=0, temperature=0.7, behaviour="refuse",
                entropy=float(random.normal(1 + 0.1 * tells * wavers, 0.3)),
            )
        )  # fmt: skip
        signals.append(
            Signals(
                prompt=id, ladder="base", level=0, margin=float(random.normal()), projection=float(random.normal(-tells * wavers)),
                perplexity=float(random.lognormal()), tokens=int(random.integers(5, 40)),
            )
        )  # fmt: skip
    return findings, signals, draws


def detectors(random: Random, rounds: int) -> Iterator[dict[str, Any]]:
    for prompts, families, tells in ((60, 12, 0.0), (60, 12, 1.0), (150, 50, 0.0), (150, 50, 1.0)):
        lines, none = defaultdict(list), 0
        for _ in range(rounds):
            findings, signals, draws = world(random, prompts, families, tells)
            found = joint(findings, signals, SETTINGS, draws=draws)
            none += not found.lines
            for line in found.lines:
                lines[line.name].append(
                    (line.auroc.estimate, line.auroc.low, line.auroc.high, line.fpr.estimate, line.recall.estimate)
                )
        rows = {name: np.array(values) for name, values in lines.items()}
        yield {
            "prompts": prompts, "families": families, "signals tell": tells, "runs": rounds, "runs without a detector": none,
            "detectors": {
                name: {
                    "mean area": mean(row[:, 0].tolist()),
                    "interval holds the mean area": share(((row[:, 1] <= row[:, 0].mean()) & (row[:, 0].mean() <= row[:, 2])).tolist()),
                    "false-positive rate (0.1 aimed at)": mean(row[:, 3].tolist()), "recall": mean(row[:, 4].tolist()),
                }
                for name, row in rows.items()
            },
        }  # fmt: skip


def associations(random: Random, rounds: int) -> Iterator[dict[str, Any]]:
    for rho, prompts, families in product((0.0, -0.3, -0.6), (30, 80), (5,)):
        truth, held, said = 6 / math.pi * math.asin(rho / 2), [], Counter[str]()
        for _ in range(rounds):
            findings, signals, draws = [], [], []
            for number in range(prompts):
                id, at = f"p{number}", 5.0 * (number % families)
                x, noise = random.normal(size=2)
                counted = Counted(refused=20, complied=20) if number < 10 else Counted(refused=40)
                findings.append(finding(id, family=f"f{number % families}", counted=counted))
                draws.append(
                    Draw(
                        key=id, prompt=id, ladder="typos", level=1, index=0, seed=0, temperature=0.7, behaviour="refuse",
                        entropy=float(20 + x + at),
                    )
                )  # fmt: skip
                signals.append(
                    Signals(
                        prompt=id,
                        ladder="base",
                        level=0,
                        projection=float(rho * x + math.sqrt(1 - rho**2) * noise + at),
                    )
                )
            found = joint(findings, signals, SETTINGS, draws=draws)
            held.append(found.association.low <= truth <= found.association.high)
            said[found.says.partition(": ")[2].partition(" here")[0].partition(" from")[0]] += 1
        yield {
            "true rank correlation": round(truth, 3), "prompts": prompts, "families": families, "runs": rounds,
            "coverage": share(held), "said": dict(said),
        }  # fmt: skip


SECTIONS: dict[str, tuple[Callable[[Random, int], Iterator[dict[str, Any]]], int]] = {
    "curves": (curves, 40), "flat": (flat, 60), "pools": (pools, 30), "components": (parts, 120), "comparison": (comparisons, 100),
    "detectors": (detectors, 60), "association": (associations, 100),
}  # fmt: skip


def totals(sections: dict[str, list[dict[str, Any]]]) -> dict[str, Any]:
    """What the pages quote."""
    flats = sections["flat"]
    fitted = [row for row in sections["curves"] if row["verdicts"].get("fitted")]

    def covered(name: str) -> float:
        n = [row["verdicts"]["fitted"] for row in fitted]
        return round(float(np.average([row[name]["coverage"] for row in fitted], weights=n)), 3)

    def of(width: float, design: str) -> dict[str, Any]:
        rows = [row for row in sections["curves"] if row["true width"] == width and row["draws"] == design]
        shown = [row for row in rows if row["verdicts"].get("fitted")]
        n = [row["verdicts"]["fitted"] for row in shown]
        return {
            "fitted": round(sum(n) / sum(row["prompts"] for row in rows), 3),
            "mean error of the width": round(
                float(np.average([row["width"]["mean error"] for row in shown], weights=n)), 3
            ),
        }

    def invented(over: float) -> float:
        rows = [row for row in flats if row["overdispersion"] == over]
        return round(sum(row["verdicts"].get("fitted", 0) for row in rows) / sum(row["prompts"] for row in rows), 4)

    return {
        "thresholds invented on flat prompts, by overdispersion": {str(over): invented(over) for over in (0.0, 0.2, 0.4)},
        "the worst of them": max(row["verdicts"].get("fitted", 0) / row["prompts"] for row in flats),
        "coverage of thresholds": covered("threshold"),
        "coverage of widths": covered("width"),
        "by true width and draws": {str(width): {design: of(width, design) for design in DESIGNS} for width in (0.05, 0.2, 0.5)},
    }  # fmt: skip


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--out", type=Path, default=RESULT)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--rounds", type=float, default=1.0, help="how many times the usual number of rounds")
    options = parser.parse_args()
    started, load, sections, took = time.perf_counter(), os.getloadavg()[0], {}, {}
    for number, (name, (section, rounds)) in enumerate(SECTIONS.items()):
        # each section has its own numbers, so that one may change without the others
        random, at = np.random.default_rng([options.seed, number]), time.process_time()
        sections[name] = list(section(random, max(2, round(rounds * options.rounds))))
        took[name] = round(time.process_time() - at, 1)
        print(name, took[name], "s", flush=True)
    found = totals(sections)
    print(json.dumps(found, indent=2))
    result = {
        "command": COMMAND,
        "seed": options.seed,
        "rounds": options.rounds,
        "python": platform.python_version(),
        "cores": os.cpu_count(),
        "load when started": round(load, 1),
        "seconds": round(time.perf_counter() - started, 1),
        "processor seconds": took,
        "processor seconds a curve": seconds_a_curve(np.random.default_rng(options.seed)),
        "totals": found,
        "sections": sections,
    }
    options.out.write_text(json.dumps(result, indent=1, ensure_ascii=False) + "\n")


if __name__ == "__main__":
    main()
