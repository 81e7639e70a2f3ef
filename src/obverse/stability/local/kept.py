"""Keys and values of attention, kept: segments of one sequence, a tree of shared prefixes, and the rows of one batch.

    Segment     keys and values of some consecutive tokens of one sequence, at every layer
    Prefixes    a radix tree of segments by token: what was computed for one prompt serves every other that begins alike
    Rows        the cache that a model is run with: each row is its past, put together of segments, and room for more

In `Rows` the pasts end at one common slot and what is new follows it, so no row has a gap: a window of attention counts
slots, and a gap would count as tokens. Not a store of answers; what an edit or a new weight changes must be forgotten by the caller.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import torch
from transformers.cache_utils import Cache, CacheLayerMixin


class Segment:
    """Per layer the keys (heads, tokens, width) and the values of `length` tokens. Never written to once made."""

    def __init__(self, layers: Sequence[tuple[torch.Tensor, torch.Tensor]], length: int) -> None:
        self.layers = layers
        self.length = length

    def cut(self, start: int, stop: int) -> Segment:
        """Some of the tokens, as a view."""
        if (start, stop) == (0, self.length):
            return self
        return Segment([(keys[:, start:stop], values[:, start:stop]) for keys, values in self.layers], stop - start)

    @property
    def bytes(self) -> int:
        """What it weighs, were it alone in memory."""
        return sum(part.numel() * part.element_size() for layer in self.layers for part in layer)


class _Node:
    def __init__(self, tokens: tuple[int, ...], segment: Segment) -> None:
        self.tokens = tokens
        self.segment = segment
        self.children: dict[int, _Node] = {}
        self.used = 0


class Prefixes:
    """What is kept of prompts that were read, at most `most` bytes; what was not used for longest goes first."""

    def __init__(self, most: int) -> None:
        self._most = most
        self._root = _Node((), Segment((), 0))
        self._turn = 0
        self._bytes = 0

    @property
    def bytes(self) -> int:
        return self._bytes

    def longest(self, tokens: Sequence[int]) -> list[Segment]:
        """The segments of the longest beginning of `tokens` that is kept."""
        self._turn += 1
        found, node, at = [], self._root, 0
        while at < len(tokens) and (child := node.children.get(tokens[at])) is not None:
            same = common(child.tokens, tokens[at : at + len(child.tokens)])
            child.used = self._turn
            found.append(child.segment.cut(0, same))
            at += same
            if same < len(child.tokens):
                break
            node = child
        return found

    def keep(self, tokens: Sequence[int], start: int, segment: Segment) -> None:
        """`segment` holds `tokens[start:]`; what stands before `start` should be here, or nothing is kept."""
        node, at = self._root, 0
        while at < len(tokens):
            child = node.children.get(tokens[at])
            if child is None:
                break
            same = common(child.tokens, tokens[at : at + len(child.tokens)])
            if same < len(child.tokens):
                child = self._split(node, child, same)
            node, at = child, at + same
        if start <= at < len(tokens):
            added = _Node(tuple(tokens[at:]), segment.cut(at - start, segment.length))
            added.used = self._turn
            node.children[tokens[at]] = added
            self._bytes += added.segment.bytes
            self._make_room()

    @staticmethod
    def _split(parent: _Node, node: _Node, at: int) -> _Node:
        upper = _Node(node.tokens[:at], node.segment.cut(0, at))
        upper.used = node.used
        upper.children[node.tokens[at]] = node
        parent.children[node.tokens[0]] = upper
        node.segment = node.segment.cut(at, len(node.tokens))
        node.tokens = node.tokens[at:]
        return upper

    def _make_room(self) -> None:
        if self._bytes <= self._most:
            return
        enough = self._most * 3 // 4  # some room at once: looking for leaves costs a walk over the tree
        while self._bytes > enough and self._root.children:
            for parent, leaf in sorted(self._leaves(), key=lambda pair: pair[1].used):
                if self._bytes <= enough:
                    break
                del parent.children[leaf.tokens[0]]
                self._bytes -= leaf.segment.bytes

    def _leaves(self) -> Iterator[tuple[_Node, _Node]]:
        nodes = [self._root]
        while nodes:
            node = nodes.pop()
            for child in node.children.values():
                if child.children:
                    nodes.append(child)
                else:
                    yield node, child


def common(first: Sequence[int], second: Sequence[int]) -> int:
    """How many tokens both begin with."""
    for at, (one, other) in enumerate(zip(first, second, strict=False)):
        if one != other:
            return at
    return min(len(first), len(second))


class _Layer(CacheLayerMixin):  # type: ignore[misc]  # transformers is not type-checked here
    """One layer of `Rows`: keys and values of shape (rows, heads, slots, width), filled up to `end`."""

    is_sliding = False

    def __init__(self, rows: Rows) -> None:
        super().__init__()
        self.keys: Any = None
        self.values: Any = None
        self._rows = rows

    def lazy_initialization(self, key_states: torch.Tensor, value_states: torch.Tensor) -> None:
        self.is_initialized = True

    def update(
        self, key_states: torch.Tensor, value_states: torch.Tensor, *args: object, **kwargs: object
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """Writes behind `end`, which moves only when the whole model has run; gives all up to there."""
        start, stop = self._rows.end, self._rows.end + key_states.shape[2]
        if self.keys is None:  # no past, and no room asked for beyond what is new
            self.keys, self.values = key_states, value_states
            return key_states, value_states
        self.keys[:, :, start:stop] = key_states
        self.values[:, :, start:stop] = value_states
        return self.keys[:, :, :stop], self.values[:, :, :stop]

    def get_mask_sizes(self, query_length: int) -> tuple[int, int]:
        return self._rows.end + query_length, 0

    def get_seq_length(self) -> int:
        return self._rows.end

    def get_max_length(self) -> int:
        return -1


class Rows(Cache):  # type: ignore[misc]  # as above
    """The pasts of some rows, ending at slot `end`, and `room` slots for what comes.

    `starts[i]` is the first slot of row i. A row without any past begins at `end`.
    """

    def __init__(self, layers: int, pasts: Sequence[Sequence[Segment]], room: int) -> None:
        super().__init__(layers=[_Layer(self) for _ in range(layers)])
        lengths = [sum(piece.length for piece in past) for past in pasts]
        self.end = max(lengths)
        self.starts = [self.end - length for length in lengths]
        self.capacity = self.end + room
        if self.end:
            self._fill(pasts)

    def _fill(self, pasts: Sequence[Sequence[Segment]]) -> None:
        model = next(piece for past in pasts for piece in past)
        for at, layer in enumerate(self.layers):
            for name, sample, which in (("keys", model.layers[at][0], 0), ("values", model.layers[at][1], 1)):
                heads, _, width = sample.shape
                # zeros, not whatever memory held: a masked NaN times nought is still a NaN
                slots = sample.new_zeros((len(pasts), heads, self.capacity, width))
                for row, past in enumerate(pasts):
                    slot = self.starts[row]
                    for piece in past:
                        slots[row, :, slot : slot + piece.length] = piece.layers[at][which]
                        slot += piece.length
                setattr(layer, name, slots)

    def mask(self, new: Sequence[int], device: torch.device) -> torch.Tensor | None:
        """Which slots are tokens, for rows that get `new` tokens each: (rows, slots). None if nothing stands before them:
        then what is not a token comes last, and no token looks ahead.
        """
        if not self.end:
            return None
        slots = torch.arange(self.end + max(new), device=device)
        starts = torch.tensor(self.starts, device=device)[:, None]
        stops = torch.tensor(new, device=device)[:, None] + self.end
        return ((slots >= starts) & (slots < stops)).long()

    def advance(self, by: int) -> None:
        """The model has written `by` slots in every row."""
        self.end += by

    def view(self, row: int, start: int, stop: int) -> Segment:
        """The slots from `start` to `stop` of one row, as they lie here: gone when they are written over."""
        layers = [(layer.keys[row, :, start:stop], layer.values[row, :, start:stop]) for layer in self.layers]
        return Segment(layers, stop - start)

    def copy(self, row: int, start: int, stop: int) -> Segment:
        """The same, on its own."""
        layers = [
            (layer.keys[row, :, start:stop].clone(), layer.values[row, :, start:stop].clone()) for layer in self.layers
        ]
        return Segment(layers, stop - start)
