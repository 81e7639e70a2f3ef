"""What the measured error of a judge does to a rate: Rogan and Gladen, Am. J. Epidemiol. 107 (1978), with bounds.

A judge that finds a broken trial with probability `sensitivity` and a kept one with `specificity` calls a share
q = p·Se + (1 - p)·(1 - Sp) broken when p is. Se and Sp are known as intervals from labelled trials; each of the four ends
is wrong with probability `error`, and claims pay for it: what the judge may err, the trials may not (`claims.settle`).

Assumes that the judge errs alike on labelled and on judged trials. A judge whose Se + Sp is not surely above 1 is no
measurement: it yields no estimate and settles nothing.
"""

from __future__ import annotations

import msgspec

from obverse.core.errors import MisuseError
from obverse.stats import exact


class JudgeError(msgspec.Struct, frozen=True, kw_only=True):
    """How well a judge finds what is broken (sensitivity) and what is kept (specificity); each end errs with `error`."""

    judge: str
    sensitivity: float
    sensitivity_low: float
    sensitivity_high: float
    specificity: float
    specificity_low: float
    specificity_high: float
    error: float

    def __post_init__(self) -> None:
        ordered = 0 <= self.sensitivity_low <= self.sensitivity <= self.sensitivity_high <= 1
        if not (ordered and 0 <= self.specificity_low <= self.specificity <= self.specificity_high <= 1):
            raise MisuseError(f"the bounds of the judge `{self.judge}` are not in order", code="N130")
        exact.check_error(self.error)

    @property
    def spent(self) -> float:
        """What a one-sided statement pays for this judge: it rests on one end of each of the two."""
        return 2 * self.error

    @property
    def is_informative(self) -> bool:
        """Whether Youden's J = Se + Sp - 1 is surely above 0."""
        return self.sensitivity_low + self.specificity_low > 1

    def judged_below(self, rate: float) -> float:
        """The smallest share judged broken if the true rate is at least this: fewer means that it is below."""
        return rate * self.sensitivity_low + (1 - rate) * (1 - self.specificity_high)

    def judged_above(self, rate: float) -> float:
        """The largest share judged broken if the true rate is at most this: more means that it is above."""
        return rate * self.sensitivity_high + (1 - rate) * (1 - self.specificity_low)

    def corrected_point(self, share: float) -> float | None:
        """The rate behind this share judged broken; None from a judge that tells nothing."""
        if not self.is_informative:
            return None
        return _solved(share, self.sensitivity, 1 - self.specificity)

    def corrected(self, low: float, high: float) -> tuple[float, float]:
        """Bounds on the true rate from bounds on the share judged broken; all of [0, 1] from a judge that tells nothing."""
        if not self.is_informative:
            return 0.0, 1.0
        return (
            _solved(low, self.sensitivity_high, 1 - self.specificity_low),
            _solved(high, self.sensitivity_low, 1 - self.specificity_high),
        )


def judge_error(
    judge: str, *, true_broken: int, false_kept: int, true_kept: int, false_broken: int, error: float
) -> JudgeError:
    """The error of a judge from trials with labels: exact one-sided bounds, each wrong with probability `error` at most.

    For a claim at 95 % that rests on one judge, 0.05 / 3 leaves as much for the trials as for either bound.

    Raises:
        MisuseError: without a labelled trial of both kinds.
    """
    broken, kept = true_broken + false_kept, true_kept + false_broken
    if not broken or not kept:
        raise MisuseError(
            f"the error of the judge `{judge}` needs labelled trials of both kinds, not {broken} broken and {kept} kept",
            code="N131",
        )
    return JudgeError(
        judge=judge,
        sensitivity=true_broken / broken,
        specificity=true_kept / kept,
        sensitivity_low=exact.lower_bound(trials=broken, broken=true_broken, error=error),
        sensitivity_high=exact.upper_bound(trials=broken, broken=true_broken, error=error),
        specificity_low=exact.lower_bound(trials=kept, broken=true_kept, error=error),
        specificity_high=exact.upper_bound(trials=kept, broken=true_kept, error=error),
        error=error,
    )


def _solved(share: float, sensitivity: float, false_alarms: float) -> float:
    """The rate p with share = p·Se + (1 - p)·(1 - Sp), within [0, 1]."""
    return min(1.0, max(0.0, (share - false_alarms) / (sensitivity - false_alarms)))
