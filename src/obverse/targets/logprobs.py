"""Log-probabilities of an answer, as OpenAI-compatible servers give them, reduced to two means.

Servers list, for each token, the likeliest alternatives with the model's own log-probabilities, before temperature. What was sampled
from is p^(1/T) renormalised; its entropy is known only as far as the list covers it. Mass that is not listed lies in tokens that
are each no likelier than the last one listed, so for T <= 1 it is at most `(1 - listed) * last^(1/T - 1)` before renormalising,
which bounds what is left out. An answer whose lists cover 0.99 of the mass or less on average has no entropy here.

Not a tokenizer: what ends an answer is often not listed by a server, and then is not in the means.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, Final

from obverse.core.chat import Measured

COVERED: Final = 0.99
"""So much of the mass, on average over the tokens, the lists must cover."""
_HARDLY: Final = -50.0
_MOST: Final = 700.0  # exp of more is no number


def measured(content: Sequence[Any] | None, temperature: float) -> Measured:
    """The means over these tokens: objects with `logprob` and `top_logprobs`, anything else is no answer to what was asked."""
    if not content:
        return Measured(missing="the endpoint answered without log-probabilities")
    try:
        drawn = [float(token["logprob"]) for token in content]
        listed = [_listed(token) for token in content]
    except (KeyError, TypeError, ValueError, OverflowError):
        return Measured(missing="the endpoint's log-probabilities are not of the usual form")
    if any(math.isnan(one) or one > 1e-6 for one in (*drawn, *(one[0] for one in listed if one))):
        return Measured(missing="the endpoint gave log-probabilities that are none")
    logprob = math.fsum(max(one, -1e4) for one in drawn) / len(drawn)
    if temperature == 0:
        return Measured(logprob=logprob, missing="nothing was sampled: temperature 0")
    parts = [_entropy(one, temperature) for one in listed]
    coverage = math.fsum(part[1] for part in parts) / len(parts)
    if not coverage > COVERED:
        why = f"the alternatives that the endpoint lists cover {coverage:.0%} of the mass on average"
        return Measured(logprob=logprob, missing=why)
    return Measured(logprob=logprob, entropy=math.fsum(part[0] for part in parts) / len(parts))


def _listed(token: Any) -> list[float]:
    """The log-probabilities of the alternatives, likeliest first; the drawn token is among them."""
    top = {str(one["token"]): float(one["logprob"]) for one in token.get("top_logprobs") or ()}
    top.setdefault(str(token["token"]), float(token["logprob"]))
    return sorted((one for one in top.values() if one > -1e4), reverse=True)


def _entropy(listed: Sequence[float], temperature: float) -> tuple[float, float]:
    """(entropy of what was sampled from, with all that is not listed as one lump; the share that is listed), both lower bounds.

    Above temperature 1 the unlisted mass grows by an amount that cannot be bounded from the list: the share is then that before it.
    """
    if not listed or listed[0] < _HARDLY:
        return 0.0, 0.0
    top, last = listed[0], listed[-1]
    rest = max(0.0, 1.0 - math.fsum(math.exp(one) for one in listed))
    tempered = [math.exp((one - top) / temperature) for one in listed]
    lump = rest * math.exp(min((last - top) / temperature - last, _MOST) if temperature <= 1 else 0.0)
    total = math.fsum(tempered) + lump
    shares = [one / total for one in [*tempered, lump] if one > 0]
    return -math.fsum(share * math.log(share) for share in shares), math.fsum(tempered) / total
