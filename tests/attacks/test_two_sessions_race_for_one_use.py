"""Attack: sessions, threads and processes ask for the last use of a grant at one moment. Exactly as many win as it says."""

from __future__ import annotations

import json
import random
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from obverse.core.errors import EvidenceError, UnavailableError
from obverse.guard.grants.register import Register
from obverse.guard.guard import Guard
from obverse.guard.records import ProposedCall, Ruling
from obverse.policy.check import check
from obverse.policy.parse import parse
from obverse.testing.granting import Granting
from obverse.testing.recorder import MemoryRecorder

POLICY = """\
---
policy: shop
---
```terms
tool pay(to: text, amount: number) effect money
```

## Large {#large}

```rule
forbid pay when amount > 100
```
"""

PROCESS = """
import sys
from pathlib import Path
from obverse.core.errors import EvidenceError
from obverse.guard.grants.register import Register
from obverse.policy.check import check
from obverse.policy.parse import parse
from obverse.testing.granting import PEOPLE, START, person

text, where, grant, name = sys.argv[1:]
people = {who: person(who, roles) for who, roles in PEOPLE.items()}
register = Register(Path(where), check(parse(text)), lambda: people, fresh=bytes)
print("ready", flush=True)
sys.stdin.readline()
won = 0
for number in range(20):
    try:
        register.use([grant], session=name, step=f"s{number}", now=START)
        won += 1
    except EvidenceError:
        pass
print(won)
"""


@pytest.fixture
def shop(tmp_path: Path) -> Granting:
    return Granting(check(parse(POLICY)), tmp_path / "guard.sqlite")


def test_two_sessions_race_for_one_use_and_exactly_one_wins(shop: Granting) -> None:
    recorder = MemoryRecorder()
    guard = Guard(
        shop.checked, recorder=recorder, clock=lambda: shop.now, fresh=random.Random(1).randbytes, grants=shop.register
    )
    for number in range(5):
        grant = shop.give(["large"], "pay", uses=1)
        sessions = [guard.session(holder="agent", id=f"{number}-{one}") for one in range(4)]
        start, rulings = threading.Barrier(len(sessions)), list[Ruling]()

        def race(session: object, start: threading.Barrier = start, rulings: list[Ruling] = rulings) -> None:
            call = ProposedCall(call_id="p", tool="pay", arguments=json.dumps({"to": "x", "amount": 150}))
            start.wait()
            rulings.append(session.propose([call]))  # type: ignore[attr-defined]  # a session

        threads = [threading.Thread(target=race, args=(session,)) for session in sessions]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert sum(len(ruling.released) for ruling in rulings) == 1
        assert shop.held(grant.id).used == 1
    assert len(recorder.of("grant.use")) == 5


def test_threads_with_registers_of_their_own_never_count_past_the_end(shop: Granting, tmp_path: Path) -> None:
    grant, won = shop.give(["large"], "pay", uses=10), list[int]()
    child = shop.narrow(grant, holder="helper", uses=10)

    def race(name: str) -> None:
        with Register(tmp_path / "guard.sqlite", shop.checked, lambda: shop.people, fresh=bytes) as register:
            for number in range(6):
                try:
                    register.use([name], session=name, step=f"s{number}", now=shop.now)
                    won.append(1)
                except (EvidenceError, UnavailableError):
                    continue

    threads = [threading.Thread(target=race, args=(name,)) for name in (grant.id, child.id) * 2]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(won) == 10
    assert shop.held(grant.id).used == 10


def test_processes_never_count_past_the_end(shop: Granting, tmp_path: Path) -> None:
    grant = shop.give(["large"], "pay", uses=25)
    where = str(tmp_path / "guard.sqlite")
    processes = [
        subprocess.Popen(
            [sys.executable, "-c", PROCESS, POLICY, where, grant.id, name],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
        )
        for name in ("one", "other")
    ]  # fmt: skip
    for process in processes:
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
    for process in processes:
        assert process.stdin is not None
        process.stdin.write("go\n")
        process.stdin.flush()
    won = [int(process.communicate(timeout=60)[0]) for process in processes]
    assert sum(won) == 25
    assert shop.held(grant.id).used == 25
