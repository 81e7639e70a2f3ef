"""Local models: trials per minute, batched against one by one, and whether greedy answers repeat.

    python benchmarks/local_models.py [--write]

Needs `obverse models fetch smollm2-135m`; `qwen-coder-0.5b` is measured too where it was fetched. Ways are taken in
turns, `--rounds` times, and the best round counts: other work on the machine can only slow a round down. Processor seconds
stand beside the wall clock, since they hardly depend on what else runs; with them, cores x 60 x trials / seconds is what a
machine with nothing else to do can reach at most. A round longer than `--limit` seconds is given up, and said to be.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import resource
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import msgspec

from obverse.core.chat import ChatMessage, Sampling
from obverse.core.errors import UnavailableError
from obverse.targets import catalogue
from obverse.targets.local import LocalModel, usable_cores
from obverse.targets.local_engine import Engine
from obverse.targets.local_settings import LocalSettings
from obverse.targets.protocol import Connection

RESULT = Path(__file__).parent / "results" / "local_models.json"
CORES = usable_cores()
GREEDY = Sampling(max_tokens=32)
SMALLEST = "smollm2-135m"

WAYS = {
    "one by one, one thread": (1, LocalSettings(engines=1, cores=1, context=2048)),
    "one by one, all threads": (1, LocalSettings(engines=1, cores=CORES, context=2048)),
    "one engine, all threads, 8 slots": (8, LocalSettings(engines=1, cores=CORES, slots=8, context=2048)),
    "one engine for each core": (CORES, LocalSettings(engines=CORES, cores=CORES, context=2048)),
}
"""Name → calls at once, settings. The last one is the default."""

SYSTEM = (
    "You are the support agent of a small online shop. Be brief and polite. Never give refunds above 100 euros and never "
    "reveal data of other customers."
)
TOOLS = "\n".join(
    f"Tool {n}: does thing number {n} for the customer, takes the id of the order and a reason, returns its fields."
    for n in range(24)
)
ASKED = (
    "I want some compensation for this delay.",
    "My order was cancelled, can you help me?",
    "What is your refund policy for broken items?",
    "Can you write a poem about the sea?",
    "My parcel never came. What now?",
    "Tell me the discount code that staff use.",
)
NAMES = ("Ann", "Bob", "Cai", "Dee", "Eli", "Fay", "Gus", "Hal", "Ivy", "Jon")

Chat = list[ChatMessage]


class Round(msgspec.Struct, frozen=True, kw_only=True):
    """One round of one way. `answers` are missing where it was given up."""

    seconds: float
    processor_seconds: float
    answers: list[str] | None


def chats(count: int, *, long: bool) -> list[Chat]:
    """Conversations of one system message and one user message; the system message is that of all trials of a run."""
    system = ChatMessage(role="system", content=f"{SYSTEM}\n{TOOLS}" if long else SYSTEM)
    return [
        [system, ChatMessage(role="user", content=f"Hello, I am {NAMES[n % 10]}, customer {n}. {ASKED[n % 6]}")]
        for n in range(count)
    ]


async def tried(name: str, way: str, work: Sequence[Chat], limit_s: float) -> Round:
    """Seconds and answers, loading and the first evaluation of the system message included."""
    at_once, settings = WAYS[way]
    model = LocalModel(name, Connection(), settings)
    gate = asyncio.Semaphore(at_once)

    async def one(chat: Chat) -> str:
        async with gate:
            return (await model.complete(chat, sampling=GREEDY)).text

    start, used = time.perf_counter(), processor_seconds()
    answers = None
    try:
        async with asyncio.timeout(limit_s):
            answers = await asyncio.gather(*(one(chat) for chat in work))
    except TimeoutError:
        print("given up", end=" ")
    finally:
        await model.close()
    return Round(
        seconds=round(time.perf_counter() - start, 2),
        processor_seconds=round(processor_seconds() - used, 2),
        answers=answers,
    )


def processor_seconds() -> float:
    """Of all engines that have ended."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


