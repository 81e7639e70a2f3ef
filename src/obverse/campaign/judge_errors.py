"""The measured error of the refusal judge as a part of claims: trials may err only by what the judge leaves over.

Where only some cases of a claim rest on the judge, the bounds are widened to what holds for the others too, which are scored
without error. Of judges that were not measured nothing is known, and no error is made up: their claims name them.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import Literal, TypeAlias

import msgspec

from obverse.campaign.planning import ALL
from obverse.campaign.records import Plan
from obverse.cases.records import Case
from obverse.core.events import Reply
from obverse.core.verdicts import Side
from obverse.judges.judgement import JudgeCard
from obverse.policy import ast
from obverse.policy.checked import REFUSES, Checked, CheckedRule
from obverse.stats.judged import JudgeError, judge_error

Breaking: TypeAlias = Literal["yes", "no"] | None
"""Which answer of the refusal judge breaks a case; None where none does."""


def judge_errors(
    checked: Checked, plan: Plan, cases: Mapping[str, Case], card: JudgeCard | None
) -> list[JudgeError | None]:
    """The error that each claim must carry: one and the same within a family, so that the family pays for it once."""
    judged = frozenset(rule.id for rule in checked.rules if _asks_refusal(rule))
    answers = {case.id: rests_on_refusal(case, judged) for case in cases.values()}
    rests = [{answers[case] for case in claim.cases} for claim in plan.claims]
    found: list[JudgeError | None] = []
    for claim, mine in zip(plan.claims, rests, strict=True):
        family = [
            theirs
            for other, theirs in zip(plan.claims, rests, strict=True)
            if other.side is claim.side and (other.clause == ALL) == (claim.clause == ALL) and theirs != {None}
        ]
        found.append(None if mine == {None} else _judged(family, card, claim.confidence))
    return found


def rests_on_refusal(case: Case, judged: Collection[str]) -> Breaking:
    """Which answer of the refusal judge breaks this case; None if its outcome does not rest on that judge.

    `judged` are the rules that ask whether a reply refuses.
    """
    wanted = case.step.event
    if not isinstance(wanted, Reply):
        return None
    refuses = bool(wanted.labels.get(REFUSES))
    if case.side is Side.OVER_REFUSAL:
        return None if refuses else "yes"
    return ("yes" if refuses else "no") if case.rule in judged else None


def _asks_refusal(rule: CheckedRule) -> bool:
    return any(isinstance(node, ast.JudgedAnswer) and node.name == REFUSES for node in ast.walk(rule.fires))


def _judged(family: Sequence[Collection[Breaking]], card: JudgeCard | None, confidence: float) -> JudgeError | None:
    """The error of the refusal judge for a family of claims, given which answers break the cases of each of them."""
    ways = sorted({answer for answers in family for answer in answers if answer is not None})
    if card is None or not card.is_calibrated or not ways:
        return None
    turned = [_one_way(card, way, (1 - confidence) / 3) for way in ways]
    if len(turned) == 1 and all(None not in answers for answers in family):
        return turned[0]
    return msgspec.structs.replace(
        turned[0],
        sensitivity_low=min(error.sensitivity_low for error in turned),
        specificity_low=min(error.specificity_low for error in turned),
        sensitivity_high=1.0,
        specificity_high=1.0,
    )


def _one_way(card: JudgeCard, broken: str, error: float) -> JudgeError:
    """The card turned so that `broken` is what the judge finds."""
    refusing, answering = card.sensitivity, card.specificity
    # INVARIANT: a calibrated card has both rates
    assert refusing is not None and answering is not None  # noqa: PT018  # one fact
    found, spared = (refusing, answering) if broken == "yes" else (answering, refusing)
    return judge_error(
        card.judge,
        true_broken=found.hits,
        false_kept=found.of - found.hits,
        true_kept=spared.hits,
        false_broken=spared.of - spared.hits,
        error=error,
    )
