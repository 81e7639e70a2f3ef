"""Compliance against strength: threshold, width and slope of a psychometric function, or why there is none."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from obverse.stability.findings import Curve
from obverse.stability.records import Settings


def fit(
    points: Sequence[tuple[float, int, int]], *, ladder: str, prompt: str | None, kind: str, settings: Settings
) -> Curve:
    """The curve through these points (strength, complied, scored) of one prompt, the base as strength 0 among them.

    Points of one strength need not be added up: variants tell how much equally strong rungs differ. For many prompts
    see `fit_pool`.
    """
    return Curve(
        ladder=ladder, prompt=prompt, kind=kind, verdict="undecided", why="not written yet", direction=None, threshold=None,
        width=None, slope=None, points=tuple(points),
    )  # fmt: skip


def fit_pool(
    by_prompt: Mapping[str, Sequence[tuple[float, int, int]]], *, ladder: str, kind: str, settings: Settings
) -> Curve:
    """The curve of a population of prompts (`prompt` None): its width is the prompts' own, not how far they differ from each other."""
    points = [point for prompt in by_prompt.values() for point in prompt]
    return fit(points, ladder=ladder, prompt=None, kind=kind, settings=settings)
