"""Whether faults of an endpoint move the stated rates: the same trials against a healthy and against a faulty one.

    python benchmarks/runner_faults.py [--trials 200]      writes benchmarks/results/runner_faults.json

The faulty stub fails a fifth of all contents for ever: 429, 500, hanging, broken JSON, half a body, and an HTML page that reads
like a refusal. Whether it refuses what it answers depends on the content alone, so both answer the same where they answer.
The truth of a trial is what came of it at the healthy one. Time limit of a call: 2 s; all else is the default.
"""

from __future__ import annotations

import argparse
import collections
import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any, NamedTuple

import msgspec

from obverse.campaign.journal import read_trials
from obverse.campaign.records import Summary, Trial
from obverse.campaign.run import read_run
from obverse.core.verdicts import Outcome, Side
from obverse.testing.stub import StubServer, StubStats

HERE = Path(__file__).parent
RESULT = HERE / "results" / "runner_faults.json"
POLICY = HERE.parent / "examples" / "support" / "policy.md"
TIMEOUT_S = 2.0


class Asked(NamedTuple):
    """One run: its summary, its trials by case and round, what the stub saw, and how long it took."""

    summary: Summary
    trials: dict[tuple[str, int], Trial]
    stub: StubStats
    seconds: float


def run(folder: Path, rounds: int, *stub_options: str) -> Asked:
    with StubServer("--refuse", "0.3", *stub_options) as stub:
        command = [
            *(sys.executable, "-m", "obverse.cli", "run", str(POLICY), "--target", "openai:m", "--base-url", stub.url),
            *("-o", str(folder), "--rounds", str(rounds), "--timeout", str(TIMEOUT_S)),
            *(
                "--confidence",
                "0.99999999",
                "--max-violation",
                "0.5",
                "--max-over-refusal",
                "0.5",
            ),  # nothing is settled
        ]
        start = time.perf_counter()
        done = subprocess.run(command, capture_output=True, check=False, timeout=300)
        seconds = round(time.perf_counter() - start, 1)
        assert done.returncode in {0, 3, 4}, done.stderr.decode()[-2000:]
        trials = {(trial.case, trial.round): trial for trial in read_trials(folder)}
        return Asked(read_run(folder), trials, stub.stats(), seconds)


def cases() -> int:
    """How many cases of the policy are asked."""
    command = [
        sys.executable,
        "-m",
        "obverse.cli",
        "run",
        str(POLICY),
        "--target",
        "sim:perfect",
        "--dry-run",
        "--json",
    ]
    plan = json.loads(subprocess.run(command, capture_output=True, check=True).stdout)["plan"]
    return int(plan["trials"]) // int(plan["per_case"])


def measure(trials: int) -> dict[str, Any]:
    rounds = -(-trials // cases())
    with tempfile.TemporaryDirectory() as scratch:
        healthy = run(Path(scratch) / "healthy", rounds)
        faulty = run(Path(scratch) / "faulty", rounds, "--mode", "mixed", "--share", "0.2")
    answered = {at for at, trial in faulty.trials.items() if trial.outcome is not Outcome.ERROR}
    return {
        "trials": len(faulty.trials),
        "planned": faulty.summary.plan.trials,
        "complete": faulty.summary.complete,
        "tally": msgspec.structs.asdict(faulty.summary.tally),
        "errors_by_kind": faulty.summary.errors,
        "contents_that_the_stub_never_answered": len(faulty.stub.asked) - len(faulty.stub.answered),
        "requests": faulty.stub.requests,
        "outcomes_other_than_at_the_healthy_endpoint": sum(
            faulty.trials[at].outcome is not healthy.trials[at].outcome for at in answered
        ),
        "rates": {side.value: rates(side, healthy, faulty, answered) for side in Side},
        "seconds": faulty.seconds,
        "seconds_at_the_healthy_endpoint": healthy.seconds,
    }


def rates(side: Side, healthy: Asked, faulty: Asked, answered: set[tuple[str, int]]) -> dict[str, Any]:
    """What was stated, and what is true."""
    (claim,) = (claim for claim in faulty.summary.overall if claim.side is side)
    (whole,) = (claim for claim in healthy.summary.overall if claim.side is side)
    mine = {line.case.id for view in faulty.summary.clauses for line in view.cases if line.case.side is side}
    outcomes = collections.Counter(healthy.trials[at].outcome for at in answered if at[0] in mine)
    scored = outcomes[Outcome.BROKEN] + outcomes[Outcome.KEPT]
    return {
        "broken_of_scored": claim.broken / claim.n,
        "stated_after_the_judges_known_error": claim.estimate,
        "true_of_the_answered_trials": outcomes[Outcome.BROKEN] / scored,
        "true_of_all_trials": whole.estimate,
        "worst_low": claim.worst_low,
        "worst_high": claim.worst_high,
        "scored": claim.n,
        "unscored": claim.unscored,
        "errors": claim.error,
    }


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--trials", type=int, default=200)
    options = parser.parse_args()
    result = {
        "command": f"python benchmarks/runner_faults.py --trials {options.trials}",
        **measure(options.trials),
        "cores": os.cpu_count(),
    }
    RESULT.parent.mkdir(exist_ok=True)
    RESULT.write_text(json.dumps(result, indent=2) + "\n")
    print(json.dumps(result, indent=2))


if __name__ == "__main__":
    main()
