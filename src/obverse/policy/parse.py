"""`parse`: the text of a policy → `Policy`, or every fault of it in one go.

It knows the form of a document and of a statement, not what names mean: that is `check`. Whatever the bytes are, nothing but
`UntrustedInputError` comes out of it: sizes, lengths and depths are capped before anything recursive sees them.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from functools import cache
from importlib.resources import files as package_files
from typing import Any, Final, Literal

import msgspec
from lark import Lark, Token, UnexpectedCharacters, UnexpectedInput
from lark.lexer import PatternRE, PatternStr, TerminalDef

from obverse.core.canon import digest_bytes
from obverse.core.errors import ManyErrors, Span, UntrustedInputError
from obverse.policy import ast
from obverse.policy.document import Block, Document, Entry, Heading, Section, prose_of, read_text, take_apart
from obverse.policy.faults import Faults, did_you_mean, quoted
from obverse.policy.lower import Lower
from obverse.policy.statements import RULES, TERMS, Statement, split
from obverse.policy.tools import read_tools

DEEPEST: Final = 48
"""How deep a condition or a type may be nested; deeper ones nobody reads, and evaluators are recursive."""

LONGEST_STATEMENT: Final = 20_000
_SEVERITIES: Final = ("low", "medium", "high", "critical")
_DEFAULTS: Final = {
    "calls": ("deny-unknown-tools", "ask-unknown-tools", "allow-unknown-tools"),
    "arguments": ("deny-unknown", "allow-unknown"),
    "replies": ("allow", "deny"),
    "turn": ("whole", "allowed-part"),
}
_ZONE = re.compile(r"([+-])(\d\d):(\d\d)")
_CALLED = {"sum": r"\s*\(", "count": r"\s*\(", "length": r"\s*\(", "time": r'\s*"', "turn": r"\s+has\b"}
_SHOWN = {
    "PATH": "a name", "STRING": 'a text in `"`', "NUMBER": "a number", "DURATION": "a duration such as `24h`",
    "COMPARE": "a comparison", "ADD": "`+`", "MUL": "`*`", "MINUS": "a number", "QUANTIFIER": "`any`", "MEMBER": "`.`",
    "ACT": "`call`", "SPOKEN": "`message`", "WINDOW": "`within 24h`", "NUMERIC": "`number`", "SIMPLE": "`bool`",
    "TEXT_COMMA": "`,`", "FROM_TEXT": "`from text`", "$END": "the end of the statement",
}  # fmt: skip
_INSTEAD = {"==": "=", "&&": "and", "||": "or", "!": "not", "<>": "!=", "'": '"', "is": "=", "equals": "=", "&": "and"}
_MISTAKEN = re.compile(r"==|&&|\|\||<>|`[^`\n]*`?|[^\W\d][\w.]*|\d+\w*|.", re.S)


def parse(text: str | bytes, *, source: str = "policy.md", files: Callable[[str], bytes] | None = None) -> ast.Policy:
    """The policy that this document says; `files` gives the bytes of a file that `terms from` names.

    Raises:
        ManyErrors: with every fault of the document, in its order.
    """
    faults = Faults(source)
    document = take_apart(read_text(text, faults), faults)
    front = _front(document, faults)
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


def zone_minutes(zone: str) -> int:
    """The minutes east of UTC of an offset such as `+09:30`, which is well-formed."""
    found = _ZONE.fullmatch(zone)
    if found is None:
        return 0
    minutes = int(found[2]) * 60 + int(found[3])
    return -minutes if found[1] == "-" else minutes


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


# --- statements ---------------------------------------------------------------------------------------------------------


def _statements(block: Block, zone: int, faults: Faults) -> list[Any]:
    """The rules or terms of a block; faulty ones are noted and left out."""
    found = []
    for statement in split(block.kind, block.first, block.lines).statements:
        node = parse_statement(block.kind, statement, zone, faults)
        if node is not None:
            found.append(node)
    return found


def parse_statement(
    kind: Literal["terms", "rule"], statement: Statement, zone: int, faults: Faults
) -> ast.Rule | ast.Term | None:
    """The node of one statement, or None when it has a fault, which is noted."""
    text, before = statement.text, len(faults.found)
    if len(text) > LONGEST_STATEMENT:
        faults.add("the statement is too long", _line(statement.first), code="P115", hint="split it, or use `let`")
        return None
    if not _known_beginning(kind, statement, faults):
        return None
    try:
        tree = _parser().parse(text, start="rule" if kind == "rule" else "term")
    except UnexpectedInput as error:
        _unexpected(error, statement, faults)
        return None
    node = Lower(faults, statement.first, zone).lowered(tree)
    if _depth(node) > DEEPEST:
        faults.add(
            f"the statement is nested more than {DEEPEST} deep", _line(statement.first), code="P115",
            hint="give its parts names with `let`",
        )  # fmt: skip
    return node if len(faults.found) == before else None


def _known_beginning(kind: str, statement: Statement, faults: Faults) -> bool:
    word = (re.findall(r"\S+", statement.lines[0]) or [""])[0]
    known, others = (RULES, TERMS) if kind == "rule" else (TERMS, RULES)
    if word in known:
        return True
    column = len(statement.lines[0]) - len(statement.lines[0].lstrip()) + 1
    at = Span(line=statement.first, column=column, end_line=statement.first, end_column=column + len(word))
    if word in others:
        here, there = ("rule", "terms") if kind == "rule" else ("terms", "rule")
        faults.add(f"{quoted(word)} cannot stand in a `{here}` block", at, code="P110", hint=f"put it in `{there}`")
        return False
    what = "rule" if kind == "rule" else "term"
    faults.add(f"no {what} begins with {quoted(word)}", at, code="P110", hint=did_you_mean(word, known))
    return False


@cache
def _parser() -> Lark:
    """The parser of statements, made once. Words of the grammar are whole words, and weigh more than names."""
    grammar = package_files("obverse.policy").joinpath("grammar.lark").read_text()
    return Lark(
        grammar,
        parser="lalr",
        start=["rule", "term"],
        propagate_positions=True,
        maybe_placeholders=True,
        edit_terminals=_whole_word,
    )


def _whole_word(terminal: TerminalDef) -> None:
    pattern = terminal.pattern
    words = pattern.value if isinstance(pattern, PatternStr) else pattern.value.removeprefix("(?:").removesuffix(")")
    if all(word.isalpha() for word in words.split("|")):
        ahead = rf"(?={_CALLED[words]})" if words in _CALLED else ""
        if terminal.name == "TEXT" or words not in _CALLED:
            ahead = r"(?![\w.`])"
        terminal.pattern = PatternRE(f"(?:{words}){ahead}")
        terminal.priority = 2


def _unexpected(error: UnexpectedInput, statement: Statement, faults: Faults) -> None:
    """One fault for what the parser did not expect: where, what, and what it may have been meant to be."""
    text = statement.text
    expected = set(error.allowed if isinstance(error, UnexpectedCharacters) else getattr(error, "expected", ()))
    token = getattr(error, "token", None)
    if isinstance(token, Token) and token.type == "$END":
        last = statement.first + len(statement.lines) - 1
        column = len(statement.lines[-1]) + 1
        at = Span(line=last, column=column, end_line=last, end_column=column + 1)
        faults.add("the statement ends too early", at, code="P111", hint=_expected(expected))
        return
    place = error.pos_in_stream or 0
    found = _MISTAKEN.match(text, place)
    word = found[0] if found else ""
    line = statement.first + text.count("\n", 0, place)
    column = place - (text.rfind("\n", 0, place) + 1) + 1
    at = Span(line=line, column=column, end_line=line, end_column=column + max(len(word), 1))
    faults.add(f"unexpected {quoted(word)}", at, code="P110", hint=_meant(word, expected))


def _meant(word: str, expected: set[str]) -> str | None:
    """The hint for an unexpected word."""
    if word in _INSTEAD and _INSTEAD[word] != word:
        return f"write `{_INSTEAD[word]}`"
    if word == '"':
        return "a text ends on its line, with another quotation mark"
    if "PATH" in expected and word.isidentifier():
        return f"if {quoted(word)} is a name here, write it in backticks"
    words = {name.lower(): name for name in expected if name.isalpha() and name not in _SHOWN}
    near = did_you_mean(word, words, otherwise="") if word.isidentifier() else ""
    return near if near and near.startswith("did") else _expected(expected)


def _expected(expected: set[str]) -> str | None:
    """What could stand here, if that is a short list."""
    shown = sorted({_SHOWN.get(name) or _literal(name) for name in expected})
    return "expected " + " or ".join(shown) if 0 < len(shown) <= 6 else None


def _literal(name: str) -> str:
    found = next((one for one in _parser().terminals if one.name == name), None)
    plain = found.pattern.value.replace("\\", "") if found and isinstance(found.pattern, PatternStr) else name.lower()
    return f"`{plain}`"


def _depth(node: Any) -> int:
    """How deep records are nested in this one; not recursive, since it is what guards recursion."""
    deepest, open_ = 0, [(node, 1)]
    while open_:
        item, depth = open_.pop()
        deepest = max(deepest, depth)
        for name in item.__struct_fields__:
            value = getattr(item, name)
            for one in value if isinstance(value, tuple) else (value,):
                if isinstance(one, msgspec.Struct) and not isinstance(one, Span):
                    open_.append((one, depth + 1))
    return deepest


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


# --- front matter -------------------------------------------------------------------------------------------------------


def _front(document: Document, faults: Faults) -> dict[str, Any]:
    """The fields of `Policy` that the front matter gives."""
    given = document.front
    known = ("policy", "version", "default", "levels", "timezone")
    for key, entry in given.items():
        if key not in known:
            hint = did_you_mean(key, known)
            faults.add(f"unknown key {quoted(key)} in the front matter", entry.at, code="P103", hint=hint)
    name = _scalar(given, "policy", "", faults)
    if not name and given:
        faults.add("the front matter names no policy", document.front_at, code="P104", hint="add `policy: NAME`")
    return {
        "name": name,
        "version": _scalar(given, "version", "1", faults),
        "default": _defaults(given.get("default"), faults),
        "levels": _levels(given.get("levels"), faults),
        "timezone": _timezone(given, faults),
    }


def _scalar(given: dict[str, Entry], key: str, otherwise: str, faults: Faults) -> str:
    entry = given.get(key)
    if entry is None:
        return otherwise
    if not isinstance(entry.value, str) or not entry.value.strip():
        faults.add(f"{quoted(key)} is not a plain text", entry.at, code="P104")
        return otherwise
    return entry.value.strip()


def _defaults(entry: Entry | None, faults: Faults) -> ast.Defaults:
    if entry is None:
        return ast.Defaults()
    if not isinstance(entry.value, dict):
        faults.add("`default` is not a list of `key: value`", entry.at, code="P104", hint="such as `{replies: allow}`")
        return ast.Defaults()
    found: dict[str, Any] = {}
    for key, value in entry.value.items():
        if key not in _DEFAULTS:
            hint = did_you_mean(key, _DEFAULTS)
            faults.add(f"unknown key {quoted(key)} under `default`", value.at, code="P103", hint=hint)
        elif value.value not in _DEFAULTS[key]:
            hint = "one of " + ", ".join(f"`{option}`" for option in _DEFAULTS[key])
            faults.add(f"{quoted(str(value.value))} is no default for {quoted(key)}", value.at, code="P104", hint=hint)
        else:
            found[key] = value.value
    return ast.Defaults(**found)


def _levels(entry: Entry | None, faults: Faults) -> tuple[str, ...]:
    if entry is None:
        return ("platform", "developer", "user")
    if not isinstance(entry.value, tuple) or not entry.value or not all(entry.value):
        faults.add("`levels` is not a list of names", entry.at, code="P104", hint="highest first: `[platform, user]`")
        return ("platform", "developer", "user")
    if len(set(entry.value)) < len(entry.value):
        faults.add("`levels` names a level twice", entry.at, code="P104")
    return entry.value


def _timezone(given: dict[str, Entry], faults: Faults) -> str:
    zone = _scalar(given, "timezone", "+00:00", faults)
    found = _ZONE.fullmatch(zone)
    if found is None or int(found[2]) > 14 or int(found[3]) > 59:
        faults.add(
            f"{quoted(zone)} is no time zone", given["timezone"].at, code="P104", hint="write an offset, as `+09:30`"
        )
        return "+00:00"
    return zone


def _line(number: int) -> Span:
    return Span(line=number, column=1, end_line=number, end_column=2)
