"""Each judged predicate: does anything hang on its answer?

    S211 a judged predicate never matters: whatever the judge answers, every step has the same verdict; or nothing asks it

Asked in two ways. First by a single rule: all answers yes against all answers no, which settles nearly every predicate. Then in
full: a second predicate stands for the same question answered otherwise, and some rule fires by the one and nothing as strict
by the other. A permit gives no verdict, but tells over-refusal: there it matters whether it applies. Where the predicate stands
only in rules that are idle themselves, that is said of them (S201, S202, S212, S213) and not again here.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import partial

import msgspec

from obverse.policy import ast
from obverse.policy.checked import REFUSES, Checked, CheckedRule
from obverse.solver.analyses.definitions import live_definitions
from obverse.solver.analyses.rules import scaled
from obverse.solver.analyses.shadows import said_to_be_idle
from obverse.solver.analyses.standing import fires_ever, spares_ever
from obverse.solver.answers import Act, Answer, Found, Goal, Undecided
from obverse.solver.find import Finder
from obverse.solver.findings import Finding, Open
from obverse.solver.grounds import rests_on
from obverse.solver.questions import Desk, Outcome, Question, acts_of
from obverse.solver.rewriting import answered, judged_in
from obverse.solver.sentences import listed, named_apart

_YES, _NO = ast.Boolean(value=True), ast.Boolean(value=False)
_Rules = tuple[CheckedRule, ...]


def questions(checked: Checked) -> Iterator[Question]:
    """One for every judged predicate that the policy declares."""
    acts = {rule.id: frozenset(acts_of(checked, rule)) for rule in checked.rules}
    for name in (name for name in checked.judged if name != REFUSES):
        asking = tuple(rule for rule in checked.rules if name in judged_in(rule.fires))
        spoken_of = frozenset[Act]().union(*(acts[rule.id] for rule in asking))
        near = tuple(rule for rule in checked.rules if acts[rule.id] & spoken_of)
        yield Question(
            code="S211",
            clause=asking[0].clause if asking else None,
            rule=None,
            rests_on=rests_on(checked, near, also=["S211", name, bool(asking) or _in_idle_definition(checked, name)]),
            answer=partial(_predicate, name, asking, near),
        )


def _predicate(name: str, asking: _Rules, near: _Rules, desk: Desk) -> Outcome:
    if not asking:
        return () if _in_idle_definition(desk.checked, name) else (_unasked(name, desk),)
    if any(_matters_alone(rule, name, near, desk) for rule in asking):
        return ()
    answers = _in_full(name, asking, near, desk)
    if any(isinstance(answer, Found) for answer in answers):
        return ()
    reasons = dict.fromkeys(answer.reason for answer in answers if isinstance(answer, Undecided))
    if reasons:
        return (Open(code="S211", clause=asking[0].clause, reason=f"`{name}`: {'; '.join(reasons)}"),)
    return () if all(_is_idle(rule, desk) for rule in asking) else (_idle(name, asking, desk),)


def _in_idle_definition(checked: Checked, name: str) -> bool:
    """Whether a definition that nothing uses would ask it: that is what is said then."""
    live = live_definitions(checked)
    path = tuple(name.split("."))
    bodies = [term.body for term in checked.source.terms if isinstance(term, ast.LetTerm) and term.name not in live]
    return any(isinstance(node, ast.Name) and node.path == path for body in bodies for node in ast.walk(body))


def _unasked(name: str, desk: Desk) -> Finding:
    message = f"no rule asks `{name}`: its answer is never needed"
    return desk.finding("S211", message, about=f"judged {name}", severity="info")


def _idle(name: str, asking: _Rules, desk: Desk) -> Finding:
    rules = listed(named_apart(asking))
    asks = "asks it" if len(asking) == 1 else "ask it"
    message = f"`{name}` can never matter: {rules} {asks}, and no verdict hangs on the answer"
    return desk.finding(
        "S211", message, clause=asking[0].clause, scenario=desk.first(asking[0], (asking[0].fires,)), others=asking
    )


def _is_idle(rule: CheckedRule, desk: Desk) -> bool:
    return not fires_ever(rule, desk) or not spares_ever(rule, desk) or said_to_be_idle(rule, desk)


# --- by one rule, all answers yes against all answers no ----------------------------------------------------------------


def _matters_alone(rule: CheckedRule, name: str, near: _Rules, desk: Desk) -> bool:
    only = frozenset({name})
    for act in desk.acts(rule):
        for before, after in ((_YES, _NO), (_NO, _YES)):
            others = _as_strict(rule, near, act, desk)
            wishes = (
                answered(rule.fires, only, before),
                ast.Not(body=answered(rule.fires, only, after)),
                *(ast.Not(body=answered(scaled(other.fires), only, after)) for other in others),
            )
            if isinstance(desk.find(act, wishes), Found):
                return True
    return False


def _as_strict(rule: CheckedRule, near: _Rules, act: Act, desk: Desk) -> _Rules:
    """The other rules that would give at least the same verdict on this act; a permit gives none, and needs none."""
    strictness = rule.verdict.strictness if rule.verdict else None
    return tuple(
        other
        for other in near
        if strictness is not None
        and other is not rule
        and other.verdict is not None
        and other.verdict.strictness >= strictness
        and act in desk.acts(other)
    )


# --- in full: the same question, answered otherwise ---------------------------------------------------------------------


def _in_full(name: str, asking: _Rules, near: _Rules, desk: Desk) -> Sequence[Answer]:
    """For each rule that asks: it may fire by one set of answers, and nothing as strict fires by another."""
    checked = desk.checked
    twin = f"{name} otherwise"
    finder = Finder(
        msgspec.structs.replace(checked, judged={**checked.judged, twin: checked.judged[name]}), desk.settings
    )
    answers: list[Answer] = []
    for rule in asking:
        for act in desk.acts(rule):
            spared = (rule, *_as_strict(rule, near, act, desk))
            wishes = tuple(ast.Not(body=_otherwise(one.fires, name, twin)) for one in spared)
            desk.queries += 1
            answers.append(finder.find(Goal(head=act, wishes=wishes, possible=(rule.fires,))))
            if isinstance(answers[-1], Found):
                return answers
    return answers


def _otherwise(expr: ast.Expr, name: str, twin: str) -> ast.Expr:
    return answered(expr, frozenset({name}), lambda node: msgspec.structs.replace(node, name=twin))
