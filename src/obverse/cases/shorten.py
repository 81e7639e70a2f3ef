"""Takes rows out of a covering array, as long as the others can be changed so that they cover what is lost.

Local search in the manner of Cohen, Colbourn and Ling ("Augmenting simulated annealing to build interaction test suites", 2003),
led by what is missing: an uncovered tuple is written into a row, and stays there if less is missing than before, or sometimes if
not. Bounded by the number of steps, not by time; whole numbers only, so that it takes the same way on every machine.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from itertools import combinations
from typing import Final, TypeAlias

Cell: TypeAlias = tuple[int, int]
Tuple_: TypeAlias = tuple[Cell, ...]

_ODDS: Final = (1 << 16, 1 << 12, 1 << 9, 1 << 6)
"""Of 65536 chances those to keep a step after which nothing, one, two, three tuples more are missing."""


class Chance:
    """Numbers that look random: SplitMix64 (Steele, Lea and Flood 2014)."""

    def __init__(self, seed: int) -> None:
        self.state = seed & 0xFFFFFFFFFFFFFFFF

    def below(self, bound: int) -> int:
        self.state = (self.state + 0x9E3779B97F4A7C15) & 0xFFFFFFFFFFFFFFFF
        mixed = self.state
        mixed = ((mixed ^ (mixed >> 30)) * 0xBF58476D1CE4E5B9) & 0xFFFFFFFFFFFFFFFF
        mixed = ((mixed ^ (mixed >> 27)) * 0x94D049BB133111EB) & 0xFFFFFFFFFFFFFFFF
        return (mixed ^ (mixed >> 31)) % bound

    def shuffled(self, items: Sequence[int]) -> list[int]:
        order = list(items)
        for place in range(len(order) - 1, 0, -1):
            other = self.below(place + 1)
            order[place], order[other] = order[other], order[place]
        return order


def shortened(
    rows: Sequence[tuple[int, ...]],
    strength: int,
    never: Sequence[Iterable[Cell]] = (),
    *,
    fewest: int = 1,
    seed: int = 0,
    work: int,
) -> list[tuple[int, ...]]:
    """An array that covers the same tuples with as few rows as were found within so many looks at a tuple.

    It is not tried to have less than the `fewest` rows.
    """
    chance, found = Chance(seed + 1), [list(row) for row in rows]
    while len(found) > fewest and work > 0:
        trial = _Trial(found, strength, never)
        work = trial.without_one(chance, work)
        found = found if trial.missing else trial.rows
    return [tuple(row) for row in found]


class _Trial:
    """An array with one row less, and how often it has each tuple that must be covered."""

    def __init__(self, rows: Sequence[Sequence[int]], strength: int, never: Sequence[Iterable[Cell]]) -> None:
        self.rows = [list(row) for row in rows]
        self.strength = strength
        self.never = [frozenset(one) for one in never]
        self.bound = {factor for one in self.never for factor, _ in one}
        self.counts: dict[Tuple_, int] = {}
        for row in self.rows:
            for each in combinations(tuple(enumerate(row)), self.strength):
                self.counts[each] = self.counts.get(each, 0) + 1
        self.missing: list[Tuple_] = []
        self.place: dict[Tuple_, int] = {}

    def without_one(self, chance: Chance, work: int) -> int:
        """Takes the row out that has least of its own and mends the others, if the work is enough; what is left of it."""
        alone = [
            sum(self.counts[each] == 1 for each in combinations(tuple(enumerate(row)), self.strength))
            for row in self.rows
        ]
        for each in combinations(tuple(enumerate(self.rows.pop(alone.index(min(alone))))), self.strength):
            self._less(each)
        while self.missing and work > 0:
            work -= self._step(chance)
        return work

    def _step(self, chance: Chance) -> int:
        """One missing tuple is written into one row, and taken out again if that does no good."""
        wanted = self.missing[chance.below(len(self.missing))]
        row = self.rows[chance.below(len(self.rows))]
        old = tuple((factor, row[factor]) for factor, value in wanted if row[factor] != value)
        new = tuple(cell for cell in wanted if row[cell[0]] != cell[1])
        cost = len(new) * 2 * int(len(row) ** (self.strength - 1))
        if not self._is_allowed(row, new):
            return len(row)
        before = len(self.missing)
        self._write(row, new)
        worse = len(self.missing) - before
        if worse >= len(_ODDS) or (worse > 0 and chance.below(1 << 16) >= _ODDS[worse]):
            self._write(row, old)
            return 2 * cost
        return cost

    def _is_allowed(self, row: Sequence[int], new: Iterable[Cell]) -> bool:
        changed = dict(new)
        if not self.bound & changed.keys():
            return True
        return not any(all(changed.get(f, row[f]) == value for f, value in one) for one in self.never)

    def _write(self, row: list[int], cells: Sequence[Cell]) -> None:
        for factor, value in cells:
            for each in self._with(row, factor):
                self._less(each)
            row[factor] = value
            for each in self._with(row, factor):
                self._more(each)

    def _with(self, row: Sequence[int], factor: int) -> Iterator[Tuple_]:
        """The tuples of a row that this factor is part of."""
        own = (factor, row[factor])
        if self.strength == 2:
            for other, value in enumerate(row):
                if other != factor:
                    yield ((other, value), own) if other < factor else (own, (other, value))
            return
        others = [cell for cell in enumerate(row) if cell[0] != factor]
        for some in combinations(others, self.strength - 1):
            yield tuple(sorted((*some, own)))

    def _less(self, each: Tuple_) -> None:
        count = self.counts[each] = self.counts[each] - 1
        if not count:
            self.place[each] = len(self.missing)
            self.missing.append(each)

    def _more(self, each: Tuple_) -> None:
        count = self.counts[each] = self.counts.get(each, 0) + 1
        place = self.place.pop(each, None) if count == 1 else None
        if place is not None:
            last = self.missing.pop()
            if last is not each and last != each:
                self.missing[place] = last
                self.place[last] = place
