"""Forms that a model writes: the request in other words, or in another language. Used only if their round trip comes back.

    (1) the model gives a text that is not the request, of like length, and does not talk about its task
    (2) every literal is there as often as before, and no number is new; other words: negations and the question are kept
    (3) the text goes back by the same model (a paraphrase by way of German), and what comes back has the same numbers, negations and question
    (4) the request and what comes back, and in the same language the text itself, are near to each other for the encoder

None of this proves that the meaning is the same: a model that errs there and back alike is found where it drops what guards against
something or puts a word's opposite in its place, and not where it swaps who does what to whom. It is the reason why pure frames
(`paraphrase`, `language`) are the default, and why every reject is counted with its reason.
"""

from __future__ import annotations

import asyncio
import re
from collections import Counter
from collections.abc import Sequence
from typing import Final

from obverse.core.errors import ObverseError
from obverse.stability.ladders.checks import check_settings, repetition
from obverse.stability.ladders.forms import Impossible, Place, number, with_request
from obverse.stability.ladders.frames import dealt
from obverse.stability.ladders.literals import literals, negations
from obverse.stability.ladders.measure import distance
from obverse.stability.ladders.typos import words_of
from obverse.stability.ports import Embeds, Rewrites
from obverse.stability.records import Ladder, Prompt, Rejected, Rung, Settings

LANGUAGES: Final = (
    "Spanish", "French", "German", "Italian", "Portuguese", "Dutch", "Polish", "Turkish", "Vietnamese", "Swahili", "Welsh", "Zulu",
)  # fmt: skip
"""From the most to the least written about on the web, by our own judgement: the strength of a translation has no better unit."""
BY_WAY_OF: Final = "German"
NEAR: Final = 0.7
"""Least cosine between the request and what comes back; `benchmarks/stability_ladders.py` shows how paraphrases and other requests lie."""
_LONGER: Final = 3.0
_CHATTY: Final = re.compile(
    r"\W*(?:sure|certainly|of course|here(?: is|['’]s)|i can(?:not|['’]t)|i['’]m sorry|sorry|as an ai|paraphrase|translation)\b",
    re.IGNORECASE,
)
_GUARDS: Final = re.compile(
    r"\b(?:prevent|avoid|detect|protect|defend|guard|against|stop|halt|block|deter\b|recogni[sz]e|identif|spot\b|notice|escap|ward off|resist"
    r"|refus|rid of|safe|secur|shield|discourag|quit\b|ceas|put an end|keep \S+(?: \S+)? from)",
    re.IGNORECASE,
)
"""Beginnings of words for whoever does not want what is spoken of: with one of them gone a request may ask for it."""
_OPPOSITES: Final = tuple(
    (frozenset(one.split()), frozenset(other.split()))
    for one, other in (
        ("increas increase rais raise grow boost", "decreas decrease reduc reduce lower cut shrink"),
        ("add insert includ include", "remov remove delet delete exclud exclude drop"),
        ("give grant allow permit share", "revok revoke deny den forbid withdraw withhold"),
        ("open start begin enabl enable activat activate", "clos close stop end disabl disable deactivat deactivate"),
        ("buy", "sell"), ("lend", "borrow"), ("hide conceal", "reveal show expos expose"), ("build make creat create", "destroy break"),
        ("encrypt", "decrypt crack"), ("before", "after"), ("more most", "less least fewer"), ("best good", "worst bad"),
        ("truth true", "lie false"), ("help", "harm hurt"), ("always", "never"), ("maximum maxim", "minimum minim"),
    )
)  # fmt: skip
"""Stems that a rewriting must not put in each other's place. Not a dictionary: what turns otherwise is left to the encoder."""
_MODEL_WRITES: Final = ("paraphrase", "language")


async def rewritten(
    prompts: Sequence[Prompt], settings: Settings, rewrites: Rewrites, embeds: Embeds, *, near: float = NEAR
) -> tuple[Ladder, ...]:
    """The ladders `paraphrase` and `language`, as far as the settings name them, written by a model; in place of the pure ones.

    The forms of a paraphrase ladder are ordered by edit distance, those of `language` by `LANGUAGES`. Same answers of the model, same ladders.

    Raises:
        MisuseError: as `build.ladders`.
    """
    check_settings(prompts, settings)
    names = [name for name in dict.fromkeys(settings.ladders) if name in _MODEL_WRITES]
    return tuple([
        await _ladder(prompt, name, settings, rewrites, embeds, near) for prompt in prompts for name in names
    ])  # fmt: skip


async def _ladder(
    prompt: Prompt, name: str, settings: Settings, rewrites: Rewrites, embeds: Embeds, near: float
) -> Ladder:
    places = [
        Place(group=prompt.group, ladder=name, level=level, levels=settings.levels, variant=variant, seed=settings.seed)
        for level in range(1, settings.levels + 1)
        for variant in range(settings.variants)
    ]
    tried = await asyncio.gather(*(_tried(prompt, place, rewrites, embeds, near) for place in places))
    if name == "paraphrase":
        tried = _by_distance(prompt.request, tried)
    rungs: list[Rung] = []
    rejected: list[Rejected] = []
    for place, text in zip(places, tried):
        found = _rung(prompt, place, text, rewrites)
        if isinstance(found, Rung):
            found = repetition(found, prompt, rungs, settings) or found
        if isinstance(found, Rung):
            rungs.append(found)
        else:
            rejected.append(found)
    return Ladder(name=name, prompt=prompt.id, rungs=tuple(rungs), rejected=tuple(rejected))


