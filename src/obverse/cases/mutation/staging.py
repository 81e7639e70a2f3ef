"""A scenario on which a mutant decides otherwise → a case that kills it, with its twin where there is one.

The scenario goes through the same wardrobe as those of `invert`: names, words, a request, a world (`scene`). What tells the
mutant from the policy is kept while it is dressed; where a garment would hide it all the same, the scenario stays as the solver
found it. Laws: L07: a twin differs in one condition and has the opposite verdict, or there is none. Believed is what `decide`
says, here as everywhere.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import msgspec

from obverse.cases.brief import brief
from obverse.cases.conditions import Atom, Conditions, conditions_of
from obverse.cases.mutation.killing import Trial
from obverse.cases.mutation.records import Mutant
from obverse.cases.naming import Names, texts_of_policy
from obverse.cases.records import Case, Level, Obligation, Said
from obverse.cases.scene import Scene, Stage, numbered, world_of
from obverse.cases.search import Search, Wish
from obverse.cases.settings import Settings
from obverse.cases.sight import Sight, only_differ_in
from obverse.core.events import Message, Reply
from obverse.core.verdicts import Side, Truth, Verdict
from obverse.policy import ast
from obverse.policy.checked import Checked, CheckedRule
from obverse.policy.decide import decide
from obverse.solver.answers import Act, Scenario


class _Pose(msgspec.Struct, frozen=True, kw_only=True):
    """One scenario of a family: whether the rule fires in it, and what must stay true of it."""

    sight: Sight
    firing: bool
    kept: tuple[ast.Expr, ...] = ()


class Staging:
    """Makes cases of scenarios, for one policy."""

    def __init__(self, checked: Checked, search: Search, settings: Settings, seed: int) -> None:
        self.checked = checked
        self.search = search
        self.settings = settings
        self.seed = seed
        self.rules = {rule.id: rule for rule in checked.rules}
        self.texts = texts_of_policy(checked)
        self._conditions: dict[str, Conditions] = {}

    def cases(self, scenario: Scenario, *mutants: Mutant) -> tuple[Case, ...]:
        """The case that kills these mutants, as the scenario does, first; and its twin if one was found."""
        mutant = mutants[0]
        sight = Sight(self.checked, scenario.history, scenario.step)
        rule, firing = self._about(mutant, sight)
        conditions = self._conditions_of(rule)
        kept = (expr for one in mutants for expr in _apart(one, self.rules, sight))
        killer = _Pose(sight=sight, firing=firing, kept=tuple(kept))
        found = self._twin(rule, conditions, killer)
        poses = [killer] if found is None else [killer, found[0]]
        flipped = "" if found is None else found[1].text
        scenes = self._scenes(mutants, rule, conditions, poses)
        return self._cases(mutant, rule, poses, scenes, flipped)

    def _conditions_of(self, rule: CheckedRule) -> Conditions:
        found = self._conditions.get(rule.id)
        if found is None:
            found = self._conditions[rule.id] = conditions_of(rule.fires)
        return found

    # --- whose case it is -----------------------------------------------------------------------------------------------

    def _about(self, mutant: Mutant, sight: Sight) -> tuple[CheckedRule, bool]:
        """The rule that the case is about, and whether it fires: the changed one, if it has a part in the verdict."""
        decision = sight.decision
        touched = [self.rules[name] for name in mutant.touched]
        if decision.verdict is not Verdict.ALLOW:
            gave = [reason.rule for reason in decision.reasons if reason.verdict is decision.verdict]
            speaking = [self.rules[name] for name in gave if name in self.rules]
            mine = [rule for rule in speaking if rule in touched]
            if mine or speaking:
                return (mine or speaking)[0], True
        given = decide(mutant.of(self.checked), sight.history, sight.step)
        guilty = [reason.rule for reason in given.reasons if reason.verdict is given.verdict]
        return next((rule for rule in touched if rule.id in guilty), touched[0]), False

    # --- the twin -------------------------------------------------------------------------------------------------------

    def _twin(self, rule: CheckedRule, conditions: Conditions, pose: _Pose) -> tuple[_Pose, Atom] | None:
        """A scenario near this one in which one condition is otherwise, and with it the whole decision (L07)."""
        if rule.verdict is None or not pose.sight.is_meant_by(rule):
            return None
        if not (pose.sight.is_violation_of(rule) if pose.firing else pose.sight.is_spared_by(rule)):
            return None
        act = _act(pose.sight)
        silence = self.search.silence(rule, act)
        let_through = self.search.let_through(act) if pose.firing else ()
        turned = _not(conditions.fires) if pose.firing else conditions.fires
        for atom in conditions.outer[: self.settings.attempts]:
            same = tuple(_unchanged(conditions, atom, pose.sight))
            wishes = (Wish(text="the rule answers otherwise", expr=turned), *same, *silence, *let_through)
            found = self.search.ask(act, wishes, near=pose.sight)
            if isinstance(found, Sight) and _are_opposite(rule, conditions, atom, pose, found):
                return _Pose(sight=found, firing=not pose.firing), atom
        return None

    # --- clothes --------------------------------------------------------------------------------------------------------

    def _scenes(
        self, mutants: Sequence[Mutant], rule: CheckedRule, conditions: Conditions, poses: Sequence[_Pose]
    ) -> list[Scene]:
        """The scenes of a family, in one choice of names: the finest that keeps the mutants apart."""
        key = (self.checked.digest, self.seed, rule.id, *(mutant.id for mutant in mutants))
        for apart in (True, False):
            stages = [Stage(pose.sight, rule, conditions, list(pose.kept), *key) for pose in poses]
            names = Names(self.checked, *key, kept=self.texts, apart=apart)
            taken = [stage.takes(names) for stage in stages]
            if all(taken) or not apart:
                scenes = [stage.scene() for stage in stages]
                trial = Trial(self.checked, scenes[0].history, scenes[0].step)
                if all(trial.kills(mutant) for mutant in mutants):
                    return scenes
        return [self._bare(pose.sight) for pose in poses]

    def _bare(self, sight: Sight) -> Scene:
        """The scenario as it was found."""
        history, step = numbered(sight.history, sight.step)
        said = tuple(Said(text=e.text, labels=dict(e.labels)) for e in history if isinstance(e, Message))
        return Scene(
            history=history, step=step, opening=0, script=said, world=world_of(history, step, Names(self.checked))
        )

    # --- cases ----------------------------------------------------------------------------------------------------------

    def _cases(
        self, mutant: Mutant, rule: CheckedRule, poses: Sequence[_Pose], scenes: Sequence[Scene], flipped: str
    ) -> tuple[Case, ...]:
        made = [self._case(mutant, rule, pose, scene, flipped) for pose, scene in zip(poses, scenes, strict=True)]
        if len(made) == 1:
            alone = made[0].side is Side.OVER_REFUSAL  # an act that is allowed need not come
            return (msgspec.structs.replace(made[0], family=made[0].id, runs=made[0].runs and not alone),)
        head = next(case for case, pose in zip(made, poses, strict=True) if pose.firing)
        linked = [
            msgspec.structs.replace(case, family=head.id, twin=other.id)
            for case, other in zip(made, reversed(made), strict=True)
        ]
        return tuple(_asked(case, head) for case in linked)

    def _case(self, mutant: Mutant, rule: CheckedRule, pose: _Pose, scene: Scene, flipped: str) -> Case:
        decision = decide(self.checked, scene.history, scene.step)
        case = Case(
            policy=self.checked.digest,
            clause=rule.clause,
            rule=rule.id,
            obligation=Obligation(
                level=Level.MUTANT, clause=rule.clause, rule=rule.id, condition=mutant.after or "no such rule",
                value=mutant.id,
            ),
            side=Side.VIOLATION if pose.firing else Side.OVER_REFUSAL,
            cause="unique" if flipped else "none",
            flipped=flipped,
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
            verdict=decision.verdict,
            clauses=decision.clauses,
            runs=decision.verdict is decision.certain,
        )  # fmt: skip
        return msgspec.structs.replace(case, id=case.content)


def _apart(mutant: Mutant, rules: dict[str, CheckedRule], sight: Sight) -> Iterator[ast.Expr]:
    """What tells the mutant from the policy here, as far as conditions can say it: what each changed rule is, and was."""
    for new in mutant.replaced:
        for fires in (rules[new.id].fires, new.fires):
            value = sight.truth(fires)
            if value is not Truth.UNKNOWN:
                yield fires if value is Truth.TRUE else _not(fires)


def _are_opposite(rule: CheckedRule, conditions: Conditions, atom: Atom, pose: _Pose, found: Sight) -> bool:
    one, other = (pose.sight, found) if pose.firing else (found, pose.sight)
    if not one.is_violation_of(rule) or not other.is_spared_by(rule):
        return False
    return only_differ_in(conditions, one, other, atom.number)


def _unchanged(conditions: Conditions, atom: Atom, sight: Sight) -> Iterator[Wish]:
    for other in conditions.outer:
        value = sight.truth(other.expr)
        if other.number != atom.number and value is not Truth.UNKNOWN:
            expr = other.expr if value is Truth.TRUE else _not(other.expr)
            yield Wish(text=f"`{other.text}` stays {value}", expr=expr, literal=True)


def _asked(case: Case, head: Case) -> Case:
    """The case, not to be run where the target would be shown what its violating twin shows it."""
    if case.id == head.id or not isinstance(case.step.event, Reply):
        return case
    shown, of_head = ((one.system, one.script, one.world, one.history) for one in (case, head))
    return msgspec.structs.replace(case, runs=case.runs and shown != of_head)


def _act(sight: Sight) -> Act:
    event = sight.step.event
    return Act(kind="reply") if isinstance(event, Reply) else Act(kind="call", tool=event.tool)


def _not(expr: ast.Expr) -> ast.Expr:
    return expr.body if isinstance(expr, ast.Not) else ast.Not(body=expr)
