"""What several analyses ask: whether a rule fires on some step, whether some step escapes these rules. Not an analysis.

Not knowing counts as yes, so that whoever asks goes on asking.
"""

from __future__ import annotations

from collections.abc import Sequence

from obverse.policy import ast
from obverse.policy.checked import CheckedRule
from obverse.solver.analyses.rules import conjuncts, scaled
from obverse.solver.answers import Act, Answer, Found, Impossible
from obverse.solver.questions import Desk


def fires_ever(rule: CheckedRule, desk: Desk) -> bool:
    """Whether some step makes its condition true; S201 denies it."""
    return _any(rule, conjuncts(scaled(rule.fires)), desk)


def spares_ever(rule: CheckedRule, desk: Desk) -> bool:
    """Whether some step makes its condition false; S202 denies it."""
    return _any(rule, (ast.Not(body=scaled(rule.fires)),), desk)


def escaping(act: Act, rules: Sequence[CheckedRule], wishes: Sequence[ast.Expr], desk: Desk) -> Answer:
    """A step of this shape on which none of the rules fires and every wish is true. In its core, rules come first.

    A large limit is first asked about as a small one: what keeps within the small one keeps within the large one.
    """
    small = tuple(scaled(rule.fires) for rule in rules)
    answer = desk.find(act, (*(ast.Not(body=fires) for fires in small), *wishes))
    if isinstance(answer, Found) or all(one is rule.fires for one, rule in zip(small, rules, strict=True)):
        return answer
    return desk.find(act, (*(ast.Not(body=rule.fires) for rule in rules), *wishes))


def _any(rule: CheckedRule, wishes: tuple[ast.Expr, ...], desk: Desk) -> bool:
    return any(not isinstance(desk.find(act, wishes), Impossible) for act in desk.acts(rule))
