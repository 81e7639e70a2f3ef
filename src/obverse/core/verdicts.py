"""Verdicts, outcomes and truth: named values, never a bool."""

from __future__ import annotations

import enum


class Verdict(enum.StrEnum):
    """What may happen with a proposed step, most restrictive first (L02)."""

    STOP = "stop"
    DENY = "deny"
    ASK = "ask"
    WARN = "warn"
    ALLOW = "allow"

    @property
    def strictness(self) -> int:
        """4 for stop down to 0 for allow."""
        return _STRICTNESS[self]

    @property
    def blocks(self) -> bool:
        """Whether the step must not happen as it is: everything above `warn`."""
        return self.strictness >= _STRICTNESS[Verdict.ASK]


_STRICTNESS = {verdict: 4 - place for place, verdict in enumerate(Verdict)}


def strictest(verdicts: list[Verdict]) -> Verdict:
    """The most restrictive of these, `ALLOW` for none: order does not matter (L02)."""
    return max(verdicts, key=lambda verdict: verdict.strictness, default=Verdict.ALLOW)


class Truth(enum.StrEnum):
    """Kleene's three values."""

    TRUE = "true"
    FALSE = "false"
    UNKNOWN = "unknown"

    @staticmethod
    def of(value: bool) -> Truth:
        return Truth.TRUE if value else Truth.FALSE

    def __and__(self, other: Truth) -> Truth:
        if self is Truth.TRUE:
            return other
        if self is Truth.FALSE or other is Truth.FALSE:
            return Truth.FALSE
        return Truth.UNKNOWN

    def __or__(self, other: Truth) -> Truth:
        if self is Truth.FALSE:
            return other
        if self is Truth.TRUE or other is Truth.TRUE:
            return Truth.TRUE
        return Truth.UNKNOWN

    def __invert__(self) -> Truth:
        if self is Truth.UNKNOWN:
            return self
        return Truth.FALSE if self is Truth.TRUE else Truth.TRUE


class Outcome(enum.StrEnum):
    """How one trial ended; never fewer than four."""

    KEPT = "kept"
    BROKEN = "broken"
    UNSCORED = "unscored"
    ERROR = "error"


class Side(enum.StrEnum):
    """Which of the two errors a claim speaks of."""

    VIOLATION = "violation"
    OVER_REFUSAL = "over-refusal"
