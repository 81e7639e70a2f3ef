"""Claims of a run: what was planned becomes specifications, trials feed them, and the family is settled together.

A judge's measured error is part of a claim: trials may err only by what the judge leaves over. Where only some cases of a claim
rest on the judge, the bounds are widened to what holds for the others too (they are scored without error). Laws L10, L11.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Literal, TypeAlias

import msgspec

from obverse.campaign.planning import ALL
from obverse.campaign.records import ClaimLine, ClaimPlan, Plan
from obverse.cases.records import Case
from obverse.core.events import Reply
from obverse.core.verdicts import Outcome, Side
from obverse.judges.judgement import JudgeCard
from obverse.policy import ast
from obverse.policy.checked import REFUSES, Checked, CheckedRule
from obverse.stats.claims import Claim, ClaimSpec, MoreTrials, settle, verdicts
from obverse.stats.counts import Cluster, Counts
from obverse.stats.estimates import Estimate, estimate
from obverse.stats.judged import JudgeError, judge_error
from obverse.stats.schedule import Schedule
from obverse.stats.sequential import SequentialClaim

Breaking: TypeAlias = Literal["yes", "no"] | None
"""Which answer of the refusal judge breaks a case; None where none does."""


class Claims:
    """All claims of one plan, fed trial by trial in any order; blocks count when they are whole."""

    def __init__(self, checked: Checked, plan: Plan, cases: Mapping[str, Case], card: JudgeCard | None) -> None:
        self.plan = plan
        judged = frozenset(rule.id for rule in checked.rules if _asks_refusal(rule))
        answers = {case.id: rests_on_refusal(case, judged) for case in cases.values()}
        errors = _judge_errors(plan, answers, card)
        self._running = [_sequential(plan, claim, error) for claim, error in zip(plan.claims, errors, strict=True)]
        self._of_case: dict[str, list[int]] = {case: [] for case in cases}
        for number, claim in enumerate(plan.claims):
            for case in claim.cases:
                self._of_case[case].append(number)
        self._counts: dict[str, dict[Outcome, int]] = {case: dict.fromkeys(Outcome, 0) for case in cases}
        self._blocks = [0] * len(plan.claims)
        self._settled = [False] * len(plan.claims)

    def observe(self, case: str, block: int, outcome: Outcome) -> None:
        """Count one trial."""
        self._counts[case][outcome] += 1
        moved = False
        for number in self._of_case[case]:
            running = self._running[number]
            running.observe(block, outcome)
            moved = moved or running.blocks > self._blocks[number]
            self._blocks[number] = running.blocks
        if moved:
            self._look()

    def is_needed(self, case: str) -> bool:
        """Whether a claim that rests on this case is still unsettled."""
        return not all(self._settled[number] for number in self._of_case[case])

    @property
    def all_settled(self) -> bool:
        """Whether nothing is left to find out."""
        return all(self._settled)

    def lines(self) -> tuple[ClaimLine, ...]:
        """Every claim with its verdict, in the order of the plan."""
        found = {
            number: claim
            for family in self._families()
            for number, claim in zip(family, settle([self._running[n].standing() for n in family]), strict=True)
        }
        return tuple(self._line(self.plan.claims[number], found[number]) for number in sorted(found))

    def _look(self) -> None:
        """Which claims are settled now. A settled one stays so: its evidence held when it stopped."""
        for family in self._families():
            specs = [self._running[number].spec for number in family]
            evidence = [self._running[number].evidence for number in family]
            for number, (verdict, _) in zip(family, verdicts(specs, evidence), strict=True):
                self._settled[number] = self._settled[number] or verdict != "undecided"

    def _families(self) -> Iterable[list[int]]:
        """The clauses of one side are a family; each claim over all clauses is one of its own."""
        for side in Side:
            for overall in (True, False):
                members = [
                    number
                    for number, claim in enumerate(self.plan.claims)
                    if claim.side is side and (claim.clause == ALL) == overall
                ]
                if members:
                    yield members

    def _line(self, planned: ClaimPlan, claim: Claim) -> ClaimLine:
        everything = [Cluster(case=case, counts=_counts(self._counts[case])) for case in planned.cases]
        exact = estimate(everything, confidence=planned.confidence, method="exact", ends="each", seed=self.plan.seed)
        more = claim.more_trials
        return ClaimLine(
            clause=claim.clause,
            side=claim.side,
            threshold=claim.threshold,
            confidence=claim.confidence,
            n=claim.n,
            cases=len(planned.cases),
            broken=claim.counts.broken,
            unscored=claim.counts.unscored,
            error=claim.counts.error,
            estimate=claim.point,
            low=claim.low,
            high=claim.high,
            exact_low=exact.interval.low if isinstance(exact, Estimate) else None,
            exact_high=exact.interval.high if isinstance(exact, Estimate) else None,
            worst_low=claim.worst_low,
            worst_high=claim.worst_high,
            verdict=claim.verdict,
            why=claim.reason,
            more=_further(more),
            method="anytime-valid bets over whole blocks of cases; Holm within the side",
            judge=claim.judge.judge if claim.judge is not None else None,
        )


def _sequential(plan: Plan, claim: ClaimPlan, judge: JudgeError | None) -> SequentialClaim:
    spec = ClaimSpec(
        clause=claim.clause,
        side=claim.side,
        threshold=claim.threshold,
        confidence=claim.confidence,
        attacker=plan.attacker,
        mode=plan.mode,
        judge=judge,
    )
    return SequentialClaim(spec, Schedule(cases=claim.cases, seed=plan.seed))


def _judge_errors(plan: Plan, answers: Mapping[str, Breaking], card: JudgeCard | None) -> list[JudgeError | None]:
    """The error that each claim must carry: one and the same within a family, so that the family pays for it once."""
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


def _further(more: MoreTrials | None) -> int | None:
    """How many more trials settle the claim: without a failure where it may still hold, at the present rate else."""
    if more is None:
        return None
    return more.if_none_broken if more.toward == "holds" else more.at_present_rate


def _counts(tally: Mapping[Outcome, int]) -> Counts:
    return Counts(
        kept=tally[Outcome.KEPT],
        broken=tally[Outcome.BROKEN],
        unscored=tally[Outcome.UNSCORED],
        error=tally[Outcome.ERROR],
    )
