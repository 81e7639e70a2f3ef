"""`LocalModel`: a causal language model in this process that answers (`ports.Answers`) and can be looked into (`ports.Looks`).

One thing at a time: its weights and hooks are one state, so a draw that is not finished must be closed before an edit begins.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

import torch
from torch import nn
from transformers import PreTrainedTokenizerBase

from obverse.core.canon import digest
from obverse.core.chat import ChatMessage, ToolSpec
from obverse.core.errors import MisuseError
from obverse.stability.local import attention
from obverse.stability.local.anatomy import Anatomy
from obverse.stability.local.edits import edited
from obverse.stability.local.engine import Engine
from obverse.stability.local.passes import Runner
from obverse.stability.local.reading import Reader
from obverse.stability.local.template import Template
from obverse.stability.local.weights import DType, engines, load
from obverse.stability.ports import Answered, Edit, Job, Read, Reading, Shape, Wants

_NAMES: Final = {torch.float32: "f32", torch.bfloat16: "bf16", torch.float16: "f16", torch.float64: "f64"}
_ROWS: Final = 32
_SETTLED: Final = 1 << 30
_SAID_TO_END: Final = (
    "<|endoftext|>", "<|im_end|>", "<|end_of_text|>", "<|eot_id|>", "<|eom_id|>", "<end_of_turn>", "<|end|>", "<|return|>",
    "</s>", "<eos>",
)  # fmt: skip
"""Control tokens that mean an end wherever they exist. Model files name one of them, and models write the others too."""


class LocalModel:
    """A model of transformers with its tokenizer, ready to draw and to be read.

    `weights` names the weights, as a digest does; `rows` draws run at once at most; `settled` bytes bound the keys and values of a batch,
    and again those of kept prefixes; `clock` times answers, where the caller has one. `shares` is off only to measure what sharing saves.
    """

    def __init__(
        self,
        module: nn.Module,
        tokenizer: PreTrainedTokenizerBase,
        *,
        name: str,
        weights: str,
        notes: Sequence[str] = (),
        rows: int = _ROWS,
        settled: int = _SETTLED,
        clock: Callable[[], float] | None = None,
        shares: bool = True,
    ) -> None:
        self.module = module.eval()
        self.tokenizer = tokenizer
        self._name = name
        self._weights = weights
        self._watches = _attend_watched(module)
        self.anatomy = Anatomy(module)
        self.template = Template(tokenizer)
        self._runner = Runner(module, self.anatomy, settled, shares=shares)
        self.ends = _ends(module, tokenizer, self.template)
        self._engine = Engine(
            self._runner, self.template, ends=self.ends, decode=self._decode, most_rows=rows, clock=clock
        )
        self._reader = Reader(self._runner, self.template, tokenizer)
        self._drawing = 0
        self.notes = (*notes, *self._remarks())

    @property
    def name(self) -> str:
        return self._name

    @property
    def shape(self) -> Shape:
        """Layers, heads, width, experts, context and arithmetic."""
        return Shape(
            layers=len(self.anatomy.layers),
            heads=self.anatomy.heads,
            width=self.anatomy.width,
            experts=self.anatomy.experts,
            context=self.anatomy.context,
            dtype=self._dtype,
        )

    def fingerprint(self) -> str:
        """The name, and a digest of all that can change an answer: weights, arithmetic, template, ends, versions."""
        identity = {
            "weights": self._weights,
            "dtype": self._dtype,
            "template": self.template.digest,
            "ends": sorted(self.ends),
            "engines": engines(),
        }
        return f"{self._name} {digest(identity)}"

    def render(self, messages: Sequence[ChatMessage], tools: Sequence[ToolSpec] = ()) -> tuple[int, ...]:
        """The token ids of the conversation, ready for an answer."""
        return self.template.render(messages, tools).ids

    def draw(self, jobs: Sequence[Job], *, stopped: Callable[[], bool] = lambda: False) -> Generator[Answered]:
        """Every draw once, as soon as it is there, in any order; ends early when `stopped()`, which is asked between tokens."""
        self._drawing += 1
        try:
            yield from self._engine.draw(jobs, stopped)
        finally:
            self._drawing -= 1

    def read(self, prompts: Sequence[Read], wants: Wants) -> Iterator[Reading]:
        """A reading of each prompt, in their order, a chunk at a time."""
        self._drawing += 1
        try:
            yield from self._reader.read(prompts, wants)
        finally:
            self._drawing -= 1

    @contextmanager
    def edited(self, edits: Sequence[Edit]) -> Iterator[None]:
        """While it is open, `draw` and `read` run with these changes; blocks may stand in one another, and then add up."""
        if self._drawing:
            raise MisuseError("an edit while draws or readings are under way", code="B344", hint="finish or close them")
        kept = self._runner.prefixes
        self._runner.forget()
        try:
            with edited(self.anatomy, edits):
                yield
        finally:
            self._runner.prefixes = kept

    def forget(self) -> None:
        """Nothing is kept of what was read: to be called when the weights have changed."""
        self._runner.forget()

    def close(self) -> None:
        """Gives the memory of kept prefixes back; the model itself goes with its last name."""
        self._runner.forget()

    @property
    def _dtype(self) -> str:
        dtype = next(self.module.parameters()).dtype
        return _NAMES.get(dtype, str(dtype))

    def _decode(self, tokens: Sequence[int]) -> str:
        return str(self.tokenizer.decode(list(tokens), skip_special_tokens=True, clean_up_tokenization_spaces=False))

    def _remarks(self) -> list[str]:
        remarks = []
        if self.template.is_plain:
            remarks.append("no chat template: messages are told as `role: text`")
        if self.anatomy.scaled is None:
            remarks.append("how logits are made of hidden states was not understood: no lens, no perplexity")
        if not self._watches:
            remarks.append("this architecture does not let its attention be watched: no entropy of attention")
        return remarks


def open_model(
    source: Path,
    *,
    name: str,
    cache: Path,
    dtype: DType,
    threads: int | None,
    told: Callable[[str], None],
    clock: Callable[[], float] | None,
    rows: int,
    settled: int,
    device: str,
) -> LocalModel:
    """The model at `source`; see `opening.open_local`, which is the way in."""
    if threads is not None:
        torch.set_num_threads(threads)
    loaded = load(source, cache=cache, dtype=dtype, told=told, device=device)
    return LocalModel(
        loaded.module,
        loaded.tokenizer,
        name=name,
        weights=loaded.weights,
        notes=loaded.notes,
        rows=rows,
        settled=settled,
        clock=clock,
    )


def _attend_watched(module: Any) -> bool:
    """Whether attention goes through our function from now on."""
    if not getattr(module, "_supports_attention_backend", False):
        return False
    module.set_attn_implementation(attention.NAME)
    return bool(module.config._attn_implementation == attention.NAME)  # noqa: SLF001  # the only place that says so


def _ends(module: Any, tokenizer: Any, template: Template) -> frozenset[int]:
    """Every token that ends an answer: those of the model's own settings, the tokenizer's, and what the template puts behind one, and those whose name says so."""
    added = tokenizer.get_added_vocab()
    own = getattr(getattr(module, "generation_config", None), "eos_token_id", None)
    listed = own if isinstance(own, list | tuple) else [own]
    said = [added.get(token) for token in _SAID_TO_END]
    known = (*listed, tokenizer.eos_token_id, *template.ends, *said)
    return frozenset(int(token) for token in known if token is not None)
