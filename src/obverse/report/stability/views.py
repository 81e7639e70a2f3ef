"""What the templates of a stability report are given: records in which every word is settled. Not for others to read."""

from __future__ import annotations

from typing import Final

import msgspec

from obverse.report.views import Term


class Room(msgspec.Struct, frozen=True, kw_only=True):
    """How much there is room for: cards of prompts, characters of a text, answers and rungs of a card, layer × prompt pictures."""

    cards: int
    text: int
    answers: int
    steps: int
    maps: int
    rows: int
    drawing: int
    """Bytes of one drawing, for both widths together."""


ROOMS: Final = (
    Room(cards=2_000, text=4_000, answers=6, steps=400, maps=12, rows=2_000, drawing=2_000_000),
    Room(cards=600, text=1_200, answers=3, steps=80, maps=8, rows=600, drawing=1_000_000),
    Room(cards=200, text=400, answers=2, steps=40, maps=3, rows=200, drawing=500_000),
    Room(cards=40, text=200, answers=1, steps=0, maps=1, rows=80, drawing=250_000),
    Room(cards=10, text=120, answers=0, steps=0, maps=0, rows=20, drawing=120_000),
)
"""From generous to tight; a page takes the first in which it stays small enough."""


class KeyView(msgspec.Struct, frozen=True, kw_only=True):
    """A sign of a picture (SVG of ours) and what it means."""

    sign: str
    means: str


class Plate(msgspec.Struct, frozen=True, kw_only=True):
    """A picture with its words. `wide` and `narrow` are SVG that was cleaned; both are empty where it could not be drawn."""

    anchor: str
    title: str
    says: tuple[str, ...]
    keys: tuple[KeyView, ...] = ()
    wide: str = ""
    narrow: str = ""


class Table(msgspec.Struct, frozen=True, kw_only=True):
    """Figures in rows; the first cell of a row names it. `folded` tables stand behind a click."""

    title: str
    heads: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    folded: bool = True
    note: str = ""


class Part(msgspec.Struct, frozen=True, kw_only=True):
    """One section of the page."""

    anchor: str
    title: str
    intro: tuple[str, ...] = ()
    plates: tuple[Plate, ...] = ()
    tables: tuple[Table, ...] = ()
    notes: tuple[str, ...] = ()


class Answer(msgspec.Struct, frozen=True, kw_only=True):
    """A question that the first screen answers."""

    question: str
    says: tuple[str, ...]


class Cell(msgspec.Struct, frozen=True, kw_only=True):
    """How many prompts of one kind stand in one zone."""

    zone: str
    number: str


class KindRow(msgspec.Struct, frozen=True, kw_only=True):
    """One kind on the first screen."""

    kind: str
    of: str
    wants: str
    cells: tuple[Cell, ...]
    share: str


class Said(msgspec.Struct, frozen=True, kw_only=True):
    """A text of somebody, and who that was."""

    who: str
    text: str
    cut: str = ""


class PromptCard(msgspec.Struct, frozen=True, kw_only=True):
    """One prompt, folded."""

    id: str
    zone: str
    said: str
    rate: str
    messages: tuple[Said, ...]
    placed: tuple[Term, ...]
    spread: tuple[Term, ...]
    steps: tuple[tuple[str, ...], ...]
    levels: tuple[str, ...]
    rejected: tuple[str, ...]
    answers: tuple[Said, ...]
    left_out: str


class CardGroup(msgspec.Struct, frozen=True, kw_only=True):
    """The prompts of one kind."""

    title: str
    cards: tuple[PromptCard, ...]
    left_out: str


class StabilityPage(msgspec.Struct, frozen=True, kw_only=True):
    """The page of a diagnosis."""

    title: str
    maker: str
    time: str
    standing: str
    answer: str
    policy: str
    digest: str
    target: str
    cut: str
    figures: tuple[Term, ...]
    gist: tuple[str, ...]
    answers: tuple[Answer, ...]
    zones: tuple[str, ...]
    kinds: tuple[KindRow, ...]
    drawn: str
    """Why pictures are missing; empty where they are there."""
    parts: tuple[Part, ...]
    groups: tuple[CardGroup, ...]
    unknown: tuple[Term, ...]
    how: tuple[Term, ...]
    settings: tuple[Term, ...]
    command: str
    limits: tuple[Term, ...]


class ComparisonPage(msgspec.Struct, frozen=True, kw_only=True):
    """The page of two runs side by side."""

    title: str
    maker: str
    answer: str
    standing: str
    first: str
    second: str
    figures: tuple[Term, ...]
    answers: tuple[Answer, ...]
    drawn: str
    parts: tuple[Part, ...]
    unknown: tuple[Term, ...]
    limits: tuple[Term, ...]
