"""The signals that stand on a lexicon: the refusal margin of the next token, and the logit lens at every layer.

    margin = log P(refusal openers) - log P(compliance openers)         of the model's own next token
    lens_l = log P_l(refusal words), log P_l(hazard words), log of their sum; P_l = softmax(W_U norm(h_l)) at the last prompt token

Source of the lens: nostalgebraist, interpreting GPT: the logit lens (2020). A word stands for its first token: see the pages.
"""

from __future__ import annotations

import math

import numpy as np

from obverse.stability.inside.ranking import Doubles
from obverse.stability.ports import Reading


def margin(reading: Reading) -> float | None:
    """The refusal margin in nats: above 0 a refusal is the likelier opening. None if the model does not give it."""
    refusal, compliance = reading.logits.get("refusal"), reading.logits.get("compliance")
    if refusal is None or compliance is None:
        return None
    gap = refusal - compliance
    return gap if math.isfinite(gap) else None


def lens(reading: Reading) -> Doubles | None:
    """(3, L + 1): refusal, hazard, either; log-probabilities of the lens. None if the model does not give them."""
    refusal, hazard = reading.words.get("refusal"), reading.words.get("hazard")
    if refusal is None or hazard is None:
        return None
    both = np.stack([refusal, hazard]).astype(np.float64)
    return np.vstack([both, np.logaddexp(both[0], both[1])]) if np.isfinite(both).all() else None
