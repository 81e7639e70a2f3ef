"""Which case kills which mutant: `decide` with the mutant, compared with what the case expects.

A *strict* kill is another verdict. A *weak* one is the same verdict from other clauses: a test of the verdict alone would not
notice it. What a case expects is decided again from the policy, never read from the case (L08).

A mutant differs in few rules, and the verdict is the strictest of what single rules say (L02). So the other rules are decided
once for each case, and only those that differ again; `tests/cases/mutation/test_killing.py` holds that this is `decide`.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal, TypeAlias

import msgspec

from obverse.cases.mutation.records import Mutant
from obverse.cases.records import Case
from obverse.core.events import AnyEvent, Call, Reply, Step
from obverse.core.verdicts import Verdict, strictest
from obverse.policy import ast
from obverse.policy.checked import Checked
from obverse.policy.decide import decide, speaking
from obverse.policy.decision import Decision

Kill: TypeAlias = Literal["strict", "weak"]
_SILENT = ast.Defaults(calls="allow-unknown-tools", arguments="allow-unknown", replies="allow")


class Said(msgspec.Struct, frozen=True, kw_only=True):
    """What a policy says of one step, as far as killing goes: the verdict, and the clauses that gave it."""

    verdict: Verdict
    clauses: frozenset[str]


class Trial:
    """One history and step, decided by the policy once, and by any mutant of it at little cost."""

    def __init__(self, checked: Checked, history: Sequence[AnyEvent], step: Step) -> None:
        self.checked = checked
        self.history = tuple(history)
        self.step = step
        self.decision = decide(checked, self.history, step)
        self.expected = _said(self.decision)
        self._spoke = {reason.rule for reason in (*self.decision.reasons, *self.decision.permits)}

    def of(self, mutant: Mutant) -> Said:
        """What the mutated policy says of it."""
        if self._needs_all(mutant):
            return _said(decide(mutant.of(self.checked), self.history, self.step))
        touched = set(mutant.touched)
        alone = msgspec.structs.replace(self.checked, rules=mutant.replaced, default=_SILENT)
        if not touched & self._spoke and not speaking(alone, self.step.event):
            return self.expected
        new = decide(alone, self.history, self.step).reasons if mutant.replaced else ()
        said = [(reason.verdict, reason.clause) for reason in self.decision.reasons if reason.rule not in touched]
        return _strictest([*said, *((reason.verdict, reason.clause) for reason in new)])

    def kill(self, mutant: Mutant) -> Kill | None:
        """Whether the mutant gives another verdict here, or at least the same one by other clauses."""
        said = self.of(mutant)
        if said.verdict is not self.expected.verdict:
            return "strict"
        return "weak" if said.clauses != self.expected.clauses else None

    def kills(self, mutant: Mutant) -> bool:
        """Whether the mutant gives another verdict here."""
        return self.kill(mutant) == "strict"

    def _needs_all(self, mutant: Mutant) -> bool:
        """Where replies are denied by default, a permit of one rule lifts that default: rules are not apart."""
        return self.checked.default.replies == "deny" and isinstance(self.step.event, Reply)


class Matrix:
    """Cases against mutants; each pair is decided once, when it is first asked about."""

    def __init__(self, checked: Checked) -> None:
        self.checked = checked
        self._rules = {rule.id: rule for rule in checked.rules}
        self._trials: dict[str, Trial] = {}
        self._known: dict[tuple[str, str], Kill | None] = {}
        self._spoken: dict[tuple[str, str | None], bool] = {}

    def kill(self, case: Case, mutant: Mutant) -> Kill | None:
        """How the case notices the mutant, if it does."""
        if not self._speaks(mutant, case.step.event):
            return None
        key = (case.id, mutant.id)
        if key not in self._known:
            self._known[key] = self._trial(case).kill(mutant)
        return self._known[key]

    def _speaks(self, mutant: Mutant, event: Call | Reply) -> bool:
        """Whether a rule that differs may speak of such a step at all: that hangs on the tool alone."""
        key = (mutant.id, None if isinstance(event, Reply) else event.tool)
        found = self._spoken.get(key)
        if found is None:
            rules = (*mutant.replaced, *(self._rules[name] for name in mutant.touched))
            differing = msgspec.structs.replace(self.checked, rules=rules)
            found = self._spoken[key] = bool(speaking(differing, event))
        return found

    def _trial(self, case: Case) -> Trial:
        found = self._trials.get(case.id)
        if found is None:
            found = self._trials[case.id] = Trial(self.checked, case.history, case.step)
        return found


def _said(decision: Decision) -> Said:
    return _strictest([(reason.verdict, reason.clause) for reason in decision.reasons])


def _strictest(said: Sequence[tuple[Verdict, str]]) -> Said:
    verdict = strictest([verdict for verdict, _ in said])
    return Said(verdict=verdict, clauses=frozenset(clause for given, clause in said if given is verdict))
