"""What the HTTP gateway costs: against a direct call and LiteLLM's proxy, before one stub model, in one run; and memory per session.

    python benchmarks/gateway.py [--seconds 3] [--out benchmarks/results/gateway.json]

All are processes of their own on loopback: the stub model server, the gateway (`obverse guard serve`, a policy of ten rules, its ledger on disk and durable before each answer) and LiteLLM's proxy, which decides nothing and records nothing, installed into an
environment of its own below the cache folder. For each mode and concurrency they are asked in turn for so many seconds: each request is a
first turn with two tools offered, so that the gateway opens a session for each. Overhead is the difference to the direct call.

Then 10,000 sessions of one turn each are opened, and the memory of the gateway is compared before and after.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import importlib.metadata
import json
import os
import platform
import signal
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

ROOT = Path(__file__).parents[1]
PEER = "litellm[proxy]==1.106.2"
LEVELS = (1, 16, 64)
PROMPT = (
    "say Your parcel left the warehouse this morning and should arrive tomorrow before noon. Is there anything else?"
)
TOOLS = [
    {"type": "function", "function": {"name": name, "description": name, "parameters": {
        "type": "object", "properties": {"id": {"type": "string"}}, "required": ["id"]}}}
    for name in ("get_order", "cancel_order")
]  # fmt: skip


POLICY = """---
policy: parcels
version: 1
---
# Parcels

```terms
tool get_order(id: text) -> (state: one of "open", "sent", owner: text, total: number) effect read
tool cancel_order(id: text) effect write
tool refund(id: text, amount: number) effect money
tool send_mail(to: text, body: text) effect write
fact user.verified: bool
judged message.says_yes "The user agrees." matches "(?i).*\\\\b(yes|agreed|go ahead)\\\\b.*"
```

## Look first {#look}

```rule
forbid cancel_order(id: o) unless last get_order(id: o) has state = "open"
forbid refund(id: o) unless once get_order(id: o)
forbid any call with effect write unless last message has message.says_yes trusting judge
```

## Money {#money}

```rule
ask refund when amount > 100
limit refund to 2 per 24h
limit sum(amount) of refund to 300 per 7d
forbid refund when amount > 1000
```

## Mail {#mail}

```rule
forbid send_mail unless to at domain "parcels.example"
limit send_mail to 5 per 1h
```

## Words {#words}

