"""The records of inversion: obligations, worlds, cases, suites. What is here crosses borders and is written to files.

A case is complete: whoever has it and the policy can run it, score it, and recompute what it covers (L08). Its id is the
digest of its content, so equal content has one name in every run (L09).
"""

from __future__ import annotations

import enum
from typing import Any, Final, Literal

import msgspec

from obverse.cases.settings import Settings
from obverse.core.canon import digest
from obverse.core.events import AnyEvent, Step
from obverse.core.verdicts import Side, Verdict

SCHEMA: Final = "obverse.case/1"
PLAIN: Final = "plain"
"""The technique of a case that is put to the target as it is, without any device."""


class Level(enum.StrEnum):
    """The ladder of obligations; each rung is counted apart."""

    CLAUSE = "clause"
    """A clause that forbids something is violated by a case; one that permits has a case that must be allowed."""
    RULE = "rule"
    """The same for each rule of it."""
    CONDITION = "condition"
    """Each outer condition was true once and false once."""
    MCDC = "mcdc"
    """Each condition alone turns the whole decision (unique cause; masking where that is proved impossible)."""
    BOUNDARY = "boundary"
    """Each threshold was met exactly, one unit below and one above; each window at its edge and one second to each side."""
    TWIN = "twin"
    """Each rule that blocks has a case and an allowed twin that differ in one condition."""
    EXCEPTION = "exception"
    """Each way out of a rule covers a case by itself, and just fails to cover another."""
    ORDER = "order"
    """For each look into the past: two events swapped, one left out, repeated, put between, put just outside; the verdict turns, or
    provably cannot and does not."""
    PAIR = "pair"
    """Of each two rules that can meet: both speak, and each alone, with the strictest verdict of those that do."""
    TWAY = "t-way"
    """Each t values of the factors of context (language, person, channel, technique, …) occur together in a case that is run."""
    MUTANT = "mutant"
    """Each fault that an author could have made is noticed (`cases.mutation`); counted there, not by `coverage`."""


STANDARD: Final[tuple[Level, ...]] = (Level.CLAUSE, Level.RULE, Level.CONDITION, Level.MCDC, Level.BOUNDARY, Level.TWIN)
"""The levels that a suite of standard depth is made for."""
COUNTED: Final[tuple[Level, ...]] = tuple(level for level in Level if level is not Level.MUTANT)
"""The levels that `coverage` counts at full depth."""


class Obligation(msgspec.Struct, frozen=True, kw_only=True):
    """One thing that a suite must show. `condition` is as the author wrote it, `value` says which edge or side of it."""

    level: Level
    clause: str
    rule: str = ""
    condition: str = ""
    number: int = 0
    value: str = ""

    @property
    def key(self) -> str:
        """A name that is unique in one policy: `mcdc cert.large#1/2 true`."""
        return f"{self.level} {self.rule or self.clause}/{self.number} {self.value}".strip()


class Infeasible(msgspec.Struct, frozen=True, kw_only=True):
    """An obligation that no case can meet, proved by the solver. `core` are the wishes that exclude each other.

    `cause` is `unique` where only the unique-cause form is impossible and a masking pair was sought instead; `flip` where a change
    of the order of events cannot turn the verdict, and a case is asked for in which it does not.
    """

    obligation: Obligation
    core: tuple[str, ...]
    cause: Literal["any", "unique", "flip"] = "any"
    bound: str = ""


class Open(msgspec.Struct, frozen=True, kw_only=True):
    """An obligation that is neither met nor proved impossible, and why."""

    obligation: Obligation
    reason: str


class Said(msgspec.Struct, frozen=True, kw_only=True):
    """One message of the user, with what is known about it by construction."""

    text: str
    labels: dict[str, bool] = {}


class Answer(msgspec.Struct, frozen=True, kw_only=True):
    """What a simulated tool answers; `arguments` is canonical JSON, None for all others."""

    tool: str
    arguments: str | None = None
    output: str
    failed: bool = False


class World(msgspec.Struct, frozen=True, kw_only=True):
    """What is so in this case: the time when the act is asked for, facts, and what each tool answers."""

    now: int | None = None
    facts: tuple[tuple[str, Any], ...] = ()
    answers: tuple[Answer, ...] = ()


class Case(msgspec.Struct, frozen=True, kw_only=True):
    """One test. In step mode `history` is pre-filled and the target makes one decision; in dialogue mode `script` is said.

    `step` is the wanted act. `verdict` and `clauses` are what `decide` says of it (L07). `flipped` is the condition in which
    the case differs from its `twin`; `cause` says whether it is the only one. `family` is the violating case that it was
    varied from: cases of one family are not independent. `opening` is how much of the history a dialogue starts with. `runs`
    is False where only the target's own reply differs from the twin: it shows coverage, but asks nothing new. `context` is how
    it is put into words, factor by factor (`context.FACTORS`); what is not in it is as in the first value. `system` is what
    the target is told of the policy. `varied` is the case of which this one is a variation: the same but for one change to the
    order of events (`order`).
    """

    id: str = ""
    schema: str = SCHEMA
    policy: str
    clause: str
    rule: str
    obligation: Obligation
    side: Side
    cause: Literal["unique", "masking", "none"] = "none"
    flipped: str = ""
    twin: str | None = None
    varied: str | None = None
    family: str = ""
    seed: int
    technique: str = PLAIN
    context: dict[str, str] = {}
    system: str = ""
    world: World
    script: tuple[Said, ...] = ()
    opening: int = 0
    history: tuple[AnyEvent, ...]
    step: Step
    verdict: Verdict
    clauses: tuple[str, ...] = ()
    runs: bool = True

    @property
    def content(self) -> str:
        """The key of what the target meets and what is expected of it."""
        bare = msgspec.structs.replace(self, id="", twin=None, varied=None, family="", runs=True)
        return digest(bare).removeprefix("sha256:")[:16]


class Count(msgspec.Struct, frozen=True, kw_only=True):
    """How many obligations of one level are met, proved infeasible, or open."""

    met: int = 0
    infeasible: int = 0
    open: int = 0

    def __add__(self, other: Count) -> Count:
        return Count(
            met=self.met + other.met, infeasible=self.infeasible + other.infeasible, open=self.open + other.open
        )


class ClauseCoverage(msgspec.Struct, frozen=True, kw_only=True):
    """The counts of one clause; all zero for one that is not formalised."""

    clause: str
    levels: dict[Level, Count]


class Coverage(msgspec.Struct, frozen=True, kw_only=True):
    """The counts of a policy by level, the same by clause, and the keys of what is met."""

    levels: dict[Level, Count]
    clauses: tuple[ClauseCoverage, ...]
    met: tuple[str, ...] = ()


class Size(msgspec.Struct, frozen=True, kw_only=True):
    """How many cases a suite has, and how many any suite must have that shows as much with the cases that were found.

    `reworded` of them show nothing new: they say the same in other words, so that a rate does not rest on one wording.
    """

    cases: int
    lower_bound: int
    exact: bool
    reworded: int = 0


class Suite(msgspec.Struct, frozen=True, kw_only=True):
    """What `invert` returns. `digest` covers the cases, byte for byte (L09)."""

    policy: str
    settings: Settings = Settings()
    seed: int
    cases: tuple[Case, ...]
    infeasible: tuple[Infeasible, ...]
    open: tuple[Open, ...]
    coverage: Coverage
    size: Size
    digest: str
