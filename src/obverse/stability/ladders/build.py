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

from obverse.core.chat import ChatMessage
from obverse.core.errors import MisuseError
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
from obverse.stability.ladders.forms import Family, Impossible, Made, Place, asked_at, exactly
from obverse.stability.ladders.literals import kept, negations
from obverse.stability.records import Ladder, Prompt, Rejected, Rung, Settings

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
                found = _same_as_another(found, prompt, rungs, settings) or found
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


def fault(prompt: Prompt, made: Made, family: Family) -> str | None:
    """What is wrong with a form, in one line; None if it may be used."""
    if any(not message.content.strip() for message in made.messages if message not in prompt.messages):  # (2)
        return "a message became empty"
    if not system.keeps(prompt.messages, made.messages):
        return "the system prompt lost what it says"
    if not _is_in_order(_others(prompt.messages), made.messages):
        return "another message than the request was touched"
    found = family.recover(made.messages, typos.words_of(prompt.request))  # (3)
    if found is None:
        return "the round trip found no request"
    if family.alike(found) != family.alike(prompt.request):
        return "the round trip came back with another request"
    if not kept(prompt.request, found):  # (4)
        return "a literal did not survive"
    if negations(found) != negations(prompt.request):
        return "a negation came or went"
    if made.span and not any(
        made.span in message.content for message in made.messages if message.role == "user"
    ):  # (5)
        return "the span is no longer there word for word"
    return None


def check_settings(prompts: Sequence[Prompt], settings: Settings) -> None:
    """Nothing, if ladders can be built.

    Raises:
        MisuseError: no such ladder, no level or variant, two prompts of one id, a span that its request does not hold.
    """
    for name in settings.ladders:
        if name not in FAMILIES:
            raise MisuseError(f"no ladder `{name}`", code="B001", hint=f"there are {', '.join(FAMILIES)}")
    if settings.levels < 1 or settings.variants < 1:
        raise MisuseError(
            f"{settings.levels} levels of {settings.variants} variants make no ladder",
            code="B002",
            hint="take 1 or more",
        )
    seen: set[str] = set()
    for prompt in prompts:
        if prompt.id in seen:
            raise MisuseError(f"two prompts have the id `{prompt.id}`", code="B003", hint="ids name what is drawn")
        if prompt.span not in prompt.request:
            raise MisuseError(f"the span of `{prompt.id}` is not in its request word for word", code="B004")
        seen.add(prompt.id)


def _same_as_another(rung: Rung, prompt: Prompt, rungs: Sequence[Rung], settings: Settings) -> Rejected | None:
    """(6) Rejected, if these messages at this temperature are there already."""
    base = rung.temperature is None or rung.temperature == settings.temperature
    if base and rung.messages == prompt.messages:
        reason = "it is the prompt as it is"
    elif any((rung.messages, rung.temperature) == (other.messages, other.temperature) for other in rungs):
        reason = "it is the same as another form of the ladder"
    else:
        return None
    return Rejected(ladder=rung.ladder, level=rung.level, variant=rung.variant, reason=reason)


def _others(messages: Sequence[ChatMessage]) -> list[ChatMessage]:
    at = asked_at(messages)
    return [message for place, message in enumerate(messages) if place != at and message.role != "system"]


def _is_in_order(wanted: Sequence[ChatMessage], messages: Sequence[ChatMessage]) -> bool:
    left = iter(messages)
    return all(any(message == other for other in left) for message in wanted)
