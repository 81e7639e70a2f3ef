"""Other ways to test a policy, as fair as we can make them: each gives scenarios, and all are scored on the same mutants.

`guesses`: random histories and steps over the policy's own terms. They use what a careful tester would: only tools that a rule
speaks of, the constants of the policy and their neighbours, its windows to the second, few different ids so that events meet.
`walks`: the published approach (POLARIS, arXiv:2605.24883, code not available; reimplemented from the description). Predicates
and entities are nodes, what stands in one rule or speaks of one entity is joined, random walks give paths. There a language
model turns a path into a query; here the solver finds a scenario in which as much of the path is true as can be, which is
kinder to it. `pairwise`: every pair of values of the conditions about one act (allpairspy), each row made true as far as it can be.
"""

from __future__ import annotations

import datetime
import json
from collections.abc import Iterator, Sequence
from decimal import Decimal
from random import Random
from typing import Any

import msgspec
from allpairspy import AllPairs  # type: ignore[import-untyped]  # it has no types

from obverse.cases.conditions import conditions_of
from obverse.core.events import AnyEvent, Approval, Call, Denied, Fact, Message, Reply, Result, Step
from obverse.policy import ast
from obverse.policy.checked import Checked
from obverse.policy.decide import call_digest
from obverse.policy.types import (
    BoolType,
    DurationType,
    EnumType,
    ListType,
    MapType,
    NumberType,
    RecordType,
    TimeType,
    Type,
)
from obverse.solver.answers import Act, Found, Goal, Impossible, Scenario
from obverse.solver.find import Finder
from obverse.solver.questions import acts_of
from obverse.solver.settings import Settings

START = 1_767_607_200_000
_HOUR = 3_600_000


# --- random -------------------------------------------------------------------------------------------------------------


