"""Each inviolable rule: does it stand under every grant?

    S215 a grant gets past an inviolable rule: it lifts what guards the act that the rule rests on

A grant lifts clauses that are not inviolable, never the rule itself. But the rule may let a step through because of an earlier
call, and that call may be guarded only by a rule that a grant lifts. Asked for: a past and a step at which the rule lets
through, though it would not if it counted only calls that the relaxable rule had let through; where that rule still holds, so
that the agent could not have made the call by other arguments, by acts of its own, or later. Replayed event by event: each
call that the whole policy denies is denied by relaxable clauses alone, and the step is blocked by no inviolable one.

As a note: an inviolable rule from which the agent frees itself, by calls, replies or thoughts that nobody answers.

What a lower level adds is not what a higher one rests on, and no guard here.

Not covered: guards that are limits; what an approval lets through once; grants that lift a rule which would have ended the
session; and whoever writes a fact or a result that the rule trusts.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import partial
from typing import Final

import msgspec

from obverse.core.events import AnyEvent, Call, Reply, Step
from obverse.policy import ast
from obverse.policy.checked import Checked, CheckedRule
from obverse.policy.decide import decide
from obverse.solver.analyses.rules import conjuncts
from obverse.solver.answers import Act, Found, Impossible, Scenario
from obverse.solver.findings import Finding, Open
from obverse.solver.grounds import rests_on
from obverse.solver.questions import Desk, Outcome, Question, acts_of
from obverse.solver.rewriting import all_of, negated, rewritten
from obverse.solver.sentences import named, short
from obverse.solver.shifting import at_event, at_step, unavoidable

_EXECUTED: Final = ("call", "result")
_LOOKS: Final = (ast.Once, ast.Last, ast.CountEvents, ast.SumEvents, ast.Since)


def questions(checked: Checked) -> Iterator[Question]:
    """One for every inviolable rule that blocks and looks back at executed calls or at what the agent said."""
    firm = frozenset(clause.id for clause in checked.clauses if clause.inviolable)
    for rule in checked.rules:
        if rule.clause not in firm or rule.verdict is None or not rule.verdict.blocks or rule.kind == "limit":
            continue
        if not any(isinstance(node, ast.Pattern) for node in ast.walk(rule.fires)):
            continue
        tools = {node.tool for node in ast.walk(rule.fires) if isinstance(node, ast.Pattern) and node.tool}
        acts = {*acts_of(checked, rule), *(Act(kind="call", tool=tool) for tool in tools)}
        near = [one for one in checked.rules if one is not rule and acts & {*acts_of(checked, one)}]
        yield Question(
            code="S215",
            clause=rule.clause,
            rule=rule.id,
            rests_on=rests_on(checked, [rule, *near], also=["S215"]),
            answer=partial(_rule, rule, near, firm),
        )


def _rule(rule: CheckedRule, near: Sequence[CheckedRule], firm: frozenset[str], desk: Desk) -> Outcome:
    found: list[Finding | Open] = []
    for tool in sorted({pattern.tool or "" for pattern in _relied_on(rule)}):
        for guard in near:
            guards = _blocks(guard) and guard.clause not in firm and desk.rank(guard) <= desk.rank(rule)
            if guards and Act(kind="call", tool=tool) in desk.acts(guard):
                found += _lifted(rule, tool, guard, near, firm, desk)
    return tuple(found) or _free(rule, desk)


def _relied_on(rule: CheckedRule) -> list[ast.Pattern]:
    """The patterns of executed calls that the rule looks back for."""
    looks = [node for node in ast.walk(rule.fires) if isinstance(node, _LOOKS)]
    return [look.event for look in looks if look.event.kind in _EXECUTED and look.event.tool and not look.event.failed]


# --- a guard that a grant lifts -----------------------------------------------------------------------------------------


def _lifted(
    rule: CheckedRule, tool: str, guard: CheckedRule, near: Sequence[CheckedRule], firm: frozenset[str], desk: Desk
) -> Outcome:
    bound = {
        binding.name: binding.value
        for pattern in _relied_on(rule)
        if pattern.tool == tool
        for binding in pattern.arguments
    }
    guarded = unavoidable(guard.fires, frozenset(bound))
    shifted = at_event(guarded)
    if shifted is None or guarded == ast.Boolean(value=False):
        return ()
    counted = _counting_only(rule.fires, tool, negated(shifted))
    if counted is rule.fires:
        return ()
    answers = []
    for act in desk.acts(rule):
        standing = [one for one in near if one.clause in firm and act in desk.acts(one) and _blocks(one)]
        wishes = (
            ast.Not(body=rule.fires),
            counted,
            at_step(guarded, bound),
            *(ast.Not(body=one.fires) for one in standing),
            *_never_denied_for_good(near, firm, desk),
        )
        answers.append(desk.find(act, wishes))
        if isinstance(answers[-1], Found):
            return _shown(rule, tool, guard, answers[-1].scenario, firm, desk)
    return desk.left_open("S215", rule, answers)


def _blocks(rule: CheckedRule) -> bool:
    return rule.verdict is not None and rule.verdict.blocks


def _counting_only(fires: ast.Expr, tool: str, allowed: ast.Expr) -> ast.Expr:
    """The condition as if only such calls of the tool had happened."""

    def change(node: ast.Node, _: int) -> ast.Node | None:
        if not isinstance(node, _LOOKS) or node.event.kind not in _EXECUTED or node.event.tool != tool:
            return None
        where = allowed if node.where is None else all_of((node.where, allowed))
        return msgspec.structs.replace(node, where=where)

    return rewritten(fires, change)


def _never_denied_for_good(near: Sequence[CheckedRule], firm: frozenset[str], desk: Desk) -> Iterator[ast.Expr]:
    """No earlier call is one that an inviolable rule denies: no grant would have let it through."""
    for one in near:
        shifted = at_event(one.fires) if one.clause in firm and _blocks(one) else None
        if shifted is not None:
            for act in (act for act in desk.acts(one) if act.kind == "call"):
                yield ast.Not(body=ast.Once(event=ast.Pattern(kind="call", tool=act.tool), where=shifted))


def _shown(
    rule: CheckedRule, tool: str, guard: CheckedRule, scenario: Scenario, firm: frozenset[str], desk: Desk
) -> Outcome:
    """The finding, once every call of the past was decided under the whole policy."""
    denied: set[str] = set()
    for place, event in enumerate(scenario.history):
        if isinstance(event, Call):
            denied |= _blocking(desk.checked, scenario.history[:place], Step(event=event, turn=(event,)))
    last = _blocking(desk.checked, scenario.history, scenario.step)
    if guard.clause not in denied or any(clause in firm or clause.startswith("@") for clause in denied | last):
        reason = f"a run was found that rests on more than `{guard.clause}`"
        return (Open(code="S215", clause=rule.clause, reason=reason, rule=rule.id),)
    always = guard.fires == ast.Boolean(value=True)
    where = "" if always else f" where `{short(guard.fires)}`"
    message = (
        f"{named(rule)} is inviolable, but rests on calls of `{tool}`, and {named(guard)} is not: with a grant for "
        f"`{guard.clause}` the call is let through{where}, and then the step is too"
    )
    return (desk.finding("S215", message, rule=rule, scenario=scenario, absent=(rule,), others=(guard,)),)


def _blocking(checked: Checked, history: Sequence[AnyEvent], step: Step) -> set[str]:
    decision = decide(checked, history, step)
    return {reason.clause for reason in decision.reasons if reason.verdict.blocks}


# --- a rule that the agent frees itself from ----------------------------------------------------------------------------

_OF_OTHERS: Final = (
    ast.Pattern(kind="message"),
    ast.Pattern(kind="result"),
    ast.Pattern(kind="result", failed=True),
    ast.Pattern(kind="fact"),
    ast.Pattern(kind="approval"),
    ast.Pattern(kind="grant"),
)


def _free(rule: CheckedRule, desk: Desk) -> Outcome:
    """As a note: the exception is met by what the agent alone did before."""
    if rule.exception is None:
        return ()
    wishes = (*(() if rule.when is None else conjuncts(rule.when)), rule.exception)
    nothing = ast.Not(body=ast.Once(event=ast.Pattern(kind="any")))
    for act in desk.acts(rule):
        if not isinstance(desk.find(act, (*wishes, nothing)), Impossible):
            return ()  # no earlier act is needed, or that is not known
        alone = desk.find(act, (*wishes, *(ast.Not(body=ast.Once(event=one)) for one in _OF_OTHERS)))
        if isinstance(alone, Found) and _is_let_through(alone.scenario, desk):
            done = [event for event in alone.scenario.history if isinstance(event, Call | Reply)]
            message = f"{named(rule)} is inviolable, but the agent can meet `{short(rule.exception)}` by itself" + (
                f": a {done[-1].tool if isinstance(done[-1], Call) else 'reply'} is all that it takes" if done else ""
            )
            return (desk.finding("S215", message, rule=rule, severity="info", scenario=alone.scenario, absent=(rule,)),)
    return ()


def _is_let_through(scenario: Scenario, desk: Desk) -> bool:
    """Whether the whole policy allows each act of this past."""
    history = scenario.history
    return not any(
        _blocking(desk.checked, history[:place], Step(event=event, turn=(event,)))
        for place, event in enumerate(history)
        if isinstance(event, Call | Reply)
    )
