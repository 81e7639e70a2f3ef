"""How fast a ledger is written, checked and replayed, beside a plain sync of the same bytes and beside SQLite.

    python benchmarks/ledger.py [--full] [--only appends]      writes benchmarks/results/ledger.json

1. *Appends*, each durable when it returns, by 1, 16 and 256 writers: entries of the size of a decision, alone and with two payloads;
   with the log publishing beside. Against: `fdatasync` of the same bytes at the end of a file, one for each (the floor of one
   writer); SQLite in WAL with `synchronous=FULL`, a table of rows chained by hash, all writers behind one lock, each its own commit.
2. *Verify*: `verify` and `fsck` of a log of so many entries, in a process of their own: seconds, peak memory; size of a proof.
3. *Replay*: a guard decides so many times under a policy with history; the log is decided again, by the reference evaluator.
4. *A foreign verifier*: the Go checksum database's packages (`golang.org/x/mod/sumdb`, Debian: `golang-go`,
   `golang-golang-x-mod-dev`) check the checkpoint, receipts and consistency proofs, good and changed ones. Skipped where they are not.

`--full` is 1,000,000 entries, 100,000 decisions and four seconds a row; without it a fifth, a fifth and half of that.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import platform
import resource
import shutil
import sqlite3
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from base64 import b64encode
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from random import Random
from typing import Any

from obverse.guard.guard import Guard
from obverse.guard.records import ProposedCall
from obverse.guard.replay import replay
from obverse.ledger.checkpoint import Trust, read_checkpoint
from obverse.ledger.contents import Contents
from obverse.ledger.entries import Entry, Payload, payload_of
from obverse.ledger.fsck import fsck
from obverse.ledger.keys import FileSigner, new_key
from obverse.ledger.log import Log, Rhythm
from obverse.ledger.merkle import consistency_proof, inclusion_proof
from obverse.ledger.proof import Receipt
from obverse.ledger.reader import Folder, Reader, read_head
from obverse.ledger.verify import verify
from obverse.policy.check import check
from obverse.policy.parse import parse

HERE = Path(__file__).parent
RESULT = HERE / "results" / "ledger.json"
GO = HERE / "foreign" / "tlog.go"
PACKAGES = Path("/usr/share/gocode/src/golang.org/x/mod/sumdb")
ORIGIN = "bench.example/log"
WRITERS = (1, 16, 256)
ENTRIES, DECISIONS, SECONDS = 1_000_000, 100_000, 4.0
GATHERED = 5000
POLICY = """\
---
policy: shop
version: 1
---
```terms
tool look(id: text) -> (owner: text, price: number) effect read
tool pay(to: text, amount: number) effect money
tool wipe(id: text) effect write
```

## Paying {#pay}

```rule
forbid pay when amount > 1000 says "Too much at once."
limit pay to 3 per 24h
```

## Wiping {#wipe inviolable}

```rule
forbid wipe unless once look(id: "a")
```
"""


def item(number: int, payloads: bool) -> tuple[Entry, dict[str, Payload]]:
    """An entry like a decision's; with payloads like those of a decision."""
    kept = {}
    if payloads:
        salt = hashlib.sha256(number.to_bytes(8, "big")).digest()
        kept = {name: payload_of(b"x" * size, salt) for name, size in (("proposal", 250), ("decision", 600))}
    body = {
        "step": f"e{number}", "turn": number, "place": 0, "of": 1, "kind": "call", "tool": "pay", "verdict": "allow",
        "call": "sha256:" + "c" * 64, "policy_verdict": "allow", "certain": "allow", "clauses": [], "lifted": [],
        "permit": "p" * 32, "request": None, "head": "sha256:" + "d" * 64,
    }  # fmt: skip
    commitments = {name: payload.commitment for name, payload in kept.items()}
    return Entry(type="decision", time=number, session="s" * 32, body=body, payloads=commitments), kept


# --- appends --------------------------------------------------------------------------------------------------------------


