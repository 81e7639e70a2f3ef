"""Who is held out together: families into folds, each fold with prompts of both kinds where that can be.

What is learnt (direction, probe, layer, threshold) is learnt on some folds and shown on another. A family is never split, and
scores are only compared within a fold (`ranking`), so a fold without both kinds would say nothing.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import msgspec
import numpy as np
from numpy.typing import NDArray

MOST_FOLDS: Final = 8
LEAST_FOLDS: Final = 3
LEAST_EACH: Final = 6
"""Prompts of either kind, at least."""
UNKNOWN: Final = -1
"""The label of a prompt that is neither one nor the other: held out like any, counted nowhere."""


class Missing(msgspec.Struct, frozen=True, kw_only=True):
    """Why something could not be known."""

    reason: str


class Folds(msgspec.Struct, frozen=True, kw_only=True):
    """`of` (n,): the fold of each prompt, from 0. `labels` (n,): 1, 0, or `UNKNOWN`."""

    of: NDArray[np.int64]
    labels: NDArray[np.int64]
    count: int


def folds(families: Sequence[str], labels: NDArray[np.int64], *, what: tuple[str, str]) -> Folds | Missing:
    """At most eight folds of whole families, both kinds in each; `Missing` if that gives fewer than three. Deterministic.

    `what` names the kinds 1 and 0, for the reason.
    """
    number = {1: int((labels == 1).sum()), 0: int((labels == 0).sum())}
    for label, name in ((1, what[0]), (0, what[1])):
        if number[label] < LEAST_EACH:
            return Missing(reason=f"too few prompts: {number[label]} {name}, at least {LEAST_EACH} are needed")
    sizes = _sizes(families, labels)
    bins = min(MOST_FOLDS, *(sum(1 for size in sizes.values() if size[label]) for label in (1, 0)))
    if bins < LEAST_FOLDS:
        return Missing(
            reason=f"too few families: only {bins} folds would hold both {what[0]} and {what[1]} prompts, {LEAST_FOLDS} are needed"
        )
    place = _placed(sizes, bins)
    return Folds(of=np.array([place[family] for family in families], dtype=np.int64), labels=labels, count=bins)


def _sizes(families: Sequence[str], labels: NDArray[np.int64]) -> dict[str, tuple[int, int, int]]:
    """Family → how many of it are 0, are 1, and are there at all."""
    sizes: dict[str, list[int]] = {}
    for family, label in zip(families, labels.tolist()):
        size = sizes.setdefault(family, [0, 0, 0])
        size[2] += 1
        if label != UNKNOWN:
            size[label] += 1
    return {family: (size[0], size[1], size[2]) for family, size in sizes.items()}


def _placed(sizes: dict[str, tuple[int, int, int]], bins: int) -> dict[str, int]:
    """Largest first into the emptiest bin: families of both kinds, then of one kind where that kind is scarcest, then the rest.

    Every bin gets both kinds, since as many families hold each kind as there are bins.
    """
    load = [[0, 0, 0] for _ in range(bins)]
    place: dict[str, int] = {}

    def put(family: str, key: int) -> None:
        bin_ = min(range(bins), key=lambda one: (load[one][key], load[one][2], one))
        place[family] = bin_
        for kind in range(3):
            load[bin_][kind] += sizes[family][kind]

    order = sorted(sizes, key=lambda family: (-sizes[family][2], family))
    for family in order:
        if sizes[family][0] and sizes[family][1]:
            put(family, 2)
    for kind in (1, 0):
        for family in order:
            if family not in place and sizes[family][kind]:
                put(family, kind)
    for family in order:
        if family not in place:
            put(family, 2)
    return place
