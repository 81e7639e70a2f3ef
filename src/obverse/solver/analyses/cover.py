"""Whether a rule adds anything to others: *covered* where, whenever it fires for certain, one of them does too, for certain; and
where it may fire for not knowing, one of them may (L03), in pasts in which anything may be missing.

Which others count is for who asks. Not an analysis: two of them ask this.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import msgspec

from obverse.policy import ast
from obverse.policy.checked import Checked, CheckedRule
from obverse.solver.analyses.limits import holds, smaller
from obverse.solver.answers import Act, Found, Goal, Impossible, Undecided
from obverse.solver.questions import Desk
from obverse.solver.sharing import bearing_on

ALWAYS: Final = ast.Boolean(value=True)


class Cover(msgspec.Struct, frozen=True, kw_only=True):
    """The rules that cover another one on every step that it speaks of; none: they do not. `open` says what is not known."""

    rules: tuple[CheckedRule, ...] = ()
    open: tuple[Undecided, ...] = ()


def covered(rule: CheckedRule, others: Sequence[CheckedRule], desk: Desk, acts: Sequence[Act] | None = None) -> Cover:
    """What covers the rule on all of these acts: on all that it speaks of, if nothing is said."""
    found: dict[str, CheckedRule] = {}
    undecided: list[Undecided] = []
    for act in desk.acts(rule) if acts is None else acts:
        here = _on(act, rule, [one for one in others if act in desk.acts(one)], desk)
        if here is None:
            return Cover()
        if isinstance(here, Undecided):
            undecided.append(here)
        else:
            found.update({one.id: one for one in here})
    if undecided:
        return Cover(open=tuple(undecided))
    order = [one.id for one in desk.checked.rules]
    return Cover(rules=tuple(sorted(found.values(), key=lambda one: order.index(one.id))))


def as_lasting(checked: Checked, other: CheckedRule, rule: CheckedRule) -> bool:
    """Whether the other stands at least as firmly: of no lower level, and inviolable if the rule is.

    What a lower level adds may be taken away again, and a grant may lift what is not inviolable: the rule then speaks alone.
    """
    mine, theirs = checked.clause(rule.clause), checked.clause(other.clause)
    lower = checked.levels.index(theirs.level) > checked.levels.index(mine.level)
    return not lower and (theirs.inviolable or not mine.inviolable)


def _on(
    act: Act, rule: CheckedRule, others: Sequence[CheckedRule], desk: Desk
) -> tuple[CheckedRule, ...] | Undecided | None:
    """The rules that cover it on this act; none of them where it cannot fire there at all. None: it is not covered."""
    outright = next((one for one in others if one.fires == ALWAYS), None)
    if outright is not None:
        return (outright,)
    around = next((one for one in others if holds(one.fires, rule.fires)), None)
    if around is not None:
        return (around,)
    near = [one for one in others if one.fires == rule.fires][:1] or bearing_on(desk.checked, rule.fires, others)
    if not near:
        return None
    return _covering(act, rule, near, desk)


def _covering(
    act: Act, rule: CheckedRule, others: Sequence[CheckedRule], desk: Desk
) -> tuple[CheckedRule, ...] | Undecided | None:
    """The same, asked of the solver. Is there a step on which the rule gives the verdict, or gives the reason for it?

    First: it fires for certain and none of the others does, every fact being stated. `forbid … unless once look_up` is not idle
    beside a rule on what was looked up, though that one fires too, for not knowing. Then, where anything may be missing: it may
    fire and none of them does.
    """
    stated = _stated((rule, *others))
    small, tight = smaller(rule.fires, [one.fires for one in others])
    answer = desk.ask(Goal(head=act, wishes=(small, *stated), possible=tuple(ast.Not(body=one) for one in tight)))
    alike = all(one is other.fires for one, other in zip(tight, others, strict=True))
    fires = small if alike else rule.fires
    wishes = (fires, *stated)
    if not isinstance(answer, Found) and not alike:
        answer = desk.ask(Goal(head=act, wishes=wishes, possible=tuple(ast.Not(body=one.fires) for one in others)))
    if isinstance(answer, Impossible):
        core = tuple(others[place - len(wishes)] for place in answer.core if place >= len(wishes))
        spared = tuple(ast.Not(body=one.fires) for one in others)
        in_gaps = desk.ask(Goal(head=act, wishes=spared, possible=(fires,), incomplete=True))
        return core if isinstance(in_gaps, Impossible) else in_gaps if isinstance(in_gaps, Undecided) else None
    return answer if isinstance(answer, Undecided) else None


def _stated(rules: Sequence[CheckedRule]) -> tuple[ast.Expr, ...]:
    """That each fact was stated whose value the rules ask, unless they ask whether it was."""
    nodes = [node for rule in rules for node in ast.walk(rule.fires)]
    if any(isinstance(node, ast.Pattern) and node.kind in ("fact", "any") for node in nodes):
        return ()
    names = sorted({node.name for node in nodes if isinstance(node, ast.FactValue)})
    return tuple(ast.Once(event=ast.Pattern(kind="fact", fact=name)) for name in names)