def many(writers: int, seconds: float, write: Callable[[int], object]) -> dict[str, Any]:
    """How many writes a second, and how long one takes, with so many threads that write without pause."""
    times: list[list[float]] = [[] for _ in range(writers)]
    end = time.perf_counter() + seconds

    def work(mine: list[float], number: int) -> None:
        while (began := time.perf_counter()) < end:
            write(number)
            mine.append(time.perf_counter() - began)
            number += writers

    threads = [threading.Thread(target=work, args=(mine, number)) for number, mine in enumerate(times)]
    began = time.perf_counter()
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    spent, all_times = time.perf_counter() - began, sorted(one for mine in times for one in mine)
    return {
        "per_second": round(len(all_times) / spent),
        "p50_ms": round(1000 * statistics.median(all_times), 3),
        "p99_ms": round(1000 * all_times[int(0.99 * len(all_times))], 3),
    }


def log_appends(folder: Path, writers: int, seconds: float, payloads: bool) -> dict[str, Any]:
    with Log.create(folder, ORIGIN, [FileSigner(ORIGIN, new_key())], rhythm=Rhythm()) as log:
        return many(writers, seconds, lambda number: log.record([item(number, payloads)]))


def plain_appends(folder: Path, writers: int, seconds: float, payloads: bool) -> dict[str, Any]:
    """The same bytes at the end of a file, one sync each."""
    folder.mkdir()
    lock = threading.Lock()
    with (folder / "plain").open("wb", buffering=0) as file:

        def write(number: int) -> None:
            entry, kept = item(number, payloads)
            data = b"".join([entry.data, *(payload.salt + payload.data for payload in kept.values())])
            with lock:
                file.write(data)
                os.fdatasync(file.fileno())

        return many(writers, seconds, write)


def sqlite_appends(folder: Path, writers: int, seconds: float, payloads: bool) -> dict[str, Any]:
    """Rows chained by hash, each its own durable commit."""
    folder.mkdir()
    lock = threading.Lock()
    base = sqlite3.connect(folder / "log.sqlite", check_same_thread=False, isolation_level=None)
    base.execute("PRAGMA journal_mode=WAL")
    base.execute("PRAGMA synchronous=FULL")
    base.execute("CREATE TABLE entries (number INTEGER PRIMARY KEY, entry BLOB, chain BLOB)")
    base.execute("CREATE TABLE payloads (entry INTEGER, name TEXT, salt BLOB, data BLOB)")
    chain = [bytes(32)]

    def write(number: int) -> None:
        entry, kept = item(number, payloads)
        data = entry.data
        with lock:
            chain[0] = hashlib.sha256(chain[0] + data).digest()
            base.execute("BEGIN")
            place = base.execute("INSERT INTO entries (entry, chain) VALUES (?, ?)", (data, chain[0])).lastrowid
            for name, payload in kept.items():
                base.execute("INSERT INTO payloads VALUES (?, ?, ?, ?)", (place, name, payload.salt, payload.data))
            base.execute("COMMIT")

    try:
        return many(writers, seconds, write)
    finally:
        base.close()


WAYS: dict[str, Callable[[Path, int, float, bool], dict[str, Any]]] = {
    "obverse": log_appends,
    "fdatasync of the same bytes": plain_appends,
    "SQLite, WAL, synchronous=FULL": sqlite_appends,
}


def appends(folder: Path, seconds: float) -> list[dict[str, Any]]:
    rows = []
    for payloads in (False, True):
        for writers in WRITERS:
            for name, way in WAYS.items():
                below = folder / "appends"
                row = {"way": name, "writers": writers, "payloads": payloads, **way(below, writers, seconds, payloads)}
                print(row, flush=True)
                rows.append(row)
                shutil.rmtree(below)
    return rows


# --- checking -------------------------------------------------------------------------------------------------------------


def large(folder: Path, entries: int, signer: FileSigner) -> float:
    """A log of so many entries; the seconds that it took."""
    began = time.perf_counter()
    with Log.create(folder, ORIGIN, [signer], rhythm=Rhythm()) as log:
        for start in range(0, entries, 1000):
            log.record([item(number, payloads=False) for number in range(start, min(start + 1000, entries))])
    return time.perf_counter() - began


