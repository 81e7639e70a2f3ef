"""The book of a run: everything that its trials add up to. Fed live by the runner, or from the journal afterwards: the same.

It holds counts, totals and a few trials to show, never all of them: a hundred thousand trials must fit.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from decimal import Decimal
from typing import Final

import msgspec

from obverse.campaign.claiming import Claims
from obverse.campaign.order import PlanOrder
from obverse.campaign.planning import cost
from obverse.campaign.records import ClaimLine, Plan, Price, Tally, Trial
from obverse.campaign.spending import Tokens
from obverse.cases.records import Case
from obverse.core.verdicts import Outcome
from obverse.stats.counts import Counts

SHOWN: Final = 2
"""How many trials of one case, of each outcome that is not `kept`, are kept to be shown; and one that was kept."""


class Book:
    """Counts of trials by case, the claims that they feed, what they cost, and a few of them to show."""

    def __init__(self, plan: Plan, cases: Mapping[str, Case], claims: Claims) -> None:
        self.plan, self.cases, self.claims = plan, cases, claims
        self.keys: set[str] = set()
        self.answered = 0
        self.usage = Tokens()
        self.errors: Counter[str] = Counter()
        self.tallies: dict[str, Counter[Outcome]] = {case: Counter() for case in cases}
        self.case_calls: Counter[str] = Counter()
        self.case_tokens: Counter[str] = Counter()
        self.shown: dict[str, list[Trial]] = {case: [] for case in cases}
        self._order = PlanOrder(plan, cases, claims)

    def add(self, trial: Trial) -> None:
        """Count a trial that is durable; one that was counted already, or is of another plan, is passed over."""
        if trial.key in self.keys or trial.case not in self.cases:
            return
        self.keys.add(trial.key)
        self.answered += trial.outcome is not Outcome.ERROR
        self.tallies[trial.case][trial.outcome] += 1
        if trial.error is not None:
            self.errors[trial.error] += 1
        self.usage.add(trial.usage, expected=trial.error is None)
        self.case_calls[trial.case] += trial.calls
        self.case_tokens[trial.case] += (trial.usage.prompt_tokens or 0) + (trial.usage.completion_tokens or 0)
        self._show(trial)
        self._order.take(trial.case, trial.round, trial.outcome)

    @property
    def price(self) -> Price | None:
        """What tokens cost, where the plan says so."""
        return self.plan.price

    def is_needed(self, case: str) -> bool:
        """Whether a trial of this case can still settle something."""
        return self.claims.is_needed(case)

    @property
    def is_settled(self) -> bool:
        """Whether nothing is left to find out."""
        return not any(map(self.is_needed, self.cases))

    def claim_lines(self) -> tuple[ClaimLine, ...]:
        """Every claim as it stands."""
        return self.claims.lines({case: counts_of(tally) for case, tally in self.tallies.items()})

    @property
    def tally(self) -> Tally:
        """All trials by outcome."""
        return tally_of(sum(self.tallies.values(), Counter()))

    @property
    def money(self) -> Decimal | None:
        """What the run has cost, where a price is known."""
        return cost(self.plan.price, self.usage.prompt, self.usage.completion)

    def _show(self, trial: Trial) -> None:
        """Keep the first rounds of each outcome, whatever order they came in."""
        most = 1 if trial.outcome is Outcome.KEPT else SHOWN
        alike = [one for one in self.shown[trial.case] if one.outcome is trial.outcome] + [trial]
        others = [one for one in self.shown[trial.case] if one.outcome is not trial.outcome]
        self.shown[trial.case] = others + sorted(alike, key=lambda one: one.round)[:most]


def tally_of(counts: Mapping[Outcome, int]) -> Tally:
    """The four counts as a record."""
    return Tally(
        kept=counts.get(Outcome.KEPT, 0),
        broken=counts.get(Outcome.BROKEN, 0),
        unscored=counts.get(Outcome.UNSCORED, 0),
        error=counts.get(Outcome.ERROR, 0),
    )


def counts_of(tally: Mapping[Outcome, int]) -> Counts:
    """The same for `stats`."""
    return Counts(**msgspec.structs.asdict(tally_of(tally)))
