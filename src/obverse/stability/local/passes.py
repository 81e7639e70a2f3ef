"""One run of the model over a batch of rows that have different pasts and different lengths; and the prefixes that they share.

A row's new tokens follow its past without a gap and padding comes last, where no token looks: padding cannot change a value.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator, Sequence
from typing import Final

import torch
from torch import nn

from obverse.stability.local.anatomy import Anatomy
from obverse.stability.local.kept import Prefixes, Rows, Segment, common

_WORTH: Final = 24  # tokens that sharing must save: a run of its own costs about that much on few cores
_WASTE: Final = 1.2  # how much of a batch may be padding, and
_SLACK: Final = 64  # so many tokens of padding always
_TOKENS: Final = 4096  # new tokens in one run of the model, padding counted

Head = Callable[[torch.Tensor], torch.Tensor]


class Asked:
    """One sequence to run: what is kept of it, and the tokens that are new. `at` is how many stand before them."""

    def __init__(self, past: Sequence[Segment], tokens: Sequence[int]) -> None:
        self.tokens = tokens
        self.past = past
        self.at = sum(piece.length for piece in past)
        self.new = tokens[self.at :]


class Runner:
    """The model, what it is made of, and what is kept of its prefixes; `settled` bytes hold batches and prefixes each.

    Where it does not share (`shares`, for measurements), every sequence is run from its first token.
    """

    def __init__(self, module: nn.Module, anatomy: Anatomy, settled: int, *, shares: bool = True) -> None:
        self.module = module
        self.anatomy = anatomy
        self.device = next(module.parameters()).device
        self.settled = settled
        self.shares = shares
        self.prefixes = Prefixes(settled)
        self._a_token: int | None = None

    def forget(self) -> None:
        """Nothing is kept: the weights are others, or an edit is on."""
        self.prefixes = Prefixes(self.settled)

    @property
    def a_token(self) -> int:
        """Bytes of keys and values that one token takes; found at the first run, guessed before."""
        return self._a_token or 2 * 4 * self.anatomy.width * len(self.anatomy.layers)

    @property
    def most_tokens(self) -> int:
        """Tokens of pasts that a batch may hold."""
        return max(_TOKENS, self.settled // self.a_token)

    def run(self, asked: Sequence[Asked], head: Head) -> tuple[Rows, torch.Tensor]:
        """The rows, with what is new written behind each past, and the logits of what `head` keeps of the last hidden states.

        `head` gets the states (rows, new tokens, width) that the head of the model would get, and gives those it shall get.
        """
        new = [len(each.new) for each in asked]
        rows = Rows(len(self.anatomy.layers), [each.past for each in asked], room=max(new))
        ids = torch.zeros((len(asked), max(new)), dtype=torch.long)
        for row, each in enumerate(asked):
            ids[row, : new[row]] = torch.tensor(each.new)
            ids[row, new[row] :] = each.new[
                -1
            ]  # a token of its own: another may be what is not a number, and spoil the row
        starts = torch.tensor([each.at for each in asked])
        logits = self.step(rows, ids, starts, new, head)
        return rows, logits

    def step(
        self, rows: Rows, ids: torch.Tensor, starts: torch.Tensor, new: Sequence[int], head: Head | None = None
    ) -> torch.Tensor:
        """Logits for `ids` (rows, tokens), which follow `starts` tokens each and of which `new` are real; the rows have them then."""
        width = ids.shape[1]
        positions = (starts[:, None] + torch.arange(width)).clamp_(max=self.anatomy.context - 1)
        hook = head and self.anatomy.head.register_forward_pre_hook(lambda _, args: (head(args[0]), *args[1:]))
        try:
            with torch.inference_mode():
                logits: torch.Tensor = self.module(
                    input_ids=ids.to(self.device),
                    position_ids=positions.to(self.device),
                    attention_mask=rows.mask(new, self.device),
                    past_key_values=rows,
                    use_cache=True,
                ).logits
        finally:
            if hook:
                hook.remove()
        rows.advance(width)
        if self._a_token is None:
            self._a_token = rows.copy(0, rows.end - 1, rows.end).bytes
        return logits

    def share(self, sequences: Sequence[tuple[int, ...]], stopped: Callable[[], bool]) -> None:
        """What several of the sequences begin with is run once and kept, where that is worth a run; from the root to the branches."""
        while self.shares and not stopped():
            wanted = [
                tokens
                for tokens in shared(sorted(sequences), self._matched)
                if len(tokens) * self.a_token <= self.settled // 2
            ]
            if not wanted:
                return
            before = self.prefixes.bytes
            for batch in self.batches([Asked(self.prefixes.longest(tokens), tokens) for tokens in wanted]):
                rows, _ = self.run(batch, lambda states: states[:1, :1])
                for row, each in enumerate(batch):
                    self.keep(rows, row, each)
            if self.prefixes.bytes <= before:  # no room for it: what is not kept is run with each sequence
                return

    def keep(self, rows: Rows, row: int, asked: Asked) -> Segment:
        """What is new in this row, on its own; kept as a prefix as well."""
        start = rows.starts[row] + asked.at
        segment = rows.copy(row, start, start + len(asked.new))
        if self.shares:
            self.prefixes.keep(asked.tokens, asked.at, segment)
        return segment

    def _matched(self, tokens: Sequence[int]) -> int:
        return sum(piece.length for piece in self.prefixes.longest(tokens))

    def batches(self, asked: Sequence[Asked], most: int | None = None) -> Iterator[list[Asked]]:
        """The same in batches of like length: little padding, bounded tokens."""
        batch: list[Asked] = []
        for each in sorted(asked, key=lambda one: (len(one.new), one.at)):
            whole = [*batch, each]
            longest, past = len(each.new), max(one.at for one in whole)
            padded, real = longest * len(whole), sum(len(one.new) for one in whole)
            if batch and (
                padded > _TOKENS
                or padded > _WASTE * real + _SLACK
                or (past + longest) * len(whole) > self.most_tokens
                or (most is not None and len(whole) > most)
            ):
                yield batch
                whole = [each]
            batch = whole
        if batch:
            yield batch


def shared(sequences: Sequence[tuple[int, ...]], kept: Callable[[Sequence[int]], int]) -> list[tuple[int, ...]]:
    """The beginnings to run next, for sequences in sorted order: shared by so many that running each once saves enough.

    `kept` says how much of a sequence needs no run. A branch whose root is not kept yet is looked at when it is.
    """
    if len(sequences) < 2:
        return []
    same = common(sequences[0], sequences[-1])
    if (len(sequences) - 1) * (same - min(same, kept(sequences[0]))) >= _WORTH:
        return [sequences[0][:same]]
    found: list[tuple[int, ...]] = []
    longer = [each for each in sequences if len(each) > same]
    for _, branch in itertools.groupby(longer, key=lambda each: each[same]):
        found += shared(list(branch), kept)
    return found
