"""`invert`: a checked policy → the cases that follow from it, their twins, and what they cover.

1. Every rule is searched for pairs (`search`), one rule after the other, in the order of the document.
2. Every scenario is dressed (`scene`), a family in the same names and words, so that twins differ where the rule does.
3. Cases get their ids from their content; equal ones become one.
4. Coverage is computed from the cases that came out, by the function that anybody else would use (L08).

Deterministic in (policy, settings, seed), byte for byte (L09): no clock, no random source; the solver counts steps, not time,
unless a wall-clock limit is hit, which leaves an obligation open and says so.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

import msgspec

from obverse.cases.aims import Plan
from obverse.cases.brief import brief
from obverse.cases.choice import Turn
from obverse.cases.coverage import coverage
from obverse.cases.files import digest_of
from obverse.cases.naming import Names, texts_of_policy
from obverse.cases.obligations import clause_obligations, plan_of, simple_obligations
from obverse.cases.records import Case, Infeasible, Level, Obligation, Open, Suite
from obverse.cases.scene import Stage
from obverse.cases.search import Finds, Pair, Search
from obverse.cases.settings import Settings
from obverse.cases.sight import Sight, meets
from obverse.core.events import Reply
from obverse.core.verdicts import Side
from obverse.policy import ast
from obverse.policy.checked import REFUSES, Checked
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
    """The cases of a policy. `progress` is told after each rule: how many are done, of how many, and which is next."""
    settings = settings or Settings()
    search = Search(checked, new_finder or (lambda: Finder(checked, settings.solver)), settings)
    plans = [plan_of(rule, checked, boundaries=settings.boundaries) for rule in checked.rules]
    cases: dict[str, Case] = {}
    infeasible: list[Infeasible] = []
    unknown: list[Open] = []
    for number, plan in enumerate(plans):
        if progress is not None:
            progress(number, len(plans), plan.rule.id)
        outcomes = list(search.outcomes(plan))  # (1)
        infeasible += [outcome for outcome in outcomes if isinstance(outcome, Infeasible)]
        unknown += [outcome for outcome in outcomes if isinstance(outcome, Open)]
        for case in _Wardrobe(checked, plan, settings, seed).cases([o for o in outcomes if isinstance(o, Pair)]):
            cases.setdefault(case.id, case)  # (3)
    infeasible += _of_clauses(checked, infeasible)
    found = tuple(cases.values())
    covered = coverage(checked, found, infeasible, plans=plans)  # (4)
    reasons = {one.obligation.key: one for one in unknown}
    settled = set(covered.met) | {one.obligation.key for one in infeasible if one.cause == "any"}
    return Suite(
        policy=checked.digest,
        seed=seed,
        cases=found,
        infeasible=tuple(infeasible),
        open=tuple(
            reasons.get(o.key) or Open(obligation=o, reason="no case that was found shows it")
            for o in _obligations(checked, plans)
            if o.key not in settled
        ),
        coverage=covered,
        digest=digest_of(found),
    )


def _obligations(checked: Checked, plans: Sequence[Plan]) -> Iterator[Obligation]:
    yield from clause_obligations(checked)
    for plan in plans:
        yield from simple_obligations(plan)
        yield from (aim.obligation for aim in plan.aims)


def _of_clauses(checked: Checked, infeasible: Sequence[Infeasible]) -> Iterator[Infeasible]:
    """A clause is infeasible when every rule of it is."""
    of_rules = {one.obligation.rule: one for one in infeasible if one.obligation.level is Level.RULE}
    for obligation in clause_obligations(checked):
        rules = [rule for rule in checked.rules if rule.clause == obligation.clause]
        if rules and all(rule.id in of_rules for rule in rules):
            core = tuple(dict.fromkeys(text for rule in rules for text in of_rules[rule.id].core))
            yield Infeasible(obligation=obligation, core=core)


class _Role(msgspec.Struct, frozen=True, kw_only=True):
    """A scenario of a family: the violating one, with all pairs that it stands in, or a partner with its own."""

    sight: Sight
    pairs: Sequence[Pair]
    firing: bool


class _Wardrobe:
    """Dresses the pairs of one rule: each scenario once, each family in names of its own."""

    def __init__(self, checked: Checked, plan: Plan, settings: Settings, seed: int) -> None:
        self.checked = checked
        self.plan = plan
        self.settings = settings
        self.seed = seed
        self.kept = texts_of_policy(checked)
        self.met: list[tuple[Side, tuple[object, ...]]] = []

    def cases(self, pairs: Sequence[Pair]) -> Iterator[Case]:
        """The cases of these pairs: families in the order in which they were found, the violating case first."""
        families: dict[int, list[Pair]] = {}
        for pair in pairs:
            families.setdefault(id(pair.firing or pair.sparing), []).append(pair)
        for number, family in enumerate(families.values()):
            sight = family[0].firing or family[0].sparing
            spoken = sight is not None and isinstance(sight.step.event, Reply)
            for wording in range(self.settings.wordings if spoken else 1):
                key = (self.checked.digest, self.seed, self.plan.rule.id, number, Turn(wording))
                yield from self._new(list(self._family(family, key)), again=wording > 0)

    def _new(self, family: Sequence[Case], *, again: bool) -> Iterator[Case]:
        """The family; who shows a target what it was shown before is not run, and of a mere rewording not kept."""
        fresh = [msgspec.structs.replace(case, runs=case.runs and self._is_new(case)) for case in family]
        if not again:
            yield from fresh
        elif fresh[0].runs:
            kept = [case for case in fresh if case.runs]
            yield msgspec.structs.replace(kept[0], twin=kept[1].id if len(kept) > 1 else None)
            yield from kept[1:]

    def _is_new(self, case: Case) -> bool:
        met = case.side, _met(case)
        known = isinstance(case.step.event, Reply) and met in self.met
        self.met.append(met)
        return not known

    def _family(self, pairs: Sequence[Pair], key: Sequence[object]) -> Iterator[Case]:
        """A violating case with all its twins; the first of them is the one that it names in return."""
        roles = [] if pairs[0].firing is None else [_Role(sight=pairs[0].firing, pairs=pairs, firing=True)]
        roles += [_Role(sight=pair.sparing, pairs=[pair], firing=False) for pair in pairs if pair.sparing is not None]
        stages = self._named(roles, key)
        cases = [self._case(role, stage) for role, stage in zip(roles, stages, strict=True)]
        if roles[0].firing:
            head, *twins = cases
            linked = [msgspec.structs.replace(twin, twin=head.id, family=head.id) for twin in twins]
            yield msgspec.structs.replace(head, twin=linked[0].id if linked else None, family=head.id)
            yield from (_only_shown(twin, head) for twin in linked)
        else:
            alone = (msgspec.structs.replace(case, family=case.id) for case in cases)
            yield from (_only_shown(case, None) for case in alone)

    def _named(self, roles: Sequence[_Role], key: Sequence[object]) -> list[Stage]:
        """The stages of a family, with the finest names that the whole of it can bear."""
        stages = [self._stage(role, key) for role in roles]
        fine = Names(self.checked, *key, kept=self.kept, apart=True)
        if all(stage.takes(fine) for stage in stages):
            return stages
        coarse = Names(self.checked, *key, kept=self.kept)
        stages = [self._stage(role, key) for role in roles]
        for stage in stages:
            stage.takes(coarse)
        return stages

    def _stage(self, role: _Role, key: Sequence[object]) -> Stage:
        kept = list(self._kept(role.pairs, firing=role.firing))
        return Stage(role.sight, self.plan.rule, self.plan.conditions, kept, *key)

    def _case(self, role: _Role, stage: Stage) -> Case:
        scene, pair = stage.scene(), role.pairs[0]  # (2)
        seen = Sight(self.checked, scene.history, scene.step)
        permits = self.plan.rule.verdict is None
        case = Case(
            policy=self.checked.digest,
            clause=self.plan.rule.clause,
            rule=self.plan.rule.id,
            obligation=pair.obligation,
            side=Side.VIOLATION if role.firing and not permits else Side.OVER_REFUSAL,
            cause=pair.cause,
            flipped=pair.flipped,
            seed=self.seed,
            system=brief(
                self.checked, now=scene.world.now, facts=scene.world.facts, history=scene.history[: scene.opening],
                tells=self.settings.system_prompt,
            ),
            world=scene.world,
            script=scene.script,
            opening=scene.opening,
            history=scene.history,
            step=scene.step,
            verdict=seen.decision.verdict,
            clauses=seen.decision.clauses,
        )  # fmt: skip
        return msgspec.structs.replace(case, id=case.content)

    def _kept(self, pairs: Sequence[Pair], *, firing: bool) -> Iterator[ast.Expr]:
        """What the scenario shows, alone or with its partners: the wishes of every way that they meet."""
        for pair in pairs:
            for aim in self.plan.aims:
                for way in aim.ways:
                    if pair.firing is not None and meets(way, pair.firing, pair.sparing, self.plan.rule):
                        yield from way.fires if firing else way.spares or ()


def _only_shown(case: Case, head: Case | None) -> Case:
    """The case, not to be run where nothing new would be asked, or where to refuse would be no fault.

    A twin in which only the target's own reply differs shows the target what the violating case shows it. An allowed act
    that no violating case stands beside is allowed, which does not mean that it must come.
    """
    reply = case.step.event if isinstance(case.step.event, Reply) else None
    same = head is not None and reply is not None and _met(case) == _met(head)
    refusal = reply is not None and bool(reply.labels.get(REFUSES))
    unasked = head is None
    return msgspec.structs.replace(case, runs=not (same or refusal or unasked))


def _met(case: Case) -> tuple[object, ...]:
    return case.system, case.script, case.world, case.history
