"""One statement: its text → its node, by the grammar in `grammar.lark`; and the wording of what the parser did not expect.

Length and depth are capped here, before anything recursive sees a node.
"""

from __future__ import annotations

import re
from functools import cache
from importlib.resources import files
from typing import Any, Final, Literal

import msgspec
from lark import Lark, Token, UnexpectedCharacters, UnexpectedInput
from lark.lexer import PatternRE, PatternStr, TerminalDef

from obverse.core.errors import Span
from obverse.policy import ast
from obverse.policy.faults import Faults, did_you_mean, quoted
from obverse.policy.lower import Lower
from obverse.policy.statements import RULES, TERMS, Statement

DEEPEST: Final = 48
"""How deep a condition or a type may be nested; deeper ones nobody reads, and evaluators are recursive."""

LONGEST_STATEMENT: Final = 20_000
_CALLED = {"sum": r"\s*\(", "count": r"\s*\(", "length": r"\s*\(", "time": r'\s*"', "turn": r"\s+has\b"}
_SHOWN = {
    "PATH": "a name", "KEY": "a name", "STRING": 'a text in `"`', "NUMBER": "a number", "DURATION": "a duration such as `24h`",
    "COMPARE": "a comparison", "ADD": "`+`", "MUL": "`*`", "MINUS": "a number", "QUANTIFIER": "`any`", "MEMBER": "`.`",
    "ACT": "`call`", "SPOKEN": "`message`", "WINDOW": "`within 24h`", "NUMERIC": "`number`", "SIMPLE": "`bool`",
    "TEXT_COMMA": "`,`", "FROM_TEXT": "`from text`", "$END": "the end of the statement",
}  # fmt: skip
_INSTEAD = {
    "==": "=", "&&": "and", "||": "or", "!": "not", "<>": "!=", "'": '"', "is": "=", "equals": "=", "&": "and",
    "within": "TIME within DURATION of TIME",
}  # fmt: skip
_MISTAKEN = re.compile(r"==|&&|\|\||<>|`[^`\n]*`?|[^\W\d][\w.]*|\d+\w*|.", re.S)


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
    grammar = files("obverse.policy").joinpath("grammar.lark").read_text()
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
    place = int(getattr(error, "pos_in_stream", 0) or 0)
    if isinstance(token, Token) and token.type == "$END":
        last = statement.first + len(statement.lines) - 1
        column = len(statement.lines[-1]) + 1
        at = Span(line=last, column=column, end_line=last, end_column=column + 1)
        faults.add("the statement ends too early", at, code="P111", hint=_expected(expected))
        return
    place -= text[max(place - 1, 0) : place + 1] in _INSTEAD  # the second half of a sign that another language has
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
                    open_ += [(one, depth + 1)]
    return deepest


def _line(number: int) -> Span:
    return Span(line=number, column=1, end_line=number, end_column=2)
