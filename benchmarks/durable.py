"""How long does a decision take until it is on disk, and may be acted on? Beside what the disk itself takes for the same bytes.

    python benchmarks/durable.py [--folder F]        writes benchmarks/results/durable.json

A decision here is a whole turn of one call through `Session.propose`: decided by the compiled monitor under 40 rules (half of them
look at the past), recorded with the proposal, the reasons and the event it makes, synced, and released with a permit. Beside it, in
the same loop, as many bytes are written to a file on the same disk and synced by `fdatasync`. Throughput is that of so many sessions,
each in a thread of its own, that propose one after the other; who waits together is written together. *Instant judge* asks a judge
that answers at once about a new text for each decision. Last, 10,000 sessions are opened and left idle.
"""

from __future__ import annotations

import argparse
import gc
import json
import os
import platform
import resource
import secrets
import statistics
import sys
import tempfile
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from obverse.core.verdicts import Truth
from obverse.guard.guard import Guard
from obverse.guard.records import ProposedCall
from obverse.guard.session import Session
from obverse.guard.settings import Settings
from obverse.ledger.keys import FileSigner, new_key
from obverse.ledger.log import Log
from obverse.policy.ast import JudgedTerm
from obverse.policy.check import check
from obverse.policy.checked import Checked
from obverse.policy.parse import parse
from obverse.testing.recorder import MemoryRecorder

RESULT = Path(__file__).parent / "results" / "durable.json"
TOOLS = 10
SESSIONS = (1, 16, 256)
IDLE = 10_000
TERMS = "\n".join(
    f"tool pay{n}(to: text, amount: number) effect money\ntool look{n}(id: text) effect read" for n in range(TOOLS)
)
RULES = "\n".join(
    f'forbid pay{n} when amount > {1000 + n}\nforbid pay{n} when to in ["mallory", "eve{n}"]\n'
    f'forbid pay{n} unless once look{n}(id: "a")\nlimit pay{n} to 1000000 per 1h by to'
    for n in range(TOOLS)
)
JUDGED = 'judged message.agrees "The user agrees." yes "Yes." no "No."'
POLICY = f"---\npolicy: durable\n---\n```terms\n{TERMS}\n{JUDGED}\n```\n\n## Rules {{#rules}}\n\n```rule\n{RULES}\n{{}}\n```\n"
CONSENT = "forbid any call with effect money unless last message has message.agrees trusting judge"


class Instant:
    """Agrees at once."""

    identity = "instant"

    def answer(self, term: JudgedTerm, text: str, before: str | None) -> Truth:
        return Truth.TRUE


class Counting(MemoryRecorder):
    """A ledger in memory that knows how many bytes it was given."""

    size = 0

    def record(self, items: Any) -> int:
        self.size += sum(
            len(entry.data) + sum(len(payload.data) + len(payload.salt) for payload in payloads.values())
            for entry, payloads in items
        )
        return super().record(items)


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--folder", type=Path, default=Path("/var/tmp"))
    options.add_argument("--number", type=int, default=1_000)
    options.add_argument("--seconds", type=float, default=8.0)
    given = options.parse_args()
    with tempfile.TemporaryDirectory(dir=given.folder) as folder:
        result: dict[str, Any] = {
            "command": "python benchmarks/durable.py",
            "machine": f"{platform.machine()}, {os.cpu_count()} cores, Python {platform.python_version()}",
            "load": round(os.getloadavg()[0], 1),
            "rules": 4 * TOOLS,
            "one": {
                "judges off": alone(Path(folder) / "one", checked(""), given.number, judged=False),
                "instant judge": alone(Path(folder) / "judged", checked(CONSENT), given.number, judged=True),
            },
            "many": [many(Path(folder) / f"many-{number}", number, given.seconds) for number in SESSIONS],
            "idle": idle(),
        }
    RESULT.write_text(json.dumps(result, indent=2) + "\n")
    print(json.dumps(result, indent=2))


def checked(extra: str) -> Checked:
    return check(parse(POLICY.replace("{}", extra).encode()))


def opened(folder: Path, policy: Checked, *, judged: bool = False) -> tuple[Guard, Log]:
    log = Log.create(folder, "bench.example/1", [FileSigner("bench.example", new_key())])
    return guard(policy, log, judged=judged), log


def guard(policy: Checked, recorder: Any, *, judged: bool = False) -> Guard:
    return Guard(
        policy, recorder=recorder, clock=lambda: time.time_ns() // 1_000_000,
        steady=lambda: time.monotonic_ns() // 1_000_000, fresh=secrets.token_bytes, judge=Instant() if judged else None,
        settings=Settings(),
    )  # fmt: skip


