"""How many trials a run makes per second, whole process from start to report, beside other ways to ask the same endpoint.

    python benchmarks/runner.py [--trials 10000] [--with-inspect] [--memory 100000]      writes benchmarks/results/runner.json

Each way is a process of its own, timed from its start to its end, and asks one stub server in another process, which speaks the
OpenAI protocol, at concurrency 64. `obverse` is the command itself: it derives cases, keeps a durable journal, scores every
answer, settles claims and writes its reports. The plain loops only ask. Ways that are slow ask fewer, as `trials` says.
`--with-inspect` installs Inspect AI into a throwaway environment. `--memory` is one more run of `obverse`, for its peak.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import platform
import subprocess
import sys
import tempfile
import time
import venv
from collections.abc import Sequence
from importlib.metadata import version
from pathlib import Path
from typing import Any

from obverse.testing.stub import StubServer

HERE = Path(__file__).parent
RESULT = HERE / "results" / "runner.json"
POLICY = HERE / "policies" / "desk.md"
CONCURRENCY = 64
CASES = 12
"""Cases of the policy: a round asks each of them once."""
SLOW = 2000
"""How many the slow ways are asked for."""

INSPECT = """
import sys
from inspect_ai import Task, eval
from inspect_ai.dataset import Sample
from inspect_ai.model import GenerateConfig, get_model
from inspect_ai.scorer import includes
from inspect_ai.solver import generate, system_message

