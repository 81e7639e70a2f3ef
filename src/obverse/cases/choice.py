"""Choosing without a random source: the same key always picks the same item, in every process (L09)."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from typing import TypeVar

_T = TypeVar("_T")


class Turn(int):
    """In a key: take the item so many places further. So wordings 0, 1, 2 of one thing use different items while there are."""


def number(*key: object) -> int:
    """A number that looks random and depends on the key alone."""
    text = "\x1f".join(str(part) for part in key if not isinstance(part, Turn))
    return int.from_bytes(hashlib.sha256(text.encode("utf-8", "surrogatepass")).digest()[:8], "big")


def pick(items: Sequence[_T], *key: object) -> _T:
    """One of the items, which are not empty."""
    turns = sum(part for part in key if isinstance(part, Turn))
    return items[(number(*key) + turns) % len(items)]
