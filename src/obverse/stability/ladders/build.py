"""Prompts and settings → ladders whose every form came back from its round trip. Pure: same prompts, same settings, same bytes.

For each form, in steps; the first that fails rejects it with a line:

    (1) there is a request, and the family can make this form of it
    (2) no message has become empty, and all messages but those that the family may touch are there, in their order
    (3) read back by the family's own `recover`, the request is the same, up to what the family promises to keep
    (4) every literal of the request stands in what was read back; no negation came or went
    (5) the span stands in the messages word for word
    (6) it is not the prompt itself, nor another form of the ladder

What is rejected is listed and never used. Whether a model would still call the meaning the same is not asked here: `rewriting` does, for
forms that a model writes.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final

from obverse.stability.ladders import (
    casing,
    formats,
    fragments,
    language,
    paraphrase,
    position,
    punctuation,
    register,
    system,
    temperature,
    typos,
    whitespace,
)
from obverse.stability.ladders.checks import check_settings, fault, repetition
from obverse.stability.ladders.forms import Family, Impossible, Place, exactly
from obverse.stability.ladders.rewriting import rewritten
from obverse.stability.records import Ladder, Prompt, Rejected, Rung, Settings

__all__ = ["FAMILIES", "form", "ladder", "ladders", "rewritten"]

FAMILIES: Final[Mapping[str, Family]] = {
    "typos": Family(typos.make, typos.recover, typos.alike),
    "casing": Family(casing.make, casing.recover, casing.alike),
    "whitespace": Family(whitespace.make, whitespace.recover, whitespace.alike),
    "punctuation": Family(punctuation.make, punctuation.recover, punctuation.alike),
    "paraphrase": Family(paraphrase.make, paraphrase.recover, paraphrase.canonical),
    "fragments": Family(fragments.make, fragments.recover, exactly),
    "register": Family(register.make, register.recover, exactly),
    "language": Family(language.make, language.recover, exactly),
    "position": Family(position.make, position.recover, exactly),
    "system": Family(system.make, system.recover, exactly),
    "format": Family(formats.make, formats.recover, exactly),
    "temperature": Family(temperature.make, temperature.recover, exactly),
}


def ladders(prompts: Sequence[Prompt], settings: Settings) -> tuple[Ladder, ...]:
    """One ladder for each prompt and each name in `settings.ladders`, in their order; those of one prompt stand together.

    Raises:
        MisuseError: no such ladder, no level or variant, two prompts of one id, a span that its request does not hold.
    """
    check_settings(prompts, settings)
    return tuple(ladder(prompt, name, settings) for prompt in prompts for name in dict.fromkeys(settings.ladders))


def ladder(prompt: Prompt, name: str, settings: Settings) -> Ladder:
    """One ladder of one prompt."""
    rungs: list[Rung] = []
    rejected: list[Rejected] = []
    for level in range(1, settings.levels + 1):
        for variant in range(settings.variants):
            place = Place(
                group=prompt.group,
                ladder=name,
                level=level,
                levels=settings.levels,
                variant=variant,
                seed=settings.seed,
            )
            found = form(prompt, place)
            if isinstance(found, Rung):
                found = repetition(found, prompt, rungs, settings) or found
            if isinstance(found, Rung):
                rungs.append(found)
            else:
                rejected.append(found)
    return Ladder(name=name, prompt=prompt.id, rungs=tuple(rungs), rejected=tuple(rejected))


def form(prompt: Prompt, place: Place) -> Rung | Rejected:
    """The form at this place, or why it is not used; whether another one is the same is not looked at."""
    family = FAMILIES[place.ladder]
    made = family.make(prompt, place) if prompt.request.strip() else Impossible(reason="there is no request")  # (1)
    reason = made.reason if isinstance(made, Impossible) else fault(prompt, made, family)
    if isinstance(made, Impossible) or reason is not None:
        return Rejected(ladder=place.ladder, level=place.level, variant=place.variant, reason=reason or "")
    return Rung(
        ladder=place.ladder, level=place.level, variant=place.variant, messages=made.messages, span=made.span,
        strength=place.strength if made.strength is None else made.strength,
        temperature=made.temperature, note=made.note,
    )  # fmt: skip
