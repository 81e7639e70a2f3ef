"""How fast `obverse audit` is: recorded chats, and one transcript of a million events, each as a user runs it.

    python benchmarks/audit.py [--chats FILE] [--events 100000,300000,1000000]      writes benchmarks/results/audit.json

Chats: any file in the OpenAI format, audited with examples/airline/policy.md; the tau-bench airline recordings are 100 of
them. Events: generated in our own format and written to a temporary file: an airline agent that serves one customer after
another, looks things up, asks, and changes or cancels, and now and then breaks a clause. Peak memory is that of the whole
process, of which an empty file shows how much is Python and the libraries; findings are held up to a limit, which the
larger sizes reach. A second of the clock is shared with whatever else runs (`load_before`), a CPU second is not. Aims: 20,000
events/s; memory that does not grow.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import random
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from obverse.core.events import SCHEMA

ROOT = Path(__file__).resolve().parents[1]
RESULT = ROOT / "benchmarks" / "results" / "audit.json"
POLICY = ROOT / "examples" / "airline" / "policy.md"
START = int(datetime(2024, 5, 15, 15, tzinfo=UTC).timestamp() * 1000)
ASKS = ("Hello, I need some help.", "Please look at my trip.", "I'd like to change something.", "What are my options?")


def main() -> None:
    parser = argparse.ArgumentParser(description="speed and memory of `obverse audit`")
    parser.add_argument("--chats", type=Path, help="recorded chats in the OpenAI format")
    parser.add_argument("--events", default="100000,300000,1000000", help="sizes of the generated transcripts")
    given = parser.parse_args()
    rows = [generated(int(size)) for size in given.events.split(",")]
    result: dict[str, Any] = {
        "command": "python benchmarks/audit.py --chats TRANSCRIPTS",
        "rerun": "run the command again: it overwrites this file",
        "machine": f"{platform.machine()}, {os.cpu_count()} cores, Python {platform.python_version()}",
        "load_before": [round(one, 2) for one in os.getloadavg()],
        "empty": empty(),
        "events": rows,
    }
    if given.chats is not None and given.chats.exists():
        result["chats"] = chats(given.chats)
    RESULT.write_text(json.dumps(result, indent=2) + "\n")
    print(json.dumps(result, indent=2))


def audit(*arguments: str) -> tuple[dict[str, Any], float, float, float]:
    """What the command says, its seconds of wall and of CPU time, and its peak memory in MB."""
    begun = time.perf_counter()
    child = subprocess.Popen(
        [sys.executable, "-m", "obverse.cli", "audit", str(POLICY), *arguments, "--json"],
        stdout=subprocess.PIPE, stderr=subprocess.DEVNULL,
    )  # fmt: skip
    assert child.stdout is not None
    said = child.stdout.read()
    _, _, used = os.wait4(child.pid, 0)
    child.returncode = 0
    return json.loads(said), time.perf_counter() - begun, used.ru_utime + used.ru_stime, _megabytes(used)


def _megabytes(used: resource.struct_rusage) -> float:
    return round(used.ru_maxrss / (1024 if sys.platform != "darwin" else 1024 * 1024), 1)


def generated(size: int) -> dict[str, Any]:
    """One transcript of this many events."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "long.jsonl"
        with path.open("w") as target:
            for line in lines(size):
                target.write(line + "\n")
        said, seconds, cpu, memory = audit(str(path))
        return {
            "events": said["events"],
            "steps": said["steps"],
            "findings": said["found"],
            "file_megabytes": round(path.stat().st_size / 1e6, 1),
            "seconds": round(seconds, 2),
            "cpu_seconds": round(cpu, 2),
            "events_per_second": round(said["events"] / seconds),
            "events_per_cpu_second": round(said["events"] / cpu),
            "peak_megabytes": memory,
        }


