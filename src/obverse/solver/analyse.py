"""`analyse`: is the policy sound? Each analysis is one question to `find`, each finding one sentence with a witness.

    S201 a rule can never fire               no step makes its condition true
    S202 a rule always fires                 no step makes its condition false, though it has one
    S203 a permit is swallowed               no step to which it applies escapes every blocking rule
    S204 a permit meets a blocking rule      a step to which both apply: the rule decides, whatever the levels
    S205 a lower level permits what a higher one blocks
    S206 an exception can never apply        S207 … applies, but never where the rule speaks
    S208 a clause without a rule             said, never silently covered

Laws: L06. What ran out of time or of its bound is in `undecided`, under the code that was asked. Not here: what to do about
it, and how it looks.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Final

import z3

from obverse.core.canon import digest
from obverse.policy import ast
from obverse.policy.checked import Checked, CheckedRule
from obverse.policy.decide import decide
from obverse.policy.decision import Decision
from obverse.policy.print import text_of
from obverse.solver.answers import Act, Answer, Found, Goal, Impossible, Scenario, Undecided
from obverse.solver.find import Finder, WrongWitness
from obverse.solver.findings import MEANINGS, Analysis, Code, Finding, Open, Solver, Witness
from obverse.solver.settings import Settings

_ALWAYS: Final = ast.Boolean(value=True)
_SMALL_LIMIT: Final = 3


def analyse(checked: Checked, *, settings: Settings | None = None) -> Analysis:
    """All findings about this policy, within the bounds of the settings.

    Raises:
        WrongWitness: if a witness, replayed, does not show what it claims (L06).
    """
    return _Analyser(checked, settings or Settings()).analysis()


class _Analyser:
    def __init__(self, checked: Checked, settings: Settings) -> None:
        self.checked = checked
        self.settings = settings
        self.finder = Finder(checked, settings)
        self.acts = {rule.id: acts_of(checked, rule) for rule in checked.rules}
        self.findings: list[Finding] = []
        self.open: list[Open] = []
        self.queries = 0

    def analysis(self) -> Analysis:
        """Everything, in the order of the document."""
        for clause in self.checked.clauses:
            if not clause.rules:
                message = f"clause `{clause.id}` has no rule: nothing checks it"
                self._report("S208", clause.id, message, None, None)
            for rule in (rule for rule in self.checked.rules if rule.clause == clause.id):
                self._rule(rule)
        return Analysis(
            findings=tuple(self.findings),
            undecided=tuple(self.open),
            queries=self.queries,
            solver=Solver(
                name="z3",
                version=z3.get_version_string(),
                options=digest(self.settings),
                bound=f"{self.settings.rounds} rounds of events, lists of up to {self.settings.list_length}",
            ),
        )

    def _rule(self, rule: CheckedRule) -> None:
        if self._never_fires(rule) or self._always_fires(rule):
            return  # what follows would only repeat it
        self._exception(rule)
        if rule.kind == "permit":
            self._permit(rule)

    # --- one rule -------------------------------------------------------------------------------------------------------

    def _never_fires(self, rule: CheckedRule) -> bool:
        """S201."""
        parts = conjuncts(_scaled(rule.fires))
        answers = []
        for act in self.acts[rule.id]:
            answer = self._find(act, parts)
            if isinstance(answer, Found):
                return False
            answers.append(answer)
        if self._left_open("S201", rule, answers):
            return False
        says = "apply" if rule.kind == "permit" else "fire"
        why = _excluding(parts, answers)
        near = self._first(rule, (ast.Not(body=rule.fires),))
        message = f"{_named(rule)} can never {says}: {why}"
        self._report("S201", rule.clause, message, rule, near, absent=(rule,))
        return True

    def _always_fires(self, rule: CheckedRule) -> bool:
        """S202. A rule without a condition means to, and is no finding."""
        if rule.fires == _ALWAYS:
            return False
        answers = []
        for act in self.acts[rule.id]:
            answer = self._find(act, (ast.Not(body=_scaled(rule.fires)),))
            if isinstance(answer, Found):
                return False
            answers.append(answer)
        if not answers or self._left_open("S202", rule, answers):
            return False
        witness = self._first(rule, (rule.fires,))
        message = (
            f"{_named(rule)} {_fires(rule)} on every step that it speaks of: `{_short(rule.fires)}` is never false"
        )
        self._report("S202", rule.clause, message, rule, witness, present=(rule,))
        return True

    def _exception(self, rule: CheckedRule) -> None:
        """S206, S207."""
        if rule.exception is None:
            return
        where = (rule.when,) if rule.when is not None else ()
        acts = self.acts[rule.id]
        answers = [self._find(act, (*where, rule.exception)) for act in acts]
        if any(isinstance(answer, Found) for answer in answers) or not answers:
            return
        alone = [self._find(act, (rule.exception,)) for act in acts] if where else answers
        code: Code = "S207" if any(isinstance(answer, Found) for answer in alone) else "S206"
        if self._left_open(code, rule, answers):
            return
        called = "requirement" if rule.kind == "require" else "exception"
        text = _short(rule.exception)
        witness = self._first(rule, (rule.fires,))
        if code == "S206":
            message = f"the {called} of {_named(rule)} can never be met: `{text}`"
        else:
            message = f"the {called} of {_named(rule)} never matters: where the rule speaks, `{text}` is never true"
        self._report(code, rule.clause, message, rule, witness, present=(rule,))

    # --- permits --------------------------------------------------------------------------------------------------------

    def _permit(self, permit: CheckedRule) -> None:
        """S203; else S204 and S205 for every blocking rule that meets it."""
        acts = [act for act in self.acts[permit.id] if isinstance(self._find(act, (permit.fires,)), Found)]
        blocking = [rule for rule in self.checked.rules if rule.verdict is not None and rule.verdict.blocks]
        swallowers: dict[str, CheckedRule] = {}
        answers = []
        for act in acts:
            rules = [rule for rule in blocking if act in self.acts[rule.id]]
            answer = self._find(act, (permit.fires, *(ast.Not(body=rule.fires) for rule in rules)))
            answers.append(answer)
            if isinstance(answer, Impossible):
                swallowers.update({rules[place - 1].id: rules[place - 1] for place in answer.core if place > 0})
        if answers and all(isinstance(answer, Impossible) for answer in answers):
            self._swallowed(permit, list(swallowers.values()))
            return
        if not any(isinstance(answer, Found) for answer in answers):
            self._left_open("S203", permit, answers)
        for rule in blocking:
            self._meeting(permit, rule)

    def _swallowed(self, permit: CheckedRule, rules: list[CheckedRule]) -> None:
        names = " and ".join(f"{_named(rule)} (level {self._level(rule)})" for rule in rules)
        message = (
            f"{_named(permit)} (level {self._level(permit)}) is never allowed: wherever it applies, {names} blocks, "
            f"and a permit lifts no rule"
        )
        witness = self._first(permit, (permit.fires,))
        self._report("S203", permit.clause, message, permit, witness, present=(permit,), others=tuple(rules))

    def _meeting(self, permit: CheckedRule, rule: CheckedRule) -> None:
        loosens = self._rank(permit) > self._rank(rule)
        code: Code = "S205" if loosens else "S204"
        answers = []
        for act in self.acts[permit.id]:
            if act not in self.acts[rule.id]:
                continue
            answer = self._find(act, (permit.fires, rule.fires))
            if isinstance(answer, Found):
                self._met(code, permit, rule, answer.scenario)
                return
            answers.append(answer)
        self._left_open(code, permit, answers)

    def _met(self, code: Code, permit: CheckedRule, rule: CheckedRule, scenario: Scenario) -> None:
        mine, theirs = self._level(permit), self._level(rule)
        levels = f"both at level {mine}" if mine == theirs else f"level {theirs} against level {mine}"
        if code == "S205":
            message = f"{_named(permit)} permits at a lower level what {_named(rule)} blocks: {levels}, the {rule.kind} decides"
        else:
            message = f"{_named(permit)} and {_named(rule)} meet: where both apply the {rule.kind} decides ({levels})"
        self._report(code, permit.clause, message, permit, scenario, present=(permit, rule), others=(rule,))

    def _level(self, rule: CheckedRule) -> str:
        return self.checked.clause(rule.clause).level

    def _rank(self, rule: CheckedRule) -> int:
        """0 for the highest level."""
        return self.checked.levels.index(self._level(rule))

    # --- asking and reporting -------------------------------------------------------------------------------------------

    def _find(self, act: Act, wishes: tuple[ast.Expr, ...]) -> Answer:
        self.queries += 1
        return self.finder.find(Goal(head=act, wishes=wishes))

    def _first(self, rule: CheckedRule, wishes: tuple[ast.Expr, ...]) -> Scenario | None:
        """A scenario of any step that the rule speaks of, if one is found."""
        for act in self.acts[rule.id]:
            answer = self._find(act, wishes)
            if isinstance(answer, Found):
                return answer.scenario
        return None

    def _left_open(self, code: Code, rule: CheckedRule, answers: Sequence[Answer]) -> bool:
        """Whether one of the answers is no answer; noted then."""
        reasons = dict.fromkeys(answer.reason for answer in answers if isinstance(answer, Undecided))
        if reasons:
            self.open.append(Open(code=code, clause=rule.clause, reason="; ".join(reasons), rule=rule.id))
        return bool(reasons)

    def _report(
        self,
        code: Code,
        clause: str,
        message: str,
        rule: CheckedRule | None,
        scenario: Scenario | None,
        *,
        present: tuple[CheckedRule, ...] = (),
        absent: tuple[CheckedRule, ...] = (),
        others: tuple[CheckedRule, ...] = (),
    ) -> None:
        """Note a finding, once its witness was replayed: `present` rules must apply there, `absent` ones must not (L06)."""
        witness = None
        if scenario is not None:
            decision = decide(self.checked, scenario.history, scenario.step)
            _confirm(code, decision, present, absent)
            witness = Witness(
                history=scenario.history, step=scenario.step, verdict=decision.verdict, clauses=decision.clauses
            )
        self.findings.append(
            Finding(
                code=code,
                clause=clause,
                severity=MEANINGS[code][0],
                message=message,
                witness=witness,
                rule=rule.id if rule else None,
                others=tuple(other.id for other in others),
            )
        )


def acts_of(checked: Checked, rule: CheckedRule) -> tuple[Act, ...]:
    """The shapes of the steps that a rule speaks of, over the tools that the policy knows."""
    return tuple(dict.fromkeys(act for head in rule.heads for act in _acts(checked, head)))


def _acts(checked: Checked, head: ast.Head) -> Iterator[Act]:
    if head.kind == "reply":
        yield Act(kind="reply")
        return
    for name in checked.tools:
        if checked.matches(head, "call", name):
            yield Act(kind="call", tool=name)


def conjuncts(expr: ast.Expr) -> tuple[ast.Expr, ...]:
    """The parts that must all be true, so that a contradiction can be named by parts."""
    if isinstance(expr, ast.And):
        return tuple(part for item in expr.items for part in conjuncts(item))
    if isinstance(expr, ast.Not) and isinstance(expr.body, ast.Or):
        return tuple(part for item in expr.body.items for part in conjuncts(ast.Not(body=item)))
    if isinstance(expr, ast.Not) and isinstance(expr.body, ast.Not):
        return conjuncts(expr.body.body)
    return (expr,)


def _scaled(fires: ast.Expr) -> ast.Expr:
    """A smaller limit in place of a large one, for whether it can be exceeded, and need not be, at all.

    What exceeds the small one exceeds the large one once its calls are repeated at the same instants; what keeps within the
    small one keeps within the large one. UNSOUND IF a limit ever depends on anything but the number of its calls.
    """
    if isinstance(fires, ast.Exceeds) and fires.amount is None and fires.to.value > _SMALL_LIMIT:
        return ast.Exceeds(
            heads=fires.heads, to=ast.Number(value=_SMALL_LIMIT), per=fires.per, by=fires.by, at=fires.at
        )
    return fires


def _confirm(code: Code, decision: Decision, present: tuple[CheckedRule, ...], absent: tuple[CheckedRule, ...]) -> None:
    applied = {reason.rule for reason in (*decision.reasons, *decision.permits)}
    missing = [rule.id for rule in present if rule.id not in applied]
    wrong = [rule.id for rule in absent if rule.id in applied]
    if missing or wrong or (code in ("S203", "S204", "S205") and not decision.verdict.blocks):
        raise WrongWitness(f"{code}: the witness shows something else: {missing} {wrong} {decision}")


def _excluding(parts: Sequence[ast.Expr], answers: Sequence[Answer]) -> str:
    """Which parts exclude each other, in the author's words."""
    core = next((answer.core for answer in answers if isinstance(answer, Impossible)), ())
    texts = [f"`{_short(parts[place])}`" for place in core]
    if not texts:
        return "the policy has no step that it speaks of"
    if len(texts) == 1:
        return f"{texts[0]} is never true"
    return f"{', '.join(texts[:-1])} and {texts[-1]} are never true together"


def _named(rule: CheckedRule) -> str:
    return f"`{rule.kind}` in `{rule.clause}`"


def _fires(rule: CheckedRule) -> str:
    return "applies" if rule.kind == "permit" else "fires"


def _short(expr: ast.Expr) -> str:
    text = " ".join(text_of(expr).split())
    return text if len(text) <= 120 else f"{text[:117]}…"
