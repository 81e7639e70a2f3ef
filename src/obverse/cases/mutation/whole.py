"""Operators on a rule as a whole: its exception, verdict, heads, key, limit; or the rule itself."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final

import msgspec

from obverse.cases.mutation.sites import Site
from obverse.cases.mutation.vocabulary import Vocabulary, parameters_named
from obverse.policy import ast

_VERDICTS: Final = ("stop", "forbid", "ask", "warn")


class Nothing(ast.Node, frozen=True, kw_only=True):
    """What stands in the place of a rule that was left out."""


def exception(site: Site, _: Vocabulary) -> Iterator[ast.Node]:
    """The rule without its `unless`."""
    if isinstance(site.node, ast.Rule) and site.node.unless is not None:
        yield msgspec.structs.replace(site.node, unless=None)


def drop_rule(site: Site, _: Vocabulary) -> Iterator[ast.Node]:
    """No rule."""
    if isinstance(site.node, ast.Rule):
        yield Nothing()


def verdict(site: Site, _: Vocabulary) -> Iterator[ast.Node]:
    """The rule with every other verdict that it could have; a requirement becomes the exception that it is."""
    rule = site.node
    if not isinstance(rule, ast.Rule) or rule.kind == "limit":
        return
    own = "forbid" if rule.kind == "require" else rule.kind
    for kind in ("forbid",) if own == "permit" else _VERDICTS:
        if kind != own:
            yield as_kind(rule, kind)


def as_kind(rule: ast.Rule, kind: Any) -> ast.Rule:
    """The rule as one of another kind, with the same condition."""
    if rule.kind == "require":
        rule = msgspec.structs.replace(rule, unless=rule.requirement, requirement=None)
    return msgspec.structs.replace(rule, kind=kind, people=1)


def head(site: Site, words: Vocabulary) -> Iterator[ast.Node]:
    """Any call for one tool, another tool that would do, every effect for one, or one head less."""
    rule = site.node
    if not isinstance(rule, ast.Rule):
        return
    for place, one in enumerate(rule.heads):
        for other in _others(rule, one, words):
            yield _with_heads(rule, *rule.heads[:place], other, *rule.heads[place + 1 :])
        if len(rule.heads) > 1:
            yield _with_heads(rule, *rule.heads[:place], *rule.heads[place + 1 :])


def _others(rule: ast.Rule, head: ast.Head, words: Vocabulary) -> Iterator[ast.Head]:
    tool = words.tools.get(head.tool or "")
    if tool is not None:
        yield ast.Head(kind="any", at=head.at)
        other = words.other_tool(tool.name, parameters_named(rule, tool))
        if other is not None:
            yield msgspec.structs.replace(head, tool=other)
    elif head.kind == "any" and head.effect is not None:
        yield ast.Head(kind="any", at=head.at)
        effect = words.other_effect(head.effect)
        if effect is not None:
            yield msgspec.structs.replace(head, effect=effect)
    elif head.kind == "any" and words.effects:
        yield msgspec.structs.replace(head, effect=words.effects[0])


def _with_heads(rule: ast.Rule, *heads: ast.Head) -> ast.Rule:
    return msgspec.structs.replace(rule, heads=heads)


def key(site: Site, _: Vocabulary) -> Iterator[ast.Node]:
    """The limit without its `by`."""
    if isinstance(site.node, ast.Rule) and site.node.by is not None:
        yield msgspec.structs.replace(site.node, by=None)


def limit(site: Site, _: Vocabulary) -> Iterator[ast.Node]:
    """One more, one less."""
    rule = site.node
    if isinstance(rule, ast.Rule) and rule.to is not None:
        for value in (rule.to.value + 1, rule.to.value - 1):
            if value >= 0:
                yield msgspec.structs.replace(rule, to=ast.Number(value=value, at=rule.to.at))


def people(site: Site, _: Vocabulary) -> Iterator[ast.Node]:
    """One person more, one person less."""
    rule = site.node
    if isinstance(rule, ast.Rule) and rule.kind == "ask":
        for number in (rule.people + 1, rule.people - 1):
            if number >= 1:
                yield msgspec.structs.replace(rule, people=number)
