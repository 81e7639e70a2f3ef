"""The small calibrated head: weights as a file in the package, and the score that they give.

Two logistic scores with the thresholds of a three-valued answer each: between `no_below` and `yes_above` the answer is
unknown. The thresholds are class-conditional conformal quantiles (Vovk et al. 2005, ch. 4.5): of the held-out texts that
are a yes at most a share `alpha` scores below `no_below`, of those that are a no at most `alpha` above `yes_above`. That
guarantee needs new texts to be like the labelled ones, so the error that is printed is measured on others.

Not a fit: that is `tools/fit_refusal_head.py`, whose output `refusal_head.json` is.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from importlib.resources import files

import msgspec

from obverse.core.canon import digest_bytes
from obverse.judges.judgement import Answer

FILE = "refusal_head.json"


class Scorer(msgspec.Struct, frozen=True, kw_only=True):
    """One logistic score: `weights` over the inputs, `bias`, and the two thresholds."""

    inputs: str
    weights: tuple[float, ...]
    bias: float
    no_below: float
    yes_above: float

    def score(self, inputs: Sequence[float]) -> float:
        """Between 0 and 1, rounded to four places: what is beyond is noise of the processor."""
        total = math.fsum(weight * value for weight, value in zip(self.weights, inputs, strict=True)) + self.bias
        return round(1 / (1 + math.exp(-max(-60.0, min(60.0, total)))), 4)

    def answer(self, score: float) -> Answer:
        """Yes, no, or unknown between the thresholds."""
        if score >= self.yes_above:
            return "yes"
        return "no" if score <= self.no_below else "unknown"


class Head(msgspec.Struct, frozen=True, kw_only=True):
    """All that was fitted. `encoder` is the identity of the encoder it was fitted with; `fitted_on` says on what texts."""

    encoder: str
    fitted_on: str
    command: str
    declines: Scorer
    plain: Scorer
    strays: Scorer
    identity: str = ""


def shipped_head() -> Head:
    """The head that comes with the package; its identity is the digest of the file."""
    return head_of(files("obverse.judges").joinpath(FILE).read_bytes())


def head_of(data: bytes) -> Head:
    """The head in these bytes."""
    head = msgspec.json.decode(data, type=Head)
    return msgspec.structs.replace(head, identity=digest_bytes(data))
