"""`format_document`: a policy with its rules and terms in canonical form. Prose, front matter and comments stay as they are.

It changes nothing that the digest covers (a test says so), and formatting twice is formatting once.
"""

from __future__ import annotations

from typing import Final

from obverse.policy.document import Block, read_text, take_apart
from obverse.policy.faults import Faults
from obverse.policy.front import front_fields, zone_minutes
from obverse.policy.print import layout
from obverse.policy.statements import Statement, split
from obverse.policy.syntax import parse_statement

_BESIDE: Final = 2  # blanks before a comment at the end of a line


def format_document(text: str | bytes, *, source: str = "policy.md") -> str:
    """The document in canonical form.

    Raises:
        ManyErrors: with every fault of form; what names mean is not asked.
    """
    faults = Faults(source)
    whole = read_text(text, faults)
    document = take_apart(whole, faults)
    zone = zone_minutes(front_fields(document, faults)["timezone"])
    lines = whole.split("\n")
    blocks = [block for section in (document.outside, *document.sections) for block in section.blocks]
    for block in sorted(blocks, key=lambda block: -block.first):
        lines[block.first - 1 : block.first - 1 + len(block.lines)] = _formatted(block, zone, faults)
    faults.stop()
    return "\n".join(lines)


def _formatted(block: Block, zone: int, faults: Faults) -> list[str]:
    """The lines of a block: each statement in its canonical layout, its comments above or beside it."""
    cut = split(block.kind, block.first, block.lines)
    lines: list[str] = []
    for statement in cut.statements:
        node = parse_statement(block.kind, statement, zone, faults)
        if node is not None:
            lines += _with_comments(statement, layout(node).split("\n"), first=not lines)
    return [*lines, *cut.trailing]


def _with_comments(statement: Statement, written: list[str], *, first: bool) -> list[str]:
    above = list(statement.before)
    if statement.beside is not None and len(written) == 1:
        written = [written[0] + " " * _BESIDE + statement.beside]
    elif statement.beside is not None:
        above.append(statement.beside)
    gap = [""] if statement.gap and not first else []
    return [*gap, *above, *written]
