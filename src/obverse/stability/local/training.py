"""A minimal fine-tune of a small model, on the processor: for checking what a fine-tune does to a boundary.

Not a trainer for real work: no schedule, no evaluation, no mixed precision. What it holds to:

1. Only the tokens of the answer count, the end of the answer among them; the prompt is read as it is when the model is asked.
2. The same source, lessons, recipe and number of threads give the same weights, bit by bit (f32, one order, no dropout).
3. A checkpoint is there whole or not at all: written beside its place, then renamed.

A recipe either moves all weights of the last layers (`rank` None), or learns low-rank updates of their linear maps (LoRA,
arXiv:2106.09685). What comes out is a whole Hugging Face folder or, unmerged, an adapter folder in PEFT's form over the source.
"""

from __future__ import annotations

import contextlib
import hashlib
import math
import os
import shutil
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, Final, TypeAlias

import msgspec
import numpy as np
import torch
import transformers
from safetensors.torch import save_file
from torch import nn

from obverse.core.errors import MisuseError, UntrustedInputError
from obverse.stability.lessons import Lesson
from obverse.stability.local.anatomy import Anatomy
from obverse.stability.local.template import Template
from obverse.stability.local.weights import load

Told: TypeAlias = Callable[[int, int, float], None]
"""Called behind each step with its number from 1, how many there are, and its loss."""

_IGNORED: Final = -100
"""The label that PyTorch's cross-entropy leaves out."""


class Recipe(msgspec.Struct, frozen=True, kw_only=True):
    """How to fine-tune. `last`: how many of the last layers learn, None for all of them; embeddings and head never do.

    `rank` None moves the weights themselves; a number learns low-rank updates, scaled by `alpha` / `rank`, which are added to the
    weights at the end, or with `merge` false kept apart as an adapter. `rate` is AdamW's; `clip` bounds the norm of the gradient of a
    step; `longest` the tokens of one lesson.
    """

    epochs: int = 2
    batch: int = 8
    rate: float = 3e-4
    decay: float = 0.0
    clip: float = 1.0
    last: int | None = 6
    rank: int | None = None
    alpha: float = 16.0
    merge: bool = True
    longest: int = 1024
    seed: int = 0
    threads: int | None = None


class Tuned(msgspec.Struct, frozen=True, kw_only=True):
    """What a fine-tune did. `losses` are means per answer token, one an epoch; `lessons` is the digest of what was taught."""

    folder: str
    form: str
    lessons: str
    recipe: Recipe
    steps: int
    answer_tokens: int
    learnt: int
    """How many numbers could move."""
    of: int
    losses: tuple[float, ...]


class Learner:
    """A model with its tokenizer and template, ready to learn or to be differentiated. `source` is the folder that it came from."""

    def __init__(self, model: Any, tokenizer: Any, *, source: Path, name: str) -> None:
        self.model = model
        self.tokenizer = tokenizer
        self.source = source
        self.name = name
        self.template = Template(tokenizer)
        self.layers = Anatomy(model).layers

    def encoded(self, lesson: Lesson, *, longest: int) -> tuple[list[int], list[int]]:
        """The tokens of the prompt, as the model is given them when it is asked, and those of the answer with its end.

        What looks like a control token in an answer is learnt as the characters that it is.

        Raises:
            UntrustedInputError: if it has more than `longest` tokens, or the answer none.
            MisuseError: if the template refuses these messages.
        """
        prompt = list(self.template.render(lesson.messages).ids)
        text = f" {lesson.answer}" if self.template.is_plain else lesson.answer
        answer = self.tokenizer(text, add_special_tokens=False, split_special_tokens=True)["input_ids"]
        if not answer:
            raise UntrustedInputError(f"the answer in line {lesson.line} has no tokens", code="B603")
        ends = self.template.ends or ((self.tokenizer.eos_token_id,) if self.tokenizer.eos_token_id is not None else ())
        answer = [*answer, *ends[:1]]
        if len(prompt) + len(answer) > longest:
            raise UntrustedInputError(
                f"the example in line {lesson.line} has {len(prompt) + len(answer)} tokens, more than {longest}",
                code="B604",
            )
        return prompt, answer


