"""`rests_on`: the digest of what an answer about some rules depends on, so that it need not be found again while that stands.

It holds the rules as they are resolved, their clauses' levels, and the declarations that their conditions or their witnesses
draw on: the tools and facts that they name, every tool where a pattern names none, every judged predicate (a witness leaves
none unanswered). Never a span, and nothing of other rules: what `decide` says of a witness is told anew.

# UNSOUND IF an answer draws on a part of the policy that is not digested here: `tests/laws` compares with and without a cache.
"""

from __future__ import annotations

import hashlib
from collections import OrderedDict
from collections.abc import Iterable
from typing import Any, Final

import msgspec

from obverse.policy import ast
from obverse.policy.checked import Checked, CheckedRule

_KEPT: Final = 4
_GROUNDS: OrderedDict[int, Grounds] = OrderedDict()  # INVARIANT: each holds its policy, so an identity is not reused


def rests_on(
    checked: Checked,
    rules: Iterable[CheckedRule] = (),
    *,
    tools: Iterable[str] = (),
    facts: Iterable[str] = (),
    also: Any = None,
) -> str:
    """The digest of these rules with all that they draw on, of further tools and facts by name, and of anything plain besides."""
    grounds = _grounds(checked)
    parts = [
        grounds.front,
        [grounds.rule(rule) for rule in rules],
        [grounds.tool(name) for name in sorted(set(tools))],
        [grounds.fact(name) for name in sorted(set(facts))],
        also,
    ]
    return f"sha256:{_digest(parts)}"


class Grounds:
    """The digests of the parts of one policy, each computed once."""

    def __init__(self, checked: Checked) -> None:
        self.checked = checked
        self.front = _digest(
            [
                checked.levels,
                checked.timezone_minutes,
                checked.default,
                [_plain(term) for term in checked.judged.values()],
            ]
        )
        self._levels = {clause.id: (clause.level, clause.inviolable) for clause in checked.clauses}
        self._rules: dict[int, tuple[CheckedRule, str]] = {}
        self._tools: dict[str, str] = {}
        self._facts: dict[str, str] = {}
        self._every_tool: str | None = None

    def rule(self, rule: CheckedRule) -> str:
        """Of a rule, its level, and the tools and facts that it draws on."""
        found = self._rules.get(id(rule))
        if found is None:
            tools, facts, every = drawn_on(self.checked, rule)
            parts = [
                _plain(rule),
                self._levels.get(rule.clause),
                self.every_tool() if every else [self.tool(name) for name in sorted(tools)],
                [self.fact(name) for name in sorted(facts)],
            ]
            found = self._rules[id(rule)] = (rule, _digest(parts))
        return found[1]

    def tool(self, name: str) -> str:
        """Of the declaration of a tool."""
        found = self._tools.get(name)
        if found is None:
            found = self._tools[name] = _digest(_plain(self.checked.tools.get(name)))
        return found

    def fact(self, name: str) -> str:
        """Of the declaration of a fact."""
        found = self._facts.get(name)
        if found is None:
            found = self._facts[name] = _digest(_plain(self.checked.facts.get(name)))
        return found

    def every_tool(self) -> str:
        """Of all tools, in their order."""
        if self._every_tool is None:
            self._every_tool = _digest([self.tool(name) for name in self.checked.tools])
        return self._every_tool


def drawn_on(checked: Checked, rule: CheckedRule) -> tuple[set[str], set[str], bool]:
    """The tools and facts that a rule's questions draw on, and whether they draw on every tool there is."""
    tools: set[str] = set()
    facts: set[str] = set()
    every = False
    for node in (node for expr in (rule.fires, rule.when, rule.exception) if expr for node in ast.walk(expr)):
        match node:
            case ast.Pattern():
                every = every or node.kind == "any" or (node.tool is None and node.kind in _OF_TOOLS)
                tools |= {node.tool} if node.tool else set()
                facts |= {node.fact} if node.fact else set()
                if node.kind == "fact" and node.fact is None:
                    facts |= set(checked.facts)
            case ast.Head():
                every = every or node.kind == "any"
                tools |= {node.tool} if node.tool else set()
            case ast.FactValue():
                facts.add(node.name)
            case ast.StepPart(part="tool") | ast.EventPart(part="tool") | ast.TurnCalls() | ast.TurnHasText():
                every = True  # a condition may name any of them; a call beside the step is of some tool
    for head in rule.heads:
        every = every or head.kind == "any"
        tools |= {head.tool} if head.tool else set()
    return tools, facts, every


_OF_TOOLS: Final = ("call", "denied", "proposed", "result")


def _grounds(checked: Checked) -> Grounds:
    found = _GROUNDS.get(id(checked))
    if found is None:
        found = _GROUNDS[id(checked)] = Grounds(checked)
        if len(_GROUNDS) > _KEPT:
            _GROUNDS.popitem(last=False)
    return found


def _digest(value: Any) -> str:
    return hashlib.sha256(msgspec.json.encode(value)).hexdigest()


def _plain(value: Any) -> Any:
    """The record as plain data without its places."""
    if isinstance(value, msgspec.Struct):
        names = [name for name in value.__struct_fields__ if name != "at"]
        return [type(value).__name__, *(_plain(getattr(value, name)) for name in names)]
    if isinstance(value, tuple | list):
        return [_plain(item) for item in value]
    return value
