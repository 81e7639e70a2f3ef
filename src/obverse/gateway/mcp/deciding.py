"""One agent's calls, through the core: decided one after another, held while people are asked, run by their permits.

The protocol has no turns: parallel calls come as requests of their own. They are decided in the order in which they come, each on
a history that holds those released before it, so that two cannot share one count. What cannot be had: a call is not held back
because one that comes after it will be denied (`docs/guides/ways-in.md`).

    (1) While people are asked, nothing else is told to the session: what they approve is bound to its head. Results that come
        meanwhile wait, and are recorded before the next decision.
    (2) At the deadline the agent is told that it must wait; the request stays. The same call again asks for the answer,
        another call makes the request void.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from functools import partial
from typing import Final, ParamSpec, Protocol, TypeVar

import anyio
import anyio.to_thread
import msgspec

from obverse.core.errors import MisuseError
from obverse.core.events import Call
from obverse.guard.records import Permit, ProposedCall, Ruled, Ruling
from obverse.guard.session import Session
from obverse.policy.decide import call_digest

WAITING: Final = "waiting for approval by a person"
PARAMS = ParamSpec("PARAMS")
RESULT = TypeVar("RESULT")


class Tell(Protocol):
    """Who is told that a call waits, and how long it may."""

    async def __call__(self, progress: float, total: float | None, message: str | None) -> None: ...


class _Result(msgspec.Struct, frozen=True, kw_only=True):
    call_id: str
    output: str
    failed: bool


class _Fact(msgspec.Struct, frozen=True, kw_only=True):
    name: str
    value: str


class Desk:
    """The calls of one session. `deadline` is how many seconds a call is held for people, `every` how often it is said so."""

    def __init__(self, session: Session, *, deadline: float = 50.0, every: float = 1.0) -> None:
        self.session = session
        self._deadline = deadline
        self._every = every
        self._one = anyio.Lock()
        self._calls = 0
        self._pending: str | None = None
        self._late: list[_Result | _Fact] = []

    async def rule(self, tool: str, arguments: str, tell: Tell | None = None) -> tuple[str, Ruled]:
        """What the guard says of this call, and the name that it has in the session's history."""
        async with self._one:
            ruling = await self._asked_again(tool, arguments) or await self._proposed(tool, arguments)
            ruling = await self._waited(ruling, tell)
            [step] = ruling.steps
            self._pending = _digest(tool, arguments) if ruling.waiting else None
            await self._tell_late()
        assert isinstance(step.proposal, Call)  # INVARIANT: what was proposed was one call
        return step.proposal.call_id, step

    async def redeem(self, permit: Permit, tool: str, arguments: str) -> None:
        """Use the permit for what will really be sent.

        Raises:
            EvidenceError: it was not given for exactly this.
        """
        await _aside(self.session.redeem, permit, tool, arguments)

    async def result(self, call_id: str, output: str, *, failed: bool) -> None:
        """Tell the session what the call gave back: now, or as soon as nobody is being asked (1)."""
        self._late.append(_Result(call_id=call_id, output=output, failed=failed))
        await self._soon()

    async def fact(self, name: str, value: str) -> None:
        """Tell the session something that the proxy knows: now, or as soon as nobody is being asked (1)."""
        self._late.append(_Fact(name=name, value=value))
        await self._soon()

    async def settle(self) -> None:
        """Tell what is still to be told; nobody waits for people any more."""
        async with self._one:
            self._pending = None
            await self._tell_late()

    async def _soon(self) -> None:
        if not self._one.statistics().locked:
            async with self._one:
                await self._tell_late()

    async def _proposed(self, tool: str, arguments: str) -> Ruling:
        self._pending = None
        await self._tell_late()
        self._calls += 1
        call = ProposedCall(call_id=f"mcp-{self._calls}", tool=tool, arguments=arguments)
        return await _aside(self.session.propose, [call])

    async def _asked_again(self, tool: str, arguments: str) -> Ruling | None:
        """(2) The ruling on this same call, if it is the one that waits."""
        if self._pending is None or self._pending != _digest(tool, arguments):
            return None
        return await _aside(self.session.resume)

    async def _waited(self, ruling: Ruling, tell: Tell | None) -> Ruling:
        """The ruling once people have answered, or as it is at the deadline."""
        begun = anyio.current_time()
        while ruling.waiting and (left := begun + self._deadline - anyio.current_time()) > 0:
            if tell is not None:
                await tell(round(self._deadline - left, 1), self._deadline, WAITING)
            again = await _aside(self.session.resume, min(self._every, left))
            ruling = ruling if again is None else again
        return ruling

    async def _tell_late(self) -> None:
        """(1) What came back meanwhile, unless a request is open that it would make void."""
        while self._late and self._pending is None:
            late = self._late.pop(0)
            with contextlib.suppress(MisuseError):  # the session has ended: there is no history to add to
                if isinstance(late, _Fact):
                    await _aside(self.session.fact, late.name, late.value)
                else:
                    await _aside(partial(self.session.result, late.call_id, late.output, failed=late.failed))


def _digest(tool: str, arguments: str) -> str:
    return call_digest(Call(id="", call_id="", tool=tool, arguments=arguments))


async def _aside(function: Callable[PARAMS, RESULT], *args: PARAMS.args, **kwargs: PARAMS.kwargs) -> RESULT:
    """The core is synchronous: it runs in a thread, so that others are served meanwhile, and to its end."""
    found: list[RESULT] = []
    with anyio.CancelScope(shield=True):
        found.append(await anyio.to_thread.run_sync(partial(function, *args, **kwargs)))
    return found[0]
