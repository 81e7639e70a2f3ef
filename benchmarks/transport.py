"""How fast one process asks an OpenAI-compatible endpoint: the official SDK on each transport, our target, plain aiohttp.

    python benchmarks/transport.py [--calls 5000] [--rounds 3]      writes benchmarks/results/transport.json

The endpoint is the stub server in another process on the same machine. Each way asks the same number of different
questions at concurrency 64; the ways take turns, and of each the best round counts. `cpu_us` is processor time of the asking
process per call, which other load on the machine disturbs less than the rate.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import platform
import time
from collections.abc import Awaitable, Callable
from importlib.metadata import version
from pathlib import Path
from typing import Any

import aiohttp
import httpx2
import openai

from obverse.core.chat import ChatMessage, Sampling
from obverse.targets.open import open_target
from obverse.targets.protocol import Connection
from obverse.testing.stub import StubServer

CONCURRENCY = 64
RESULT = Path(__file__).parent / "results" / "transport.json"
Ask = Callable[[int], Awaitable[object]]
Way = Callable[[str], tuple[Ask, Callable[[], Awaitable[None]]]]


def body(n: int) -> dict[str, Any]:
    message = {"role": "user", "content": f"question {n}"}
    return {"model": "m", "messages": [message], "temperature": 0.0, "max_tokens": 512, "seed": n}


def sdk_default(url: str) -> tuple[Ask, Callable[[], Awaitable[None]]]:
    client = openai.AsyncOpenAI(base_url=url, api_key="none", max_retries=0)
    return lambda n: client.chat.completions.create(**body(n)), client.close


def sdk_aiohttp(url: str) -> tuple[Ask, Callable[[], Awaitable[None]]]:
    http = openai.DefaultAioHttpClient(limits=httpx2.Limits(max_connections=CONCURRENCY))
    client = openai.AsyncOpenAI(base_url=url, api_key="none", max_retries=0, http_client=http)
    return lambda n: client.chat.completions.create(**body(n)), client.close


def our_target(url: str) -> tuple[Ask, Callable[[], Awaitable[None]]]:
    target = open_target("openai:m", Connection(base_url=url))

    def ask(n: int) -> Awaitable[object]:
        return target.complete([ChatMessage(role="user", content=f"question {n}")], sampling=Sampling(seed=n))

    return ask, target.close


def plain_aiohttp(url: str) -> tuple[Ask, Callable[[], Awaitable[None]]]:
    session = aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=CONCURRENCY))

    async def ask(n: int) -> object:
        async with session.post(f"{url}/chat/completions", json=body(n)) as response:
            return await response.json()

    return ask, session.close


WAYS: dict[str, Way] = {
    "openai SDK, default transport": sdk_default,
    "openai SDK, its aiohttp transport": sdk_aiohttp,
    "obverse, target `openai:`": our_target,
    "plain aiohttp": plain_aiohttp,
}


async def measure(way: Way, url: str, first: int, calls: int) -> dict[str, float]:
    ask, close = way(url)
    await ask(first - 1)
    waiting = iter(range(first, first + calls))

    async def worker() -> None:
        for n in waiting:
            await ask(n)

    start, cpu = time.perf_counter(), time.process_time()
    await asyncio.gather(*(worker() for _ in range(CONCURRENCY)))
    seconds, used = time.perf_counter() - start, time.process_time() - cpu
    await close()
    return {"per_second": round(calls / seconds), "cpu_us": round(used / calls * 1e6)}


async def run(url: str, calls: int, rounds: int) -> dict[str, dict[str, float]]:
    found: dict[str, list[dict[str, float]]] = {name: [] for name in WAYS}
    first = 1
    for _ in range(rounds):
        for name, way in WAYS.items():
            found[name].append(await measure(way, url, first, calls))
            first += calls + 1
    return {name: max(rounds_, key=lambda one: one["per_second"]) for name, rounds_ in found.items()}


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--calls", type=int, default=5000)
    parser.add_argument("--rounds", type=int, default=3)
    options = parser.parse_args()
    load = os.getloadavg()[0]
    with StubServer() as stub:
        ways = asyncio.run(run(stub.url, options.calls, options.rounds))
        asked = stub.stats()
    assert asked.requests == len(WAYS) * options.rounds * (options.calls + 1)
    result = {
        "command": f"python benchmarks/transport.py --calls {options.calls} --rounds {options.rounds}",
        "concurrency": CONCURRENCY,
        "ways": ways,
        "load_before": round(load, 2),
        "load_after": round(os.getloadavg()[0], 2),
        "cores": os.cpu_count(),
        "python": platform.python_version(),
        "versions": {name: version(name) for name in ("openai", "httpx2", "aiohttp")},
    }
    RESULT.parent.mkdir(exist_ok=True)
    RESULT.write_text(json.dumps(result, indent=2) + "\n")
    for name, way_result in ways.items():
        print(f"{name:36} {way_result['per_second']:>7}/s  {way_result['cpu_us']:>5} us of processor a call")


if __name__ == "__main__":
    main()
