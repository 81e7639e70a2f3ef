"""Two runs over the same prompts, paired by prompt: did the boundary move?"""

from __future__ import annotations

from obverse.stability.findings import Comparison, Diagnosis


def compare(first: Diagnosis, second: Diagnosis) -> Comparison:
    """What changed from the first to the second, paired by prompt."""
    return Comparison(
        first=first.target, second=second.target, same_model=first.fingerprint == second.fingerprint, pairs=(), moved={}, p={},
        verdict={},
    )  # fmt: skip
