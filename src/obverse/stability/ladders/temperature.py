"""The same text at other temperatures, from greedy to `HOTTEST`. The strength is the temperature over `HOTTEST`.

So strengths of runs with different numbers of levels compare, and the base point, drawn at the temperature of the settings, stands at
`base_strength` on this ladder, not at 0. At temperature 0 every draw of a deterministic target is the same one.
"""

from __future__ import annotations

from typing import Final

from obverse.core.chat import ChatMessage
from obverse.stability.ladders.forms import Impossible, Made, Place, asked
from obverse.stability.records import Prompt, Settings

HOTTEST: Final = 1.5


def make(prompt: Prompt, place: Place) -> Made | Impossible:
    """The prompt as it is: level 1 greedy, the last level at `HOTTEST`, even steps between."""
    if place.variant:
        return Impossible(reason="a temperature has no variants")
    share = 1.0 if place.levels == 1 else (place.level - 1) / (place.levels - 1)
    temperature = round(share * HOTTEST, 4)
    return Made(
        messages=prompt.messages, span=prompt.span, temperature=temperature,
        strength=strength_of(temperature), note=f"temperature {temperature:g}",
    )  # fmt: skip


def strength_of(temperature: float) -> float:
    """Where a temperature stands on this ladder; beyond `HOTTEST` it is 1."""
    return min(temperature / HOTTEST, 1.0)


def base_strength(ladder: str, settings: Settings) -> float:
    """Where the base point stands on a ladder: at 0 but for this one, where it stands at the temperature that it is drawn at."""
    return strength_of(settings.temperature) if ladder == "temperature" else 0.0


def recover(messages: tuple[ChatMessage, ...], words: frozenset[str]) -> str | None:
    """The last message of the user."""
    del words
    return asked(messages)
