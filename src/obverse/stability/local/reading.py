"""Readings: one run of the model over each prompt, for all signals at once.

What prompts begin with alike, before their spans, is run once. Readings come in the order of the prompts, a chunk at a time, and
no more than a batch is in memory.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, Final

import msgspec
import numpy as np
import torch
from transformers import PreTrainedTokenizerBase

from obverse.core.errors import MisuseError
from obverse.stability.local.passes import Asked, Runner
from obverse.stability.local.taps import Taps
from obverse.stability.local.template import Template
from obverse.stability.ports import Read, Reading, Wants

_CHUNK: Final = 48  # prompts
_BATCH: Final = 16  # rows of one run
_LOGITS: Final = 128 << 20  # bytes of logits at once


class _Item(msgspec.Struct, frozen=True, kw_only=True):
    """A prompt that can be read: its tokens, and the span."""

    id: str
    tokens: tuple[int, ...]
    span: tuple[int, int]

    @property
    def before(self) -> int:
        """How many tokens may come from what is kept: the span, the one before it and the last have to be run."""
        return max(0, min(self.span[0] - 1, len(self.tokens) - 1))


class Reader:
    """Reads one model."""

    def __init__(self, runner: Runner, template: Template, tokenizer: PreTrainedTokenizerBase) -> None:
        self._runner = runner
        self._template = template
        self._tokenizer = tokenizer

    def read(self, prompts: Sequence[Read], wants: Wants) -> Iterator[Reading]:
        """A reading of each prompt, in their order."""
        groups = {name: self.first_tokens(words) for name, words in wants.words.items()}
        for start in range(0, len(prompts), _CHUNK):
            chunk = [self._item(prompt) for prompt in prompts[start : start + _CHUNK]]
            items = [item for item in chunk if isinstance(item, _Item)]
            found = self._chunk(items, wants, groups)
            for item in chunk:
                yield next(found) if isinstance(item, _Item) else item

    def first_tokens(self, words: Sequence[str]) -> list[int]:
        """The first token of each word, with and without a space before it, capitalised and not; each once, in order."""
        found: dict[int, None] = {}
        for word in words:
            for form in dict.fromkeys((word, word[:1].lower() + word[1:], word[:1].upper() + word[1:])):
                for text in (form, " " + form):
                    ids = self._tokenizer(text, add_special_tokens=False)["input_ids"]
                    if ids and self._tokenizer.decode(ids[:1]).strip():  # a space alone says nothing of the word
                        found[ids[0]] = None
        return list(found)

    def _item(self, prompt: Read) -> _Item | Reading:
        try:
            rendered = self._template.render(prompt.messages, prompt.tools)
        except MisuseError as error:
            return Reading(id=prompt.id, tokens=0, error="template", reason=str(error))
        count, context = len(rendered.ids), self._runner.anatomy.context
        if count > context:
            return Reading(id=prompt.id, tokens=count, error="context overflow", reason=f"{count} tokens, of {context}")
        if max(rendered.ids, default=0) >= (known := self._runner.anatomy.vocabulary):
            reason = f"token {max(rendered.ids)}; the model knows {known}"
            return Reading(id=prompt.id, tokens=count, error="unknown token", reason=reason)
        span = self._template.find(rendered, prompt.messages, prompt.tools, prompt.span)
        if span is None:
            reason = "the span does not stand in the messages" if prompt.span else "no message of a user"
            return Reading(id=prompt.id, tokens=count, error="no span", reason=reason)
        return _Item(id=prompt.id, tokens=rendered.ids, span=span)

    def _chunk(self, items: Sequence[_Item], wants: Wants, groups: dict[str, list[int]]) -> Iterator[Reading]:
        runner = self._runner
        runner.share([item.tokens[: item.before] for item in items], lambda: False)
        asked = [Asked(runner.prefixes.longest(item.tokens[: item.before]), item.tokens) for item in items]
        places = {id(each): at for at, each in enumerate(asked)}
        found: dict[int, Reading] = {}
        for batch in runner.batches(asked, _BATCH):
            members = [places[id(each)] for each in batch]
            readings = self._batch(batch, [items[at] for at in members], wants, groups)
            found.update(zip(members, readings, strict=True))
        for at in range(len(items)):
            yield found[at]

    def _batch(
        self, batch: Sequence[Asked], items: Sequence[_Item], wants: Wants, groups: dict[str, list[int]]
    ) -> list[Reading]:
        with torch.inference_mode():
            anatomy = self._runner.anatomy
            taps = Taps(anatomy, batch, [item.span for item in items], wants)
            with taps.open():
                self._runner.run(batch, taps.head)
            assert taps.final is not None  # INVARIANT: the run has called the head
            ended = taps.at(taps.final)
            can_project = anatomy.scaled is not None
            lens = self._lens(torch.stack(taps.last, dim=1), groups) if groups and can_project else {}
            ahead = self._ahead(ended, groups) if groups and can_project else {}
            return [
                self._reading(
                    row,
                    item,
                    taps,
                    wants,
                    sound=bool(torch.isfinite(ended[row]).all()),
                    words={name: _array(logs[row], wants) for name, logs in lens.items()},
                    logits={name: float(logs[row]) for name, logs in ahead.items()},
                    perplexity=self._perplexity(taps.final[row], each, item)
                    if wants.perplexity and can_project
                    else None,
                )
                for row, (item, each) in enumerate(zip(items, batch, strict=True))
            ]

    def _reading(self, row: int, item: _Item, taps: Taps, wants: Wants, *, sound: bool, **found: Any) -> Reading:
        layers = range(len(self._runner.anatomy.layers))
        if not sound:
            reason = "the hidden states of the last token"
            return Reading(id=item.id, tokens=len(item.tokens), span=item.span, error="not a number", reason=reason)
        attention = weight = routing = None
        if len(taps.weight) == len(layers):
            weight = _array(torch.stack([taps.weight[at][row] for at in layers]), wants)
            if item.span[1] - item.span[0] > 1:
                attention = _array(torch.stack([taps.entropy[at][row] for at in layers]), wants)
        if taps.routing:
            dense = torch.full_like(next(iter(taps.routing.values()))[row], torch.nan)
            routing = _array(
                torch.stack([taps.routing[at][row] if at in taps.routing else dense for at in layers]), wants
            )
        return Reading(
            id=item.id,
            tokens=len(item.tokens),
            span=item.span,
            last=_array(torch.stack([each[row] for each in taps.last]), wants) if wants.residual else None,
            mean=_array(torch.stack([each[row] for each in taps.mean]), wants) if wants.residual else None,
            attention=attention,
            weight=weight,
            routing=routing,
            **found,
        )

    def _lens(self, residual: torch.Tensor, groups: dict[str, list[int]]) -> dict[str, torch.Tensor]:
        """By group the log-probability (rows, layers + 1) that the logit lens gives to its tokens."""
        rows, depths, width = residual.shape
        normed = self._runner.anatomy.normed(residual.reshape(-1, width))
        return {name: logs.view(rows, depths) for name, logs in self._ahead(normed, groups).items()}

    def _ahead(self, normed: torch.Tensor, groups: dict[str, list[int]]) -> dict[str, torch.Tensor]:
        """By group the log of the probability that its tokens have together, for each of `normed` (states, width)."""
        found: dict[str, list[torch.Tensor]] = {name: [] for name in groups}
        for some in self._by_memory(normed):
            logits = self._runner.anatomy.project(some)
            whole = logits.logsumexp(dim=-1)
            for name, tokens in groups.items():
                found[name].append(logits[:, tokens].logsumexp(dim=-1) - whole)
        return {name: torch.cat(logs) for name, logs in found.items()}

    def _perplexity(self, final: torch.Tensor, asked: Asked, item: _Item) -> float | None:
        """Of the tokens of the span, each given those before it; the very first token of all is given by nothing."""
        start = max(item.span[0], 1)
        if start >= item.span[1]:
            return None
        states = final[start - 1 - asked.at : item.span[1] - 1 - asked.at]
        targets = torch.tensor(item.tokens[start : item.span[1]], device=final.device)
        logs = []
        for some, these in zip(self._by_memory(states), self._by_memory(targets), strict=True):
            logs.append(self._runner.anatomy.project(some).log_softmax(dim=-1).gather(1, these[:, None])[:, 0])
        found = float((-torch.cat(logs).double().mean()).exp())
        return found if np.isfinite(found) else None

    def _by_memory(self, states: torch.Tensor) -> Iterator[torch.Tensor]:
        vocabulary = self._runner.anatomy.vocabulary
        return iter(states.split(max(1, _LOGITS // (4 * vocabulary))))


def _array(found: torch.Tensor, wants: Wants) -> Any:
    return found.to(torch.float64 if wants.dtype == "f64" else torch.float32).cpu().numpy()
