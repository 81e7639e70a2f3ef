"""What all sessions of one guard share: the policy, the ports, and what bounds them. It holds no session and decides nothing."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Final, TypeVar

from obverse.core.errors import MisuseError
from obverse.guard.bounded import Workers
from obverse.guard.judging import Judging
from obverse.guard.ports import Clock, Fresh, Grants, Orders, People, Recorder
from obverse.guard.settings import Settings
from obverse.guard.watch import Pace
from obverse.policy.ast import JudgedAnswer, walk
from obverse.policy.checked import Checked
from obverse.policy.monitor import Watches

T = TypeVar("T")

_LATEST: Final = 2**53 - 1


@dataclass(frozen=True, kw_only=True)
class Parts:
    """The policy and the ports. `watch` makes a monitor, `again` one from a snapshot; `steady` is a clock that is never set."""

    guard: str
    checked: Checked
    watch: Callable[[], Watches]
    again: Callable[[bytes], Watches]
    recorder: Recorder
    clock: Clock
    steady: Clock
    fresh: Fresh
    settings: Settings
    workers: Workers
    judging: Judging | None = None
    people: People | None = None
    grants: Grants | None = None
    orders: Orders | None = None
    pace: Pace | None = None
    judged: bool = False
    canaries: dict[str, bool] = field(default_factory=dict)
    """Canaries that were sent, by what they carry, and whether a session denied them."""

    def time(self) -> int:
        """Milliseconds since the epoch, by the clock that was given.

        Raises:
            MisuseError: it says something that is no time.
        """
        now: object = self.clock()
        if type(now) is not int or not 0 <= now <= _LATEST:
            raise MisuseError(f"the clock says `{now}`", code="G107")
        return now

    def bounded(self, work: Callable[[], T], what: str) -> T:
        """What a port gave, within the time that ports have.

        Raises:
            LateError: it was not there in time.
            Exception: what it raised.
        """
        return self.workers.run(work, self.settings.port_seconds, what)

    def name(self) -> str:
        """An id that nobody can guess."""
        return self.fresh(16).hex()


def asks_judges(checked: Checked) -> bool:
    """Whether a rule hangs on a predicate that is not answered by a pattern of its own."""
    return any(
        isinstance(node, JudgedAnswer) and checked.judged[node.name].pattern is None
        for rule in checked.rules
        for node in walk(rule.fires)
    )
