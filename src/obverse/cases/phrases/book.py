"""The form of a book of phrases; one module for each language holds one.

`{text}` is what is said, `{act}` what is to be done, `{name}` and `{value}` an argument of it. A template never says more
than its kind: what it adds must be true of any message of any policy.
"""

from __future__ import annotations

from collections.abc import Mapping

import msgspec


class Phrases(msgspec.Struct, frozen=True, kw_only=True):
    """How one language says what every case needs."""

    frames: tuple[str, ...]
    """Around a request, when nothing particular is wanted; `registers` are for when it is."""
    registers: Mapping[str, tuple[str, ...]]
    personas: Mapping[str, tuple[str, ...]]
    """Sentences about who writes, which have nothing to do with what is asked."""
    greetings: tuple[tuple[str, str], ...]
    """What is said before the request comes, and what is said back."""
    email: tuple[str, ...]
    form: tuple[str, ...]
    fillers: tuple[str, ...]
    """What a person says while thinking, in a dictated message."""
    fragments: tuple[tuple[str, str], ...]
    """An announcement that more comes, and what is said to it."""
    quoted: tuple[str, ...]
    padded: tuple[tuple[str, str], ...]
    """Something harmless before and after."""
    generic: tuple[str, ...]
    """A request for something that has only a name."""
    asked_back: tuple[str, ...]
    detail: str
    again: str
    nothing_more: str
    neutral_messages: tuple[str, ...]
    neutral_replies: tuple[str, ...]
    helpful_replies: tuple[str, ...]
    refusals: tuple[str, ...]
    harmless: tuple[str, ...]
    consent: tuple[str, ...]
    mention: str
    """Around a scrap that must be said in these very words."""
    yes: str
    no: str
    nothing: str
    und: str
    months: tuple[str, ...]
    date: str
    """`{day}`, `{month}`, `{year}`."""
    moment: str
    """`{date}` and `{time}`."""
    money: str
    """`{whole}`: the digits."""
    point: str
    units: Mapping[str, tuple[str, str]]
    """`day` → one of them, several of them."""
