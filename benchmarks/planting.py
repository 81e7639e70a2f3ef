"""How a defect is planted into a clean policy, so that it can be counted how many `obverse check` finds: see `defects.py`.

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

DAY: Final = 86_400_000
HERE: Final = "planted"
BLOCKING: Final = ("forbid", "stop", "ask")


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


def planted_as(code: str) -> Callable[[Operator], Operator]:
    """Count the operator among those whose defects this code is to find."""

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
        return plant_of(self.with_rules(place.clause, rules), rules=(place.id,))

    def beside(self, place: Place, *rules: ast.Rule) -> Plant:
        """The policy with further rules at the end of the clause of that rule."""
        clause = self.policy.clauses[place.clause]
        first = len(clause.rules) + 1
        ids = tuple(f"{clause.id}/{first + number}" for number in range(len(rules)))
        return plant_of(self.with_rules(place.clause, (*clause.rules, *rules)), rules=ids)

    def below(self, *rules: ast.Rule, level: str | None = None, inviolable: bool = False) -> Plant:
        """The policy with these rules in a clause of their own at its end, of the highest level if none is named."""
        clause = ast.Clause(
            id=HERE,
            title="Planted",
            prose="What was planted.",
            level=level or self.policy.levels[0],
            inviolable=inviolable,
            rules=rules,
        )
        policy = msgspec.structs.replace(self.policy, clauses=(*self.policy.clauses, clause))
        return plant_of(policy, rules=tuple(f"{HERE}/{number}" for number in range(1, len(rules) + 1)))

    def terms(self, *terms: ast.Term, name: str) -> Plant:
        """The policy with further terms."""
        policy = msgspec.structs.replace(self.policy, terms=(*self.policy.terms, *terms))
        return plant_of(policy, name=name)

    def term(self, old: ast.Term, new: ast.Term, name: str) -> Plant:
        """The policy with one term in place of another."""
        terms = tuple(new if term is old else term for term in self.policy.terms)
        return plant_of(msgspec.structs.replace(self.policy, terms=terms), name=name)

    def of_kind(self, *kinds: str) -> list[Place]:
        return [place for place in self.places if place.rule.kind in kinds]

    def banned(self, tool: str) -> bool:
        """Whether some rule blocks every call of the tool."""
        return any(
            place.rule.kind in BLOCKING and place.rule.when is None and place.rule.unless is None
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


def plant_of(policy: ast.Policy, *, rules: tuple[str, ...] = (), name: str | None = None) -> Plant:
    return Plant(code="", operator="", policy=policy, rules=rules, name=name)


# --- conditions ---------------------------------------------------------------------------------------------------------


def argument(name: str) -> ast.Expr:
    return ast.Name(path=("args", name))


def compare(left: ast.Expr, op: str, right: ast.Expr) -> ast.Expr:
    return ast.Compare(op=op, left=left, right=right)  # type: ignore[arg-type]  # an operator of the language


def number_test(name: str, op: str, number: int) -> ast.Expr:
    return compare(argument(name), op, ast.Number(value=number))


def conj(*items: ast.Expr | None) -> ast.Expr:
    flat = [part for item in items if item for part in (item.items if isinstance(item, ast.And) else (item,))]
    return ast.And(items=tuple(flat)) if len(flat) > 1 else flat[0]


def disj(*items: ast.Expr) -> ast.Expr:
    return ast.Or(items=tuple(part for item in items for part in (item.items if isinstance(item, ast.Or) else (item,))))


def atom_of(field: Field) -> ast.Expr | None:
    """Some condition on an argument of this type, true of some calls and false of others."""
    value = argument(field.name)
    match field.type:
        case NumberType():
            return compare(value, ">", ast.Number(value=17))
        case TextType():
            return ast.TextTest(op="starts with", subject=value, pattern=ast.Text(value="zx"))
        case BoolType():
            return value
        case EnumType() if len(field.type.values) > 1:
            return compare(value, "=", ast.Text(value=field.type.values[0]))
        case ListType():
            return compare(ast.Length(body=value), ">", ast.Number(value=1))
        case TimeType():
            return compare(value, ">", ast.Arith(op="+", left=ast.Now(), right=ast.Duration(ms=3 * DAY)))
    return None


def atoms_of(draft: Draft, tool: str, apart: ast.Expr | None = None) -> list[ast.Expr]:
    """Conditions on different arguments of the tool, none of which stands in the other condition."""
    fields = unnamed([one for one in draft.tools[tool].parameters if not one.optional], apart)
    return [atom for one in fields if (atom := atom_of(one)) is not None]


def called(tool: str) -> ast.Pattern:
    return ast.Pattern(kind="call", tool=tool)


def head_of(tool: str) -> tuple[ast.Head, ...]:
    return (ast.Head(kind="tool", tool=tool),)


def unnamed(fields: Sequence[Field], when: ast.Expr | None) -> list[Field]:
    """The arguments that the condition does not name, so that nothing else bounds them."""
    words = {word for node in (ast.walk(when) if when else ()) if isinstance(node, ast.Name) for word in node.path}
    return [field for field in fields if field.name not in words]


JUDGED: Final = ast.JudgedTerm(
    subject="message",
    name=HERE,
    definition="The user speaks of gardening.",
    yes=("The roses need water.",),
    no=("What time is it?",),
)
"""A judged predicate of no policy."""
