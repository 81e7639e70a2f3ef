"""In which ways a mutant can give another verdict, said in the rule language: so two mutants can be asked about at once.

The verdict is the strictest of what rules say. So where it differs, a rule of one of the two policies speaks and gives it, and no
rule of the other gives as much: that is a *way*. An `ask` that fires may have been approved and give nothing. So of one that
speaks too few people approved, and of another one in the way nothing is asked but where it is the same rule for fewer people.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import msgspec

from obverse.cases.mutation.records import Mutant
from obverse.core.verdicts import Verdict
from obverse.policy import ast
from obverse.policy.checked import Checked, CheckedRule
from obverse.solver.answers import Act
from obverse.solver.questions import acts_of


class Way(msgspec.Struct, frozen=True, kw_only=True):
    """This rule speaks, of the policy or of the mutant, and none of those does that would give as much where it does not stand.

    At least `approvals` people approved the step, and fewer than `below`, if that is said.
    """

    speaks: CheckedRule
    silent: tuple[CheckedRule, ...]
    approvals: int = 0
    below: int | None = None

    def excludes(self, other: Way) -> bool:
        """Whether the two cannot be at once, by their form alone."""
        if any(low >= high for low in (self.approvals, other.approvals) for high in (self.below, other.below) if high):
            return True
        both = (self.speaks.fires, other.speaks.fires)
        return any(rule.fires is fires for fires in both for rule in (*self.silent, *other.silent))

    @property
    def wishes(self) -> tuple[ast.Expr, ...]:
        """What must be true: that it speaks for certain, and the others are silent for certain."""
        return (self.speaks.fires, *self.silences)

    @property
    def silences(self) -> tuple[ast.Expr, ...]:
        """That the others are silent for certain."""
        return tuple(ast.Not(body=rule.fires) for rule in self.silent)


class Ways:
    """The ways of the mutants of one policy."""

    def __init__(self, checked: Checked) -> None:
        self.checked = checked
        self._found: dict[str, dict[Act, tuple[Way, ...]]] = {}
        self._acts: dict[int, tuple[CheckedRule, frozenset[Act]]] = {}

    def of(self, mutant: Mutant) -> dict[Act, tuple[Way, ...]]:
        """At each act at which the mutant may differ, how."""
        found = self._found.get(mutant.id)
        if found is None:
            old, new = self.checked.rules, mutant.of(self.checked).rules
            mine = [rule for rule in old if rule.id in mutant.touched]
            acts = sorted({act for rule in (*mine, *mutant.replaced) for act in self._acts_of(rule)}, key=repr)
            found = self._found[mutant.id] = {
                act: (*self._louder(act, mine, new), *self._louder(act, mutant.replaced, old)) for act in acts
            }
        return found

    def _louder(self, act: Act, ours: Sequence[CheckedRule], theirs: Sequence[CheckedRule]) -> Iterator[Way]:
        """One of these rules gives the verdict, and of the other policy none gives as much."""
        for rule in ours:
            if rule.verdict is not None and act in self._acts_of(rule):
                least = rule.verdict.strictness
                silent = tuple(
                    other for other in theirs
                    if other.verdict is not None and other.verdict is not Verdict.ASK
                    and other.verdict.strictness >= least and act in self._acts_of(other)
                )  # fmt: skip
                approvals = max((other.people for other in theirs if _is_same_question(rule, other)), default=0)
                yield Way(
                    speaks=rule, silent=silent, approvals=approvals, below=rule.people if rule.kind == "ask" else None
                )

    def _acts_of(self, rule: CheckedRule) -> frozenset[Act]:
        found = self._acts.get(id(rule))
        if found is None:
            found = self._acts[id(rule)] = (rule, frozenset(acts_of(self.checked, rule)))
        return found[1]


def _is_same_question(rule: CheckedRule, other: CheckedRule) -> bool:
    """Whether the other one asks where this one does, be it of another number of people."""
    same = (rule.id, rule.kind, rule.heads) == (other.id, other.kind, other.heads)
    return same and rule.kind == "ask" and rule.fires == other.fires
