"""Finds the pairs of scenarios that meet the obligations of one rule, or proves that there are none.

For an obligation, a violating scenario is sought first, then a partner near it that is allowed, every other condition of the
rule unchanged and no other rule firing in either: so the flip is one of the whole decision, not hidden by another rule.
1. A violating scenario that was found before is used again where it serves: N conditions then take N + 1 cases.
2. Where a context has no partner, the solver's core says which of its conditions forbid one; no context with these is tried
   again. When no context is left, a unique-cause pair is impossible, and proved to be.
3. Only then a pair may differ in more (masking), and it is marked.
4. What ran out of time or effort stays open.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Literal, Protocol, TypeAlias

import msgspec

from obverse.cases.aims import Aim, Plan, Way, negated
from obverse.cases.meeting import acts_of
from obverse.cases.obligations import simple_obligations
from obverse.cases.records import Infeasible, Level, Obligation, Open
from obverse.cases.settings import Settings
from obverse.cases.sight import Sight, aim_is_met, only_differ_in
from obverse.core.verdicts import Truth
from obverse.policy import ast
from obverse.policy.checked import Checked, CheckedRule
from obverse.solver.answers import Act, Answer, Found, Goal, Impossible, Scenario


class Finds(Protocol):
    """Whoever can find a scenario; in the product that is `solver.find.Finder`."""

    def find(self, goal: Goal, *, near: Scenario | None = None) -> Answer:
        """A scenario in which every wish is true, as like `near` as may be."""


class Pair(msgspec.Struct, frozen=True, kw_only=True):
    """What was found for one obligation: where the rule fires, the partner where it does not, and what was flipped."""

    rule: str
    obligation: Obligation
    firing: Sight | None
    sparing: Sight | None = None
    flipped: str = ""
    cause: Literal["unique", "masking", "none"] = "none"
    kept: tuple[ast.Expr, ...] = ()
    """What else must stay true of the first when it is put into words."""


Outcome: TypeAlias = Pair | Infeasible | Open


class Wish(msgspec.Struct, frozen=True, kw_only=True):
    """Something that must be true, in words for a core.

    `literal` marks a condition that keeps its value, `silence` that another rule does not fire.
    """

    text: str
    expr: ast.Expr
    literal: bool = False
    silence: bool = False


class Search:
    """The search for one policy; `outcomes` of one rule after the other."""

    def __init__(self, checked: Checked, new_finder: Callable[[], Finds], settings: Settings) -> None:
        self.checked = checked
        self.new_finder = new_finder
        self.finder = new_finder()
        self.settings = settings

    def outcomes(self, plan: Plan) -> Iterator[Outcome]:
        """All that was found and proved for a rule, in the order of its obligations."""
        hunt = _Hunt(self, plan)
        yield from hunt.pairs_for_aims()
        yield from hunt.what_is_left()

    def acts(self, rule: CheckedRule) -> list[Act]:
        """The decision points that the rule speaks of, in the order of the policy; tools with phrases come first."""
        return list(acts_of(rule, self.checked))

    def silence(self, rule: CheckedRule, act: Act, *others: CheckedRule) -> tuple[Wish, ...]:
        """That no rule but these speaks up on this act."""
        speaking = {rule.id, *(other.id for other in others)}
        return tuple(
            Wish(text=f"`{other.id}` does not fire", expr=negated(other.fires), silence=True)
            for other in self.checked.rules
            if other.id not in speaking and other.verdict is not None
            and any(self.checked.matches(head, act.kind, act.tool) for head in other.heads)
        )  # fmt: skip

    def let_through(self, act: Act) -> tuple[Wish, ...]:
        """What must be so that nothing else denies this act: where replies are denied by default, a `permit` for it."""
        if act.kind != "reply" or self.checked.default.replies != "deny":
            return ()
        permits = tuple(
            rule.fires
            for rule in self.checked.rules
            if rule.kind == "permit" and any(self.checked.matches(head, "reply", None) for head in rule.heads)
        )
        wanted = ast.Or(items=permits) if len(permits) > 1 else permits[0] if permits else ast.Boolean(value=False)
        return (Wish(text="a permit applies, since replies are denied by default", expr=wanted),)

    def ask(self, act: Act, wishes: Sequence[Wish], near: Sight | None = None) -> Sight | Impossible | str:
        """A scenario, a proof that there is none, or the reason why neither is known.

        Where the solver does not know, it is often for a text that other rules test as well. Then it is asked without those
        rules, and what it finds is taken if they happen to be silent: `truth` says whether they are. Before that, a finder
        that has not seen any other goal is asked: texts of earlier goals can be in the way.
        """
        found = self._ask(act, wishes, near)
        if isinstance(found, str):
            self.finder = self.new_finder()
            found = self._ask(act, wishes, near)
        easier = [wish for wish in wishes if not (wish.silence and _tests_text(wish.expr))]
        if isinstance(found, str) and len(easier) < len(wishes):
            guess = self._ask(act, easier, near)
            if isinstance(guess, Sight) and guess.all([wish.expr for wish in wishes]):
                return guess
        return found

    def ever_louder(
        self, act: Act, wishes: Sequence[Wish], silence: Sequence[Wish]
    ) -> Iterator[tuple[Sight | Impossible | str, list[Wish]]]:
        """What is found when all others are silent, then when those speak that must."""
        silent = list(silence)
        while True:
            asked = [*wishes, *silent]
            found = self.ask(act, asked)
            yield found, asked
            loud = {asked[place].text for place in found.core} if isinstance(found, Impossible) else set()
            fewer = [wish for wish in silent if wish.text not in loud]
            if len(fewer) == len(silent):
                return
            silent = fewer

    def _ask(self, act: Act, wishes: Sequence[Wish], near: Sight | None) -> Sight | Impossible | str:
        scenario = None if near is None else Scenario(history=near.history, step=near.step)
        match self.finder.find(Goal(head=act, wishes=tuple(wish.expr for wish in wishes)), near=scenario):
            case Found() as found:
                return Sight(self.checked, found.scenario.history, found.scenario.step)
            case Impossible() as proof:
                return proof
            case undecided:
                return undecided.reason


class _Hunt:
    """The search for one rule, with what it has found so far."""

    def __init__(self, search: Search, plan: Plan) -> None:
        self.search = search
        self.plan = plan
        self.rule = plan.rule
        self.pairs: list[Pair] = []
        self.failed: list[Infeasible | Open] = []

    # --- pairs ---------------------------------------------------------------------------------------------------------

    def pairs_for_aims(self) -> Iterator[Outcome]:
        for aim in self.plan.aims:
            if self._is_met(aim):
                continue
            for outcome in self._best([self._on(aim, act) for act in self._acts()], aim.obligation):
                if isinstance(outcome, Pair):
                    self.pairs.append(outcome)
                else:
                    self.failed.append(outcome)
                yield outcome

    def _is_met(self, aim: Aim) -> bool:
        return any(
            pair.firing is not None
            and aim_is_met(aim, self.plan.conditions, pair.firing, pair.sparing, self.rule, unique=True)
            for pair in self.pairs
        )

    def _acts(self) -> list[Act]:
        return self.search.acts(self.rule)[: self.search.settings.tools_tried]

    def _best(self, tries: Sequence[Iterator[Outcome]], obligation: Obligation) -> list[Outcome]:
        """What the first act gave that gave a pair; else what stands against all of them."""
        refused: list[Outcome] = []
        for found in tries:
            outcomes = list(found)
            if any(isinstance(outcome, Pair) for outcome in outcomes):
                return outcomes
            refused += outcomes
        many = len(self.search.acts(self.rule)) > self.search.settings.tools_tried
        undecided: list[Outcome] = [outcome for outcome in refused if isinstance(outcome, Open)]
        if not refused or many:
            return [Open(obligation=obligation, reason="more tools than were tried" if many else "no tool is meant")]
        return undecided[:1] or refused[:1]

    def _on(self, aim: Aim, act: Act) -> Iterator[Outcome]:
        """The outcome for one act, in the first way that succeeds."""
        refused: list[Outcome] = []
        for way in aim.ways:
            outcomes = list(self._pair(aim, way, act))
            if any(isinstance(outcome, Pair) for outcome in outcomes):
                yield from outcomes
                return
            refused += outcomes
        yield from ([outcome for outcome in refused if isinstance(outcome, Open)] or refused)[:1]

    def _pair(self, aim: Aim, way: Way, act: Act) -> Iterator[Outcome]:
        silence = self.search.silence(self.rule, act)
        firing_wishes = [Wish(text="the rule fires", expr=way.fires[0])]
        firing_wishes += [Wish(text=f"`{aim.obligation.condition}` decides", expr=expr) for expr in way.fires[1:]]
        contexts: list[Wish] = []
        first: Sight | None = None
        for _ in range(self.search.settings.attempts):
            wishes = [*firing_wishes, *contexts, *silence]
            firing = self._known(act, wishes) or self.search.ask(act, wishes)
            if isinstance(firing, str):
                yield Open(obligation=aim.obligation, reason=firing)
                return
            if isinstance(firing, Impossible):
                if first is None:
                    yield proved(aim.obligation, firing, wishes)
                else:  # (2) no context is left
                    yield from self._masking(aim, way, act, first, proved(aim.obligation, firing, wishes, "unique"))
                return
            first = first or firing
            if way.spares is None:
                yield self._paired(aim, way, firing, None, "none")
                return
            outcome = self._partner(aim, way, act, firing)
            if isinstance(outcome, Wish):
                contexts.append(outcome)
                continue
            yield outcome
            return
        reason = f"no unique-cause pair in {self.search.settings.attempts} contexts, nor a proof that there is none"
        if first is not None:
            yield from self._masking(aim, way, act, first, Open(obligation=aim.obligation, reason=reason))

    def _known(self, act: Act, wishes: Sequence[Wish]) -> Sight | None:
        """(1) A scenario found before that has all of these."""
        exprs = [wish.expr for wish in wishes]
        for pair in self.pairs:
            if pair.firing is not None and _is_at(act, pair.firing) and pair.firing.all(exprs):
                return pair.firing
        return None

    def _partner(self, aim: Aim, way: Way, act: Act, firing: Sight) -> Outcome | Wish:
        """The pair, or why there is none; a wish says what another context must have."""
        wishes = [*self._spared(aim, way, act), *self._unchanged(way, firing)]
        sparing = self.search.ask(act, wishes, near=firing)
        if isinstance(sparing, str):
            return Open(obligation=aim.obligation, reason=sparing)
        if isinstance(sparing, Impossible):
            guilty = [wishes[place].expr for place in sparing.core if wishes[place].literal]
            if not guilty:
                return proved(aim.obligation, sparing, wishes)
            return self._elsewhere(self._coupled(way, act, firing) or guilty)
        if not only_differ_in(self.plan.conditions, firing, sparing, way.outer):
            values = zip(self.plan.conditions.outer, firing.values(self.plan.conditions), strict=True)
            unknown = [atom.expr for atom, value in values if value is Truth.UNKNOWN and atom.number != way.outer]
            known = tuple(ast.Or(items=(expr, negated(expr))) for expr in unknown)
            return Wish(text="all else is known", expr=known[0] if len(known) == 1 else ast.And(items=known))
        return self._paired(aim, way, firing, sparing, "unique")

    def _coupled(self, way: Way, act: Act, firing: Sight) -> list[ast.Expr]:
        """Values of other conditions that alone forbid this one to change: whatever the rule, their context is hopeless."""
        flipped = self.plan.conditions.outer[way.outer].expr
        turned = negated(flipped) if firing.truth(flipped) is Truth.TRUE else flipped
        wishes = [Wish(text="it changes", expr=turned), *self._unchanged(way, firing)]
        found = self.search.ask(act, wishes)
        return (
            [wishes[place].expr for place in found.core if wishes[place].literal]
            if isinstance(found, Impossible)
            else []
        )

    def _elsewhere(self, guilty: Sequence[ast.Expr]) -> Wish:
        turned = tuple(negated(expr) for expr in guilty)
        return Wish(text="another context", expr=turned[0] if len(turned) == 1 else ast.Or(items=turned))

    def _masking(self, aim: Aim, way: Way, act: Act, firing: Sight, proof: Infeasible | Open) -> Iterator[Outcome]:
        """(3) A partner that differs in more than one condition, beside the proof that it must (or that none was found)."""
        wishes = list(self._spared(aim, way, act))
        sparing = self.search.ask(act, wishes, near=firing)
        if isinstance(sparing, str):
            yield Open(obligation=aim.obligation, reason=sparing)
        elif isinstance(sparing, Impossible):
            yield proved(aim.obligation, sparing, wishes)
        else:
            yield proof
            yield self._paired(aim, way, firing, sparing, "masking")

    def _spared(self, aim: Aim, way: Way, act: Act) -> Iterator[Wish]:
        first, *others = way.spares or (negated(self.plan.conditions.fires),)
        yield Wish(text="the rule does not fire", expr=first)
        yield from (Wish(text=f"`{aim.obligation.condition}` decides", expr=expr) for expr in others)
        yield from self.search.silence(self.rule, act)
        yield from self.search.let_through(act)

    def _unchanged(self, way: Way, firing: Sight) -> Iterator[Wish]:
        for atom in self.plan.conditions.outer:
            value = firing.truth(atom.expr)
            if atom.number != way.outer and value is not Truth.UNKNOWN:
                expr = atom.expr if value is Truth.TRUE else negated(atom.expr)
                yield Wish(text=f"`{atom.text}` stays {value}", expr=expr, literal=True)

    def _paired(
        self, aim: Aim, way: Way, firing: Sight, sparing: Sight | None, cause: Literal["unique", "masking", "none"]
    ) -> Pair | Open:
        """The pair, once `decide` agrees with what it was found for (L06, L07)."""
        if not aim_is_met(aim, self.plan.conditions, firing, sparing, self.rule, unique=cause == "unique"):
            return Open(obligation=aim.obligation, reason=f"`decide` says otherwise of it: {_told(firing, sparing)}")
        return Pair(
            rule=self.rule.id, obligation=aim.obligation, firing=firing, sparing=sparing, cause=cause,
            flipped=self.plan.conditions.outer[way.outer].text,
        )  # fmt: skip

    # --- what needs no pair --------------------------------------------------------------------------------------------

    def what_is_left(self) -> Iterator[Outcome]:
        """The rule itself, each condition both ways, and whether there is a twin, where the pairs do not show it yet."""
        for obligation in simple_obligations(self.plan):
            match obligation.level:
                case Level.RULE:
                    yield from self._rule(obligation)
                case Level.CONDITION:
                    yield from self._condition(obligation)
                case _:
                    yield from self._twin(obligation)

    def _rule(self, obligation: Obligation) -> Iterator[Outcome]:
        if any(pair.firing is not None for pair in self.pairs):
            return
        fires = Wish(text="the rule fires", expr=self.plan.conditions.fires)
        yield from self._single(obligation, [(fires,)], [True])

    def _condition(self, obligation: Obligation) -> Iterator[Outcome]:
        atom = next(atom for atom in self.plan.conditions.outer if atom.number == obligation.number)
        wanted = Truth(obligation.value)
        sights = [sight for pair in self.pairs for sight in (pair.firing, pair.sparing) if sight is not None]
        if any(sight.truth(atom.expr) is wanted for sight in sights):
            return
        is_so = Wish(text=f"`{atom.text}` is {wanted}", expr=atom.expr if wanted is Truth.TRUE else negated(atom.expr))
        fires = self.plan.conditions.fires
        choices = [
            (is_so, Wish(text="the rule does not fire", expr=negated(fires))), (is_so, Wish(text="the rule fires", expr=fires))
        ]  # fmt: skip
        yield from self._single(obligation, choices, [False, True])

    def _single(
        self, obligation: Obligation, choices: Sequence[Sequence[Wish]], firing: Sequence[bool]
    ) -> Iterator[Outcome]:
        """One scenario that has the wishes of one choice: with all other rules silent as far as that can be."""
        proof: Infeasible | None = None
        reason: str | None = None
        for act in self._acts():
            silence = self.search.silence(self.rule, act)
            for wishes, fires in zip(choices, firing, strict=True):
                fixed, free = (wishes, silence) if fires else ([*wishes, *silence, *self.search.let_through(act)], ())
                for found, all_wishes in self.search.ever_louder(act, fixed, free):
                    if isinstance(found, Sight):
                        pair = Pair(
                            rule=self.rule.id, obligation=obligation,
                            firing=found if fires else None, sparing=None if fires else found,
                        )  # fmt: skip
                        self.pairs.append(pair)
                        yield pair
                        return
                    if isinstance(found, str):
                        reason = reason or found
                    else:
                        proof = proof or proved(obligation, found, all_wishes)
        if reason is not None or proof is None:
            yield Open(obligation=obligation, reason=reason or "no tool is meant")
        else:
            yield proof

    def _twin(self, obligation: Obligation) -> Iterator[Outcome]:
        if any(pair.cause == "unique" for pair in self.pairs):
            return
        if self.plan.unconditional:
            yield Infeasible(obligation=obligation, core=("the rule has no condition that could be otherwise",))
            return
        undecided = [failure for failure in self.failed if isinstance(failure, Open)]
        if undecided:
            yield Open(obligation=obligation, reason=undecided[0].reason)
            return
        core = tuple(
            dict.fromkeys(text for failure in self.failed if isinstance(failure, Infeasible) for text in failure.core)
        )
        yield Infeasible(obligation=obligation, core=core)


def proved(
    obligation: Obligation, proof: Impossible, wishes: Sequence[Wish], cause: Literal["any", "unique"] = "any"
) -> Infeasible:
    """The obligation as infeasible: its core is what the proof needs of these wishes, in words."""
    core = tuple(dict.fromkeys(wishes[place].text for place in proof.core))
    bound = "" if proof.unbounded else proof.origin.bound
    return Infeasible(obligation=obligation, core=core, cause=cause, bound=bound)


def _told(firing: Sight, sparing: Sight | None) -> str:
    return firing.decision.verdict + ("" if sparing is None else f" and {sparing.decision.verdict}")


def _tests_text(expr: ast.Expr) -> bool:
    return any(isinstance(node, ast.TextTest | ast.Length) for node in ast.walk(expr))


def _is_at(act: Act, sight: Sight) -> bool:
    return getattr(sight.step.event, "tool", None) == act.tool
