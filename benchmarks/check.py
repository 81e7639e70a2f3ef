"""How long `obverse check` takes, whole process, and one question to the solver: the examples and a synthetic policy.

    python benchmarks/check.py [--runs 3]      writes benchmarks/results/check.json

The synthetic policy is that of `benchmarks/cases.py`: 50 clauses, 200 conditions. `process` is the best of the runs, import to
exit. A goal is what inversion asks: a rule fires, or does not, while every other rule that speaks of the step does not; each
tool of each rule, in one `Finder`. Targets: the airline policy in less than 5 s, a goal in less than 20 ms.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import subprocess
import sys
import time
from pathlib import Path

from cases import synthetic

from obverse.cli.load import load
from obverse.policy import ast
from obverse.policy.checked import Checked
from obverse.solver.analyse import acts_of, analyse
from obverse.solver.answers import Goal
from obverse.solver.find import Finder

ROOT = Path(__file__).parents[1]
RESULT = Path(__file__).parent / "results" / "check.json"


def process(path: Path, runs: int) -> float:
    """The best time of the command as a user runs it."""
    times = []
    for _ in range(runs):
        start = time.perf_counter()
        done = subprocess.run(
            [sys.executable, "-m", "obverse.cli", "check", str(path), "--json", "--no-cache"],
            capture_output=True,
            check=False,
        )
        times.append(time.perf_counter() - start)
        if done.returncode not in (0, 3, 4):
            raise SystemExit(done.stderr.decode())
    return round(min(times), 2)


def goals(checked: Checked) -> list[Goal]:
    """What inversion asks of every rule: it fires, or not, and no other rule does."""
    found = []
    for rule in checked.rules:
        for act in acts_of(checked, rule):
            others = [
                ast.Not(body=one.fires) for one in checked.rules if one is not rule and act in acts_of(checked, one)
            ]
            found += [Goal(head=act, wishes=(wish, *others)) for wish in (rule.fires, ast.Not(body=rule.fires))]
    return found


def row(path: Path, runs: int) -> dict[str, object]:
    """Everything about one policy."""
    checked = load(path)
    analysis = analyse(checked)
    asked = goals(checked)
    finder = Finder(checked)
    start = time.perf_counter()
    answers = [type(finder.find(goal)).__name__ for goal in asked]
    seconds = time.perf_counter() - start
    return {
        "clauses": len(checked.clauses),
        "rules": len(checked.rules),
        "process_seconds": process(path, runs),
        "questions": analysis.queries,
        "findings": [f"{finding.code} {finding.clause}" for finding in analysis.findings],
        "undecided": len(analysis.undecided),
        "goals": len(asked),
        "answers": {name: answers.count(name) for name in sorted(set(answers))},
        "milliseconds_per_goal": round(1000 * seconds / len(asked), 2),
    }


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--runs", type=int, default=3)
    runs = parser.parse_args().runs
    made = RESULT.parent / "synthetic-check.md"
    RESULT.parent.mkdir(exist_ok=True)
    made.write_text(synthetic())
    load_before = round(os.getloadavg()[0], 2)
    rows = {
        "airline": row(ROOT / "examples" / "airline" / "policy.md", runs),
        "support": row(ROOT / "examples" / "support" / "policy.md", runs),
        "synthetic": row(made, runs),
    }
    made.unlink()
    result = {
        "command": f"python benchmarks/check.py --runs {runs}",
        "rerun": "run the command again: it overwrites this file",
        "policies": rows,
        "load_before": load_before,
        "cores": os.cpu_count(),
        "python": platform.python_version(),
    }
    RESULT.write_text(json.dumps(result, indent=2) + "\n")
    print(json.dumps(result, indent=2))


if __name__ == "__main__":
    main()