def empty() -> dict[str, float]:
    """The same command on a transcript without events: the start of the process, and what it holds."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "empty.jsonl"
        path.write_text(json.dumps({"schema": SCHEMA, "id": "empty"}) + "\n")
        _, seconds, cpu, memory = audit(str(path))
        return {"seconds": round(seconds, 2), "cpu_seconds": round(cpu, 2), "peak_megabytes": memory}


def chats(path: Path) -> dict[str, Any]:
    said, seconds, cpu, memory = audit(str(path), "--start", "2024-05-15T15:00:00")
    start = empty()
    return {
        "transcripts": said["transcripts"],
        "events": said["events"],
        "findings": said["found"],
        "seconds": round(seconds, 2),
        "cpu_seconds": round(cpu, 2),
        "transcripts_per_second": round(said["transcripts"] / seconds),
        "transcripts_per_second_without_the_start": round(said["transcripts"] / max(seconds - start["seconds"], 1e-3)),
        "transcripts_per_cpu_second_without_the_start": round(
            said["transcripts"] / max(cpu - start["cpu_seconds"], 1e-3)
        ),
        "peak_megabytes": memory,
    }


# --- the long transcript ------------------------------------------------------------------------------------------------


def lines(size: int) -> Iterator[str]:
    """The lines of one transcript with exactly this many events; the same every time."""
    yield json.dumps({"schema": SCHEMA, "id": f"long-{size}"})
    dice = random.Random(20240515)
    number = turn = 0
    while True:
        for event in customer(dice):
            turn += event["kind"] in ("reply", "call")
            number += 1
            kind = {"kind": event.pop("kind")}
            yield json.dumps(kind | {"id": f"e{number}", "time": START + 1000 * number, "turn": turn} | event)
            if number == size:
                return


def customer(dice: random.Random) -> Iterator[dict[str, Any]]:
    """One customer of some 200, from hello to goodbye."""
    user, trip = f"user_{dice.randrange(200)}", f"TRIP{dice.randrange(400)}"
    yield {"kind": "message", "text": f"{dice.choice(ASKS)} I am {user}, my trip is {trip}."}
    yield from called(dice, "get_user_details", {"user_id": user}, _profile(dice, user))
    yield from called(dice, "get_reservation_details", {"reservation_id": trip}, _trip(dice, user, trip))
    for _ in range(dice.randrange(3)):
        yield {"kind": "reply", "text": "Here is what I found. Is there anything that you would like to change?"}
        yield {"kind": "message", "text": dice.choice(ASKS)}
        search = {"origin": "OSL", "destination": "CPH", "date": f"2024-05-{dice.randrange(16, 30)}"}
        yield from called(dice, "search_direct_flight", search, "[]")
    yield {"kind": "reply", "text": f"I would change trip {trip} as you asked. Shall I go ahead?"}
    yield {
        "kind": "message",
        "text": dice.choice(("Yes, please, my plans have changed.", "Yes, go ahead.", "Let me think.")),
    }
    if dice.random() < 0.5:
        bags = {"reservation_id": trip, "total_baggages": 3, "nonfree_baggages": 1, "payment_id": f"card_{user}"}
        yield from called(dice, "update_reservation_baggages", bags, "{}")
    else:
        yield from called(dice, "cancel_reservation", {"reservation_id": trip}, "{}")
    yield {"kind": "reply", "text": "That is done. Thank you for travelling with us."}


def called(dice: random.Random, tool: str, arguments: dict[str, Any], output: str) -> Iterator[dict[str, Any]]:
    call_id = f"c{dice.getrandbits(60):x}"
    yield {"kind": "call", "call_id": call_id, "tool": tool, "arguments": json.dumps(arguments)}
    yield {"kind": "result", "call_id": call_id, "tool": tool, "output": output}


def _profile(dice: random.Random, user: str) -> str:
    card = f"card_{user}"
    methods = {card: {"id": card, "source": "credit_card"}}
    member = dice.choice(("regular", "silver", "gold"))
    return json.dumps({"membership": member, "payment_methods": methods, "reservations": []})


def _trip(dice: random.Random, user: str, trip: str) -> str:
    day = f"2024-05-{dice.randrange(10, 30)}"
    return json.dumps(
        {
            "reservation_id": trip,
            "user_id": user,
            "flight_type": "one_way",
            "cabin": dice.choice(("basic_economy", "economy", "business")),
            "flights": [{"flight_number": f"HA{dice.randrange(100, 999)}", "date": day, "price": 120}],
            "passengers": [{"first_name": "Ada", "last_name": "Berg", "dob": "1990-01-01"}],
            "created_at": f"2024-05-{dice.randrange(10, 16)}T10:00:00",
            "total_baggages": dice.randrange(3),
            "nonfree_baggages": 0,
            "insurance": dice.choice(("yes", "no")),
        }
    )


if __name__ == "__main__":
    main()
