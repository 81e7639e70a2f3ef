"""What names a draw: the content key that the journal holds it by, and the seed that it is sampled with.

A draw is a function of (fingerprint of the target, messages, tools, seed, temperature, tokens at most), and its key is the digest
of that: whoever asks the same again, on whatever machine, finds the same key.
"""

from __future__ import annotations

from hashlib import sha256

import msgspec

from obverse.core.canon import digest
from obverse.stability.records import Point, Prompt


class Due(msgspec.Struct, frozen=True):
    """One draw of the plan that is still to be made. `case` is the prompt that it belongs to."""

    key: str
    case: str
    point: str
    index: int
    seed: int


class Keys:
    """The keys of one plan. What all draws of a point share is digested once."""

    def __init__(self, *, fingerprint: str, seed: int, max_tokens: int, prompts: dict[str, Prompt]) -> None:
        self._fingerprint, self._seed, self._max_tokens, self._prompts = fingerprint, seed, max_tokens, prompts
        self._shared: dict[str, str] = {}

    def due(self, point: Point, index: int) -> Due:
        """The draw of this point with this index."""
        seed = seed_of(self._seed, point.name, index)
        named = f"{self._of(point)}/{seed}/{index}"  # the index too: two seeds of 31 bits may meet
        return Due(sha256(named.encode()).hexdigest()[:24], point.prompt, point.name, index, seed)

    def _of(self, point: Point) -> str:
        if point.name not in self._shared:
            self._shared[point.name] = digest({
                "target": self._fingerprint, "messages": point.rung.messages, "tools": self._prompts[point.prompt].tools,
                "temperature": repr(point.temperature), "max_tokens": self._max_tokens, "point": point.name,
            })  # fmt: skip
        return self._shared[point.name]


def seed_of(seed: int, point: str, index: int) -> int:
    """The sampling seed of one draw: 31 bits that differ between points and draws."""
    drawn = sha256(f"{seed}/{point}/{index}".encode()).digest()
    return int.from_bytes(drawn[:4], "big") & 0x7FFF_FFFF