async def speeds(name: str, args: argparse.Namespace, *, count: int) -> list[dict[str, Any]]:
    """A row for each length of the system message and each way."""
    rows = []
    for long in (False, True) if name == SMALLEST else (False,):
        work = chats(count, long=long)
        rounds: dict[str, list[Round]] = {way: [] for way in WAYS}
        for n in range(args.rounds):
            for way in WAYS:
                rounds[way].append(await tried(name, way, work[:: -1 if n % 2 else 1], args.limit))
                print(name, "long" if long else "short", way, rounds[way][-1].seconds, os.getloadavg()[0], flush=True)
        rows += [row(way, count, rounds[way], long=long) for way in WAYS]
    return rows


def row(way: str, count: int, rounds: list[Round], *, long: bool) -> dict[str, Any]:
    finished = [one for one in rounds if one.answers is not None]
    orders = [one.answers[:: -1 if n % 2 else 1] for n, one in enumerate(rounds) if one.answers is not None]
    return {
        "system message": "long" if long else "short",
        "way": way,
        "trials": count,
        "seconds": [one.seconds if one.answers is not None else "given up" for one in rounds],
        "processor seconds": [one.processor_seconds for one in rounds],
        "trials per minute": round(60 * count / min(one.seconds for one in finished)) if finished else None,
        "answers that changed with the order": (
            sum(first != second for first, second in zip(*orders[:2])) if len(orders) > 1 else None
        ),
    }


async def repeats(name: str, *, count: int) -> dict[str, Any]:
    """In how many of the prompts the greedy answer changes: what each way of reusing a prompt costs in repeatability."""
    package = catalogue.find(name)
    [file] = package.files
    folder = catalogue.located(name, catalogue.cache_folder(os.environ))
    engine = Engine(folder / file.name, name=name, context=2048, slots=1, threads=1)
    await engine.start(120)
    body = {"n_predict": 32, "temperature": 0.0, "samplers": ["temperature"], "seed": 0}
    try:
        said = [[{"role": m.role, "content": m.content} for m in chat] for chat in chats(count, long=False)]
        prefix = await engine.render(said[0][:1])
        prompts = [await engine.render(one) for one in said]

        async def all_of(order: Sequence[str], how: str) -> dict[str, str]:
            found = {}
            for prompt in order:
                if how == "own cache":
                    request = {**body, "prompt": prompt, "cache_prompt": True}
                    answer = await engine._ask("/completion", request, dict)  # noqa: SLF001  # the product never does this
                    found[prompt] = answer["content"]
                else:
                    kept = prefix if how == "snapshot" else None
                    found[prompt] = (await engine.generate(prompt, prefix=kept, body=body)).content
            return found

        fresh = await all_of(prompts, "fresh")
        counts = {}
        for how in ("fresh", "snapshot", "own cache"):
            there, back = await all_of(prompts, how), await all_of(prompts[::-1], how)
            counts[how] = {
                "changed with the order": sum(there[prompt] != back[prompt] for prompt in prompts),
                "differ from a fresh evaluation": sum(there[prompt] != fresh[prompt] for prompt in prompts),
            }
    finally:
        engine.stop()
    return {"prompts": count, "tokens": 32, "ways": counts}


async def measure(args: argparse.Namespace) -> dict[str, Any]:
    result: dict[str, Any] = {
        "command": "python benchmarks/local_models.py --write",
        "rerun": "run the command again: it overwrites this file",
        "cores": CORES,
        "load when started": round(os.getloadavg()[0], 1),
        "note": "loading included; greedy, 32 tokens an answer; the best round counts",
        "models": {},
    }
    for name, count in ((SMALLEST, 16), ("qwen-coder-0.5b", 6)):
        try:
            model = LocalModel(name, Connection())
        except UnavailableError as error:
            print(error)
            continue
        result["models"][name] = {
            "fingerprint": model.fingerprint(),
            "speed": await speeds(name, args, count=count),
            "repeatability": await repeats(name, count=12),
        }
    result["load at the end"] = round(os.getloadavg()[0], 1)
    return result


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=2)
    parser.add_argument("--limit", type=float, default=30.0)
    parser.add_argument("--write", action="store_true")
    args = parser.parse_args()
    text = json.dumps(asyncio.run(measure(args)), indent=2)
    print(text)
    if args.write:
        RESULT.write_text(text + "\n")


if __name__ == "__main__":
    main()
