"""`relax`: what grants in force do to a decision. Pure; `decide` itself lifts nothing, and no text in a history ever does.

A reason drops out of the decision exactly if all of this holds (L12):

    (1) it is a rule's, not a default's: `@calls`, `@arguments`, `@malformed` and `@replies` are nobody's to lift
    (2) its rule is of a kind that a grant lifts (`grants.LIFTABLE`): never `stop`, never `warn`
    (3) its clause is one that the grant names, and not inviolable
    (4) every scope of the grant, its own and those it was derived from, is *true* of the step; unknown lifts nothing (L03)

What is left is concluded anew. Other clauses are as they were: a grant has no say outside of its own. Not here: signatures,
counts, times, revocation (`guard.grants`).
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import msgspec

from obverse.core.events import AnyEvent, Step
from obverse.core.verdicts import Truth
from obverse.policy.checked import Checked
from obverse.policy.decide import concluded
from obverse.policy.decision import Decision, Reason
from obverse.policy.evaluate import truth
from obverse.policy.grants import LIFTABLE, InForce, Scope
from obverse.policy.operations import head_truth, some


class Relaxed(msgspec.Struct, frozen=True, kw_only=True):
    """A decision after grants; `grants` are the ids of those that lifted something, `lifted` the reasons that are gone.

    Each of `grants` is used once if the step happens. Where `lifted` is empty, the decision is the one that was given.
    """

    decision: Decision
    grants: tuple[str, ...] = ()
    lifted: tuple[Reason, ...] = ()


def relax(
    checked: Checked, decision: Decision, grants: Sequence[InForce], history: Sequence[AnyEvent], step: Step
) -> Relaxed:
    """The decision without the reasons that these grants lift, by as few of them as seen; earlier ones are preferred."""
    open_ = [place for place, reason in enumerate(decision.reasons) if can_be_lifted(checked, reason)]
    wanted = {decision.reasons[place].clause for place in open_}
    covers = {grant.id: grant.clauses & wanted for grant in grants if grant.clauses & wanted}
    holding = [grant for grant in grants if grant.id in covers and covers_step(checked, grant.scopes, history, step)]
    used, lifted = [], set[str]()
    while holding:
        best = max(holding, key=lambda grant: len(covers[grant.id] - lifted))
        if not covers[best.id] - lifted:
            break
        used.append(best.id)
        lifted |= covers[best.id]
    gone = {place for place in open_ if decision.reasons[place].clause in lifted}
    if not gone:
        return Relaxed(decision=decision)
    left = tuple(reason for place, reason in enumerate(decision.reasons) if place not in gone)
    return Relaxed(
        decision=concluded(decision.step, left, decision.permits),
        grants=tuple(used),
        lifted=tuple(decision.reasons[place] for place in sorted(gone)),
    )


def can_be_lifted(checked: Checked, reason: Reason) -> bool:
    """Whether any grant at all could lift this reason: (1), (2), and that its clause is not inviolable (3)."""
    rule = checked.rule(reason.rule)
    return rule is not None and rule.kind in LIFTABLE and not checked.clause(rule.clause).inviolable


def covers_step(checked: Checked, scopes: Iterable[Scope], history: Sequence[AnyEvent], step: Step) -> bool:
    """Whether the step is for certain within each of the scopes (4); of no scopes nothing is."""
    values = [in_scope(checked, scope, history, step) for scope in scopes]
    return bool(values) and all(value is Truth.TRUE for value in values)


def in_scope(checked: Checked, scope: Scope, history: Sequence[AnyEvent], step: Step) -> Truth:
    """Whether the scope speaks of the step, and its condition holds."""
    meant = some(head_truth(checked, head, step.event) for head in scope.heads)
    return meant if meant is Truth.FALSE else meant & truth(checked, scope.when, history, step)
