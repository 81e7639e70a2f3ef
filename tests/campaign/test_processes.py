"""Runs as processes of their own, against the stub endpoint: killed, interrupted, on a full disk, without an endpoint.

The stub counts what it answered; each trial asks something else (its seed), so its counts are those of trials.
"""

from __future__ import annotations

import json
import random
import resource
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from obverse.campaign.journal import NAME, begun_times, read_trials
from obverse.testing.runs import POLICY, desk_run
from obverse.testing.stub import StubServer

ROUNDS = 24
KILLS = 2
TRIALS = len(desk_run().cases) * ROUNDS


@pytest.fixture
def stub() -> Iterator[StubServer]:
    with StubServer("--latency-s", "0.03") as server:
        yield server


def command(folder: Path, url: str, *options: str) -> list[str]:
    policy = folder.parent / "policy.md"
    policy.write_text(POLICY)
    return [
        *(sys.executable, "-m", "obverse.cli", "run", str(policy), "--target", "openai:m", "--base-url", url),
        *("-o", str(folder), "--rounds", str(ROUNDS), "--concurrency", "8", "--json"),
        *("--max-violation", "0.001", "--max-over-refusal", "0.999", *options),
    ]


def start(arguments: list[str], **options: Any) -> subprocess.Popen[str]:
    return subprocess.Popen(arguments, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, **options)


def finished(arguments: list[str], **options: Any) -> tuple[int, str, str]:
    process = start(arguments, **options)
    said, told = process.communicate(timeout=120)
    assert "Traceback" not in told
    return process.returncode, said, told


def answered(folder: Path) -> set[str]:
    return {trial.key for trial in read_trials(folder)} if (folder / NAME).exists() else set()


def wait_for(ready: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 60
    while not ready():
        assert time.monotonic() < deadline, "it took a minute"
        time.sleep(0.02)


def has_answers(folder: Path, number: int) -> Callable[[], bool]:
    def ready() -> bool:
        try:
            return len(answered(folder)) >= number
        except Exception:  # the journal is being made this moment
            return False

    return ready


@pytest.mark.slow
def test_kill_9_loses_nothing_that_was_answered_and_nothing_answered_is_asked_twice(
    stub: StubServer, tmp_path: Path
) -> None:
    folder, rng = tmp_path / "run", random.Random(5)
    held: dict[str, int] = {}
    for kills in range(KILLS):
        process = start(command(folder, stub.url, *(["--resume"] if kills else [])))
        wait_for(has_answers(folder, len(held) + rng.randint(1, 40)))
        process.kill()
        process.communicate()
        begun = begun_times(folder)
        assert held.keys() <= answered(folder)  # nothing lost
        held = {key: begun[key] for key in answered(folder)}
    code, said, _ = finished(command(folder, stub.url, "--resume"))
    assert code in {3, 4}
    assert sum(json.loads(said)["trials"].values()) == TRIALS
    begun = begun_times(folder)
    assert {key: begun[key] for key in held} == held  # what was held was not even begun again
    in_doubt = sum(times - 1 for times in begun.values())
    assert in_doubt <= KILLS * 8  # no more than what was under way when it was killed
    stats = stub.stats()
    assert len(stats.answered) == TRIALS
    assert stats.requests <= TRIALS + in_doubt


@pytest.mark.slow
def test_ctrl_c_ends_a_run_in_order_and_resume_asks_the_rest_only(stub: StubServer, tmp_path: Path) -> None:
    folder = tmp_path / "run"
    process = start(command(folder, stub.url))
    wait_for(has_answers(folder, 20))
    process.send_signal(signal.SIGINT)
    said, told = process.communicate(timeout=60)
    assert process.returncode == 130
    assert "Traceback" not in told
    assert f"go on with the same command and `--resume -o {folder}`" in told
    assert json.loads(said)["ended"] == "interrupted"
    assert (folder / "report.html").exists()
    assert sum(json.loads(said)["trials"].values()) == len(answered(folder)) < TRIALS
    code, said, _ = finished(command(folder, stub.url, "--resume"))
    assert code in {3, 4}
    assert sum(json.loads(said)["trials"].values()) == TRIALS
    assert stub.stats().requests == TRIALS  # calls under way were awaited, so nothing was asked twice
    assert stub.stats().asked_again == {}


@pytest.mark.slow
def test_a_full_disk_is_one_line_and_nothing_that_was_answered_is_lost(stub: StubServer, tmp_path: Path) -> None:
    folder = tmp_path / "run"

    def little_room() -> None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (400_000, 400_000))

    code, said, told = finished(command(folder, stub.url), preexec_fn=little_room)
    assert (code, json.loads(said)["error"]["code"]) == (2, "R106")
    assert "[R106] cannot write the journal" in told.splitlines()[-1]
    held = answered(folder)
    assert 0 < len(held) < TRIALS
    code, said, _ = finished(command(folder, stub.url, "--resume"))
    assert code in {3, 4}
    assert sum(json.loads(said)["trials"].values()) == TRIALS
    assert all(begun_times(folder)[key] == 1 for key in held)


def test_an_endpoint_that_is_not_there_is_one_line(tmp_path: Path) -> None:
    code, said, told = finished(command(tmp_path / "run", "http://127.0.0.1:9/v1"))
    assert (code, json.loads(said)["error"]["code"]) == (2, "R107")
    assert "[R107] the target never answered: cannot talk to `127.0.0.1`" in told.splitlines()[-1]
