"""`Question`: one thing to ask about a policy; `Desk`: where it is answered.

An analysis is a module with `questions(checked) -> Iterator[Question]`. A question names what its answer rests on, so that it
need not be asked again while that stands; it is answered at a desk, which asks the solver, counts, and replays what is found.

Laws: L06: no finding with a witness leaves a desk before `decide` has shown what it claims. An answer is a function of what the
question rests on, the settings and the solver: not of the questions before it, not of a clock. Not here: which questions there are.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import TypeAlias

import msgspec

from obverse.policy import ast
from obverse.policy.checked import Checked, CheckedRule
from obverse.policy.decide import decide
from obverse.solver.answers import Act, Answer, Found, Goal, Impossible, Scenario, Undecided
from obverse.solver.find import Finder, WrongWitness
from obverse.solver.findings import MEANINGS, Code, Finding, Open, Severity, Witness
from obverse.solver.kept import KeptAnswer, KeptFinding
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
    asks_solver: bool = True
    """False where the answer is known at once: then it is neither kept nor left out when time is up."""


class Stopped(Exception):  # noqa: N818  # it names why nothing more is asked
    """Nothing more is to be asked; the text says why."""


class Desk:
    """Answers questions about one policy: asks the solver, counts what it asked, replays what it found."""

    def __init__(
        self,
        checked: Checked,
        settings: Settings | None = None,
        finder: Finder | None = None,
        stop: Callable[[], str | None] | None = None,
    ) -> None:
        self.checked = checked
        self.settings = settings or Settings()
        self.finder = finder or Finder(checked, self.settings)
        self.queries = 0
        self._stop = stop
        self._acts: dict[str, tuple[Act, ...]] = {}
        self._clauses = {clause.id: clause for clause in checked.clauses}
        self._told: list[tuple[Finding, KeptFinding]] = []
        self._within: dict[str, None] = {}

    # --- what the policy is ---------------------------------------------------------------------------------------------

    def acts(self, rule: CheckedRule) -> tuple[Act, ...]:
        """The shapes of the steps that a rule speaks of."""
        found = self._acts.get(rule.id)
        if found is None:
            found = self._acts[rule.id] = acts_of(self.checked, rule)
        return found

    def level(self, rule: CheckedRule) -> str:
        """The level of the clause that the rule stands in."""
        return self._clauses[rule.clause].level

    def rank(self, rule: CheckedRule) -> int:
        """The same as a number: 0 for the highest level."""
        return self.checked.levels.index(self.level(rule))

    # --- asking ---------------------------------------------------------------------------------------------------------

    def answered(self, question: Question) -> Outcome:
        """The answer to a question, as if it were the first.

        Raises:
            Stopped: if nothing more is to be asked.
            WrongWitness: if a witness, replayed, does not show what it claims (L06).
        """
        self.finder.forget()
        self._told = []
        self._within = {}
        return question.answer(self)

    def find(self, act: Act, wishes: tuple[ast.Expr, ...]) -> Answer:
        """A step of this shape at which every wish is true, a proof that there is none, or why that is not known.

        Raises:
            Stopped: if nothing more is to be asked.
        """
        return self.ask(Goal(head=act, wishes=wishes))

    def ask(self, goal: Goal) -> Answer:
        """The same for any goal."""
        self.go_on()
        self.queries += 1
        answer = self.finder.find(goal)
        if isinstance(answer, Impossible) and not answer.unbounded:
            self._within.setdefault(answer.origin.bound)
        return answer

    def go_on(self) -> None:
        """Nothing, as long as more is to be asked.

        Raises:
            Stopped: once nothing more is.
        """
        why = self._stop() if self._stop else None
        if why is not None:
            raise Stopped(why)

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
        about: str | None = None,
        severity: Severity | None = None,
        scenario: Scenario | None = None,
        present: Sequence[CheckedRule] = (),
        absent: Sequence[CheckedRule] = (),
        others: Sequence[CheckedRule] = (),
        blocks: bool = False,
    ) -> Finding:
        """A finding, once its witness was replayed: `present` rules apply there, `absent` ones do not, and it `blocks` (L06).

        Where the answers so far rest on a bound, the finding says so: the widest that any of them rests on.

        Raises:
            WrongWitness: if `decide` shows something else.
        """
        kept = KeptFinding(
            code=code,
            severity=severity or MEANINGS[code][0],
            message=message,
            clause=rule.clause if rule else clause,
            rule=rule.id if rule else None,
            about=about,
            others=tuple(other.id for other in others),
            scenario=scenario,
            present=tuple(one.id for one in present),
            absent=tuple(one.id for one in absent),
            blocks=blocks,
            within=max(self._within, key=_events, default=None),
        )
        return self._retold(kept)

    # --- what is kept ---------------------------------------------------------------------------------------------------

    def kept(self, outcome: Outcome) -> KeptAnswer | None:
        """What to keep of the answer to the last question; nothing where it is not whole, or owes itself to a limit."""
        told = {id(finding): kept for finding, kept in self._told}
        if self.finder.gave_up or not all(id(one) in told for one in outcome):
            return None
        return KeptAnswer(findings=tuple(told[id(one)] for one in outcome))

    def retold(self, answer: KeptAnswer) -> Outcome:
        """The findings of a kept answer, each replayed.

        Raises:
            WrongWitness: if `decide` shows something else now.
        """
        return tuple(self._retold(kept) for kept in answer.findings)

    def _retold(self, kept: KeptFinding) -> Finding:
        finding = Finding(
            code=kept.code,
            clause=kept.clause,
            severity=kept.severity,
            message=kept.message,
            witness=None if kept.scenario is None else self._witness(kept, kept.scenario),
            rule=kept.rule,
            others=kept.others,
            about=kept.about,
            within=kept.within,
        )
        self._told.append((finding, kept))
        return finding

    def _witness(self, kept: KeptFinding, scenario: Scenario) -> Witness:
        decision = decide(self.checked, scenario.history, scenario.step)
        applied = {reason.rule for reason in (*decision.reasons, *decision.permits)}
        missing = [rule for rule in kept.present if rule not in applied]
        wrong = [rule for rule in kept.absent if rule in applied]
        if missing or wrong or (kept.blocks and not decision.verdict.blocks):
            raise WrongWitness(f"{kept.code}: the witness shows something else: {missing} {wrong} {decision}")
        return Witness(history=scenario.history, step=scenario.step, verdict=decision.verdict, clauses=decision.clauses)


def _events(bound: str) -> tuple[int, str]:
    """How many events a bound speaks of."""
    found = re.search(r"up to (\d+) events", bound)
    return (int(found[1]) if found else 0, bound)


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
