"""How long it takes to compare two policies, and to explain a verdict: mutants of the example and of the clean policies.

    python benchmarks/diff.py [--mutants 60] [--full]      writes benchmarks/results/diff.json

A mutant is the policy with one fault (`obverse.cases.mutation`); `--mutants` of each policy, spread evenly over all that there
are, `--full` takes all. Each is compared as mutation scoring does, one `Finder` per policy, up to the first difference.
`missed` counts mutants that are called the same and that a scenario which told another mutant apart shows to differ: it has to
be 0. `process` is `obverse diff` after an edit of one clause, import to exit, best of three. `why` is each finding of an audit
of the example, explained.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

from obverse.cases.mutation.mutants import mutants
from obverse.cli.load import load
from obverse.core.transcripts import Unreadable, read_transcripts
from obverse.core.verdicts import Truth, Verdict
from obverse.policy.checked import Checked
from obverse.policy.decide import decide
from obverse.policy.steps import steps_of, turns_of
from obverse.solver.answers import Scenario
from obverse.solver.compare import compare
from obverse.solver.find import Finder
from obverse.solver.why import why

ROOT = Path(__file__).parents[1]
RESULT = Path(__file__).parent / "results" / "diff.json"
AIRLINE = ROOT / "examples" / "airline" / "policy.md"
NAMES = {Truth.TRUE: "same", Truth.FALSE: "different", Truth.UNKNOWN: "undecided"}


def compared(path: Path, most: int | None) -> tuple[dict[str, object], list[float]]:
    """One policy: what became of its mutants, and how long each took in seconds."""
    checked = load(path)
    every = mutants(checked)
    chosen = every if most is None else every[:: max(1, len(every) // most)][:most]
    finder = Finder(checked)
    seconds: list[float] = []
    told = dict.fromkeys(NAMES.values(), 0)
    same: list[Checked] = []
    scenarios: list[Scenario] = []
    for mutant in chosen:
        other = mutant.of(checked)
        start = time.perf_counter()
        found = compare(checked, other, finder=finder, first=True)
        seconds.append(time.perf_counter() - start)
        told[NAMES[found.same]] += 1
        if found.same is Truth.TRUE:
            same.append(other)
        scenarios += [change.scenario for change in found.changes]
    return {
        "rules": len(checked.rules),
        "mutants": len(chosen),
        "of": len(every),
        **told,
        "scenarios": len(scenarios),
        "missed": _missed(checked, same, scenarios),
        **_times(seconds),
    }, seconds


def _missed(checked: Checked, same: Sequence[Checked], scenarios: Sequence[Scenario]) -> int:
    """How many mutants are called the same and are not."""
    verdicts = [decide(checked, one.history, one.step).verdict for one in scenarios]
    pairs = list(zip(scenarios, verdicts, strict=True))
    return sum(any(decide(other, s.history, s.step).verdict is not verdict for s, verdict in pairs) for other in same)


def _times(seconds: Sequence[float]) -> dict[str, float]:
    ordered = sorted(seconds)
    return {
        "milliseconds_mean": round(1000 * statistics.mean(ordered), 1),
        "milliseconds_median": round(1000 * statistics.median(ordered), 1),
        "milliseconds_p95": round(1000 * ordered[int(0.95 * (len(ordered) - 1))], 1),
        "milliseconds_most": round(1000 * ordered[-1], 1),
    }


def process(folder: Path) -> dict[str, object]:
    """The command as a user runs it, after an edit of one clause."""
    text = AIRLINE.read_text()
    old, new = folder / "old.md", folder / "new.md"
    old.write_text(text)
    before, after = "within 24h of created_at", "within 48h of created_at"
    new.write_text(text.replace(before, after, 1))
    times = []
    for _ in range(3):
        start = time.perf_counter()
        done = subprocess.run(
            [sys.executable, "-m", "obverse.cli", "diff", str(old), str(new), "--json"],
            capture_output=True,
            check=False,
        )
        times.append(time.perf_counter() - start)
        if done.returncode not in (0, 3):
            raise SystemExit(done.stderr.decode())
    found = json.loads(done.stdout)
    return {"edit": f"`{before}` to `{after}`", "changes": len(found["changes"]), "seconds": round(min(times), 2)}


def explained() -> dict[str, object]:
    """Every step of the example's transcripts that is not allowed, explained."""
    checked = load(AIRLINE)
    seconds: list[float] = []
    turned = 0
    with (AIRLINE.parent / "transcripts.jsonl").open("rb") as source:
        for transcript in read_transcripts(source):
            if isinstance(transcript, Unreadable):
                raise SystemExit(str(transcript.error))
            past: list[object] = []
            for item in turns_of(transcript.events):
                if not isinstance(item, tuple):
                    past.append(item)
                    continue
                for step in steps_of(item):
                    if decide(checked, past, step).verdict is not Verdict.ALLOW:  # type: ignore[arg-type]  # events
                        start = time.perf_counter()
                        turned += bool(why(checked, past, step).nearest)  # type: ignore[arg-type]  # events
                        seconds.append(time.perf_counter() - start)
                past += item
    return {"steps": len(seconds), "turned": turned, **_times(seconds)}


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--mutants", type=int, default=60)
    parser.add_argument("--full", action="store_true")
    options = parser.parse_args()
    load_before = round(os.getloadavg()[0], 2)
    rows: dict[str, object] = {}
    every: list[float] = []
    for path in [AIRLINE, *sorted((Path(__file__).parent / "policies").glob("*.md"))]:
        name = path.parent.name if path == AIRLINE else path.stem
        if path.stem.lower() == "readme":
            continue
        rows[name], seconds = compared(path, None if options.full else options.mutants)
        every += seconds
    with tempfile.TemporaryDirectory() as folder:
        one_edit = process(Path(folder))
    result = {
        "command": "python benchmarks/diff.py" + (" --full" if options.full else f" --mutants {options.mutants}"),
        "rerun": "run the command again: it overwrites this file",
        "all": {"mutants": len(every), **_times(every)},
        "policies": rows,
        "process": one_edit,
        "why": explained(),
        "load_before": load_before,
        "cores": os.cpu_count(),
        "python": platform.python_version(),
    }
    RESULT.write_text(json.dumps(result, indent=2) + "\n")
    print(json.dumps({key: value for key, value in result.items() if key != "policies"}, indent=2))


if __name__ == "__main__":
    main()
