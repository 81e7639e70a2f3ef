"""How different the texts of a suite are from each other: by their words, and by vectors where an encoder is given.

    distinct-n    different n-grams of words / all n-grams (Li et al. 2016): 1 where no n-gram comes twice
    distance      mean pairwise cosine distance of the vectors: 0 where all texts mean the same to the encoder
    vendi         the effective number of different texts: exp of the entropy of the eigenvalues of the matrix of cosines,
                  divided by its size (Friedman and Dieng 2023); between 1 and the number of texts

Each text counts once, however many cases say it. Figures of suites of different sizes are not comparable: distinct-n falls with
every text, so a comparison takes equal numbers (`at_most`). A figure that needs two texts is absent without them, never 0.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence

import msgspec

from obverse.cases.choice import number
from obverse.cases.context import LANGUAGE
from obverse.cases.labellers import Embeds
from obverse.cases.records import Case

_WORD = re.compile(r"\w+")


class Diversity(msgspec.Struct, frozen=True, kw_only=True):
    """The figures of one set of texts; None where there are too few, or no encoder. Rounded to four places."""

    texts: int
    words: int
    distinct_1: float | None = None
    distinct_2: float | None = None
    distinct_3: float | None = None
    distance: float | None = None
    vendi: float | None = None
    encoder: str | None = None


def texts_of(cases: Iterable[Case]) -> tuple[str, ...]:
    """What the users of these cases say, each text once, in the order in which it comes."""
    return tuple(dict.fromkeys(said.text for case in cases for said in case.script))


def by_language(cases: Iterable[Case], main: str) -> dict[str, tuple[Case, ...]]:
    """The cases by the language that they are told in."""
    found: dict[str, list[Case]] = {}
    for case in cases:
        found.setdefault(case.context.get(LANGUAGE, main), []).append(case)
    return {language: tuple(several) for language, several in sorted(found.items())}


def diversity(texts: Sequence[str], encoder: Embeds | None = None, *, at_most: int = 500) -> Diversity:
    """The figures of these texts, of `at_most` of them: chosen by their digests, so the same ones each time."""
    texts = sorted(dict.fromkeys(texts), key=lambda text: (number("diversity", text), text))[:at_most]
    distance, vendi = _of_vectors(texts, encoder)
    words = [_WORD.findall(text.lower()) for text in texts]
    return Diversity(
        texts=len(texts), words=sum(map(len, words)),
        distinct_1=_distinct(words, 1), distinct_2=_distinct(words, 2), distinct_3=_distinct(words, 3),
        distance=distance, vendi=vendi, encoder=None if encoder is None or vendi is None else encoder.identity,
    )  # fmt: skip


def _distinct(texts: Sequence[Sequence[str]], size: int) -> float | None:
    grams = [tuple(words[at : at + size]) for words in texts for at in range(len(words) - size + 1)]
    return round(len(set(grams)) / len(grams), 4) if grams else None


def _of_vectors(texts: Sequence[str], encoder: Embeds | None) -> tuple[float | None, float | None]:
    """Mean distance and effective number."""
    if encoder is None or len(texts) < 2:
        return None, None
    import numpy as np

    vectors = np.array([encoder.encode(text) for text in texts], dtype=float)
    cosines = vectors @ vectors.T
    pairs = cosines[np.triu_indices(len(texts), 1)]
    shares = np.linalg.eigvalsh(cosines / len(texts))
    shares = shares[shares > 1e-12]
    return round(float(1 - pairs.mean()), 4), round(float(np.exp(-(shares * np.log(shares)).sum())), 4)


def figures(cases: Sequence[Case], main: str, encoder: Embeds | None = None) -> Mapping[str, Diversity]:
    """Language → the figures of the texts told in it."""
    return {language: diversity(texts_of(several), encoder) for language, several in by_language(cases, main).items()}
