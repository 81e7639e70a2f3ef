"""Where rules, clauses and declarations stand in the text of a policy. Places are looked up last: no answer depends on them."""

from __future__ import annotations

from obverse.core.errors import Span
from obverse.policy import ast
from obverse.policy.checked import Checked


def whereabouts(checked: Checked) -> dict[str, Span]:
    """The place of everything that a finding can be about, by name: `rule large/1`, `clause large`, `tool refund`."""
    found: dict[str, Span] = {}
    numbered = {rule.id for rule in checked.rules}
    for clause in checked.source.clauses:
        _note(found, f"clause {clause.id}", clause.at)
        for number, rule in enumerate(clause.rules, 1):
            name = f"{clause.id}/{number}"
            if name in numbered:
                _note(found, f"rule {name}", rule.at)
    for term in checked.source.terms:
        _note(found, name_of(term), term.at)
    files = [term for term in checked.source.terms if isinstance(term, ast.ImportTerm)]
    for tool in checked.source.imported:
        if files:
            found.setdefault(f"tool {tool.name}", files[0].at or Span(line=1, column=1, end_line=1, end_column=1))
    return found


def name_of(term: ast.Term) -> str:
    """What a finding calls this declaration."""
    match term:
        case ast.Tool():
            return f"tool {term.name}"
        case ast.FactTerm():
            return f"fact {term.name}"
        case ast.JudgedTerm():
            return f"judged {term.full_name}"
        case ast.LetTerm():
            return f"let {term.name}"
        case ast.EffectTerm():
            return f"effect {term.effect}"
        case ast.ImportTerm():
            return f"terms from {term.path}"
        case ast.ResultTerm() | ast.AsksTerm():
            return f"{type(term).__name__.removesuffix('Term').lower()} {term.tool}"


def _note(found: dict[str, Span], name: str, at: Span | None) -> None:
    if at is not None:
        found.setdefault(name, at)
