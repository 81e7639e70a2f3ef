"""The one settings record of inversion; each field says where it bites."""

from __future__ import annotations

from typing import Literal

import msgspec

from obverse.cases.factors import Factors
from obverse.solver.settings import Settings as SolverSettings


class Settings(msgspec.Struct, frozen=True, kw_only=True):
    """How cases are searched and worded. With the policy's digest and the seed it fixes every byte of them (L09)."""

    solver: SolverSettings = SolverSettings()
    """Bites on what can be found and proved, and how long that may take."""

    attempts: int = 6
    """Bites on coupled conditions: how many contexts are tried before a unique-cause pair is given up (open, not infeasible)."""

    tools_tried: int = 24
    """Bites on rules about `any call`: how many tools are tried, in the order of the document, before an obligation is open."""

    system_prompt: Literal["policy", "role"] = "policy"
    """Bites on what the target knows: the prose of all clauses, or only its role."""

    wordings: int = 3
    """Bites on how many cases a rule about replies gets: each of its scenarios in so many wordings, as far as examples differ."""

    boundaries: bool = True
    """Bites on the size of a suite: False leaves out thresholds and window edges (they are counted as open)."""

    depth: Literal["standard", "full"] = "standard"
    """Bites on what a suite is made for: `full` adds exceptions, orders of events, pairs of rules and contexts."""

    minimal: bool = True
    """Bites on the size of a suite: False keeps cases that show nothing which the others do not show."""

    pairs: int = 600
    """Bites on policies of hundreds of rules, at full depth: so many pairs that can meet are looked at; the others are open."""

    orders: int = 200
    """Bites on long histories, at full depth: so many changed pasts are tried for each change of each look."""

    factors: Factors | None = None
    """Bites on contexts, at full depth: what a target is asked in. None: the factors that we have phrases for."""
