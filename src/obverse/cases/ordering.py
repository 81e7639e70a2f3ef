"""Finds, for each change of the order of events, a case and a variation of it in which the verdict turns; or shows that it stays.

1. The cases of the rule are varied in every way that the change allows (`altering`), and each variation is decided.
2. Where nothing turns and the operator cannot see the change (`once` does not count, nor ask in which order), or the rule is
   proved equivalent to one that cannot, a variation in which the verdict stays is the test: a target must not be misled either.
3. Else the solver is asked for a past in which the order matters: one where the rule differs from a variant that is blind to the
   order. What it finds becomes a case and is varied.
4. For what is left the variations are varied once more: two look-ups, one of them put in between, can be swapped. Else it is open.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Final, TypeAlias

import msgspec

from obverse.cases.aims import Plan, negated
from obverse.cases.altering import Altering
from obverse.cases.blindness import Variant, cannot_see, variants
from obverse.cases.brief import brief
from obverse.cases.coverage import changed_conditions, order_is_shown, stays, turns
from obverse.cases.naming import Names
from obverse.cases.order import Change, Look, looks_of, orders_of
from obverse.cases.records import Answer, Case, Infeasible, Obligation, Open, World
from obverse.cases.same import script_of
from obverse.cases.scene import numbered, opening_of, world_of
from obverse.cases.search import Pair, Search, Wish, proved
from obverse.cases.sight import Sight
from obverse.core.verdicts import Side
from obverse.policy import ast
from obverse.solver.answers import Act, Impossible

Outcome: TypeAlias = Case | Infeasible | Open
_NOT_FOUND: Final = "no case was found in which the verdict turns, nor a proof that it cannot"
Dress: TypeAlias = Callable[[Pair, str], Sequence[Case]]


class _Apart(msgspec.Struct, frozen=True, kw_only=True):
    """What is known of a rule and a variant of it: cases in which they differ, proofs that there are none, or why neither."""

    cases: tuple[Case, ...] = ()
    proofs: tuple[Infeasible, ...] = ()
    reason: str = ""


class Ordering:
    """The variations of the cases of one rule; `dress` makes cases of a scenario."""

    def __init__(self, search: Search, plan: Plan, seed: int, dress: Dress) -> None:
        self.search = search
        self.checked = search.checked
        self.plan = plan
        self.seed = seed
        self.dress = dress
        self._known: dict[tuple[int, str], _Apart] = {}
        self._spared: list[Infeasible | None] | None = None
        self.altering = Altering(self.checked, plan.rule, self.checked.digest, seed, plan.rule.id)

    def outcomes(self, cases: Sequence[Case], impossible: Sequence[str] | None = None) -> Iterator[Outcome]:
        """The variations, the cases that were made to be varied, and what is left. `impossible`: why the rule has no case at all."""
        known, variations, left = list(cases), list[Case](), list[tuple[Open, Look, Change]]()
        for obligation, look, change in orders_of(self.plan, looks_of(self.plan)):
            if impossible is not None:
                yield Infeasible(obligation=obligation, core=tuple(impossible))
                continue
            for outcome in self._outcome(obligation, look, change, known):
                if isinstance(outcome, Open):
                    left.append((outcome, look, change))
                    continue
                if isinstance(outcome, Case):
                    (known if outcome.varied is None else variations).append(outcome)
                yield outcome
        for open_, look, change in left:  # (4)
            turned, _ = self._varied(open_.obligation, look, change, variations)
            yield turned or self._hopeless(open_.obligation) or open_

    def _hopeless(self, obligation: Obligation) -> Infeasible | None:
        """The proof that whatever this rule would spare another one blocks, so that nothing can turn."""
        fires = self.plan.conditions.fires
        if self._spared is None:
            self._spared = []
            for act in self.search.acts(self.plan.rule)[: self.search.settings.tools_tried]:
                wishes = [
                    Wish(text="the rule does not fire", expr=negated(fires)),
                    *self.search.silence(self.plan.rule, act),
                ]
                wishes += self.search.let_through(act)
                found = self.search.ask(act, wishes)
                self._spared.append(proved(obligation, found, wishes) if isinstance(found, Impossible) else None)
        proofs = [one for one in self._spared if one is not None]
        if not proofs or len(proofs) < len(self._spared):
            return None
        return msgspec.structs.replace(proofs[0], obligation=obligation)

    def _outcome(self, obligation: Obligation, look: Look, change: Change, cases: Sequence[Case]) -> Iterator[Outcome]:
        turned, steady = self._varied(obligation, look, change, cases)  # (1)
        if turned is not None:
            yield turned
            return
        blind = cannot_see(look, change)  # (2)
        if blind is not None:
            yield from self._steady(obligation, steady, (blind,))
            return
        yield from self._sought(obligation, look, change, steady)  # (3)

    def _steady(
        self, obligation: Obligation, steady: Case | None, core: tuple[str, ...], bound: str = ""
    ) -> Iterator[Outcome]:
        if steady is None:
            yield Open(obligation=obligation, reason="no case has a past that this can be done to")
        else:
            yield Infeasible(obligation=obligation, core=core, cause="flip", bound=bound)
            yield steady

    # --- variations of cases --------------------------------------------------------------------------------------------

    def _varied(
        self, obligation: Obligation, look: Look, change: Change, cases: Sequence[Case]
    ) -> tuple[Case | None, Case | None]:
        """The first variation in which the verdict turns, else the first in which it stays."""
        steady: Case | None = None
        tries = 0
        for base in cases:
            one = Sight(self.checked, base.history, base.step)
            for past in self.altering.pasts(change, look, base.history, base.step.event.time):
                tries += 1
                if tries > self.search.settings.orders:
                    return None, steady
                other = Sight(self.checked, *numbered(past, base.step))
                turned = turns(self.plan, look, one, other)
                if not turned and (steady is not None or not stays(self.plan, one, other)):
                    continue
                if not order_is_shown(self.plan, look, change, one, other, steady=True):
                    continue
                case = self._case(obligation, base, one, other)
                if case is not None and turned:
                    return case, None
                steady = steady or case
        return None, steady

    def _case(self, obligation: Obligation, base: Case, one: Sight, other: Sight) -> Case | None:
        """The variation as a case; None where not knowing decides. Where nobody asks for anything any more it is only shown."""
        decision = other.decision
        opening = opening_of(self.checked, other.history)
        script = script_of(other.history, opening)
        if decision.verdict is not decision.certain:
            return None
        world = self._world(base, other)
        changed = changed_conditions(self.plan, one, other)
        single = len(changed) == 1 and one.decision.verdict is not decision.verdict
        case = msgspec.structs.replace(
            base, id="", obligation=obligation, opening=opening, script=script, world=world,
            side=Side.VIOLATION if other.is_violation_of(self.plan.rule) else Side.OVER_REFUSAL,
            cause="unique" if single else "none", flipped=self.plan.conditions.outer[changed[0]].text if single else "",
            twin=base.id if single else None, varied=base.id, family=base.family or base.id,
            system=brief(
                self.checked, now=world.now, facts=world.facts, history=other.history[:opening],
                tells=self.search.settings.system_prompt,
            ),
            history=other.history, step=other.step, verdict=decision.verdict, clauses=decision.clauses,
            runs=base.runs and (bool(script) or not base.script),
        )  # fmt: skip
        return msgspec.structs.replace(case, id=case.content)

    def _world(self, base: Case, other: Sight) -> World:
        """What the tools answered in this past; to everything else they answer as in the case that is varied."""
        now = world_of(other.history, other.step, Names(self.checked))
        answers: dict[tuple[str, str | None], Answer] = {(one.tool, one.arguments): one for one in base.world.answers}
        answers |= {(one.tool, one.arguments): one for one in now.answers if one.arguments is not None}
        return msgspec.structs.replace(
            now, answers=tuple(sorted(answers.values(), key=lambda one: one.arguments is None))
        )

    # --- pasts in which the order matters -------------------------------------------------------------------------------

    def _sought(self, obligation: Obligation, look: Look, change: Change, steady: Case | None) -> Iterator[Outcome]:
        reason = ""
        for variant in variants(self.plan.rule.fires, look):
            apart = self._apart(obligation, look, variant)
            turned, still = self._varied(obligation, look, change, apart.cases)
            if turned is not None:
                yield from (case for case in apart.cases if case.id == turned.varied)
                yield turned
                return
            steady = steady or still
            if apart.proofs and change in variant.proves:
                core = tuple(dict.fromkeys(text for one in apart.proofs for text in one.core))
                yield from self._steady(obligation, steady, core, apart.proofs[0].bound)
                return
            reason = reason or apart.reason
        yield Open(obligation=obligation, reason=reason or _NOT_FOUND)

    def _apart(self, obligation: Obligation, look: Look, variant: Variant) -> _Apart:
        """Cases in which the rule and the variant differ, or for each act and side the proof that there is none."""
        key = (look.number, variant.told)
        if key not in self._known:
            self._known[key] = self._sought_apart(obligation, variant)
        return self._known[key]

    def _sought_apart(self, obligation: Obligation, variant: Variant) -> _Apart:
        fires, proofs, reason = self.plan.conditions.fires, list[Infeasible](), ""
        cases: list[Case] = []
        for act in self.search.acts(self.plan.rule)[: self.search.settings.tools_tried]:
            for firing in (True, False):
                wishes = self._differing(fires, variant, act, firing=firing)
                found = self.search.ask(act, wishes)
                if isinstance(found, Sight):
                    firing_, sparing = (found, None) if firing else (None, found)
                    pair = Pair(rule=self.plan.rule.id, obligation=obligation, firing=firing_, sparing=sparing)
                    cases += self.dress(pair, variant.told)
                elif isinstance(found, Impossible):
                    proofs.append(proved(obligation, found, wishes))
                else:
                    reason = reason or found
            if cases or reason:  # no proof any more
                return _Apart(cases=tuple(cases), reason=reason or "the pasts that were found do not turn the verdict")
        return _Apart(proofs=tuple(proofs))

    def _differing(self, fires: ast.Expr, variant: Variant, act: Act, *, firing: bool) -> list[Wish]:
        one, other = (fires, variant.fires) if firing else (variant.fires, fires)
        would = f"the rule would {'not ' if firing else ''}fire {variant.told}"
        wishes = [
            Wish(text="the rule fires" if firing else would, expr=one),
            Wish(text=would if firing else "the rule does not fire", expr=negated(other)),
            *self.search.silence(self.plan.rule, act),
        ]
        return wishes if firing else [*wishes, *self.search.let_through(act)]
