"""Attacks on the order to stop: a session that goes on though somebody said that it must not."""

from __future__ import annotations

from pathlib import Path

import pytest

from obverse.core.errors import MisuseError
from obverse.core.verdicts import Verdict
from obverse.guard.leases import Control, order_stop
from obverse.guard.settings import Settings
from obverse.testing.guards import Faulty, HandClock, call, guard_of
from obverse.testing.recorder import MemoryRecorder

LOOK = call("look", '{"id": "a"}')


@pytest.mark.parametrize("session", ["one", None], ids=["this one", "all"])
def test_the_clock_was_turned_back_before_the_order_was_written(session: str | None, tmp_path: Path) -> None:
    clock = HandClock()
    guard = guard_of(orders=Control(tmp_path, clock=clock), clock=clock, settings=Settings(on_tampering="note"))
    order_stop(tmp_path, None, by="olga", why="an older one", time=clock())
    clock.move(60)
    one = guard.session(holder="alice", id="one")
    assert one.propose([LOOK]).verdict is Verdict.ALLOW
    clock.move(-3600)
    order_stop(tmp_path, session, by="olga", why="enough", time=clock())
    assert one.propose([call("look", '{"id": "a"}', "c2")]).state == "stopped"


def test_a_permit_of_before_is_worth_nothing_after_such_an_order(tmp_path: Path) -> None:
    clock = HandClock()
    guard = guard_of(orders=Control(tmp_path, clock=clock), clock=clock, settings=Settings(on_tampering="note"))
    one = guard.session(holder="alice", id="one")
    permit = one.propose([LOOK]).steps[0].permit
    assert permit is not None
    clock.move(-3600)
    order_stop(tmp_path, "one", by="olga", why="enough", time=clock())
    with pytest.raises(Exception, match="not open"):
        one.redeem(permit, "look", '{"id": "a"}')


def test_an_order_of_before_its_time_is_none_of_its_business(tmp_path: Path) -> None:
    clock = HandClock()
    guard = guard_of(orders=Control(tmp_path, clock=clock), clock=clock)
    for name in ("one", None):
        order_stop(tmp_path, name, by="olga", why="somebody else", time=clock())
    clock.move(1)
    assert guard.session(holder="alice", id="one").propose([LOOK]).verdict is Verdict.ALLOW


def test_a_session_is_suspended_before_it_heard_of_the_order(tmp_path: Path) -> None:
    clock = HandClock()
    guard = guard_of(orders=Control(tmp_path, clock=clock), clock=clock)
    session = guard.session(holder="alice", id="one")
    clock.move(1)
    order_stop(tmp_path, "one", by="olga", why="enough", time=clock())
    with pytest.raises(MisuseError, match="stopped"):
        session.suspend()


def test_a_session_is_suspended_while_somebody_stops_it() -> None:
    session = guard_of().session(holder="alice", id="one")
    session._order("person", "enough")  # what `stop` does before it waits for the lock
    with pytest.raises(MisuseError, match="stopped"):
        session.suspend()


def test_an_order_that_came_while_it_was_suspended_holds_when_it_goes_on(tmp_path: Path) -> None:
    clock = HandClock()
    session = guard_of(orders=Control(tmp_path, clock=clock), clock=clock).session(holder="alice", id="one")
    session.message("hello")
    data, digest = session.suspend()
    clock.move(5)
    order_stop(tmp_path, "one", by="olga", why="enough", time=clock())
    clock.move(5)
    again = guard_of(orders=Control(tmp_path, clock=clock), clock=clock).restore(data, digest=digest)
    assert again.propose([LOOK]).state == "stopped"


def test_a_session_that_could_not_be_put_on_record_does_not_go_on() -> None:
    data, digest = guard_of().session(holder="alice", id="one").suspend()
    guard = guard_of(recorder=Faulty(MemoryRecorder(), "raise", 2, forever=True))
    with pytest.raises(OSError, match="no space"):
        guard.restore(data, digest=digest)
    found = guard.find("one")
    assert found is None or found.state != "open"
