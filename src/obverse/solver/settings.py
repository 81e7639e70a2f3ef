"""The one settings record of the solver; each field says where it bites."""

from __future__ import annotations

import msgspec


class Settings(msgspec.Struct, frozen=True, kw_only=True):
    """How far the solver looks and how long. Together with the digest of a query it fixes the answer."""

    rounds: int = 3
    """Bites where an order of events matters: a trace is at most so many rounds of every event that the question speaks of.
    Any order of `rounds` events can be had; a longer zigzag cannot."""

    most_repeats: int = 128
    """Bites on counting: a `limit … to 40` needs 40 calls before the step; more than this is answered `Undecided`."""

    most_positions: int = 5_000
    """Bites on counting inside of nested operators: each level looks at every event again, so fewer events fit."""

    list_length: int = 3
    """Bites on lists in arguments, results and facts: none is longer than this, unless a condition counts further."""

    longest_list: int = 16
    """Bites on conditions that count elements: `length(passengers) > 20` needs a longer list and is answered `Undecided`."""

    effort: int = 4_000_000
    """Bites on hard questions: Z3's own count of steps (`rlimit`), the same on every machine. Exhausted: `Undecided`."""

    timeout_ms: int = 10_000
    """Bites when the machine is slow: wall-clock limit of one query. Unlike `effort` it can differ between runs."""

    memory_mb: int = 2_000
    """Bites on huge questions: so much memory may the solver's process take before a query is answered `Undecided`."""

    refinements: int = 24
    """Bites on text tests: how many abstract texts may turn out to have no spelling before the answer is `Undecided`."""

    tidiness: int = 40
    """Bites on how natural a witness looks: at most so many extra queries are spent on making it short and plain."""

    seed: int = 0
    """Bites on which of several equal witnesses is found."""

    start_ms: int = 1_767_607_200_000
    """Bites on the times in witnesses: the time that they start around, 2026-01-05T10:00:00Z."""
