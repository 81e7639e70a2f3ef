"""How a message is put: by register, by who writes, by the channel it comes through. Around what is said, never in it.

What a frame adds must have nothing to do with what the policy asks about messages: a sentence that shares a telling word
with a judged predicate or one of its examples is not used. That is a test of words; a predicate that a greeting answers is
beyond it.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from obverse.cases.choice import number, pick
from obverse.cases.context import CHANNEL, FACTORS, PERSONA, REGISTER, Context, value_of
from obverse.cases.phrases.book import Phrases
from obverse.cases.tongues import function_words
from obverse.policy.checked import Checked


class Manner:
    """Puts texts into frames, for one policy and one language."""

    def __init__(self, checked: Checked, phrases: Phrases, language: str) -> None:
        self.phrases = phrases
        self._taken = _telling_words(checked)
        self._little = function_words(language)

    def put(self, text: str, context: Context, *key: object) -> str | None:
        """The text in the frames of the context; None where every frame says something that the policy asks about."""
        register, persona = value_of(context, REGISTER), value_of(context, PERSONA)
        if register != FACTORS[REGISTER][0]:
            frame = self._one(self.phrases.registers[register], *key, REGISTER)
            if frame is None:
                return None
            text = frame.format(text=text)
        if persona != FACTORS[PERSONA][0]:
            sentence = self._one(self.phrases.personas[persona], *key, PERSONA)
            if sentence is None:
                return None
            text = f"{sentence} {text}"
        return self._through(value_of(context, CHANNEL), text, *key)

    def _through(self, channel: str, text: str, *key: object) -> str | None:
        match channel:
            case "email":
                return _framed(self._one(self.phrases.email, *key, CHANNEL), text)
            case "form":
                return _framed(self._one(self.phrases.form, *key, CHANNEL), text)
            case "dictated":
                return dictated(text, self.phrases, self._little, *key)
        return text

    def one_pair(self, pairs: Sequence[tuple[str, str]], *key: object) -> tuple[str, str] | None:
        """One of these pairs, of those that say nothing that the policy asks about."""
        fitting = [pair for pair in pairs if self._is_neutral(pair[0])]
        return pick(fitting, *key) if fitting else None

    def _one(self, templates: Sequence[str], *key: object) -> str | None:
        fitting = [template for template in templates if self._is_neutral(template)]
        return pick(fitting, *key) if fitting else None

    def _is_neutral(self, template: str) -> bool:
        return not set(_words(template.replace("{text}", ""), self._little)) & self._taken


def dictated(text: str, phrases: Phrases, little: frozenset[str], *key: object) -> str:
    """As it is spoken: a filler before some sentences."""
    sentences = re.split(r"(?<=[.!?])\s+(?=\S)", text)
    start = number(*key, "dictated")
    return " ".join(
        sentence if place % 2
        else f"{_start(phrases.fillers[(start + place // 2) % len(phrases.fillers)])}, {_inner(sentence, little)}"
        for place, sentence in enumerate(sentences)
    )  # fmt: skip


def _framed(frame: str | None, text: str) -> str | None:
    return None if frame is None else frame.format(text=text)


def _telling_words(checked: Checked) -> frozenset[str]:
    """What judged predicates about messages speak of."""
    terms = [term for term in checked.judged.values() if term.subject == "message"]
    texts = [text for term in terms for text in (term.name, term.definition, *term.yes, *term.no)]
    return frozenset(word for text in texts for word in _words(text, frozenset()))


def _words(text: str, little: frozenset[str]) -> list[str]:
    found = re.findall(r"[^\W\d_]{4,}", text.lower())
    return [word.removesuffix("s") for word in found if word not in little]


def _start(text: str) -> str:
    return text[:1].upper() + text[1:]


def _inner(sentence: str, little: frozenset[str]) -> str:
    """The sentence as it goes on after a comma: a little word loses its capital, `I` and names keep it."""
    first = re.match(r"[^\W\d_]+", sentence)
    if first is None or first[0].lower() not in little or first[0] == "I":
        return sentence
    return sentence[:1].lower() + sentence[1:]
