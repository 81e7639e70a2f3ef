"""Cutting a compound statement into parts that a model named: each a verbatim piece of it, and together all of its words.

A model that leaves out, changes or adds a word is not followed: the statement stays whole.
"""

from __future__ import annotations

import itertools
import re
from collections import Counter
from collections.abc import Mapping
from typing import Final

from obverse.core.errors import Span
from obverse.draft.classify import kind_of
from obverse.draft.pieces import Cut, Other, Statement, key_of

_COMPOUND = re.compile(r";|\b(?:and|or|but|nor|unless|except|provided|as well as)\b", re.IGNORECASE)
_JOINT = re.compile(r"(?:[\s,;:.–—>-]|\b(?:and|or|but|nor|then|also|as well as)\b)*", re.IGNORECASE)  # reads better
_BULLET = re.compile(r"^\s*(?:[-*•]|\d{1,2}[.)])\s+")
_SHORTEST: Final = 12


def is_compound(statement: Statement) -> bool:
    """Whether a statement may say more than one thing: what is not, need not be asked about."""
    return len(statement.text.split()) >= _SHORTEST and bool(_COMPOUND.search(statement.text))


def read_parts(reply: str, statement: Statement) -> tuple[str, ...]:
    """The parts that a reply names, if they are verbatim, in order and complete; else the statement itself."""
    lines = [_BULLET.sub("", line).strip().strip('"') for line in reply.splitlines() if line.strip()]
    lines = [line for line in lines if not line.startswith(("```", "~~~"))]
    return tuple(lines) if len(lines) > 1 and _places(statement.text, lines) else (statement.text,)


def refined(text: str, cut: Cut, parts: Mapping[str, tuple[str, ...]]) -> Cut:
    """The cut with its compound statements replaced by their parts; what joins them is listed as such."""
    statements: list[Statement] = []
    others = list(cut.others)
    for statement in cut.statements:
        places = _places(statement.text, parts.get(statement.key, ()))
        if len(places) < 2:
            statements.append(statement)
            continue
        statements += _parts(text, statement, places)
        ends = [(0, 0), *places, (len(statement.text), len(statement.text))]
        for (_, before), (after, _) in itertools.pairwise(ends):
            joint = statement.text[before:after]
            if joint.strip():
                start = statement.start + before + len(joint) - len(joint.lstrip())
                end = start + len(joint.strip())
                others.append(
                    Other(kind="joint", text=text[start:end], at=span_of(text, start, end), start=start, end=end)
                )
    return Cut(
        digest=cut.digest,
        statements=tuple(statements),
        others=tuple(sorted(others, key=lambda other: other.start)),
    )


def span_of(text: str, start: int, end: int) -> Span:
    """The span of these offsets."""
    line, end_line = text.count("\n", 0, start) + 1, text.count("\n", 0, end) + 1
    column, end_column = start - text.rfind("\n", 0, start), end - text.rfind("\n", 0, end)
    return Span(line=line, column=column, end_line=end_line, end_column=end_column)


def _parts(text: str, statement: Statement, places: list[tuple[int, int]]) -> list[Statement]:
    seen: Counter[str] = Counter()
    context = (*statement.context, statement.text)
    found = []
    for begin, stop in places:
        said = statement.text[begin:stop]
        start, end = statement.start + begin, statement.start + stop
        kind = kind_of(said, context)
        found.append(
            Statement(
                key=key_of(said, (*context, statement.key), seen[said]),
                text=said,
                kind=statement.kind if kind == "background" else kind,
                at=span_of(text, start, end),
                start=start,
                end=end,
                context=context,
            )
        )
        seen[said] += 1
    return found


def _places(text: str, parts: tuple[str, ...] | list[str]) -> list[tuple[int, int]]:
    """Where the parts stand in the text; none if they are not all of its words, in its order."""
    places: list[tuple[int, int]] = []
    after = 0
    for part in parts:
        words = part.split()
        found = re.search(r"\s+(?:>\s*)*".join(map(re.escape, words)), text[after:]) if words else None
        if found is None or not _JOINT.fullmatch(text[after : after + found.start()]):
            return []
        places.append((after + found.start(), after + found.end()))
        after += found.end()
    return places if _JOINT.fullmatch(text[after:]) else []
