"""What `decide` returns: a verdict, and everything that made it. The agent may see `message`, never `reasons` (L17)."""

from __future__ import annotations

from typing import Literal

import msgspec

from obverse.core.verdicts import Truth, Verdict


class Unknown(msgspec.Struct, frozen=True, kw_only=True):
    """Something that was not known. `what` is the predicate, field or operator; `event` the event it was asked of."""

    what: str
    why: Literal[
        "not answered", "missing", "wrong type", "no such event", "no time", "division by zero", "confusable",
        "malformed arguments", "not a list", "unknown argument", "too many",
    ]  # fmt: skip
    event: str | None = None


class Condition(msgspec.Struct, frozen=True, kw_only=True):
    """One atomic condition of a rule, as the author would write it, and the value that it had."""

    text: str
    value: Truth


class Reason(msgspec.Struct, frozen=True, kw_only=True):
    """Why one rule fired, or, for a `permit`, applied.

    `certain` is TRUE when the rule's condition was true and UNKNOWN when it could not be known. `conditions` are those
    that mattered, `events` the earlier events they rest on, by id. `clause` is `@calls`, `@arguments`, `@malformed` or
    `@replies` for a default.
    """

    clause: str
    rule: str
    verdict: Verdict
    certain: Truth
    conditions: tuple[Condition, ...] = ()
    events: tuple[str, ...] = ()
    unknowns: tuple[Unknown, ...] = ()
    says: str | None = None


class Decision(msgspec.Struct, frozen=True, kw_only=True):
    """The verdict on one step: the strictest of `reasons` (L02). `permits` are the clauses that say it must be allowed.

    `certain` is the verdict that would stand if only rules that fired for certain counted: where it is milder than
    `verdict`, not knowing made the difference.
    """

    step: str
    verdict: Verdict
    certain: Verdict
    reasons: tuple[Reason, ...] = ()
    permits: tuple[Reason, ...] = ()
    message: str = ""

    @property
    def clauses(self) -> tuple[str, ...]:
        """The clauses whose rules gave the verdict, in the order of the document."""
        return tuple(dict.fromkeys(reason.clause for reason in self.reasons if reason.verdict == self.verdict))
