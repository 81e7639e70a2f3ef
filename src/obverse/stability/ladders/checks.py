"""What every form must pass before it is used, whoever made it, and what settings ladders can be built with."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final, get_args

from obverse.core.chat import ChatMessage
from obverse.core.errors import MisuseError
from obverse.stability.ladders import system, typos
from obverse.stability.ladders.forms import Family, Made, asked_at
from obverse.stability.ladders.literals import kept, negations
from obverse.stability.records import LadderName, Prompt, Rejected, Rung, Settings

NAMES: Final[tuple[str, ...]] = get_args(LadderName)


def check_settings(prompts: Sequence[Prompt], settings: Settings) -> None:
    """Nothing, if ladders can be built.

    Raises:
        MisuseError: no such ladder, no level or variant, two prompts of one id, a span that its request does not hold.
    """
    for name in settings.ladders:
        if name not in NAMES:
            raise MisuseError(f"no ladder `{name}`", code="B001", hint=f"there are {', '.join(NAMES)}")
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


def repetition(rung: Rung, prompt: Prompt, rungs: Sequence[Rung], settings: Settings) -> Rejected | None:
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
