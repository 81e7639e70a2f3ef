"""`analyse`: is the policy sound? Every question of every analysis, its answers in the order of the document.

The analyses stand in `solver.analyses`, one module per kind of question; what each code means stands in `findings.MEANINGS`.

Laws: L06. What ran out of time or of its bound is in `undecided`, under the code that was asked. Not here: what to do about
it, and how it looks.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Final

import z3

from obverse.core.canon import digest
from obverse.policy.checked import Checked
from obverse.solver.analyses import permits, rules
from obverse.solver.findings import Analysis, Finding, Open, Solver
from obverse.solver.questions import Desk, Question, acts_of
from obverse.solver.settings import Settings

__all__ = ["ANALYSES", "acts_of", "analyse", "questions_of"]

ANALYSES: Final[tuple[Callable[[Checked], Iterator[Question]], ...]] = (
    rules.questions,
    permits.questions,
)
"""What is asked of a policy. About one rule the answers stand in this order."""


def analyse(checked: Checked, *, settings: Settings | None = None) -> Analysis:
    """All findings about this policy, within the bounds of the settings.

    Raises:
        WrongWitness: if a witness, replayed, does not show what it claims (L06).
    """
    desk = Desk(checked, settings)
    found = [one for question in questions_of(checked) for one in question.answer(desk)]
    return Analysis(
        findings=tuple(one for one in found if isinstance(one, Finding)),
        undecided=tuple(one for one in found if isinstance(one, Open)),
        queries=desk.queries,
        solver=solver_of(desk.settings),
    )


def questions_of(checked: Checked) -> list[Question]:
    """Every question about this policy: what is about the whole of it first, then in the order of the document."""
    clauses = {clause.id: place for place, clause in enumerate(checked.clauses)}
    order = {rule.id: place for place, rule in enumerate(checked.rules)}

    def place(question: Question) -> tuple[int, int]:
        return (-1 if question.clause is None else clauses[question.clause], order.get(question.rule or "", -1))

    return sorted((question for asked in ANALYSES for question in asked(checked)), key=place)


def solver_of(settings: Settings) -> Solver:
    """Who answers, and how far it looks."""
    return Solver(
        name="z3",
        version=z3.get_version_string(),
        options=digest(settings),
        bound=f"{settings.rounds} rounds of events, lists of up to {settings.list_length}",
    )
