"""What a guard may be told about itself. Every default is the strict one; none of these makes a verdict milder."""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from typing import Any, Final, Literal

import msgspec

from obverse.core.verdicts import Verdict

_MOST_SECONDS: Final = 1e9
_MOST: Final = 10**12
_AT_LEAST_ONE: Final = ("judges_at_once", "most_steps", "most_shown", "most_waiting")


class Settings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The bounds of a guard. They stand in `guard.start`, so a stranger knows what held."""

    judge_seconds: float = 10.0
    """The time that all judges together have for one turn; what is not answered by then is unknown, and rules fire (L03)."""
    judges_at_once: int = 8
    """Questions on the way at one time, over all sessions; a judge that hangs holds one of these until it returns."""
    most_questions: int = 64
    """Questions of one turn; what is beyond is unknown."""
    most_known: int = 4096
    """Answers that are remembered, by content."""
    unanswered: Mapping[str, Verdict] = {}
    """Effect → what a call with this effect gets at least, where its verdict still hangs on a judge that did not answer.

    `*` is any call, `reply` a reply. Only ever stricter than what the policy says: `{"money": "stop"}`.
    """
    longest_text: int = 1_000_000
    """Characters of the arguments of a call, of a reply; what is longer is denied unread."""
    longest_name: int = 256
    """Characters of a tool's name and of the id of a call."""
    most_steps: int = 64
    """Calls and replies of one turn; a larger turn is denied whole."""
    approval_seconds: float = 600.0
    """How long people have to answer; after that the step is denied."""
    lease_seconds: float | None = None
    """How long a session may run until somebody else renews its lease; None: it needs none."""
    port_seconds: float = 30.0
    """How long the ledger, the queue of people, grants and orders may take; after that the turn is denied."""
    most_shown: int = 40
    """Events that people are shown beside a request."""
    most_waiting: int = 256
    """Events that are held before they are recorded without a decision that would record them."""
    longest_past: int = 64_000_000
    """Characters of a session's history that grants may look back on; once it is longer, nothing is lifted in it any more."""
    most_texts: int = 1024
    """Texts, the newest, about which a judge can still be asked."""
    clock_slack: int = 2_000
    """Milliseconds by which the wall clock may depart from the steady one between two looks, before it counts as tampering."""
    on_tampering: Literal["stop", "note"] = "stop"
    """Whether sessions stop when the guard finds that it was tampered with, or it is only recorded and stated as a fact."""
    tolerated: tuple[str, ...] = ("people", "code")
    """What is only recorded and stated in any case. Keys of people are looked up anew for each answer, so they may change while a
    guard runs; so may its code on disk, by an upgrade: what runs was loaded before."""

    def __post_init__(self) -> None:
        """Raises ValueError for a bound that bounds nothing."""
        for name in self.__struct_fields__:
            value = getattr(self, name)
            if isinstance(value, float) and not 0 <= value <= _MOST_SECONDS:
                raise ValueError(f"`{name}` is {value:g}, not 0 to {_MOST_SECONDS:g} seconds")
            if isinstance(value, int) and not int(name in _AT_LEAST_ONE) <= value <= _MOST:
                raise ValueError(f"`{name}` is {value}, not {int(name in _AT_LEAST_ONE)} to {_MOST}")

    def plain(self) -> dict[str, Any]:
        """As it stands in the ledger: numbers in exact decimals."""
        found: dict[str, Any] = msgspec.to_builtins(self)
        return {name: Decimal(str(value)) if isinstance(value, float) else value for name, value in found.items()}
