"""How long inversion takes: the airline and support examples, and a synthetic policy of 50 clauses with 200 conditions.

    python benchmarks/cases.py [--out benchmarks/results/cases.json]

Each policy is inverted in a process of its own, whole: import, parse, check, search, words, coverage; once at standard depth
and once in full, with exceptions, orders of events, pairs of rules and contexts. The synthetic policy is
written by `synthetic` in the rule language; what it holds is counted from the checked policy, not assumed.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).parents[1]
AREAS = ("order", "refund", "invoice", "parcel", "account", "ticket", "lease", "claim", "loan", "grant")
TARGET_SECONDS = 15.0


def synthetic(clauses: int = 50) -> str:
    """A policy of so many clauses with four conditions each, in the mix of a real one: arguments, look-ups, windows, limits."""
    lines = ["---", "policy: synthetic", "version: 1", "---", "", "# Synthetic", "", "```terms"]
    for area in AREAS:
        lines += [
            f'tool get_{area}(id: text) -> (status: one of "open", "held", "closed", owner: text, total: number, made: time)',
            "     effect read",
            f"tool change_{area}(id: text, amount: number, note: text)   effect write",
            f"tool close_{area}(id: text, amount: number, urgent: bool)   effect write",
        ]
    lines += [
        'judged message.says_yes "The user agrees to what was proposed." yes "Yes, please." no "No, wait."',
        'judged message.is_angry "The user is angry." yes "This is outrageous!" no "Thanks for the help."',
        "fact user.verified: bool",
        'fact user.tier: one of "basic", "plus", "gold"',
        "```", "",
    ]  # fmt: skip
    for number in range(clauses):
        lines += [f"## Clause {number + 1}  {{#c{number + 1}}}", "", "What this clause says.", "", "```rule"]
        lines += [_rule(number, AREAS[number % len(AREAS)]), "```", ""]
    return "\n".join(lines)


def _rule(number: int, area: str) -> str:
    """One rule with four conditions; the shape changes from clause to clause, thresholds with it."""
    amount = 100 + 25 * number
    act = f"{'change' if number // len(AREAS) % 2 else 'close'}_{area}"
    looked = f"last get_{area}(id: r) has"
    shapes = (
        f'forbid {act}(id: r) when amount > {amount} and {looked} (status = "held" and total < {amount}) unless user.verified',
        f'ask {act}(id: r) when amount >= {amount} and user.tier != "gold" and {looked} status = "open" and not user.verified',
        f'forbid {act}(id: r) unless once get_{area}(id: r) within 24h or (user.verified and amount < {amount} and user.tier = "gold")',
        f'forbid {act} when amount > {amount} and not (last message has message.says_yes) and not user.verified and user.tier = "basic" trusting judge',
        f'forbid {act}(id: r) when {looked} (made < now - 30d and status = "closed") and amount != {amount} and not user.verified',
    )  # fmt: skip
    return shapes[(number + number // len(AREAS)) % len(shapes)]  # never the same shape twice for one tool


def measure(path: Path, depth: str) -> dict[str, object]:
    """What `obverse cases --json` says of the policy, and how long the whole process took, by the clock and on the CPU."""
    started, used = time.perf_counter(), resource.getrusage(resource.RUSAGE_CHILDREN).ru_utime
    done = subprocess.run(
        [sys.executable, "-m", "obverse.cli", "cases", str(path), "--json", "--depth", depth],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    seconds = time.perf_counter() - started
    cpu = resource.getrusage(resource.RUSAGE_CHILDREN).ru_utime - used
    if done.returncode not in (0, 4):
        raise SystemExit(done.stderr)
    said = json.loads(done.stdout)
    return {
        "seconds": round(seconds, 2),
        "cpu seconds": round(cpu, 2),
        "cases": said["cases"],
        "size": said["size"],
        "coverage": said["coverage"],
        "digest": said["digest"],
    }


def size(path: Path) -> dict[str, int]:
    """Clauses, rules and conditions of the policy as checked."""
    from obverse.cases.conditions import conditions_of
    from obverse.cli.load import load

    checked = load(path)
    conditions = [conditions_of(rule.fires) for rule in checked.rules]
    return {
        "clauses": len(checked.clauses),
        "rules": len(checked.rules),
        "conditions": sum(len(one.outer) for one in conditions),
        "inner conditions and bindings": sum(len(one.others) for one in conditions),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--out", type=Path, default=ROOT / "benchmarks" / "results" / "cases.json")
    parser.add_argument("--clauses", type=int, default=50)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        written = Path(folder, "synthetic.md")
        written.write_text(synthetic(options.clauses))
        rows = {}
        for name, path in {
            "synthetic": written,
            "support": ROOT / "examples" / "support" / "policy.md",
            "airline": ROOT / "examples" / "airline" / "policy.md",
        }.items():
            rows[name] = {**size(path), **measure(path, "standard"), "full": measure(path, "full")}
            print(name, json.dumps(rows[name], indent=2))
    result = {
        "command": "python benchmarks/cases.py",
        "target": f"synthetic in less than {TARGET_SECONDS:g} s",
        "python": platform.python_version(),
        "cores": os.cpu_count(),
        "load when started": round(os.getloadavg()[0], 1),
        "rows": rows,
    }
    options.out.write_text(json.dumps(result, indent=2) + "\n")


if __name__ == "__main__":
    main()
