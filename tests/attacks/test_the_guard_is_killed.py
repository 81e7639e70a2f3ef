"""The guard's process is killed, or its disk is full, at every step of a turn: no act without a record (L13), and no silence (L16).

With the real log on a real disk. A child acts by appending to a file, after the permit was redeemed; it is killed by `SIGKILL`
whenever the guard asks for the time, for randomness, or for a record, before and after. What it left is opened again.
"""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from obverse.core.verdicts import Verdict
from obverse.guard.home import make_home, open_home
from obverse.guard.local import open_guard
from obverse.ledger.checkpoint import Trust
from obverse.ledger.contents import Contents
from obverse.ledger.log import Log
from obverse.ledger.reader import Folder
from obverse.ledger.verify import verify
from obverse.testing.guards import SHOP, call

CHILD = """
import os, random, resource, signal, sys
from pathlib import Path
from obverse.core.events import Call
from obverse.guard.home import open_home
from obverse.guard.guard import Guard
from obverse.ledger.log import Log
from obverse.testing.guards import HandClock, call

home, acts, how = open_home(Path(sys.argv[1])), Path(sys.argv[2]), sys.argv[3]
home.loaded
count, began = 0, False

def point(at):
    global count
    count += began
    if began and how == "kill" and count == at:
        os.kill(os.getpid(), signal.SIGKILL)

class Killed:
    def __init__(self, inner, at): self.inner, self.at = inner, at
    def __call__(self, *args): point(self.at); return self.inner(*args)
    def record(self, items):
        point(self.at); place = self.inner.record(items); point(self.at); return place

def live(at):
    global began
    log = Log.open(home.ledger, [home.signer()])
    guard = Guard(
        home.loaded.checked, recorder=Killed(log, at), clock=Killed(HandClock(), at),
        fresh=Killed(random.Random(at).randbytes, at), files=home.loaded.files,
    )
    session = guard.session(holder="alice", id=f"s{at}")
    began = True
    if how == "full":
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        size = max(len(file.read_bytes().rstrip(bytes(1))) for file in home.ledger.glob("journal*"))  # zeros come after it
        resource.setrlimit(resource.RLIMIT_FSIZE, (size + at, size + at))
    session.message("Pay Bob, twice.")
    for number in range(3):
        ruling = session.propose([call("pay", '{"to": "bob", "amount": 5}', f"c{number}")], "Paying.")
        for step in ruling.released:
            if isinstance(step.proposal, Call):
                session.redeem(step.permit, "pay", step.proposal.arguments)
                point(at)
                handle = os.open(acts, os.O_WRONLY | os.O_APPEND | os.O_CREAT)
                os.write(handle, f"{session.id} {step.permit.id}\\n".encode())
                os.close(handle)
                session.result(step.proposal.call_id, "paid")
        print(ruling.verdict, ruling.state, flush=True)

for at in map(int, sys.argv[4].split(",")):
    child = os.fork()
    if child == 0:
        live(at)
        os._exit(0)
    ended = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    print("ended", at, ended, flush=True)
"""


@pytest.fixture
def home(tmp_path: Path) -> Path:
    (tmp_path / "shop.md").write_text(SHOP)
    return make_home(tmp_path / "home", tmp_path / "shop.md", name="guard.example", origin="guard.example/1").folder


def children(home: Path, how: str, *at: int) -> list[list[str]]:
    """What children said, one after the other: verdict and state of each turn, and how each of them ended."""
    program = [sys.executable, "-c", CHILD, str(home), str(home.parent / "acts"), how, ",".join(map(str, at))]
    done = subprocess.run(program, capture_output=True, text=True, check=False, timeout=100)
    assert done.returncode == 0, done.stderr
    return [line.split() for line in done.stdout.splitlines()]


def recorded(home: Path) -> tuple[dict[str, Any], set[tuple[str, str]]]:
    """The permits that are on record, and the acts that are, by session and step; after the log was taken over."""
    found = open_home(home)
    with Log.open(found.ledger, [found.signer()]) as log:
        log.publish()
    verified = verify(Folder(found.ledger), Trust(log=(found.signer().key,), witnesses=(), quorum=0))
    assert verified.outcome == "holds"
    permits, acts = {}, set()
    for item in Contents(Folder(found.ledger)).items():
        entry = item.entry
        if entry.type == "decision" and entry.body["permit"]:
            permits[entry.body["permit"]] = entry
        if entry.type == "event" and entry.body["kind"] == "call":
            acts.add((entry.session, json.loads(item.payloads["event"])["id"]))
    return permits, acts


@pytest.mark.slow
def test_L13_a_guard_that_is_killed_at_any_step_leaves_no_act_without_a_record(home: Path) -> None:
    steps = [*range(1, 60), *range(60, 200, 7)]
    ends = {line[1]: int(line[2]) for line in children(home, "kill", *steps) if line[0] == "ended"}
    assert set(ends.values()) == {0, -9}, "the last of them were not killed"
    permits, recorded_acts = recorded(home)
    acts = [line.split() for line in (home.parent / "acts").read_text().splitlines()]
    assert len(acts) > 10
    for session, permit in acts:
        entry = permits[permit]
        assert entry.session == session
        assert (session, entry.body["step"]) in recorded_acts


@pytest.mark.parametrize("room", [0, 700, 2_500, 4_500, 6_000])
def test_L16_on_a_full_disk_nothing_is_released_and_the_session_stops(home: Path, room: int) -> None:
    *said, ended = children(home, "full", room)
    assert ended[2] == "0"
    assert len(said) == 3
    assert said[2][1] == "stopped"
    released = [verdict for verdict, _ in said].count("allow")
    acts = home.parent / "acts"
    done_acts = acts.read_text().splitlines() if acts.exists() else []
    assert len(done_acts) == released
    permits, recorded_acts = recorded(home)
    for line in done_acts:
        session, permit = line.split()
        assert (session, permits[permit].body["step"]) in recorded_acts


def test_a_guard_that_was_killed_has_no_open_session_when_it_comes_back(home: Path) -> None:
    children(home, "kill", 40)
    guard = open_guard(open_home(home))
    assert guard.open_sessions == 0
    assert guard.find("s40") is None
    assert guard.session(holder="alice").propose([call("look", '{"id": "a"}')]).verdict is Verdict.ALLOW
    guard.close()
