"""Attention as transformers calls it, with a place from which the last token's weights can be watched. Computes them for nobody else.

Registered under the name `obverse`; without a watcher it is PyTorch's own attention.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any, Final, Protocol

import torch
from torch import nn
from transformers import AttentionInterface
from transformers.integrations.sdpa_attention import sdpa_attention_forward
from transformers.masking_utils import AttentionMaskInterface, sdpa_mask

NAME: Final = "obverse"


class Watcher(Protocol):
    """Told of each layer's attention as it is computed."""

    def __call__(
        self,
        module: nn.Module,
        query: torch.Tensor,
        key: torch.Tensor,
        mask: torch.Tensor | None,
        scores: Scores,
    ) -> None: ...


class Scores:
    """How this layer makes scores out of queries and keys: its scale, a soft cap, and learnt sinks that take weight."""

    def __init__(self, scaling: float, softcap: float | None, sinks: torch.Tensor | None) -> None:
        self.scaling = scaling
        self.softcap = softcap
        self.sinks = sinks

    def __call__(self, query: torch.Tensor, key: torch.Tensor) -> torch.Tensor:
        """(rows, heads, queries, slots) of (rows, heads, queries, width) and (rows, key heads, slots, width)."""
        rows, heads, queries, width = query.shape
        grouped = query.reshape(
            rows, key.shape[1], -1, width
        )  # the query heads of one key head stand beside each other
        scores = (grouped @ key.transpose(2, 3)).reshape(rows, heads, queries, -1) * self.scaling
        return scores if self.softcap is None else torch.tanh(scores / self.softcap) * self.softcap


_WATCHER: ContextVar[Watcher | None] = ContextVar("watcher", default=None)


@contextmanager
def watched(watcher: Watcher) -> Iterator[None]:
    """While it is open, `watcher` is told of every attention of every layer."""
    before = _WATCHER.set(watcher)
    try:
        yield
    finally:
        _WATCHER.reset(before)


def _attend(
    module: nn.Module,
    query: torch.Tensor,
    key: torch.Tensor,
    value: torch.Tensor,
    attention_mask: torch.Tensor | None,
    *,
    scaling: float | None = None,
    dropout: float = 0.0,
    **more: Any,
) -> tuple[torch.Tensor, torch.Tensor | None]:
    scores = Scores(scaling or query.shape[-1] ** -0.5, more.get("softcap"), more.get("s_aux"))
    if watcher := _WATCHER.get():
        watcher(module, query, key, attention_mask, scores)
    if scores.softcap is None and scores.sinks is None:
        found: tuple[torch.Tensor, None] = sdpa_attention_forward(
            module, query, key, value, attention_mask, dropout=dropout, scaling=scaling, **more
        )
        return found
    return _plainly(query, key, value, attention_mask, scores), None


def _plainly(
    query: torch.Tensor, key: torch.Tensor, value: torch.Tensor, mask: torch.Tensor | None, scores: Scores
) -> torch.Tensor:
    """Attention in so many words, for what PyTorch's own does not know: soft caps and sinks."""
    rows, heads, queries, _ = query.shape
    weights = scores(query, key).float()
    slots = weights.shape[-1]
    if mask is None:  # as PyTorch's: causal, and a single query sees all
        mask = torch.ones(queries, slots, dtype=torch.bool, device=query.device).tril(slots - queries)
    weights = weights.masked_fill(~mask, torch.finfo(weights.dtype).min)
    if scores.sinks is not None:
        sinks = scores.sinks.float().view(1, heads, 1, 1).expand(rows, heads, queries, 1)
        weights = torch.cat([weights, sinks], dim=-1).softmax(dim=-1)[..., :-1]
    else:
        weights = weights.softmax(dim=-1)
    grouped = weights.to(value.dtype).reshape(rows, value.shape[1], -1, slots)
    return (grouped @ value).reshape(rows, heads, queries, -1).transpose(1, 2).contiguous()


AttentionInterface.register(NAME, _attend)
AttentionMaskInterface.register(NAME, sdpa_mask)
