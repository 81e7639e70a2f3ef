"""How the last token looks at the request: spread over the span, and how much of it falls there. Per layer, mean over heads.

    spread_l = mean_h H(a_lh renormalised over the span) / ln(span length)        in [0, 1]
    share_l  = mean_h Σ_{t in span} a_lht

Entropies of spans of different length do not compare, since ln(length) bounds them; so it is divided by that.
"""

from __future__ import annotations

import math

import numpy as np

from obverse.stability.inside.ranking import Doubles
from obverse.stability.ports import Reading


def spread(reading: Reading) -> Doubles | None:
    """The mean normalised entropy of each layer (L,); None without attention, or for a span of fewer than two tokens. A layer whose
    window does not reach the span is NaN.
    """
    if reading.attention is None or reading.span is None or reading.span[1] - reading.span[0] < 2:
        return None
    values = reading.attention.astype(np.float64).mean(axis=1) / math.log(reading.span[1] - reading.span[0])
    return values if np.isfinite(values).any() else None


def share(reading: Reading) -> Doubles | None:
    """The mean share of attention that falls on the span (L,); None without attention."""
    if reading.weight is None:
        return None
    values = reading.weight.astype(np.float64).mean(axis=1)
    return values if np.isfinite(values).all() else None
