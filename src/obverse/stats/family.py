"""Holm's step-down procedure (Scand. J. Statist. 6, 1979): many claims, and one bound on the chance of any false one.

Takes weights of evidence in nats (`betting`: log-wealth; `exact`: minus log of a tail probability), whose `exp(-weight)` is
a p-value that holds at the moment when one stopped. Holm needs nothing else of them: no independence, and no common moment
of stopping, since each is valid at whatever time its own claim stopped.
"""

from __future__ import annotations

import math
from collections.abc import Sequence


def holm(weights: Sequence[float], *, error: float) -> list[tuple[bool, float]]:
    """For each weight whether it is enough, and the error that it was held to: any enough is false with `error` at most.

    The heaviest of m is held to error/m, the next to error/(m - 1), and so on; after the first that is not enough, all
    the others are held to what that one was.
    """
    result: list[tuple[bool, float]] = [(False, error)] * len(weights)
    stopped_at: float | None = None
    for rank, place in enumerate(sorted(range(len(weights)), key=lambda place: -weights[place])):
        held_to = stopped_at or error / (len(weights) - rank)
        if stopped_at is None and weights[place] < -math.log(held_to):
            stopped_at = held_to
        result[place] = (stopped_at is None, held_to)
    return result
