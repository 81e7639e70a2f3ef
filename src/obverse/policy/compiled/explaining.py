"""Why a rule fired, as code: the conditions that made it so, with the events that they rest on.

`decide` explains a condition by the atoms that already give its value. Which these are is often plain beforehand (all of an
`and` that is true); where it hangs on the step, there is one case for each way it can be. What no case covers, the reference explains.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Iterator
from typing import Final

import msgspec

from obverse.core.verdicts import Truth, Verdict
from obverse.policy import ast
from obverse.policy.checked import CheckedRule
from obverse.policy.compiled.past import StepScope
from obverse.policy.compiled.proving import Code, Prover, Wanted, opposite
from obverse.policy.decision import Condition, Reason, Unknown
from obverse.policy.keeping import Kept
from obverse.policy.print import text_of

_MOST_CASES: Final = 8


class Case(msgspec.Struct, frozen=True):
    """One way in which a condition can have its value: when it is this one, the atoms, and where their events are kept."""

    when: tuple[Code, ...] = ()
    conditions: tuple[Condition, ...] = ()
    events: tuple[Code, ...] = ()
    unknowns: tuple[Unknown, ...] = ()


def cases_of(expr: ast.Expr, prover: Prover, scope: StepScope, *, wanted: Wanted) -> list[Case]:
    """The ways in which this condition can have the value, in order; empty if they are too many, or not ours to tell."""
    match expr:
        case ast.Not():
            return cases_of(expr.body, prover, scope, wanted=opposite(wanted))
        case ast.And() | ast.Or() if wanted is None:
            return _open(expr, prover, scope)
        case ast.And() | ast.Or() if isinstance(expr, ast.And) is wanted:
            parts = [cases_of(item, prover, scope, wanted=wanted) for item in expr.items]
            return [_joined(chosen) for chosen in itertools.product(*parts)] if _few(parts) else []
        case ast.And() | ast.Or():
            return _first(expr.items, prover, scope, wanted=bool(wanted))
        case ast.Boolean():
            return [Case()]
        case ast.Last() if wanted is None:
            return [_nothing_found(expr)]
        case _ if wanted is None:
            return []
    events = list(_events(expr, prover, scope, wanted=wanted))
    if None in events:
        return []
    shown = Condition(text=text_of(expr), value=Truth.of(wanted))
    return [Case(conditions=(shown,), events=tuple(event for event in events if event is not None))]


def _few(parts: list[list[Case]]) -> bool:
    count = 1
    for part in parts:
        count *= len(part)
    return 0 < count <= _MOST_CASES


def _first(items: Iterable[ast.Expr], prover: Prover, scope: StepScope, *, wanted: bool) -> list[Case]:
    """One item alone gives the value: the first that does."""
    found: list[Case] = []
    before: tuple[Code, ...] = ()
    for item in items:
        decides, not_yet = prover.proves(item, wanted), prover.proves(item, not wanted)
        found += [
            Case((*before, decides, *case.when), case.conditions, case.events, case.unknowns)
            for case in cases_of(item, prover, scope, wanted=wanted)
        ]
        before = (*before, not_yet)
        if not_yet == "False":
            break
    return found if len(found) <= _MOST_CASES else []


def _open(expr: ast.And | ast.Or, prover: Prover, scope: StepScope) -> list[Case]:
    """No item settles it: each is unknown, or of the value that leaves it open."""
    parts = []
    for item in expr.items:
        part = list[Case]()
        for value in (None, isinstance(expr, ast.And)):
            when = prover.proves(item, value)
            found = cases_of(item, prover, scope, wanted=value) if when != "False" else []
            part += [Case((when, *one.when), one.conditions, one.events, one.unknowns) for one in found]
        parts.append(part)
    return [_joined(chosen) for chosen in itertools.product(*parts)] if _few(parts) else []


def _nothing_found(expr: ast.Last) -> Case:
    shown = Condition(text=text_of(expr), value=Truth.UNKNOWN)
    missing = Unknown(what=f"last {expr.event.tool or expr.event.kind}", why="no such event")
    return Case(conditions=(shown,), unknowns=(missing,))


def _joined(chosen: Iterable[Case]) -> Case:
    cases = list(chosen)
    return Case(
        tuple(code for case in cases for code in case.when),
        tuple(condition for case in cases for condition in case.conditions),
        tuple(code for case in cases for code in case.events),
        tuple(unknown for case in cases for unknown in case.unknowns),
    )


def _events(atom: ast.Node, prover: Prover, scope: StepScope, *, wanted: bool) -> Iterator[Code | None]:
    """Where the events are kept that an atom rests on; None for one of which only the reference knows them."""
    match atom:
        case ast.Present():
            return  # whether something is there rests on nothing
        case ast.FactValue():
            place = scope.places.get(("fact", atom.name, False))
            yield None if place is None else f"k[{place}].kept"
        case ast.Once() | ast.Last():
            inside = [
                node for part in (atom.where, getattr(atom, "has", None)) if part is not None for node in ast.walk(part)
            ]
            asked = scope.asked(atom, prover)
            if asked is None or any(isinstance(node, ast.FactValue) for node in inside):
                yield None
            elif wanted or isinstance(atom, ast.Last):
                yield asked
            for binding in atom.event.arguments:
                yield from _events(binding.value, prover, scope, wanted=wanted)
        case ast.Exceeds() if atom.by is None or not _has_fact(atom.by):
            yield scope.counted(atom, prover)
        case ast.CountEvents() | ast.SumEvents():
            yield scope.counted(atom, prover)
            for binding in atom.event.arguments:
                yield from _events(binding.value, prover, scope, wanted=wanted)
        case ast.Since() if atom.absent is not None and atom.where is None:
            for binding in (*atom.event.arguments, *atom.absent.arguments):
                yield from _events(binding.value, prover, scope, wanted=wanted)
        case ast.Since() | ast.Previous() | ast.Exceeds():
            yield None
        case ast.Quantified() | ast.CountIn() | ast.SumIn() if any(_looks_back(node) for node in ast.walk(atom.body)):
            yield None
        case _:
            for child in ast.children(atom):
                yield from _events(child, prover, scope, wanted=wanted)


def _has_fact(expr: ast.Expr) -> bool:
    return any(isinstance(node, ast.FactValue) for node in ast.walk(expr))


def _looks_back(node: ast.Node) -> bool:
    return isinstance(node, ast.Once | ast.Last | ast.Since | ast.Previous | ast.CountEvents | ast.SumEvents)


def reason_of(rule: CheckedRule, case: Case, *kept: Iterable[Kept]) -> Reason:
    """The reason that a rule gives which fired in this case."""
    found = {one.number: one.event.id for some in kept for one in some}
    return Reason(
        clause=rule.clause,
        rule=rule.id,
        verdict=rule.verdict or Verdict.ALLOW,
        certain=Truth.UNKNOWN if case.unknowns else Truth.TRUE,
        conditions=tuple(dict.fromkeys(case.conditions)),
        events=tuple(found[number] for number in sorted(found)),
        unknowns=tuple(dict.fromkeys(case.unknowns)),
        says=rule.says,
    )