def begun(found: Guard) -> Session:
    session = found.session(holder="bench")
    calls = [ProposedCall(call_id=f"l{n}", tool=f"look{n}", arguments='{"id": "a"}') for n in range(TOOLS)]
    session.propose(calls)
    for call in calls:
        session.result(call.call_id, "{}")
    return session


def pay(session: Session, number: int, *, judged: bool) -> None:
    """One decision; the result of the call before is part of the record, as it is in life."""
    if judged:
        session.message(f"Yes, pay number {number}.")
    call = ProposedCall(
        call_id=f"c{number}",
        tool=f"pay{number % TOOLS}",
        arguments=f'{{"to": "shop {number % 40}", "amount": {number % 900}}}',
    )
    if not session.propose([call]).released:
        raise AssertionError("every call of this benchmark is allowed")


def alone(folder: Path, policy: Checked, number: int, *, judged: bool) -> dict[str, Any]:
    """One session: decisions on disk, the same bytes alone, and the same decisions without a disk, in turns."""
    found, log = opened(folder / "log", policy, judged=judged)
    recorder = Counting()
    session, memory = begun(found), begun(guard(policy, recorder, judged=judged))
    pay(session, 0, judged=judged)
    pay(memory, 0, judged=judged)
    session.result("c0", "paid")
    memory.result("c0", "paid")
    before = recorder.size
    pay(memory, 1, judged=judged)
    memory.result("c1", "paid")
    size = recorder.size - before
    data, plain = os.urandom(size), os.open(folder / "plain", os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    taken: dict[str, list[float]] = {"decided": [], "plain": [], "in_memory": []}

    def sync() -> None:
        os.write(plain, data)
        os.fdatasync(plain)

    gc.collect()
    gc.freeze()
    for turn in range(2, number + 2):
        for name, work in (
            ("decided", lambda turn=turn: pay(session, turn, judged=judged)),
            ("plain", sync),
            ("in_memory", lambda turn=turn: pay(memory, turn, judged=judged)),
        ):
            taken[name].append(timed(work))
        session.result(f"c{turn}", "paid")
        memory.result(f"c{turn}", "paid")
    os.close(plain)
    found.close()
    log.close()
    return {"bytes": size, "decisions": number, **{name: quantiles(times) for name, times in taken.items()}}


def timed(work: Callable[[], None]) -> float:
    began = time.perf_counter()
    work()
    return (time.perf_counter() - began) * 1e6


def quantiles(times: list[float]) -> dict[str, float]:
    cuts = statistics.quantiles(times, n=100)
    return {"p50_us": round(cuts[49]), "p99_us": round(cuts[98])}


def many(folder: Path, sessions: int, seconds: float) -> dict[str, Any]:
    """So many sessions in threads, as fast as they can."""
    found, log = opened(folder, checked(""))
    opened_ = [begun(found) for _ in range(sessions)]
    counts, over, ready = [0] * sessions, threading.Event(), threading.Barrier(sessions + 1)

    def work(place: int) -> None:
        session = opened_[place]
        ready.wait()
        while not over.is_set():
            counts[place] += 1
            pay(session, counts[place], judged=False)
            session.result(f"c{counts[place]}", "paid")

    threads = [threading.Thread(target=work, args=(place,)) for place in range(sessions)]
    for thread in threads:
        thread.start()
    ready.wait()
    began = time.perf_counter()
    time.sleep(seconds)
    over.set()
    for thread in threads:
        thread.join()
    taken = time.perf_counter() - began
    found.close()
    log.close()
    return {"sessions": sessions, "per_second": round(sum(counts) / taken), "slowest_session": min(counts)}


def idle() -> dict[str, Any]:
    """Sessions that said hello once and wait."""
    found = guard(checked(""), MemoryRecorder())
    before, kept = memory(), []
    for number in range(IDLE):
        session = found.session(holder=f"holder {number}")
        session.message("Hello.")
        kept.append(session)
    gc.collect()
    opened_ = memory() - before
    for session in kept:
        session.propose(reply="Hello.")
    gc.collect()
    return {"sessions": IDLE, "bytes_opened": round(opened_ / IDLE), "peak_mb": round(peak() / 1e6)}


def memory() -> int:
    """Bytes of this process that are in memory now."""
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * resource.getpagesize()


def peak() -> int:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1024 if sys.platform == "linux" else 1)


if __name__ == "__main__":
    main()