url, trials, prompt, logs = sys.argv[1], int(sys.argv[2]), sys.argv[3], sys.argv[4]
samples = [Sample(input=f"question {n}", target="Sure") for n in range(trials)]
task = Task(dataset=samples, solver=[system_message(prompt), generate()], scorer=includes())
config = GenerateConfig(max_connections=64, max_tokens=256)
model = get_model("openai/m", base_url=url, api_key="none", responses_api=False, config=config)
(log,) = eval(task, model=model, log_dir=logs, display="none", max_samples=64)
assert log.status == "success", log.error
"""


def timed(command: Sequence[str | Path], **options: Any) -> tuple[float, float, float]:
    """Seconds, processor seconds, and peak memory in MB of this command."""
    start = time.perf_counter()
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, **options)
    assert process.stderr is not None
    told = process.stderr.read()
    _, status, used = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    assert process.returncode in {0, 3, 4}, told.decode()[-2000:]
    return time.perf_counter() - start, used.ru_utime + used.ru_stime, used.ru_maxrss / 1024


def way(name: str, trials: int, command: Sequence[str | Path], **options: Any) -> dict[str, Any]:
    load = os.getloadavg()[0]
    seconds, cpu, megabytes = timed(command, **options)
    found = {
        "trials": trials,
        "seconds": round(seconds, 2),
        "per_second": round(trials / seconds),
        "processor_seconds": round(cpu, 2),
        "peak_mb": round(megabytes),
        "load_before": round(load, 2),
    }
    print(f"{name:36} {found['per_second']:>6}/s  {seconds:7.2f} s  {cpu:7.2f} s of processor  {megabytes:6.0f} MB")
    return found


def obverse(url: str, folder: Path, rounds: int) -> list[str | Path]:
    """The command; thresholds that nothing settles, so that every trial is asked."""
    return [
        *(sys.executable, "-m", "obverse.cli", "run", POLICY, "--target", "openai:m", "--base-url", url),
        *("--rounds", str(rounds), "--concurrency", str(CONCURRENCY), "-o", folder),
        *("--max-violation", "0.00001", "--max-over-refusal", "0.99999"),
    ]


def loop(kind: str, url: str, trials: int) -> list[str | Path]:
    return [sys.executable, __file__, "--loop", kind, "--url", url, "--trials", str(trials)]


def inspect(url: str, trials: int, folder: Path) -> dict[str, Any]:
    """Inspect AI with its OpenAI provider, in an environment of its own."""
    venv.create(folder / "venv", with_pip=True)
    python = folder / "venv" / "bin" / "python"
    install = [python, "-m", "pip", "install", "--quiet", "inspect-ai", "openai"]
    subprocess.run(install, check=True, capture_output=True)
    script = folder / "asks.py"
    script.write_text(INSPECT)
    shown = subprocess.run(
        [python, "-c", "from importlib.metadata import version; print(version('inspect-ai'))"],
        check=True, capture_output=True, text=True,
    )  # fmt: skip
    found = way("inspect", trials, [python, script, url, str(trials), prompt(), folder / "logs"], cwd=folder)
    return found | {"version": shown.stdout.strip()}


def prompt() -> str:
    """A system prompt as long as those that `obverse` sends for this policy."""
    return POLICY.read_text().partition("## ")[2]


async def ask_all(kind: str, url: str, trials: int) -> None:
    """The plain loops: the same endpoint, as many questions, nothing else."""
    numbers = iter(range(trials))
    messages = [{"role": "system", "content": prompt()}]

    def body(n: int) -> dict[str, Any]:
        said = [*messages, {"role": "user", "content": f"question {n}"}]
        return {"model": "m", "messages": said, "temperature": 0.7, "max_tokens": 256, "seed": n}

    if kind == "aiohttp":
        import aiohttp

        session = aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=CONCURRENCY))

        async def ask(n: int) -> None:
            async with session.post(f"{url}/chat/completions", json=body(n)) as response:
                assert (await response.json())["choices"]

        close = session.close
    else:
        import openai

        client = openai.AsyncOpenAI(base_url=url, api_key="none", max_retries=0)

        async def ask(n: int) -> None:
            assert (await client.chat.completions.create(**body(n))).choices

        close = client.close

    async def worker() -> None:
        for n in numbers:
            await ask(n)

    await asyncio.gather(*(worker() for _ in range(CONCURRENCY)))
    await close()


def measure(options: argparse.Namespace) -> dict[str, Any]:
    rounds = -(-options.trials // CASES)
    ways: dict[str, Any] = {}
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        for n in (1, 2):  # the better of two, since other work on the machine only ever slows one
            with StubServer() as stub:
                trials = rounds * CASES
                found = way(f"obverse, run {n}", trials, obverse(stub.url, folder / f"run{n}", rounds))
                assert (stub.stats().requests, stub.stats().asked_again) == (trials, {})
            ways["obverse"] = max(ways.get("obverse", found), found, key=lambda one: one["per_second"])
        with StubServer() as stub:
            ways["plain aiohttp"] = way("plain aiohttp", options.trials, loop("aiohttp", stub.url, options.trials))
        with StubServer() as stub:
            ways["openai SDK, default transport"] = way("openai SDK", SLOW, loop("openai", stub.url, SLOW))
        if options.with_inspect:
            with StubServer() as stub:
                ways["inspect"] = inspect(stub.url, SLOW, folder)
        memory = None
        if options.memory:
            many = -(-options.memory // CASES)
            with StubServer() as stub:
                memory = way("obverse, many", many * CASES, obverse(stub.url, folder / "many", many))
            memory["journal_mb"] = round((folder / "many" / "journal.sqlite").stat().st_size / 1e6)
    ours = ways["obverse"]["per_second"]
    return {
        "ways": ways,
        "obverse_as_a_multiple_of": {
            name: round(ours / one["per_second"], 2) for name, one in ways.items() if name != "obverse"
        },
        "memory": memory,
    }


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--trials", type=int, default=10_000)
    parser.add_argument("--with-inspect", action="store_true")
    parser.add_argument("--memory", type=int, default=0)
    parser.add_argument("--loop", choices=("aiohttp", "openai"))
    parser.add_argument("--url", default="")
    options = parser.parse_args()
    if options.loop:
        asyncio.run(ask_all(options.loop, options.url, options.trials))
        return
    found = measure(options)
    result = {
        "command": "python " + " ".join([f"benchmarks/{Path(__file__).name}", *sys.argv[1:]]),
        "concurrency": CONCURRENCY,
        **found,
        "load_after": round(os.getloadavg()[0], 2),
        "cores": os.cpu_count(),
        "python": platform.python_version(),
        "versions": {name: version(name) for name in ("openai", "aiohttp", "sqlalchemy")},
    }
    RESULT.parent.mkdir(exist_ok=True)
    RESULT.write_text(json.dumps(result, indent=2) + "\n")


if __name__ == "__main__":
    main()
