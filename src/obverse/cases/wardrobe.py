"""Scenarios → cases: each family of scenarios in names and words of its own, with the links between its cases.

A family is a violating scenario with all partners that were found near it. It is worded as a whole, so that twins differ where
the rule does and nowhere else. Cases get their ids from their content.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import msgspec

from obverse.cases.aims import Plan
from obverse.cases.brief import brief
from obverse.cases.choice import Turn
from obverse.cases.naming import Names, texts_of_policy
from obverse.cases.records import Case
from obverse.cases.scene import Stage
from obverse.cases.search import Pair
from obverse.cases.settings import Settings
from obverse.cases.sight import Sight, meets
from obverse.core.events import Reply
from obverse.core.verdicts import Side
from obverse.policy import ast
from obverse.policy.checked import REFUSES, Checked


class _Role(msgspec.Struct, frozen=True, kw_only=True):
    """A scenario of a family: the violating one, with all pairs that it stands in, or a partner with its own."""

    sight: Sight
    pairs: Sequence[Pair]
    firing: bool


class Wardrobe:
    """Dresses the pairs of one rule: each scenario once, each family in names of its own."""

    def __init__(self, checked: Checked, plan: Plan, settings: Settings, seed: int) -> None:
        self.checked = checked
        self.plan = plan
        self.settings = settings
        self.seed = seed
        self.kept = texts_of_policy(checked)
        self.met: list[tuple[Side, tuple[object, ...]]] = []
        self.reworded: dict[str, str] = {}

    def cases(self, pairs: Sequence[Pair], *about: object) -> Iterator[Case]:
        """The cases of these pairs: families in the order in which they were found, the violating case first.

        `about` tells families apart that would be the same by rule and number. Which case says the same as an earlier one in
        other words stands in `reworded`.
        """
        families: dict[int, list[Pair]] = {}
        for pair in pairs:
            families.setdefault(id(pair.firing or pair.sparing), []).append(pair)
        for number, family in enumerate(families.values()):
            sight = family[0].firing or family[0].sparing
            spoken = sight is not None and isinstance(sight.step.event, Reply)
            first: list[Case] = []
            for wording in range(self.settings.wordings if spoken else 1):
                key = (self.checked.digest, self.seed, self.plan.rule.id, *about, number, Turn(wording))
                worded = list(self._family(family, key))
                first = first or worded
                self.reworded |= {n.id: o.id for o, n in zip(first, worded, strict=True) if n.id != o.id}
                yield from self._new(worded, again=wording > 0)

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
            yield from pair.kept if firing else ()
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
