"""Is anybody tampering with the guard? Its files, its log's checkpoint, its own code, its clock. It looks; `Guard` acts.

    policy, settings   the bytes are those that the guard started with
    people             so are the keys; a change is told, and tolerated unless the settings say otherwise
    code               the modules that decide and record are those that were loaded
    ledger             the checkpoint on disk never goes back, and never changes at one size
    clock              the wall clock and the steady one go at one pace

Not a proof: who owns the machine owns the guard. What was changed and changed back between two looks is not seen.
"""

from __future__ import annotations

import hashlib
import threading
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Final, Literal, TypeAlias

import msgspec

from obverse.core.errors import ObverseError
from obverse.guard.ports import Clock
from obverse.ledger.checkpoint import read_checkpoint
from obverse.ledger.note import read_note

Part: TypeAlias = Literal["policy", "settings", "people", "code", "ledger", "clock", "permit", "lease"]
"""What can be tampered with; the fact `guard.tampering` has one of these words as its value."""

_DRIFT: Final = 1000
"""A clock that is set slowly may gain or lose one part in so many."""
_CODE: Final = ("core", "policy", "guard", "ledger", "gateway")


class Tampering(msgspec.Struct, frozen=True, kw_only=True):
    """What is not as it was, and how that is known."""

    what: Part
    detail: str


class Files:
    """Files by part, and the digest that each had at first."""

    def __init__(self, parts: Mapping[Part, Iterable[Path]]) -> None:
        self._parts = {part: tuple(paths) for part, paths in parts.items()}
        self._known = {part: _state(paths) for part, paths in self._parts.items()}

    def look(self) -> list[Tampering]:
        """What changed since the last look; each change is told once."""
        found = []
        for part, paths in self._parts.items():
            now, before = _state(paths), self._known[part]
            for path in sorted(now.keys() | before.keys()):
                if now.get(path) != before.get(path):
                    how = "is gone" if path not in now else "is new" if path not in before else "changed"
                    found.append(Tampering(what=part, detail=f"`{path}` {how}"))
            self._known[part] = now
        return found


class Head:
    """The newest checkpoint that was seen of a log."""

    def __init__(self, file: Path) -> None:
        self._file = file
        self._seen: tuple[int, bytes] | None = None
        self.look()

    def look(self) -> list[Tampering]:
        """Whether the log was set back, or is another one."""
        try:
            head = read_checkpoint(read_note(self._file.read_bytes()).text)
        except (OSError, ObverseError) as error:
            return [Tampering(what="ledger", detail=f"the checkpoint cannot be read: {error}")]
        seen, self._seen = self._seen, (head.size, head.root)
        if seen is not None and head.size < seen[0]:
            self._seen = seen
            return [
                Tampering(
                    what="ledger", detail=f"the log had {seen[0]:,} entries under a checkpoint, now {head.size:,}"
                )
            ]
        if seen is not None and head.size == seen[0] and head.root != seen[1]:
            return [Tampering(what="ledger", detail=f"two logs of {head.size:,} entries")]
        return []


class Pace:
    """The wall clock against the steady one. `look` counts the jumps, so that each session notices each of them once."""

    def __init__(self, clock: Clock, steady: Clock, slack: int) -> None:
        self._clock, self._steady, self._slack = clock, steady, slack
        self._lock = threading.Lock()
        self._began = steady()
        self._apart = clock() - self._began
        self.jumps = 0
        self.detail = ""

    def look(self) -> int:
        """How many jumps there were so far."""
        with self._lock:
            steady = self._steady()
            by = self._clock() - steady - self._apart
            if abs(by) > self._slack + abs(steady - self._began) // _DRIFT:
                self._apart, self._began = self._apart + by, steady
                self.jumps += 1
                self.detail = f"the clock jumped by {by:,} ms"
            return self.jumps


def own_code() -> tuple[Path, ...]:
    """The files of the modules that decide and record."""
    package = Path(__file__).parents[1]
    return tuple(path for room in _CODE for path in sorted((package / room).rglob("*.py")))


def _state(paths: Iterable[Path]) -> dict[str, str]:
    """The digest of each file; of a folder, of every file in it."""
    found = {}
    for path in paths:
        for file in sorted(path.rglob("*")) if path.is_dir() else [path]:
            try:
                found[str(file)] = hashlib.sha256(file.read_bytes()).hexdigest() if file.is_file() else "none"
            except OSError as error:
                found[str(file)] = f"unreadable: {error.strerror}"
    return found
