"""`Question`: one thing to ask about a policy; `Desk`: where it is answered.

An analysis is a module with `questions(checked) -> Iterator[Question]`. A question names what its answer rests on, so that it
need not be asked again while that stands; it is answered at a desk, which asks the solver, counts, and replays what is found.

Laws: L06: no finding with a witness leaves a desk before `decide` has shown what it claims. An answer is a function of what the
question rests on, the settings and the solver: not of the questions before it, not of a clock. Not here: which questions there are.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import TypeAlias

import msgspec

from obverse.policy import ast
from obverse.policy.checked import Checked, CheckedRule
from obverse.policy.decide import decide
from obverse.solver.answers import Act, Answer, Found, Goal, Scenario, Undecided
from obverse.solver.find import Finder, WrongWitness
from obverse.solver.findings import MEANINGS, Code, Finding, Open, Witness
from obverse.solver.settings import Settings

Outcome: TypeAlias = "tuple[Finding | Open, ...]"
"""What a question found and what of it stayed open; empty when all is well."""


class Question(msgspec.Struct, frozen=True, kw_only=True):
    """One question: which code it is asked for, about what, and how it is answered.

    `rests_on` is the digest of all that the answer depends on besides settings and solver: rules and declarations, never spans.
    """

    code: Code
    clause: str | None
    rule: str | None
    rests_on: str
    answer: Callable[[Desk], Outcome]


class Desk:
    """Answers questions about one policy: asks the solver, counts what it asked, replays what it found."""

    def __init__(self, checked: Checked, settings: Settings | None = None, finder: Finder | None = None) -> None:
        self.checked = checked
        self.settings = settings or Settings()
        self.finder = finder or Finder(checked, self.settings)
        self.queries = 0
        self._acts: dict[str, tuple[Act, ...]] = {}

    # --- what the policy is ---------------------------------------------------------------------------------------------

    def acts(self, rule: CheckedRule) -> tuple[Act, ...]:
        """The shapes of the steps that a rule speaks of."""
        found = self._acts.get(rule.id)
        if found is None:
            found = self._acts[rule.id] = acts_of(self.checked, rule)
        return found

    def level(self, rule: CheckedRule) -> str:
        """The level of the clause that the rule stands in."""
        return self.checked.clause(rule.clause).level

    def rank(self, rule: CheckedRule) -> int:
        """The same as a number: 0 for the highest level."""
        return self.checked.levels.index(self.level(rule))

    # --- asking ---------------------------------------------------------------------------------------------------------

    def find(self, act: Act, wishes: tuple[ast.Expr, ...]) -> Answer:
        """A step of this shape at which every wish is true, a proof that there is none, or why that is not known."""
        self.queries += 1
        return self.finder.find(Goal(head=act, wishes=wishes))

    def first(self, rule: CheckedRule, wishes: tuple[ast.Expr, ...]) -> Scenario | None:
        """A scenario of any step that the rule speaks of, if one is found."""
        for act in self.acts(rule):
            answer = self.find(act, wishes)
            if isinstance(answer, Found):
                return answer.scenario
        return None

    # --- reporting ------------------------------------------------------------------------------------------------------

    def left_open(self, code: Code, rule: CheckedRule, answers: Iterable[Answer]) -> tuple[Open, ...]:
        """What to report where one of these answers is no answer; else nothing."""
        reasons = dict.fromkeys(answer.reason for answer in answers if isinstance(answer, Undecided))
        return (Open(code=code, clause=rule.clause, reason="; ".join(reasons), rule=rule.id),) if reasons else ()

    def finding(
        self,
        code: Code,
        message: str,
        *,
        clause: str | None = None,
        rule: CheckedRule | None = None,
        scenario: Scenario | None = None,
        present: Sequence[CheckedRule] = (),
        absent: Sequence[CheckedRule] = (),
        others: Sequence[CheckedRule] = (),
        blocks: bool = False,
    ) -> Finding:
        """A finding, once its witness was replayed: `present` rules apply there, `absent` ones do not, and it `blocks` (L06).

        Raises:
            WrongWitness: if `decide` shows something else.
        """
        witness = None
        if scenario is not None:
            decision = decide(self.checked, scenario.history, scenario.step)
            applied = {reason.rule for reason in (*decision.reasons, *decision.permits)}
            missing = [one.id for one in present if one.id not in applied]
            wrong = [one.id for one in absent if one.id in applied]
            if missing or wrong or (blocks and not decision.verdict.blocks):
                raise WrongWitness(f"{code}: the witness shows something else: {missing} {wrong} {decision}")
            witness = Witness(
                history=scenario.history, step=scenario.step, verdict=decision.verdict, clauses=decision.clauses
            )
        return Finding(
            code=code,
            clause=rule.clause if rule else clause,
            severity=MEANINGS[code][0],
            message=message,
            witness=witness,
            rule=rule.id if rule else None,
            others=tuple(other.id for other in others),
        )


def acts_of(checked: Checked, rule: CheckedRule) -> tuple[Act, ...]:
    """The shapes of the steps that a rule speaks of, over the tools that the policy knows."""
    return tuple(dict.fromkeys(act for head in rule.heads for act in _acts(checked, head)))


def _acts(checked: Checked, head: ast.Head) -> Iterator[Act]:
    if head.kind == "reply":
        yield Act(kind="reply")
        return
    for name in checked.tools:
        if checked.matches(head, "call", name):
            yield Act(kind="call", tool=name)
