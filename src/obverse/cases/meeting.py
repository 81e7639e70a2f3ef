"""Pairs of rules that can meet: on one step both speak, or one of them alone, and the strictest verdict wins (L02).

Two rules meet where they speak of the same act. Of each such pair three things are asked: a step on which both fire, one on
which the first fires and the other does not, and the reverse. A `permit` counts as a rule that allows: both is then the
conflict that `check` reports, and such a case is shown but never put to a target, since the policy asks for both.

Two permits never differ in what they say, so they are no pair.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import combinations

import msgspec

from obverse.cases.conditions import apart
from obverse.cases.records import Level, Obligation
from obverse.cases.sight import Sight
from obverse.core.verdicts import Truth
from obverse.policy import ast
from obverse.policy.checked import Checked, CheckedRule
from obverse.policy.print import text_of
from obverse.solver.answers import Act

BOTH = "both"
FIRST = "the first alone"
SECOND = "the second alone"
VALUES = (BOTH, FIRST, SECOND)


class Meeting(msgspec.Struct, frozen=True, kw_only=True):
    """Two rules, in the order of the policy, and the acts that both speak of. `places` are their numbers in the policy."""

    first: CheckedRule
    second: CheckedRule
    places: tuple[int, int]
    acts: tuple[Act, ...]

    def obligation(self, value: str) -> Obligation:
        """One of the three things that are asked of them."""
        return Obligation(
            level=Level.PAIR, clause=self.first.clause, rule=self.first.id, condition=f"with {self.second.id}",
            number=self.places[1] + 1, value=value,
        )  # fmt: skip

    @property
    def conflicts(self) -> bool:
        """Whether one of them says that the act must not be blocked."""
        return self.first.verdict is None or self.second.verdict is None


def acts_of(rule: CheckedRule, checked: Checked) -> tuple[Act, ...]:
    """The decision points that a rule speaks of, in the order of the policy; tools with phrases come first."""
    acts: dict[tuple[str, str | None], Act] = {}
    for head in rule.heads:
        if head.kind == "reply":
            found = [Act(kind="reply")]
        elif head.tool is not None:
            found = [Act(kind="call", tool=head.tool)]
        else:
            meant = [tool for tool in checked.tools.values() if checked.matches(head, "call", tool.name)]
            found = [Act(kind="call", tool=tool.name) for tool in sorted(meant, key=lambda tool: not tool.asks)]
        acts |= {(act.kind, act.tool): act for act in found if (act.kind, act.tool) not in acts}
    return tuple(acts.values())


def meetings(checked: Checked) -> Iterator[Meeting]:
    """Every pair of rules that speak of one act, in the order of the policy."""
    spoken = [acts_of(rule, checked) for rule in checked.rules]
    keys = [{(act.kind, act.tool) for act in acts} for acts in spoken]
    for (i, first), (j, second) in combinations(enumerate(checked.rules), 2):
        if (first.verdict is None and second.verdict is None) or not keys[i] & keys[j]:
            continue
        narrow, other = (i, j) if len(spoken[i]) <= len(spoken[j]) else (j, i)
        common = tuple(act for act in spoken[narrow] if (act.kind, act.tool) in keys[other])
        yield Meeting(first=first, second=second, places=(i, j), acts=common)


class Voices(msgspec.Struct, frozen=True, kw_only=True):
    """Which rules of a policy speak on a step, and which for certain do not; what is not known is neither."""

    loud: frozenset[int]
    silent: frozenset[int]
    blocked: bool

    def shows(self, meeting: Meeting) -> str | None:
        """Which of the three things this step shows of a pair; a `permit` stands alone only where nothing blocks."""
        (first, second), rules = meeting.places, (meeting.first, meeting.second)
        if first in self.loud and second in self.loud:
            return BOTH
        for alone, other, rule, value in ((first, second, rules[0], FIRST), (second, first, rules[1], SECOND)):
            if alone in self.loud and other in self.silent and not (rule.verdict is None and self.blocked):
                return value
        return None


def voices(sight: Sight) -> Voices:
    """Who speaks: a rule that is certainly violated, a `permit` that certainly applies."""
    decision, rules = sight.decision, sight.checked.rules
    spoken = {reason.rule: reason.certain for reason in (*decision.reasons, *decision.permits)}
    meant = [place for place, rule in enumerate(rules) if sight.is_meant_by(rule)]
    certain = [place for place in meant if spoken.get(rules[place].id) is Truth.TRUE]
    loud = (p for p in certain if rules[p].verdict is None or sight.is_violation_of(rules[p]))
    silent = (place for place in meant if rules[place].id not in spoken)
    return Voices(loud=frozenset(loud), silent=frozenset(silent), blocked=decision.verdict.blocks)


def parts(rule: CheckedRule) -> Sequence[tuple[str, ast.Expr]]:
    """What must be true for a rule to fire, part by part, in words: so that a core names the parts and not the rule."""
    fires = apart(rule.fires)
    items = fires.items if isinstance(fires, ast.And) else (fires,)
    if items == (ast.Boolean(value=True),):
        return [(f"`{rule.id}` always fires", fires)]
    return [(f"`{text_of(item)}` (of `{rule.id}`)", item) for item in items]
