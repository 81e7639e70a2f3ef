"""What is asked of the solver and what it answers: records only, no Z3 here.

Law L06: a `Found` or `Fails` was replayed through the reference evaluator; what ran out of time is `Undecided`, never
`Impossible`. Every answer carries its `Origin`.
"""

from __future__ import annotations

from typing import Literal, TypeAlias

import msgspec

from obverse.core.events import AnyEvent, Step
from obverse.policy.ast import Expr
from obverse.policy.decision import Decision


class Act(msgspec.Struct, frozen=True, kw_only=True):
    """The shape of a decision point: a reply, or a call of a tool (None: of any tool that the policy knows)."""

    kind: Literal["call", "reply"]
    tool: str | None = None


class Goal(msgspec.Struct, frozen=True, kw_only=True):
    """A decision point at which every wish is definitely true; wishes are resolved expressions.

    What is `possible` is not definitely false: a rule with that condition fires. `incomplete` lets values be missing, judges
    be silent and times be absent wherever a transcript allows it; else only where a wish asks whether something is there.
    """

    head: Act
    wishes: tuple[Expr, ...] = ()
    possible: tuple[Expr, ...] = ()
    incomplete: bool = False


class Scenario(msgspec.Struct, frozen=True, kw_only=True):
    """A concrete, well-formed past and the step that is decided after it."""

    history: tuple[AnyEvent, ...]
    step: Step


class Origin(msgspec.Struct, frozen=True, kw_only=True):
    """Who answered: the solver, its version and options, the digest of the query, and how far it looked."""

    solver: str
    version: str
    options: str
    query: str
    bound: str


class Found(msgspec.Struct, frozen=True, kw_only=True, tag="found"):
    """A scenario in which every wish is true."""

    scenario: Scenario
    origin: Origin


class Impossible(msgspec.Struct, frozen=True, kw_only=True, tag="impossible"):
    """No such scenario within the bound. `core` are the places of wishes, then of what is possible, that exclude each other.

    `unbounded` when the contradiction does not rest on the length of traces or lists.
    """

    core: tuple[int, ...]
    unbounded: bool
    origin: Origin


class Undecided(msgspec.Struct, frozen=True, kw_only=True, tag="undecided"):
    """Not known, and why: `time-out after 10 s`, `needs 101 events, the bound is 12`."""

    reason: str
    origin: Origin


class Holds(msgspec.Struct, frozen=True, kw_only=True, tag="holds"):
    """True in every scenario within the bound."""

    origin: Origin


class Fails(msgspec.Struct, frozen=True, kw_only=True, tag="fails"):
    """Untrue in this scenario, about which `decide` says this."""

    witness: Scenario
    decision: Decision
    origin: Origin


Answer: TypeAlias = Found | Impossible | Undecided
YesNo: TypeAlias = Holds | Fails | Undecided
