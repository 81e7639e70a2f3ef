"""What `check` returns: a policy whose names are resolved, whose types agree, ready to be decided, solved and inverted.

Only `policy.check` makes a `Checked`.
"""

from __future__ import annotations

from functools import cached_property
from typing import Literal

import msgspec

from obverse.core.verdicts import Verdict
from obverse.policy.ast import Clause, Defaults, Expr, FactTerm, Head, JudgedTerm, Policy, RuleKind, Tool

REFUSES = "reply.refuses"
"""The judged predicate that the product ships: the reply declines to help. Always declared."""


class CheckedRule(msgspec.Struct, frozen=True, kw_only=True):
    """One rule, resolved. It *fires* on a step that `heads` match when `fires` is true, or unknown (L03).

    `fires` is one closed expression: `when and not unless`, `when and not requirement`, or `Exceeds`; `Boolean(true)` when
    the rule is unconditional. `exception` is the resolved `unless` (or the requirement), for those who ask about exceptions.
    A `permit` never gives a verdict: where `fires` is true the step must not be blocked.
    """

    id: str
    clause: str
    kind: RuleKind
    heads: tuple[Head, ...]
    fires: Expr
    when: Expr | None = None
    exception: Expr | None = None
    people: int = 1
    says: str | None = None

    @property
    def verdict(self) -> Verdict | None:
        """The verdict that the rule gives when it fires; None for `permit`."""
        return _VERDICTS.get(self.kind)


_VERDICTS = {
    "forbid": Verdict.DENY,
    "stop": Verdict.STOP,
    "ask": Verdict.ASK,
    "warn": Verdict.WARN,
    "require": Verdict.DENY,
    "limit": Verdict.DENY,
}


class Memory(msgspec.Struct, frozen=True, kw_only=True):
    """What a monitor must keep for one rule: `bits`, `records` or `events`, and per which keys; `bounded` if constant."""

    rule: str
    keeps: str
    bounded: bool


class Checked(msgspec.Struct, frozen=True, kw_only=True, dict=True):
    """A policy that means something. `digest` names it everywhere; `rules` are in the order of the document."""

    name: str
    version: str
    digest: str
    source: Policy
    default: Defaults
    levels: tuple[str, ...]
    timezone_minutes: int
    tools: dict[str, Tool]
    facts: dict[str, FactTerm]
    judged: dict[str, JudgedTerm]
    clauses: tuple[Clause, ...]
    rules: tuple[CheckedRule, ...]
    memory: tuple[Memory, ...] = ()

    def clause(self, name: str) -> Clause:
        """The clause of this id, which exists."""
        return self._clauses[name]

    def rule(self, name: str) -> CheckedRule | None:
        """The rule of this id, such as `cert.large/1`; None for a default's."""
        return self._rules.get(name)

    @cached_property
    def _rules(self) -> dict[str, CheckedRule]:
        return {rule.id: rule for rule in self.rules}

    @cached_property
    def _clauses(self) -> dict[str, Clause]:
        return {clause.id: clause for clause in self.clauses}

    def matches(self, head: Head, kind: Literal["call", "reply"], tool: str | None) -> bool:
        """Whether a step of this kind (and tool) is one that the head speaks of."""
        if head.kind == "reply" or kind == "reply":
            return head.kind == "reply" and kind == "reply"
        if head.kind == "tool":
            return head.tool == tool
        if head.effect is None:
            return True
        known = self.tools.get(tool or "")
        return known is not None and head.effect in known.effects
