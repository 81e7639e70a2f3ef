"""Each rule against the rules beside it: does it ever give the verdict?

    S212 shadowed: wherever the rule may fire, stricter rules fire, so it never gives the verdict
    S213 redundant: without the rule every step has the same verdict, by rules that are as strict or stricter

A rule counts against another only where it stands as firmly: of no lower level, inviolable if the other is. An approval lifts
an `ask`, so an `ask` covers only what asks of no more people. Of rules that cover each other the later one is named, and never
so many that they could not all be taken out at once. Where only what the agent is told would change, the finding is a note.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import partial

from obverse.core.verdicts import Verdict
from obverse.policy.checked import Checked, CheckedRule
from obverse.policy.decide import decide
from obverse.solver.analyses.cover import ALWAYS, Cover, as_lasting, covered
from obverse.solver.answers import Scenario
from obverse.solver.find import WrongWitness
from obverse.solver.findings import Code, Finding
from obverse.solver.grounds import rests_on
from obverse.solver.questions import Desk, Outcome, Question, acts_of
from obverse.solver.sentences import listed, named_apart
from obverse.solver.sharing import beside


def questions(checked: Checked) -> Iterator[Question]:
    """One for every rule that others may cover on all that it speaks of."""
    rules = [rule for rule in checked.rules if rule.verdict is not None]
    acts = {rule.id: frozenset(acts_of(checked, rule)) for rule in rules}
    places = {rule.id: place for place, rule in enumerate(rules)}
    besides = beside(checked, rules)
    for rule in rules:
        near = besides[rule.id]
        may_cover = [other for other in near if can_cover(checked, other, rule)]
        if acts[rule.id] and acts[rule.id] <= frozenset().union(*(acts[other.id] for other in may_cover)):
            yield Question(
                code="S213",
                clause=rule.clause,
                rule=rule.id,
                rests_on=rests_on(
                    checked, [rule, *near], also=["S213", [places[other.id] < places[rule.id] for other in near]]
                ),
                answer=partial(_rule, rule, near),
            )


def can_cover(checked: Checked, other: CheckedRule, rule: CheckedRule) -> bool:
    """Whether the other gives at least the same verdict, for as long as the rule stands."""
    if other.verdict is None or rule.verdict is None or not as_lasting(checked, other, rule):
        return False
    if other.verdict is Verdict.ASK:
        return rule.verdict is Verdict.ASK and other.people >= rule.people
    return other.verdict.strictness >= rule.verdict.strictness


def said_to_be_idle(rule: CheckedRule, desk: Desk) -> bool:
    """Whether S212 or S213 says of this rule that it adds nothing."""
    near = tuple(other for other in desk.checked.rules if other is not rule and other.verdict is not None)
    return rule.verdict is not None and any(isinstance(one, Finding) for one in _rule(rule, near, desk))


def _rule(rule: CheckedRule, near: Sequence[CheckedRule], desk: Desk) -> Outcome:
    others = [other for other in near if can_cover(desk.checked, other, rule)]
    stricter = [other for other in others if _strictness(other) > _strictness(rule)]
    code: Code = "S212"
    cover = covered(rule, stricter, desk)
    if not cover.rules and not cover.open:
        code, cover = "S213", covered(rule, others, desk)
        if cover.rules:  # some cover may be counted on by nobody once the idle ones among it are taken out
            cover = covered(rule, [other for other in others if not _goes_first(other, rule, near, desk)], desk)
    if cover.open:
        return desk.left_open(code, rule, cover.open)
    return (_idle(code, rule, cover, desk),) if cover.rules else ()


def _strictness(rule: CheckedRule) -> int:
    return rule.verdict.strictness if rule.verdict else -1


def _goes_first(other: CheckedRule, rule: CheckedRule, near: Sequence[CheckedRule], desk: Desk) -> bool:
    """Whether a later rule is itself covered where it meets this one: then it is the one to take out."""
    order = {one.id: place for place, one in enumerate(desk.checked.rules)}
    if order[other.id] < order[rule.id]:
        return False
    acts = [act for act in desk.acts(other) if act in desk.acts(rule)]
    beside = [one for one in (rule, *near) if one is not other and can_cover(desk.checked, one, other)]
    return bool(covered(other, beside, desk, acts).rules)


def _idle(code: Code, rule: CheckedRule, cover: Cover, desk: Desk) -> Finding:
    mine, *theirs = named_apart([rule, *cover.rules])
    names = listed(theirs)
    fires = "fires" if len(cover.rules) == 1 else "fire"
    if code == "S212":
        is_stricter = "which is stricter" if len(cover.rules) == 1 else "which are stricter"
        message = f"{mine} never gives the verdict: wherever it fires {names} {fires} too, {is_stricter}"
    elif rule.fires == ALWAYS or rule.fires in [one.fires for one in cover.rules]:
        message = f"{mine} is said already by {names}"
    else:
        message = f"{mine} adds nothing: wherever it fires {names} {fires} too"
    witness = desk.first(rule, (rule.fires,))
    if witness is not None:
        _confirm(code, rule, cover, witness, desk)
    only_words = rule.says is not None and all(one.says != rule.says for one in cover.rules)
    return desk.finding(
        code,
        message,
        rule=rule,
        severity="info" if only_words else None,
        scenario=witness,
        present=(rule,),
        others=cover.rules,
    )


def _confirm(code: Code, rule: CheckedRule, cover: Cover, scenario: Scenario, desk: Desk) -> None:
    """L06: on the witness some of those that cover the rule fire."""
    decision = decide(desk.checked, scenario.history, scenario.step)
    if not {reason.rule for reason in decision.reasons} & {one.id for one in cover.rules}:
        raise WrongWitness(f"{code}: {rule.id} is not covered here: {decision}")