class Guesses:
    """Random scenarios over the terms and constants of one policy."""

    def __init__(self, checked: Checked, seed: int) -> None:
        self.checked = checked
        self.random = Random(seed)
        nodes = [node for rule in checked.rules for node in ast.walk(rule.fires)]
        self.numbers = [
            n + d for node in nodes if isinstance(node, ast.Number) for n in [node.value] for d in (-1, 0, 1)
        ]
        self.texts = [
            text for node in nodes if isinstance(node, ast.Text) for text in (node.value, node.value.replace("*", "x"))
        ]
        self.spans = [node.ms for node in nodes if isinstance(node, ast.Duration)] or [_HOUR]
        self.acts = list(dict.fromkeys(act for rule in checked.rules for act in acts_of(checked, rule)))
        spoken = {node.tool for node in nodes if isinstance(node, ast.Pattern)} | {act.tool for act in self.acts}
        self.tools = [tool for name, tool in checked.tools.items() if name in spoken] or list(checked.tools.values())

    def scenarios(self, number: int) -> list[Scenario]:
        """So many of them."""
        return [self.scenario() for _ in range(number)]

    def scenario(self) -> Scenario:
        """A history of up to eight things that happened, and a step."""
        pick, time = self.random.choice, START
        history: list[AnyEvent] = [self._fact(name, time) for name in self.checked.facts if self.random.random() < 0.9]
        for number in range(self.random.randrange(9)):
            time += self._gap()
            history += self._thing(number, time)
        time += self._gap()
        event = self._step(pick(self.acts), time)
        if self.random.random() < 0.15:
            people = range(self.random.randrange(1, 3))
            history += [Approval(id="", time=time, call=call_digest(event), by=f"person-{one}") for one in people]
        beside: list[Call | Reply] = [event]
        if self.random.random() < 0.1:
            beside.append(msgspec.structs.replace(self._step(pick(self.acts), time), id="s2"))
        named = tuple(msgspec.structs.replace(one, id=f"e{place}", turn=place) for place, one in enumerate(history, 1))
        turn = tuple(msgspec.structs.replace(one, turn=len(named) + 1) for one in beside)
        return Scenario(history=named, step=Step(event=turn[0], turn=turn))

    def _gap(self) -> int:
        return self.random.choice(
            [1_000, 30_000, 60_000, *(ms + shift for ms in self.spans for shift in (-1_000, 0, 1_000))]
        )

    def _thing(self, number: int, time: int) -> list[AnyEvent]:
        kind = self.random.choices(
            ["message", "reply", "result", "failed", "call", "denied", "fact"], [3, 1, 6, 0.5, 1, 0.5, 1]
        )[0]
        if kind == "message":
            return [Message(id="", time=time, text=self._text(), labels=self._labels("message"))]
        if kind == "reply":
            return [Reply(id="", time=time, text=self._text(), labels=self._labels("reply"))]
        if kind == "fact":
            return [
                self._fact(name, time)
                for name in self.random.sample(list(self.checked.facts), bool(self.checked.facts))
            ]
        if not self.tools:
            return []
        tool, call_id = self.random.choice(self.tools), f"c{number}"
        call = Call(id="", time=time, call_id=call_id, tool=tool.name, arguments=self._arguments(tool))
        if kind == "denied":
            return [Denied(id="", time=time, call_id=call_id, tool=tool.name, arguments=call.arguments)]
        if kind == "call":
            return [call]
        output = "it failed" if kind == "failed" else self._output(tool)
        return [call, Result(id="", time=time, call_id=call_id, tool=tool.name, output=output, failed=kind == "failed")]

    def _fact(self, name: str, time: int) -> Fact:
        return Fact(id="", time=time, name=name, value=self.value(self.checked.facts[name].type))

    def _labels(self, subject: str) -> dict[str, bool]:
        return {
            name: self.random.random() < 0.5 for name, term in self.checked.judged.items() if term.subject == subject
        }

    def _step(self, act: Act, time: int) -> Call | Reply:
        if act.kind == "reply":
            return Reply(id="s1", time=time, text=self._text(), labels=self._labels("reply"))
        tool = self.checked.tools[act.tool or ""]
        return Call(id="s1", time=time, call_id="step", tool=tool.name, arguments=self._arguments(tool))

    def _arguments(self, tool: ast.Tool) -> str:
        given = [field for field in tool.parameters if not field.optional or self.random.random() < 0.7]
        return _json({field.name: self.value(field.type) for field in given})

    def _output(self, tool: ast.Tool) -> str:
        return '{"status": "ok"}' if tool.returns is None else _json(self.value(tool.returns))

    def _text(self) -> str:
        ids = self.random.random() < 0.6 or not self.texts  # few of them, so that what happened earlier is about this
        return self.random.choice(["one", "one", "two"] if ids else self.texts)

    def value(self, of: Type) -> Any:
        """A value of this type."""
        pick = self.random.choice
        match of:
            case EnumType():
                return pick(of.values)
            case BoolType():
                return pick([True, False])
            case NumberType():
                number = pick([0, 1, 2, 5, 10, 100, 1000, *self.numbers, *self.numbers])
                number = int(number) if of.integer else number
                return str(number) if of.from_text else number
            case TimeType():
                ms = START + pick([-1, 1]) * pick([0, 1_000, *self.spans]) + pick([-1_000, 0, 60_000, 1_000])
                return datetime.datetime.fromtimestamp(ms / 1000, datetime.UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
            case DurationType():
                return f"{pick(self.spans) // 1_000}s"
            case ListType():
                return [self.value(of.item) for _ in range(self.random.randrange(4))]
            case MapType():
                return {self._text(): self.value(of.item) for _ in range(self.random.randrange(3))}
            case RecordType():
                return {field.name: self.value(field.type) for field in of.fields}
        return self._text()


def _json(value: Any) -> str:
    return json.dumps(value, default=lambda one: float(one) if isinstance(one, Decimal) else str(one))


# --- with a solver ------------------------------------------------------------------------------------------------------


class _Atom(msgspec.Struct, frozen=True, eq=False):
    """A predicate of the graph: a condition, the acts of its rule, and the entities that it names."""

    expr: ast.Expr
    acts: tuple[Act, ...]
    rule: str
    entities: frozenset[str]


def _atoms(checked: Checked) -> list[_Atom]:
    return [
        _Atom(atom.expr, acts_of(checked, rule), rule.id, frozenset(_entities(atom.expr)))
        for rule in checked.rules
        for atom in conditions_of(rule.fires).outer
    ]


def _entities(expr: ast.Expr) -> Iterator[str]:
    for node in ast.walk(expr):
        match node:
            case ast.Pattern() if node.tool or node.fact:
                yield f"tool {node.tool or node.fact}"
            case ast.Argument() | ast.FactValue() | ast.JudgedAnswer() | ast.EventPart() if node.name:
                yield node.name


def _made_true(finder: Finder, act: Act, wishes: Sequence[ast.Expr]) -> Scenario | None:
    """A scenario with as many of the wishes as can be had: of each contradiction the last wish goes."""
    left = list(wishes)
    while True:
        answer = finder.find(Goal(head=act, wishes=tuple(left)))
        if isinstance(answer, Found):
            return answer.scenario
        if not left:
            return None
        del left[max(answer.core) if isinstance(answer, Impossible) and answer.core else -1]


def walks(checked: Checked, number: int, seed: int, length: int = 4) -> list[Scenario]:
    """So many scenarios, from random walks over the graph of predicates, entities and acts."""
    random, finder, atoms = Random(seed), Finder(checked, Settings()), _atoms(checked)
    near = {
        id(atom): [o for o in atoms if o is not atom and (o.rule == atom.rule or o.entities & atom.entities)]
        for atom in atoms
    }
    found: list[Scenario] = []
    acts = list(dict.fromkeys(act for rule in checked.rules for act in acts_of(checked, rule)))
    while len(found) < number and acts:
        act = random.choice(acts)
        here = [atom for atom in atoms if act in atom.acts]
        path = [random.choice(here)] if here else []
        while path and len(path) < length and near[id(path[-1])]:
            path.append(random.choice(near[id(path[-1])]))
        wishes = [atom.expr for atom in dict.fromkeys(path) if act in atom.acts]
        scenario = _made_true(finder, act, wishes)
        if scenario is not None:
            found.append(scenario)
    return found


def pairwise(checked: Checked, number: int, seed: int) -> list[Scenario]:
    """So many scenarios: the rows of a pairwise array over the conditions about each act, acts in turn; random rows when used up."""
    random, finder = Random(seed), Finder(checked, Settings())
    by_act: dict[Act, list[ast.Expr]] = {}
    for atom in _atoms(checked):
        for act in atom.acts:
            by_act.setdefault(act, []).append(atom.expr)
    rows = {act: _rows(random, exprs) for act, exprs in by_act.items()}
    found: list[Scenario] = []
    while len(found) < number and rows:
        for act, more in rows.items():
            scenario = _made_true(finder, act, next(more))
            if scenario is not None:
                found.append(scenario)
    return found[:number]


def _rows(random: Random, exprs: list[ast.Expr]) -> Iterator[list[ast.Expr]]:
    exprs = list(dict.fromkeys(exprs))
    values = [(True, False)] * len(exprs)
    if len(exprs) > 1:
        for row in AllPairs(values):
            yield _said(exprs, row)
    while True:
        yield _said(exprs, [random.choice((True, False)) for _ in exprs])


def _said(exprs: Sequence[ast.Expr], row: Sequence[bool]) -> list[ast.Expr]:
    return [expr if value else ast.Not(body=expr) for expr, value in zip(exprs, row, strict=True)]
