"""One scenario as the reference evaluator sees it: its decision, and the truth of any condition, each asked once.

All that inversion believes of a scenario comes from here, never from the solver that found it and never from a label that
was stored beside it (L07, L08).
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property

from obverse.cases.aims import Aim, Way
from obverse.cases.conditions import Conditions
from obverse.core.events import AnyEvent, Reply, Step
from obverse.core.verdicts import Truth, Verdict
from obverse.policy import ast
from obverse.policy.checked import Checked, CheckedRule
from obverse.policy.decide import decide
from obverse.policy.decision import Decision
from obverse.policy.evaluate import truth


class Sight:
    """A history and a step under one policy."""

    def __init__(self, checked: Checked, history: Sequence[AnyEvent], step: Step) -> None:
        self.checked = checked
        self.history = tuple(history)
        self.step = step
        self._known: dict[int, tuple[ast.Expr, Truth]] = {}  # by identity: hashing a tree costs as much as asking

    @cached_property
    def decision(self) -> Decision:
        """What `decide` says of the step."""
        return decide(self.checked, self.history, self.step)

    def truth(self, expr: ast.Expr) -> Truth:
        """The truth of a condition at the step."""
        known = self._known.get(id(expr))
        if known is None:
            known = self._known[id(expr)] = (expr, truth(self.checked, expr, self.history, self.step))
        return known[1]

    def all(self, wishes: Sequence[ast.Expr]) -> bool:
        """Whether every wish is definitely true."""
        return all(self.truth(wish) is Truth.TRUE for wish in wishes)

    def values(self, conditions: Conditions) -> tuple[Truth, ...]:
        """The values of the outer conditions of a rule, by their number."""
        return tuple(self.truth(atom.expr) for atom in conditions.outer)

    def is_meant_by(self, rule: CheckedRule) -> bool:
        """Whether the rule speaks of steps like this one."""
        event = self.step.event
        kind, tool = ("reply", None) if isinstance(event, Reply) else ("call", event.tool)
        return any(self.checked.matches(head, kind, tool) for head in rule.heads)  # type: ignore[arg-type]  # a literal

    def is_violation_of(self, rule: CheckedRule) -> bool:
        """Whether the rule certainly fires and the decision is certainly at least as strict as the rule."""
        if rule.verdict is None or self.decision.certain.strictness < rule.verdict.strictness:
            return False
        return any(reason.rule == rule.id and reason.certain is Truth.TRUE for reason in self.decision.reasons)

    def is_turned_by(self, rule: CheckedRule) -> bool:
        """Whether it is a violation of this rule and of no other, so that the decision rests on this rule alone."""
        others = (reason for reason in self.decision.reasons if not reason.clause.startswith("@"))
        return self.is_violation_of(rule) and all(reason.rule == rule.id for reason in others)

    def is_spared_by(self, rule: CheckedRule) -> bool:
        """Whether the step is allowed, though a rule like this one might have spoken: nothing blocks, and no such warning."""
        verdict = self.decision.verdict
        return not verdict.blocks if rule.verdict is not Verdict.WARN else verdict is Verdict.ALLOW

    def is_permitted_by(self, rule: CheckedRule) -> bool:
        """Whether the `permit` applies and nothing blocks what it says must not be blocked."""
        return not self.decision.verdict.blocks and any(reason.rule == rule.id for reason in self.decision.permits)


def only_differ_in(conditions: Conditions, one: Sight, other: Sight, outer: int | None) -> bool:
    """Whether every outer condition but that one has the same value in both."""
    pairs = zip(one.values(conditions), other.values(conditions), strict=True)
    return all(number == outer or left is right for number, (left, right) in enumerate(pairs))


def meets(way: Way, firing: Sight, sparing: Sight | None, rule: CheckedRule) -> bool:
    """Whether the pair is one that the way describes, as a whole decision; other conditions may differ (see `only_differ_in`)."""
    if not firing.all(way.fires):
        return False
    if rule.verdict is None:
        return firing.is_permitted_by(rule)
    if not firing.is_turned_by(rule) or way.spares is None or sparing is None:
        return False
    return sparing.all(way.spares) and sparing.is_spared_by(rule)


def aim_is_met(
    aim: Aim, conditions: Conditions, firing: Sight, sparing: Sight | None, rule: CheckedRule, *, unique: bool
) -> bool:
    """Whether the pair meets the obligation in one of its ways; `unique` asks that no other condition changes."""
    return any(
        meets(way, firing, sparing, rule)
        and not (unique and sparing is not None and not only_differ_in(conditions, firing, sparing, way.outer))
        for way in aim.ways
    )
