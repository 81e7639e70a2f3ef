"""Words put around a request, weakest first, and the peeling that takes them off again.

The forms of a prompt are ordered by their edit distance to it and dealt out to the levels in that order, so a higher level is never
nearer to the prompt than a lower one. Among the forms of one level the seed chooses; variants are others of the same level.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import NamedTuple, TypeVar

from obverse.stability.ladders.forms import Impossible, Made, Place, exactly, number, with_request
from obverse.stability.ladders.measure import compared, distance
from obverse.stability.records import Prompt

_T = TypeVar("_T")


class Frame(NamedTuple):
    """What stands before and after. `inner` writes the request so that it fits between, letter by letter, so it does a part of it likewise."""

    before: str
    after: str
    note: str
    inner: Callable[[str], str] = exactly


def framed(prompt: Prompt, frame: Frame) -> Made:
    """The prompt with its request in this frame; its span as it stands there, which is the request where the prompt names none."""
    return Made(
        messages=with_request(prompt, f"{frame.before}{frame.inner(prompt.request)}{frame.after}"),
        span=frame.inner(prompt.span or prompt.request), note=frame.note,
    )  # fmt: skip


def graded(prompt: Prompt, place: Place, forms: Iterable[Made]) -> Made | Impossible:
    """The form for this place: the forms by distance, dealt out to the levels, one of them chosen by the seed."""
    far = [(distance(*compared(prompt.messages, form.messages)), form) for form in forms]
    return dealt(place, [form for _, form in sorted(far, key=lambda item: (item[0], item[1].note))])


def dealt(place: Place, forms: Sequence[_T]) -> _T | Impossible:
    """The form for this place out of forms that stand in order, weakest first."""
    first, last = ((level * len(forms)) // place.levels for level in (place.level - 1, place.level))
    if first == last:
        return Impossible(reason="fewer forms than levels")
    if place.variant >= last - first:
        return Impossible(reason="fewer forms than variants")
    turn = number(place.seed, place.ladder, place.group, place.level) + place.variant
    return forms[first + turn % (last - first)]


def peeled(text: str, frames: Iterable[Frame]) -> str:
    """What stands within the frame of the list that fits and says most; the text itself if none fits."""
    fitting = [
        (len(frame.before) + len(frame.after), frame)
        for frame in frames
        if len(text) >= len(frame.before) + len(frame.after)
        and text.startswith(frame.before)
        and text.endswith(frame.after)
    ]
    if not fitting:
        return text
    _, widest = max(fitting, key=lambda item: item[0])
    return text[len(widest.before) : len(text) - len(widest.after)]
