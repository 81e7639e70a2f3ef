"""Language → its book of phrases."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from obverse.cases.phrases.book import Phrases
from obverse.cases.phrases.de import GERMAN
from obverse.cases.phrases.en import ENGLISH
from obverse.cases.phrases.es import SPANISH
from obverse.cases.phrases.fr import FRENCH

BOOKS: Final[Mapping[str, Phrases]] = {"en": ENGLISH, "de": GERMAN, "fr": FRENCH, "es": SPANISH}


def book(language: str) -> Phrases:
    """The book of a language of `context.FACTORS`."""
    return BOOKS[language]
