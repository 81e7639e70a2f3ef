"""Its files, its log, its clock, its leases: found, on record, a fact that rules can speak of, and the end of sessions."""

from __future__ import annotations

import os
import threading
import time
from pathlib import Path
from typing import Any

import pytest

from obverse.core.verdicts import Verdict
from obverse.guard.home import Home, make_home, open_home
from obverse.guard.leases import Control, Lease, lease_file, order_stop, renew
from obverse.guard.local import now
from obverse.guard.people import Person, edwards_key
from obverse.guard.settings import Settings
from obverse.guard.watch import Files, Head, Pace
from obverse.ledger.log import Log
from obverse.testing.guards import SHOP, START, HandClock, call, guard_of
from obverse.testing.recorder import MemoryRecorder

SPEAKS = """\
---
policy: wary
---
```terms
tool look() effect read
tool pay() effect money
fact guard.tampering: one of "clock", "policy", "permit", "lease", "settings", "people", "code", "ledger" from host
```

## Wary {#wary}

```rule
forbid pay when once fact guard.tampering
```
"""


@pytest.mark.parametrize("by", [-3_600, 90_000])
def test_a_clock_that_jumps_stops_the_session_and_its_times_never_go_back(by: int) -> None:
    recorder, clock, steady = MemoryRecorder(), HandClock(), HandClock(0)
    session = guard_of(recorder=recorder, clock=clock, steady=steady).session(holder="alice")
    pay = '{"to": "bob", "amount": 5}'
    for number in range(3):
        assert session.propose([call("pay", pay, f"c{number}")]).verdict is Verdict.ALLOW
        clock.move(1)
        steady.move(1)
    clock.move(by)
    ruling = session.propose([call("pay", pay, "c9")])
    assert (ruling.verdict, ruling.state) == (Verdict.DENY, "stopped")
    assert "clock" in str([entry.body for entry in recorder.of("guard.tampering")])
    times = [entry.time for entry in recorder if entry.session == session.id]
    assert times == sorted(times)


def test_a_clock_that_is_a_little_off_or_is_set_slowly_is_none_of_our_business() -> None:
    clock, steady = HandClock(), HandClock(0)
    pace = Pace(clock, steady, 2_000)
    for _ in range(100):
        clock.move(60.05)
        steady.move(60)
        assert pace.look() == 0
    clock.move(10)
    assert pace.look() == 1
    assert pace.look() == 1


def test_tampering_is_a_fact_that_rules_speak_of_where_sessions_go_on() -> None:
    clock, steady = HandClock(), HandClock(0)
    settings = Settings(on_tampering="note")
    session = guard_of(SPEAKS, clock=clock, steady=steady, settings=settings).session(holder="alice")
    assert session.propose([call("pay", "{}", "1")]).verdict is Verdict.ALLOW
    clock.move(90_000)
    assert session.propose([call("pay", "{}", "2")]).verdict is Verdict.DENY
    assert session.propose([call("look", "{}", "3")]).verdict is Verdict.ALLOW


@pytest.fixture
def home(tmp_path: Path) -> Home:
    (tmp_path / "shop.md").write_text(SHOP)
    folder = make_home(tmp_path / "home", tmp_path / "shop.md", name="guard.example", origin="guard.example/1").folder
    return open_home(folder)


def test_a_file_that_is_changed_added_or_removed_is_told_once(home: Home) -> None:
    files = Files({"policy": [home.policy.parent], "settings": [home.folder / "guard.toml"], "people": [home.people]})
    assert files.look() == []
    home.policy.write_text(SHOP.replace("1000", "100000"))
    (home.people / "mallory.json").write_text("{}")
    (home.folder / "guard.toml").unlink()
    assert [one.what for one in files.look()] == ["policy", "settings", "people"]
    assert files.look() == []


def test_a_log_that_is_set_back_is_found(home: Home) -> None:
    with Log.open(home.ledger, [home.signer()]) as log:
        head = Head(home.ledger / "checkpoint")
        old = (home.ledger / "checkpoint").read_bytes()
        log.extend([_entry(number) for number in range(5)])
        log.publish()
        assert head.look() == []
        (home.ledger / "checkpoint").write_bytes(old)
        [found] = head.look()
        assert found.what == "ledger"
        assert "had 5 entries" in found.detail


def _entry(number: int) -> Any:
    from obverse.ledger.entries import Entry

    return Entry(type="note", time=number, body={"number": number})


def test_all_sessions_stop_when_a_file_of_the_guard_is_changed() -> None:
    from obverse.guard.watch import Tampering

    recorder = MemoryRecorder()
    guard = guard_of(recorder=recorder)
    sessions = [guard.session(holder="alice") for _ in range(3)]
    guard.tampered([Tampering(what="policy", detail="`policy.md` changed")])
    assert {session.state for session in sessions} == {"stopped"}
    assert recorder.of("guard.tampering")[0].body["what"] == "policy"
    assert {entry.body["by"] for entry in recorder.of("session.stop")} == {"guard"}
    other = guard.session(holder="alice")
    guard.tampered([Tampering(what="people", detail="`carol.json` is new")])
    assert other.state == "open", "keys may change; it is on record"


# --- leases and orders ----------------------------------------------------------------------------------------------------


def leased(tmp_path: Path, clock: HandClock, **given: Any) -> tuple[Any, MemoryRecorder]:
    recorder = MemoryRecorder()
    control = Control(tmp_path, clock=clock, **given)
    guard = guard_of(orders=control, clock=clock, recorder=recorder, settings=Settings(lease_seconds=10))
    return guard.session(holder="alice", id="s1"), recorder


