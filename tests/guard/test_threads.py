"""Many threads, many sessions: a count is never overrun, records go together, idle sessions are small."""

from __future__ import annotations

import gc
import threading
import tracemalloc
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from obverse.core.errors import EvidenceError
from obverse.core.verdicts import Verdict
from obverse.guard.guard import Guard
from obverse.guard.replay import replay
from obverse.testing.guards import call, guard_of, items_of
from obverse.testing.recorder import MemoryRecorder

Make = Callable[..., Guard]
PAY = '{"to": "bob", "amount": 5}'


def test_threads_that_race_in_one_session_never_overrun_a_count(make: Make, recorder: MemoryRecorder) -> None:
    session = make().session(holder="alice")

    def pay(number: int) -> Verdict:
        return session.propose([call("pay", PAY, f"c{number}")]).verdict

    with ThreadPoolExecutor(8) as pool:
        verdicts = list(pool.map(pay, range(40)))
    assert verdicts.count(Verdict.ALLOW) == 3
    session.end()
    assert not replay(items_of(recorder)).faults


def test_two_threads_with_one_permit_run_once(make: Make) -> None:
    session = make().session(holder="alice")
    [step] = session.propose([call("pay", PAY)]).released
    permit, ran = step.permit, list[bool]()
    assert permit is not None

    def execute(_number: int) -> None:
        try:
            session.redeem(permit, "pay", PAY)
        except EvidenceError:
            return
        ran.append(True)

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(execute, range(40)))
    assert ran == [True]


def test_sessions_that_wait_for_the_ledger_together_are_written_together() -> None:
    gate, writes = threading.Event(), list[int]()

    class Slow(MemoryRecorder):
        def record(self, items: Sequence[Any]) -> int:
            writes.append(len(items))
            if len(writes) == 2:
                gate.wait(5)
            return super().record(items)

    recorder = Slow()
    guard = guard_of(recorder=recorder)
    sessions = [guard.session(holder="alice") for _ in range(20)]
    with ThreadPoolExecutor(20) as pool:
        found = [pool.submit(session.propose, [call("pay", PAY)]) for session in sessions]
        threading.Timer(0.2, gate.set).start()
        rulings = [one.result() for one in found]
    assert all(ruling.released for ruling in rulings)
    assert len(writes) < 12, "one write for all who waited while the second one was under way"
    for ruling in rulings:
        [step] = ruling.released
        assert step.permit is not None
        assert recorder.entries[step.permit.entry].body["permit"] == step.permit.id


def test_a_stop_takes_effect_while_a_turn_is_being_decided(make: Make) -> None:
    started, gate = threading.Event(), threading.Event()

    class Slow(MemoryRecorder):
        def record(self, items: Sequence[Any]) -> int:
            if any(entry.type == "decision" for entry, _ in items):
                started.set()
                gate.wait(5)
            return super().record(items)

    guard = make(recorder=Slow())
    session = guard.session(holder="alice", id="s")
    with ThreadPoolExecutor(2) as pool:
        ruling = pool.submit(session.propose, [call("pay", PAY)])
        started.wait(5)
        stopped = pool.submit(guard.stop, "s", by="person", why="enough")
        while session._stopping is None:
            pass
        gate.set()
        assert not ruling.result().released
        stopped.result()
    assert session.state == "stopped"


def test_an_idle_session_is_small_and_one_that_ended_is_forgotten(make: Make) -> None:
    guard = make()
    for number in range(50):
        guard.session(holder=f"h{number}").message("Hello.")
    gc.collect()
    tracemalloc.start()
    kept = [guard.session(holder=f"holder {number}") for number in range(500)]
    for session in kept:
        session.message("Hello.")
    gc.collect()
    size, _ = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert size / 500 < 16_000
    for session in kept:
        session.end()
    for number in range(3_000):
        guard.session(holder=f"h{number}").end()
    assert len(guard._sessions) < 2_500


@pytest.mark.parametrize("name", ["", "x" * 257, "a\nb"])
def test_an_id_that_is_none_is_refused_and_one_is_used_once(name: str, make: Make) -> None:
    guard = make()
    with pytest.raises(Exception, match="an id of"):
        guard.session(holder="alice", id=name)
    guard.session(holder="alice", id="s").end()
    with pytest.raises(Exception, match="there was a session"):
        guard.session(holder="alice", id="s")
