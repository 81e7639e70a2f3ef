"""What one run of the model leaves of each of its layers: hooks that reduce at once and keep a few numbers for each row.

Everything is reduced in f32 or f64, whatever the model computes in. Nothing of the size of (rows, tokens, width) outlives its layer.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from typing import Any

import torch
from torch import nn

from obverse.stability.local.anatomy import Anatomy, first, routed
from obverse.stability.local.attention import Scores, watched
from obverse.stability.local.passes import Asked
from obverse.stability.ports import Wants


class Taps:
    """For one batch, by layer: `last` and `mean` (rows, width), `entropy` and `weight` (rows, heads), `routing` (rows, experts).

    `spans` are the tokens of each row's span, first and one past the last, counted from the beginning of its sequence. `final` is what
    the model's head would get, (rows, new tokens, width).
    """

    def __init__(
        self, anatomy: Anatomy, batch: Sequence[Asked], spans: Sequence[tuple[int, int]], wants: Wants
    ) -> None:
        self.last: list[torch.Tensor] = []
        self.mean: list[torch.Tensor] = []
        self.entropy: dict[int, torch.Tensor] = {}
        self.weight: dict[int, torch.Tensor] = {}
        self.routing: dict[int, torch.Tensor] = {}
        self.final: torch.Tensor | None = None
        self._anatomy = anatomy
        self._wants = wants
        self._dtype = torch.float64 if wants.dtype == "f64" else torch.float32
        self._owner = {id(part): at for at, layer in enumerate(anatomy.layers) for part in layer.modules()}
        device = next(anatomy.head.parameters()).device
        self._rows = torch.arange(len(batch), device=device)
        self._lasts = torch.tensor([len(each.new) - 1 for each in batch], device=device)
        self._lengths = torch.tensor([len(each.tokens) for each in batch], device=device)
        self._spans = torch.tensor(spans, device=device)
        new = torch.arange(max(len(each.new) for each in batch), device=device)
        token = new + torch.tensor([each.at for each in batch], device=device)[:, None]
        self._in_span = (token >= self._spans[:, :1]) & (token < self._spans[:, 1:])
        end = max(each.at for each in batch)  # where the pasts of the batch end: see `Rows`
        self._starts = torch.tensor([end - each.at for each in batch], device=device)

    @contextmanager
    def open(self) -> Iterator[None]:
        """While it is open, the model is read."""
        with ExitStack() as hooks:
            if self._wants.residual or self._wants.words:
                hook = self._anatomy.layers[0].register_forward_pre_hook(self._embedding, with_kwargs=True)
                hooks.callback(hook.remove)
                for layer in self._anatomy.layers:
                    hooks.callback(layer.register_forward_hook(self._residual).remove)
            if self._wants.routing:
                for at, router in self._anatomy.routers.items():
                    hook = router.register_forward_pre_hook(lambda part, args, at=at: self._route(at, part, args[0]))
                    hooks.callback(hook.remove)
            if self._wants.attention:
                hooks.enter_context(watched(self._attended))
            yield

    def head(self, states: torch.Tensor) -> torch.Tensor:
        """Takes what the head would get, and lets it have next to nothing."""
        self.final = states
        return states[:1, :1]

    def at(self, states: torch.Tensor) -> torch.Tensor:
        """The states (rows, width) of the last token of each row."""
        return states[self._rows, self._lasts]

    def _embedding(self, _: nn.Module, args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
        self._reduce(args[0] if args else kwargs["hidden_states"])

    def _residual(self, _: nn.Module, __: Any, output: Any) -> None:
        self._reduce(first(output))

    def _reduce(self, states: torch.Tensor) -> None:
        self.last.append(self.at(states))
        if self._wants.residual:
            self.mean.append(self._over_span(states))

    def _over_span(self, states: torch.Tensor) -> torch.Tensor:
        """Mean over the tokens of the span; what is outside counts as nought, whatever it is."""
        inside = states.to(self._dtype).masked_fill(~self._in_span[..., None], 0.0)
        return inside.sum(dim=1) / self._in_span.sum(dim=1, keepdim=True)

    def _route(self, at: int, router: nn.Module, states: torch.Tensor) -> None:
        probabilities = routed(router, states.reshape(*self._in_span.shape, -1).to(self._dtype))
        self.routing[at] = self._over_span(probabilities)

    def _attended(
        self, module: nn.Module, query: torch.Tensor, key: torch.Tensor, mask: torch.Tensor | None, scores: Scores
    ) -> None:
        at = self._owner.get(id(module))
        if at is None or query.shape[0] != len(self._rows):
            return
        ours = query[self._rows, :, self._lasts][:, :, None].to(self._dtype)
        found = scores(ours, key.to(self._dtype))[:, :, 0]
        slots = torch.arange(key.shape[2], device=key.device)
        token = slots - self._starts[:, None]
        seen = (token >= 0) & (token < self._lengths[:, None])
        if mask is not None:
            seen &= mask.expand(len(self._rows), -1, -1, -1)[self._rows, 0, self._lasts]
        inside = seen & (token >= self._spans[:, :1]) & (token < self._spans[:, 1:])
        whole = found.masked_fill(~seen[:, None], -torch.inf)
        if scores.sinks is not None:
            sinks = scores.sinks.to(self._dtype).view(1, -1, 1).expand(len(self._rows), -1, -1)
            whole = torch.cat([whole, sinks], dim=-1)
        span = found.masked_fill(~inside[:, None], -torch.inf)
        # log-softmax over the span alone: its share of the whole may be too small to divide by
        logs = span.log_softmax(dim=-1)
        self.entropy[at] = -(logs.exp() * logs.masked_fill(~inside[:, None], 0.0)).sum(dim=-1)
        self.weight[at] = (span.logsumexp(dim=-1) - whole.logsumexp(dim=-1)).exp()
