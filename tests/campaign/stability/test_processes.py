"""Stability runs as processes of their own, against the stub endpoint: killed, interrupted, on a full disk, over workers of Ray.

The stub counts what it answered; each draw asks something else (its seed), so its counts are those of draws.
"""

from __future__ import annotations

import importlib.util
import json
import os
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

from obverse.campaign.journal import NAME, begun_times, read_answers
from obverse.stability.records import Draw
from obverse.testing.runs import POLICY
from obverse.testing.stub import StubServer

KILLS = 2
CONCURRENCY = 8
HOW = ("--ladders", "typos", "--levels", "1", "--per-rung", "2", "--limit", "5", "--most", "34")
APART = ("started", "seconds", "command", "ended", "complete")


@pytest.fixture
def stub() -> Iterator[StubServer]:
    with StubServer("--latency-s", "0.03") as server:
        yield server


def command(folder: Path, target: list[str], *options: str) -> list[str]:
    policy = folder.parent / "policy.md"
    policy.write_text(POLICY)
    return [
        *(sys.executable, "-m", "obverse.cli", "stability", str(policy), *target, "-o", str(folder)),
        *("--concurrency", str(CONCURRENCY), "--json", *HOW, *options),
    ]


def endpoint(stub: StubServer) -> list[str]:
    return ["--target", "openai:m", "--base-url", stub.url]


def start(arguments: list[str], **options: Any) -> subprocess.Popen[str]:
    return subprocess.Popen(arguments, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, **options)


def finished(arguments: list[str], **options: Any) -> tuple[int, dict[str, Any], str]:
    process = start(arguments, **options)
    said, told = process.communicate(timeout=200)
    assert "Traceback" not in told, told
    return process.returncode, json.loads(said), told


def held(folder: Path) -> set[str]:
    return {draw.key for draw in read_answers(folder, Draw)} if (folder / NAME).exists() else set()


def has_answers(folder: Path, number: int) -> Callable[[], bool]:
    def ready() -> bool:
        try:
            return len(held(folder)) >= number
        except Exception:  # the journal is being made this moment
            return False

    return ready


def wait_for(ready: Callable[[], bool], process: subprocess.Popen[str]) -> None:
    deadline = time.monotonic() + 120
    while not ready():
        assert process.poll() is None, process.communicate()
        assert time.monotonic() < deadline, "it took two minutes"
        time.sleep(0.02)


def said(document: dict[str, Any]) -> dict[str, Any]:
    """What a document says, without when and how it came about."""
    return {name: value for name, value in document.items() if name not in {*APART, "report"}}


@pytest.mark.slow
def test_L19_kill_9_loses_nothing_and_a_run_that_goes_on_says_what_one_that_was_left_alone_says(
    stub: StubServer, tmp_path: Path
) -> None:
    folder, rng = tmp_path / "run", random.Random(5)
    code, alone, _ = finished(command(tmp_path / "alone", endpoint(stub)))
    assert code in {0, 4}
    before = stub.stats()
    kept: set[str] = set()
    for kills in range(KILLS):
        process = start(command(folder, endpoint(stub), *(["--resume"] if kills else [])))
        wait_for(has_answers(folder, len(kept) + rng.randint(5, 25)), process)
        process.kill()
        process.communicate()
        assert kept <= held(folder)  # nothing lost
        kept = held(folder)
    begun = begun_times(folder)
    first = {key: begun[key] for key in kept}
    again, resumed, _ = finished(command(folder, endpoint(stub), "--resume"))
    assert again == code
    assert said(resumed) == said(alone)
    begun = begun_times(folder)
    assert {key: begun[key] for key in kept} == first  # what was held was not even begun again
    in_doubt = sum(times - 1 for times in begun.values())
    assert in_doubt <= KILLS * CONCURRENCY  # no more than what was under way when it was killed
    assert stub.stats().requests - before.requests <= resumed["draws"] + in_doubt


@pytest.mark.slow
def test_ctrl_c_ends_a_run_in_order_and_resume_asks_the_rest_only(stub: StubServer, tmp_path: Path) -> None:
    folder = tmp_path / "run"
    process = start(command(folder, endpoint(stub)))
    wait_for(has_answers(folder, 20), process)
    process.send_signal(signal.SIGINT)
    text, told = process.communicate(timeout=120)
    assert process.returncode == 130
    assert "Traceback" not in told
    assert f"go on with the same command and `--resume -o {folder}`" in told
    document = json.loads(text)
    assert (document["ended"], document["complete"]) == ("interrupted", False)
    assert (folder / "report.html").exists()
    assert document["draws"] == len(held(folder))
    code, resumed, _ = finished(command(folder, endpoint(stub), "--resume"))
    assert code in {0, 4}
    assert resumed["complete"]
    assert stub.stats().requests == resumed["draws"]  # calls under way were awaited, so nothing was asked twice


@pytest.mark.slow
def test_a_full_disk_is_one_line_and_nothing_that_was_answered_is_lost(stub: StubServer, tmp_path: Path) -> None:
    folder = tmp_path / "run"

    def little_room() -> None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (300_000, 300_000))

    code, document, told = finished(command(folder, endpoint(stub)), preexec_fn=little_room)
    assert (code, document["error"]["code"]) == (2, "R106")
    assert "[R106] cannot write the journal" in told.splitlines()[-1]
    kept = held(folder)
    code, resumed, _ = finished(command(folder, endpoint(stub), "--resume"))
    assert code in {0, 4}
    assert resumed["complete"]
    assert all(begun_times(folder)[key] == 1 for key in kept)


needs_ray = pytest.mark.skipif(importlib.util.find_spec("ray") is None, reason="the package `ray` is not installed")


@pytest.mark.slow
@needs_ray
def test_L19_over_workers_of_ray_the_diagnosis_is_the_same(tmp_path: Path) -> None:
    target = ["--target", "sim:wavering"]
    _, alone, _ = finished(command(tmp_path / "alone", target))
    _, shared, _ = finished(
        command(tmp_path / "shared", target, "--ray", "2"), env={**os.environ, "RAY_DEDUP_LOGS": "0"}
    )
    assert said(shared) == said(alone)
    assert held(tmp_path / "shared") == held(tmp_path / "alone")
