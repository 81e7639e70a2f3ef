"""`make demo-guard`, without the model: everything else is real, and each verdict is shown."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from house import ROOT

SHOWN = (
    "guard:    ALLOW", "guard:    ASK", "reviewer: approves", "guard:    ALLOW", "reviewer: rejects", "guard:    DENY",
    "guard:    STOP", "refund A-1001, 400", "The log holds.", "The log does not hold.",
)  # fmt: skip


def test_an_agent_is_asked_approved_denied_and_stopped_and_the_bundle_verified(tmp_path: Path) -> None:
    command = [sys.executable, "examples/guarded-shop/demo.py", str(tmp_path / "demo"), "--model", "scripted"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    rest = done.stdout
    for line in SHOWN:
        assert line in rest, f"`{line}` is not shown where it should be:\n{done.stdout}"
        rest = rest[rest.index(line) + len(line) :]
    assert "refund A-1001, 60" not in done.stdout
