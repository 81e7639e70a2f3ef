"""The book of a stability run: the draws that are durable, by point and index; and what is due next, computed from them alone.

Fed live, or from the journal afterwards: the same. What is due looks at the draws of a point in the order of their index and
never of their arrival: a refusal is short and comes back first.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence

from obverse.campaign.records import Price
from obverse.campaign.stability.keys import Due, Keys
from obverse.stability.findings import Counted
from obverse.stability.placing import next_draws
from obverse.stability.records import Draw, Point, Settings


class DrawBook:
    """The draws of one plan."""

    def __init__(self, points: Sequence[Point], keys: Keys, settings: Settings) -> None:
        self.points = tuple(points)
        self.keys: set[str] = set()
        self.answered = 0
        self.errors: Counter[str] = Counter()
        self._settings = settings
        self._due = {point.name: [keys.due(point, index) for index in range(point.draws)] for point in self.points}
        self._key_of = {due.key: (due.point, due.index) for several in self._due.values() for due in several}
        self._draws: dict[str, dict[int, Draw]] = {point.name: {} for point in self.points}
        self._open = {point.name for point in self.points}

    def add(self, trial: Draw) -> None:
        """Count a draw that is durable; one that was counted already, or is of another plan, is passed over."""
        place = self._key_of.get(trial.key)
        if trial.key in self.keys or place is None:
            return
        self.keys.add(trial.key)
        self.answered += trial.error is None
        if trial.error is not None:
            self.errors[trial.error] += 1
        self._draws[place[0]][place[1]] = trial

    def draws(self) -> Iterator[Draw]:
        """Every draw, in the order of the plan."""
        for point in self.points:
            held = self._draws[point.name]
            yield from (held[index] for index in sorted(held))

    def next(self, most: int) -> list[Due]:
        """What is due now: the base points as far as their rule goes, and as many whole rungs beside them as make up `most`.

        Empty when the plan is done. Every base point that is not placed is among it, so no draw waits for a rung.
        """
        due: list[Due] = []
        for point in self.points:
            if point.name in self._open and (point.adaptive or len(due) < most):
                missing = self._missing(point)
                due += missing
                if not missing:
                    self._open.discard(point.name)
        return due

    @property
    def price(self) -> Price | None:
        """No price is known."""
        return None

    @property
    def is_settled(self) -> bool:
        """Whether nothing is due any more."""
        return not self.next(1)

    def is_needed(self, case: str) -> bool:
        """Every draw that is due is needed."""
        del case
        return True

    def left(self) -> int:
        """How many draws are still to be made at most: prompts that are placed, and what was drawn, left out."""
        return sum(
            point.draws - len(self._draws[point.name])
            for point in self.points
            if point.name in self._open and self._missing(point)
        )

    def _missing(self, point: Point) -> list[Due]:
        held = self._draws[point.name]
        goal = self._goal(point, held) if point.adaptive and point.draws > 1 else point.draws
        return [due for due in self._due[point.name][:goal] if due.index not in held]

    def _goal(self, point: Point, held: dict[int, Draw]) -> int:
        """Up to which index this prompt is drawn from now: rounds of the rule, until one is open or the rule says enough."""
        goal = 0
        while goal < point.draws:
            more = next_draws(counted(held[index] for index in range(goal)), self._settings)
            if more == 0:
                break
            goal = min(goal + more, point.draws)
            if any(index not in held for index in range(goal)):
                break
        return goal


def counted(draws: Iterable[Draw]) -> Counted:
    """How these draws ended."""
    found = Counter(draw.behaviour for draw in draws)
    return Counted(refused=found["refuse"], complied=found["comply"], unscored=found["unscored"], error=found["error"])
