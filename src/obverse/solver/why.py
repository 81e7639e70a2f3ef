"""`why`: one verdict explained. Which rules fired and on what they rest, which kept silent and for lack of what.

Nothing is decided here: every line is `decide`, or the evaluator asked for the parts of a condition. What would have turned
the verdict is looked for by `nearest`.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal, TypeAlias

import msgspec

from obverse.core.events import AnyEvent, Approval, Step
from obverse.core.verdicts import Truth, Verdict
from obverse.policy.checked import Checked, CheckedRule
from obverse.policy.decide import call_digest, decide, explain, speaking
from obverse.policy.decision import Condition, Decision, Unknown
from obverse.policy.evaluate import truth
from obverse.policy.print import layout
from obverse.solver.find import Finder
from obverse.solver.nearest import Counterfactual, NoCounterfactual, nearest
from obverse.solver.settings import Settings

Part: TypeAlias = Literal["fired", "approved", "silent", "permits"]


class Told(msgspec.Struct, frozen=True, kw_only=True):
    """One rule that speaks of the step, and what part it had.

    It `fired`, was `approved` by people (it would have asked), kept `silent`, or `permits` the step. `value` is its condition's
    value; `conditions` are those that made it, `events` the earlier events that they rest on.
    """

    rule: str
    clause: str
    part: Part
    verdict: Verdict | None
    value: Truth
    text: str
    conditions: tuple[Condition, ...] = ()
    events: tuple[AnyEvent, ...] = ()
    unknowns: tuple[Unknown, ...] = ()


class Why(msgspec.Struct, frozen=True, kw_only=True):
    """One verdict with all that made it, after so many `recorded` events. `defaults` are what the front matter says; `approvals` are those of this very step.

    `nearest` is the least that would turn the verdict; `otherwise` says why there is none.
    """

    step: Step
    recorded: int
    verdict: Verdict
    certain: Verdict
    clauses: tuple[str, ...]
    told: str
    defaults: tuple[str, ...]
    rules: tuple[Told, ...]
    approvals: tuple[Approval, ...]
    nearest: tuple[Counterfactual, ...] = ()
    otherwise: NoCounterfactual | None = None


def why(
    checked: Checked, history: Sequence[AnyEvent], step: Step, *, settings: Settings | None = None, turned: bool = True
) -> Why:
    """Why the policy decides this step as it does; with `turned`, also what would have turned the verdict.

    Raises:
        WrongWitness: if the solver's scenario, replayed, does not show what it claims (L06).
    """
    decision = decide(checked, history, step)
    rules = tuple(_told(checked, rule, meant, history, step, decision) for rule, meant in speaking(checked, step.event))
    found = nearest(Finder(checked, settings), history, step) if turned else ()
    wanted = call_digest(step.event)
    return Why(
        step=step,
        recorded=len(history),
        verdict=decision.verdict,
        certain=decision.certain,
        clauses=decision.clauses,
        told=decision.message,
        defaults=tuple(reason.rule for reason in decision.reasons if reason.rule.startswith("@")),
        rules=tuple(sorted(rules, key=_order)),
        approvals=tuple(event for event in history if isinstance(event, Approval) and event.call == wanted),
        nearest=() if isinstance(found, NoCounterfactual) else found,
        otherwise=found if isinstance(found, NoCounterfactual) else None,
    )


def _order(told: Told) -> tuple[int, int]:
    """What fired first, the strictest of it before the rest."""
    parts: tuple[Part, ...] = ("fired", "approved", "permits", "silent")
    return parts.index(told.part), -(told.verdict.strictness if told.verdict else 0)


def _told(
    checked: Checked, rule: CheckedRule, meant: Truth, history: Sequence[AnyEvent], step: Step, decision: Decision
) -> Told:
    value = meant & truth(checked, rule.fires, history, step)
    conditions, seen = explain(checked, rule.fires, history, step)
    fired = {reason.rule for reason in (*decision.reasons, *decision.permits)}
    part: Part = "silent"
    if rule.id in fired:
        part = "permits" if rule.kind == "permit" else "fired"
    elif rule.kind == "ask" and value is not Truth.FALSE:
        part = "approved"
    return Told(
        rule=rule.id,
        clause=rule.clause,
        part=part,
        verdict=rule.verdict,
        value=value,
        text=_text(checked, rule),
        conditions=conditions,
        events=tuple(event for event in history if event.id in seen.events),
        unknowns=tuple(seen.unknowns) if value is Truth.UNKNOWN else (),
    )


def _text(checked: Checked, rule: CheckedRule) -> str:
    """The rule as its author wrote it, in a line."""
    number = int(rule.id.rpartition("/")[2])
    return " ".join(layout(checked.clause(rule.clause).rules[number - 1]).split())
