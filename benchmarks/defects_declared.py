"""Defects of declarations, and of what rules say about them: tools, effects, values, judges, examples, windows."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

import msgspec
from planting import DAY, HERE, JUDGED, Draft, Plant, called, compare, head_of, planted_as

from obverse.policy import ast
from obverse.policy.types import EnumType, Field, TextType

# --- declarations -------------------------------------------------------------------------------------------------------

_TOOL: Final = ast.Tool(name=HERE, parameters=(Field(name="what", type=TextType()),), effects=("write",))


@planted_as("S217")
def tool_without_a_rule(draft: Draft) -> Iterator[Plant]:
    """A tool that writes, and of which no rule speaks."""
    if not draft.speaks_of("write"):
        yield draft.terms(_TOOL, name=HERE)


@planted_as("S218")
def effect_without_a_rule(draft: Draft) -> Iterator[Plant]:
    """An effect of its own, where rules tell effects apart."""
    heads = [head for place in draft.places for head in place.rule.heads]
    if any(head.effect for head in heads):
        yield draft.terms(msgspec.structs.replace(_TOOL, effects=("strange",)), name="strange")


@planted_as("S219")
def value_without_a_rule(draft: Draft) -> Iterator[Plant]:
    """A further value of an argument whose values rules tell apart."""
    for term in draft.policy.terms:
        for at, field in enumerate(term.parameters) if isinstance(term, ast.Tool) else ():
            if isinstance(field.type, EnumType) and len(_named(draft, term.name, field)) >= 2:  # type: ignore[union-attr]  # a tool
                kind = msgspec.structs.replace(field.type, values=(*field.type.values, "unheard-of"))
                fields = (*term.parameters[:at], msgspec.structs.replace(field, type=kind), *term.parameters[at + 1 :])  # type: ignore[union-attr]  # a tool
                yield draft.term(term, msgspec.structs.replace(term, parameters=fields), "unheard-of")


def _named(draft: Draft, tool: str, field: Field) -> set[str]:
    """Values of the argument that stand beside it in rules about the tool."""
    found = set()
    for place in draft.places:
        if place.tool == tool and place.rule.when is not None:
            for node in ast.walk(place.rule.when):
                if isinstance(node, ast.Compare) and node.left == ast.Name(path=(field.name,)):
                    found |= {node.right.value} if isinstance(node.right, ast.Text) else set()
    return found


@planted_as("S220")
def a_judge_alone(draft: Draft) -> Iterator[Plant]:
    """A yes of the user is all that a writing tool needs."""
    if not draft.speaks_of("write"):
        said = ast.Last(event=ast.Pattern(kind="message"), has=ast.Name(path=("message", HERE)))
        planted = draft.below(ast.Rule(kind="forbid", heads=head_of(HERE), unless=said, trusting_judge=True))
        policy = msgspec.structs.replace(planted.policy, terms=(*planted.policy.terms, _TOOL, JUDGED))
        yield msgspec.structs.replace(planted, policy=policy)


@planted_as("S221")
def window_of_years(draft: Draft) -> Iterator[Plant]:
    """Calls are counted over years, and nothing limits them."""
    limited = {head.tool for place in draft.of_kind("limit") for head in place.rule.heads}
    for tool in draft.tools:
        if tool not in limited and not draft.banned(tool):
            count = ast.CountEvents(event=called(tool), within=ast.Duration(ms=800 * DAY))
            when = compare(count, ">=", ast.Number(value=3))
            yield draft.below(ast.Rule(kind="warn", heads=head_of(tool), when=when))


@planted_as("S222")
def yes_and_no(draft: Draft) -> Iterator[Plant]:
    """An example of yes is one of no as well, but for its case."""
    for term in draft.policy.terms:
        if isinstance(term, ast.JudgedTerm) and term.pattern is None and term.yes:
            yield draft.term(term, msgspec.structs.replace(term, no=(*term.no, term.yes[0].upper())), term.full_name)


@planted_as("S223")
def reads_and_writes(draft: Draft) -> Iterator[Plant]:
    """A tool that only reads, and has another effect."""
    for term in draft.policy.terms:
        if isinstance(term, ast.Tool) and term.effects == ("read",):
            yield draft.term(term, msgspec.structs.replace(term, effects=("read", "write")), term.name)


@planted_as("S223")
def values_that_look_alike(draft: Draft) -> Iterator[Plant]:
    """A value that only looks like another one."""
    for term in draft.policy.terms:
        for at, field in enumerate(term.parameters) if isinstance(term, ast.Tool) else ():
            if isinstance(field.type, EnumType) and "a" in field.type.values[0]:
                alike = field.type.values[0].replace("a", "\u0430")
                kind = msgspec.structs.replace(field.type, values=(*field.type.values, alike))
                fields = (*term.parameters[:at], msgspec.structs.replace(field, type=kind), *term.parameters[at + 1 :])  # type: ignore[union-attr]  # a tool
                yield draft.term(term, msgspec.structs.replace(term, parameters=fields), alike)


@planted_as("S223")
def one_question_twice(draft: Draft) -> Iterator[Plant]:
    """Two judged predicates with one definition."""
    for term in draft.policy.terms:
        if isinstance(term, ast.JudgedTerm) and term.pattern is None:
            name = f"{term.name}_{HERE}"
            yield draft.terms(msgspec.structs.replace(term, name=name), name=f"{term.subject}.{name}")


@planted_as("S224")
def more_than_the_limit(draft: Draft) -> Iterator[Plant]:
    """A condition waits for more calls than a limit allows."""
    for place in draft.of_kind("limit"):
        rule = place.rule
        if place.tool and rule.to is not None and rule.by is None and rule.amount is None and rule.per is not None:
            count = ast.CountEvents(event=called(place.tool), within=rule.per)
            when = compare(count, ">", ast.Number(value=rule.to.value + 1))
            yield draft.beside(place, ast.Rule(kind="warn", heads=head_of(place.tool), when=when))


@planted_as("S224")
def after_what_is_banned(draft: Draft) -> Iterator[Plant]:
    """A condition waits for a call that is banned."""
    banned = [
        place.tool for place in draft.of_kind("forbid", "stop")
        if place.tool and place.rule.when is None and place.rule.unless is None
    ]  # fmt: skip
    for gone in banned:
        for tool in draft.tools:
            if gone and tool != gone and not draft.banned(tool):
                yield draft.below(ast.Rule(kind="warn", heads=head_of(tool), when=ast.Once(event=called(gone))))
