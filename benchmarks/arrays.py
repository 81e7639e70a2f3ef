"""Covering arrays: how many rows, and how long, beside allpairspy, covertable and published sizes.

    python benchmarks/arrays.py [--full] [--out benchmarks/results/arrays.json]

Every array is checked by code of this file: each t-tuple that can occur does, and no row breaks a constraint; which tuples can
occur is asked of Z3, not of the generator. Each tool runs in a process of its own, and is given up after 15 seconds (`--full`:
after five minutes). Of `covertable` both its greedy arrays and those after its own annealing are measured.

Published sizes of the six usual models are those collected on pairwise.org (Czerwonka, "Pairwise testing: efficiency"). The four
constrained models have the factors and the shapes of constraints of the systems in Cohen, Dwyer and Shi, "Constructing
interaction test suites for highly-configurable systems in the presence of constraints" (2008): `2^13 4^5` with thirteen
constraints on two values, and so on. Which values those exclude is not told by the shape: here they are drawn with a fixed seed,
so these rows compare the tools with each other and with nothing published.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import random
import subprocess
import sys
import time
from collections.abc import Iterator
from importlib.metadata import version
from itertools import combinations, product
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[1]
SEED = 20261121
Never = list[list[list[int]]]
Row = list[int]

PLAIN = {
    "3^4": {"AETG": 9, "IPO": 9, "PICT": 9, "best": 9},
    "3^13": {"AETG": 15, "IPO": 17, "PICT": 18, "best": 15},
    "4^15 3^17 2^29": {"AETG": 41, "IPO": 34, "PICT": 37, "best": 29},
    "4^1 3^39 2^35": {"AETG": 28, "IPO": 26, "PICT": 27, "best": 21},
    "2^100": {"AETG": 10, "IPO": 15, "PICT": 15, "best": 10},
    "10^20": {"AETG": 180, "IPO": 212, "PICT": 210, "best": 180},
}
STRONGER = {"3^10": 3, "4^6": 3, "2^13 4^5": 3, "3^6": 4}
CONSTRAINED = {
    "like SPIN simulator": ("2^13 4^5", "2^13"),
    "like SPIN verifier": ("2^42 3^2 4^11", "2^47 3^2"),
    "like Bugzilla": ("2^49 3^1 4^2", "2^4 3^1"),
    "like GCC": ("2^189 3^10", "2^37 3^3"),
    "like Apache": ("2^158 3^8 4^4 5^1 6^1", "2^3 3^1 4^2 5^1"),
}
TOOLS = ("obverse", "allpairspy", "covertable", "covertable, annealed")


def expanded(shape: str) -> list[int]:
    """`2^3 4^1` → [2, 2, 2, 4]."""
    return [int(base) for part in shape.split() for base, count in [part.split("^")] for _ in range(int(count))]


def drawn(values: list[int], shape: str) -> Never:
    """Constraints of this shape: so many values that must not come together; some row is left."""
    source = random.Random(SEED)
    never: Never = []
    for size in expanded(shape):
        while True:
            factors = sorted(source.sample(range(len(values)), size))
            one = [[factor, source.randrange(1, values[factor])] for factor in factors]  # the plain row stays
            if one not in never:
                never.append(one)
                break
    return never


def models() -> Iterator[tuple[str, list[int], int, Never]]:
    """Name, values, strength, constraints."""
    for name in PLAIN:
        yield name, expanded(name), 2, []
    for name, strength in STRONGER.items():
        yield f"{name}, t = {strength}", expanded(name), strength, []
    for name, (shape, constraints) in CONSTRAINED.items():
        yield f"{name}: {shape}, never {constraints}", expanded(shape), 2, drawn(expanded(shape), constraints)


# --- the tools -------------------------------------------------------------------------------------------------------------


def by_obverse(values: list[int], strength: int, never: Never) -> list[Row]:
    """Ours."""
    from obverse.cases.arrays import Model, covering_array

    told = tuple(tuple((factor, value) for factor, value in one) for one in never)
    array = covering_array(Model(values=tuple(values), strength=strength, never=told))
    return [list(row) for row in array.rows]


def by_allpairspy(values: list[int], strength: int, never: Never) -> list[Row]:
    """Its filter is asked of partial rows too."""
    from allpairspy import AllPairs

    def allowed(row: list[int]) -> bool:
        return not any(all(factor < len(row) and row[factor] == value for factor, value in one) for one in never)

    found = AllPairs([list(range(count)) for count in values], n=strength, filter_func=allowed)
    return [list(row) for row in found]


def by_covertable(values: list[int], strength: int, never: Never, *, annealed: bool = False) -> list[Row]:
    """Its constraints are conditions."""
    from covertable import Controller

    conditions = [
        {"operator": "or", "conditions": [{"operator": "ne", "left": f"f{f}", "value": v} for f, v in one]}
        for one in never
    ]
    factors = {f"f{number}": list(range(count)) for number, count in enumerate(values)}
    made = Controller(factors, strength=strength, constraints=conditions or None)
    rows = made.make()
    if annealed:
        rows = made.optimize(rows)
    return [[row[f"f{number}"] for number in range(len(values))] for row in rows]


def made_by(tool: str, values: list[int], strength: int, never: Never) -> list[Row]:
    """The rows that this tool makes."""
    match tool:
        case "obverse":
            return by_obverse(values, strength, never)
        case "allpairspy":
            return by_allpairspy(values, strength, never)
        case _:
            return by_covertable(values, strength, never, annealed="annealed" in tool)


# --- the checker -----------------------------------------------------------------------------------------------------------


def wrong(rows: list[Row], values: list[int], strength: int, never: Never) -> dict[str, int]:
    """How many rows break a constraint, and how many t-tuples are missing that some allowed row has (asked of Z3)."""
    import z3

    broken = sum(any(all(row[factor] == value for factor, value in one) for one in never) for row in rows)
    seen = {some for row in rows for some in combinations(tuple(enumerate(row)), strength)}
    cells = [z3.Int(f"c{number}") for number in range(len(values))]
    solver = z3.Solver()
    solver.add(*(z3.And(cell >= 0, cell < count) for cell, count in zip(cells, values, strict=True)))
    solver.add(*(z3.Or(*(cells[factor] != value for factor, value in one)) for one in never))
    missing = 0
    for factors in combinations(range(len(values)), strength):
        for chosen in product(*(range(values[factor]) for factor in factors)):
            some = tuple(zip(factors, chosen, strict=True))
            if some not in seen and solver.check(*(cells[factor] == value for factor, value in some)) == z3.sat:
                missing += 1
    return {"rows that break a constraint": broken, "tuples missing": missing}


def one(tool: str, values: list[int], strength: int, never: Never) -> dict[str, Any]:
    """What one tool does with one model, in this process."""
    made_by(tool, [2, 2], 2, [])  # imports are not the tool's time
    started = time.perf_counter()
    rows = made_by(tool, values, strength, never)
    seconds = time.perf_counter() - started
    again = len(rows) > 400 or made_by(tool, values, strength, never) == rows if seconds < 5 else None
    told = {"rows": len(rows), "seconds": round(seconds, 2), **wrong(rows, values, strength, never)}
    return told if again is None else {**told, "the same again": bool(again)}


def measured(tool: str, model: tuple[list[int], int, Never], limit: int) -> dict[str, Any]:
    """The same in a process of its own, given up after so many seconds."""
    values, strength, never = model
    if tool == "allpairspy" and strength > 2:
        return {"not measured": "pairs only, by its own page; more is experimental"}
    asked = json.dumps([tool, values, strength, never])
    try:
        done = subprocess.run(
            [sys.executable, __file__, "--one"], input=asked, capture_output=True, text=True, check=False, timeout=limit
        )
    except subprocess.TimeoutExpired:
        return {"not measured": f"not done in {limit} s"}
    if done.returncode:
        return {"not measured": (done.stderr.strip().splitlines() or ["failed"])[-1][:200]}
    return dict(json.loads(done.stdout))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--out", type=Path, default=ROOT / "benchmarks" / "results" / "arrays.json")
    parser.add_argument("--full", action="store_true", help="wait five minutes for a tool")
    parser.add_argument("--one", action="store_true", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.one:
        print(json.dumps(one(*json.load(sys.stdin))))
        return
    rows: dict[str, Any] = {}
    for name, values, strength, never in models():
        rows[name] = {}
        for tool in TOOLS:
            slow = (
                tool.startswith("covertable,") and "not measured" in rows[name]["covertable"]
            )  # it begins with the other
            again = rows[name]["covertable"] if slow else None
            rows[name][tool] = again or measured(tool, (values, strength, never), 300 if options.full else 15)
        if name in PLAIN:
            rows[name]["published"] = PLAIN[name]
        print(name, json.dumps(rows[name]), flush=True)
    result = {
        "command": "python benchmarks/arrays.py" + (" --full" if options.full else ""),
        "published": "https://www.pairwise.org/efficiency.html; `best` is the smallest of all tools there",
        "versions": {name: version(name) for name in ("allpairspy", "covertable")},
        "python": platform.python_version(),
        "cores": os.cpu_count(),
        "load when started": round(os.getloadavg()[0], 1),
        "seed": SEED,
        "rows": rows,
    }
    options.out.write_text(json.dumps(result, indent=1) + "\n")


if __name__ == "__main__":
    main()
