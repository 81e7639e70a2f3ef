"""How many faults of a policy a suite notices: ours with and without mutants in mind, and other ways at equal numbers of cases.

    python benchmarks/mutation.py [--full] [--out benchmarks/results/mutation.json]

For each policy: its mutants; which of them the solver proves equivalent; the score of what `invert` gives, and of what `settle`
makes of it; the smallest part that does as much, beside two lower bounds. Then, on the mutants that are not proved equivalent,
the score of random scenarios, walks over the predicate graph and pairwise rows (`mutation_baselines.py`), at as many cases as
the smallest suite has and at as many as the whole suite has, over several seeds; and the score of a suite on mutants of operators
that it was not made for, and on second-order mutants. Without `--full`: the policies of SOME.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import statistics
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from math import comb
from pathlib import Path
from random import Random
from typing import Any

import msgspec
from mutation_baselines import Guesses, pairwise, walks

from obverse.cases.invert import invert
from obverse.cases.mutation.chosen import apart, choose
from obverse.cases.mutation.killing import Trial
from obverse.cases.mutation.mutants import mutants
from obverse.cases.mutation.operators import NAMES
from obverse.cases.mutation.records import Mutant, MutationScore
from obverse.cases.mutation.settle import Settled, settle
from obverse.cases.records import Case
from obverse.cli.load import load
from obverse.core.verdicts import Truth
from obverse.policy.checked import Checked
from obverse.solver.answers import Scenario
from obverse.solver.compare import compare
from obverse.solver.find import Finder

ROOT = Path(__file__).parents[1]
SOME = ("desk", "support", "pharmacy", "calendar", "elections")
SEEDS = 5
T_975 = 2.776  # Student's t, 4 degrees of freedom: the interval of a mean over five seeds
POINTS = (5, 10, 20, 40, 80, 160)
SECOND_ORDER = 100
Makes = Callable[[Checked, int, int], Sequence[Scenario]]
METHODS: Mapping[str, Makes] = {
    "random": lambda checked, number, seed: Guesses(checked, seed).scenarios(number),
    "predicate graph walks": walks,
    "pairwise": pairwise,
}


def policies(full: bool) -> Iterator[tuple[str, Path]]:
    """The policies by name."""
    paths = [ROOT / "examples" / name / "policy.md" for name in ("airline", "support")]
    for path in (*paths, *sorted((ROOT / "benchmarks" / "policies").glob("*.md"))):
        name = path.parent.name if path.name == "policy.md" else path.stem
        if full or name in SOME:
            yield name, path


def measured(checked: Checked) -> dict[str, Any]:
    """All figures of one policy."""
    started = time.process_time()
    suite = invert(checked)
    inverted = time.process_time()
    made = mutants(checked)
    settled = settle(checked, suite.cases, mutants=made)
    done = time.process_time()
    score = settled.after
    small = choose(score, apart=len(apart(checked, made, score)))
    living = [mutant for mutant in made if mutant.id not in {proof.mutant for proof in settled.proofs}]
    return {
        "rules": len(checked.rules),
        "mutants": len(made),
        "not equivalent": len(living),
        "equivalent": score.total.equivalent,
        "undecided": score.total.undecided,
        "alive": score.total.alive,
        "killed": score.total.killed,
        "killed by invert alone": settled.before.total.killed,
        "cases of invert": len(suite.cases),
        "cases": score.cases,
        "smallest": len(small.cases),
        "least of the pool": small.least,
        "exact": small.exact,
        "needed whatever the cases": small.apart,
        "cpu seconds": {"invert": round(inverted - started, 2), "settle": round(done - inverted, 2)},
        "operators": score.operators,
        "by chance": compared(checked, living, len(small.cases), score.cases),
        "curve": curves(settled.before, score, small.cases),
        "not made for": held_out(checked, suite.cases, made, settled),
    }


# --- others at equal numbers ----------------------------------------------------------------------------------------------


def compared(checked: Checked, living: Sequence[Mutant], small: int, whole: int) -> dict[str, Any]:
    """For each other method: killed with as many cases as the smallest suite, and as the whole one; mean and interval of it."""
    found: dict[str, Any] = {}
    for name, make in METHODS.items():
        firsts = [first_kills(checked, living, make(checked, whole, seed)) for seed in range(SEEDS)]
        found[name] = {
            "at smallest": spread([sum(at <= small for at in one) for one in firsts]),
            "at whole": spread([sum(at <= whole for at in one) for one in firsts]),
            "curve": [
                statistics.fmean(sum(at <= n for at in one) for one in firsts) if n <= whole else None for n in POINTS
            ],
        }
    return found


def first_kills(checked: Checked, living: Sequence[Mutant], scenarios: Sequence[Scenario]) -> list[int]:
    """For each mutant that dies, the number of cases it takes."""
    trials = [Trial(checked, one.history, one.step) for one in scenarios]
    ends = (next((n for n, trial in enumerate(trials, 1) if trial.kills(mutant)), None) for mutant in living)
    return [end for end in ends if end is not None]


def spread(values: Sequence[int]) -> dict[str, float]:
    """The mean over the seeds and its 95 % interval."""
    mean = statistics.fmean(values)
    half = T_975 * statistics.stdev(values) / len(values) ** 0.5
    return {"mean": round(mean, 1), "low": round(mean - half, 1), "high": round(mean + half, 1)}


def curves(before: MutationScore, after: MutationScore, small: Sequence[str]) -> dict[str, list[float | None]]:
    """Killed by so many cases of ours: drawn at random from each suite (exact expectation), and the smallest suite greedily."""
    greedy: list[float | None] = []
    for points in POINTS:
        seen: set[str] = set()
        left = {case: set(after.killed_by[case]) for case in small}
        for _ in range(points):
            if left:
                best = max(left, key=lambda case: len(left[case] - seen))
                seen |= left.pop(best)
        greedy.append(float(len(seen)))
    return {"invert": [_expected(before, n) for n in POINTS], "with mutants in mind": [_expected(after, n) for n in POINTS],
            "smallest, greedily": greedy}  # fmt: skip


def _expected(score: MutationScore, number: int) -> float | None:
    pool = score.cases
    if number > pool:
        return None
    missed = (comb(pool - len(fate.killers), number) / comb(pool, number) for fate in score.fates if fate.killers)
    return round(sum(1 - one for one in missed), 1)


# --- mutants that the suite was not made for --------------------------------------------------------------------------------


def held_out(checked: Checked, cases: Sequence[Case], made: Sequence[Mutant], whole: Settled) -> dict[str, Any]:
    """Killed of the mutants of one half of the operators by what was made for the other half; of second-order ones by all."""
    halves = [set(NAMES[0::2]), set(NAMES[1::2])]
    killed = of = least = 0
    proved = {proof.mutant for proof in whole.proofs}
    for half in halves:
        mine = [mutant for mutant in made if mutant.operator in half]
        others = [mutant for mutant in made if mutant.operator not in half and mutant.id not in proved]
        settled = settle(checked, cases, mutants=mine, merge=False)
        picked = set(choose(settled.after).cases)
        trials = {case.id: Trial(checked, case.history, case.step) for case in (*cases, *settled.added)}
        of += len(others)
        killed += sum(any(trial.kills(mutant) for trial in trials.values()) for mutant in others)
        least += sum(any(trials[name].kills(mutant) for name in picked) for mutant in others)
    others_found = {"killed": killed, "killed by the smallest": least, "of": of}
    return {"other operators": others_found, "second order": second_order(checked, made, (*cases, *whole.added))}


def second_order(checked: Checked, made: Sequence[Mutant], cases: Sequence[Case]) -> dict[str, int]:
    """Two faults in two rules, drawn at random; those that no case kills are compared with the policy."""
    random, finder = Random(0), Finder(checked)
    trials = [Trial(checked, case.history, case.step) for case in cases]
    killed = equivalent = alive = 0
    for _ in range(SECOND_ORDER):
        one, other = random.sample(list(made), 2)
        if set(one.touched) & set(other.touched):
            continue
        both = msgspec.structs.replace(
            one,
            id=f"{one.id}+{other.id}",
            replaced=(*one.replaced, *other.replaced),
            dropped=(*one.dropped, *other.dropped),
        )
        if any(trial.kills(both) for trial in trials):
            killed += 1
        elif compare(checked, both.of(checked), finder=finder, first=True).same is Truth.TRUE:
            equivalent += 1
        else:
            alive += 1
    return {"killed": killed, "equivalent": equivalent, "alive or undecided": alive}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--out", type=Path, default=ROOT / "benchmarks" / "results" / "mutation.json")
    parser.add_argument("--full", action="store_true")
    options = parser.parse_args()
    started, rows = time.perf_counter(), {}
    for name, path in policies(options.full):
        rows[name] = measured(load(path))
        print(
            name, f"{time.perf_counter() - started:.0f} s", msgspec.json.encode(rows[name]).decode()[:400], flush=True
        )
    result = {
        "command": "python benchmarks/mutation.py" + (" --full" if options.full else ""),
        "python": platform.python_version(),
        "cores": os.cpu_count(),
        "load when started": round(os.getloadavg()[0], 1),
        "seconds": round(time.perf_counter() - started, 1),
        "seeds": SEEDS,
        "points": POINTS,
        "total": total(rows),
        "rows": rows,
    }
    options.out.write_text(json.dumps(msgspec.to_builtins(result), indent=1) + "\n")
    print(json.dumps(msgspec.to_builtins(result["total"]), indent=1))


def total(rows: Mapping[str, Mapping[str, Any]]) -> dict[str, Any]:
    """The sums over all policies."""
    keys = ("rules", "mutants", "not equivalent", "equivalent", "undecided", "alive", "killed", "killed by invert alone",
            "cases of invert", "cases", "smallest", "least of the pool", "needed whatever the cases")  # fmt: skip
    sums: dict[str, Any] = {key: sum(row[key] for row in rows.values()) for key in keys}
    sums["policies"] = len(rows)
    sums["by chance"] = {
        name: {
            at: round(sum(row["by chance"][name][at]["mean"] for row in rows.values()), 1)
            for at in ("at smallest", "at whole")
        }
        for name in METHODS
    }
    for kind in ("other operators", "second order"):
        first = next(iter(rows.values()))["not made for"][kind]
        sums[kind] = {key: sum(row["not made for"][kind][key] for row in rows.values()) for key in first}
    sums["largest ratio to the least of the pool"] = max(
        row["smallest"] / row["least of the pool"] for row in rows.values()
    )
    sums["ratio to what is needed whatever the cases"] = round(sums["smallest"] / sums["needed whatever the cases"], 2)
    return sums


if __name__ == "__main__":
    main()
