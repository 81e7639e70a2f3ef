"""A step that was stopped, or should have been, becomes a case: the history as it was, and what the policy says of it now.

So what went wrong once is asked of every later model. The case is in step mode: the history is pre-filled and the target makes
one decision. Its expectation is what `decide` says under *this* policy (L07); a step that this policy lets through is no case, and
is told apart, since somebody may have meant to keep it stopped.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Literal, TypeAlias

import msgspec

from obverse.cases.naming import Names
from obverse.cases.records import Case, Level, Obligation, Said
from obverse.cases.scene import numbered, opening_of, world_of
from obverse.core.events import AnyEvent, Message, Step
from obverse.core.verdicts import Side
from obverse.policy.checked import Checked
from obverse.policy.decide import decide

Left: TypeAlias = Literal["allowed by this policy", "blocked by a default of the front matter only"]


class LeftOut(msgspec.Struct, frozen=True, kw_only=True):
    """A step that became no case, by the name it was given, and why."""

    name: str
    why: Left


class Regressions(msgspec.Struct, frozen=True, kw_only=True):
    """The cases, each once, and what became none."""

    cases: tuple[Case, ...]
    left: tuple[LeftOut, ...]
    repeated: int


def regressions(
    checked: Checked, steps: Iterable[tuple[str, Sequence[AnyEvent], Step]], *, seed: int = 0
) -> Regressions:
    """The cases of these steps, each named, with what happened before it. Equal ones are one."""
    names = Names(checked)
    cases: dict[str, Case] = {}
    left: list[LeftOut] = []
    repeated = 0
    for name, history, step in steps:
        found = _case(checked, names, history, step, seed)
        if isinstance(found, Case):
            repeated += found.id in cases
            cases.setdefault(found.id, found)
        else:
            left.append(LeftOut(name=name, why=found))
    return Regressions(cases=tuple(cases.values()), left=tuple(left), repeated=repeated)


def _case(checked: Checked, names: Names, events: Sequence[AnyEvent], proposed: Step, seed: int) -> Case | Left:
    history, step = numbered(events, proposed)
    decision = decide(checked, history, step)
    if not decision.verdict.blocks:
        return "allowed by this policy"
    reason = next((one for one in decision.reasons if one.verdict is decision.verdict and "@" not in one.clause), None)
    if reason is None:
        return "blocked by a default of the front matter only"
    opening = opening_of(checked, history)
    case = Case(
        policy=checked.digest, clause=reason.clause, rule=reason.rule,
        obligation=Obligation(level=Level.RULE, clause=reason.clause, rule=reason.rule, value="seen"),
        side=Side.VIOLATION, seed=seed, world=world_of(history, step, names),
        script=tuple(Said(text=e.text, labels=dict(e.labels)) for e in history[opening:] if isinstance(e, Message)),
        opening=opening, history=history, step=step, verdict=decision.verdict, clauses=decision.clauses,
    )  # fmt: skip
    named = msgspec.structs.replace(case, id=case.content)
    return msgspec.structs.replace(named, family=named.id)
