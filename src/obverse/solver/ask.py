"""`ask`: a yes/no question about a policy → `Holds`, `Fails` with a witness, or `Undecided`.

"At every decision point of this shape at which the givens are true, this is not false." What may be unknown is not claimed:
for the policy an unknown counts as the strict side (L03), so "never false" is what a rule needs to fire everywhere.
"""

from __future__ import annotations

from typing import assert_never

import msgspec

from obverse.policy import ast
from obverse.policy.decide import decide
from obverse.solver.answers import Act, Fails, Found, Goal, Holds, Impossible, Undecided, YesNo
from obverse.solver.find import Finder


class Question(msgspec.Struct, frozen=True, kw_only=True):
    """Is `then` never false at a decision point of this shape at which all of `given` are true?"""

    head: Act
    then: ast.Expr
    given: tuple[ast.Expr, ...] = ()


def ask(finder: Finder, question: Question) -> YesNo:
    """The answer, within the bound that its origin names; a witness says what `decide` makes of it."""
    answer = finder.find(Goal(head=question.head, wishes=(*question.given, ast.Not(body=question.then))))
    match answer:
        case Found():
            scenario = answer.scenario
            decision = decide(finder.checked, scenario.history, scenario.step)
            return Fails(witness=scenario, decision=decision, origin=answer.origin)
        case Impossible():
            return Holds(origin=answer.origin)
        case Undecided():
            return answer
        case _:
            assert_never(answer)
