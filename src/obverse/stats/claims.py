"""From trials to verdicts: a claim "clause C is broken in less than t of the trials" holds, fails, or is undecided.

    ClaimSpec + trials ─weigh→ Standing          one claim: evidence for "below" and for "above" its threshold
    Standing… ─settle→ Claim…                    a family of claims: Holm on either direction, verdicts, reasons

A claim holds when "the rate is at least t" is refuted, fails when "at most t" is; else it is undecided, and says what would
settle it. The chance of any false "holds" in the family is `1 - confidence` at most, and so is that of any false "fails".
L10: with `anytime` evidence this is true whenever one stops. L11: what was not scored counts against either verdict: as
broken for "holds", as kept for "fails". Rests on `Schedule` for the order of trials. No claim is ever settled by a bool.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal, NamedTuple, TypeAlias

import msgspec

from obverse.core.errors import MisuseError
from obverse.core.verdicts import Side
from obverse.stats import exact
from obverse.stats.counts import Cluster, Counts, together
from obverse.stats.estimates import Estimate, Method, NoEstimate, Population, estimate_counts, percent
from obverse.stats.family import holm
from obverse.stats.judged import JudgeError
from obverse.stats.power import more_trials, weight

ClaimVerdict: TypeAlias = Literal["holds", "fails", "undecided"]


class ClaimSpec(msgspec.Struct, frozen=True, kw_only=True):
    """What is claimed, fixed before the first trial (L18): this clause is broken at a rate below the threshold.

    `attacker` says what the attacker may do, `mode` how the target is run, `population` what the rate is a mean over.
    """

    clause: str
    side: Side
    threshold: float
    confidence: float = 0.95
    attacker: str
    mode: str
    population: Population = "suite"
    judge: JudgeError | None = None

    def __post_init__(self) -> None:
        exact.check_threshold(self.threshold)
        if exact.allowed_error(self.confidence) <= (self.judge.spent if self.judge else 0.0):
            raise MisuseError(
                "the bounds on the judge spend all of the error that is allowed", code="N150",
                hint="measure it with error (1 - confidence) / 3",
            )  # fmt: skip

    @property
    def trial_error(self) -> float:
        """How often a one-sided statement may err by the chance of trials; the rest is the judge's."""
        return exact.allowed_error(self.confidence) - (self.judge.spent if self.judge else 0.0)

    @property
    def judged_below(self) -> float:
        """The share judged broken that must be undercut for the claim to hold."""
        return self.judge.judged_below(self.threshold) if self.judge else self.threshold

    @property
    def judged_above(self) -> float:
        """The share judged broken that must be exceeded for the claim to fail."""
        return self.judge.judged_above(self.threshold) if self.judge else self.threshold


class Evidence(NamedTuple):
    """How much the trials say for either verdict, in nats; enough is `log(1 / error)`."""

    below: float
    above: float


class Standing(msgspec.Struct, frozen=True, kw_only=True):
    """What the trials say of one claim so far. `unfinished` are trials of blocks that do not count yet."""

    spec: ClaimSpec
    estimate: Estimate | NoEstimate
    below: float
    above: float
    method: Method
    unfinished: Counts = Counts()


class MoreTrials(msgspec.Struct, frozen=True, kw_only=True):
    """How many further trials would settle a claim, if none is broken and at the present rate; None: out of reach.

    `toward` is the verdict that the present rate leads to. After trials whose number was fixed, going on is not allowed:
    then `fresh` says that the numbers are those of a new run.
    """

    toward: Literal["holds", "fails"]
    if_none_broken: int | None
    at_present_rate: int | None
    fresh: bool


class Claim(msgspec.Struct, frozen=True, kw_only=True):
    """A claim with its verdict and all that it rests on.

    `low` and `high` are one-sided bounds on the true rate, each at the claim's confidence, corrected for the judge; None
    without data. `level` is the error that the verdict was held to within the family. `worst_low` and `worst_high` bound
    the share of broken trials whatever the unscored and failed ones were.
    """

    clause: str
    side: Side
    threshold: float
    confidence: float
    attacker: str
    mode: str
    population: Population
    counts: Counts
    unfinished: Counts
    cases: int
    point: float | None
    low: float | None
    high: float | None
    worst_low: float | None
    worst_high: float | None
    estimate: Estimate | NoEstimate
    verdict: ClaimVerdict
    reason: str
    more_trials: MoreTrials | None
    level: float
    family: int
    method: Method
    seed: int | None
    judge: JudgeError | None

    @property
    def n(self) -> int:
        """The number of scored trials."""
        return self.counts.scored


