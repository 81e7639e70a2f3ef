"""`analyse`: is the policy sound? Every question of every analysis, its answers in the order of the document.

The analyses stand in `solver.analyses`, one module per kind of question; what each code means stands in `findings.MEANINGS`.

Laws: L06. What ran out of time or of its bound is in `undecided`, under the code that was asked. Not here: what to do about
it, and how it looks.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Final

from obverse.policy.checked import Checked
from obverse.solver.analyses import (
    acts,
    conflicts,
    declarations,
    definitions,
    examples,
    grants,
    judged,
    memory,
    permits,
    reach,
    rules,
    shadows,
    trust,
    unknowns,
)
from obverse.solver.examination import Examination
from obverse.solver.findings import Analysis
from obverse.solver.kept import Answers
from obverse.solver.questions import Question, acts_of
from obverse.solver.settings import Settings

__all__ = ["ANALYSES", "acts_of", "analyse", "examine", "questions_of"]

ANALYSES: Final[tuple[Callable[[Checked], Iterator[Question]], ...]] = (
    rules.questions,
    permits.questions,
    acts.questions,
    definitions.questions,
    judged.questions,
    shadows.questions,
    conflicts.questions,
    grants.questions,
    unknowns.questions,
    trust.questions,
    declarations.questions,
    examples.questions,
    memory.questions,
    reach.questions,
)
"""What is asked of a policy, in this order; about one rule the answers stand in this order as well."""


def analyse(checked: Checked, *, settings: Settings | None = None, answers: Answers | None = None) -> Analysis:
    """All findings about this policy, within the bounds of the settings; what `answers` holds already is not asked again.

    Raises:
        WrongWitness: if a witness, replayed, does not show what it claims (L06).
    """
    examination = examine(checked, settings=settings, answers=answers)
    for _ in examination:
        pass
    return examination.analysis()


def examine(
    checked: Checked,
    *,
    settings: Settings | None = None,
    answers: Answers | None = None,
    stop: Callable[[], str | None] | None = None,
) -> Examination:
    """The same, question by question. `stop` is asked before every query, and says why nothing more is to be asked."""
    return Examination(checked, questions_of(checked), settings=settings, answers=answers, stop=stop)


def questions_of(checked: Checked) -> list[Question]:
    """Every question about this policy, in the order in which they are asked: what matters most first."""
    return [question for asked in ANALYSES for question in asked(checked)]
