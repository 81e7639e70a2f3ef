"""Answers that are kept from one check to the next, by the digest of what they rest on.

`Answers` is what an examination needs of a store; `AnswerFile` is one in a single file, bounded in size, in which an answer is
there as a whole or not at all. What cannot be read is as if it were not there: a store can make a check slower, never wrong by
accident. It is trusted like any cache of one's own: whoever may write to it may also lie in it.

What is kept is the finding with its past and step, never a verdict: that is told anew by `decide` before it is shown (L06).
"""

from __future__ import annotations

import hashlib
import sqlite3
from decimal import Decimal
from functools import lru_cache
from pathlib import Path
from types import TracebackType
from typing import Final, Protocol, Self

import msgspec
import z3

from obverse.core.version import VERSION
from obverse.solver.answers import Scenario
from obverse.solver.findings import Code, Severity
from obverse.solver.settings import Settings

MOST_BYTES: Final = 64_000_000
_ROOMS: Final = ("core", "policy", "solver")


class Answers(Protocol):
    """Where answers are kept: bytes by a key."""

    def get(self, key: str) -> bytes | None: ...

    def put(self, key: str, value: bytes) -> None: ...


class KeptFinding(msgspec.Struct, frozen=True, kw_only=True):
    """A finding without what is told anew: the rules that must apply in its scenario, and those that must not."""

    code: Code
    severity: Severity
    message: str
    clause: str | None
    rule: str | None = None
    about: str | None = None
    others: tuple[str, ...] = ()
    scenario: Scenario | None = None
    present: tuple[str, ...] = ()
    absent: tuple[str, ...] = ()
    blocks: bool = False
    within: str | None = None


class KeptAnswer(msgspec.Struct, frozen=True, kw_only=True):
    """All that one question found."""

    findings: tuple[KeptFinding, ...] = ()


def query_of(code: str, clause: str | None, rule: str | None, rests_on: str) -> str:
    """The digest of a question: what is asked, and all of the policy that the answer may depend on."""
    return _digest([code, clause, rule, rests_on])


def key_of(query: str, settings: Settings) -> str:
    """The name under which the answer to a question is kept: with settings, solver and program; no wall-clock limit."""
    options = msgspec.structs.replace(settings, timeout_ms=0)
    return _digest([query, options, z3.get_version_string(), program()])


def _digest(parts: object) -> str:
    return f"sha256:{hashlib.sha256(msgspec.json.encode(parts)).hexdigest()}"


@lru_cache(maxsize=1)
def program() -> str:
    """The digest of the version and of the source of every room that has a part in an answer."""
    found = hashlib.sha256(VERSION.encode())
    root = Path(__file__).parents[1]
    for room in _ROOMS:
        for file in sorted((root / room).rglob("*.py")) + sorted((root / room).rglob("*.lark")):
            found.update(file.relative_to(root).as_posix().encode() + b"\0" + file.read_bytes())
    return found.hexdigest()


def written(answer: KeptAnswer) -> bytes:
    """The answer as bytes."""
    return msgspec.json.Encoder(decimal_format="number").encode(answer)


def read(value: bytes) -> KeptAnswer | None:
    """The answer that these bytes hold, or None where they hold none."""
    try:
        return _DECODER.decode(value)
    except (msgspec.MsgspecError, ValueError, RecursionError):
        return None


_DECODER: Final = msgspec.json.Decoder(KeptAnswer, float_hook=Decimal)


class AnswerFile:
    """Answers in one SQLite file. Whatever is wrong with the file, or with the disk, there is just no answer in it.

    Answers are written when the file is closed, in one transaction; those that were not used for the longest time go first.
    """

    def __init__(self, path: Path, *, most_bytes: int = MOST_BYTES) -> None:
        self._path = path
        self._most_bytes = most_bytes
        self._new: dict[str, bytes] = {}
        self._used: list[str] = []
        self._connection = self._opened()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def get(self, key: str) -> bytes | None:
        """The bytes under this key, if they are what was put there."""
        if key in self._new:
            return self._new[key]
        try:
            row = self._connection.execute("SELECT value, sum FROM answer WHERE key = ?", (key,)).fetchone()
        except sqlite3.Error:
            return None
        if row is None or not isinstance(row[0], bytes) or row[1] != _sum(key, row[0]):
            return None
        self._used.append(key)
        return row[0]

    def put(self, key: str, value: bytes) -> None:
        """Keep these bytes, once the file is closed."""
        self._new[key] = value

    def close(self) -> None:
        """Write what is new, note what was used, drop what is too much."""
        try:
            with self._connection as file:
                (last,) = file.execute("SELECT coalesce(max(used), 0) FROM answer").fetchone()
                file.executemany("UPDATE answer SET used = ? WHERE key = ?", [(last + 1, key) for key in self._used])
                rows = [(key, value, _sum(key, value), last + 1) for key, value in self._new.items()]
                file.executemany("INSERT OR REPLACE INTO answer VALUES (?, ?, ?, ?)", rows)
                file.execute(_DROP, (self._most_bytes,))
        except sqlite3.Error:
            pass  # it is only a cache
        finally:
            self._connection.close()

    def _opened(self) -> sqlite3.Connection:
        """The file; begun anew where it is none of ours, and in memory where that cannot be."""
        try:
            self._path.parent.mkdir(parents=True, exist_ok=True)
            try:
                return _connected(self._path)
            except sqlite3.OperationalError:  # somebody else writes to it, or the disk is full: it is left as it is
                return _connected(":memory:")
            except sqlite3.DatabaseError:
                self._path.unlink()
                return _connected(self._path)
        except (sqlite3.Error, OSError):
            return _connected(":memory:")


def _connected(path: Path | str) -> sqlite3.Connection:
    connection = sqlite3.connect(path, timeout=1)
    try:
        connection.execute(_TABLE)
        connection.execute("SELECT key, value, sum, used FROM answer LIMIT 1").fetchone()
    except sqlite3.Error:
        connection.close()
        raise
    return connection


_TABLE: Final = "CREATE TABLE IF NOT EXISTS answer (key TEXT PRIMARY KEY, value BLOB, sum TEXT, used INTEGER)"
_DROP: Final = """
DELETE FROM answer WHERE key IN (
    SELECT key FROM (SELECT key, sum(length(value) + 200) OVER (ORDER BY used DESC, key) AS held FROM answer) WHERE held > ?
)"""


def _sum(key: str, value: bytes) -> str:
    return hashlib.sha256(key.encode() + b"\0" + value).hexdigest()
