"""What a reply says: rules or terms by the real parser, or that there is nothing to formalise, or what is wrong with it.

Only syntax trees leave this module, never the text of a model. A block is read whole or not at all: a rule that was left out of
what a model wrote would be another formalisation.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Final, TypeAlias

import msgspec

from obverse.core.errors import ManyErrors, UntrustedInputError
from obverse.draft.prompt import NO_RULE
from obverse.draft.terms import Ground, read_rules, read_terms, small
from obverse.policy import ast
from obverse.policy.checked import Checked
from obverse.policy.statements import RULES, TERMS

LONGEST: Final = 20_000
"""Characters of a reply that are read; what is longer says nothing."""

MOST_RULES: Final = 20
"""One statement that needs more rules than this was not understood."""

_FENCE = re.compile(r"^[ \t]*(`{3,}|~{3,})[ \t]*(\w*)[^\n]*\n(.*?)^[ \t]*\1[ \t]*$", re.M | re.S)
_OPENED = re.compile(r"^[ \t]*(?:`{3,}|~{3,})[^\n]*\n(.*)\Z", re.M | re.S)
_NOTHING = re.compile(rf"^\W*{NO_RULE}\W*(.*)$", re.M | re.I)


class Formal(msgspec.Struct, frozen=True, kw_only=True):
    """Rules that mean something over the terms."""

    rules: tuple[ast.Rule, ...]
    checked: Checked


class Nothing(msgspec.Struct, frozen=True, kw_only=True):
    """The model says that there is nothing to formalise, and why."""

    reason: str


class Unread(msgspec.Struct, frozen=True, kw_only=True):
    """What is wrong with the reply, worded for whoever wrote it."""

    faults: str


Read: TypeAlias = Formal | Nothing | Unread


def read(text: str, terms: Sequence[ast.Term], ground: Ground) -> Read:
    """What a reply to `prompt.formalise` says."""
    if len(text) > LONGEST:
        return Unread(faults=f"the reply is longer than {LONGEST:,} characters")
    body = block(text, ("rule", "rules"), RULES)
    if body is None:
        nothing = _NOTHING.search(text)
        if nothing is not None:
            return Nothing(reason=" ".join(nothing[1].split())[:200] or "no reason given")
        return Unread(faults="the reply has no block of rules")
    try:
        rules = read_rules(body, source="reply")
        if not rules:
            return Unread(faults="the block holds no rule")
        if len(rules) > MOST_RULES:
            return Unread(faults=f"more than {MOST_RULES} rules for one statement")
        rules = tuple(dict.fromkeys(rules))
        return Formal(rules=rules, checked=small(terms, rules, ground))
    except UntrustedInputError as error:
        return Unread(faults=worded(error))


def read_vocabulary(text: str) -> tuple[tuple[ast.Term, ...], str]:
    """The terms of a reply to `prompt.vocabulary` that can be read, and what was wrong with the others."""
    body = block(text[: LONGEST * 4], ("terms", "term"), TERMS)
    if body is None:
        return (), "the reply has no block of terms"
    found: list[ast.Term] = []
    wrong: list[str] = []
    for line in _lines(body):  # term by term: one that cannot be read does not hide the others
        try:
            found += read_terms(line, source="reply")
        except UntrustedInputError as error:
            wrong.append(worded(error))
    return tuple(found), "\n".join(wrong)


def block(text: str, words: Sequence[str], starts: Sequence[str]) -> str | None:
    """The text of the one block that is meant: fenced under one of these words, fenced at all, or plain lines."""
    fences = list(_FENCE.finditer(text))
    named = [fence[3] for fence in fences if fence[2].lower() in words]
    if fences:
        return "\n".join(named or (fence[3] for fence in fences))
    opened = _OPENED.search(text)
    if opened is not None:
        return opened[1]
    lines = [line for line in text.splitlines() if line.split(" ")[0] in starts and len(line.split()) > 1]
    return "\n".join(lines) or None


def worded(error: UntrustedInputError) -> str:
    """The faults, a line each, as a model can use them."""
    errors = error.errors if isinstance(error, ManyErrors) else (error,)
    return "\n".join(
        f"line {one.at.line if one.at else 1}: {one.message}" + (f" ({one.hint})" if one.hint else "")
        for one in errors[:8]
    )


def _lines(body: str) -> list[str]:
    """The statements of a block of terms, each with the lines that go on."""
    found: list[str] = []
    for line in body.splitlines():
        if line.strip() and (not found or (line.split() or [""])[0] in TERMS):
            found.append(line)
        elif found and line.strip():
            found[-1] += "\n" + ("" if line.startswith((" ", "\t")) else "    ") + line
    return found
