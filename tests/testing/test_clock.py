"""Simulated time stands still while somebody acts on it."""

from __future__ import annotations

import asyncio

from obverse.testing.clock import SimClock


async def test_time_does_not_pass_between_asking_for_it_and_acting_on_it() -> None:
    clock = SimClock()
    sleeper = asyncio.create_task(clock.sleep(1.0))
    for _ in range(200):
        assert clock.now() == 0.0
        await asyncio.sleep(0)
    assert not sleeper.done()
    await sleeper
    assert clock.now() == 1.0


async def test_who_sleeps_shortest_wakes_first() -> None:
    clock, woken = SimClock(), []

    async def sleep(seconds: float) -> None:
        await clock.sleep(seconds)
        woken.append((seconds, clock.now()))

    await asyncio.gather(*(sleep(seconds) for seconds in (3.0, 1.0, 2.0)))
    assert woken == [(1.0, 1.0), (2.0, 2.0), (3.0, 3.0)]