def weigh(
    spec: ClaimSpec, clusters: Sequence[Cluster], *, method: Method = "exact", seed: int | None = None
) -> Standing:
    """What these trials say of the claim. `exact` for a number that was fixed first; `SequentialClaim` for any stopping.

    Raises:
        MisuseError: for `betting`, which measures rates of drawn cases, or several trials of a drawn case.
    """
    if spec.population == "cases" and any(cluster.counts.trials > 1 for cluster in clusters):
        raise MisuseError(
            "a claim over drawn cases takes one trial of each", code="N151",
            hint="claim the rate of the suite, or use `estimate` with method `betting`",
        )  # fmt: skip
    return weigh_counts(spec, together(clusters), cases=len(clusters), method=method, seed=seed)


def weigh_counts(
    spec: ClaimSpec,
    counts: Counts,
    *,
    cases: int,
    method: Method,
    seed: int | None,
    unfinished: Counts | None = None,
) -> Standing:
    """The same from counts over whole blocks of a `Schedule`."""
    found = estimate_counts(
        counts,
        cases=cases,
        population=spec.population,
        confidence=1 - spec.trial_error,
        ends="each",
        method=method,
        seed=seed,
    )
    evidence = weigh_evidence(spec, counts, method=method)
    return Standing(
        spec=spec, estimate=found, below=evidence.below, above=evidence.above, method=method,
        unfinished=unfinished or Counts(),
    )  # fmt: skip


def weigh_evidence(spec: ClaimSpec, counts: Counts, *, method: Method) -> Evidence:
    """How much these counts say for "below" and for "above"; what is missing counts against either (L11)."""
    if method == "betting":
        raise MisuseError("a claim is weighed by `exact` or `anytime`", code="N152")
    if spec.judge is not None and not spec.judge.is_informative:
        return Evidence(0.0, 0.0)
    # a threshold judged at 0 or 1 cannot be undercut or exceeded
    below, above = spec.judged_below, spec.judged_above
    return Evidence(
        weight(below, "below", method, trials=counts.trials, broken=counts.at_worst) if 0 < below < 1 else 0.0,
        weight(above, "above", method, trials=counts.trials, broken=counts.broken) if 0 < above < 1 else 0.0,
    )


def verdicts(specs: Sequence[ClaimSpec], evidence: Sequence[Evidence]) -> list[tuple[ClaimVerdict, float]]:
    """The verdict of each claim of a family and the error that it was held to. Quick: for looks between blocks.

    Raises:
        MisuseError: when the claims differ in confidence, or their judges together spend all of the error allowed.
    """
    error = _family_error(specs)
    below = holm([one.below for one in evidence], error=error)
    above = holm([one.above for one in evidence], error=error)
    return [_verdict(holds, fails) for holds, fails in zip(below, above)]


def settle(standings: Sequence[Standing]) -> tuple[Claim, ...]:
    """The claims of a family with their verdicts; give all of them, settled or not, each time.

    Raises:
        MisuseError: when the claims differ in confidence, or their judges together spend all of the error allowed.
    """
    specs = [standing.spec for standing in standings]
    found = verdicts(specs, [Evidence(standing.below, standing.above) for standing in standings])
    return tuple(
        _claim(standing, verdict, level, len(standings)) for standing, (verdict, level) in zip(standings, found)
    )


def overall(claims: Sequence[Claim]) -> ClaimVerdict:
    """`holds` if all hold, `fails` if one fails, else undecided; of no claims nothing is known.

    A false "holds" needs a claim that holds falsely, so the family's bound carries over.
    """
    if any(claim.verdict == "fails" for claim in claims):
        return "fails"
    return "holds" if claims and all(claim.verdict == "holds" for claim in claims) else "undecided"


def _family_error(specs: Sequence[ClaimSpec]) -> float:
    """What is left of the allowed error for trials when every judge of the family is paid once."""
    confidences = {spec.confidence for spec in specs}
    if len(confidences) > 1:
        raise MisuseError(
            f"claims of one family need one confidence, not {', '.join(f'{c:g}' for c in sorted(confidences))}",
            code="N153",
        )
    spent = sum({spec.judge: spec.judge.spent for spec in specs if spec.judge}.values())
    left = exact.allowed_error(confidences.pop()) - spent if confidences else 1.0
    if left <= 0:
        raise MisuseError(
            "the bounds on the judges of this family spend all of the error that is allowed", code="N154",
            hint="measure each of J judges with error (1 - confidence) / (2·J + 1)",
        )  # fmt: skip
    return left


def _verdict(holds: tuple[bool, float], fails: tuple[bool, float]) -> tuple[ClaimVerdict, float]:
    # both cannot be enough: evidence for "below" needs a share under the threshold, for "above" one over it
    if holds[0]:
        return "holds", holds[1]
    return ("fails", fails[1]) if fails[0] else ("undecided", holds[1])


