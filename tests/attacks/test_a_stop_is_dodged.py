"""Attacks on the order to stop: a session that goes on though somebody said that it must not."""

from __future__ import annotations

from pathlib import Path

import pytest

from obverse.core.verdicts import Verdict
from obverse.guard.leases import Control, order_stop
from obverse.guard.settings import Settings
from obverse.testing.guards import HandClock, call, guard_of

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
