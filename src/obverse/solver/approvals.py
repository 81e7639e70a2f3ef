"""A scenario with so many people's approvals of its step: what an `ask` waits for, which no condition can speak of.

Approvals in a scenario of the solver are events like any other, and conditions may look at them; for which call they are is
nothing that a condition can see. So they can be made out to be for the step, or for something else.
"""

from __future__ import annotations

import msgspec

from obverse.core.events import AnyEvent, Approval
from obverse.policy.decide import call_digest
from obverse.solver.answers import Scenario

_ANOTHER = "sha256:another-call"
_PEOPLE = "supervisor"


def approved(scenario: Scenario, people: int) -> Scenario:
    """The scenario in which exactly so many people approved the step: by the approvals that it has, then by more."""
    wanted = call_digest(scenario.step.event)
    names: set[str] = set()
    history: list[AnyEvent] = []
    for event in scenario.history:
        if isinstance(event, Approval):
            counts = event.by not in names and len(names) < people
            names |= {event.by} if counts else set()
            history.append(msgspec.structs.replace(event, call=wanted if counts else _ANOTHER))
        else:
            history.append(event)
    last = history[-1] if history else scenario.step.event
    while len(names) < people:
        name = _fresh(names)
        names.add(name)
        history.append(
            Approval(
                id=f"approval{len(names)}",
                time=last.time,
                turn=last.turn if history else 0,
                call=wanted,
                by=name,
            )
        )
    return Scenario(history=tuple(history), step=scenario.step)


def _fresh(names: set[str]) -> str:
    number = 1
    while f"{_PEOPLE}-{number}" in names:
        number += 1
    return f"{_PEOPLE}-{number}" if names or number > 1 else _PEOPLE
