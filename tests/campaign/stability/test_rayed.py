"""Draws over workers of Ray: the same answers as without, asked again when a worker dies, refused where workers differ."""

from __future__ import annotations

import importlib.util
import json
import os
import subprocess
import sys

import pytest

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(importlib.util.find_spec("ray") is None, reason="the package `ray` is not installed"),
]

PROGRAM = '''
import json, os, signal, sys, time
from obverse.campaign.stability.rayed import RayModel, dismissed
from obverse.core.chat import ChatMessage
from obverse.core.errors import ObverseError
from obverse.stability.ports import Answered, Job
from obverse.testing.boundary_runs import SimModel

mark = sys.argv[2]

class Dies(SimModel):
    """Dies once: the first worker that meets the job in the middle takes the whole process with it."""
    def draw(self, jobs, **options):
        for job in jobs:
            if job.id == "j7":
                try:
                    os.close(os.open(mark, os.O_CREAT | os.O_EXCL))
                except FileExistsError:
                    pass
                else:
                    os.kill(os.getpid(), signal.SIGKILL)
        yield from super().draw(jobs, **options)

class Differs(SimModel):
    def fingerprint(self):
        return f"torch:sim {os.getpid()}"

class Broken(SimModel):
    def __init__(self):
        raise ValueError("no weights here")

jobs = [
    Job(id=f"j{n}", messages=(ChatMessage(role="user", content="Do it."),), seeds=(1, 2, 3), temperature=0.7, max_tokens=8)
    for n in range(20)
]
alone = sorted((a.id, a.seed, a.text) for a in SimModel().draw(jobs))

def outcome(kind):
    try:
        model = RayModel(kind, 2)
    except ObverseError as error:
        return {"code": error.code, "message": error.message}
    found = sorted((a.id, a.seed, a.text) for a in model.draw(jobs))
    stopped = len(list(model.draw(jobs, stopped=lambda: True)))
    model.close()
    return {"same": found == alone, "answers": len(found), "stopped": stopped, "name": model.name}

kinds = {"same": SimModel, "dies": Dies, "differs": Differs, "broken": Broken}
with open(sys.argv[1], "w") as out:
    json.dump({name: outcome(kind) for name, kind in kinds.items()}, out)
'''


@pytest.fixture(scope="module")
def outcomes(tmp_path_factory: pytest.TempPathFactory) -> dict[str, dict[str, object]]:
    """What came of each kind of worker, over one cluster, which takes seconds to start."""
    folder = tmp_path_factory.mktemp("ray")
    (folder / "program.py").write_text(PROGRAM)
    plain = {**os.environ, "RAY_USAGE_STATS_ENABLED": "0"}
    done = subprocess.run(
        [sys.executable, "program.py", "out.json", str(folder / "died")],
        cwd=folder, capture_output=True, text=True, check=False, timeout=280, env=plain,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert (folder / "died").exists()
    found: dict[str, dict[str, object]] = json.loads((folder / "out.json").read_text())
    return found


def test_workers_give_the_answers_that_one_process_gives(outcomes: dict[str, dict[str, object]]) -> None:
    assert outcomes["same"] == {"same": True, "answers": 60, "stopped": 0, "name": "torch:sim"}


def test_what_a_worker_was_asked_that_died_is_asked_again(outcomes: dict[str, dict[str, object]]) -> None:
    assert outcomes["dies"] == {"same": True, "answers": 60, "stopped": 0, "name": "torch:sim"}


def test_workers_that_are_not_alike_are_refused(outcomes: dict[str, dict[str, object]]) -> None:
    assert outcomes["differs"]["code"] == "B532"
    assert "2 fingerprints among 2" in str(outcomes["differs"]["message"])


def test_workers_that_cannot_open_what_is_asked_for_say_why(outcomes: dict[str, dict[str, object]]) -> None:
    assert outcomes["broken"]["code"] == "B531"
    assert "no weights here" in str(outcomes["broken"]["message"])
