"""Who says, of a text that somebody wrote, which judged predicates are true of it: independent of who wrote it.

    `Labeller`          anything that answers; a judge of the room `judges` is wrapped into one by who wires the rooms
    `PatternLabeller`   a term's own `matches`: the definition of the predicate, so never wrong; asked first by all others
    `NearestLabeller`   nearer to an example of yes or to one of no? By vectors from outside, or by the words themselves

Laws: doubt is unknown, never a guess; nobody who labels has written the text (`realise` refuses it). How often a labeller is
wrong is measured on examples that it has not seen (`held_out`), never on those that it was made from.
"""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import Protocol

import msgspec

from obverse.cases.tongues import function_words, language_of
from obverse.core.canon import digest
from obverse.core.verdicts import Truth
from obverse.policy.ast import JudgedTerm
from obverse.policy.checked import REFUSES, Checked
from obverse.policy.operations import reading

_WORD = re.compile(r"[^\W_]+")
_PART = 4
"""Letters of the pieces that words are compared by: `reserve` and `reservation` share some."""


class Label(msgspec.Struct, frozen=True, kw_only=True):
    """One answer. `is_settled` is False where the same question may be answered later: a time-out, a model that was down."""

    truth: Truth
    is_settled: bool = True


UNKNOWN = Label(truth=Truth.UNKNOWN)


class Labeller(Protocol):
    """Anything that says whether a predicate is true of a text. `identity` changes when its answers could change."""

    @property
    def identity(self) -> str:
        """A digest of all that its answers depend on."""
        ...

    @property
    def models(self) -> frozenset[str]:
        """Fingerprints of the language models behind it: none of them may have written the text."""
        ...

    async def label(self, term: JudgedTerm, text: str) -> Label:
        """The answer; doubt, time-outs and nonsense are unknown, never an exception."""
        ...


class Embeds(Protocol):
    """What turns a text into a vector of length one; `judges.encoder.Encoder` is one."""

    @property
    def identity(self) -> str:
        """What its vectors depend on."""
        ...

    def encode(self, text: str) -> Iterable[float]:
        """The vector; the same on every call."""
        ...


class PatternLabeller:
    """The patterns of the terms; unknown for a term without one."""

    identity = "patterns"
    models: frozenset[str] = frozenset()

    async def label(self, term: JudgedTerm, text: str) -> Label:
        """What the pattern reads."""
        return Label(truth=reading(term, text) or Truth.UNKNOWN)


class NearestLabeller:
    """Compares a text with the examples of one policy: which is nearest, a yes or a no, and by how much?

    Examples of no are the term's own, and the examples of yes of other terms of its subject that its pattern, if it has one,
    does not read as yes: the examples of different predicates are taken to be about different things, as in `talk`.
    """

    def __init__(self, checked: Checked, embeds: Embeds | None = None, *, margin: float | None = None) -> None:
        self._space: Space = Vectors(embeds) if embeds is not None else Words()
        self._margin = self._space.margin if margin is None else margin
        self._others = {
            term.full_name: term for term in checked.judged.values() if term.full_name != REFUSES and term.yes
        }
        self.models: frozenset[str] = frozenset()
        self.identity = digest(
            {
                "labeller": "nearest",
                "space": self._space.identity,
                "margin": str(self._margin),
                "policy": checked.digest,
            }
        )

    async def label(self, term: JudgedTerm, text: str) -> Label:
        """True or false where the nearer side is nearer by the margin."""
        score = self.score(term, text)
        if score is None or abs(score) < self._margin:
            return UNKNOWN
        return Label(truth=Truth.of(score > 0))

    def score(self, term: JudgedTerm, text: str) -> float | None:
        """How much nearer the text is to a yes than to a no; None without examples of both."""
        no = [*term.no, *self._yes_of_others(term)]
        if not term.yes or not no:
            return None
        return self._space.nearness(text, term.yes) - self._space.nearness(text, no)

    def _yes_of_others(self, term: JudgedTerm) -> Iterable[str]:
        for name, other in self._others.items():
            if name != term.full_name and other.subject == term.subject:
                yield from (
                    text for text in other.yes if text not in term.yes and reading(term, text) is not Truth.TRUE
                )


class Space(Protocol):
    """Where texts are near to each other or not; `margin` is what is clear there, from `benchmarks/texts.py`."""

    identity: str
    margin: float

    def nearness(self, text: str, others: Sequence[str]) -> float:
        """How near the nearest of the others is, 1 for the same."""
        ...


class Vectors:
    """Cosines of vectors from outside."""

    margin = 0.1

    def __init__(self, embeds: Embeds) -> None:
        self._embeds = embeds
        self._known: dict[str, Sequence[float]] = {}
        self.identity = f"vectors of {embeds.identity}"

    def nearness(self, text: str, others: Sequence[str]) -> float:
        """The largest cosine."""
        own = self._vector(text)
        return max(sum(map(_product, own, self._vector(other))) for other in others)

    def _vector(self, text: str) -> Sequence[float]:
        if text not in self._known:
            self._known[text] = [float(value) for value in self._embeds.encode(text)]
        return self._known[text]


class Words:
    """Cosines of the words and of pieces of them, function words left out: no model, and a weak one."""

    identity = f"words and pieces of {_PART}"
    margin = 0.1

    def nearness(self, text: str, others: Sequence[str]) -> float:
        """The largest cosine."""
        own = _counts(text)
        return max(_cosine(own, _counts(other)) for other in others)


def _counts(text: str) -> Counter[str]:
    little = function_words(language_of(text) or "en")
    counts: Counter[str] = Counter()
    for word in _WORD.findall(text.lower()):
        if word not in little:
            pieces = {word[at : at + _PART] for at in range(max(1, len(word) - _PART + 1))}
            counts.update({word, *pieces})
    return counts


def _cosine(one: Mapping[str, int], other: Mapping[str, int]) -> float:
    dot = sum(count * other.get(word, 0) for word, count in one.items())
    return dot / math.sqrt(_square(one) * _square(other)) if dot else 0.0


def _square(counts: Mapping[str, int]) -> int:
    return sum(count * count for count in counts.values())


def _product(one: float, other: float) -> float:
    return one * other


class Held(msgspec.Struct, frozen=True, kw_only=True):
    """What a labeller said of one example that it had not seen."""

    term: str
    text: str
    is_yes: bool
    said: Truth


async def held_out(checked: Checked, labeller: Labeller) -> tuple[Held, ...]:
    """Every example of every predicate about messages, put to the labeller without having it.

    For a labeller that learns from the terms it is given (`NearestLabeller`, a model that is shown the examples), what it may
    not see is taken out of the term first. An example that is the only one of its kind cannot be held out.
    """
    held = []
    for term in checked.judged.values():
        if term.subject != "message":
            continue
        for is_yes, kind in ((True, term.yes), (False, term.no)):
            for text in kind if len(kind) > 1 else ():
                rest = tuple(other for other in kind if other != text)
                unseen = msgspec.structs.replace(term, **{"yes" if is_yes else "no": rest}, pattern=None)
                said = await labeller.label(unseen, text)
                held.append(Held(term=term.full_name, text=text, is_yes=is_yes, said=said.truth))
    return tuple(held)
