"""What the pages show: every word is settled before a template sees it, and the same records are a page's JSON."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal, TypeAlias

import msgspec

from obverse.guard.people import Kind
from obverse.report.acts import Field, Line
from obverse.report.views import Standing, Term

Urgency: TypeAlias = Literal["soon", "ample", "over"]
"""`soon` runs out within a minute, `over` can no longer be answered."""


class Left(msgspec.Struct, frozen=True, kw_only=True):
    """The time that is left to answer: in words, and as the moment when it ends."""

    text: str
    expires: int
    until: str
    urgency: Urgency


class Row(msgspec.Struct, frozen=True, kw_only=True):
    """One request on a list. `act` is what would run, in a few words; `standing` and `said` how it stands."""

    id: str
    act: str
    why: tuple[str, ...]
    session: str
    asked: str
    left: Left
    people: str
    standing: Standing
    said: str


class InboxPage(msgspec.Struct, frozen=True, kw_only=True):
    """What waits, most urgent first."""

    title: str
    answer: str
    rows: tuple[Row, ...]
    left_out: str


class AnsweredPage(msgspec.Struct, frozen=True, kw_only=True):
    """What no longer waits, newest first."""

    title: str
    answer: str
    rows: tuple[Row, ...]
    left_out: str


class ClauseView(msgspec.Struct, frozen=True, kw_only=True):
    """A clause that asks, in the policy's own words. `prose` is safe HTML, made from escaped Markdown."""

    id: str
    title: str
    prose: str
    notes: tuple[str, ...]
    conditions: tuple[Field, ...]
    unknowns: tuple[str, ...]


class Word(msgspec.Struct, frozen=True, kw_only=True):
    """What one person said to a request."""

    by: str
    said: str
    standing: Standing


class Signer(msgspec.Struct, frozen=True, kw_only=True):
    """Somebody who may sign: `way` is how, `id` names the key."""

    name: str
    id: str
    way: Kind
    said: str


class Earlier(msgspec.Struct, frozen=True, kw_only=True):
    """What somebody said when exactly this was asked before."""

    by: str
    said: str
    standing: Standing
    when: str


class RequestPage(msgspec.Struct, frozen=True, kw_only=True):
    """One request: what will run, why a person is asked, what led there, what was said before.

    `long` names what does not fit in its box and has to be scrolled through, with how much it is.
    `text` is the page that a signature is bound to, the same on a terminal and here, and `page` its digest.
    """

    title: str
    id: str
    ask: str
    tool: str
    fields: tuple[Field, ...]
    raw: str
    long: Mapping[str, str]
    cut: str
    notes: tuple[str, ...]
    beside: tuple[Line, ...]
    left: Left
    open: bool
    standing: Standing
    said: str
    people: str
    words: tuple[Word, ...]
    clauses: tuple[ClauseView, ...]
    lines: tuple[Line, ...]
    earlier: tuple[Earlier, ...]
    newly: str
    bound: tuple[Term, ...]
    signers: tuple[Signer, ...]
    digest: str
    page: str
    text: str


class Newly(msgspec.Struct, frozen=True, kw_only=True):
    """A scenario that a grant would change, or leave as it is: what is said of it, by which rules, and what happens in it."""

    said: str
    rules: str
    lines: tuple[Line, ...]


class GrantPage(msgspec.Struct, frozen=True, kw_only=True):
    """What a grant in place of an approval would newly allow. `nothing` is set only where that is proved."""

    title: str
    answer: str
    id: str
    changes: tuple[Newly, ...]
    stays: tuple[Newly, ...]
    undecided: tuple[str, ...]
    nothing: bool
    summary: str


class Figure(msgspec.Struct, frozen=True, kw_only=True):
    """The figures of one reviewer, in words; nothing is said where there is no data."""

    name: str
    roles: str
    keys: str
    answered: str
    approved: str
    took: str
    fast: str
    missed: str


class ReviewersPage(msgspec.Struct, frozen=True, kw_only=True):
    """The people who may sign, and how they do."""

    title: str
    answer: str
    rows: tuple[Figure, ...]
    latency: tuple[Term, ...]


class JoinPage(msgspec.Struct, frozen=True, kw_only=True):
    """An invitation: whose key is to be registered, and until when."""

    title: str
    name: str
    roles: str
    until: str
    token: str


class Sorry(msgspec.Struct, frozen=True, kw_only=True):
    """Why there is no page, and what to do."""

    title: str
    answer: str
    text: str
