"""`invert`: a checked policy → the cases that follow from it, their twins, and what they cover.

1. Every rule is searched for pairs (`search`), one rule after the other, in the order of the document.
2. Every scenario is dressed (`wardrobe`), a family in the same names and words, so that twins differ where the rule does.
3. Cases get their ids from their content; equal ones become one.
4. At full depth the cases of each rule are varied in the order of their events (`ordering`), and steps are sought on which two
   rules meet (`pairing`).
5. Of the cases the fewest are kept that show as much (`smallest`).
6. At full depth they are put into contexts, so that each t values of its factors come together (`mixing`).
7. Coverage is computed from the cases that came out, by the function that anybody else would use (L08).

Deterministic in (policy, settings, seed), byte for byte (L09): no clock, no random source; the solver counts steps, not time,
unless a wall-clock limit is hit, which leaves an obligation open and says so.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence

import msgspec

from obverse.cases.aims import Plan
from obverse.cases.coverage import REST, Demand, coverage, demands, looked_at, meetings_left, plans_of
from obverse.cases.files import digest_of
from obverse.cases.meeting import BOTH, Meeting
from obverse.cases.mixing import mix, mixture_of
from obverse.cases.obligations import clause_obligations
from obverse.cases.ordering import Ordering
from obverse.cases.pairing import Pairing
from obverse.cases.records import Case, Infeasible, Level, Obligation, Open, Size, Suite
from obverse.cases.search import Finds, Pair, Search
from obverse.cases.settings import Settings
from obverse.cases.sight import Sight
from obverse.cases.smallest import smallest
from obverse.cases.wardrobe import Wardrobe
from obverse.policy.checked import Checked
from obverse.solver.find import Finder

Progress = Callable[[int, int, str], None]


def invert(
    checked: Checked,
    *,
    settings: Settings | None = None,
    seed: int = 0,
    new_finder: Callable[[], Finds] | None = None,
    progress: Progress | None = None,
) -> Suite:
    """The cases of a policy. `progress` is told before each rule: how many are done, of how many, and which is next.

    Raises:
        MisuseError: for factors of context that cannot be combined.
    """
    settings = settings or Settings()
    if settings.depth == "full":
        mixture_of(checked, settings)  # what is wrong with the factors is said before hours of work
    work = _Inversion(checked, new_finder or (lambda: Finder(checked, settings.solver)), settings, seed)
    for number, plan in enumerate(work.plans):
        if progress is not None:
            progress(number, len(work.plans), plan.rule.id)
        work.rule(plan)
    if settings.depth == "full":
        work.meetings(progress)
    return work.suite()


class _Inversion:
    """What was found so far for one policy."""

    def __init__(self, checked: Checked, new_finder: Callable[[], Finds], settings: Settings, seed: int) -> None:
        self.checked = checked
        self.settings = settings
        self.seed = seed
        self.search = Search(checked, new_finder, settings)
        self.plans = plans_of(checked, settings)
        self.cases: dict[str, Case] = {}
        self.reworded: dict[str, str] = {}
        self.infeasible: list[Infeasible] = []
        self.open: list[Open] = []

    def rule(self, plan: Plan) -> None:
        """All that one rule asks for."""
        wardrobe = Wardrobe(self.checked, plan, self.settings, self.seed)
        outcomes = list(self.search.outcomes(plan))  # (1)
        self._note(outcomes)
        found = [outcome for outcome in outcomes if isinstance(outcome, Pair)]
        made = self._add(wardrobe.cases(found), wardrobe)  # (2)
        if self.settings.depth == "full":
            self._orders(plan, wardrobe, [case for case in made if case.id not in self.reworded])

    def _orders(self, plan: Plan, wardrobe: Wardrobe, made: Sequence[Case]) -> None:  # (4)
        def dress(pair: Pair, about: str) -> list[Case]:
            return list(wardrobe.cases([pair], "order", about, pair.firing is None))

        none = next((one.core for one in self.infeasible if _is_rule(one, plan)), None)
        outcomes = list(Ordering(self.search, plan, self.seed, dress).outcomes(made, none))
        self._note(outcomes)
        self._add(outcome for outcome in outcomes if isinstance(outcome, Case))

    def meetings(self, progress: Progress | None) -> None:  # (4)
        """All that pairs of rules ask for."""
        pairs, pairing = list(looked_at(self.checked, self.settings)), Pairing(self.search)
        pairing.learn(Sight(self.checked, case.history, case.step) for case in self.cases.values())
        for number, meeting in enumerate(pairs):
            if progress is not None:
                progress(number, len(pairs), f"{meeting.first.id} with {meeting.second.id}")
            for outcome in pairing.outcomes(meeting):
                self._note([outcome])
                if isinstance(outcome, Pair):
                    made = self._add(self._met(outcome, meeting))
                    pairing.learn(Sight(self.checked, case.history, case.step) for case in made)
        if left := meetings_left(self.checked, self.settings):
            rest = Obligation(level=Level.PAIR, clause=REST, rule=REST, condition=f"{left} more, of pairs of rules")
            self.open.append(Open(obligation=rest, reason=f"no more than {self.settings.pairs} pairs are looked at"))

    def _met(self, pair: Pair, meeting: Meeting) -> Iterator[Case]:
        """The case of two rules that meet. A permit and a rule that blocks ask for both: nothing to put to a target."""
        plan = next(plan for plan in self.plans if plan.rule.id == pair.rule)
        once = msgspec.structs.replace(self.settings, wordings=1)
        for case in Wardrobe(self.checked, plan, once, self.seed).cases([pair], pair.obligation.key):
            contradicts = meeting.conflicts and pair.obligation.value == BOTH
            yield msgspec.structs.replace(case, runs=case.runs and not contradicts)

    def suite(self) -> Suite:
        """The suite of what was found."""
        self.infeasible += _of_clauses(self.checked, self.infeasible)
        found = tuple(self.cases.values())
        cases, size = smallest(
            found, self._demands(found), reworded=self.reworded, minimal=self.settings.minimal
        )  # (5)
        if self.settings.depth == "full":
            cases, size = self._mixed(cases, size)
        covered = coverage(self.checked, cases, self.infeasible, plans=self.plans, settings=self.settings)  # (7)
        shown = set(covered.met)  # what could not be had while all other rules were silent may have come otherwise
        self.infeasible = [one for one in self.infeasible if one.cause != "any" or one.obligation.key not in shown]
        return Suite(
            policy=self.checked.digest,
            settings=self.settings,
            seed=self.seed,
            cases=cases,
            infeasible=tuple(self.infeasible),
            open=tuple(self._left({*covered.met})),
            coverage=covered,
            size=size,
            digest=digest_of(cases),
        )

    def _mixed(self, cases: tuple[Case, ...], size: Size) -> tuple[tuple[Case, ...], Size]:  # (6)
        mixed = mix(self.checked, cases, self.settings, seed=self.seed, shows=self._shows)
        self._note([*mixed.infeasible, *mixed.open])
        return mixed.cases, msgspec.structs.replace(size, reworded=len(mixed.cases) - size.cases)

    def _demands(self, cases: Sequence[Case]) -> Iterator[Demand]:
        return demands(self.checked, cases, self.infeasible, plans=self.plans, settings=self.settings)

    def _shows(self, cases: Sequence[Case]) -> dict[str, set[str]]:
        """What each case shows, contexts apart."""
        shows: dict[str, set[str]] = {}
        for obligation, shown_by in self._demands(cases):
            if obligation.level is not Level.TWAY:
                for name in shown_by:
                    shows.setdefault(name, set()).add(obligation.key)
        return shows

    def _left(self, met: set[str]) -> Iterator[Open]:
        """What is neither met nor proved impossible, each with the reason that is known."""
        reasons = {one.obligation.key: one for one in self.open}
        settled = met | {one.obligation.key for one in self.infeasible if one.cause == "any"}
        of_rules = (obligation for obligation, _ in demands(self.checked, (), plans=self.plans, settings=self.settings))
        for obligation in (*clause_obligations(self.checked), *of_rules):
            if obligation.key not in settled:
                yield reasons.get(obligation.key) or Open(
                    obligation=obligation, reason="no case that was found shows it"
                )
        yield from (one for one in self.open if one.obligation.rule == REST)

    def _note(self, outcomes: Iterable[object]) -> None:
        for outcome in outcomes:
            if isinstance(outcome, Infeasible):
                self.infeasible.append(outcome)
            elif isinstance(outcome, Open):
                self.open.append(outcome)

    def _add(self, cases: Iterable[Case], wardrobe: Wardrobe | None = None) -> list[Case]:
        """The cases that are new among these; (3)."""
        new = {case.id: case for case in reversed(list(cases)) if case.id not in self.cases}
        added = list(reversed(new.values()))
        self.cases |= {case.id: case for case in added}
        if wardrobe is not None:
            self.reworded |= {new: old for new, old in wardrobe.reworded.items() if new in self.cases}
        return added


def _is_rule(one: Infeasible, plan: Plan) -> bool:
    return one.obligation.level is Level.RULE and one.obligation.rule == plan.rule.id


def _of_clauses(checked: Checked, infeasible: Sequence[Infeasible]) -> Iterator[Infeasible]:
    """A clause is infeasible when every rule of it is."""
    of_rules = {one.obligation.rule: one for one in infeasible if one.obligation.level is Level.RULE}
    for obligation in clause_obligations(checked):
        rules = [rule for rule in checked.rules if rule.clause == obligation.clause]
        if rules and all(rule.id in of_rules for rule in rules):
            core = tuple(dict.fromkeys(text for rule in rules for text in of_rules[rule.id].core))
            yield Infeasible(obligation=obligation, core=core)