def learner(source: Path, *, cache: Path, name: str | None = None, threads: int | None = None) -> Learner:
    """The model of a GGUF file or a Hugging Face folder in f32, with dropout off and no gradient wanted of anything yet.

    Raises:
        MisuseError, UntrustedInputError: if there is no model, or none that can be read.
    """
    if threads is not None:
        torch.set_num_threads(threads)
    loaded = load(source, cache=cache, dtype="f32", told=lambda _: None)
    loaded.module.set_attn_implementation("eager")  # its backward adds up in one order, whatever the number of threads
    loaded.module.eval()
    loaded.module.requires_grad_(requires_grad=False)
    return Learner(loaded.module, loaded.tokenizer, source=source, name=name or source.name)


def tune(
    source: Path, target: Path, lessons: Sequence[Lesson], recipe: Recipe, *, cache: Path, told: Told = lambda *_: None
) -> Tuned:
    """Teaches the model in `source` these lessons and writes what came out to the new folder `target`.

    Stopped at any moment, it leaves nothing behind.

    Raises:
        MisuseError: if `target` is there, there is nothing to learn, or the loss stops being a number.
    """
    if target.exists():
        raise MisuseError(f"`{target}` is there already", code="B605", hint="name a folder that is not there yet")
    _checked(lessons, recipe)
    one = learner(source, cache=cache, threads=recipe.threads)
    size = sum(each.numel() for each in one.model.parameters())
    learnt, adapters = _prepared(one, recipe)
    steps = list(_steps(one, lessons, recipe))
    losses = _taught(one, learnt, steps, recipe, told)
    apart = bool(adapters) and not recipe.merge
    tuned = Tuned(
        folder=str(target), form="adapter" if apart else "whole", lessons=digest_of(lessons), recipe=recipe,
        steps=len(steps), answer_tokens=sum(len(answer) for step in steps for _, answer in step),
        learnt=sum(each.numel() for each in learnt), of=size, losses=losses,
    )  # fmt: skip
    with written(target) as beside:
        if apart:
            _save_adapter(beside, one, adapters, recipe)
        else:
            _merge(one, adapters)
            save(one, beside)
        (beside / "obverse-tuning.json").write_bytes(msgspec.json.format(msgspec.json.encode(tuned), indent=2))
    return tuned


def digest_of(lessons: Sequence[Lesson]) -> str:
    """The digest of what is taught, in its order; where a lesson stood in a file does not matter."""
    hashed = hashlib.sha256()
    for lesson in lessons:
        hashed.update(msgspec.json.encode([lesson.messages, lesson.answer]) + b"\n")
    return f"sha256:{hashed.hexdigest()}"


# --- learning ---------------------------------------------------------------------------------------------------------------


class LowRank(nn.Module):  # type: ignore[misc]  # torch is untyped here
    """A linear map with a low-rank update beside it: `base(x) + scale · B A x`. B begins at zero, so that nothing changes at first."""

    def __init__(self, base: nn.Linear, rank: int, scale: float, draws: torch.Generator) -> None:
        super().__init__()
        self.base = base
        self.scale = scale
        bound = 1 / math.sqrt(base.in_features)
        self.down = nn.Parameter(torch.empty(rank, base.in_features).uniform_(-bound, bound, generator=draws))
        self.up = nn.Parameter(torch.zeros(base.out_features, rank))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.base(x) + self.scale * nn.functional.linear(nn.functional.linear(x, self.down), self.up)


