"""What kill -9 costs a run: nothing that was answered is lost, nothing that was answered is asked twice.

    python benchmarks/runner_kills.py [--kills 50] [--seed 1]      writes benchmarks/results/runner_kills.json

`obverse run` is killed again and again, a random time after it began or after so many more answers were in its journal, and
resumed each time. An answer is *held* once it is in the journal. After each kill:

    lost          held before, and not there, or another one, any more
    asked_twice   held before, and begun again since; by the stub, answered more often than its trial was begun
    in_doubt      begun, but not held when the process died: whether it was answered nobody can know, so it is asked again.
                  At most as many as were under way. `answered_again` of them the stub had answered.

Each trial asks something else (its seed), so the stub's counts by content are counts by trial.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from obverse.campaign.journal import begun_times, read_trials
from obverse.campaign.run import RUN
from obverse.testing.runs import POLICY, desk_run
from obverse.testing.stub import StubServer

RESULT = Path(__file__).parent / "results" / "runner_kills.json"
CONCURRENCY = 16


class Journal:
    """What the journal of a run holds at this moment."""

    def __init__(self, folder: Path) -> None:
        self.answers: dict[str, str] = {}
        self.begun: dict[str, int] = {}
        if (folder / RUN).exists():  # it is written after the plan: before that there is nothing to look at
            self.answers = {trial.key: f"{trial.outcome} {trial.seconds}" for trial in read_trials(folder)}
            self.begun = begun_times(folder)


def command(folder: Path, url: str, rounds: int) -> list[str]:
    policy = folder.parent / "policy.md"
    policy.write_text(POLICY)
    return [
        *(sys.executable, "-m", "obverse.cli", "run", str(policy), "--target", "openai:m", "--base-url", url),
        *("-o", str(folder), "--rounds", str(rounds), "--concurrency", str(CONCURRENCY), "--json", "--resume"),
        *("--max-violation", "0.0001", "--max-over-refusal", "0.9999"),
    ]


def killed(arguments: list[str], folder: Path, rng: random.Random, held: int) -> bool:
    """Start it and kill it at a random moment; whether it was still alive then."""
    process = subprocess.Popen(arguments, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    if rng.random() < 0.2:
        time.sleep(rng.uniform(0, 3))  # often before anything is asked
    else:
        more, deadline = rng.randint(1, 80), time.monotonic() + 60
        while len(Journal(folder).answers) < held + more and process.poll() is None and time.monotonic() < deadline:
            time.sleep(0.01)
        time.sleep(rng.uniform(0, 0.05))
    alive = process.poll() is None
    process.kill()
    process.wait()
    return alive


def measure(kills: int, seed: int) -> dict[str, Any]:
    rng = random.Random(seed)
    rounds = kills * 12
    trials = len(desk_run().cases) * rounds
    lost = asked_twice = in_doubt = done = most = 0
    with tempfile.TemporaryDirectory() as scratch, StubServer("--latency-s", "0.02") as stub:
        folder = Path(scratch) / "run"
        arguments = command(folder, stub.url, rounds)
        before = Journal(folder)
        while done < kills:
            if not killed(arguments, folder, rng, len(before.answers)):
                break
            done += 1
            after = Journal(folder)
            lost += sum(after.answers.get(key) != answer for key, answer in before.answers.items())
            asked_twice += sum(after.begun[key] > before.begun[key] for key in before.answers)
            doubtful = sum(
                key not in after.answers and times > before.begun.get(key, 0) for key, times in after.begun.items()
            )
            in_doubt, most = in_doubt + doubtful, max(most, doubtful)
            before = after
        finished = subprocess.run(arguments, capture_output=True, check=False)
        end, stats = Journal(folder), stub.stats()
        lost += sum(end.answers.get(key) != answer for key, answer in before.answers.items())
        asked_twice += sum(end.begun[key] > before.begun[key] for key in before.answers)
    return {
        "kills": done,
        "trials": trials,
        "held_at_the_end": len(end.answers),
        "exit_code_at_the_end": finished.returncode,
        "lost": lost,
        "asked_twice": asked_twice,
        "in_doubt": in_doubt,
        "in_doubt_at_one_kill_at_most": most,
        "answered_again": sum(times - 1 for times in stats.answered.values()),
        "contents_answered_by_the_stub": len(stats.answered),
    }


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--kills", type=int, default=50)
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    start = time.perf_counter()
    found = measure(options.kills, options.seed)
    result = {
        "command": f"python benchmarks/runner_kills.py --kills {options.kills} --seed {options.seed}",
        "concurrency": CONCURRENCY,
        **found,
        "seconds": round(time.perf_counter() - start),
        "cores": os.cpu_count(),
    }
    RESULT.parent.mkdir(exist_ok=True)
    RESULT.write_text(json.dumps(result, indent=2) + "\n")
    print(json.dumps(result, indent=2))


if __name__ == "__main__":
    main()