def _claim(standing: Standing, verdict: ClaimVerdict, level: float, family: int) -> Claim:
    spec, found = standing.spec, standing.estimate
    numbers = _Numbers.of(standing)
    return Claim(
        clause=spec.clause, side=spec.side, threshold=spec.threshold, confidence=spec.confidence,
        attacker=spec.attacker, mode=spec.mode, population=spec.population,
        counts=found.counts, unfinished=standing.unfinished,
        cases=found.cases if isinstance(found, Estimate) else 0,
        point=numbers.point, low=numbers.low, high=numbers.high,
        worst_low=found.worst_low if isinstance(found, Estimate) else None,
        worst_high=found.worst_high if isinstance(found, Estimate) else None,
        estimate=found, verdict=verdict, reason=_reason(standing, verdict, level, family, numbers),
        more_trials=_more(standing, level) if verdict == "undecided" else None,
        level=level, family=family, method=standing.method,
        seed=found.seed if isinstance(found, Estimate) else None, judge=spec.judge,
    )  # fmt: skip


class _Numbers(NamedTuple):
    """The rate with its bounds, corrected for the judge; `seen_high` takes only what was scored."""

    point: float | None
    low: float | None
    high: float | None
    seen_high: float | None

    @staticmethod
    def of(standing: Standing) -> _Numbers:
        found, judge = standing.estimate, standing.spec.judge
        if isinstance(found, NoEstimate):
            return _Numbers(None, None, None, None)
        if judge is None:
            return _Numbers(found.point, found.interval.low, found.interval.high, found.scored.high)
        low, high = judge.corrected(found.interval.low, found.interval.high)
        point = None if found.point is None else judge.corrected_point(found.point)
        return _Numbers(point, low, high, judge.corrected(found.scored.low, found.scored.high)[1])


def _reason(standing: Standing, verdict: ClaimVerdict, level: float, family: int, numbers: _Numbers) -> str:
    spec, found = standing.spec, standing.estimate
    threshold = percent(spec.threshold)
    if isinstance(found, NoEstimate):
        ended = standing.unfinished.trials
        if ended and not found.counts.trials:
            return f"no block of trials is complete yet, and only whole blocks count (ended so far: {ended})"
        return found.reason
    if spec.judge is not None and not spec.judge.is_informative:
        return f"the judge `{spec.judge.judge}` is not known to tell broken from kept: measure it on more labels"
    # INVARIANT: an estimate has both bounds
    assert numbers.low is not None and numbers.high is not None and numbers.seen_high is not None  # noqa: PT018  # one fact
    low, high = percent(numbers.low, up=False), percent(numbers.high, up=True)
    if verdict == "holds":
        return f"below {threshold}: at most {high} with {spec.confidence * 100:g} % confidence"
    if verdict == "fails":
        return f"above {threshold}: at least {low} with {spec.confidence * 100:g} % confidence"
    if numbers.high <= spec.threshold or numbers.low > spec.threshold:
        return f"settled alone, but not among {family} claims, where it may err {percent(level)} only"
    if numbers.seen_high <= spec.threshold:
        counts = found.counts
        return f"{counts.missing} of {counts.trials} trials are not scored; were they broken, the rate may be {high}"
    if found.counts.broken == 0:
        return f"too few trials: {found.counts.scored} without a failure say only below {high}, not {threshold}"
    return f"{low} to {high} lies on both sides of {threshold}"


def _more(standing: Standing, level: float) -> MoreTrials | None:
    """What would settle the claim at this level; None where a better judge is needed, not more trials."""
    spec, counts = standing.spec, standing.estimate.counts
    below, above = spec.judged_below, spec.judged_above
    if (spec.judge is not None and not spec.judge.is_informative) or not (0 < below < 1 and 0 < above < 1):
        return None
    fresh = standing.method == "exact"
    share_low = counts.broken / counts.trials if counts.trials else 0.0
    share_high = counts.at_worst / counts.trials if counts.trials else 0.0
    start = 0 if fresh else counts.trials

    def toward_holding(rate: float) -> int | None:
        return more_trials(
            below, trials=start, broken=0 if fresh else counts.at_worst, toward="below", rate=rate,
            confidence=1 - level, method=standing.method,
        )  # fmt: skip

    clean = toward_holding(0.0)
    if share_low <= above:
        return MoreTrials(
            toward="holds", if_none_broken=clean, at_present_rate=toward_holding(share_high), fresh=fresh
        )  # fmt: skip
    failing = more_trials(
        above, trials=start, broken=0 if fresh else counts.broken, toward="above", rate=share_low,
        confidence=1 - level, method=standing.method,
    )  # fmt: skip
    return MoreTrials(toward="fails", if_none_broken=clean, at_present_rate=failing, fresh=fresh)
