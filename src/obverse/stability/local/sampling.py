"""One token for each row, chosen by numbers that belong to the row alone: its seed and how many tokens it has.

So a draw does not depend on what is drawn beside it, but for the rounding of the logits themselves. No global state.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import msgspec
import numpy as np
import torch

if TYPE_CHECKING:
    from numpy.typing import NDArray

_BLOCK: Final = 256
_LEAST: Final = -200.0  # exp of it is nought in f32, and nought times it is nought


def numbers(seed: int, count: int) -> NDArray[np.float64]:
    """The first `count` uniform numbers of this seed, in [0, 1): the same ones however many are asked for (Philox, by counter)."""
    return np.random.Generator(np.random.Philox(key=seed % 2**128)).random(count)


class Chosen(msgspec.Struct, frozen=True, kw_only=True):
    """For each row: the token, its log-probability, the entropy (nats) of what it was drawn from; `bad` where no logits were numbers."""

    tokens: list[int]
    logprobs: list[float]
    entropies: list[float]
    bad: list[bool]


def choose(logits: torch.Tensor, temperatures: list[float], uniforms: list[float]) -> Chosen:
    """A token of each row of `logits` (rows, vocabulary), by inversion: the first at which the sum of the probabilities passes its number.

    Temperature 0 takes the likeliest, the first of equals. Its figures are then those at temperature 1: of the distribution that
    was really sampled from, a single point, they would say nothing.
    """
    wide = logits.float()
    top, best = wide.max(dim=-1)
    bad = ~torch.isfinite(top)
    warm = torch.tensor([each or 1.0 for each in temperatures], dtype=torch.float32, device=logits.device)
    shifted = (wide - torch.where(bad, 0.0, top)[:, None]).div_(warm[:, None]).clamp_(min=_LEAST)
    shifted[bad] = 0.0
    weights = shifted.exp()
    total = weights.sum(dim=-1)
    entropies = total.log() - torch.linalg.vecdot(weights, shifted) / total
    tokens = best.tolist()
    warmed = [row for row, temperature in enumerate(temperatures) if temperature]
    if warmed:
        some = weights if len(warmed) == len(temperatures) else weights[warmed]
        for row, token in zip(warmed, _inverted(some, [uniforms[row] for row in warmed]), strict=True):
            tokens[row] = token
    picked = shifted.gather(1, torch.tensor(tokens, device=logits.device)[:, None])[:, 0]
    return Chosen(
        tokens=tokens,
        logprobs=(picked - total.log()).tolist(),
        entropies=entropies.clamp_(min=0.0).tolist(),
        bad=bad.tolist(),
    )


def _inverted(weights: torch.Tensor, uniforms: list[float]) -> list[int]:
    """Sums of blocks first, then within one block: a running sum over the whole vocabulary in f64 would cost more than the draw."""
    rows, size = weights.shape
    whole = size // _BLOCK * _BLOCK
    sums = weights[:, :whole].reshape(rows, -1, _BLOCK).sum(dim=-1)
    if whole < size:
        sums = torch.cat([sums, weights[:, whole:].sum(dim=-1, keepdim=True)], dim=1)
    running = sums.double().cumsum(dim=1).cpu().numpy()
    drawn = []
    for row, uniform in enumerate(uniforms):
        sought = min(uniform * running[row, -1], np.nextafter(running[row, -1], 0.0))
        block = min(int(np.searchsorted(running[row], sought, side="right")), running.shape[1] - 1)
        before = running[row, block - 1] if block else 0.0
        inside = weights[row, block * _BLOCK : (block + 1) * _BLOCK].double().cpu().numpy()
        within = int(np.searchsorted(inside.cumsum(), sought - before, side="right"))
        # rounding may run past the end of the block; never onto a token that has no weight
        drawn.append(block * _BLOCK + min(within, int(np.flatnonzero(inside)[-1]) if inside.any() else 0))
    return drawn
