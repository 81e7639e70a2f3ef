"""What a family of perturbations is, and the small words of all of them: a place on a ladder, a made form, a seeded choice.

A family makes forms (`make`) and, apart from that, reads them back (`recover`): the second sees the perturbed messages and the bare
vocabulary of the request, never how the form was made. `alike` maps a request to what the family promises to keep, so the
round trip is: `alike(recover(make(request))) == alike(request)`.

A choice is a digest of (seed, ladder, group of the prompt, variant, …): the same everywhere. The *level* is left out of the key where
forms are nested, so that a stronger form holds all that a weaker one changed.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from typing import NamedTuple, TypeVar

import msgspec

from obverse.core.chat import ChatMessage
from obverse.stability.records import Prompt

_T = TypeVar("_T")


class Place(msgspec.Struct, frozen=True, kw_only=True):
    """Where on which ladder of which prompt a form stands. Prompts of one group meet the same words, so that a case compares with its twin."""

    group: str
    ladder: str
    level: int
    levels: int
    variant: int = 0
    seed: int = 0

    @property
    def strength(self) -> float:
        """Level over levels: 0 is the prompt itself, 1 the strongest form."""
        return self.level / self.levels

    @property
    def key(self) -> tuple[object, ...]:
        """What choices hang on that do not depend on the level."""
        return (self.seed, self.ladder, self.group, self.variant)

    def share(self, count: int) -> int:
        """How many of `count` places are changed at this strength: none at 0, all at 1, at least one between."""
        return -(-self.level * count // self.levels)


class Made(msgspec.Struct, frozen=True, kw_only=True):
    """One perturbed form. `span` is the prompt's span as it stands there, or the request where it stands among other words."""

    messages: tuple[ChatMessage, ...]
    span: str = ""
    temperature: float | None = None
    strength: float | None = None
    """Where the ladder has a unit of its own; else level over levels."""
    note: str = ""


class Impossible(msgspec.Struct, frozen=True, kw_only=True):
    """This form cannot be made of this prompt, and why: one line that names no text, so that reasons can be counted."""

    reason: str


class Family(NamedTuple):
    """One kind of perturbation. `recover` gets the messages and the words of the request, and gives None where it finds no request."""

    make: Callable[[Prompt, Place], Made | Impossible]
    recover: Callable[[tuple[ChatMessage, ...], frozenset[str]], str | None]
    alike: Callable[[str], str]


def number(*key: object) -> int:
    """A number that looks random and depends on the key alone, in every process."""
    text = "\x1f".join(map(str, key))
    return int.from_bytes(hashlib.sha256(text.encode("utf-8", "surrogatepass")).digest()[:8], "big")


def pick(items: Sequence[_T], *key: object) -> _T:
    """One of the items, which are not empty."""
    return items[number(*key) % len(items)]


def shuffled(items: Sequence[_T], *key: object) -> list[_T]:
    """The items in an order that depends on the key alone."""
    return [items[place] for place in sorted(range(len(items)), key=lambda place: (number(*key, place), place))]


def exactly(text: str) -> str:
    """The text itself: nothing is forgiven."""
    return text


def asked_at(messages: Sequence[ChatMessage]) -> int | None:
    """The place of the last message of the user: that is the request; None if there is none."""
    return next((place for place in reversed(range(len(messages))) if messages[place].role == "user"), None)


def asked(messages: Sequence[ChatMessage]) -> str | None:
    """The text of the last message of the user."""
    place = asked_at(messages)
    return None if place is None else messages[place].content


def with_request(prompt: Prompt, text: str) -> tuple[ChatMessage, ...]:
    """The messages of the prompt with another request; all others are the very same."""
    at = asked_at(prompt.messages)
    return tuple(
        msgspec.structs.replace(message, content=text) if place == at else message
        for place, message in enumerate(prompt.messages)
    )
