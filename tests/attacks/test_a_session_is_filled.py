"""Attacks on the guard's memory: an agent that proposes without end, and sessions that are thrown away."""

from __future__ import annotations

import math
from pathlib import Path

import pytest

from obverse.core.errors import EvidenceError
from obverse.core.verdicts import Verdict
from obverse.guard.guard import Guard
from obverse.guard.settings import Settings
from obverse.testing.granting import Granting
from obverse.testing.guards import call, checked_policy, guard_of


def held(guard: Guard) -> int:
    return len(guard._all())


def test_sessions_that_were_stopped_and_ended_are_forgotten() -> None:
    guard = guard_of()
    for _ in range(3_000):
        session = guard.session(holder="alice")
        assert session.propose([call("explode")]).verdict is Verdict.STOP
        session.end()
    assert held(guard) <= 2_048


def test_permits_that_nobody_uses_go_with_the_result_of_their_call() -> None:
    session = guard_of().session(holder="alice")
    for number in range(50):
        name = f"c{number}"
        permit = session.propose([call("look", '{"id": "a"}', name)]).steps[0].permit
        session.result(name, "done elsewhere")
        assert permit is not None
        with pytest.raises(EvidenceError):  # it has a result: it does not run a second time
            session.redeem(permit, "look", '{"id": "a"}')
    assert len(session._permits) == 0


@pytest.mark.parametrize("wait", [1e308, math.inf, math.nan, -1.0])
def test_a_time_to_wait_that_is_none_ends_at_once_where_nothing_waits(wait: float) -> None:
    session = guard_of().session(holder="alice")
    assert session.resume(wait) is None
    assert session.propose([call("look", '{"id": "a"}')], wait=wait).released


def test_denied_calls_do_not_fill_the_memory_though_grants_may_look_back(tmp_path: Path) -> None:
    """What was forgotten could be what a scope asks for: from then on nothing is lifted."""
    shop = Granting(checked_policy(), tmp_path / "grants.sqlite")
    shop.give(["pay"], "pay when amount <= 9000 and not once look", holder="alice", uses=9)
    guard = guard_of(grants=shop.register, settings=Settings(longest_past=1_000_000, most_shown=4))
    session = guard.session(holder="alice")
    large = '{"to": "bob", "amount": 5000}'
    assert session.propose([call("pay", large, "first")]).released
    for number in range(40):
        session.propose([call("pay", f'{{"to": "{"x" * 100_000}", "amount": 9500}}', f"c{number}")])
    kept = sum(len(getattr(event, "arguments", "")) for event in session._past.events)
    assert kept <= 1_200_000
    assert not session.propose([call("pay", large, "second")]).released


def test_a_session_that_forgot_goes_on_elsewhere_as_one_that_forgot(tmp_path: Path) -> None:
    shop = Granting(checked_policy(), tmp_path / "grants.sqlite")
    shop.give(["pay"], "pay when not once look", holder="alice", uses=9)
    settings = Settings(longest_past=100_000)
    session = guard_of(grants=shop.register, settings=settings).session(holder="alice", id="one")
    session.propose([call("look", '{"id": "a"}')])
    for number in range(60):
        session.propose([call("pay", f'{{"to": "{"x" * 9_000}", "amount": 1}}', f"c{number}")])
    data, digest = session.suspend()
    again = guard_of(grants=shop.register, settings=Settings()).restore(data, digest=digest)
    assert not again.propose([call("pay", '{"to": "bob", "amount": 5000}', "p")]).released
