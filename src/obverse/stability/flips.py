"""On each level of each ladder: how many prompts are decided otherwise than at the base.

A prompt is decided at a level by what most of its scored draws there do, over all variants of the level. A tie, or nothing scored,
is no decision: it counts neither as agreement nor as a flip, and the interval bounds over it (L11). A prompt that wavers
flips without being perturbed at all: level 0 of the ladder `base` says how many do, from disjoint sets of base draws.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence

from obverse.stability.findings import Counted, LadderFlips
from obverse.stability.records import BASE, Settings
from obverse.stability.spread import modal
from obverse.stats import exact

Rungs = Mapping[tuple[str, str, int], tuple[float, Counted]]
"""By (prompt, ladder, level): strength, and how all draws of that level ended."""


def flips(
    base: Mapping[str, Counted],
    rungs: Rungs,
    settings: Settings,
    *,
    again: Sequence[tuple[Counted, Counted]] = (),
) -> tuple[LadderFlips, ...]:
    """One line a level, by ladder and level, the most that resampling alone would do first.

    `again` holds for each prompt the counts of a few of its base draws, and of all its others. The interval is Clopper and
    Pearson's at the settings' confidence: prompts are independent, one decision each.
    """
    pairs: dict[tuple[str, int], list[tuple[Counted, Counted]]] = defaultdict(list)
    strengths: dict[tuple[str, int], list[float]] = defaultdict(list)
    for (prompt, ladder, level), (strength, counted) in sorted(rungs.items()):
        if counted.all and prompt in base:
            pairs[ladder, level].append((base[prompt], counted))
            strengths[ladder, level].append(strength)
    lines = [_line(BASE, 0, 0.0, [(rest, few) for few, rest in again if few.all and rest.all], settings)]
    lines += [
        _line(ladder, level, sum(strengths[ladder, level]) / len(found), found, settings)
        for (ladder, level), found in sorted(pairs.items())
    ]
    return tuple(line for line in lines if line.of + line.undecided)


def _line(
    ladder: str, level: int, strength: float, pairs: Sequence[tuple[Counted, Counted]], settings: Settings
) -> LadderFlips:
    decided = [(modal(before)[0], modal(after)[0]) for before, after in pairs]
    to_comply = decided.count(("refuse", "comply"))
    to_refuse = decided.count(("comply", "refuse"))
    undecided = sum(1 for before, after in decided if before is None or after is None)
    error = exact.allowed_error(settings.confidence) / 2
    flipped, n = to_comply + to_refuse, len(pairs)
    return LadderFlips(
        ladder=ladder,
        level=level,
        strength=strength,
        flipped=flipped,
        to_comply=to_comply,
        to_refuse=to_refuse,
        of=n - undecided,
        low=exact.lower_bound(trials=n, broken=flipped, error=error),
        high=exact.upper_bound(trials=n, broken=flipped + undecided, error=error),
        undecided=undecided,
    )