def _checked(lessons: Sequence[Lesson], recipe: Recipe) -> None:
    if not lessons:
        raise MisuseError("there is no lesson to learn", code="B606")
    for name in ("epochs", "batch", "last", "rank", "longest"):
        value = getattr(recipe, name)
        if value is not None and value < 1:
            raise MisuseError(f"`{name}` is `{value}`", code="B607", hint="a number from 1 on")
    for name, least in (("rate", 0.0), ("decay", 0.0), ("clip", 0.0), ("alpha", 0.0)):
        value = getattr(recipe, name)
        if not math.isfinite(value) or value < least or (value == least and name != "decay"):
            raise MisuseError(f"`{name}` is `{value}`", code="B608", hint="a number above 0")


def _prepared(one: Learner, recipe: Recipe) -> tuple[list[nn.Parameter], dict[str, LowRank]]:
    """What may move; and by the name of the map it stands beside, each low-rank update that was put in."""
    chosen = one.layers[-recipe.last :] if recipe.last is not None else one.layers
    if recipe.rank is None:
        learnt = [each for layer in chosen for each in layer.parameters()]
        for each in learnt:
            each.requires_grad_(requires_grad=True)
        return learnt, {}
    draws = torch.Generator().manual_seed(recipe.seed)
    names = {id(module): name for name, module in one.model.named_modules()}
    adapters: dict[str, LowRank] = {}
    for layer in chosen:
        for parent in list(layer.modules()):
            for name, child in list(parent.named_children()):
                if isinstance(child, nn.Linear):
                    low = LowRank(child, recipe.rank, recipe.alpha / recipe.rank, draws)
                    setattr(parent, name, low)
                    adapters[names[id(child)]] = low
    if not adapters:
        raise MisuseError("the layers have no linear maps for low-rank updates", code="B609", hint="leave `rank` out")
    return [each for low in adapters.values() for each in (low.down, low.up)], adapters


_Step: TypeAlias = list[tuple[list[int], list[int]]]


def _steps(one: Learner, lessons: Sequence[Lesson], recipe: Recipe) -> Iterator[_Step]:
    """The batches of all epochs, in an order that only the seed decides."""
    pairs = [one.encoded(lesson, longest=recipe.longest) for lesson in lessons]
    for epoch in range(recipe.epochs):
        order = np.random.Generator(np.random.PCG64([recipe.seed, epoch])).permutation(len(pairs))
        for begin in range(0, len(pairs), recipe.batch):
            yield [pairs[place] for place in order[begin : begin + recipe.batch]]


