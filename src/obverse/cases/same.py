"""Whether other words leave a case as it is: the same decision for the same reasons, every condition with its value.

What inversion asks of its own words (`scene`), asked of a finished case: so texts that are put into it later can be less
pretty than wished, never untrue (L07).
"""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from obverse.cases.conditions import Conditions
from obverse.cases.obligations import plan_of
from obverse.cases.records import Case, Said
from obverse.cases.scene import numbered
from obverse.cases.sight import Sight
from obverse.core.events import AnyEvent, Message
from obverse.policy import ast
from obverse.policy.checked import Checked, CheckedRule


class _Asked(msgspec.Struct, frozen=True, kw_only=True):
    """What is asked of the rule of a case: its conditions, and the wishes of every way to meet one of its obligations."""

    conditions: Conditions
    wishes: tuple[ast.Expr, ...]


class Same:
    """Compares cases of one policy."""

    def __init__(self, checked: Checked) -> None:
        self.checked = checked
        self._rules: dict[str, _Asked | None] = {}
        self._known: dict[str, tuple[object, ...]] = {}

    def with_history(
        self, case: Case, history: Sequence[AnyEvent], *, opening: int, context: dict[str, str], technique: str
    ) -> Case | None:
        """The case with this history, put so; None where the policy would see a difference."""
        new_history, new_step = numbered(history, case.step)
        if self._meaning(case, Sight(self.checked, new_history, new_step)) != self._of(case):
            return None
        changed = msgspec.structs.replace(
            case, history=new_history, step=new_step, opening=opening, script=script_of(new_history, opening),
            context=context, technique=technique,
        )  # fmt: skip
        return msgspec.structs.replace(changed, id=changed.content)

    def _of(self, case: Case) -> tuple[object, ...]:
        if case.id not in self._known:
            self._known[case.id] = self._meaning(case, Sight(self.checked, case.history, case.step))
        return self._known[case.id]

    def _meaning(self, case: Case, sight: Sight) -> tuple[object, ...]:
        decision, asked = sight.decision, self._asked(case.rule)
        said = [(reason.rule, reason.certain) for reason in (*decision.reasons, *decision.permits)]
        if asked is None:
            return decision.verdict, decision.certain, said
        values = [*sight.values(asked.conditions), *(sight.truth(wish) for wish in asked.wishes)]
        return decision.verdict, decision.certain, said, values

    def _asked(self, rule: str) -> _Asked | None:
        if rule not in self._rules:
            found = next((one for one in self.checked.rules if one.id == rule), None)
            self._rules[rule] = None if found is None else self._of_rule(found)
        return self._rules[rule]

    def _of_rule(self, rule: CheckedRule) -> _Asked:
        plan = plan_of(rule, self.checked)
        ways = [way for aim in plan.aims for way in aim.ways]
        wishes = [wish for way in ways for wish in (*way.fires, *(way.spares or ()))]
        return _Asked(conditions=plan.conditions, wishes=tuple(wishes))


def script_of(history: Sequence[AnyEvent], opening: int) -> tuple[Said, ...]:
    """What the user says from the opening on."""
    return tuple(Said(text=e.text, labels=dict(e.labels)) for e in history[opening:] if isinstance(e, Message))