```rule
forbid reply when text contains "internal only"
```
"""


class Target:
    """One thing that is asked."""

    def __init__(self, name: str, url: str, key: str) -> None:
        at = urlsplit(url)
        self.name, self.host, self.port, self.path, self.key = name, at.hostname or "", at.port or 0, at.path, key

    def request(self, text: str, *, stream: bool, session: str = "") -> bytes:
        """The bytes of one request."""
        body = {"model": "m", "messages": [{"role": "system", "content": "You help customers."}, {"role": "user", "content": text}],
                "tools": TOOLS, "stream": stream}  # fmt: skip
        data = json.dumps(body).encode()
        named = f"x-obverse-session: {session}\r\n" if session else ""
        head = (
            f"POST {self.path}/chat/completions HTTP/1.1\r\nhost: {self.host}\r\nauthorization: Bearer {self.key}\r\n"
            f"content-type: application/json\r\n{named}content-length: {len(data)}\r\n\r\n"
        )
        return head.encode() + data


async def answered(reader: asyncio.StreamReader) -> bytes:
    """One whole answer."""
    head = (await reader.readuntil(b"\r\n\r\n")).lower()
    if not head.startswith(b"http/1.1 200"):
        raise SystemExit(f"an answer that is none: {head[:300]!r} {await reader.read(500)!r}")
    if b"transfer-encoding: chunked" in head:
        found = b""
        while (size := int(await reader.readline(), 16)) > 0:
            found += (await reader.readexactly(size + 2))[:-2]
        await reader.readline()
        return found
    length = int(head.split(b"content-length:")[1].split(b"\r\n")[0])
    return await reader.readexactly(length)


async def load(target: Target, *, stream: bool, level: int, seconds: float) -> dict[str, Any]:
    """Latencies of so many clients that ask one after the other, for so long."""
    times: list[float] = []
    end = time.perf_counter() + seconds

    async def client(number: int) -> None:
        reader, writer = await asyncio.open_connection(target.host, target.port)
        turn = 0
        while time.perf_counter() < end:
            turn += 1
            request = target.request(f"{PROMPT} ({number}.{turn}.{time.time_ns()})", stream=stream)
            begun = time.perf_counter()
            writer.write(request)
            found = await answered(reader)
            times.append(time.perf_counter() - begun)
            if b"warehouse" not in found and not stream:
                raise SystemExit(f"another answer: {found[:300]!r}")
        writer.close()

    begun = time.perf_counter()
    await asyncio.gather(*(client(number) for number in range(level)))
    passed = time.perf_counter() - begun
    times.sort()
    return {
        "p50 ms": round(1000 * statistics.median(times), 3),
        "p99 ms": round(1000 * times[min(len(times) - 1, int(0.99 * len(times)))], 3),
        "per second": round(len(times) / passed, 1),
        "requests": len(times),
    }


async def opened(target: Target, count: int, *, level: int = 32) -> float:
    """Seconds to open so many sessions, of one turn each."""
    begun, numbers = time.perf_counter(), iter(range(count))

    async def client() -> None:
        reader, writer = await asyncio.open_connection(target.host, target.port)
        for number in numbers:
            writer.write(target.request(f"{PROMPT} ({number})", stream=False, session=f"s{number}"))
            await answered(reader)
        writer.close()

    await asyncio.gather(*(client() for _ in range(level)))
    return time.perf_counter() - begun


# --- processes ----------------------------------------------------------------------------------------------------------


@contextlib.contextmanager
def process(command: list[str], **options: Any) -> Iterator[subprocess.Popen[bytes]]:
    with subprocess.Popen(command, start_new_session=True, **options) as running:
        try:
            yield running
        finally:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(running.pid, signal.SIGTERM)
            try:
                running.wait(15)
            except subprocess.TimeoutExpired:
                os.killpg(running.pid, signal.SIGKILL)


def said(running: subprocess.Popen[bytes]) -> dict[str, Any]:
    """The JSON document that a process prints when it is ready."""
    assert running.stdout is not None
    text = b""
    for line in running.stdout:
        text += line
        with contextlib.suppress(ValueError):
            return json.loads(text)
    raise SystemExit(f"it did not start: {text!r}")


@contextlib.contextmanager
def gateway(upstream: str, folder: Path) -> Iterator[tuple[Target, int]]:
    """The gateway before this server, and its process."""
    obverse = [sys.executable, "-m", "obverse.cli", "guard"]
    policy = folder.parent / "policy.md"
    policy.write_text(POLICY)
    subprocess.run([*obverse, "init", str(folder), "--policy", str(policy)], check=True, stdout=subprocess.DEVNULL)
    key = json.loads(
        subprocess.run([*obverse, "client", str(folder), "bench", "--json"], check=True, capture_output=True).stdout
    )
    command = [*obverse, "serve", str(folder), "--upstream", upstream, "--port", "0", "--json"]
    with process(command, stdout=subprocess.PIPE) as running:
        yield Target("gateway", said(running)["url"], key["key"]), running.pid


def peer() -> Path:
    """The program of LiteLLM in an environment of its own."""
    base = Path(os.environ.get("OBVERSE_CACHE") or Path.home() / ".cache" / "obverse") / "benchmarks" / PEER
    if not (base / "ready").exists():
        subprocess.run([sys.executable, "-m", "venv", str(base)], check=True)
        subprocess.run([str(base / "bin" / "python"), "-m", "pip", "install", "--quiet", PEER], check=True)
        (base / "ready").touch()
    return base / "bin" / "litellm"


@contextlib.contextmanager
def litellm(upstream: str, folder: Path) -> Iterator[Target]:
    """LiteLLM's proxy before this server: one worker, no guardrail, no database, as it comes."""
    config = folder / "litellm.json"
    config.write_text(json.dumps({
        "model_list": [{"model_name": "m", "litellm_params": {"model": "openai/m", "api_base": upstream, "api_key": "none"}}],
        "general_settings": {"master_key": "sk-bench"},
        "litellm_settings": {"telemetry": False},
    }))  # fmt: skip
    port = free_port()
    quiet = {**os.environ, "LITELLM_LOG": "ERROR", "PYTHONUNBUFFERED": "1"}
    command = [str(peer()), "--config", str(config), "--host", "127.0.0.1", "--port", str(port), "--num_workers", "1"]
    with process(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, env=quiet) as running:
        for _ in range(240):
            with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), 1):
                break
            if running.poll() is not None:
                raise SystemExit("LiteLLM did not start")
            time.sleep(0.5)
        yield Target("LiteLLM", f"http://127.0.0.1:{port}/v1", "sk-bench")


