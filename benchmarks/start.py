"""How long a user waits before anything happens: `import obverse` and `obverse --help`, as whole processes.

    python benchmarks/start.py            writes benchmarks/results/start.json

The bare interpreter is measured in the same run: what it takes is not ours, and on a busy machine it says how busy.
Aims: import under 150 ms, help under 250 ms, interpreter included.
"""

from __future__ import annotations

import json
import os
import platform
import statistics
import subprocess
import sys
import time
from pathlib import Path

RESULT = Path(__file__).parent / "results" / "start.json"
RUNS = 21
COMMANDS = {
    "python -c pass": [sys.executable, "-c", "pass"],
    "python -c 'import obverse'": [sys.executable, "-c", "import obverse"],
    "obverse --help": [str(Path(sys.executable).parent / "obverse"), "--help"],
    "obverse check --help": [str(Path(sys.executable).parent / "obverse"), "check", "--help"],
}


def main() -> None:
    """Measure the commands in turn, so that a machine that changes speed changes it for all."""
    seconds: dict[str, list[float]] = {name: [] for name in COMMANDS}
    for _ in range(RUNS + 1):
        for name, command in COMMANDS.items():
            began = time.perf_counter()
            subprocess.run(command, check=True, stdout=subprocess.DEVNULL)  # our own commands
            seconds[name].append(time.perf_counter() - began)
    rows = {
        name: {"median_ms": round(1000 * statistics.median(runs[1:]), 1), "max_ms": round(1000 * max(runs[1:]), 1)}
        for name, runs in seconds.items()
    }
    result = {
        "command": "python benchmarks/start.py",
        "python": platform.python_version(),
        "cores": os.cpu_count(),
        "load": round(os.getloadavg()[0], 1),
        "runs": RUNS,
        "rows": rows,
    }
    RESULT.write_text(json.dumps(result, indent=2) + "\n")
    for name, row in rows.items():
        print(f"{name:28} {row['median_ms']:8.1f} ms   (max {row['max_ms']:.1f})")


if __name__ == "__main__":
    main()
