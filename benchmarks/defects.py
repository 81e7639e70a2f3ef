"""Defects of rules, one at a time: what never or always fires, promises that are not kept, exceptions, rules that add nothing,
rules that exclude each other, parts without a value. Each operator says in its first line what it does."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import msgspec
from planting import (
    BLOCKING,
    HERE,
    JUDGED,
    Draft,
    Plant,
    argument,
    atoms_of,
    called,
    compare,
    conj,
    disj,
    head_of,
    number_test,
    plant_of,
    planted_as,
    unnamed,
)

from obverse.policy import ast
from obverse.policy.types import BoolType, EnumType, Field, ListType, NumberType, TextType

# --- rules that never or always fire ------------------------------------------------------------------------------------


@planted_as("S201")
def contradiction_with_itself(draft: Draft) -> Iterator[Plant]:
    """`when C` becomes `when C and not C`."""
    for place in draft.of_kind("forbid", "stop", "ask", "warn", "permit"):
        if (when := place.rule.when) is not None:
            yield draft.changed(place, when=conj(when, ast.Not(body=when)))


@planted_as("S201")
def two_thresholds(draft: Draft) -> Iterator[Plant]:
    """Two bounds of one number exclude each other."""
    for place in draft.of_kind("forbid", "ask", "warn"):
        for field in draft.required(place.tool, NumberType) if place.tool else ():
            yield draft.changed(
                place, when=conj(place.rule.when, number_test(field.name, ">", 100), number_test(field.name, "<", 50))
            )


@planted_as("S201")
def two_values(draft: Draft) -> Iterator[Plant]:
    """One argument has two values at once."""
    for place in draft.of_kind("forbid", "ask", "warn"):
        for field in draft.required(place.tool, EnumType) if place.tool else ():
            both = [compare(argument(field.name), "=", ast.Text(value=value)) for value in field.type.values[:2]]  # type: ignore[union-attr]  # an enum
            if len(both) == 2:
                yield draft.changed(place, when=conj(place.rule.when, *both))


@planted_as("S201")
def window_in_window(draft: Draft) -> Iterator[Plant]:
    """Something happened within an hour, and not within two."""
    for place in draft.of_kind("forbid", "warn"):
        if place.tool:
            hour, two = ast.Duration(ms=3_600_000), ast.Duration(ms=7_200_000)
            never = (
                ast.Once(event=called(place.tool), within=hour),
                ast.Not(body=ast.Once(event=called(place.tool), within=two)),
            )
            yield draft.changed(place, when=conj(place.rule.when, *never))


@planted_as("S202")
def any_number(draft: Draft) -> Iterator[Plant]:
    """A number is above a bound, or not above it."""
    for place in draft.of_kind("forbid", "ask", "warn"):
        for field in draft.required(place.tool, NumberType) if place.tool else ():
            yield draft.changed(
                place, when=disj(number_test(field.name, ">", 10), number_test(field.name, "<=", 10)), unless=None
            )


@planted_as("S202")
def any_length(draft: Draft) -> Iterator[Plant]:
    """A text or list has no length below zero."""
    for place in draft.of_kind("forbid", "ask", "warn"):
        for field in draft.required(place.tool, TextType, ListType) if place.tool else ():
            length = ast.Length(body=argument(field.name))
            yield draft.changed(place, when=compare(length, ">=", ast.Number(value=0)), unless=None)


@planted_as("S202")
def another_value(draft: Draft) -> Iterator[Plant]:
    """One of two values is not what it is."""
    for place in draft.of_kind("forbid", "ask", "warn"):
        for field in draft.required(place.tool, EnumType) if place.tool else ():
            either = [compare(argument(field.name), "!=", ast.Text(value=value)) for value in field.type.values[:2]]  # type: ignore[union-attr]  # an enum
            if len(either) == 2:
                yield draft.changed(place, when=disj(*either), unless=None)


# --- permits ------------------------------------------------------------------------------------------------------------


@planted_as("S203")
def permit_where_a_rule_blocks(draft: Draft) -> Iterator[Plant]:
    """What a rule blocks is permitted, on the same condition or a narrower one."""
    for place in draft.of_kind(*BLOCKING):
        rule = place.rule
        if rule.when is not None and rule.unless is None and place.tool:
            atoms = atoms_of(draft, place.tool, rule.when)
            yield draft.below(ast.Rule(kind="permit", heads=rule.heads, when=conj(rule.when, *atoms[:1])))


@planted_as("S203")
def permit_of_what_is_always_blocked(draft: Draft) -> Iterator[Plant]:
    """What always waits for a person, or is banned, is permitted."""
    for place in draft.of_kind(*BLOCKING):
        if place.rule.when is None and place.rule.unless is None and place.tool:
            atoms = atoms_of(draft, place.tool)
            if atoms:
                yield draft.below(ast.Rule(kind="permit", heads=place.rule.heads, when=atoms[0]))


@planted_as("S204")
def permit_without_bounds(draft: Draft) -> Iterator[Plant]:
    """All calls of a tool are permitted of which some are blocked."""
    for place in draft.of_kind("forbid", "ask"):
        if place.rule.when is not None and place.rule.unless is None and place.tool and not draft.banned(place.tool):
            yield draft.below(ast.Rule(kind="permit", heads=head_of(place.tool)))


@planted_as("S205")
def permit_at_a_lower_level(draft: Draft) -> Iterator[Plant]:
    """The same at the lowest level, against a rule of a higher one."""
    lowest = draft.policy.levels[-1]
    for place in draft.of_kind("forbid", "ask"):
        higher = draft.policy.clauses[place.clause].level != lowest
        bounded = place.rule.when is not None and place.rule.unless is None
        if higher and bounded and place.tool and not draft.banned(place.tool):
            yield draft.below(ast.Rule(kind="permit", heads=head_of(place.tool)), level=lowest)


# --- exceptions ---------------------------------------------------------------------------------------------------------


@planted_as("S206")
def impossible_exception(draft: Draft) -> Iterator[Plant]:
    """`unless E` becomes `unless E and not E`."""
    for place in draft.of_kind("forbid", "ask", "warn"):
        if place.rule.unless is not None and place.rule.when is not None:
            yield draft.changed(place, unless=conj(place.rule.unless, ast.Not(body=place.rule.unless)))


@planted_as("S206")
def exception_of_no_number(draft: Draft) -> Iterator[Plant]:
    """An exception for numbers above five and below one."""
    for place in draft.of_kind("forbid", "ask", "warn"):
        if place.rule.unless is None and place.rule.when is not None and place.tool:
            for field in draft.required(place.tool, NumberType):
                yield draft.changed(
                    place, unless=conj(number_test(field.name, ">", 5), number_test(field.name, "<", 1))
                )


@planted_as("S207")
def exception_outside(draft: Draft) -> Iterator[Plant]:
    """An exception for numbers that the rule does not speak of."""
    for place in draft.of_kind("forbid", "ask", "warn"):
        if place.rule.unless is None and place.tool:
            for field in unnamed(draft.required(place.tool, NumberType), place.rule.when):
                yield draft.changed(
                    place,
                    when=conj(place.rule.when, number_test(field.name, ">", 9_000)),
                    unless=number_test(field.name, "<=", 20),
                )


@planted_as("S207")
def exception_is_the_opposite(draft: Draft) -> Iterator[Plant]:
    """`when C unless not C`."""
    for place in draft.of_kind("forbid", "ask", "warn"):
        if place.rule.unless is None and place.rule.when is not None:
            yield draft.changed(place, unless=ast.Not(body=place.rule.when))


# --- clauses, acts, definitions, judges ---------------------------------------------------------------------------------


@planted_as("S208")
def clause_without_rules(draft: Draft) -> Iterator[Plant]:
    """The rules of a clause are gone, its prose stays."""
    for at, clause in enumerate(draft.policy.clauses):
        yield plant_of(draft.with_rules(at, ()), name=clause.id)


@planted_as("S209")
def forbidden_and_required(draft: Draft) -> Iterator[Plant]:
    """What one rule forbids another one requires, for all calls of a tool."""
    for place in draft.of_kind("forbid", "stop"):
        rule = place.rule
        if place.tool and rule.when is not None and rule.unless is None and not draft.banned(place.tool):
            planted = draft.beside(place, ast.Rule(kind="require", heads=rule.heads, requirement=rule.when))
            yield msgspec.structs.replace(planted, name=place.tool)


@planted_as("S209")
def prerequisite_is_banned(draft: Draft) -> Iterator[Plant]:
    """A call that another one needs before it is banned."""
    for place in draft.of_kind("forbid", "require"):
        needs = place.rule.requirement if place.rule.kind == "require" else place.rule.unless
        if place.rule.when is None and place.tool and isinstance(needs, ast.Once):
            tool = needs.event.tool
            if tool and tool != place.tool and not draft.banned(tool) and not draft.banned(place.tool):
                planted = draft.below(ast.Rule(kind="forbid", heads=head_of(tool)))
                yield msgspec.structs.replace(planted, name=place.tool)


@planted_as("S210")
def unused_definition(draft: Draft) -> Iterator[Plant]:
    """A definition that no rule uses."""
    body = compare(ast.Name(path=("value",)), "=", ast.Text(value="so"))
    yield draft.terms(ast.LetTerm(name=HERE, parameters=("value",), body=body), name=HERE)


@planted_as("S210")
def definition_always_true(draft: Draft) -> Iterator[Plant]:
    """`let x = C` becomes `let x = C or not C`."""
    for term in draft.policy.terms:
        if isinstance(term, ast.LetTerm):
            body = disj(term.body, ast.Not(body=term.body))
            users = tuple(place.id for place in draft.places if term.name in _words(place.rule))
            planted = draft.term(term, msgspec.structs.replace(term, body=body), term.name)
            yield msgspec.structs.replace(planted, rules=users)


def _words(rule: ast.Rule) -> set[str]:
    """The definitions that a rule names."""
    nodes = [node for part in (rule.when, rule.unless, rule.requirement) if part is not None for node in ast.walk(part)]
    used = {node.name for node in nodes if isinstance(node, ast.Use)}
    return used | {node.path[0] for node in nodes if isinstance(node, ast.Name) and len(node.path) == 1}


@planted_as("S211")
def judged_and_never_asked(draft: Draft) -> Iterator[Plant]:
    """A judged predicate in no rule."""
    yield draft.terms(JUDGED, name=f"message.{HERE}")


@planted_as("S211")
def judged_without_effect(draft: Draft) -> Iterator[Plant]:
    """`when C` becomes `when C and J or C and not J`."""
    asked = ast.Name(path=("message", HERE))
    for place in draft.of_kind("forbid", "ask"):
        if (when := place.rule.when) is not None and not isinstance(when, ast.Or):
            both = disj(conj(when, asked), conj(when, ast.Not(body=asked)))
            planted = draft.changed(place, when=both, trusting_judge=True)
            policy = msgspec.structs.replace(planted.policy, terms=(*planted.policy.terms, JUDGED))
            yield msgspec.structs.replace(planted, policy=policy, rules=(), name=f"message.{HERE}")


# --- rules that add nothing ---------------------------------------------------------------------------------------------


@planted_as("S212")
def weaker_and_narrower(draft: Draft) -> Iterator[Plant]:
    """What is denied is noted, or asked about, as well."""
    for place in draft.of_kind("forbid", "stop"):
        rule = place.rule
        if place.tool and rule.when is not None and rule.unless is None:
            kind = "warn" if place.number % 2 else "ask"
            when = conj(rule.when, *atoms_of(draft, place.tool, rule.when)[:1])
            yield draft.beside(place, ast.Rule(kind=kind, heads=rule.heads, when=when))  # type: ignore[arg-type]  # a kind


@planted_as("S213")
def said_twice_otherwise(draft: Draft) -> Iterator[Plant]:
    """The rule again, its condition turned over twice."""
    for place in draft.of_kind("forbid", "ask", "warn"):
        rule = place.rule
        if rule.when is not None and rule.unless is None:
            parts = rule.when.items if isinstance(rule.when, ast.And) else (rule.when,)
            turned = ast.Not(body=disj(*(ast.Not(body=part) for part in parts))) if len(parts) > 1 else None
            other = turned or ast.Not(body=ast.Not(body=rule.when))
            yield draft.beside(place, msgspec.structs.replace(rule, when=other))


@planted_as("S213")
def said_again_narrower(draft: Draft) -> Iterator[Plant]:
    """The rule again, with one more condition."""
    for place in draft.of_kind("forbid", "ask", "warn"):
        rule = place.rule
        atoms = atoms_of(draft, place.tool, rule.when) if place.tool else []
        if atoms and rule.unless is None:
            yield draft.beside(place, msgspec.structs.replace(rule, when=conj(rule.when, atoms[0])))


@planted_as("S214")
def required_and_forbidden_there(draft: Draft) -> Iterator[Plant]:
    """Under one condition a call must have what another rule forbids under it."""
    for tool in draft.tools:
        atoms = atoms_of(draft, tool)
        if len(atoms) >= 2 and not draft.banned(tool):
            there, demanded = atoms[:2]
            heads = head_of(tool)
            yield draft.below(
                ast.Rule(kind="require", heads=heads, requirement=demanded, when=there),
                ast.Rule(kind="forbid", heads=heads, when=conj(demanded, there)),
            )


@planted_as("S214")
def two_requirements(draft: Draft) -> Iterator[Plant]:
    """Under one condition a number must be large, and small."""
    for tool in draft.tools:
        for field in draft.required(tool, NumberType):
            there = atoms_of(draft, tool, argument(field.name))
            if there and not draft.banned(tool):
                large, small = (
                    ast.Rule(
                        kind="require",
                        heads=head_of(tool),
                        requirement=number_test(field.name, op, bound),
                        when=there[0],
                    )
                    for op, bound in ((">", 700), ("<", 600))
                )
                yield draft.below(large, small)


@planted_as("S215")
def firm_on_soft(draft: Draft) -> Iterator[Plant]:
    """An inviolable rule lets through after a call that only a relaxable rule guards."""
    flag = ast.FactTerm(name=f"{HERE}.vouched", type=BoolType(), origin="host")
    firm_already = {
        head.tool
        for clause in draft.policy.clauses
        if clause.inviolable
        for rule in clause.rules
        for head in rule.heads
    }
    writing = [
        name for name, tool in draft.tools.items()
        if "read" not in tool.effects and not draft.banned(name) and name not in firm_already
    ]  # fmt: skip
    for guarded in writing:
        for tool in writing:
            if tool != guarded:
                soft = ast.Rule(kind="forbid", heads=head_of(guarded), unless=ast.Name(path=(HERE, "vouched")))
                firm = ast.Rule(kind="forbid", heads=head_of(tool), unless=ast.Once(event=called(guarded)))
                planted = draft.below(firm, inviolable=True)
                clause = ast.Clause(
                    id="soft", title="Soft", prose="A guard.", level=draft.policy.levels[0], rules=(soft,)
                )
                policy = msgspec.structs.replace(
                    planted.policy,
                    clauses=(clause, *planted.policy.clauses),
                    terms=(*planted.policy.terms, flag),
                )
                yield msgspec.structs.replace(planted, policy=policy)


# --- what has no value --------------------------------------------------------------------------------------------------


@planted_as("S216")
def division_by_an_argument(draft: Draft) -> Iterator[Plant]:
    """Something is divided by an argument that may be zero."""
    for tool in draft.tools:
        for field in draft.required(tool, NumberType):
            if not draft.banned(tool):
                share = ast.Arith(op="/", left=ast.Number(value=100), right=argument(field.name))
                yield draft.below(
                    ast.Rule(kind="forbid", heads=head_of(tool), when=compare(share, ">", ast.Number(value=5)))
                )


@planted_as("S216")
def optional_argument(draft: Draft) -> Iterator[Plant]:
    """A test of an argument that may be left out."""
    for term in draft.policy.terms:
        if isinstance(term, ast.Tool) and not draft.banned(term.name):
            field = Field(name=HERE, type=TextType(), optional=True)
            tool = msgspec.structs.replace(term, parameters=(*term.parameters, field))
            test = ast.TextTest(op="contains", subject=argument(HERE), pattern=ast.Text(value="zx"))
            planted = draft.below(ast.Rule(kind="forbid", heads=head_of(term.name), when=test))
            terms = tuple(tool if one is term else one for one in draft.policy.terms)
            yield msgspec.structs.replace(planted, policy=msgspec.structs.replace(planted.policy, terms=terms))


@planted_as("S216")
def guard_is_dropped(draft: Draft) -> Iterator[Plant]:
    """`x is present and …`, or `x > 0 and … / x`, without its first part."""
    for place in draft.of_kind(*BLOCKING, "warn"):
        if isinstance(place.rule.when, ast.And):
            items = place.rule.when.items
            kept = [item for item in items if not _is_guard(item, items)]
            if kept and len(kept) < len(items):
                yield draft.changed(place, when=conj(*kept))


def _is_guard(item: ast.Expr, beside: Sequence[ast.Expr]) -> bool:
    if isinstance(item, ast.Present):
        return True
    divisors = [
        node.right for one in beside for node in ast.walk(one) if isinstance(node, ast.Arith) and node.op == "/"
    ]
    return isinstance(item, ast.Compare) and item.op == ">" and item.left in divisors