def free_port() -> int:
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return int(one.getsockname()[1])


def resident(pid: int) -> int:
    """Bytes of memory that a process holds."""
    pages = int(Path(f"/proc/{pid}/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE")


def plain_sync(folder: Path, count: int = 200) -> dict[str, float]:
    """What one append of 400 bytes and a flush cost on the same disk."""
    times = []
    with (folder / "sync").open("wb") as out:
        for _ in range(count):
            begun = time.perf_counter()
            out.write(b"x" * 400)
            out.flush()
            os.fdatasync(out.fileno())
            times.append(time.perf_counter() - begun)
    times.sort()
    return {"p50 ms": round(1000 * times[count // 2], 3), "p99 ms": round(1000 * times[int(count * 0.99)], 3)}


# --- the run ------------------------------------------------------------------------------------------------------------


def measure(targets: list[Target], seconds: float) -> dict[str, Any]:
    """Each cell: mode and concurrency, all targets in turn."""
    rows: dict[str, Any] = {}
    for stream in (False, True):
        for level in LEVELS:
            name = f"{'streamed' if stream else 'whole'}, {level} at once"
            rows[name] = {}
            for target in targets:
                asyncio.run(load(target, stream=stream, level=level, seconds=min(0.5, seconds / 4)))
                rows[name][target.name] = asyncio.run(load(target, stream=stream, level=level, seconds=seconds))
            direct = rows[name][targets[0].name]
            for target in targets[1:]:
                row = rows[name][target.name]
                row["overhead p50 ms"] = round(row["p50 ms"] - direct["p50 ms"], 3)
                row["overhead p99 ms"] = round(row["p99 ms"] - direct["p99 ms"], 3)
            print(name, json.dumps(rows[name]))
    return rows


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--out", type=Path, default=ROOT / "benchmarks" / "results" / "gateway.json")
    parser.add_argument("--seconds", type=float, default=3.0, help="of each cell")
    parser.add_argument("--sessions", type=int, default=10_000)
    parser.add_argument("--no-peer", action="store_true")
    options = parser.parse_args()
    stub = [sys.executable, "-m", "obverse.testing.upstream"]
    with contextlib.ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        upstream = said(stack.enter_context(process(stub, stdout=subprocess.PIPE)))["url"]
        ours, pid = stack.enter_context(gateway(upstream, folder / "home"))
        targets = [Target("direct", upstream, "none"), ours]
        if not options.no_peer:
            targets.append(stack.enter_context(litellm(upstream, folder)))
        sync = plain_sync(folder)
        rows = measure(targets, options.seconds)
    with contextlib.ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        upstream = said(stack.enter_context(process(stub, stdout=subprocess.PIPE)))["url"]
        ours, pid = stack.enter_context(gateway(upstream, folder / "home"))
        asyncio.run(opened(ours, 200))
        before = resident(pid)
        seconds = asyncio.run(opened(ours, options.sessions))
        idle = (resident(pid) - before) / options.sessions
    result = {
        "command": "python benchmarks/gateway.py",
        "python": platform.python_version(),
        "cores": os.cpu_count(),
        "load when started": round(os.getloadavg()[0], 1),
        "policy": "parcels: 10 rules, 7 of them look back; in the script",
        "LiteLLM": PEER,
        "gateway": {name: importlib.metadata.version(name) for name in ("uvicorn", "starlette", "aiohttp")},
        "append and flush on this disk": sync,
        "rows": rows,
        "sessions": {
            "opened": options.sessions, "per second": round(options.sessions / seconds, 1),
            "bytes per idle session": round(idle),
        },
    }  # fmt: skip
    print(json.dumps(result["sessions"]))
    options.out.write_text(json.dumps(result, indent=2) + "\n")


if __name__ == "__main__":
    main()
