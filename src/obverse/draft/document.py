"""The policy document of a drafting: every statement in it, the rules that a person accepted, and nothing else.

Prose is untrusted. A statement stands on one line behind a fixed beginning, between blank lines, so that Markdown finds no
heading, fence or list in it. The document is then read again as any policy is, and is given out only if its clauses, rules and
terms are those that were meant (`F110`): so nothing that a prose or a model says becomes a rule by being written.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Sequence

from obverse.core.errors import EvidenceError, ManyErrors, UntrustedInputError
from obverse.draft.pieces import Statement, plain
from obverse.draft.state import Entry, State
from obverse.draft.terms import Ground, all_terms, name_of, needed, read_rules, small
from obverse.policy import ast
from obverse.policy.check import check
from obverse.policy.parse import parse
from obverse.policy.print import layout

_HEADLINE = 60


def document(state: State, *, name: str, version: str = "1") -> str:
    """The document, proved to hold exactly what was accepted.

    Raises:
        UntrustedInputError: what was accepted does not fit the terms as they are now.
        EvidenceError: what was written would be read as something else; a fault of ours, or an attack.
    """
    rules = {entry.id: _rules(entry) for entry in clauses_of(state)}
    terms = terms_of(state, [rule for several in rules.values() for rule in several])
    for entry in clauses_of(state):
        _means_what_was_accepted(entry, rules[entry.id], terms, state.ground)
    text = "\n".join(_lines(state, name, version, terms, rules)) + "\n"
    _proved(text, name, terms, rules)
    return text


def terms_of(state: State, rules: Sequence[ast.Rule]) -> tuple[ast.Term, ...]:
    """The terms that were given, and of the proposed ones those that these rules draw on."""
    terms = all_terms(state.ground, [word.text for word in state.words])
    given = len(all_terms(state.ground, ()))
    names = {name_of(term) for term in needed(terms, rules)}
    return (*terms[:given], *(term for term in terms[given:] if name_of(term) in names))


def clauses_of(state: State) -> tuple[Entry, ...]:
    """The entries that make a clause: normative ones, and whatever was accepted."""
    retired = (entry for entry in state.retired if entry.accepted is not None)
    return (*(entry for entry in state.entries if entry.is_normative or entry.accepted is not None), *retired)


def _means_what_was_accepted(
    entry: Entry, rules: tuple[ast.Rule, ...], terms: Sequence[ast.Term], ground: Ground
) -> None:
    """A definition or a type that was edited since would change what a person accepted, and say nothing."""
    if entry.accepted is None:
        return
    hint = f"accept it again by `--accept {entry.id}`, or `--drop {entry.id}`"
    try:
        now = small(terms, rules, ground).digest
    except UntrustedInputError as error:
        message = f"what was accepted of `{entry.id}` does not fit the terms any more: {error.message}"
        raise UntrustedInputError(message, code="F112", hint=f"mend the terms, or `--drop {entry.id}`") from error
    if now != entry.accepted.rests_on:
        raise UntrustedInputError(
            f"`{entry.id}` was accepted over terms that have changed since", code="F113", hint=hint
        )


def _rules(entry: Entry) -> tuple[ast.Rule, ...]:
    rules = () if entry.accepted is None else entry.accepted.rules
    return read_rules("\n".join(rules), source=f"the accepted rules of `{entry.id}`") if rules else ()


def _lines(
    state: State, name: str, version: str, terms: Sequence[ast.Term], rules: dict[str, tuple[ast.Rule, ...]]
) -> Iterator[str]:
    yield from _front(state, name, version)
    yield from ("", f"# {_title(name)}", "")
    yield f"Drafted from {json.dumps(state.source, ensure_ascii=False)}, {plain(state.prose)}."
    if terms:
        yield from ("", "```terms", *(layout(term) for term in terms), "```")
    gone = {entry.id for entry in state.retired}
    for entry in clauses_of(state):
        yield from ("", f"## {_title(entry.statement.plain)} {{#{entry.id}}}", "", _line(entry.statement))
        yield from ("", _standing(entry, gone=entry.id in gone))
        if rules[entry.id]:
            yield from ("", "```rule", *(layout(rule) for rule in rules[entry.id]), "```")
    for kind, heading in (("definition", "Definitions"), ("background", "Background: what says no rule")):
        others = [
            entry for entry in state.entries if (entry.kind or entry.statement.kind) == kind and entry.accepted is None
        ]
        if others:
            yield from ("", f"## {heading}")
        for entry in others:
            yield from ("", _line(entry.statement))


def _front(state: State, name: str, version: str) -> Iterator[str]:
    ground = state.ground
    yield from ("---", f"policy: {json.dumps(name)}", f"version: {json.dumps(version)}")
    plain = ast.Defaults()
    differing = [
        f"{key}: {getattr(ground.default, key)}"
        for key in ("calls", "arguments", "replies", "turn")
        if getattr(ground.default, key) != getattr(plain, key)
    ]
    if differing:
        yield f"default: {{{', '.join(differing)}}}"
    if ground.levels != ast.Policy(name="", version="").levels:
        yield f"levels: {json.dumps(list(ground.levels), ensure_ascii=False)}"
    if ground.timezone != "+00:00":
        yield f"timezone: {json.dumps(ground.timezone)}"
    yield "---"


def _standing(entry: Entry, *, gone: bool) -> str:
    if entry.accepted is None:
        return "Not formalised: nobody has accepted a rule for it."
    on = f" on {plain(entry.accepted.on)}" if entry.accepted.on else ""
    said = f"Rules accepted by {json.dumps(entry.accepted.by, ensure_ascii=False)}{on}."
    return said + (" The statement is no longer in the prose." if gone else "")


def _line(statement: Statement) -> str:
    """INVARIANT: one line that begins with a word of ours, so that no block of Markdown can begin in it."""
    at = statement.at
    return f"Prose {at.line}:{at.column} to {at.end_line}:{at.end_column}: {statement.plain}"


def _title(text: str) -> str:
    """A headline made of the text: no sign that means something in Markdown or to us."""
    shown = re.sub(r"\s+", " ", re.sub(r"[{}#<>`|\\\[\]*_~=]", " ", text)).strip()
    return shown if len(shown) <= _HEADLINE else shown[:_HEADLINE].rsplit(" ", 1)[0] + " …"


def _proved(text: str, name: str, terms: Sequence[ast.Term], rules: dict[str, tuple[ast.Rule, ...]]) -> None:
    """The document, read again, holds these clauses with these rules over these terms, and nothing else."""
    try:
        read = parse(text, source="the drafted document")
        check(read, source="the drafted document")
    except UntrustedInputError as error:
        first = error.errors[0] if isinstance(error, ManyErrors) else error
        raise UntrustedInputError(
            f"the document would not be a policy: {first.message}", code="F112", at=first.at,
            source=first.source, hint=first.hint or "were terms changed that accepted rules draw on? drop those by `--drop ID`",
        ) from error  # fmt: skip
    meant = {clause.id: clause.rules for clause in read.clauses}
    if meant != rules or read.terms != tuple(terms) or read.name != name or read.imported:
        raise EvidenceError("the document would say something else than what was accepted", code="F110")
