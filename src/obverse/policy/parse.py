"""`parse`: the text of a policy → `Policy`, or every fault of it in one go.

It knows the form of a document and of a statement, not what names mean: that is `check`. Whatever the bytes are, nothing but
`UntrustedInputError` comes out of it: sizes, lengths and depths are capped before anything recursive sees them.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

import msgspec

from obverse.core.canon import digest_bytes
from obverse.core.errors import ManyErrors, Span, UntrustedInputError
from obverse.policy import ast
from obverse.policy.document import Block, Heading, Section, prose_of, read_text, take_apart
from obverse.policy.faults import Faults, did_you_mean, quoted
from obverse.policy.front import front_fields, zone_minutes
from obverse.policy.statements import split
from obverse.policy.syntax import parse_statement
from obverse.policy.tools import read_tools

_SEVERITIES: Final = ("low", "medium", "high", "critical")


def parse(text: str | bytes, *, source: str = "policy.md", files: Callable[[str], bytes] | None = None) -> ast.Policy:
    """The policy that this document says; `files` gives the bytes of a file that `terms from` names.

    Raises:
        ManyErrors: with every fault of the document, in its order.
    """
    faults = Faults(source)
    document = take_apart(read_text(text, faults), faults)
    front = front_fields(document, faults)
    zone = zone_minutes(front["timezone"])
    terms: list[ast.Term] = []
    imported: list[ast.Tool] = []
    for section in (document.outside, *document.sections):
        for block in section.blocks:
            if block.kind == "terms":
                terms += _statements(block, zone, faults)
    for place, term in enumerate(terms):
        if isinstance(term, ast.ImportTerm):
            terms[place] = _import(term, files, imported, faults)
    if any(block.kind == "rule" for block in document.outside.blocks):
        first = next(block.first for block in document.outside.blocks if block.kind == "rule")
        faults.add(
            "a rule outside of any clause", _line(first - 1), code="P107",
            hint="give the heading above it an attribute block such as `{#my-clause}`",
        )  # fmt: skip
    clauses = [_clause(section, front["levels"], zone, faults) for section in document.sections]
    _no_twins(clauses, faults)
    faults.stop()
    return ast.Policy(
        terms=tuple(terms),
        imported=tuple(imported),
        clauses=tuple(clauses),
        prose=prose_of(document.outside.prose),
        **front,
    )


# --- clauses ------------------------------------------------------------------------------------------------------------


def _clause(section: Section, levels: tuple[str, ...], zone: int, faults: Faults) -> ast.Clause:
    heading = section.heading or Heading(title="", depth=1, at=_line(1))
    given = heading.attributes or {}
    rules: list[Any] = []
    for block in section.blocks:
        if block.kind == "rule":
            rules += _statements(block, zone, faults)
    severity = given.get("severity", "medium")
    if severity not in _SEVERITIES:
        hint = did_you_mean(severity, _SEVERITIES)
        faults.add(f"unknown severity {quoted(severity)}", heading.at, code="P105", hint=hint)
    level = given.get("level", "developer" if "developer" in levels else levels[0])
    if level not in levels:
        faults.add(
            f"unknown level {quoted(level)}", heading.at, code="P105",
            hint=did_you_mean(level, levels, otherwise="name it under `levels` in the front matter"),
        )  # fmt: skip
    return ast.Clause(
        id=given.get("id", ""),
        title=heading.title,
        prose=prose_of(section.prose),
        level=level,
        severity=severity,  # type: ignore[arg-type]  # one of _SEVERITIES, or a fault that is raised
        inviolable="inviolable" in given,
        rules=tuple(rules),
        at=heading.at,
    )


def _no_twins(clauses: list[ast.Clause], faults: Faults) -> None:
    seen: dict[str, ast.Clause] = {}
    for clause in clauses:
        if clause.id in seen:
            first = seen[clause.id].at
            faults.add(
                f"the clause {quoted(clause.id)} is there twice", clause.at, code="P106",
                hint=f"the first stands in line {first.line}" if first else None,
            )  # fmt: skip
        seen.setdefault(clause.id, clause)


def _statements(block: Block, zone: int, faults: Faults) -> list[Any]:
    """The rules or terms of a block; faulty ones are noted and left out."""
    found = []
    for statement in split(block.kind, block.first, block.lines).statements:
        node = parse_statement(block.kind, statement, zone, faults)
        if node is not None:
            found.append(node)
    return found


# --- imports ------------------------------------------------------------------------------------------------------------


def _import(
    term: ast.ImportTerm, files: Callable[[str], bytes] | None, imported: list[ast.Tool], faults: Faults
) -> ast.ImportTerm:
    """The term with the digest of its file, whose tools are added to `imported`."""
    if files is None:
        faults.add(f"the file {quoted(term.path)} cannot be read from here", term.at, code="P119")
        return term
    try:
        data = files(term.path)
        imported += read_tools(data, source=term.path)
    except OSError as error:
        reason = (error.strerror or "the system refused").lower()
        faults.add(f"cannot read {quoted(term.path)}: {reason}", term.at, code="P119")
        return term
    except ValueError:  # a path that no file can have
        faults.add(f"cannot read {quoted(term.path)}: not a path", term.at, code="P119")
        return term
    except UntrustedInputError as error:
        for one in error.errors if isinstance(error, ManyErrors) else (error,):
            faults.add(f"in {quoted(term.path)}: {one.message}", term.at, code=one.code, hint=one.hint)
        return term
    return msgspec.structs.replace(term, digest=digest_bytes(data))


def _line(number: int) -> Span:
    return Span(line=number, column=1, end_line=number, end_column=2)
