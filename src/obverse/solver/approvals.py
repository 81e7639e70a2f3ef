"""A scenario with so many people's approvals of its step: what an `ask` waits for, which no condition can speak of.

Approvals in a scenario of the solver are events like any other, and conditions may look at them; for which call they are is
nothing that a condition can see. So they can be made out to be for the step, or for something else.
"""

from __future__ import annotations

from collections.abc import Iterator

import msgspec

from obverse.core.events import AnyEvent, Approval
from obverse.policy.decide import call_digest
from obverse.solver.answers import Scenario

_ANOTHER = "sha256:another-call"
_PERSON = "supervisor"


def approved(scenario: Scenario, people: int) -> Iterator[Scenario]:
    """The scenario in which exactly so many people approved the step: by the approvals that it has, then by more.

    More of them disturb what looks at the newest event, or at the first: one scenario for either place.
    """
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
    missing = people - len(names)
    last = history[-1].time if history else scenario.step.event.time
    yield Scenario(history=(*history, *_more(missing, names, wanted, last)), step=scenario.step)
    if missing and history:
        first = _more(missing, names, wanted, history[0].time)
        yield Scenario(history=(*first, *history), step=scenario.step)


def _more(missing: int, names: set[str], wanted: str, time: int | None) -> tuple[Approval, ...]:
    """Approvals by so many people who gave none."""
    fresh = (_PERSON if number == 1 else f"{_PERSON}-{number}" for number in range(1, missing + len(names) + 1))
    people = [name for name in fresh if name not in names][:missing]
    return tuple(
        Approval(id=f"approval{number}", time=time, call=wanted, by=name) for number, name in enumerate(people, start=1)
    )
