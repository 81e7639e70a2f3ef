"""Each declaration: does some rule speak of it, and does it agree with itself? No solver is asked.

    S217 a tool that no rule speaks of: its calls are allowed, always (a warning where it has effects, else a note)
    S218 an effect that is declared and that no rule tells apart, though rules tell others apart
    S219 values of a `one of` that no rule names, though rules tell others of that field apart
    S223 a declaration that contradicts itself or another, where the checker has no reason to refuse it

Near misses are silent: a tool that only reads and that conditions ask about; an effect each of whose tools has a rule of its
own; a field with one named value, or with one that is compared as a whole.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterator, Sequence
from functools import partial

from obverse.core.verdicts import Truth
from obverse.policy import ast
from obverse.policy.checked import Checked
from obverse.policy.looks import skeleton
from obverse.policy.text import same
from obverse.solver.fields import Declared, Tested, enum_fields, tests_of
from obverse.solver.findings import Code, Severity
from obverse.solver.grounds import rests_on
from obverse.solver.questions import Desk, Outcome, Question
from obverse.solver.sentences import listed

_SHOWN = 4  # values that are named; the rest is counted


def questions(checked: Checked) -> Iterator[Question]:
    """One for every finding: what is well needs no question."""
    yield from _tools(checked)
    yield from _effects(checked)
    yield from _values(checked)
    yield from _contradictions(checked)


# --- S217, S218 ---------------------------------------------------------------------------------------------------------


def _tools(checked: Checked) -> Iterator[Question]:
    """S217."""
    asked = _asked_about(checked)
    for name, tool in checked.tools.items():
        if any(checked.matches(head, "call", name) for rule in checked.rules for head in rule.heads):
            continue
        if tool.effects == ("read",):
            if name not in asked:
                message = f"no rule speaks of `{name}`, which only reads: every call of it is allowed"
                yield _question(checked, "S217", f"tool {name}", message, severity="info")
            continue
        effects = f"effect {', '.join(tool.effects)}" if tool.effects else "no declared effect, so any"
        also = "; conditions ask whether it was called" if name in asked else ""
        message = f"no rule speaks of `{name}` ({effects}): every call of it is allowed{also}"
        yield _question(checked, "S217", f"tool {name}", message)


def _asked_about(checked: Checked) -> frozenset[str]:
    """The tools that conditions ask about by name."""
    return frozenset(
        node.tool
        for rule in checked.rules
        for node in ast.walk(rule.fires)
        if isinstance(node, ast.Pattern) and node.tool is not None
    )


def _effects(checked: Checked) -> Iterator[Question]:
    """S218."""
    heads = [head for rule in checked.rules for head in rule.heads]
    patterns = [node for rule in checked.rules for node in ast.walk(rule.fires) if isinstance(node, ast.Pattern)]
    named = [*(head.effect for head in heads), *(pattern.effect for pattern in patterns)]
    told = {effect for effect in named if effect is not None}
    by_name = {head.tool for head in heads if head.tool is not None}
    tools: dict[str, list[str]] = defaultdict(list)
    for name, tool in checked.tools.items():
        for effect in tool.effects:
            tools[effect].append(name)
    for effect, names in tools.items():
        alone = [name for name in names if name not in by_name]
        if effect == "read" or effect in told or not told or not alone:
            continue
        message = (
            f"no rule tells `effect {effect}` apart, as rules do {_quoted(sorted(told))}: "
            f"{_quoted(alone)} {'has' if len(alone) == 1 else 'have'} no rule of {'its' if len(alone) == 1 else 'their'} own"
        )
        yield _question(checked, "S218", f"tool {alone[0]}", message)


# --- S219 ---------------------------------------------------------------------------------------------------------------


def _values(checked: Checked) -> Iterator[Question]:
    """S219."""
    tests: dict[Declared, list[Tested]] = defaultdict(list)
    for rule in checked.rules:
        for tested in tests_of(checked, rule):
            tests[tested.field].append(tested)
    for field in dict.fromkeys(enum_fields(checked)):
        left = _unnamed(field, tests[field])
        if left:
            rules = _quoted(list(dict.fromkeys(one.rule.rpartition("/")[0] for one in tests[field])))
            message = (
                f"no rule names {_quoted(left)} of `{field.name}` in {field.about}, whose other values are told apart "
                f"in {rules}: {'it is' if len(left) == 1 else 'they are'} handled like anything else"
            )
            yield _question(checked, "S219", field.about, message)


def _unnamed(field: Declared, tests: Sequence[Tested]) -> list[str]:
    """The values that no test names, where tests tell at least two kinds of others apart and none is about all others at once."""
    passing = [one.passing for one in tests if one.passing is not None]
    kinds = {value: tuple(value in some for some in passing) for value in field.values}
    left = [value for value, kind in kinds.items() if not any(kind)]
    others = frozenset(field.values) - frozenset(left)  # `not seat in [all others]` is about what is left
    if len(passing) < len(tests) or len({kinds[value] for value in others}) < 2 or others in passing:
        return []
    return left


# --- S223 ---------------------------------------------------------------------------------------------------------------


def _contradictions(checked: Checked) -> Iterator[Question]:
    """S223."""
    for name, tool in checked.tools.items():
        if "read" in tool.effects and len(tool.effects) > 1:
            others = _quoted([effect for effect in tool.effects if effect != "read"])
            message = f"`{name}` is declared to only read (`effect read`) and to have {others} as well"
            yield _question(checked, "S223", f"tool {name}", message)
    for field in dict.fromkeys(enum_fields(checked)):
        for one, other in _alike(field.values):
            message = (
                f"the values `{one}` and `{other}` of `{field.name}` in {field.about} look alike: "
                f"a test of the one is never known of the other, and what is not known fires"
            )
            yield _question(checked, "S223", field.about, message)
    yield from _questions_of_judges(checked)


def _alike(values: Sequence[str]) -> Iterator[tuple[str, str]]:
    """Values that differ and cannot be told apart by who reads them."""
    seen: dict[str, str] = {}
    for value in values:
        earlier = seen.setdefault(skeleton(value), value)
        if earlier != value and same(earlier, value) is Truth.UNKNOWN:
            yield earlier, value


def _questions_of_judges(checked: Checked) -> Iterator[Question]:
    own = {term.full_name: term for term in checked.source.terms if isinstance(term, ast.JudgedTerm)}
    mentions = {
        name: [other for other in own if re.search(rf"(?<![\w.]){re.escape(other)}(?!\w|\.\w)", term.definition)]
        for name, term in own.items()
    }
    asked: dict[tuple[str, str], str] = {}
    for name, term in own.items():
        if term.pattern is None:
            wording = (term.subject, " ".join(term.definition.casefold().split()).rstrip("."))
            earlier = asked.setdefault(wording, name)
            if earlier != name:
                message = f"`{earlier}` and `{name}` ask a judge the same question, and may get two answers"
                yield _question(checked, "S223", f"judged {name}", message)
        for other in mentions[name]:
            if other == name:
                message = f"the definition of `{name}` speaks of itself"
            elif name not in mentions[other]:
                message = f"the definition of `{name}` speaks of `{other}`, which a judge does not see"
            elif name < other:
                message = f"the definitions of `{name}` and `{other}` speak of each other: neither says what it is"
            else:
                continue  # said of the other one
            yield _question(checked, "S223", f"judged {name}", message)


# --- reporting ----------------------------------------------------------------------------------------------------------


def _question(checked: Checked, code: Code, about: str, message: str, severity: Severity | None = None) -> Question:
    return Question(
        code=code,
        clause=None,
        rule=None,
        rests_on=rests_on(checked, also=[code, about, message]),
        answer=partial(_said, code, about, message, severity),
        asks_solver=False,
    )


def _said(code: Code, about: str, message: str, severity: Severity | None, desk: Desk) -> Outcome:
    return (desk.finding(code, message, about=about, severity=severity),)


def _quoted(names: Sequence[str]) -> str:
    """`a`, `b` and 3 more."""
    shown = [f"`{name}`" for name in names[:_SHOWN]]
    if len(names) > _SHOWN:
        shown.append(f"{len(names) - _SHOWN:,} more")
    return listed(shown)
