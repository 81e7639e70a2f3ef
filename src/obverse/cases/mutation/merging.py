"""Fewer cases: where two cases of a small suite are there for different mutants, one that kills them all is sought instead.

1. What the suite would miss without the two is needed.
2. For each mutant that is needed, the way in which one of the two kills it is wished for; all together are asked of the solver.
3. What it finds counts if `decide` says that it kills all that is needed.

Greedy, so not a minimum; `chosen` says how far from it the result may be. Bounded by the number of questions.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import msgspec

from obverse.cases.mutation.killing import Trial
from obverse.cases.mutation.records import Mutant
from obverse.cases.mutation.ways import Way, Ways
from obverse.core.events import Reply
from obverse.core.verdicts import Truth
from obverse.policy import ast
from obverse.policy.checked import Checked
from obverse.policy.evaluate import truth
from obverse.solver.answers import Act, Found, Goal, Scenario
from obverse.solver.approvals import approved
from obverse.solver.find import Finder
from obverse.solver.settings import Settings as SolverSettings

MOST_QUESTIONS = 600
"""Bites on large suites: so many pairs are tried."""


class Member(msgspec.Struct, frozen=True, kw_only=True):
    """A scenario of a small suite, and which mutants it kills."""

    scenario: Scenario
    kills: frozenset[str]
    needed: tuple[str, ...] = ()


def merged(
    checked: Checked,
    mutants: Sequence[Mutant],
    members: Sequence[Member],
    *,
    settings: SolverSettings | None = None,
    most: int = MOST_QUESTIONS,
) -> tuple[Member, ...]:
    """As many of the members as could not be merged, then what the others were merged into: together they kill as much."""
    return _Merging(checked, mutants, settings or SolverSettings(), most).merged(list(members))


class _Merging:
    def __init__(self, checked: Checked, mutants: Sequence[Mutant], settings: SolverSettings, most: int) -> None:
        self.checked = checked
        self.mutants = {mutant.id: mutant for mutant in mutants}
        self.ways = Ways(checked)
        self.finder = Finder(checked, settings)
        self.quick = Finder(checked, msgspec.structs.replace(settings, tidiness=1))
        self.left = most
        self._known: dict[tuple[int, str], Way | None] = {}
        self._truths: dict[tuple[int, int], Truth] = {}
        self._kept: list[object] = []

    def merged(self, members: list[Member]) -> tuple[Member, ...]:
        tried: set[frozenset[str]] = set()
        while True:
            for one, other in _pairs(members):
                needed = self._needed(members, one, other)
                if needed in tried:
                    continue
                tried.add(needed)
                found = self._both(one, other, needed)
                if found is not None:
                    members = [*(member for member in members if member is not one and member is not other), found]
                    break
            else:
                return tuple(members)

    def _needed(self, members: Sequence[Member], one: Member, other: Member) -> frozenset[str]:  # (1)
        rest = [member.kills for member in members if member is not one and member is not other]
        return (one.kills | other.kills) - frozenset().union(*rest)

    def _both(self, one: Member, other: Member, needed: frozenset[str]) -> Member | None:
        names = sorted(needed)
        ways = [self._way(one if name in one.kills else other, name) for name in names]  # (2)
        known = [way for way in ways if way is not None]
        act = _act(one.scenario)
        if act != _act(other.scenario) or len(known) < len(ways):
            return None
        if any(way.excludes(beside) for place, way in enumerate(known) for beside in known[:place]) or self.left <= 0:
            return None
        self.left -= 1
        wishes = _once(wish for way in known for wish in way.wishes)
        goal = Goal(head=act, wishes=wishes)
        if not isinstance(self.quick.find(goal), Found):
            return None
        answer = self.finder.find(goal, near=one.scenario)
        if not isinstance(answer, Found):
            return None
        for scenario in _approved(answer.scenario, max(way.approvals for way in known)):
            trial = Trial(self.checked, scenario.history, scenario.step)
            if all(trial.kills(self.mutants[name]) for name in names):  # (3)
                kills = frozenset(name for name, mutant in self.mutants.items() if trial.kills(mutant))
                return Member(scenario=scenario, kills=kills, needed=tuple(names))
        return None

    def _way(self, member: Member, name: str) -> Way | None:
        """The way in which this scenario kills that mutant, if it is one for certain."""
        key = (id(member), name)
        if key not in self._known:
            self._kept.append(member)
            offers = self.ways.of(self.mutants[name]).get(_act(member.scenario), ())
            self._known[key] = next((way for way in offers if self._is_so(member, way)), None)
        return self._known[key]

    def _is_so(self, member: Member, way: Way) -> bool:
        if self._truth(member, way.speaks.fires) is not Truth.TRUE:
            return False
        return all(self._truth(member, rule.fires) is Truth.FALSE for rule in way.silent)

    def _truth(self, member: Member, fires: ast.Expr) -> Truth:
        key = (id(member), id(fires))
        if key not in self._truths:
            self._kept.append(fires)
            self._truths[key] = truth(self.checked, fires, member.scenario.history, member.scenario.step)
        return self._truths[key]


def _pairs(members: Sequence[Member]) -> Iterator[tuple[Member, Member]]:
    for place, one in enumerate(members):
        for other in members[place + 1 :]:
            if _act(one.scenario) == _act(other.scenario):
                yield one, other


def _approved(scenario: Scenario, people: int) -> Iterator[Scenario]:
    """The scenario as it is, or approved by as many people as the ways ask for."""
    yield scenario
    if people:
        yield from approved(scenario, people)


def _once(wishes: Iterator[ast.Expr]) -> tuple[ast.Expr, ...]:
    return tuple({id(wish.body if isinstance(wish, ast.Not) else wish): wish for wish in wishes}.values())


def _act(scenario: Scenario) -> Act:
    event = scenario.step.event
    return Act(kind="reply") if isinstance(event, Reply) else Act(kind="call", tool=event.tool)
