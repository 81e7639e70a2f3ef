"""Sparse upcycling: a dense model of Llama's shape becomes a Mixture of Experts that says the same (arXiv:2212.05055).

Each expert is a copy of the dense layer's own feed-forward part and the router is small random numbers. Mixtral's router gives the
chosen experts weights that sum to one, so that before any training the mixture computes what the dense model does, up to rounding;
`upcycled` compares the logits and refuses anything else. Experts differ only once they are trained (`specialised`).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any, Final

import msgspec
import numpy as np
import torch
import transformers

from obverse.core.errors import EvidenceError, MisuseError
from obverse.stability.lessons import Lesson
from obverse.stability.local.training import Learner, Recipe, answer_loss, digest_of

CLOSE: Final = 1e-3
"""How far logits of the mixture may be from the dense model's, in f32."""

_SAME: Final = (
    "vocab_size", "hidden_size", "intermediate_size", "num_hidden_layers", "num_attention_heads", "num_key_value_heads",
    "head_dim", "hidden_act", "max_position_embeddings", "initializer_range", "rms_norm_eps", "rope_parameters",
    "attention_dropout", "tie_word_embeddings", "pad_token_id", "bos_token_id", "eos_token_id",
)  # fmt: skip


class Routing(msgspec.Struct, frozen=True, kw_only=True):
    """How a mixture shares out the tokens of texts, by layer: `load[layer][expert]` is the mean router probability.

    `by_topic` is per layer the mutual information, in nats, between a text's topic and the expert that a token of it is given to: 0
    where routing does not follow topic, at most the log of the number of experts.
    """

    load: tuple[tuple[float, ...], ...]
    by_topic: tuple[float, ...]
    tokens: int


class Specialised(msgspec.Struct, frozen=True, kw_only=True):
    """What training a mixture did: mean loss per answer token of each epoch, load-balancing loss included."""

    lessons: str
    recipe: Recipe
    steps: int
    learnt: int
    losses: tuple[float, ...]


def upcycled(dense: Learner, *, experts: int = 4, chosen: int = 2, seed: int = 0, spread: float = 0.02) -> Learner:
    """A Mixtral that computes what this model does, its router's weights normal with deviation `spread`.

    Raises:
        MisuseError: if the model is not of Llama's shape, or the numbers make no mixture.
        EvidenceError: if what it computes is not the same.
    """
    old = dense.model.config
    if old.model_type != "llama" or getattr(old, "attention_bias", False) or getattr(old, "mlp_bias", False):
        raise MisuseError(
            f"a model of type `{old.model_type}` cannot be upcycled", code="B640", hint="one of Llama's shape"
        )
    if not 1 <= chosen <= experts or experts < 2:
        raise MisuseError(f"{chosen} of {experts} experts make no mixture", code="B641")
    config = transformers.MixtralConfig(
        **{name: getattr(old, name) for name in _SAME if hasattr(old, name)},
        num_local_experts=experts, num_experts_per_tok=chosen, sliding_window=None, router_aux_loss_coef=0.02,
    )  # fmt: skip
    config.architectures = ["MixtralForCausalLM"]
    with torch.device("meta"):
        model = transformers.MixtralForCausalLM(config)
    model.to_empty(device="cpu")
    model.load_state_dict(_state(dense.model, model, experts, seed, spread), strict=True, assign=True)
    model.model.rotary_emb = dense.model.model.rotary_emb
    model.tie_weights()
    model.generation_config = dense.model.generation_config
    model.set_attn_implementation("eager")
    model.eval()
    model.requires_grad_(requires_grad=False)
    made = Learner(model, dense.tokenizer, source=dense.source, name=f"{dense.name}-{experts}x")
    away = furthest(dense, made)
    if not away <= CLOSE:
        raise EvidenceError(f"the mixture's logits are {away:.2g} from the dense model's", code="B642")
    return made


_TEXTS: Final = (
    "The quick brown fox jumps over the lazy dog.",
    "Water boils at 100 degrees at the level of the sea, and lower on a mountain.",
    "def add(a, b):\n    return a + b\n",
)


def furthest(first: Learner, second: Learner, texts: Sequence[str] = _TEXTS) -> float:
    """The largest difference between two models' logits at any place of these texts."""
    most = 0.0
    for text in texts:
        tokens = torch.tensor([first.tokenizer(text)["input_ids"]])
        with torch.no_grad():
            most = max(most, float((first.model(tokens).logits - second.model(tokens).logits).abs().max()))
    return most


