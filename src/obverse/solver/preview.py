"""`preview`: what would a grant newly allow? Before anybody signs it, by the solver, each with a scenario, or a proof of nothing.

The policy is compared with itself as the grant would make it: at every act that the scopes speak of, a rule that may be lifted gets
the exception `scope`, and is gone where the scope has no condition. That says the same as `policy.relax`, since a rule with `and
not scope` keeps firing wherever the scope is false or not known; every witness is replayed through `decide` and `relax` all the same
(L06, L12). Rules of other clauses are untouched, so nothing can change but by the clauses that the grant names.

What *stays blocked* is asked for as well: where the scope is true and a rule that is lifted may fire, does another clause still block?
Not here: whether the grant counts (`guard.grants`), and what several grants allow together, or what becomes possible later because of a
call that a grant let happen (analysis S215 asks that of inviolable clauses).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Final

import msgspec

from obverse.core.events import Call, Reply
from obverse.core.verdicts import Truth, Verdict
from obverse.policy import ast
from obverse.policy.checked import Checked, CheckedRule
from obverse.policy.decide import decide
from obverse.policy.grants import LIFTABLE, Grant, InForce, Scope, may_lift, read_scope
from obverse.policy.operations import head_truth, some
from obverse.policy.relax import relax
from obverse.solver.answers import Act, Found, Goal, Scenario
from obverse.solver.changes import Change, RuleOf, Unsettled
from obverse.solver.compare import compare
from obverse.solver.find import Finder, WrongWitness
from obverse.solver.findings import Solver
from obverse.solver.settings import Settings

MOST_ASKED: Final = 60
"""Questions about what stays blocked: enough to tell, and no list of all."""


class Stays(msgspec.Struct, frozen=True, kw_only=True):
    """Within the scope, this clause still gives the verdict, as in the scenario."""

    clause: str
    rule: str
    act: Act
    verdict: Verdict
    inviolable: bool
    scenario: Scenario


class Preview(msgspec.Struct, frozen=True, kw_only=True):
    """What a grant would newly allow, each shown; what stays blocked within its scope; and how far it was looked.

    `clauses` are those of the grant that may be lifted, `kept` those that may not (inviolable, or of a higher level).
    """

    policy: str
    clauses: tuple[str, ...]
    kept: tuple[str, ...]
    acts: tuple[Act, ...]
    changes: tuple[Change, ...]
    stays: tuple[Stays, ...]
    undecided: tuple[Unsettled, ...]
    bound: str
    unbounded: bool
    queries: int
    solver: Solver | None

    @property
    def nothing(self) -> Truth:
        """TRUE only if it is proved that the grant allows nothing new; FALSE if something was shown."""
        if self.changes:
            return Truth.FALSE
        return Truth.UNKNOWN if self.undecided else Truth.TRUE


def preview(
    checked: Checked,
    grant: Grant,
    *,
    above: Sequence[Grant] = (),
    levels: Sequence[str] = (),
    settings: Settings | None = None,
    finder: Finder | None = None,
) -> Preview:
    """What this grant would newly allow; `above` are those that it is derived from, `levels` those of the root's signer.

    Raises:
        ManyErrors: a scope has faults.
        WrongWitness: a witness, replayed, does not show what it claims (L06).
    """
    clauses = frozenset(grant.clauses) & may_lift(checked, levels)
    scopes = tuple(read_scope(checked, one.scope) for one in (grant, *above))
    return previewed(
        checked, InForce(id="preview", clauses=clauses, scopes=scopes),
        kept=tuple(name for name in grant.clauses if name not in clauses), settings=settings, finder=finder,
    )  # fmt: skip


def previewed(
    checked: Checked,
    grant: InForce,
    *,
    kept: Sequence[str] = (),
    settings: Settings | None = None,
    finder: Finder | None = None,
) -> Preview:
    """The same of clauses and scopes that are read already."""
    settings = settings or (finder.settings if finder else Settings())
    finder = finder or Finder(checked, settings)
    acts = tuple(act for act in acts_of(checked) if _within(checked, grant, act) and _lifted(checked, grant, act))
    compared = [
        compare(checked, as_granted(checked, grant, act), settings=settings, finder=finder, acts=[act]) for act in acts
    ]
    changes = [_replayed(checked, grant, change) for one in compared for change in one.changes]
    asked = sum(_further(checked, grant, act, changes, finder) for act in acts)
    stays, more = _stays(checked, grant, acts, finder)
    return Preview(
        policy=checked.digest,
        clauses=tuple(clause.id for clause in checked.clauses if clause.id in grant.clauses),
        kept=tuple(kept),
        acts=acts,
        changes=tuple(changes),
        stays=stays,
        undecided=tuple(unsettled for one in compared for unsettled in one.undecided),
        bound=next((one.bound for one in compared if not one.unbounded), "unbounded"),
        unbounded=all(one.unbounded for one in compared),
        queries=sum(one.queries for one in compared) + asked + more,
        solver=compared[0].solver if compared else None,
    )


def acts_of(checked: Checked) -> Iterator[Act]:
    """Every shape of a step: a reply, each declared tool, and a tool that nobody declared."""
    yield Act(kind="reply")
    for name in checked.tools:
        yield Act(kind="call", tool=name)
    other = "another_tool"
    while other in checked.tools:
        other += "_"
    yield Act(kind="call", tool=other)


def as_granted(checked: Checked, grant: InForce, act: Act) -> Checked:
    """The policy as it is for the holder at this act: what may be lifted there has the exception of the scopes."""
    lifted = {rule.id for rule in _lifted(checked, grant, act)}
    where = _where(grant.scopes)
    rules: list[CheckedRule] = []
    for rule in checked.rules:
        if rule.id not in lifted:
            rules.append(rule)
        elif where is not None:
            rules.append(_except(rule, where))
    return msgspec.structs.replace(checked, rules=tuple(rules), digest=f"{checked.digest} with {grant.id}")


# --- what is lifted, and where ------------------------------------------------------------------------------------------


def _within(checked: Checked, grant: InForce, act: Act) -> bool:
    """Whether every scope speaks of the act for certain."""
    event = _event(act)
    return all(some(head_truth(checked, head, event) for head in scope.heads) is Truth.TRUE for scope in grant.scopes)


def _lifted(checked: Checked, grant: InForce, act: Act) -> list[CheckedRule]:
    """The rules that the grant lifts at this act, where its scopes are true."""
    return [
        rule
        for rule in checked.rules
        if rule.clause in grant.clauses
        and rule.kind in LIFTABLE
        and not checked.clause(rule.clause).inviolable
        and _speaks(checked, rule, act)
    ]


def _speaks(checked: Checked, rule: CheckedRule, act: Act) -> bool:
    event = _event(act)
    return any(head_truth(checked, head, event) is not Truth.FALSE for head in rule.heads)


def _event(act: Act) -> Call | Reply:
    if act.kind == "reply":
        return Reply(id="step", text="")
    return Call(id="step", call_id="", tool=act.tool or "", arguments="{}")


def _where(scopes: Sequence[Scope]) -> ast.Expr | None:
    """The condition of all scopes together; None where they have none."""
    items: list[ast.Expr] = []
    for scope in scopes:
        if scope.when != ast.Boolean(value=True):
            items += scope.when.items if isinstance(scope.when, ast.And) else (scope.when,)
    if not items:
        return None
    return items[0] if len(items) == 1 else ast.And(items=tuple(items))


def _except(rule: CheckedRule, where: ast.Expr) -> CheckedRule:
    """The rule with this exception."""
    exception: ast.Expr = ast.Not(body=where)
    if rule.fires == ast.Boolean(value=True):
        return msgspec.structs.replace(rule, fires=exception)
    fires = rule.fires.items if isinstance(rule.fires, ast.And) else (rule.fires,)
    return msgspec.structs.replace(rule, fires=ast.And(items=(*fires, exception)))


def _replayed(checked: Checked, grant: InForce, change: Change) -> Change:
    """The change, once `decide` and `relax` were seen to make it (L06)."""
    history, step = change.scenario.history, change.scenario.step
    decision = decide(checked, history, step)
    relaxed = relax(checked, decision, [grant], history, step)
    if decision.verdict is not change.old or relaxed.decision.verdict is not change.new or not relaxed.grants:
        raise WrongWitness(f"a preview of {change.new.value} is {relaxed.decision.verdict.value} by `relax`")
    return change


def _further(checked: Checked, grant: InForce, act: Act, changes: list[Change], finder: Finder) -> int:
    """Adds, for each rule that is lifted, what it alone blocks: a milder verdict than one that was shown. How many were asked."""
    where, asked = _where(grant.scopes), 0
    blocking = [rule for rule in checked.rules if _blocks(rule) and _speaks(checked, rule, act)]
    for rule in _lifted(checked, grant, act):
        shown = any(change.act == act and change.old is rule.verdict for change in changes)
        if shown or len(blocking) > MOST_ASKED:
            continue
        others = (ast.Not(body=other.fires) for other in blocking if other is not rule)
        answer = finder.find(Goal(head=act, wishes=(*(() if where is None else (where,)), rule.fires, *others)))
        asked += 1
        if isinstance(answer, Found):
            changes += _shown(checked, grant, act, rule, answer.scenario)
    return asked


def _shown(checked: Checked, grant: InForce, act: Act, rule: CheckedRule, scenario: Scenario) -> list[Change]:
    """The change that this scenario shows, if it shows one."""
    decision = decide(checked, scenario.history, scenario.step)
    relaxed = relax(checked, decision, [grant], scenario.history, scenario.step)
    if relaxed.decision.verdict is decision.verdict:
        return []
    rules = (RuleOf(of="old", rule=rule.id, clause=rule.clause),)
    return [Change(act=act, old=decision.verdict, new=relaxed.decision.verdict, scenario=scenario, rules=rules)]


def _blocks(rule: CheckedRule) -> bool:
    return rule.verdict is not None and rule.verdict.blocks


# --- what stays blocked -------------------------------------------------------------------------------------------------


def _stays(checked: Checked, grant: InForce, acts: Sequence[Act], finder: Finder) -> tuple[tuple[Stays, ...], int]:
    """For each clause that blocks at one of these acts and is not lifted: a scenario where it still does."""
    found: dict[str, Stays] = {}
    asked = 0
    for act in acts:
        lifted = {rule.id for rule in _lifted(checked, grant, act)}
        wanted = [rule.fires for rule in checked.rules if rule.id in lifted]
        for rule in checked.rules:
            blocks = _blocks(rule) and rule.id not in lifted
            if not blocks or rule.clause in found or not _speaks(checked, rule, act) or asked >= MOST_ASKED:
                continue
            asked += 1
            stay = _stay(checked, grant, act, rule, wanted, finder)
            if stay is not None:
                found[rule.clause] = stay
    return tuple(found.values()), asked


def _stay(
    checked: Checked, grant: InForce, act: Act, rule: CheckedRule, wanted: Sequence[ast.Expr], finder: Finder
) -> Stays | None:
    """Where the grant is used and this rule still blocks; None if that was not found: it is shown, not proved."""
    where = _where(grant.scopes)
    either = wanted[0] if len(wanted) == 1 else ast.Or(items=tuple(wanted))
    wishes = (*(() if where is None else (where,)), rule.fires, either)
    answer = finder.find(Goal(head=act, wishes=wishes))
    if not isinstance(answer, Found):
        return None
    history, step = answer.scenario.history, answer.scenario.step
    relaxed = relax(checked, decide(checked, history, step), [grant], history, step)
    mine = next((reason for reason in relaxed.decision.reasons if reason.rule == rule.id), None)
    if mine is None or not relaxed.grants:
        return None
    return Stays(
        clause=rule.clause,
        rule=rule.id,
        act=act,
        verdict=relaxed.decision.verdict,
        inviolable=checked.clause(rule.clause).inviolable,
        scenario=answer.scenario,
    )
