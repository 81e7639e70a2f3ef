"""What a replay found, and the counting of it. Names the first of each kind; a hostile log must not fill the memory."""

from __future__ import annotations

from typing import Final, Literal

import msgspec

MOST_NAMED: Final = 50


class Replayed(msgspec.Struct, frozen=True, kw_only=True):
    """What came out. `faults` are what cannot be, each with its entry; `unreplayable` what was erased; `unchecked` what needs keys.

    `gaps` are no fault of the log: a guard that was silent, ended without a word, or found itself tampered with.
    """

    guarded: bool
    sessions: int = 0
    decisions: int = 0
    replayed: int = 0
    released: int = 0
    approvals: int = 0
    grant_uses: int = 0
    faults: tuple[str, ...] = ()
    fault_count: int = 0
    unreplayable: tuple[str, ...] = ()
    unreplayable_count: int = 0
    unchecked: tuple[str, ...] = ()
    gaps: tuple[str, ...] = ()

    @property
    def outcome(self) -> Literal["holds", "fails", "not checked"]:
        """`fails` with any fault; `not checked` where nothing could be replayed; else `holds`."""
        if self.fault_count:
            return "fails"
        return "holds" if self.replayed or not self.decisions else "not checked"


class Tally:
    """Counts while a log is read."""

    def __init__(self) -> None:
        self.guarded = False
        self.sessions = self.decisions = self.same = self.released = self.approvals = self.grant_uses = 0
        self._faults: list[str] = []
        self._erased: list[str] = []
        self._gaps: list[str] = []
        self._unchecked: dict[str, int] = {}
        self.fault_count = self.lost = 0

    def fault(self, index: int, found: str) -> None:
        """Something that cannot be, at this entry."""
        self.fault_count += 1
        if len(self._faults) < MOST_NAMED:
            self._faults.append(f"entry {index:,}: {found}")

    def erased(self, index: int, what: str) -> None:
        """Something that is not there any more."""
        if len(self._erased) < MOST_NAMED:
            self._erased.append(f"entry {index:,}: {what} was erased")

    def gap(self, found: str) -> None:
        """A stretch of which nothing is known."""
        if len(self._gaps) < MOST_NAMED:
            self._gaps.append(found)

    def unchecked(self, what: str) -> None:
        """Something that could be checked with what the reader did not give."""
        self._unchecked[what] = self._unchecked.get(what, 0) + 1

    @property
    def replayed(self) -> Replayed:
        """Everything that was counted."""
        return Replayed(
            guarded=self.guarded,
            sessions=self.sessions,
            decisions=self.decisions,
            replayed=self.same,
            released=self.released,
            approvals=self.approvals,
            grant_uses=self.grant_uses,
            faults=tuple(self._faults),
            fault_count=self.fault_count,
            unreplayable=tuple(self._erased),
            unreplayable_count=self.lost,
            unchecked=tuple(f"{count:,} {what}" for what, count in self._unchecked.items()),
            gaps=tuple(self._gaps),
        )
