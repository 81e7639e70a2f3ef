"""Defects that are planted into clean policies, one at a time, so that it can be counted how many `obverse check` finds.

An operator takes a policy as parsed and yields every way to plant its defect there; what comes out is printed, parsed and
checked again like any policy. It does not look at how the analysis works, only at what the code says is wrong. Which of the
ways is taken is the choice of whoever plants, by seed.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Final

import msgspec

from obverse.policy import ast
from obverse.policy.check import check
from obverse.policy.checked import Checked
from obverse.policy.parse import parse
from obverse.policy.types import BoolType, EnumType, Field, ListType, NumberType, TextType, TimeType
from obverse.testing.vocabulary import document_of

_DAY: Final = 86_400_000
_HERE: Final = "planted"
_BLOCKING: Final = ("forbid", "stop", "ask")


class Plant(msgspec.Struct, frozen=True, kw_only=True):
    """A policy with one defect: which code says so, of which rules (`clause/number`), or of which declared name."""

    code: str
    operator: str
    policy: ast.Policy
    rules: tuple[str, ...] = ()
    name: str | None = None

    def checked(self) -> Checked:
        """The policy, printed and read again."""
        return check(parse(document_of(self.policy)))


Operator = Callable[["Draft"], Iterator[Plant]]
OPERATORS: Final[dict[str, tuple[str, Operator]]] = {}
"""Name → the code that ought to say so, and the operator."""


def plants(policy: ast.Policy, operator: str) -> list[Plant]:
    """Every way to plant this defect into this policy, in the order of the document."""
    code, plant = OPERATORS[operator]
    return [msgspec.structs.replace(one, code=code, operator=operator) for one in plant(Draft(policy, check(policy)))]


def _plants(code: str) -> Callable[[Operator], Operator]:
    def register(operator: Operator) -> Operator:
        OPERATORS[operator.__name__] = (code, operator)
        return operator

    return register


class Place(msgspec.Struct, frozen=True, kw_only=True):
    """One rule and where it stands."""

    clause: int
    number: int
    id: str
    rule: ast.Rule

    @property
    def tool(self) -> str | None:
        """The one tool that it speaks of, if it is one."""
        heads = self.rule.heads
        return heads[0].tool if len(heads) == 1 and heads[0].kind == "tool" else None


class Draft:
    """A policy and ways to change it."""

    def __init__(self, policy: ast.Policy, checked: Checked) -> None:
        self.policy = policy
        self.tools = checked.tools
        self.facts = checked.facts
        self.places = [
            Place(clause=at, number=number, id=f"{clause.id}/{number + 1}", rule=rule)
            for at, clause in enumerate(policy.clauses)
            for number, rule in enumerate(clause.rules)
        ]

    def changed(self, place: Place, **parts: object) -> Plant:
        """The policy with other parts in one of its rules."""
        rule = msgspec.structs.replace(place.rule, **parts)
        clause = self.policy.clauses[place.clause]
        rules = (*clause.rules[: place.number], rule, *clause.rules[place.number + 1 :])
        return _plant(self.with_rules(place.clause, rules), rules=(place.id,))

    def beside(self, place: Place, *rules: ast.Rule) -> Plant:
        """The policy with further rules at the end of the clause of that rule."""
        clause = self.policy.clauses[place.clause]
        first = len(clause.rules) + 1
        ids = tuple(f"{clause.id}/{first + number}" for number in range(len(rules)))
        return _plant(self.with_rules(place.clause, (*clause.rules, *rules)), rules=ids)

    def below(self, *rules: ast.Rule, level: str | None = None, inviolable: bool = False) -> Plant:
        """The policy with these rules in a clause of their own at its end, of the highest level if none is named."""
        clause = ast.Clause(
            id=_HERE,
            title="Planted",
            prose="What was planted.",
            level=level or self.policy.levels[0],
            inviolable=inviolable,
            rules=rules,
        )
        policy = msgspec.structs.replace(self.policy, clauses=(*self.policy.clauses, clause))
        return _plant(policy, rules=tuple(f"{_HERE}/{number}" for number in range(1, len(rules) + 1)))

    def terms(self, *terms: ast.Term, name: str) -> Plant:
        """The policy with further terms."""
        policy = msgspec.structs.replace(self.policy, terms=(*self.policy.terms, *terms))
        return _plant(policy, name=name)

    def term(self, old: ast.Term, new: ast.Term, name: str) -> Plant:
        """The policy with one term in place of another."""
        terms = tuple(new if term is old else term for term in self.policy.terms)
        return _plant(msgspec.structs.replace(self.policy, terms=terms), name=name)

    def of_kind(self, *kinds: str) -> list[Place]:
        return [place for place in self.places if place.rule.kind in kinds]

    def banned(self, tool: str) -> bool:
        """Whether some rule blocks every call of the tool."""
        return any(
            place.rule.kind in _BLOCKING and place.rule.when is None and place.rule.unless is None
            and any(head.tool == tool or (head.kind == "any" and head.effect is None) for head in place.rule.heads)
            for place in self.places
        )  # fmt: skip

    def speaks_of(self, effect: str) -> bool:
        """Whether a rule speaks of calls of any tool with this effect."""
        heads = [head for place in self.places for head in place.rule.heads]
        return any(head.kind == "any" and head.effect in (None, effect) for head in heads)

    def required(self, tool: str, *kinds: type) -> list[Field]:
        """The arguments of these types that every call of the tool has."""
        return [one for one in self.tools[tool].parameters if isinstance(one.type, kinds) and not one.optional]

    def with_rules(self, at: int, rules: Sequence[ast.Rule]) -> ast.Policy:
        """The policy with these rules in one of its clauses."""
        clause = msgspec.structs.replace(self.policy.clauses[at], rules=tuple(rules))
        clauses = (*self.policy.clauses[:at], clause, *self.policy.clauses[at + 1 :])
        return msgspec.structs.replace(self.policy, clauses=clauses)


def _plant(policy: ast.Policy, *, rules: tuple[str, ...] = (), name: str | None = None) -> Plant:
    return Plant(code="", operator="", policy=policy, rules=rules, name=name)


# --- conditions ---------------------------------------------------------------------------------------------------------


def _argument(name: str) -> ast.Expr:
    return ast.Name(path=("args", name))


def _compare(left: ast.Expr, op: str, right: ast.Expr) -> ast.Expr:
    return ast.Compare(op=op, left=left, right=right)  # type: ignore[arg-type]  # an operator of the language


def _than(name: str, op: str, number: int) -> ast.Expr:
    return _compare(_argument(name), op, ast.Number(value=number))


def _and(*items: ast.Expr | None) -> ast.Expr:
    flat = [part for item in items if item for part in (item.items if isinstance(item, ast.And) else (item,))]
    return ast.And(items=tuple(flat)) if len(flat) > 1 else flat[0]


def _or(*items: ast.Expr) -> ast.Expr:
    return ast.Or(items=tuple(part for item in items for part in (item.items if isinstance(item, ast.Or) else (item,))))


def _atom(field: Field) -> ast.Expr | None:
    """Some condition on an argument of this type, true of some calls and false of others."""
    value = _argument(field.name)
    match field.type:
        case NumberType():
            return _compare(value, ">", ast.Number(value=17))
        case TextType():
            return ast.TextTest(op="starts with", subject=value, pattern=ast.Text(value="zx"))
        case BoolType():
            return value
        case EnumType() if len(field.type.values) > 1:
            return _compare(value, "=", ast.Text(value=field.type.values[0]))
        case ListType():
            return _compare(ast.Length(body=value), ">", ast.Number(value=1))
        case TimeType():
            return _compare(value, ">", ast.Arith(op="+", left=ast.Now(), right=ast.Duration(ms=3 * _DAY)))
    return None


def _atoms(draft: Draft, tool: str, apart: ast.Expr | None = None) -> list[ast.Expr]:
    """Conditions on different arguments of the tool, none of which stands in the other condition."""
    fields = _unnamed([one for one in draft.tools[tool].parameters if not one.optional], apart)
    return [atom for one in fields if (atom := _atom(one)) is not None]


def _called(tool: str) -> ast.Pattern:
    return ast.Pattern(kind="call", tool=tool)


def _head(tool: str) -> tuple[ast.Head, ...]:
    return (ast.Head(kind="tool", tool=tool),)


# --- rules that never or always fire ------------------------------------------------------------------------------------


@_plants("S201")
def contradiction_with_itself(draft: Draft) -> Iterator[Plant]:
    """`when C` becomes `when C and not C`."""
    for place in draft.of_kind("forbid", "stop", "ask", "warn", "permit"):
        if (when := place.rule.when) is not None:
            yield draft.changed(place, when=_and(when, ast.Not(body=when)))


@_plants("S201")
def two_thresholds(draft: Draft) -> Iterator[Plant]:
    """Two bounds of one number exclude each other."""
    for place in draft.of_kind("forbid", "ask", "warn"):
        for field in draft.required(place.tool, NumberType) if place.tool else ():
            yield draft.changed(
                place, when=_and(place.rule.when, _than(field.name, ">", 100), _than(field.name, "<", 50))
            )


@_plants("S201")
def two_values(draft: Draft) -> Iterator[Plant]:
    """One argument has two values at once."""
    for place in draft.of_kind("forbid", "ask", "warn"):
        for field in draft.required(place.tool, EnumType) if place.tool else ():
            both = [_compare(_argument(field.name), "=", ast.Text(value=value)) for value in field.type.values[:2]]  # type: ignore[union-attr]  # an enum
            if len(both) == 2:
                yield draft.changed(place, when=_and(place.rule.when, *both))


@_plants("S201")
def window_in_window(draft: Draft) -> Iterator[Plant]:
    """Something happened within an hour, and not within two."""
    for place in draft.of_kind("forbid", "warn"):
        if place.tool:
            hour, two = ast.Duration(ms=3_600_000), ast.Duration(ms=7_200_000)
            never = (
                ast.Once(event=_called(place.tool), within=hour),
                ast.Not(body=ast.Once(event=_called(place.tool), within=two)),
            )
            yield draft.changed(place, when=_and(place.rule.when, *never))


@_plants("S202")
def any_number(draft: Draft) -> Iterator[Plant]:
    """A number is above a bound, or not above it."""
    for place in draft.of_kind("forbid", "ask", "warn"):
        for field in draft.required(place.tool, NumberType) if place.tool else ():
            yield draft.changed(place, when=_or(_than(field.name, ">", 10), _than(field.name, "<=", 10)), unless=None)


@_plants("S202")
def any_length(draft: Draft) -> Iterator[Plant]:
    """A text or list has no length below zero."""
    for place in draft.of_kind("forbid", "ask", "warn"):
        for field in draft.required(place.tool, TextType, ListType) if place.tool else ():
            length = ast.Length(body=_argument(field.name))
            yield draft.changed(place, when=_compare(length, ">=", ast.Number(value=0)), unless=None)


@_plants("S202")
def another_value(draft: Draft) -> Iterator[Plant]:
    """One of two values is not what it is."""
    for place in draft.of_kind("forbid", "ask", "warn"):
        for field in draft.required(place.tool, EnumType) if place.tool else ():
            either = [_compare(_argument(field.name), "!=", ast.Text(value=value)) for value in field.type.values[:2]]  # type: ignore[union-attr]  # an enum
            if len(either) == 2:
                yield draft.changed(place, when=_or(*either), unless=None)


# --- permits ------------------------------------------------------------------------------------------------------------


@_plants("S203")
def permit_where_a_rule_blocks(draft: Draft) -> Iterator[Plant]:
    """What a rule blocks is permitted, on the same condition or a narrower one."""
    for place in draft.of_kind(*_BLOCKING):
        rule = place.rule
        if rule.when is not None and rule.unless is None and place.tool:
            atoms = _atoms(draft, place.tool, rule.when)
            yield draft.below(ast.Rule(kind="permit", heads=rule.heads, when=_and(rule.when, *atoms[:1])))


@_plants("S203")
def permit_of_what_is_always_blocked(draft: Draft) -> Iterator[Plant]:
    """What always waits for a person, or is banned, is permitted."""
    for place in draft.of_kind(*_BLOCKING):
        if place.rule.when is None and place.rule.unless is None and place.tool:
            atoms = _atoms(draft, place.tool)
            if atoms:
                yield draft.below(ast.Rule(kind="permit", heads=place.rule.heads, when=atoms[0]))


@_plants("S204")
def permit_without_bounds(draft: Draft) -> Iterator[Plant]:
    """All calls of a tool are permitted of which some are blocked."""
    for place in draft.of_kind("forbid", "ask"):
        if place.rule.when is not None and place.rule.unless is None and place.tool and not draft.banned(place.tool):
            yield draft.below(ast.Rule(kind="permit", heads=_head(place.tool)))


@_plants("S205")
def permit_at_a_lower_level(draft: Draft) -> Iterator[Plant]:
    """The same at the lowest level, against a rule of a higher one."""
    lowest = draft.policy.levels[-1]
    for place in draft.of_kind("forbid", "ask"):
        higher = draft.policy.clauses[place.clause].level != lowest
        bounded = place.rule.when is not None and place.rule.unless is None
        if higher and bounded and place.tool and not draft.banned(place.tool):
            yield draft.below(ast.Rule(kind="permit", heads=_head(place.tool)), level=lowest)


# --- exceptions ---------------------------------------------------------------------------------------------------------


@_plants("S206")
def impossible_exception(draft: Draft) -> Iterator[Plant]:
    """`unless E` becomes `unless E and not E`."""
    for place in draft.of_kind("forbid", "ask", "warn"):
        if place.rule.unless is not None and place.rule.when is not None:
            yield draft.changed(place, unless=_and(place.rule.unless, ast.Not(body=place.rule.unless)))


@_plants("S206")
def exception_of_no_number(draft: Draft) -> Iterator[Plant]:
    """An exception for numbers above five and below one."""
    for place in draft.of_kind("forbid", "ask", "warn"):
        if place.rule.unless is None and place.rule.when is not None and place.tool:
            for field in draft.required(place.tool, NumberType):
                yield draft.changed(place, unless=_and(_than(field.name, ">", 5), _than(field.name, "<", 1)))


@_plants("S207")
def exception_outside(draft: Draft) -> Iterator[Plant]:
    """An exception for numbers that the rule does not speak of."""
    for place in draft.of_kind("forbid", "ask", "warn"):
        if place.rule.unless is None and place.tool:
            for field in _unnamed(draft.required(place.tool, NumberType), place.rule.when):
                yield draft.changed(
                    place, when=_and(place.rule.when, _than(field.name, ">", 9_000)), unless=_than(field.name, "<=", 20)
                )


@_plants("S207")
def exception_is_the_opposite(draft: Draft) -> Iterator[Plant]:
    """`when C unless not C`."""
    for place in draft.of_kind("forbid", "ask", "warn"):
        if place.rule.unless is None and place.rule.when is not None:
            yield draft.changed(place, unless=ast.Not(body=place.rule.when))


def _unnamed(fields: Sequence[Field], when: ast.Expr | None) -> list[Field]:
    """The arguments that the condition does not name, so that nothing else bounds them."""
    words = {word for node in (ast.walk(when) if when else ()) if isinstance(node, ast.Name) for word in node.path}
    return [field for field in fields if field.name not in words]


# --- clauses, acts, definitions, judges ---------------------------------------------------------------------------------


@_plants("S208")
def clause_without_rules(draft: Draft) -> Iterator[Plant]:
    """The rules of a clause are gone, its prose stays."""
    for at, clause in enumerate(draft.policy.clauses):
        yield _plant(draft.with_rules(at, ()), name=clause.id)


@_plants("S209")
def forbidden_and_required(draft: Draft) -> Iterator[Plant]:
    """What one rule forbids another one requires, for all calls of a tool."""
    for place in draft.of_kind("forbid", "stop"):
        rule = place.rule
        if place.tool and rule.when is not None and rule.unless is None and not draft.banned(place.tool):
            planted = draft.beside(place, ast.Rule(kind="require", heads=rule.heads, requirement=rule.when))
            yield msgspec.structs.replace(planted, name=place.tool)


@_plants("S209")
def prerequisite_is_banned(draft: Draft) -> Iterator[Plant]:
    """A call that another one needs before it is banned."""
    for place in draft.of_kind("forbid", "require"):
        needs = place.rule.requirement if place.rule.kind == "require" else place.rule.unless
        if place.rule.when is None and place.tool and isinstance(needs, ast.Once):
            tool = needs.event.tool
            if tool and tool != place.tool and not draft.banned(tool) and not draft.banned(place.tool):
                planted = draft.below(ast.Rule(kind="forbid", heads=_head(tool)))
                yield msgspec.structs.replace(planted, name=place.tool)


@_plants("S210")
def unused_definition(draft: Draft) -> Iterator[Plant]:
    """A definition that no rule uses."""
    body = _compare(ast.Name(path=("value",)), "=", ast.Text(value="so"))
    yield draft.terms(ast.LetTerm(name=_HERE, parameters=("value",), body=body), name=_HERE)


@_plants("S210")
def definition_always_true(draft: Draft) -> Iterator[Plant]:
    """`let x = C` becomes `let x = C or not C`."""
    for term in draft.policy.terms:
        if isinstance(term, ast.LetTerm):
            body = _or(term.body, ast.Not(body=term.body))
            users = tuple(place.id for place in draft.places if term.name in _words(place.rule))
            planted = draft.term(term, msgspec.structs.replace(term, body=body), term.name)
            yield msgspec.structs.replace(planted, rules=users)


def _words(rule: ast.Rule) -> set[str]:
    """The definitions that a rule names."""
    nodes = [node for part in (rule.when, rule.unless, rule.requirement) if part is not None for node in ast.walk(part)]
    used = {node.name for node in nodes if isinstance(node, ast.Use)}
    return used | {node.path[0] for node in nodes if isinstance(node, ast.Name) and len(node.path) == 1}


_JUDGED: Final = ast.JudgedTerm(
    subject="message",
    name=_HERE,
    definition="The user speaks of gardening.",
    yes=("The roses need water.",),
    no=("What time is it?",),
)


@_plants("S211")
def judged_and_never_asked(draft: Draft) -> Iterator[Plant]:
    """A judged predicate in no rule."""
    yield draft.terms(_JUDGED, name=f"message.{_HERE}")


@_plants("S211")
def judged_without_effect(draft: Draft) -> Iterator[Plant]:
    """`when C` becomes `when C and J or C and not J`."""
    asked = ast.Name(path=("message", _HERE))
    for place in draft.of_kind("forbid", "ask"):
        if (when := place.rule.when) is not None and not isinstance(when, ast.Or):
            both = _or(_and(when, asked), _and(when, ast.Not(body=asked)))
            planted = draft.changed(place, when=both, trusting_judge=True)
            policy = msgspec.structs.replace(planted.policy, terms=(*planted.policy.terms, _JUDGED))
            yield msgspec.structs.replace(planted, policy=policy, rules=(), name=f"message.{_HERE}")


# --- rules that add nothing ---------------------------------------------------------------------------------------------


@_plants("S212")
def weaker_and_narrower(draft: Draft) -> Iterator[Plant]:
    """What is denied is noted, or asked about, as well."""
    for place in draft.of_kind("forbid", "stop"):
        rule = place.rule
        if place.tool and rule.when is not None and rule.unless is None:
            kind = "warn" if place.number % 2 else "ask"
            when = _and(rule.when, *_atoms(draft, place.tool, rule.when)[:1])
            yield draft.beside(place, ast.Rule(kind=kind, heads=rule.heads, when=when))  # type: ignore[arg-type]  # a kind


@_plants("S213")
def said_twice_otherwise(draft: Draft) -> Iterator[Plant]:
    """The rule again, its condition turned over twice."""
    for place in draft.of_kind("forbid", "ask", "warn"):
        rule = place.rule
        if rule.when is not None and rule.unless is None:
            parts = rule.when.items if isinstance(rule.when, ast.And) else (rule.when,)
            turned = ast.Not(body=_or(*(ast.Not(body=part) for part in parts))) if len(parts) > 1 else None
            other = turned or ast.Not(body=ast.Not(body=rule.when))
            yield draft.beside(place, msgspec.structs.replace(rule, when=other))


@_plants("S213")
def said_again_narrower(draft: Draft) -> Iterator[Plant]:
    """The rule again, with one more condition."""
    for place in draft.of_kind("forbid", "ask", "warn"):
        rule = place.rule
        atoms = _atoms(draft, place.tool, rule.when) if place.tool else []
        if atoms and rule.unless is None:
            yield draft.beside(place, msgspec.structs.replace(rule, when=_and(rule.when, atoms[0])))


@_plants("S214")
def required_and_forbidden_there(draft: Draft) -> Iterator[Plant]:
    """Under one condition a call must have what another rule forbids under it."""
    for tool in draft.tools:
        atoms = _atoms(draft, tool)
        if len(atoms) >= 2 and not draft.banned(tool):
            there, demanded = atoms[:2]
            heads = _head(tool)
            yield draft.below(
                ast.Rule(kind="require", heads=heads, requirement=demanded, when=there),
                ast.Rule(kind="forbid", heads=heads, when=_and(demanded, there)),
            )


@_plants("S214")
def two_requirements(draft: Draft) -> Iterator[Plant]:
    """Under one condition a number must be large, and small."""
    for tool in draft.tools:
        for field in draft.required(tool, NumberType):
            there = _atoms(draft, tool, _argument(field.name))
            if there and not draft.banned(tool):
                large, small = (
                    ast.Rule(kind="require", heads=_head(tool), requirement=_than(field.name, op, bound), when=there[0])
                    for op, bound in ((">", 700), ("<", 600))
                )
                yield draft.below(large, small)


@_plants("S215")
def firm_on_soft(draft: Draft) -> Iterator[Plant]:
    """An inviolable rule lets through after a call that only a relaxable rule guards."""
    flag = ast.FactTerm(name=f"{_HERE}.vouched", type=BoolType(), origin="host")
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
                soft = ast.Rule(kind="forbid", heads=_head(guarded), unless=ast.Name(path=(_HERE, "vouched")))
                firm = ast.Rule(kind="forbid", heads=_head(tool), unless=ast.Once(event=_called(guarded)))
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


@_plants("S216")
def division_by_an_argument(draft: Draft) -> Iterator[Plant]:
    """Something is divided by an argument that may be zero."""
    for tool in draft.tools:
        for field in draft.required(tool, NumberType):
            if not draft.banned(tool):
                share = ast.Arith(op="/", left=ast.Number(value=100), right=_argument(field.name))
                yield draft.below(
                    ast.Rule(kind="forbid", heads=_head(tool), when=_compare(share, ">", ast.Number(value=5)))
                )


@_plants("S216")
def optional_argument(draft: Draft) -> Iterator[Plant]:
    """A test of an argument that may be left out."""
    for term in draft.policy.terms:
        if isinstance(term, ast.Tool) and not draft.banned(term.name):
            field = Field(name=_HERE, type=TextType(), optional=True)
            tool = msgspec.structs.replace(term, parameters=(*term.parameters, field))
            test = ast.TextTest(op="contains", subject=_argument(_HERE), pattern=ast.Text(value="zx"))
            planted = draft.below(ast.Rule(kind="forbid", heads=_head(term.name), when=test))
            terms = tuple(tool if one is term else one for one in draft.policy.terms)
            yield msgspec.structs.replace(planted, policy=msgspec.structs.replace(planted.policy, terms=terms))


@_plants("S216")
def guard_is_dropped(draft: Draft) -> Iterator[Plant]:
    """`x is present and …`, or `x > 0 and … / x`, without its first part."""
    for place in draft.of_kind(*_BLOCKING, "warn"):
        if isinstance(place.rule.when, ast.And):
            items = place.rule.when.items
            kept = [item for item in items if not _is_guard(item, items)]
            if kept and len(kept) < len(items):
                yield draft.changed(place, when=_and(*kept))


def _is_guard(item: ast.Expr, beside: Sequence[ast.Expr]) -> bool:
    if isinstance(item, ast.Present):
        return True
    divisors = [
        node.right for one in beside for node in ast.walk(one) if isinstance(node, ast.Arith) and node.op == "/"
    ]
    return isinstance(item, ast.Compare) and item.op == ">" and item.left in divisors


# --- declarations -------------------------------------------------------------------------------------------------------

_TOOL: Final = ast.Tool(name=_HERE, parameters=(Field(name="what", type=TextType()),), effects=("write",))


@_plants("S217")
def tool_without_a_rule(draft: Draft) -> Iterator[Plant]:
    """A tool that writes, and of which no rule speaks."""
    if not draft.speaks_of("write"):
        yield draft.terms(_TOOL, name=_HERE)


@_plants("S218")
def effect_without_a_rule(draft: Draft) -> Iterator[Plant]:
    """An effect of its own, where rules tell effects apart."""
    heads = [head for place in draft.places for head in place.rule.heads]
    if any(head.effect for head in heads):
        yield draft.terms(msgspec.structs.replace(_TOOL, effects=("strange",)), name="strange")


@_plants("S219")
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


@_plants("S220")
def a_judge_alone(draft: Draft) -> Iterator[Plant]:
    """A yes of the user is all that a writing tool needs."""
    if not draft.speaks_of("write"):
        said = ast.Last(event=ast.Pattern(kind="message"), has=ast.Name(path=("message", _HERE)))
        planted = draft.below(ast.Rule(kind="forbid", heads=_head(_HERE), unless=said, trusting_judge=True))
        policy = msgspec.structs.replace(planted.policy, terms=(*planted.policy.terms, _TOOL, _JUDGED))
        yield msgspec.structs.replace(planted, policy=policy)


@_plants("S221")
def window_of_years(draft: Draft) -> Iterator[Plant]:
    """Calls are counted over years, and nothing limits them."""
    limited = {head.tool for place in draft.of_kind("limit") for head in place.rule.heads}
    for tool in draft.tools:
        if tool not in limited and not draft.banned(tool):
            count = ast.CountEvents(event=_called(tool), within=ast.Duration(ms=800 * _DAY))
            when = _compare(count, ">=", ast.Number(value=3))
            yield draft.below(ast.Rule(kind="warn", heads=_head(tool), when=when))


@_plants("S222")
def yes_and_no(draft: Draft) -> Iterator[Plant]:
    """An example of yes is one of no as well, but for its case."""
    for term in draft.policy.terms:
        if isinstance(term, ast.JudgedTerm) and term.pattern is None and term.yes:
            yield draft.term(term, msgspec.structs.replace(term, no=(*term.no, term.yes[0].upper())), term.full_name)


@_plants("S223")
def reads_and_writes(draft: Draft) -> Iterator[Plant]:
    """A tool that only reads, and has another effect."""
    for term in draft.policy.terms:
        if isinstance(term, ast.Tool) and term.effects == ("read",):
            yield draft.term(term, msgspec.structs.replace(term, effects=("read", "write")), term.name)


@_plants("S223")
def values_that_look_alike(draft: Draft) -> Iterator[Plant]:
    """A value that only looks like another one."""
    for term in draft.policy.terms:
        for at, field in enumerate(term.parameters) if isinstance(term, ast.Tool) else ():
            if isinstance(field.type, EnumType) and "a" in field.type.values[0]:
                alike = field.type.values[0].replace("a", "\u0430")
                kind = msgspec.structs.replace(field.type, values=(*field.type.values, alike))
                fields = (*term.parameters[:at], msgspec.structs.replace(field, type=kind), *term.parameters[at + 1 :])  # type: ignore[union-attr]  # a tool
                yield draft.term(term, msgspec.structs.replace(term, parameters=fields), alike)


@_plants("S223")
def one_question_twice(draft: Draft) -> Iterator[Plant]:
    """Two judged predicates with one definition."""
    for term in draft.policy.terms:
        if isinstance(term, ast.JudgedTerm) and term.pattern is None:
            name = f"{term.name}_{_HERE}"
            yield draft.terms(msgspec.structs.replace(term, name=name), name=f"{term.subject}.{name}")


@_plants("S224")
def more_than_the_limit(draft: Draft) -> Iterator[Plant]:
    """A condition waits for more calls than a limit allows."""
    for place in draft.of_kind("limit"):
        rule = place.rule
        if place.tool and rule.to is not None and rule.by is None and rule.amount is None and rule.per is not None:
            count = ast.CountEvents(event=_called(place.tool), within=rule.per)
            when = _compare(count, ">", ast.Number(value=rule.to.value + 1))
            yield draft.beside(place, ast.Rule(kind="warn", heads=_head(place.tool), when=when))


@_plants("S224")
def after_what_is_banned(draft: Draft) -> Iterator[Plant]:
    """A condition waits for a call that is banned."""
    banned = [
        place.tool for place in draft.of_kind("forbid", "stop")
        if place.tool and place.rule.when is None and place.rule.unless is None
    ]  # fmt: skip
    for gone in banned:
        for tool in draft.tools:
            if gone and tool != gone and not draft.banned(tool):
                yield draft.below(ast.Rule(kind="warn", heads=_head(tool), when=ast.Once(event=_called(gone))))
