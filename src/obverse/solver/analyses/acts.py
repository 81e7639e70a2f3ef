"""Each act that the policy knows: can it be allowed at all?

    S209 nothing is allowed: every step of this shape is denied, or could be allowed only after acts that never are

One question per act. The first part: no step makes all rules that deny the act false. The second: an act is *reachable* if it
is allowed in a past whose executed calls are all of reachable tools; the least such set is computed, so a prerequisite that is
banned, or two tools that each wait for the other, are found. What is asked of a person (`ask`) counts as allowed. A ban
without a condition means to ban, and is no finding; that everything is banned is one. Where the front matter denies replies, a
permit that is swallowed (S203) says why there is none.

A tool that is called here only because a person outside of the policy did it is not reachable, and not thought of.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import partial
from typing import Final

from obverse.core.verdicts import Verdict
from obverse.policy import ast
from obverse.policy.checked import Checked, CheckedRule
from obverse.solver.analyses.standing import escaping, spares_ever
from obverse.solver.answers import Act, Answer, Found, Impossible, Undecided
from obverse.solver.findings import Open
from obverse.solver.grounds import rests_on
from obverse.solver.questions import Desk, Outcome, Question
from obverse.solver.sentences import listed, named_apart
from obverse.solver.sharing import by_act, groups

ALWAYS: Final = ast.Boolean(value=True)
_EXECUTED: Final = ("call", "result", "proposed", "any")


def questions(checked: Checked) -> Iterator[Question]:
    """One for every act that some rule may deny, and one for the whole where each is banned outright."""
    acts = (*(Act(kind="call", tool=name) for name in checked.tools), Act(kind="reply"))
    denying = {**dict.fromkeys(acts, ()), **by_act(checked, denying_rules(checked))}
    if all(_is_banned(checked, act, rules) for act, rules in denying.items()):
        rules = tuple(dict.fromkeys(rule for found in denying.values() for rule in found))
        answer = partial(_everything, rules)
        also = ["S209", sorted(checked.tools)]
        yield Question(code="S209", clause=None, rule=None, rests_on=rests_on(checked, rules, also=also), answer=answer)
    for act in acts:
        rules = denying[act]
        if rules and not _is_banned(checked, act, rules):
            near = _reached_from(denying, act)
            yield Question(
                code="S209",
                clause=None,
                rule=None,
                rests_on=rests_on(
                    checked,
                    [*rules, *(rule for one in near for rule in denying[one])],
                    tools=[one.tool for one in near if one.tool],
                    also=["S209", act.kind, act.tool],
                ),
                answer=partial(_act, act, denying, near),
            )


def denying_rules(checked: Checked) -> tuple[CheckedRule, ...]:
    """The rules that deny: what asks or warns lets it happen."""
    return tuple(
        rule
        for rule in checked.rules
        if rule.verdict is not None and rule.verdict.strictness >= Verdict.DENY.strictness
    )


_Denying = dict[Act, tuple[CheckedRule, ...]]


def _is_banned(checked: Checked, act: Act, rules: Sequence[CheckedRule]) -> bool:
    """Whether it is denied by a rule without a condition, or by a default: said in so many words."""
    opened = any(head.kind == "reply" for rule in checked.rules if rule.kind == "permit" for head in rule.heads)
    closed = act.kind == "reply" and checked.default.replies == "deny" and not opened
    return closed or any(rule.fires == ALWAYS for rule in rules)


def _everything(rules: Sequence[CheckedRule], desk: Desk) -> Outcome:
    names = listed(named_apart(rules)) if rules else "the front matter"
    message = f"nothing that the agent could do is ever allowed: {names} leave no call and no reply"
    return (desk.finding("S209", message, others=rules),)


# --- one act ------------------------------------------------------------------------------------------------------------


def _act(act: Act, denying: _Denying, near: Sequence[Act], desk: Desk) -> Outcome:
    answers = _allowed(act, denying[act], desk)
    dead = [one for one in answers if isinstance(one[1], Impossible)]
    if dead:
        return _dead(act, *dead[0], desk)
    return (*_open(act, [answer for _, answer in answers]), *_unreachable(act, denying, near, desk))


def _allowed(act: Act, rules: Sequence[CheckedRule], desk: Desk) -> list[tuple[tuple[CheckedRule, ...], Answer]]:
    """For each group of rules that bear on each other: a step that none of them denies? Of a single act S202 asks just that."""
    parts = [part for part in groups(desk.checked, rules) if len(part) > 1 or len(desk.acts(part[0])) > 1]
    return [(part, escaping(act, part, (), desk)) for part in parts]


def _dead(act: Act, rules: tuple[CheckedRule, ...], answer: Answer, desk: Desk) -> Outcome:
    core = [rules[place] for place in answer.core] if isinstance(answer, Impossible) else []
    if len(core) == 1 and not spares_ever(core[0], desk):
        return ()  # S202 says it
    deny = "denies" if len(core) == 1 else "together deny"
    message = f"{called(act)} is never allowed: {listed(named_apart(core))} {deny} each one"
    found = desk.find(act, ())
    scenario = found.scenario if isinstance(found, Found) else None
    return (
        desk.finding(
            "S209",
            message,
            clause=core[0].clause,
            scenario=scenario,
            others=core,
            blocks=scenario is not None,
        ),
    )


# --- what it takes ------------------------------------------------------------------------------------------------------


def _unreachable(act: Act, denying: _Denying, near: Sequence[Act], desk: Desk) -> Outcome:
    """Whether it waits for calls that are never allowed before it."""
    waiting = {one: _needed(denying[one]) for one in (act, *near)}
    alive = {one for one in near if not _is_dead(one, denying, desk)} | {act}
    reached = {one for one in alive if not waiting[one]}
    while act not in reached:
        more = {one for one in alive - reached if waiting[one] <= {tool.tool for tool in reached}}
        if not more:
            answers = {
                one: _after(one, denying, waiting[one], reached, desk) for one in sorted(alive - reached, key=str)
            }
            more = {one for one, answer in answers.items() if isinstance(answer, Found)}
            if not more:
                return _stuck(act, denying[act], answers, waiting[act], reached, desk)
        reached |= more
    return ()


def _after(act: Act, denying: _Denying, needed: frozenset[str], reached: set[Act], desk: Desk) -> Answer:
    """A step that is allowed though nothing was called that cannot be."""
    missing = sorted(needed - {one.tool for one in reached})
    never = [ast.Not(body=ast.Once(event=ast.Pattern(kind="call", tool=tool))) for tool in missing]
    return escaping(act, denying[act], never, desk)


def _stuck(
    act: Act,
    rules: Sequence[CheckedRule],
    answers: dict[Act, Answer],
    needed: frozenset[str],
    reached: set[Act],
    desk: Desk,
) -> Outcome:
    open_ones = [answer for answer in answers.values() if isinstance(answer, Undecided)]
    answer = answers[act]
    if open_ones or not isinstance(answer, Impossible):
        return _open(act, open_ones)
    missing = sorted(needed - {one.tool for one in reached if one.tool})
    core = [rules[place] for place in answer.core if place < len(rules)]
    tools = [missing[place - len(rules)] for place in answer.core if place >= len(rules)]
    if not tools:
        return ()  # S202 says of a rule that it always fires
    names, waits = listed(named_apart(core)), listed([f"`{tool}`" for tool in tools])
    lets = "lets" if len(core) == 1 else "let"
    never = "is never allowed before it" if len(tools) == 1 else "are never allowed before it"
    message = f"{called(act)} is never allowed: {names} {lets} it through only after {waits}, which {never}"
    found = desk.find(act, (core[0].fires,))
    scenario = found.scenario if isinstance(found, Found) else None
    return (
        desk.finding(
            "S209", message, clause=core[0].clause, scenario=scenario, others=core, blocks=scenario is not None
        ),
    )


def _is_dead(act: Act, denying: _Denying, desk: Desk) -> bool:
    return _is_banned(desk.checked, act, denying[act]) or any(
        isinstance(answer, Impossible) for _, answer in _allowed(act, denying[act], desk)
    )


def _reached_from(denying: _Denying, act: Act) -> tuple[Act, ...]:
    """The acts that this one may wait for, and those that they may wait for, itself left out."""
    found: dict[Act, None] = {}
    waiting = [act]
    while waiting:
        for tool in sorted(_needed(denying[waiting.pop()])):
            one = Act(kind="call", tool=tool)
            if one in denying and one not in found and one != act:
                found[one] = None
                waiting.append(one)
    return tuple(found)


def _needed(rules: Sequence[CheckedRule]) -> frozenset[str]:
    """The tools whose calls may have to have been made for these rules not to fire. Of a call of any tool one will do."""
    return frozenset(tool for rule in rules for tool in _calls(rule.fires, letting=False))


def _calls(expr: ast.Node, *, letting: bool) -> Iterator[str]:
    """The tools of executed calls in a condition: where they help it to be true (`letting`), or to be false."""
    match expr:
        case ast.Exceeds():
            return
        case ast.Not():
            yield from _calls(expr.body, letting=not letting)
        case ast.Once() if not letting:
            return  # what did not happen makes it false
        case ast.Pattern():
            if letting and expr.kind in _EXECUTED and expr.tool is not None:
                yield expr.tool
        case _:
            for child in ast.children(expr):
                yield from _calls(child, letting=letting or isinstance(expr, _EITHER))


_EITHER: Final = (ast.Compare, ast.Last, ast.Since, ast.Previous, ast.Quantified)
"""What may need an event to have happened whichever way it comes out."""


def called(act: Act) -> str:
    """`a call of T` or `a reply`."""
    return "a reply" if act.kind == "reply" else f"a call of `{act.tool}`"


def _open(act: Act, answers: Sequence[Answer]) -> Outcome:
    reasons = dict.fromkeys(answer.reason for answer in answers if isinstance(answer, Undecided))
    return tuple(Open(code="S209", clause=None, reason=f"{called(act)}: {reason}") for reason in reasons)
