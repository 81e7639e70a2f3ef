"""Three-valued formulas and symbolic values: what an expression of the language becomes before Z3 sees it.

A condition is a pair of formulas, *is true* and *is false*; where neither holds it is unknown. What is already settled is a
Python bool and never reaches Z3. Not an encoding of any operator of the language: that stands in `encode` and `past`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field, replace
from typing import Any, Final, Literal, NamedTuple, TypeAlias

import z3

from obverse.solver.terms import all_of, any_of, opposite

Formula: TypeAlias = "bool | z3.BoolRef"


class Kleene(NamedTuple):
    """A truth value: `true` and `false` never hold together; unknown where neither does."""

    true: Formula
    false: Formula


TRUE: Final = Kleene(true=True, false=False)
FALSE: Final = Kleene(true=False, false=True)
UNKNOWN: Final = Kleene(true=False, false=False)


def negation(formula: Formula) -> Formula:
    """`not formula`, folded."""
    return (not formula) if isinstance(formula, bool) else opposite(formula)


def conjunction(formulas: Iterable[Formula]) -> Formula:
    """All of them, folded."""
    open_ones = []
    for formula in formulas:
        if isinstance(formula, bool):
            if not formula:
                return False
        else:
            open_ones.append(formula)
    if not open_ones:
        return True
    return open_ones[0] if len(open_ones) == 1 else all_of(open_ones)


def disjunction(formulas: Iterable[Formula]) -> Formula:
    """Any of them, folded."""
    open_ones = []
    for formula in formulas:
        if isinstance(formula, bool):
            if formula:
                return True
        else:
            open_ones.append(formula)
    if not open_ones:
        return False
    return open_ones[0] if len(open_ones) == 1 else any_of(open_ones)


def both(*formulas: Formula) -> Formula:
    """Their conjunction."""
    return conjunction(formulas)


def either(*formulas: Formula) -> Formula:
    """Their disjunction."""
    return disjunction(formulas)


def no(truth: Kleene) -> Kleene:
    """Kleene's `not`."""
    return Kleene(true=truth.false, false=truth.true)


def every(truths: Iterable[Kleene]) -> Kleene:
    """Kleene's `and` over all of them."""
    found = list(truths)
    return Kleene(true=conjunction(one.true for one in found), false=disjunction(one.false for one in found))


def some(truths: Iterable[Kleene]) -> Kleene:
    """Kleene's `or` over all of them."""
    found = list(truths)
    return Kleene(true=disjunction(one.true for one in found), false=conjunction(one.false for one in found))


def certain(formula: Formula) -> Kleene:
    """A two-valued formula as a truth value."""
    return Kleene(true=formula, false=negation(formula))


def given(known: Formula, formula: Formula) -> Kleene:
    """The truth of a formula where it is known, else unknown."""
    return Kleene(true=both(known, formula), false=both(known, negation(formula)))


def unknown_is(truth: Kleene) -> Formula:
    """Whether it is unknown."""
    return both(negation(truth.true), negation(truth.false))


Kind: TypeAlias = Literal["text", "number", "bool", "time", "duration", "json"]


@dataclass(frozen=True, slots=True)
class Scalar:
    """A value of one basic kind. Texts are whole numbers that name them (`texts`); times and durations count units.

    `literal` is the text itself where it is written in the policy; `folded` texts are compared without regard to case;
    `values` are all that a text can be, where its type names them.
    """

    kind: Kind
    term: Any
    known: Formula = True
    literal: str | None = None
    folded: bool = False
    values: tuple[str, ...] | None = None


@dataclass(frozen=True, slots=True)
class Seq:
    """A list: `items` that could be there, each with whether it is; the ones that are come first."""

    items: tuple[Value, ...]
    there: tuple[Formula, ...]
    known: Formula = True

    @property
    def length(self) -> Any:
        """How many there are: a number or a term."""
        return total([(1, there) for there in self.there])


@dataclass(frozen=True, slots=True)
class Rec:
    """A record: its members by name, made when asked for."""

    names: tuple[str, ...]
    member: Callable[[str], Value] = field(compare=False)
    known: Formula = True


@dataclass(frozen=True, slots=True)
class Keys:
    """A map: its keys and its values, side by side."""

    keys: Seq
    values: Seq

    @property
    def known(self) -> Formula:
        """Whether it is there at all."""
        return self.keys.known


@dataclass(frozen=True, slots=True)
class Nothing:
    """A value that is not known: missing, of a wrong type, or of nothing."""

    known: Formula = False


Value: TypeAlias = "Scalar | Seq | Rec | Keys | Nothing"
NOTHING: Final = Nothing()


def total(terms: Iterable[tuple[Any, Formula]]) -> Any:
    """The sum of those terms whose formula holds: a number if all is settled."""
    fixed: Any = 0
    open_ones = []
    for term, formula in terms:
        if formula is True:
            if isinstance(term, int):
                fixed += term
            else:
                open_ones.append(term)
        elif formula is not False:
            zero = z3.IntVal(0, formula.ctx) if isinstance(term, int) or term.is_int() else z3.RealVal(0, formula.ctx)
            open_ones.append(z3.If(formula, z3.IntVal(term, formula.ctx) if isinstance(term, int) else term, zero))
    if not open_ones:
        return fixed
    summed = z3.Sum(open_ones) if len(open_ones) > 1 else open_ones[0]
    return summed + fixed if fixed else summed


def weaker(value: Value, known: Formula) -> Value:
    """The same value, known only where this formula holds too."""
    if known is True:
        return value
    match value:
        case Scalar():
            return replace(value, known=both(value.known, known))
        case Seq():
            return Seq(value.items, value.there, both(value.known, known))
        case Rec():
            return Rec(value.names, lambda name: weaker(value.member(name), known), both(value.known, known))
        case Keys():
            return Keys(Seq(value.keys.items, value.keys.there, both(value.keys.known, known)), value.values)
        case _:
            return value