def _state(dense: Any, mixture: Any, experts: int, seed: int, spread: float) -> dict[str, torch.Tensor]:
    """The mixture's weights by name: what both have is shared with the dense model, experts are copies."""
    held = dense.state_dict()
    draws = torch.Generator().manual_seed(seed)
    state = {}
    for name, empty in mixture.state_dict().items():
        layer = name.split(".mlp.")[0]
        if name.endswith(".gate.weight"):
            state[name] = torch.empty(empty.shape).normal_(0.0, spread, generator=draws)
        elif name.endswith("experts.gate_up_proj"):
            both = torch.cat([held[f"{layer}.mlp.gate_proj.weight"], held[f"{layer}.mlp.up_proj.weight"]])
            state[name] = both.repeat(experts, 1, 1)
        elif name.endswith("experts.down_proj"):
            state[name] = held[f"{layer}.mlp.down_proj.weight"].repeat(experts, 1, 1)
        else:
            state[name] = held[name].clone()
        if state[name].shape != empty.shape:
            raise MisuseError(
                f"`{name}` has the shape {tuple(state[name].shape)}, not {tuple(empty.shape)}", code="B643"
            )
    return state


def specialised(
    one: Learner,
    lessons: Sequence[Lesson],
    recipe: Recipe,
    *,
    router_rate: float = 1e-2,
    told: Callable[[int, int, float], None] = lambda *_: None,
) -> Specialised:
    """Trains routers and experts of the last layers on these lessons, in place, with Mixtral's own load-balancing loss.

    Routers learn at `router_rate`, experts at the recipe's; attention, norms and embeddings stay.

    Raises:
        MisuseError: if the loss stops being a number, or there are no routers.
    """
    layers = one.layers[-recipe.last :] if recipe.last is not None else one.layers
    named = [(name, weight) for layer in layers for name, weight in layer.named_parameters()]
    routers = [weight for name, weight in named if name.endswith("mlp.gate.weight")]
    experts = [weight for name, weight in named if ".experts." in name]
    if not routers or not experts or not lessons:
        raise MisuseError("there are no routers or no lessons", code="B644")
    pairs = [one.encoded(lesson, longest=recipe.longest) for lesson in lessons]
    before = one.model.config._experts_implementation  # noqa: SLF001  # transformers offers a setter only
    # expert by expert, each backward would fill a gradient of all of them
    one.model.set_experts_implementation("grouped_mm")
    for weight in (*routers, *experts):
        weight.requires_grad_(requires_grad=True)
    # one pass over each weight a step (`fused`): the experts are most of the model, and most of a step
    optimiser = torch.optim.AdamW(
        [{"params": routers, "lr": router_rate}, {"params": experts, "lr": recipe.rate}],
        weight_decay=recipe.decay,
        fused=True,
    )
    per_epoch = math.ceil(len(pairs) / recipe.batch)
    losses, number = [], 0
    for epoch in range(recipe.epochs):
        order = np.random.Generator(np.random.PCG64([recipe.seed, epoch])).permutation(len(pairs))
        total = 0.0
        for begin in range(0, len(pairs), recipe.batch):
            step = [pairs[place] for place in order[begin : begin + recipe.batch]]
            loss, _ = answer_loss(one.model, step, output_router_logits=True)
            value = float(loss.detach())
            number += 1
            if not math.isfinite(value):
                raise MisuseError(f"the loss is `{value}` at step {number}", code="B645", hint="a lower rate")
            loss.backward()
            torch.nn.utils.clip_grad_norm_([*routers, *experts], recipe.clip)
            optimiser.step()
            optimiser.zero_grad(set_to_none=True)
            total += value / per_epoch
            told(number, per_epoch * recipe.epochs, value)
        losses.append(total)
    for weight in (*routers, *experts):
        weight.requires_grad_(requires_grad=False)
    one.model.set_experts_implementation(before)
    return Specialised(
        lessons=digest_of(lessons), recipe=recipe, steps=number, losses=tuple(losses),
        learnt=sum(weight.numel() for weight in (*routers, *experts)),
    )  # fmt: skip


def routing(one: Learner, texts: Sequence[tuple[str, str]]) -> Routing:
    """How the mixture shares out the tokens of (topic, text) pairs.

    Raises:
        MisuseError: if the model has no routers, or there is nothing to read.
    """
    topics = sorted({topic for topic, _ in texts})
    sums: Any = None
    tokens = 0
    for topic, text in texts:
        ids = torch.tensor([one.tokenizer(text)["input_ids"]])
        with torch.no_grad():
            logits = getattr(one.model(ids, output_router_logits=True), "router_logits", None)
        if not logits:
            raise MisuseError("the model has no routers", code="B646")
        shares = np.stack([each.float().softmax(-1).double().sum(0).numpy() for each in logits])
        if sums is None:
            sums = np.zeros((len(shares), len(topics), shares.shape[1]))
        sums[:, topics.index(topic)] += shares
        tokens += ids.shape[1]
    if sums is None:
        raise MisuseError("there is no text to read", code="B647")
    joint = sums / sums.sum(axis=(1, 2), keepdims=True)
    apart = joint.sum(axis=2, keepdims=True) * joint.sum(axis=1, keepdims=True)
    terms = np.where(joint > 0, joint * np.log(np.where(joint > 0, joint, 1.0) / np.where(apart > 0, apart, 1.0)), 0.0)
    load = joint.sum(axis=1)
    return Routing(
        load=tuple(tuple(float(share) for share in row) for row in load),
        by_topic=tuple(max(float(value), 0.0) for value in terms.sum(axis=(1, 2))),
        tokens=tokens,
    )