def test_a_session_whose_lease_nobody_renews_stops(tmp_path: Path) -> None:
    clock = HandClock()
    session, recorder = leased(tmp_path, clock)
    assert session.propose([call("look", '{"id": "a"}', "1")]).verdict is Verdict.ALLOW
    clock.move(8)
    renew(tmp_path, "s1", until=clock() + 10_000, by="olga", time=clock())
    clock.move(8)
    assert session.propose([call("look", '{"id": "a"}', "2")]).verdict is Verdict.ALLOW
    clock.move(8)
    assert session.propose([call("look", '{"id": "a"}', "3")]).state == "stopped"
    assert [(one.body["what"], one.body["by"]) for one in recorder.of("lease")] == [
        ("given", "guard"), ("renewed", "olga"), ("lost", "olga"),
    ]  # fmt: skip
    assert recorder.of("session.stop")[0].body["by"] == "lease"


def test_a_permit_is_worth_nothing_once_the_lease_is_lost(tmp_path: Path) -> None:
    clock = HandClock()
    session, _ = leased(tmp_path, clock)
    [step] = session.propose([call("look", '{"id": "a"}')]).released
    clock.move(11)
    with pytest.raises(Exception, match="not open"):
        session.redeem(step.permit, "look", '{"id": "a"}')


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"{}",
        b"\xff",
        b'{"session":"s2","holder":"alice","until":99999999999999,"by":"x"}',
        b'{"session":"s1","holder":"alice","until":"for ever","by":"x"}',
    ],
)
def test_a_lease_that_is_none_ends_the_session(tmp_path: Path, data: bytes) -> None:
    session, recorder = leased(tmp_path, HandClock())
    lease_file(tmp_path, "s1").write_bytes(data)
    assert session.propose([call("look", '{"id": "a"}')]).state == "stopped"
    assert recorder.of("guard.tampering")[0].body["what"] == "lease"


def test_where_leases_are_signed_one_that_nobody_signed_is_tampering(tmp_path: Path) -> None:
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

    key, other = Ed25519PrivateKey.generate(), Ed25519PrivateKey.generate()
    public = edwards_key(key.public_key().public_bytes_raw(), added=START)
    people = {"olga": Person(name="olga", roles=("stop",), keys=(public,))}
    clock = HandClock()
    session, _ = leased(tmp_path, clock, people=lambda: people)
    renew(tmp_path, "s1", until=clock() + 60_000, by="olga", time=clock(), key=key)
    clock.move(30)
    assert session.propose([call("look", '{"id": "a"}')]).verdict is Verdict.ALLOW
    for forged in (None, other):
        clock.move(1)
        (tmp_path / "forged").mkdir(exist_ok=True)
        folder = tmp_path / f"forged-{forged is None}"
        folder.mkdir()
        session, recorder = leased(folder, clock, people=lambda: people)
        renew(folder, "s1", until=clock() + 60_000, by="olga", time=clock(), key=forged)
        assert session.propose([call("look", '{"id": "a"}')]).state == "stopped"
        assert recorder.of("guard.tampering")


def test_an_order_to_stop_stops_one_or_all_and_not_those_that_come_later(tmp_path: Path) -> None:
    clock = HandClock()
    guard = guard_of(orders=Control(tmp_path, clock=clock), clock=clock)
    one, two = guard.session(holder="alice", id="one"), guard.session(holder="alice", id="two")
    order_stop(tmp_path, "one", by="olga", why="enough", time=clock())
    guard.look()
    assert (one.state, two.state) == ("stopped", "open")
    order_stop(tmp_path, None, by="olga", why="all of them", time=clock())
    assert two.propose([call("look", '{"id": "a"}')]).state == "stopped"
    clock.move(1)
    assert guard.session(holder="alice").propose([call("look", '{"id": "a"}')]).verdict is Verdict.ALLOW


def test_an_order_that_cannot_be_read_is_an_order_to_stop(tmp_path: Path) -> None:
    session, _ = leased(tmp_path, HandClock())
    (tmp_path / "stop-all.json").write_bytes(b"\x00")
    assert session.propose([call("look", '{"id": "a"}')]).state == "stopped"


@pytest.mark.skipif(os.geteuid() == 0, reason="root reads everything")
def test_orders_that_cannot_be_looked_for_stop_the_session(tmp_path: Path) -> None:
    session, _ = leased(tmp_path, HandClock())
    tmp_path.chmod(0)
    try:
        assert session.propose([call("look", '{"id": "a"}')]).state == "stopped"
    finally:
        tmp_path.chmod(0o700)


def test_a_running_guard_notices_by_itself(home: Home) -> None:
    from obverse.guard.local import open_guard

    guard = open_guard(home)
    try:
        session = guard.session(holder="alice")
        order_stop(home.control, session.id, by="olga", why="enough", time=now())
        until = time.monotonic() + 20
        while session.state == "open" and time.monotonic() < until:
            time.sleep(0.05)
        assert session.state == "stopped"
        other = guard.session(holder="alice")
        home.policy.write_text(SHOP + "\n")
        while other.state == "open" and time.monotonic() < until:
            time.sleep(0.05)
        assert other.state == "stopped"
    finally:
        guard.close()
    assert "keeper" not in {thread.name for thread in threading.enumerate() if thread.is_alive()}


def test_leases_of_sessions_with_any_name_are_files_of_the_folder(tmp_path: Path) -> None:
    for name in ("../../etc/passwd", "a/b", "x" * 256, "é"):
        assert lease_file(tmp_path, name).parent == tmp_path
    assert Lease(session="s", holder="h", until=1, by="b").until == 1
