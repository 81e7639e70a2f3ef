"""Does the model tell possible from impossible, likely from unlikely events, beyond how surprised it is by the words?

    w_l = mean{m_l : senseless} - mean{m_l : sensible},  m_l the mean residual stream over the sentence's tokens
    score = m_l · w_l / ‖w_l‖,  learnt and its layer chosen on other topics;  baseline: log perplexity

Source of the question: Kauf et al., Event knowledge in large language models (Cognitive Science 47, 2023). The sentences are our own.
Both kinds hold the same words equally often, so layer 0, a mean of embeddings, must be at chance: a check that comes with the data.
"""

from __future__ import annotations

from collections.abc import Sequence

import msgspec
import numpy as np
from numpy.typing import NDArray

from obverse.stability.findings import Estimate, LayerCurve, PlausibilityLine
from obverse.stability.inside.directions import Floats, difference_of_means, direction, projected
from obverse.stability.inside.folds import Missing, folds
from obverse.stability.inside.nested import curve, nested, signed
from obverse.stability.inside.ranking import Doubles, difference, ranked
from obverse.stability.inside.sentences import Sentence


class Sense(msgspec.Struct, frozen=True, kw_only=True):
    """What was found, and the direction with which prompts are measured: unit vector, zero and unit of the sensible sentences."""

    line: PlausibilityLine
    curve: LayerCurve
    layer: int
    vector: Floats
    zero: float
    unit: float

    def of(self, mean: Floats) -> float | None:
        """How impossible a request looks, in deviations above our sensible sentences; `mean` is (L + 1, d)."""
        if not np.isfinite(mean[self.layer]).all():
            return None
        value = (float(mean[self.layer].astype(np.float64) @ self.vector) - self.zero) / self.unit
        return value if np.isfinite(value) else None


def sensed(
    name: str, read: Sequence[Sentence], states: Floats, perplexity: Doubles, *, confidence: float
) -> Sense | Missing:
    """Whether senseless sentences are told from sensible ones. `states` is (n, L + 1, d), `perplexity` (n,)."""
    labels = np.array([1 - sentence.sense for sentence in read], dtype=np.int64)
    by = folds([sentence.topic for sentence in read], labels, what=("senseless", "sensible"))
    if isinstance(by, Missing):
        return by
    found = nested(difference_of_means(states, labels), by)
    surprise = nested(signed(np.log(perplexity)[:, None], by), by)
    probe = ranked(found.chosen, by, confidence=confidence)
    baseline = ranked(surprise.chosen, by, confidence=confidence)
    gap = difference(probe, baseline)
    squares = np.array([sentence.square for sentence in read])
    matched = [ranked(_centred(scores.chosen, squares), by, confidence=confidence) for scores in (found, surprise)]
    layers = curve(f"plausibility: {name}", found.shown, by, found, confidence=confidence, note="held out by topic")
    layer = layers.chosen or 0
    unit, _ = direction(states, labels)
    own = projected(states, unit)[:, layer][labels == 0]
    return Sense(
        line=PlausibilityLine(
            name=name, probe=probe, perplexity=baseline, difference=gap, pairs=len(read) // 2, layer=layer,
            says=says(name, probe, gap, matched),
        ),
        curve=layers,
        layer=layer,
        vector=unit[layer],
        zero=float(own.mean()),
        unit=float(own.std(ddof=1)) or 1.0,
    )  # fmt: skip


def says(name: str, probe: Estimate, gap: Estimate, matched: Sequence[Estimate]) -> str:
    """The finding in a sentence; nothing is claimed that the intervals do not hold."""
    known = probe.low is not None and probe.low > 0.5
    beyond = gap.low is not None and gap.low > 0
    pairs = " and ".join(
        f"{way} {one.estimate:.2f} [{one.low:.2f}, {one.high:.2f}]"
        for way, one in zip(("direction", "perplexity"), matched)
        if one.estimate is not None and one.low is not None and one.high is not None
    )
    first = f"the direction {'tells' if known else 'is not shown to tell'} {name} from the crossed sentences"
    second = "and beats perplexity" if beyond else "and is not shown to beat perplexity"
    return f"{first}, {second}; against the same words crossed, AUROC by {pairs}"


def _centred(scores: Doubles, squares: NDArray[np.int64]) -> Doubles:
    """Scores less the mean of their square: what is left compares sentences of the same words."""
    total = np.bincount(squares, weights=scores)
    number = np.bincount(squares)
    centred: Doubles = scores - (total / np.maximum(number, 1))[squares]
    return centred


def usable(good: Sequence[bool], read: Sequence[Sentence]) -> NDArray[np.bool_]:
    """Which sentences count: those whose whole square was read, so that both kinds keep the same words."""
    broken = {sentence.square for sentence, fine in zip(read, good) if not fine}
    return np.array([sentence.square not in broken for sentence in read], dtype=np.bool_)
