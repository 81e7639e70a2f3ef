"""Readings into arrays, one prompt at a time: what is kept is one residual stack a prompt, all else is a few numbers a layer.

Bound: n × (L + 1) × d × 4 bytes for n prompts, and as much for the sentences of one set at a time; `kept` says it. A reading with an
error, or with a value that is not a number, is counted by its kind and leaves no row.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence

import msgspec
import numpy as np
from numpy.typing import NDArray

from obverse.core.errors import EvidenceError
from obverse.stability.inside.attention import share, spread
from obverse.stability.inside.directions import Floats
from obverse.stability.inside.lexical import lens, margin
from obverse.stability.inside.ranking import Doubles
from obverse.stability.ports import Looks, Read, Reading, Wants


class Kept(msgspec.Struct, frozen=True, kw_only=True):
    """What is kept of one reading besides its states; None where the model gave none. `reduced` is what the caller made of `mean`."""

    tokens: int
    margin: float | None
    perplexity: float | None
    lens: Doubles | None
    spread: Doubles | None
    share: Doubles | None
    routing: Floats | None
    reduced: float | None


class Gathered(msgspec.Struct, frozen=True, kw_only=True):
    """`states` (n, L + 1, d) and `kept` of the prompts that were read, `rows` their places; `errors` counts the others by kind."""

    states: Floats
    kept: tuple[Kept, ...]
    rows: NDArray[np.int64]
    errors: dict[str, int]
    tokens: dict[str, int]
    """Every prompt's, also of those that were not read."""


def gathered(
    model: Looks,
    reads: Sequence[Read],
    wants: Wants,
    *,
    of_mean: bool = False,
    reduce: Callable[[Floats], float | None] | None = None,
    told: Callable[[int], None],
) -> Gathered:
    """All readings, reduced as they come. `of_mean` keeps the mean over the span in place of the last token; `reduce` sees it.

    Raises:
        EvidenceError: if a reading is of another prompt than was asked, or not of the model's shape.
    """
    shape = model.shape
    states = np.empty((len(reads), shape.layers + 1, shape.width), dtype=np.float32)
    kept, rows, errors, tokens = list[Kept](), list[int](), Counter[str](), dict[str, int]()
    readings = iter(model.read(reads, wants))
    for place, read in enumerate(reads):
        reading = next(readings, None)
        if reading is None or reading.id != read.id:
            raise EvidenceError(
                f"the reading of `{read.id}` is of `{reading.id if reading else 'nothing'}`", code="B402",
                hint="readings come in the order asked, one each",
            )  # fmt: skip
        tokens[read.id] = reading.tokens
        state = reading.mean if of_mean else reading.last
        fault = _fault(reading, state)
        if fault is None and state is not None:
            if state.shape != states.shape[1:]:
                raise EvidenceError(
                    f"the reading of `{read.id}` has the shape `{state.shape}`, the model says `{states.shape[1:]}`",
                    code="B403",
                )
            states[len(rows)] = state
            kept.append(_kept(reading, reduce))
            rows.append(place)
        else:
            errors[fault or "nothing read"] += 1
        told(1)
    if next(readings, None) is not None:  # and the model knows that this reading is over
        raise EvidenceError(f"more readings than the `{len(reads)}` that were asked", code="B405")
    return Gathered(
        states=states[: len(rows)],
        kept=tuple(kept),
        rows=np.array(rows, dtype=np.int64),
        errors=dict(errors),
        tokens=tokens,
    )


def _fault(reading: Reading, state: Floats | None) -> str | None:
    if reading.error is not None:
        return reading.error
    if state is None:
        return "nothing read"
    return None if np.isfinite(state).all() else "not a number"


def _kept(reading: Reading, reduce: Callable[[Floats], float | None] | None) -> Kept:
    perplexity = reading.perplexity
    good = perplexity is not None and np.isfinite(perplexity) and perplexity > 0
    mean = reading.mean
    return Kept(
        tokens=reading.tokens,
        margin=margin(reading),
        perplexity=perplexity if good else None,
        lens=lens(reading),
        spread=spread(reading),
        share=share(reading),
        routing=reading.routing,
        reduced=reduce(mean) if reduce is not None and mean is not None and np.isfinite(mean).all() else None,
    )
