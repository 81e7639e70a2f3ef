"""What the template is given: records in which every word and every place is settled.

Not records of the run, and not for others to read: `report.data` writes those.
"""

from __future__ import annotations

from typing import Final, Literal, TypeAlias

import msgspec

from obverse.core.verdicts import Side
from obverse.report.acts import Line
from obverse.report.drawing import Bar, Tick

Standing: TypeAlias = Literal["fails", "undecided", "holds", "untried", "quiet"]
"""How a clause stands; `quiet` is an audit's: no finding, which is no proof."""
ORDER: Final[tuple[Standing, ...]] = ("fails", "undecided", "untried", "holds")
SAID: Final[dict[str, str]] = {
    "fails": "fails", "undecided": "undecided", "holds": "holds", "untried": "not tried",
}  # fmt: skip
SAID_OF_MANY: Final[dict[str, str]] = {**SAID, "fails": "fail", "holds": "hold"}


class Room(msgspec.Struct, frozen=True, kw_only=True):
    """How much there is room for: characters of a text, cards and rows of a clause, trials of a card, events of a trial."""

    text: int
    cards: int
    rows: int
    trials: int
    events: int


ROOMS: Final = (
    Room(text=8_000, cards=60, rows=400, trials=4, events=40),
    Room(text=3_000, cards=20, rows=100, trials=3, events=20),
    Room(text=1_000, cards=8, rows=40, trials=2, events=12),
    Room(text=300, cards=3, rows=10, trials=1, events=6),
)
"""From generous to tight; a page takes the first in which it stays small enough."""


class Term(msgspec.Struct, frozen=True, kw_only=True):
    """A name and what it stands for; `exact` is set in fixed width."""

    name: str
    value: str
    note: str = ""
    exact: bool = False


class ClaimView(msgspec.Struct, frozen=True, kw_only=True):
    """One claim: drawn, and said in words. `rate` and `counted` are its two short lines, `label` its whole sentence."""

    side: Side
    means: str
    standing: Standing
    said: str
    rate: str
    counted: str
    bar: Bar
    label: str
    terms: tuple[Term, ...] = ()


class Row(msgspec.Struct, frozen=True, kw_only=True):
    """One clause on the first screen, both of its sides."""

    anchor: str
    title: str
    id: str
    notes: tuple[str, ...]
    standing: Standing
    said: str
    violation: ClaimView | None
    over_refusal: ClaimView | None


class Rung(msgspec.Struct, frozen=True, kw_only=True):
    """One level of coverage, as numerals."""

    level: str
    met: str
    infeasible: str
    open: str


class CaseView(msgspec.Struct, frozen=True, kw_only=True):
    """One case: what is so, what happened before, what is asked for, and whether that must or must not come."""

    id: str
    side: str
    expected: str
    situation: tuple[Term, ...]
    lines: tuple[Line, ...]
    act: Line
    tally: str
    standing: str


class TrialView(msgspec.Struct, frozen=True, kw_only=True):
    """One trial that was not kept, with the step marked."""

    outcome: str
    said: str
    reason: str
    before: str
    lines: tuple[Line, ...]


class Card(msgspec.Struct, frozen=True, kw_only=True):
    """A case and its twin side by side, and what the target did."""

    worst: str
    title: str
    flipped: str
    case: CaseView
    twin: CaseView | None
    trials: tuple[TrialView, ...]
    kept: tuple[TrialView, ...]
    kept_said: str
    left_out: str


class CaseRow(msgspec.Struct, frozen=True, kw_only=True):
    """A case in one line, where there is no room for a card."""

    id: str
    side: str
    title: str
    tally: str
    worst: str


class Section(msgspec.Struct, frozen=True, kw_only=True):
    """One clause, whole. `prose` is HTML that was made of escaped Markdown."""

    row: Row
    prose: str
    rules: tuple[str, ...]
    claims: tuple[ClaimView, ...]
    coverage: tuple[Rung, ...]
    infeasible: tuple[str, ...]
    cards: tuple[Card, ...]
    cards_said: str
    kept: tuple[Card, ...]
    kept_said: str
    rows: tuple[CaseRow, ...]
    left_out: str
    cost: str


class Page(msgspec.Struct, frozen=True, kw_only=True):
    """The page of a run."""

    title: str
    policy: str
    version: str
    digest: str
    target: str
    when: str
    standing: Standing
    answer: str
    figures: tuple[Term, ...]
    gist: tuple[str, ...]
    counts: tuple[tuple[Standing, str, int], ...]
    ticks: tuple[Tick, ...]
    mirrored_ticks: tuple[Tick, ...]
    overall: Row | None
    rows: tuple[Row, ...]
    unknown: tuple[str, ...]
    sections: tuple[Section, ...]
    plan: tuple[Term, ...]
    spent: tuple[Term, ...]
    judges: tuple[Term, ...]
    errors: tuple[Term, ...]
    told: str
    limits: tuple[Term, ...]
    maker: str
