"""Each definition (`let`), which is gone once a policy is checked: the places of its body tell where it was used.

    S210 a definition is never used, or is always true, or always false, wherever it is used

Always true: at no use can it be false, whatever stands around it; so a definition that varies anywhere is none. Where a rule
itself then never or always fires, or its exception can never apply, that is said of the rule (S201, S202, S206) and not again
of the definition. `let strict = true` is a switch, and a definition of another one (`let a = b`) is asked about as `b`.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from typing import Final

import msgspec

from obverse.policy import ast
from obverse.policy.checked import Checked, CheckedRule
from obverse.policy.print import text_of
from obverse.solver.analyses.rules import conjuncts
from obverse.solver.answers import Answer, Found, Undecided
from obverse.solver.findings import Finding, Open
from obverse.solver.grounds import rests_on
from obverse.solver.questions import Desk, Outcome, Question
from obverse.solver.rewriting import all_of, any_of, negated
from obverse.solver.sentences import listed, short
from obverse.solver.spots import Spot, spots

_CONDITIONS: Final = (
    ast.Not, ast.And, ast.Or, ast.Compare, ast.In, ast.TextTest, ast.Within, ast.Present, ast.Quantified,
    ast.Once, ast.Last, ast.Previous, ast.Since,
)  # fmt: skip


class _Use(msgspec.Struct, frozen=True):
    """One expansion of a definition: in which rule, where, and the parts that it is made of there."""

    rule: CheckedRule
    spot: Spot
    body: ast.Expr
    parts: tuple[ast.Expr, ...]


def questions(checked: Checked) -> Iterator[Question]:
    """One for every definition."""
    live = live_definitions(checked)
    for term in checked.source.terms:
        if isinstance(term, ast.LetTerm):
            uses = tuple(_uses(checked, term)) if term.name in live else ()
            rules = tuple(dict.fromkeys(use.rule for use in uses))
            also = ["S210", term.name, term.name in live, [text_of(use.body) for use in uses]]
            yield Question(
                code="S210",
                clause=None,
                rule=None,
                rests_on=rests_on(checked, rules, also=also),
                answer=partial(_varies, term, uses) if term.name in live else partial(_unused, term),
            )


def live_definitions(checked: Checked) -> frozenset[str]:
    """The definitions that some rule uses, directly or through others."""
    lets = {term.name: term for term in checked.source.terms if isinstance(term, ast.LetTerm)}
    found: set[str] = set()
    waiting: list[ast.Node] = [rule for clause in checked.clauses for rule in clause.rules]
    while waiting:
        for name in _named_in(waiting.pop()):
            if name in lets and name not in found:
                found.add(name)
                waiting.append(lets[name].body)
    return frozenset(found)


def _named_in(node: ast.Node) -> Iterator[str]:
    """The first parts of names; one that a scope hides counts too, so that nothing that is used is called unused."""
    for one in ast.walk(node):
        if isinstance(one, ast.Name):
            yield one.path[0]
        elif isinstance(one, ast.Use):
            yield one.name


def _unused(term: ast.LetTerm, desk: Desk) -> Outcome:
    return (
        desk.finding("S210", f"the definition `{term.name}` is never used: no rule asks it", about=f"let {term.name}"),
    )


# --- always one value ---------------------------------------------------------------------------------------------------


def _varies(term: ast.LetTerm, uses: tuple[_Use, ...], desk: Desk) -> Outcome:
    if not uses:
        return ()
    for value in (True, False):
        others = [_can_be(use, not value, desk) for use in uses]
        if any(isinstance(answer, Found) for answer in others):
            continue
        if all(_said_elsewhere(use, value) for use in uses):
            return ()
        reasons = dict.fromkeys(answer.reason for answer in others if isinstance(answer, Undecided))
        if reasons:
            return (Open(code="S210", clause=None, reason=f"`{term.name}`: {'; '.join(reasons)}"),)
        return (_constant(term, uses, value, desk),)
    return ()


def _constant(term: ast.LetTerm, uses: tuple[_Use, ...], value: bool, desk: Desk) -> Finding:
    rules = tuple(dict.fromkeys(use.rule for use in uses))
    clauses = listed([f"`{clause}`" for clause in dict.fromkeys(rule.clause for rule in rules)])
    is_, never = ("true", "false") if value else ("false", "true")
    message = (
        f"the definition `{term.name}` is always {is_} where it is used, in {clauses}: "
        f"`{short(uses[0].body)}` is never {never}"
    )
    shown = _can_be(uses[0], value, desk)
    return desk.finding(
        "S210",
        message,
        clause=rules[0].clause,
        about=f"let {term.name}",
        scenario=shown.scenario if isinstance(shown, Found) else None,
        others=rules,
    )


def _can_be(use: _Use, value: bool, desk: Desk) -> Answer:
    """Whether the definition can come out so at this use."""
    wish = use.spot.asks(use.body if value else negated(use.body))
    answers = []
    for act in desk.acts(use.rule):
        answers.append(desk.find(act, (wish,)))
        if isinstance(answers[-1], Found):
            return answers[-1]
    undecided = (answer for answer in answers if isinstance(answer, Undecided))
    return next(undecided, answers[0])


def _said_elsewhere(use: _Use, value: bool) -> bool:
    """Whether another code says of the rule what this value does to it."""
    when, exception = use.rule.when, use.rule.exception
    if value:
        whole = when is not None and exception is None and _among(use.parts, (when,))
        return whole or (exception is not None and _among(use.parts, _disjuncts(exception)))
    return any(expr is not None and _among(use.parts, conjuncts(expr)) for expr in (when, exception))


def _among(parts: tuple[ast.Expr, ...], wholes: tuple[ast.Expr, ...]) -> bool:
    """Whether each of these parts is, or is made up of, some of those."""
    single = [inner for part in parts for inner in conjuncts(part)]
    return all(any(inner is whole for whole in wholes) for inner in parts) or all(
        any(inner is whole for whole in wholes) for inner in single
    )


def _disjuncts(expr: ast.Expr) -> tuple[ast.Expr, ...]:
    return expr.items if isinstance(expr, ast.Or) else (expr,)


# --- where it was used --------------------------------------------------------------------------------------------------


def _uses(checked: Checked, term: ast.LetTerm) -> Iterator[_Use]:
    for rule in checked.rules:
        roots = (rule.when, rule.exception) if rule.kind != "limit" else (rule.fires,)
        for root in (root for root in roots if root is not None):
            for spot in spots(root):
                yield from _uses_at(rule, spot, term)


def _uses_at(rule: CheckedRule, spot: Spot, term: ast.LetTerm) -> Iterator[_Use]:
    """The definition as this very node, or, where `and` or `or` took it in, as some of its items."""
    node, body = spot.node, term.body
    if body.at is None or not isinstance(body, _CONDITIONS):
        return
    if node.at == body.at and type(node) is type(body):
        yield _Use(rule, spot, node, (node,))
    elif isinstance(node, ast.And | ast.Or) and type(node) is type(body):
        wanted = [item.at for item in body.items]
        for start in range(len(node.items) - len(wanted) + 1):
            parts = node.items[start : start + len(wanted)]
            if [part.at for part in parts] == wanted:
                joined = all_of(parts) if isinstance(node, ast.And) else any_of(parts)
                yield _Use(rule, spot, joined, parts)
