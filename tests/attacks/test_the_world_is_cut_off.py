"""Interrupts, pipes that close, full disks, dead endpoints, a second process: real processes, and what is left on disk.

What each endpoint fault looks like to a target is tried in `test_a_page_is_not_a_reply.py`; kill -9 in `tests/campaign`.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

OBVERSE = [sys.executable, "-m", "obverse.cli"]
POLICY = """---
policy: till
---
# Till

```terms
tool pay(to: text, amount: number) effect money
```

## At most a hundred {#hundred}

```rule
forbid pay when amount > 100
```
"""
NOTHING_ANSWERS = "http://127.0.0.1:9/v1"


@pytest.fixture
def desk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder to work in, with a policy."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "till.md").write_text(POLICY)
    return tmp_path


@pytest.fixture
def stub() -> Iterator[Callable[[str], str]]:
    """Starts stub endpoints by mode, and gives their addresses."""
    started: list[subprocess.Popen[bytes]] = []

    def start(mode: str) -> str:
        command = [sys.executable, "-m", "obverse.testing.server", "--port", "0", "--mode", mode]
        process = subprocess.Popen(command, stdout=subprocess.PIPE)
        started.append(process)
        assert process.stdout is not None
        return str(json.loads(process.stdout.readline())["url"])

    yield start
    for process in started:
        process.kill()
        process.communicate()


def call(*words: str, env: dict[str, str] | None = None) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [*OBVERSE, *words], capture_output=True, text=True, timeout=60, check=False, env={**os.environ, **(env or {})},
        stdin=subprocess.DEVNULL,
    )  # fmt: skip


def begin(*words: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [*OBVERSE, *words], stdout=subprocess.PIPE, stderr=subprocess.PIPE, stdin=subprocess.PIPE, text=True
    )


def wait_for(path: Path) -> None:
    """Until this file is there: no more than a minute."""
    for _ in range(600):
        if path.exists():
            return
        time.sleep(0.1)
    raise TimeoutError(f"`{path}` never came")


def run_against(url: str, *words: str) -> list[str]:
    return ["run", "till.md", "--target", "openai:m", "--base-url", url, "-o", "out", "--rounds", "2", *words]


# --- endpoints ----------------------------------------------------------------------------------------------------------


def test_an_endpoint_that_is_down_is_one_line_and_nothing_is_counted(desk: Path) -> None:
    done = call(*run_against(NOTHING_ANSWERS, "--attempts", "1", "--json"))
    assert done.returncode == 2
    assert json.loads(done.stdout)["error"]["code"] == "R107"
    assert "Traceback" not in done.stderr
    assert not (desk / "out" / "report.json").exists()


@pytest.mark.parametrize("mode", ["429", "html"])
def test_an_endpoint_that_never_answers_ends_within_bounds(mode: str, desk: Path, stub: Callable[[str], str]) -> None:
    done = call(*run_against(stub(mode), "--attempts", "1", "--timeout", "2"))
    assert done.returncode == 2
    assert "the target never answered" in done.stderr.splitlines()[-1]
    assert "Traceback" not in done.stderr


def test_without_a_network_a_model_is_not_fetched_and_nothing_is_left(desk: Path) -> None:
    nowhere = "http://127.0.0.1:9"
    proxies = dict.fromkeys(("HTTP_PROXY", "HTTPS_PROXY", "http_proxy", "https_proxy", "ALL_PROXY"), nowhere)
    env = {**proxies, "NO_PROXY": "", "no_proxy": "", "PIP_INDEX_URL": f"{nowhere}/simple", "OBVERSE_CACHE": "cache"}
    done = call("models", "fetch", "minilm-l6-v2", env=env)
    assert done.returncode == 2
    assert "[M107]" in done.stderr.splitlines()[-1]
    assert "Traceback" not in done.stderr
    assert [path for path in (desk / "cache").rglob("*") if path.is_file() and path.stat().st_size] == []


# --- two at once --------------------------------------------------------------------------------------------------------


def test_a_second_run_in_one_folder_is_refused_and_an_interrupt_loses_no_folder(
    desk: Path, stub: Callable[[str], str]
) -> None:
    words = run_against(stub("hang"), "--timeout", "30")
    first = begin(*words)
    try:
        wait_for(desk / "out" / "run.json")
        second = call(*words, "--resume")
        assert (second.returncode, "[R1" in second.stderr.splitlines()[-1]) == (2, True)
        assert "Traceback" not in second.stderr
        first.send_signal(signal.SIGINT)
        time.sleep(0.3)
        first.send_signal(signal.SIGINT)
        _, err = first.communicate(timeout=30)
    finally:
        first.kill()
    assert first.returncode == 130
    assert "--resume -o out" in err.splitlines()[-1]
    assert "Traceback" not in err
    assert call("report", "out").returncode == 4, "a run without an answer can be read, and says nothing"


# --- Ctrl-C -------------------------------------------------------------------------------------------------------------


def test_an_interrupted_filter_ends_in_one_line(desk: Path) -> None:
    process = begin("decide", "till.md")
    assert process.stdin is not None
    assert process.stdout is not None
    event = {"kind": "call", "id": "e1", "call_id": "c1", "tool": "gone", "arguments": "{}", "turn": 1}
    process.stdin.write(json.dumps(event) + "\n" + json.dumps({"kind": "message", "id": "e2", "text": "?"}) + "\n")
    process.stdin.flush()
    assert json.loads(process.stdout.readline())["verdict"] == "deny"
    process.send_signal(signal.SIGINT)
    _, err = process.communicate(timeout=30)
    assert (process.returncode, err) == (130, "interrupted: what was decided stands on stdout\n")


def test_an_interrupt_while_the_program_still_loads_is_no_traceback(desk: Path) -> None:
    """As near to the start as can be hit for certain: the signal comes while the first module of ours is imported."""
    script = (
        "import os, signal, sys\n"
        "class Cut:\n"
        "    def find_spec(self, name, path=None, target=None):\n"
        "        if name == 'obverse.cli.app': os.kill(os.getpid(), signal.SIGINT)\n"
        "sys.meta_path.insert(0, Cut())\n"
        "from obverse.cli.__main__ import main\n"
        "sys.exit(main())\n"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=False, timeout=60)
    assert (done.returncode, done.stderr) == (130, "interrupted\n")


# --- stdout -------------------------------------------------------------------------------------------------------------

LONG = {
    "check": ["check", "till.md"],
    "cases": ["cases", "till.md", "--json"],
    "audit": ["audit", "till.md", "/dev/null", "--json"],
}


@pytest.mark.parametrize("words", LONG.values(), ids=LONG)
def test_a_full_disk_under_stdout_is_one_line(words: list[str], desk: Path) -> None:
    with Path("/dev/full").open("w") as full:
        done = subprocess.run(
            [*OBVERSE, *words], stdout=full, stderr=subprocess.PIPE, text=True, check=False, timeout=60
        )
    assert done.returncode == 2
    assert done.stderr == "[U003] no space left on device (hint: what was recorded before stays)\n"


def test_a_reader_that_has_enough_ends_the_filter_quietly(desk: Path) -> None:
    event = '{{"kind": "call", "id": "e{0}", "call_id": "c{0}", "tool": "gone", "arguments": "{{}}"}}'
    (desk / "events.jsonl").write_text("\n".join(event.format(number) for number in range(3000)))
    script = (
        f'"{sys.executable}" -m obverse.cli decide --monitor till.md < events.jsonl | head -1; echo ${{PIPESTATUS[0]}}'
    )
    done = subprocess.run(["bash", "-c", script], capture_output=True, text=True, check=False, timeout=60)
    assert done.stderr == ""
    assert done.stdout.splitlines()[-1] == "141"


# --- size ---------------------------------------------------------------------------------------------------------------


def test_a_line_larger_than_memory_is_skipped_in_bounded_memory(desk: Path) -> None:
    """300 MB in one line, within 200 MB more than the audit of nothing takes."""
    script = (
        "import resource, sys\n"
        "from obverse.cli.app import main\n"
        "code = main(['audit', 'till.md', '-'])\n"
        "print(code, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss)\n"
    )

    def peak(chunks: int) -> int:
        process = subprocess.Popen([sys.executable, "-c", script], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        assert process.stdin is not None
        process.stdin.write(b'{"messages": [{"role": "user", "content": "')
        for _ in range(chunks):
            process.stdin.write(b"a" * 1_000_000)
        out, _ = process.communicate(timeout=60)
        code, kilobytes = out.decode().split()[-2:]
        assert code == "4"
        return int(kilobytes)

    assert peak(300) < peak(0) + 200_000