def _by_distance(request: str, tried: Sequence[str | Impossible]) -> list[str | Impossible]:
    """The texts over the places from near to far, what failed on the places between."""
    texts = sorted((text for text in tried if isinstance(text, str)), key=lambda text: (distance(request, text), text))
    failed = [text for text in tried if not isinstance(text, str)]
    at = {(place * len(tried)) // len(texts): text for place, text in enumerate(texts)} if texts else {}
    left = iter(failed)
    return [at[place] if place in at else next(left) for place in range(len(tried))]


def _rung(prompt: Prompt, place: Place, text: str | Impossible, rewrites: Rewrites) -> Rung | Rejected:
    if isinstance(text, Impossible):
        return Rejected(ladder=place.ladder, level=place.level, variant=place.variant, reason=text.reason)
    return Rung(
        ladder=place.ladder, level=place.level, variant=place.variant, strength=place.strength,
        messages=with_request(prompt, text), span=text, note=f"{_how(place)} by {rewrites.identity}",
    )  # fmt: skip


def _how(place: Place) -> str | Impossible:
    return "paraphrase" if place.ladder == "paraphrase" else dealt(place, LANGUAGES)


async def _tried(prompt: Prompt, place: Place, rewrites: Rewrites, embeds: Embeds, near: float) -> str | Impossible:
    """A text that came back from its round trip, or why there is none."""
    request, how = prompt.request, _how(place)
    if isinstance(how, Impossible):
        return how
    if not request.strip():
        return Impossible(reason="there is no request")
    seed = number(*place.key, place.level) % 2**31
    try:
        text = (await rewrites.rewrite(request, how, seed)).strip()
        reason = _wrong(request, text, how)  # (1) (2)
        if reason is not None:
            return Impossible(reason=reason)
        there = await rewrites.rewrite(text, BY_WAY_OF, seed) if how == "paraphrase" else text
        back = (await rewrites.rewrite(there, "English", seed)).strip()
    except ObverseError as fault:
        return Impossible(reason=f"the model gave no text: {fault.message}")
    reason = _other_meaning(request, back) or _far(request, text, back, how, embeds, near)  # (3) (4)
    return text if reason is None else Impossible(reason=reason)


def _wrong(request: str, text: str, how: str) -> str | None:
    if not text:
        return "the model gave an empty text"
    if text.split() == request.split():
        return "the model gave the request back"
    if not 1 / _LONGER <= len(text) / len(request) <= _LONGER:
        return "the text is of another length"
    if _CHATTY.match(text) and not _CHATTY.match(request):
        return "the model talks about its task"
    wanted = Counter(literals(request))
    if any(text.count(literal) < often for literal, often in wanted.items()):
        return "a literal did not survive"
    if how == "paraphrase":
        return _other_meaning(request, text)
    if _digits(text) != _digits(request):
        return "a number came or went"
    return "it is not translated" if _overlap(request, text) > 0.5 else None


def _other_meaning(request: str, text: str) -> str | None:
    if _digits(text) != _digits(request):
        return "a number came or went"
    if len(negations(text)) != len(negations(request)):
        return "a negation came or went"
    if ("?" in text) != ("?" in request):
        return "the question came or went"
    if (_GUARDS.search(text) is None) != (_GUARDS.search(request) is None):
        return "what guards against something came or went"
    return "a word turned into its opposite" if _turned(_stems(request), _stems(text)) else None


def _turned(before: frozenset[str], after: frozenset[str]) -> bool:
    """Whether a word stands in one of the texts and its opposite in its place in the other."""
    only = before - after, after - before
    if any(mine & one and other & two for one, two in _OPPOSITES for mine, other in (only, only[::-1])):
        return True
    return any(
        f"{prefix}{word}" in other and len(word) > 2
        for mine, other in (only, only[::-1])
        for word in mine
        for prefix in ("un", "in", "im", "il", "ir", "dis", "de", "non")
    )


def _stems(text: str) -> frozenset[str]:
    """The words of the text without the endings of English verbs: enough to meet the lists here."""
    words = re.findall(r"[a-z]+", text.casefold())
    return frozenset(stem for word in words for stem in (word, re.sub(r"(?<=[a-z]{3})(?:ing|ed|es|s|d|e)$", "", word)))


def _far(request: str, text: str, back: str, how: str, embeds: Embeds, near: float) -> str | None:
    texts = [request, back, *([text] if how == "paraphrase" else [])]
    first, *others = embeds.embed(texts)
    # A cosine that is no number is not near.
    return None if all(float(first @ other) >= near for other in others) else "the encoder finds another meaning"


def _digits(text: str) -> Counter[str]:
    return Counter(re.findall(r"\d+", text))


def _overlap(request: str, text: str) -> float:
    """The share of the longer words of the request that stand in the text."""
    words = {word for word in words_of(request) if len(word) > 3}
    return len(words & words_of(text)) / len(words) if words else 0.0
