"""What `obverse check` finds: on hand-written clean policies, and on the same with one planted defect each.

    python benchmarks/check_corpus.py [--full] [--seed 1]      writes benchmarks/results/check_corpus.json

Every policy of `benchmarks/policies/` is analysed as it is: an error or a warning there is a false alarm, since each was read
when it came and the policy mended where it was right. Then each operator of `defects.py` and `defects_declared.py` plants its defect at places
drawn by seed (8 for each operator, `--full`: 60). A plant is *found* if its code names its rule or its declaration; found *as
another* if only other codes name it; else *open* (undecided) or *missed*. Plants that the checker refuses are none: their
author would have been told. Answers about untouched rules are kept from the clean policy, as `obverse check` keeps them; of
every twentieth plant the same is asked again without, and has to agree.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import random
import statistics
import time
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from typing import Any

import defects
import defects_declared
from planting import OPERATORS, Plant, plants

from obverse.core.errors import ObverseError
from obverse.policy.check import check
from obverse.policy.parse import parse
from obverse.solver.analyse import analyse
from obverse.solver.findings import MEANINGS, Analysis, Finding

POLICIES = Path(__file__).parent / "policies"
RESULT = Path(__file__).parent / "results" / "check_corpus.json"
EACH, EACH_IN_FULL, AGAIN = 8, 60, 20
REGISTERED = (defects, defects_declared)  # their operators are in OPERATORS once they are imported


class Kept(dict[str, bytes]):
    """Answers kept in memory."""

    def put(self, key: str, value: bytes) -> None:
        self[key] = value


def chosen(each: int, seed: int) -> dict[str, list[tuple[str, int]]]:
    """For each policy, operators and which of their plants; as evenly over the policies as there are places."""
    found: dict[str, list[tuple[str, int]]] = {}
    for operator in OPERATORS:
        draw = random.Random(f"{seed} {operator}")
        left = {path.stem: len(plants(parse(path.read_text(), source=path.name), operator)) for path in _paths()}
        places = {name: draw.sample(range(number), min(number, each)) for name, number in left.items() if number}
        taken: list[tuple[str, int]] = []
        while len(taken) < each and any(places.values()):
            for name in draw.sample(sorted(places), len(places)):
                if places[name] and len(taken) < each:
                    taken.append((name, places[name].pop()))
        for name, place in taken:
            found.setdefault(name, []).append((operator, place))
    return found


def measure(name: str, wanted: list[tuple[str, int]]) -> dict[str, Any]:
    """Everything about one policy and its plants."""
    policy = parse((POLICIES / f"{name}.md").read_text(), source=name)
    checked = check(policy)
    kept = Kept()
    start = time.perf_counter()
    clean = analyse(checked, answers=kept)
    seconds = time.perf_counter() - start
    rows = []
    for operator, place in wanted:
        plant = plants(policy, operator)[place]
        row = _planted(plant, clean, kept)
        if row is not None:
            rows.append({"policy": name, "operator": operator, **row})
    return {
        "policy": name,
        "clauses": len(checked.clauses),
        "rules": len(checked.rules),
        "seconds": seconds,
        "queries": clean.queries,
        "codes": Counter(f"{finding.severity} {finding.code}" for finding in clean.findings),
        "false alarms": [
            f"{finding.code} {finding.clause}: {finding.message}"
            for finding in clean.findings
            if finding.severity != "info"
        ],
        "undecided": len(clean.undecided),
        "plants": rows,
    }


def _planted(plant: Plant, clean: Analysis, kept: Kept) -> dict[str, Any] | None:
    try:
        checked = plant.checked()
    except ObverseError:
        return None
    start = time.perf_counter()
    analysis = analyse(checked, answers=Kept(kept))
    seconds = time.perf_counter() - start
    before = {(finding.code, finding.message) for finding in clean.findings}
    new = [finding for finding in analysis.findings if (finding.code, finding.message) not in before]
    row = {"code": plant.code, "seconds": seconds, **_outcome(plant, new, analysis)}
    if hash_of(plant) % AGAIN == 0:
        again = analyse(checked)
        row["agrees"] = _shown(again) == _shown(analysis)
    return row


def _outcome(plant: Plant, new: list[Finding], analysis: Analysis) -> dict[str, Any]:
    about = [finding for finding in new if _is_about(plant, finding)]
    codes = sorted({finding.code for finding in about})
    where = ", ".join(plant.rules) or plant.name
    if plant.code in codes:
        return {"outcome": "found"}
    if codes:
        return {"outcome": "as another", "as": codes, "where": where}
    asked = any(one.code == plant.code and (one.rule in plant.rules or not plant.rules) for one in analysis.undecided)
    return {"outcome": "open" if asked else "missed", "where": where}


def _is_about(plant: Plant, finding: Finding) -> bool:
    if plant.name is not None:
        texts = (finding.message, finding.about or "", finding.clause or "")
        if any(plant.name in text for text in texts):
            return True
    return bool({finding.rule, *finding.others} & {*plant.rules})


def _shown(analysis: Analysis) -> list[tuple[str, str]]:
    return [(finding.code, finding.message) for finding in analysis.findings]


def hash_of(plant: Plant) -> int:
    """A number that is the same on every machine."""
    return random.Random(f"{plant.operator} {plant.rules} {plant.name} {plant.policy.name}").randrange(10**6)


def table(rows: list[dict[str, Any]]) -> dict[str, dict[str, Any]]:
    """Per code what became of its plants."""
    found: dict[str, dict[str, Any]] = {}
    for code in MEANINGS:
        mine = [row for row in rows if row["code"] == code]
        outcomes = Counter(row["outcome"] for row in mine)
        found[code] = {
            "planted": len(mine),
            **{name: outcomes[name] for name in ("found", "as another", "open", "missed")},
            "operators": sorted({row["operator"] for row in mine}),
        }
    return found


def _paths() -> list[Path]:
    return sorted(POLICIES.glob("*.md"))


def _not_found(rows: list[dict[str, Any]]) -> Iterator[dict[str, Any]]:
    for row in rows:
        if row["outcome"] != "found":
            yield {key: value for key, value in row.items() if key not in ("seconds", "agrees")}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--full", action="store_true", help=f"{EACH_IN_FULL} plants of each operator, not {EACH}")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--processes", type=int, default=2)
    parser.add_argument("--out", type=Path, default=RESULT)
    options = parser.parse_args()
    load_before, start = round(os.getloadavg()[0], 2), time.perf_counter()
    wanted = chosen(EACH_IN_FULL if options.full else EACH, options.seed)
    names = [path.stem for path in _paths()]
    with ProcessPoolExecutor(options.processes) as pool:
        measured = list(pool.map(measure, names, [wanted.get(name, []) for name in names]))
    rows = [row for one in measured for row in one["plants"]]
    seconds = sorted(one["seconds"] for one in measured)
    again = [row["agrees"] for row in rows if "agrees" in row]
    codes: Counter[str] = sum((one["codes"] for one in measured), Counter())
    result = {
        "command": f"python benchmarks/check_corpus.py{' --full' if options.full else ''} --seed {options.seed}",
        "rerun": "run the command again: it overwrites this file",
        "clean": {
            "policies": len(measured),
            "clauses": sum(one["clauses"] for one in measured),
            "rules": sum(one["rules"] for one in measured),
            "false alarms": {one["policy"]: one["false alarms"] for one in measured if one["false alarms"]},
            "notes": {code.removeprefix("info "): codes[code] for code in sorted(codes) if code.startswith("info")},
            "undecided": sum(one["undecided"] for one in measured),
            "seconds": {
                "median": round(statistics.median(seconds), 2),
                "max": round(seconds[-1], 2),
                "sum": round(sum(seconds), 1),
            },
            "queries": sum(one["queries"] for one in measured),
        },
        "planted": {
            "plants": len(rows),
            "found": sum(row["outcome"] == "found" for row in rows),
            "per code": table(rows),
            "not found": list(_not_found(rows)),
            "seconds": {
                "median": round(statistics.median(row["seconds"] for row in rows), 2),
                "max": round(max(row["seconds"] for row in rows), 2),
            },
            "asked again without kept answers": len(again),
            "of these, another answer": again.count(False),
        },
        "wall seconds": round(time.perf_counter() - start, 1),
        "processes": options.processes,
        "load_before": load_before,
        "cores": os.cpu_count(),
        "python": platform.python_version(),
    }
    options.out.write_text(json.dumps(result, indent=2) + "\n")
    print(json.dumps({**result, "planted": {**result["planted"], "not found": "…"}}, indent=2))


if __name__ == "__main__":
    main()
