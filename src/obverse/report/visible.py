"""Foreign text made fit to be seen: nothing in it steers the reader's screen, hides, or runs on for ever.

Not an escape for HTML, XML or a terminal's colours: those who write such a format escape it themselves, after this.
Shown as `⟨U+202E⟩`: control characters but for tab and line feed, everything that turns the direction of writing, what has
no width or no meaning (joiners, soft hyphens, tags, variation selectors beyond the first sixteen), lone surrogates.
"""

from __future__ import annotations

import re
from typing import Final

import msgspec

_ODD: Final = re.compile(
    "[\x00-\x08\x0b-\x1f\x7f-\x9f\xad\u034f\u061c\u115f\u1160\u17b4\u17b5\u180b-\u180f\u200b-\u200f\u2028-\u202e\u2060-\u206f"
    "\u3164\ud800-\udfff\ufdd0-\ufdef\ufeff\uffa0\ufff0-\ufffb\ufffe\uffff\U000e0000-\U000e0fff]"
)


class Shown(msgspec.Struct, frozen=True, kw_only=True):
    """A text as it is shown; `cut` says how much of it is not, None where all is."""

    text: str
    cut: str | None = None


def visible(text: str) -> str:
    """The text with every character that hides or steers written out; tabs and line feeds stay."""
    return _ODD.sub(lambda odd: f"⟨U+{ord(odd[0]):04X}⟩", text.replace("\r\n", "\n"))


def shown(text: str, limit: int) -> Shown:
    """At most `limit` characters of the text, made visible, and how much was left out."""
    if len(text) <= limit:
        return Shown(text=visible(text))
    return Shown(
        text=visible(text[:limit]), cut=f"{len(text) - limit:,} of {len(text):,} characters are not shown here"
    )


def one_line(text: str, limit: int = 160) -> str:
    """The text on one line, made visible, with an ellipsis where it was cut."""
    head = " ".join(visible(text[: 4 * limit]).split())
    return head if len(head) <= limit and len(text) <= 4 * limit else f"{head[:limit].rstrip()}…"
