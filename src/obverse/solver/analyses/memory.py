"""Each rule that looks back: how much must a monitor keep for it?

    S221 a window that nothing bounds: every event of months or years is kept, or more events than a session should cost

What is kept for every rule stands in the JSON and under `--memory`; only what grows without end in sight is a finding.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from typing import Final

from obverse.policy.checked import Checked, CheckedRule
from obverse.policy.print import duration_text
from obverse.solver.grounds import rests_on
from obverse.solver.questions import Desk, Outcome, Question
from obverse.solver.remembering import Remembered, kept_for
from obverse.solver.sentences import named

LONG_MS: Final = 31 * 86_400_000
"""From here on a window is longer than a session is expected to be quiet: what nothing limits may be any number."""
MANY: Final = 10_000
"""Events of one window, for one rule."""


def questions(checked: Checked) -> Iterator[Question]:
    """One for every finding."""
    for rule in checked.rules:
        for kept in kept_for(checked, rule):
            message = _said(rule, kept)
            if message is not None:
                yield Question(
                    code="S221",
                    clause=rule.clause,
                    rule=rule.id,
                    rests_on=rests_on(checked, [rule], also=["S221", message]),
                    answer=partial(_answer, rule, message),
                    asks_solver=False,
                )


def _said(rule: CheckedRule, kept: Remembered) -> str | None:
    if kept.within_ms is None or (kept.most is None and kept.within_ms <= LONG_MS):
        return None
    if kept.most is None:
        span = duration_text(kept.within_ms)
        return f"{named(rule)} makes a monitor keep {kept.keeps}: no `limit` says how many there can be in {span}"
    if kept.most > MANY:
        return f"{named(rule)} makes a monitor keep {kept.keeps}: up to {kept.most:,} of them"
    return None


def _answer(rule: CheckedRule, message: str, desk: Desk) -> Outcome:
    return (desk.finding("S221", message, rule=rule),)
