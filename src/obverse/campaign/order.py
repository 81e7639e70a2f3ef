"""Trials come back in any order; claims are fed in that of the plan.

A refusal is quick to come, so whoever counts by speed counts by outcome. And with one order there is one result: which claim
was settled when follows from the outcomes alone, not from how fast they came, and a run that went on, was resumed, or is
read from its journal says the same.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from obverse.campaign.claiming import Claims
from obverse.campaign.planning import order_of
from obverse.campaign.records import Plan
from obverse.core.verdicts import Outcome


class PlanOrder:
    """Holds back outcomes until all those before them in the plan are known, or are not needed any more."""

    def __init__(self, plan: Plan, cases: Iterable[str], claims: Claims) -> None:
        self._claims = claims
        self._waiting: dict[tuple[int, str], Outcome] = {}
        self._turns = _turns(plan, tuple(cases))
        self._next = next(self._turns, None)

    def take(self, case: str, round_: int, outcome: Outcome) -> None:
        """Feed this outcome, and those that waited for it, if it is their turn."""
        self._waiting[round_, case] = outcome
        while self._next is not None:
            found = self._waiting.pop(self._next, None)
            if self._claims.is_needed(self._next[1]):
                if found is None:
                    return
                self._claims.observe(self._next[1], self._next[0], found)
            self._next = next(self._turns, None)


def _turns(plan: Plan, cases: tuple[str, ...]) -> Iterator[tuple[int, str]]:
    for round_ in range(plan.per_case):
        for case in order_of(plan, round_, cases):
            yield round_, case
