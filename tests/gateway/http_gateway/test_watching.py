"""What the gateway does by itself: canaries, and the end of sessions that nobody uses."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from obverse.core.errors import EvidenceError

from .conftest import Gateway, user


def run(gateway: Gateway, work: Any) -> Any:
    """The result of a coroutine of the gateway, in its own loop."""
    return asyncio.run_coroutine_threadsafe(work, gateway._loop).result(30)


def test_a_canary_before_anybody_is_served_is_on_record_and_its_session_is_over(gateway: Gateway) -> None:
    [entry] = gateway.recorder.of("guard.canary")
    assert (entry.body["way"], entry.body["passed"]) == ("http", True)
    assert len(gateway.service.desk.book) == 0
    run(gateway, gateway.service.check_canary(gateway.url))
    assert [entry.body["passed"] for entry in gateway.recorder.of("guard.canary")] == [True, True]


def test_a_canary_that_does_not_come_to_the_guard_is_an_error_and_on_record(gateway: Gateway, upstream: Any) -> None:
    around = upstream.url.removesuffix("/v1")  # somebody pointed the address at the model itself
    with pytest.raises(EvidenceError, match="not in the path"):
        run(gateway, gateway.service.check_canary(around))
    assert [entry.body["passed"] for entry in gateway.recorder.of("guard.canary")] == [True, False]


@pytest.mark.parametrize("gateway", [{"idle_seconds": 0.05}], indirect=True)
def test_a_session_that_nobody_used_for_long_is_ended(gateway: Gateway) -> None:
    gateway.post(json={"model": "m", "messages": [user("say Hi.")]})
    for _ in range(60):
        gateway.clock()  # a millisecond each
    assert run(gateway, gateway.service.desk.idle()) == 1
    assert len(gateway.recorder.of("session.end")) == 2


@pytest.mark.parametrize("gateway", [{"watch_seconds": 0.1}], indirect=True)
def test_canaries_go_on_while_it_serves(gateway: Gateway) -> None:
    for _ in range(100):
        if len(gateway.recorder.of("guard.canary")) > 2:
            break
        asyncio.run(asyncio.sleep(0.05))
    assert all(entry.body["passed"] for entry in gateway.recorder.of("guard.canary"))
    assert len(gateway.recorder.of("guard.canary")) > 2
