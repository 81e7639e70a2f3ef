"""Claims of a run: what was planned becomes specifications, trials feed them, and each family is settled together.

    (1) Trials come in the order of the plan (`order`); a claim moves when a block of its cases is whole.
    (2) After each such move its family is looked at, with Holm over the whole family.
    (3) A claim that is settled stays so: it is fed no more, and stands with the evidence that it was settled by.
    (4) What was not scored counts against either verdict, in every bound (L11).

UNSOUND IF the order of trials depended on how they end. That looking so often is allowed is the work of `stats` (L10). (3) loses
nothing: Holm is monotone, so what is rejected at one look stays rejected at the next, whatever the others do meanwhile.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Final

from obverse.campaign.judge_errors import judge_errors
from obverse.campaign.planning import ALL
from obverse.campaign.records import ClaimLine, ClaimPlan, Plan
from obverse.cases.records import Case
from obverse.core.verdicts import Outcome, Side
from obverse.judges.judgement import JudgeCard
from obverse.policy.checked import Checked
from obverse.stats.claims import Claim, ClaimSpec, MoreTrials, settle, verdicts, weigh_counts
from obverse.stats.counts import Counts
from obverse.stats.judged import JudgeError
from obverse.stats.schedule import Schedule
from obverse.stats.sequential import SequentialClaim

METHOD: Final = "anytime-valid bets over whole blocks of cases; Holm within the side"


class Claims:
    """All claims of one plan, fed trial by trial in the order of the plan."""

    def __init__(self, checked: Checked, plan: Plan, cases: Mapping[str, Case], card: JudgeCard | None) -> None:
        self.plan = plan
        self._card = card
        errors = judge_errors(checked, plan, cases, card)
        self._running = [_sequential(plan, claim, error) for claim, error in zip(plan.claims, errors, strict=True)]
        self._settled = [False] * len(plan.claims)
        self._families = tuple(_families(plan))
        self._family_of = {number: family for family in self._families for number in family}
        self._of_case: dict[str, list[int]] = {case: [] for case in cases}
        for number, claim in enumerate(plan.claims):
            for case in claim.cases:
                self._of_case[case].append(number)

    def observe(self, case: str, block: int, outcome: Outcome) -> None:
        """Count one trial (1)."""
        for number in self._of_case[case]:
            if not self._settled[number]:  # (3)
                running = self._running[number]
                before = running.blocks
                running.observe(block, outcome)
                if running.blocks > before:
                    self._look(self._family_of[number])

    def is_needed(self, case: str) -> bool:
        """Whether a claim that rests on this case is still unsettled."""
        return not all(self._settled[number] for number in self._of_case[case])

    def lines(self, ended: Mapping[str, Counts]) -> tuple[ClaimLine, ...]:
        """Every claim with its verdict, in the order of the plan. `ended` counts all trials of each case, needed or not."""
        found = {
            number: claim
            for family in self._families
            for number, claim in zip(family, settle([self._running[n].standing() for n in family]), strict=True)
        }
        return tuple(self._line(number, found[number], ended) for number in sorted(found))

    def _look(self, family: list[int]) -> None:
        """Which claims of this family are settled now (2)."""
        specs = [self._running[number].spec for number in family]
        evidence = [self._running[number].evidence for number in family]
        for number, (verdict, _) in zip(family, verdicts(specs, evidence), strict=True):
            self._settled[number] = self._settled[number] or verdict != "undecided"

    def _line(self, number: int, claim: Claim, ended: Mapping[str, Counts]) -> ClaimLine:
        planned = self.plan.claims[number]
        exact_low, exact_high = self._exact(number, ended)
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
            exact_low=exact_low,
            exact_high=exact_high,
            worst_low=claim.worst_low,
            worst_high=claim.worst_high,
            verdict=claim.verdict,
            why=claim.reason,
            more=_further(claim.more_trials),
            method=METHOD,
            judge=self._card.says() if claim.judge is not None and self._card is not None else None,
        )

    def _exact(self, number: int, ended: Mapping[str, Counts]) -> tuple[float | None, float | None]:
        """Bounds for a fixed number of trials: only where all that were planned have ended, since then it was fixed."""
        planned = self.plan.claims[number]
        counts = sum((ended[case] for case in planned.cases), Counts())
        if counts.trials < planned.trials:
            return None, None
        standing = weigh_counts(
            self._running[number].spec, counts, cases=len(planned.cases), method="exact", seed=self.plan.seed
        )
        (claim,) = settle([standing])
        return claim.low, claim.high


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


def _families(plan: Plan) -> Iterator[list[int]]:
    """The clauses of one side are a family; each claim over all clauses is one of its own."""
    for side in Side:
        for overall in (True, False):
            members = [
                number
                for number, claim in enumerate(plan.claims)
                if claim.side is side and (claim.clause == ALL) == overall
            ]
            if members:
                yield members


def _further(more: MoreTrials | None) -> int | None:
    """How many more trials settle the claim: without a failure where it may still hold, at the present rate else."""
    if more is None:
        return None
    return more.if_none_broken if more.toward == "holds" else more.at_present_rate
