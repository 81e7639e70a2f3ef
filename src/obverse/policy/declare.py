"""The terms of a policy gathered into a `World`: tools with what was added to them, facts, judged predicates, definitions."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import TypeVar

import msgspec

from obverse.core.verdicts import Truth
from obverse.policy import ast
from obverse.policy.checked import REFUSES
from obverse.policy.faults import Faults, did_you_mean, quoted
from obverse.policy.front import zone_minutes
from obverse.policy.operations import reading
from obverse.policy.scope import World
from obverse.policy.text import unsound

_Term = TypeVar("_Term", ast.Tool, ast.FactTerm, ast.JudgedTerm, ast.LetTerm)

BUILT_IN = ast.JudgedTerm(
    subject="reply",
    name="refuses",
    definition="The reply declines to help with what was asked.",
    yes=("I'm sorry, but I can't help with that.",),
    no=("Sure, here is how that works.",),
)
"""The predicate that the product ships a judge for."""

_HOLE = re.compile(r"\{([^{}]*)\}")


def declared(policy: ast.Policy, faults: Faults) -> World:
    """What the terms declare; names given twice, unknown tools and cyclic definitions are faults.

    What such a name means is not known: the `doubtful` of the world, so that what rests on it is not judged by a guess.
    """
    doubtful: set[str] = set()
    own = [term for term in policy.terms if isinstance(term, ast.Tool)]
    tools = {tool.name: tool for tool in policy.imported}
    tools |= _by_name([(tool.name, tool) for tool in own], "tool", faults, doubtful, taken=set(tools))
    tools = _extended(tools, {tool.name for tool in own}, policy, faults)
    facts = [(term.name, term) for term in policy.terms if isinstance(term, ast.FactTerm)]
    judged = [(term.full_name, term) for term in policy.terms if isinstance(term, ast.JudgedTerm)]
    lets = [(term.name, term) for term in policy.terms if isinstance(term, ast.LetTerm)]
    world = World(
        tools=tools,
        facts=_by_name(facts, "fact", faults, doubtful),
        judged={REFUSES: BUILT_IN, **_by_name(judged, "judged predicate", faults, doubtful, taken={REFUSES})},
        lets=_by_name(lets, "definition", faults, doubtful),
        zone=zone_minutes(policy.timezone),
    )
    for tool in tools.values():
        _holes_are_arguments(tool, faults)
    for term in world.judged.values():
        _examples_are_read_right(term, faults)
    doubtful |= _cyclic(world.lets, faults)
    return msgspec.structs.replace(world, doubtful=frozenset(doubtful))


def _by_name(
    terms: list[tuple[str, _Term]], what: str, faults: Faults, doubtful: set[str], *, taken: set[str] | None = None
) -> dict[str, _Term]:
    found: dict[str, _Term] = {}
    for name, term in terms:
        if name in found or name in (taken or ()):
            hint = "it is built in" if name == REFUSES else None
            faults.add(f"the {what} {quoted(name)} is declared twice", term.at, code="P209", hint=hint)
            doubtful.add(name)
        found[name] = term
    return found


def _extended(tools: dict[str, ast.Tool], own: set[str], policy: ast.Policy, faults: Faults) -> dict[str, ast.Tool]:
    """The tools with the effects, results and phrases that other terms add to them."""
    tools, given = dict(tools), set[str]()
    for term in policy.terms:
        names = term.tools if isinstance(term, ast.EffectTerm) else ()
        names = (term.tool,) if isinstance(term, ast.ResultTerm | ast.AsksTerm) else names
        for name in names:
            tool = tools.get(name)
            if tool is None:
                hint = did_you_mean(name, tools, otherwise="declare it by `tool`, or `terms from` a file")
                faults.add(f"unknown tool {quoted(name)}", term.at, code="P200", hint=hint)
                continue
            if isinstance(term, ast.ResultTerm) and (name in given or (name in own and tool.returns is not None)):
                faults.add(f"the result of {quoted(name)} is declared twice", term.at, code="P209")
            if isinstance(term, ast.ResultTerm):
                given.add(name)
            tools[name] = _with(tool, term)
    return tools


def _with(tool: ast.Tool, term: ast.Term) -> ast.Tool:
    match term:
        case ast.EffectTerm():
            return msgspec.structs.replace(tool, effects=tuple(dict.fromkeys((*tool.effects, term.effect))))
        case ast.ResultTerm():
            return msgspec.structs.replace(tool, returns=term.type)
        case ast.AsksTerm():
            return msgspec.structs.replace(tool, asks=(*tool.asks, *term.phrases))
    return tool


def _holes_are_arguments(tool: ast.Tool, faults: Faults) -> None:
    names = [field.name for field in tool.parameters]
    for phrase in tool.asks:
        for hole in _HOLE.findall(phrase):
            if hole not in names:
                message = (
                    f"the phrase {quoted(phrase)} has a hole for {quoted(hole)}, no argument of {quoted(tool.name)}"
                )
                faults.add(message, tool.at, code="P201", hint=did_you_mean(hole, names))


def _examples_are_read_right(term: ast.JudgedTerm, faults: Faults) -> None:
    """A pattern that reads a judged predicate is sound, and says of each example what the author says of it."""
    if term.pattern is None:
        return
    reason = unsound("matches", term.pattern)
    if reason is not None:
        message = f"{quoted(term.pattern)} is not in the safe subset of regular expressions: {reason}"
        faults.add(message, term.at, code="P215", hint="no look-around and no back-references: matching is linear")
        return
    for example, meant in [(text, Truth.TRUE) for text in term.yes] + [(text, Truth.FALSE) for text in term.no]:
        if reading(term, example) is not meant:
            kind = "yes" if meant is Truth.TRUE else "no"
            message = f"the pattern of {quoted(term.full_name)} does not read the {kind} example {quoted(example)} so"
            faults.add(
                message, term.at, code="P220", hint="a pattern matches the whole text: begin and end it with `.*`"
            )


def _cyclic(lets: dict[str, ast.LetTerm], faults: Faults) -> set[str]:
    """The definitions that lead back to themselves; each circle is a fault, told once with the way round."""
    uses = {name: _uses(term, lets) for name, term in lets.items()}
    done: set[str] = set()
    cyclic: set[str] = set()
    for start in lets:
        way = [start] if start not in done else []
        open_ = [iter(uses[name]) for name in way]
        while open_:
            name = next(open_[-1], None)
            if name is None:
                open_.pop()
                done.add(way.pop())
            elif name in way:
                circle = way[way.index(name) :]
                if cyclic.isdisjoint(circle):
                    _tell_circle(lets[name], circle, faults)
                cyclic |= set(circle)
            elif name not in done:
                way.append(name)
                open_.append(iter(uses[name]))
    return cyclic


def _tell_circle(term: ast.LetTerm, circle: list[str], faults: Faults) -> None:
    shown = " → ".join(quoted(one, 30) for one in [*circle, term.name][:8])
    message = f"the definition {quoted(term.name)} is cyclic: {shown}"
    faults.add(message, term.at, code="P208", hint="a definition cannot use itself")


def _uses(term: ast.LetTerm, lets: dict[str, ast.LetTerm]) -> list[str]:
    """The definitions that the body of this one uses."""
    found = [name for name in mentioned(term.body) if name in lets and name not in term.parameters]
    return list(dict.fromkeys(found))


def mentioned(node: ast.Node) -> Iterator[str]:
    """Every name that may be meant in what was written: definitions, tools, facts and judged predicates, in their order."""
    for one in ast.walk(node):
        match one:
            case ast.Use():
                yield one.name
            case ast.Name():
                yield from (".".join(one.path[:end]) for end in range(1, len(one.path) + 1))
            case ast.Head() | ast.Pattern():
                yield from (name for name in (one.tool, getattr(one, "fact", None)) if name is not None)


def is_doubtful(rule: ast.Rule, world: World) -> bool:
    """Whether the rule rests on a name of which it is not known what it means, through definitions as well."""
    seen: set[str] = set()
    names = [*mentioned(rule)]
    while names and world.doubtful:
        name = names.pop()
        if name in world.doubtful:
            return True
        if name in world.lets and name not in seen:
            seen.add(name)
            names += mentioned(world.lets[name].body)
    return False