def checked(folder: Path, key: str) -> dict[str, Any]:
    """Each check in a process of its own, for its memory."""
    found = {}
    for what in ("verify", "fsck"):
        command = [sys.executable, __file__, "--one", what, "--folder", str(folder), "--key", key]
        found[what] = json.loads(subprocess.run(command, check=True, capture_output=True).stdout)
        print(what, found[what], flush=True)
    return found


def one(what: str, folder: Path, key: str) -> dict[str, Any]:
    from obverse.ledger.note import read_key

    began = time.perf_counter()
    if what == "verify":
        holds = verify(Folder(folder), Trust(log=(read_key(key),))).outcome == "holds"
    else:
        holds = not fsck(folder, [key])
    return {
        "holds": holds,
        "seconds": round(time.perf_counter() - began, 2),
        "peak_mb": round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024),
    }


def proof_sizes(folder: Path, sizes: list[int]) -> dict[str, Any]:
    note = read_head(Folder(folder))
    assert note is not None
    reader = Reader(Folder(folder), read_checkpoint(note.text).size)
    found = {}
    for size in sizes:
        proofs = [inclusion_proof(index, size, reader.hashes) for index in (0, size // 3, size - 1)]
        receipts = [len(str(Receipt(index=size // 3, hashes=proof, checkpoint=note))) for proof in proofs]
        found[f"{size:,}"] = {"hashes": max(map(len, proofs)), "receipt_bytes": max(receipts)}
    return found


# --- replay ---------------------------------------------------------------------------------------------------------------


class Gathering:
    """A recorder that writes many records at once: here the log is wanted, not each decision at its time."""

    def __init__(self, log: Log) -> None:
        self.log = log
        self.items: list[tuple[Entry, Mapping[str, Payload]]] = []

    def record(self, items: Sequence[tuple[Entry, Mapping[str, Payload]]]) -> int:
        self.items += items
        if len(self.items) >= GATHERED:
            self.flush()
        return 0

    def flush(self) -> None:
        self.log.record(self.items)
        self.items = []


def replayed(folder: Path, decisions: int) -> dict[str, Any]:
    clock, random = iter(range(1_800_000_000_000, 10**18)), Random(1)
    log = Log.create(folder, ORIGIN, [FileSigner(ORIGIN, new_key())], rhythm=Rhythm())
    gathering = Gathering(log)
    guard = Guard(
        check(parse(POLICY.encode())), recorder=gathering, clock=lambda: next(clock), fresh=random.randbytes,
        files={"p.md": POLICY.encode()},
    )  # fmt: skip
    began = time.perf_counter()
    arguments = {"look": '{"id":"a"}', "pay": '{"to":"b","amount":5}', "wipe": '{"id":"a"}'}
    for _ in range(0, decisions, 50):
        with guard.session(holder="a") as session:
            for number in range(50):
                tool = random.choice(list(arguments))
                session.propose([ProposedCall(call_id=f"c{number}", tool=tool, arguments=arguments[tool])])
    guard.close()
    gathering.flush()
    log.close()
    written = time.perf_counter() - began
    began = time.perf_counter()
    found = replay(Contents(Folder(folder)).items())
    row = {
        "decisions": found.decisions, "replayed": found.replayed, "faults": found.fault_count,
        "seconds": round(time.perf_counter() - began, 1), "guard_seconds": round(written, 1),
    }  # fmt: skip
    print("replay", row, flush=True)
    return row


# --- a foreign verifier ---------------------------------------------------------------------------------------------------


def foreign(folder: Path, signer: FileSigner) -> dict[str, Any]:
    """What the Go packages accept of ours, and of what was changed."""
    go = shutil.which("go")
    if go is None or not PACKAGES.exists():
        return {"skipped": "no Go, or not its packages"}
    with Log.create(folder, ORIGIN, [signer]) as log:
        log.extend([item(number, payloads=False)[0] for number in range(1000)])
    note = read_head(Folder(folder))
    assert note is not None
    head = read_checkpoint(note.text)
    reader = Reader(Folder(folder), head.size)
    entries = list(reader.entries())
    good: dict[str, Any] = {
        "Key": str(signer.key),
        "Checkpoint": str(note),
        "Entries": [b64encode(entry).decode() for entry in entries],
        "Receipts": [
            {
                "Entry": b64encode(entries[index]).decode(), "Index": index,
                "Hashes": _text(inclusion_proof(index, head.size, reader.hashes)),
            }
            for index in range(head.size)
        ],
        "Consistency": [
            {
                "Size": size, "Root": b64encode(_root(reader, size)).decode(),
                "Hashes": _text(consistency_proof(size, head.size, reader.hashes)),
            }
            for size in range(1, head.size + 1)
        ],
    }  # fmt: skip
    bad = json.loads(json.dumps(good))
    for receipt in bad["Receipts"]:
        receipt["Index"] ^= 1
    for older in bad["Consistency"]:
        older["Root"] = b64encode(bytes(32)).decode()
    forged = {**good, "Checkpoint": str(note).replace("1000\n", "1001\n", 1)}
    asked = {name: _go(go, case) for name, case in (("good", good), ("changed", bad), ("forged", forged))}
    return {"verifier": "golang.org/x/mod/sumdb (note, tlog)", "go": _version(go), "proofs": head.size, **asked}


def _root(reader: Reader, size: int) -> bytes:
    from obverse.ledger.merkle import Frontier

    return Frontier.of(size, reader.hashes).root()


def _text(hashes: tuple[bytes, ...]) -> list[str]:
    return [b64encode(hash_).decode() for hash_ in hashes]


def _go(go: str, case: dict[str, Any]) -> dict[str, Any]:
    environment = {**os.environ, "GO111MODULE": "off", "GOPATH": "/usr/share/gocode", "GOFLAGS": ""}
    done = subprocess.run(
        [go, "run", str(GO)], input=json.dumps(case).encode(), capture_output=True, env=environment, check=True
    )
    found: dict[str, Any] = json.loads(done.stdout)
    return found


def _version(go: str) -> str:
    return subprocess.run([go, "version"], capture_output=True, check=True, text=True).stdout.strip()


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--full", action="store_true")
    parser.add_argument("--only", choices=("appends", "check", "replay", "foreign"), action="append")
    parser.add_argument("--one", choices=("verify", "fsck"))
    parser.add_argument("--folder", type=Path)
    parser.add_argument("--key")
    options = parser.parse_args()
    if options.one:
        print(json.dumps(one(options.one, options.folder, options.key)))
        return
    entries, decisions, seconds = ENTRIES // 5, DECISIONS // 5, SECONDS / 2
    if options.full:
        entries, decisions, seconds = ENTRIES, DECISIONS, SECONDS
    parts = options.only or ["appends", "check", "replay", "foreign"]
    before = json.loads(RESULT.read_text()) if options.only and RESULT.exists() else {}
    load, signer = os.getloadavg()[0], FileSigner(ORIGIN, new_key())
    found: dict[str, Any] = {}
    with tempfile.TemporaryDirectory() as name:  # TMPDIR says on which disk
        folder = Path(name)
        if "appends" in parts:
            found["appends"] = appends(folder, seconds)
        if "check" in parts:
            spent = large(folder / "large", entries, signer)
            found["check"] = {
                "entries": entries, "written_seconds": round(spent, 1), **checked(folder / "large", str(signer.key)),
                "proofs": proof_sizes(folder / "large", sorted({1000, entries})),
            }  # fmt: skip
        if "replay" in parts:
            found["replay"] = replayed(folder / "replay", decisions)
        if "foreign" in parts:
            found["foreign"] = foreign(folder / "foreign", signer)
            print("foreign", found["foreign"], flush=True)
    result = {
        **before,
        "command": "python " + " ".join([f"benchmarks/{Path(__file__).name}", *sys.argv[1:]]),
        **found,
        "load_before": round(load, 2),
        "load_after": round(os.getloadavg()[0], 2),
        "cores": os.cpu_count(),
        "python": platform.python_version(),
        "sqlite": sqlite3.sqlite_version,
    }
    RESULT.write_text(json.dumps(result, indent=2) + "\n")


if __name__ == "__main__":
    main()
