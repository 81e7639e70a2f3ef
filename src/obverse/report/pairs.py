"""A case beside its twin: who stands with whom, and what differs between the two.

What differs is found by comparing what is shown, line by line and within a line word by word; ids and places do not count.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Final

import msgspec

from obverse.campaign.records import CaseLine
from obverse.report.acts import Field, Line, Piece

_WORD: Final = re.compile(r"\s+|\w+|[^\w\s]")
_ALIKE: Final = 0.6  # texts that share less are marked as a whole
_MOST: Final = 600  # words of a text that is compared word by word; a longer one is marked as a whole


def paired(cases: Sequence[CaseLine], known: Mapping[str, CaseLine]) -> Iterator[tuple[CaseLine, CaseLine | None]]:
    """Every case of a clause once, with its twin where that is known; what went wrong comes first.

    A case that was already shown as somebody's twin is not shown again, unless it has a twin of its own.
    """
    done: set[str] = set()
    for case in sorted(cases, key=_urgency):
        if case.case.id in done:
            continue
        twin = known.get(case.case.twin or "")
        done |= {case.case.id, twin.case.id} if twin else {case.case.id}
        yield case, twin


def _urgency(case: CaseLine) -> tuple[bool, bool, bool, bool]:
    """What sorts the broken before the failed, these before the unscored, and violating cases before their twins."""
    return (not case.tally.broken, not case.tally.error, not case.tally.unscored, case.case.side != "violation")


def compared(mine: Sequence[Line], other: Sequence[Line]) -> tuple[Line, ...]:
    """My lines, with everything marked that the other lines do not have."""
    match = difflib.SequenceMatcher(
        a=[line.content for line in mine], b=[line.content for line in other], autojunk=False
    )
    found: list[Line] = []
    for tag, start, end, other_start, other_end in match.get_opcodes():
        lines = mine[start:end]
        partners: Sequence[Line | None] = other[other_start:other_end]
        if tag == "equal":
            found += lines
        elif len(partners) == len(lines):
            found += [_marked(line, partner) for line, partner in zip(lines, partners)]
        else:
            found += [_marked(line, None) for line in lines]
    return tuple(found)


def _marked(line: Line, other: Line | None) -> Line:
    """The line, marked where it differs from its counterpart; as a whole where it has none."""
    if other is None or (other.kind, other.head) != (line.kind, line.head):
        return msgspec.structs.replace(line, differs=True)
    theirs = {(field.name, field.value) for field in other.fields}
    fields = tuple(
        field if (field.name, field.value) in theirs else Field(name=field.name, value=field.value, differs=True)
        for field in line.fields
    )
    return msgspec.structs.replace(
        line, differs=True, pieces=words(_text(line.pieces), _text(other.pieces)), fields=fields
    )


def _text(pieces: Sequence[Piece]) -> str:
    return "".join(piece.text for piece in pieces)


def words(text: str, other: str) -> tuple[Piece, ...]:
    """The text in pieces; those that the other text does not have are marked."""
    mine, theirs = _WORD.findall(text), _WORD.findall(other)
    if not text or text == other:
        return (Piece(text=text),) if text else ()
    if max(len(mine), len(theirs)) > _MOST:
        return (Piece(text=text, differs=True),)
    match = difflib.SequenceMatcher(a=mine, b=theirs, autojunk=False)
    if match.ratio() < _ALIKE:
        return (Piece(text=text, differs=True),)
    return tuple(
        Piece(text="".join(mine[start:end]), differs=tag != "equal")
        for tag, start, end, _, _ in match.get_opcodes()
        if end > start
    )
