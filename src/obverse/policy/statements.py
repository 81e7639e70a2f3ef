"""The statements of a block: where each begins and ends, and which comments belong to it.

A statement begins with a keyword at the margin of its block; what is indented, or begins with another word, continues it.
So one faulty statement does not hide the faults of the next. A comment runs from `#` to the end of its line.
"""

from __future__ import annotations

import difflib
import re
from typing import Final, Literal

import msgspec

RULES: Final = ("forbid", "stop", "ask", "warn", "require", "permit", "limit")
TERMS: Final = ("tool", "fact", "judged", "let", "terms", "effect", "result", "asks")
_CONTINUES: Final = frozenset(
    [
        "when",
        "unless",
        "says",
        "by",
        "per",
        "to",
        "for",
        "trusting",
        "and",
        "or",
        "not",
        "has",
        "where",
        "within",
        "since",
        "yes",
        "no",
        "any",
        "all",
        "in",
        "of",
        "is",
        "true",
        "false",
        "text",
        "number",
        "list",
        "map",
        "one",
        "from",
    ]
)
_WORD = re.compile(r"[^\W\d]\w*")
_QUOTED = re.compile(r'"(?:[^"\\]|\\.)*"?|`[^`]*`?|(#.*)')


class Statement(msgspec.Struct, frozen=True, kw_only=True):
    """One statement: whole lines without their comments, `first` the line of the document of the first one.

    `before` are the comments on lines of their own above it (or inside it), `beside` the one at the end of its only line.
    `gap`: a blank line stood before it.
    """

    first: int
    lines: tuple[str, ...]
    before: tuple[str, ...] = ()
    beside: str | None = None
    gap: bool = False

    @property
    def text(self) -> str:
        return "\n".join(self.lines)


class Cut(msgspec.Struct, frozen=True, kw_only=True):
    """A block cut into statements; `trailing` are comments after the last one."""

    statements: tuple[Statement, ...]
    trailing: tuple[str, ...] = ()


def split(kind: Literal["terms", "rule"], first: int, lines: tuple[str, ...]) -> Cut:
    """The statements of a block whose text begins on line `first` of the document."""
    words = TERMS if kind == "terms" else RULES
    stripped = [_comment_apart(line) for line in lines]
    margin = min((_indent(code) for code, _ in stripped if code.strip()), default=0)
    starts = [place for place, (code, _) in enumerate(stripped) if _begins(code, margin, words)]
    written = [place for place, (code, _) in enumerate(stripped) if code.strip()]
    if written and written[0] not in starts:
        starts.insert(0, written[0])
    found: list[Statement] = []
    after = 0  # the line after the last one of the statement before
    for number, start in enumerate(starts):
        bound = starts[number + 1] if number + 1 < len(starts) else len(lines)
        end = max(place for place in written if start <= place < bound) + 1
        found.append(_statement(first, stripped, after, start, end))
        after = end
    return Cut(statements=tuple(found), trailing=tuple(comment for _, comment in stripped[after:] if comment))


def _statement(first: int, stripped: list[tuple[str, str]], after: int, start: int, end: int) -> Statement:
    inside = [comment for _, comment in stripped[start:end] if comment]
    beside = inside[0] if end - start == 1 and inside else None
    before = [comment for _, comment in stripped[after:start] if comment] + ([] if beside else inside)
    return Statement(
        first=first + start,
        lines=tuple(code for code, _ in stripped[start:end]),
        before=tuple(before),
        beside=beside,
        gap=any(not code.strip() and not comment for code, comment in stripped[after:start]),
    )


def _begins(code: str, margin: int, words: tuple[str, ...]) -> bool:
    if _indent(code) > margin:
        return False
    word = _WORD.match(code.lstrip())
    if word is None:
        return False
    if word[0] in words or word[0] in RULES or word[0] in ("tool", "fact", "judged", "let", "terms"):
        return True
    return word[0] not in _CONTINUES and bool(difflib.get_close_matches(word[0][:20], words, n=1, cutoff=0.75))


def _comment_apart(line: str) -> tuple[str, str]:
    """The line without its comment, and the comment without surrounding blanks ("" for none)."""
    for found in _QUOTED.finditer(line):
        if found[1] is not None:
            return line[: found.start()].rstrip(), found[1].strip()
    return line.rstrip(), ""


def _indent(code: str) -> int:
    return len(code) - len(code.lstrip()) if code.strip() else 1_000_000