def _taught(
    one: Learner, learnt: list[nn.Parameter], steps: list[_Step], recipe: Recipe, told: Told
) -> tuple[float, ...]:
    optimiser = torch.optim.AdamW(learnt, lr=recipe.rate, weight_decay=recipe.decay)
    per_epoch = len(steps) // recipe.epochs
    sums: list[list[float]] = [[0.0, 0.0] for _ in range(recipe.epochs)]
    for number, step in enumerate(steps):
        loss, tokens = answer_loss(one.model, step)
        value = float(loss.detach())
        if not math.isfinite(value):
            raise MisuseError(f"the loss is `{value}` at step {number + 1}", code="B610", hint="a lower `rate`")
        loss.backward()
        norm = nn.utils.clip_grad_norm_(learnt, recipe.clip)
        if not math.isfinite(float(norm)):
            raise MisuseError(f"the gradient is not a number at step {number + 1}", code="B611", hint="a lower `rate`")
        optimiser.step()
        optimiser.zero_grad(set_to_none=True)
        sums[number // per_epoch][0] += value * tokens
        sums[number // per_epoch][1] += tokens
        told(number + 1, len(steps), value)
    for each in learnt:
        each.requires_grad_(requires_grad=False)
    return tuple(total / tokens for total, tokens in sums)


def answer_loss(model: Any, step: _Step, **more: Any) -> tuple[torch.Tensor, int]:
    """Mean cross-entropy in nats per answer token over the pairs, and how many such tokens there are.

    Logits are computed from the first place that predicts an answer token on, not for the prompts: the head is a fifth of a small model.
    """
    longest = max(len(prompt) + len(answer) for prompt, answer in step)
    tokens = torch.zeros((len(step), longest), dtype=torch.long)
    labels = torch.full((len(step), longest), _IGNORED, dtype=torch.long)
    mask = torch.zeros((len(step), longest), dtype=torch.long)
    for row, (prompt, answer) in enumerate(step):
        end = len(prompt) + len(answer)
        tokens[row, :end] = torch.tensor(prompt + answer)
        labels[row, len(prompt) : end] = torch.tensor(answer)
        mask[row, :end] = 1
    first = max(min(len(prompt) for prompt, _ in step) - 1, 0)
    kept = torch.arange(first, longest - 1) if longest > 1 else torch.arange(0)
    out = model(input_ids=tokens, attention_mask=mask, use_cache=False, logits_to_keep=kept, **more)
    wanted = labels[:, first + 1 :]
    count = int((wanted != _IGNORED).sum())
    loss = nn.functional.cross_entropy(out.logits.float().flatten(0, 1), wanted.flatten(), ignore_index=_IGNORED)
    extra = getattr(out, "aux_loss", None)
    return (loss if extra is None else loss + model.config.router_aux_loss_coef * extra), count


# --- writing ----------------------------------------------------------------------------------------------------------------


@contextlib.contextmanager
def written(target: Path) -> Iterator[Path]:
    """A folder to write into, which becomes `target` when all went well and vanishes otherwise."""
    beside = target.with_name(f".{target.name[:200]}.{os.getpid()}.tmp")
    target.parent.mkdir(parents=True, exist_ok=True)
    try:
        beside.mkdir()
        yield beside
        for path in beside.rglob("*"):
            if path.is_file():
                path.chmod(0o644)
                _flushed(path)
        beside.rename(target)
        _flushed(target.parent)
    finally:
        shutil.rmtree(beside, ignore_errors=True)


def save(one: Learner, folder: Path) -> None:
    """Writes weights, configuration, tokenizer and chat template, as `open_local` and transformers read them."""
    with quiet():
        one.model.save_pretrained(folder)
        one.tokenizer.save_pretrained(folder)


def _merge(one: Learner, adapters: dict[str, LowRank]) -> None:
    """Puts each map back where its update stood beside it, with the update added to it."""
    for name, low in adapters.items():
        low.base.weight.data += low.scale * (low.up.detach() @ low.down.detach())
        parent, _, last = name.rpartition(".")
        setattr(one.model.get_submodule(parent), last, low.base)


def _save_adapter(folder: Path, one: Learner, adapters: dict[str, LowRank], recipe: Recipe) -> None:
    """Low-rank updates in PEFT's form: it names each map by its full name behind `base_model.model.`."""
    held = {}
    for name, low in adapters.items():
        held[f"base_model.model.{name}.lora_A.weight"] = low.down.detach().contiguous()
        held[f"base_model.model.{name}.lora_B.weight"] = low.up.detach().contiguous()
    save_file(held, folder / "adapter_model.safetensors", metadata={"format": "pt"})
    about = {
        "peft_type": "LORA", "task_type": "CAUSAL_LM", "base_model_name_or_path": str(one.source.resolve()),
        "r": recipe.rank, "lora_alpha": recipe.alpha, "lora_dropout": 0.0, "bias": "none", "fan_in_fan_out": False,
        "use_rslora": False, "use_dora": False, "inference_mode": True, "target_modules": sorted(adapters),
    }  # fmt: skip
    (folder / "adapter_config.json").write_bytes(msgspec.json.format(msgspec.json.encode(about), indent=2))


def _flushed(path: Path) -> None:
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


@contextlib.contextmanager
def quiet() -> Iterator[None]:
    """Keeps transformers from drawing its own bars and writing lines on stderr while this is open."""
    logs = transformers.utils.logging
    bars, level = logs.is_progress_bar_enabled(), logs.get_verbosity()
    logs.disable_progress_bar()
    logs.set_verbosity_error()
    try:
        yield
    finally:
        logs.set_verbosity(level)
        if bars:
            logs.enable_progress_bar()
