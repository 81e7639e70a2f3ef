"""Covering arrays: few rows in which every t values of different factors occur together, as far as constraints allow.

One row at a time, each the best of several tries: a factor after the other takes the value that adds most new t-tuples to what
the row has (Cohen, Dalal, Fredman and Patton, "The AETG system", 1997), and of equals the one with most left to cover (Bryce and
Colbourn, "A density algorithm", 2007). Uncovered tuples are kept as bit sets, so that a try costs a few hundred operations on
whole numbers. Constraints are tuples that must not occur; a value is only taken if the row can still be completed, which is
searched exhaustively. So a tuple that is not in the array is impossible, and `impossible` names the constraints that make it so.

Not minimal: a covering array of the smallest size is hard to find. Deterministic in (model, tries, seed), with a generator of
its own. `benchmarks/arrays.py` compares sizes and times with other tools, and checks every array by other code.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from itertools import combinations, product
from typing import Final, TypeAlias

import msgspec

from obverse.cases.shorten import Chance, shortened
from obverse.core.errors import MisuseError

Row: TypeAlias = tuple[int, ...]
Literal_: TypeAlias = tuple[int, int]
"""A factor and one of its values, both by number."""

_TRIES: Final = 30
_LOOKS: Final = 3_000_000
"""Bites on large models: about so many looks at a bit set are spent on the tries of one row."""
_WORK: Final = 2_000_000
"""Bites on the size: so many looks at a tuple are spent on taking rows out again, some seconds."""
_MOST: Final = 2_000_000
"""More tuples than this are not covered; a lower strength is."""


class Model(msgspec.Struct, frozen=True, kw_only=True):
    """How many values each factor has, how many go together, and which must not (`never`: sets of factor and value)."""

    values: tuple[int, ...]
    strength: int = 2
    never: tuple[tuple[Literal_, ...], ...] = ()


class Array(msgspec.Struct, frozen=True, kw_only=True):
    """The rows, and the t-tuples that no row can have."""

    rows: tuple[Row, ...]
    impossible: tuple[tuple[Literal_, ...], ...] = ()


def covering_array(model: Model, *, tries: int = _TRIES, work: int = _WORK, seed: int = 0) -> Array:
    """An array for this model. More `tries` for each row, and more `work` on leaving rows out, make it smaller and slower.

    Raises:
        MisuseError: if the model makes no sense, is too large, or nothing satisfies its constraints.
    """
    check_model(model)
    allowed = Allowed(model)
    left = _Left(model, allowed)
    rows: list[Row] = []
    chance = Chance(seed)
    while left.count:
        rows.append(_best_row(model, left, allowed, chance, tries))
        left.cover(rows[-1])
    short = shortened(rows, model.strength, model.never, fewest=left.widest, seed=seed, work=work)
    return Array(rows=tuple(short), impossible=tuple(left.impossible))


def tuples_of(model: Model) -> Iterator[tuple[Literal_, ...]]:
    """Every t values of different factors, allowed or not."""
    for factors in combinations(range(len(model.values)), model.strength):
        for values in product(*(range(model.values[factor]) for factor in factors)):
            yield tuple(zip(factors, values, strict=True))


def tuples_in(row: Row, strength: int) -> Iterator[tuple[Literal_, ...]]:
    """The t-tuples of one row."""
    return combinations(enumerate(row), strength)


def check_model(model: Model, *, most: int = _MOST) -> None:
    """Nothing is returned: a model that passes has an array, and not too large a one.

    Raises:
        MisuseError: if it makes no sense, has more than `most` tuples, or no row satisfies its constraints.
    """
    if not 1 <= model.strength <= len(model.values) or any(count < 1 for count in model.values):
        raise MisuseError(
            f"{len(model.values)} factors cannot be combined {model.strength} at a time", code="I141",
            hint="a strength from 1 to the number of factors, and at least one value for each",
        )  # fmt: skip
    count = 0
    for factors in combinations(model.values, model.strength):
        size = 1
        for values in factors:
            size *= values
        count += size
        if count > most:
            raise MisuseError(
                f"more than {most:,} combinations of {model.strength} values", code="I142",
                hint="a lower strength, fewer factors or fewer values",
            )  # fmt: skip
    if Allowed(model).plain is None:
        raise MisuseError("no row satisfies all constraints", code="I140", hint="leave one of them out")


# --- what is allowed -------------------------------------------------------------------------------------------------------


class Allowed:
    """Which partial rows can be completed under the constraints of a model."""

    def __init__(self, model: Model) -> None:
        self.values = model.values
        self.never = [frozenset(one) for one in model.never]
        self.bound = {factor for one in self.never for factor, _ in one}
        self._known: dict[frozenset[Literal_], bool] = {}
        self._of: dict[Literal_, list[frozenset[Literal_]]] = {}
        for one in self.never:
            for literal in one:
                self._of.setdefault(literal, []).append(one)
        self.plain = self.completed({})

    def can_be(self, literals: Iterable[Literal_]) -> bool:
        """Whether some whole row has all of these."""
        known = frozenset(literal for literal in literals if literal[0] in self.bound)
        if known not in self._known:
            near = {**(self.plain or {}), **dict(known)}
            easy = not any(
                all(near.get(f) == v for f, v in one) for literal in known for one in self._of.get(literal, ())
            )
            self._known[known] = easy or self.completed(dict(known)) is not None
        return self._known[known]

    def completed(self, fixed: dict[int, int]) -> dict[int, int] | None:
        """A value for each constrained factor so that nothing is broken, those that are fixed kept; None if there are none."""
        found = self._search({factor: value for factor, value in fixed.items() if factor in self.bound}, self.never)
        return None if found is None else {factor: found.get(factor, 0) for factor in self.bound}

    def changed(self, whole: dict[int, int], factor: int, value: int, fixed: dict[int, int]) -> dict[int, int] | None:
        """The same for a factor that gets another value: near what was whole before, if that will do."""
        near = {**whole, factor: value}
        if not any(all(near.get(f) == v for f, v in one) for one in self._of.get((factor, value), ())):
            return near
        return self.completed({**fixed, factor: value})

    def _search(self, fixed: dict[int, int], never: Sequence[frozenset[Literal_]]) -> dict[int, int] | None:
        """Depth first, the factor with the fewest values left next; each constraint shrinks as its literals come true."""
        live: list[frozenset[Literal_]] = []
        barred: dict[int, set[int]] = {}
        for one in never:
            rest = [(factor, value) for factor, value in one if factor not in fixed]
            if any(fixed.get(factor, value) != value for factor, value in one):
                continue
            if not rest:
                return None
            if len(rest) == 1:
                barred.setdefault(rest[0][0], set()).add(rest[0][1])
            live.append(frozenset(rest))
        if not live:
            return fixed
        counts = {factor: self.values[factor] - len(barred.get(factor, ())) for one in live for factor, _ in one}
        factor = min(counts, key=lambda each: (counts[each], each))
        for value in range(self.values[factor]):
            if value not in barred.get(factor, ()):
                found = self._search({**fixed, factor: value}, live)
                if found is not None:
                    return found
        return None

    def core(self, literals: Sequence[Literal_]) -> tuple[int, ...]:
        """The constraints that together forbid these literals, none of them idle."""
        needed = list(range(len(self.never)))
        for place in range(len(self.never)):
            rest = [other for other in needed if other != place]
            if self._search(dict(literals), [self.never[other] for other in rest]) is None:
                needed = rest
        return tuple(needed)


# --- what is left to cover -------------------------------------------------------------------------------------------------


class _Left:
    """The tuples that are not covered yet. `masks` has, for each t - 1 literals, a bit for each literal that is left with them."""

    def __init__(self, model: Model, allowed: Allowed) -> None:
        self.strength = model.strength
        starts = [sum(model.values[:factor]) for factor in range(len(model.values))]
        self.at = [[start + value for value in range(count)] for start, count in zip(starts, model.values, strict=True)]
        self.masks: dict[tuple[int, ...], int] = {}
        self.weights = [0] * sum(model.values)
        self.count = 0
        self.impossible: list[tuple[Literal_, ...]] = []
        of_factors: dict[tuple[int, ...], int] = {}
        for each in tuples_of(model):
            if allowed.never and not allowed.can_be(each):
                self.impossible.append(each)
            else:
                factors = tuple(factor for factor, _ in each)
                of_factors[factors] = of_factors.get(factors, 0) + 1
                self._toggle(tuple(self.at[factor][value] for factor, value in each), 1)
        self.widest = max(of_factors.values(), default=0)  # no array has fewer rows

    def _toggle(self, places: tuple[int, ...], sign: int) -> None:
        self.count += sign
        for number, place in enumerate(places):
            key = places[:number] + places[number + 1 :]
            self.masks[key] = self.masks.get(key, 0) ^ (1 << place)
            self.weights[place] += sign

    def cover(self, row: Row) -> None:
        places = [self.at[factor][value] for factor, value in enumerate(row)]
        for each in combinations(places, self.strength):
            if self.masks.get(each[:-1], 0) >> each[-1] & 1:
                self._toggle(each, -1)

    def gain(self, place: int, taken: Sequence[int], mask: int) -> int:
        """How many new tuples a literal makes with those that are taken; `mask` has their bits."""
        if len(taken) < self.strength - 1:
            return 0
        if self.strength == 1:
            return self.masks.get((), 0) >> place & 1
        if self.strength == 2:
            return (self.masks.get((place,), 0) & mask).bit_count()
        keys = (tuple(sorted((*some, place))) for some in combinations(taken, self.strength - 2))
        return sum((self.masks.get(key, 0) & mask).bit_count() for key in keys) // (self.strength - 1)


# --- one row after the other -----------------------------------------------------------------------------------------------


def _best_row(model: Model, left: _Left, allowed: Allowed, chance: Chance, tries: int) -> Row:
    """The row that covers most of several tries: the first in the order of weight, the others in any order."""
    factors = range(len(model.values))
    heavy = sorted(factors, key=lambda factor: (-max(left.weights[place] for place in left.at[factor]), factor))
    cost = len(left.weights) * max(1, len(factors)) ** (model.strength - 2)
    best: tuple[int, Row] | None = None
    for number in range(max(2, min(tries, _LOOKS // (cost * 40)))):
        row = _row(left, allowed, chance, heavy if number == 0 else [heavy[0], *chance.shuffled(heavy[1:])])
        if best is None or row[0] > best[0]:
            best = row
    return best[1] if best is not None else ()


def _row(left: _Left, allowed: Allowed, chance: Chance, order: Sequence[int]) -> tuple[int, Row]:
    """A row, made in this order of factors, and how many new tuples it has."""
    row: dict[int, int] = {}
    whole = allowed.plain or {}  # INVARIANT: what the row has so far can be completed like this
    taken: list[int] = []
    mask = covered = 0
    for factor in order:
        ranked = []
        for value, place in enumerate(left.at[factor]):
            gain, weight = left.gain(place, taken, mask), left.weights[place]
            ranked.append(((gain, 0 if gain else weight, chance.below(1 << 16) if weight else -value), value))
        (gain, _, _), value, whole = _allowed_best(ranked, factor, row, whole, allowed)
        row[factor] = value
        taken.append(left.at[factor][value])
        mask |= 1 << taken[-1]
        covered += gain
    return covered, tuple(row[factor] for factor in range(len(order)))


def _allowed_best(
    ranked: Sequence[tuple[tuple[int, int, int], int]],
    factor: int,
    row: dict[int, int],
    whole: dict[int, int],
    allowed: Allowed,
) -> tuple[tuple[int, int, int], int, dict[int, int]]:
    """The best value with which the row can still be completed, and how; the value of `whole` is one."""
    for rank, value in sorted(ranked, reverse=True):
        found = whole if whole.get(factor, value) == value else allowed.changed(whole, factor, value, row)
        if found is not None:
            return rank, value, found
    return (0, 0, 0), whole[factor], whole  # not reached: what is in `whole` is allowed
