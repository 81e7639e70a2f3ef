"""What `make demo` takes in an empty clone, downloads included: the whole way of a new user, timed.

    python benchmarks/demo.py             writes benchmarks/results/demo.json

The clone, its virtual environment and the cache of models are new and thrown away; the package installer's own cache of
downloads is switched off, so that everything comes over the network as it does the first time. Aim: under 5 minutes on 2 cores.
"""

from __future__ import annotations

import json
import os
import platform
import subprocess
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
RESULT = Path(__file__).parent / "results" / "demo.json"


def main() -> int:
    """Clone, run `make demo`, note the time and what it came to."""
    with tempfile.TemporaryDirectory() as folder:
        clone = Path(folder) / "obverse"
        subprocess.run(["git", "clone", "--quiet", str(ROOT), str(clone)], check=True)  # git, as a user has it
        environment = {
            **os.environ, "OBVERSE_CACHE": f"{folder}/cache", "PIP_NO_CACHE_DIR": "1", "UV_NO_CACHE": "1"
        }  # fmt: skip
        began = time.perf_counter()
        done = subprocess.run(["make", "demo"], cwd=clone, env=environment, check=False)  # make, as a user has it
        seconds = time.perf_counter() - began
        report = clone / "runs" / "demo" / "report.json"
        summary = json.loads(report.read_text()) if report.exists() else {}
    result = {
        "command": "python benchmarks/demo.py",
        "python": platform.python_version(),
        "cores": os.cpu_count(),
        "load": round(os.getloadavg()[0], 1),
        "seconds": round(seconds, 1),
        "exit": done.returncode,
        "trials": summary.get("tally"),
        "run_seconds": summary.get("seconds"),
        "verdict": summary.get("verdict"),
    }
    RESULT.write_text(json.dumps(result, indent=2) + "\n")
    print(f"make demo in an empty clone: {seconds:.0f} s, exit {done.returncode}")
    return done.returncode


if __name__ == "__main__":
    sys.exit(main())
