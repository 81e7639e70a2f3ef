"""Where in a model the layers, the last norm, the way to the vocabulary, the heads and the routers are: found by structure, not by name.

The way from the residual stream to logits is tried once on a few tokens and compared with the model's own logits; where it does not come
out the same, the lens and the perplexity are not offered. Not a list of architectures.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

import torch
from torch import nn

from obverse.core.errors import MisuseError

_EXPERTS: Final = ("num_local_experts", "num_experts", "n_routed_experts", "moe_num_experts")
_ATTENDS: Final = frozenset({"full_attention", "sliding_attention", "chunked_attention", "attention"})


class Anatomy:
    """The parts of one causal language model.

    Raises:
        MisuseError: if it has no stack of layers that we can find, or layers that keep something else than keys and values.
    """

    def __init__(self, module: nn.Module) -> None:
        config: Any = module.config
        config = config.get_text_config() if hasattr(config, "get_text_config") else config
        if getattr(config, "is_encoder_decoder", False):
            raise MisuseError("an encoder with a decoder is no causal language model", code="B320")
        kinds = set(getattr(config, "layer_types", None) or ()) - _ATTENDS
        if kinds:
            raise MisuseError(
                f"layers of kind `{min(kinds)}` keep more than keys and values",
                code="B321",
                hint="a model with attention in every layer",
            )
        self.trunk, self.layers = _stack(module, int(config.num_hidden_layers))
        self.head: nn.Module = module.get_output_embeddings()
        if self.head is None:
            raise MisuseError("the model gives no logits", code="B322", hint="one that is made `ForCausalLM`")
        self.width = int(config.hidden_size)
        self.heads = int(config.num_attention_heads)
        self.context = int(getattr(config, "max_position_embeddings", None) or 2048)
        self.experts, self.routers = _routers(self.layers, config, self.width)
        self.vocabulary = int(module.get_input_embeddings().weight.shape[0])
        self.norm: nn.Module | None = None
        self.scaled: Callable[[torch.Tensor], torch.Tensor] | None = None
        """From what the head gives to logits; None if that was not understood."""
        self._try(module, config)

    def normed(self, residual: torch.Tensor) -> torch.Tensor:
        """The residual stream through the last norm, as the head gets it."""
        return self.norm(residual) if self.norm is not None else residual

    def project(self, normed: torch.Tensor) -> torch.Tensor:
        """Logits of what the head gets, (…, width) → (…, vocabulary), in f32; only where `scaled` is known."""
        assert self.scaled is not None  # INVARIANT: callers look at `scaled` first
        return self.scaled(self.head(normed).float())

    def _try(self, module: nn.Module, config: Any) -> None:
        """Finds the last norm, as what the trunk calls after its layers, and what is done to logits."""
        called: list[nn.Module] = []
        last: list[torch.Tensor] = []

        def over(_: nn.Module, __: Any, output: Any) -> None:
            called.clear()
            last.append(first(output))

        hooks = [
            child.register_forward_hook(lambda part, _, __: called.append(part))
            for child in self.trunk.children()
            if not isinstance(child, nn.ModuleList)
        ]
        hooks.append(self.layers[-1].register_forward_hook(over))
        weight = next(module.parameters())
        ids = torch.arange(1, 6, device=weight.device)[None] % self.vocabulary
        with torch.inference_mode():
            try:
                logits = module(input_ids=ids, use_cache=False).logits.float()
            finally:
                for hook in hooks:
                    hook.remove()
            self.norm = called[-1] if called else None
            close = (1e-3 if weight.dtype == torch.float32 else 0.1) * (1 + float(logits.abs().max()))
            for scaled in _scalings(config):
                self.scaled = scaled
                ours = self.project(self.normed(last[-1]))
                if ours.shape == logits.shape and float((ours - logits).abs().max()) <= close:
                    return
        self.scaled = None


def first(output: Any) -> torch.Tensor:
    """The hidden states in what a layer gives: it alone, or the first of several."""
    found = output[0] if isinstance(output, tuple | list) else output
    assert isinstance(found, torch.Tensor)  # INVARIANT: what transformers' layers give
    return found


def _stack(module: nn.Module, count: int) -> tuple[nn.Module, list[nn.Module]]:
    for owner in module.modules():
        for child in owner.children():
            if isinstance(child, nn.ModuleList) and len(child) == count:
                return owner, list(child)
    raise MisuseError(f"no stack of {count} layers in this model", code="B323", hint="a decoder of transformers")


def _routers(layers: list[nn.Module], config: Any, width: int) -> tuple[int | None, dict[int, nn.Module]]:
    """By layer the part whose weight maps the residual stream to one number for each expert."""
    experts = next((int(count) for name in _EXPERTS if (count := getattr(config, name, None))), None)
    if experts is None or experts < 2:
        return None, {}
    found = {}
    for at, layer in enumerate(layers):
        for part in layer.modules():
            weight = getattr(part, "weight", None)
            if isinstance(weight, torch.Tensor) and tuple(weight.shape) == (experts, width):
                found[at] = part
                break
    return (experts, found) if found else (None, {})


def routed(router: nn.Module, states: torch.Tensor) -> torch.Tensor:
    """Router probabilities (…, experts) of states (…, width), over all experts, before the choice of a few.

    Softmax of the logits; where a router scores each expert by itself (sigmoid, with a correction), those scores over their sum.
    """
    weight, bias = router.weight.to(states.dtype), getattr(router, "bias", None)
    logits = states @ weight.T if bias is None else states @ weight.T + bias.to(states.dtype)
    if getattr(router, "e_score_correction_bias", None) is not None:
        scores = logits.sigmoid()
        return scores / scores.sum(dim=-1, keepdim=True)
    return logits.softmax(dim=-1)


def _scalings(config: Any) -> list[Callable[[torch.Tensor], torch.Tensor]]:
    """What models are known to do to logits; each is tried."""
    found: list[Callable[[torch.Tensor], torch.Tensor]] = [lambda logits: logits]
    if cap := getattr(config, "final_logit_softcapping", None):
        found.append(lambda logits: torch.tanh(logits / cap) * cap)
    if scale := getattr(config, "logit_scale", None):
        found.append(lambda logits: logits * scale)
    if divisor := getattr(config, "logits_scaling", None):
        found.append(lambda logits: logits / divisor)
    return found
