"""How much the answers of one prompt differ: modal share, flip rate, entropy of outcomes, token entropy; all from one set of draws.

Outcomes are two, `refuse` and `comply`, so modal share, flip rate and entropy are functions of π alone, and the
anytime-valid interval of π, widened by what is missing (L11), carries over to each of them: it holds under optional
stopping because that of π does. Their points are stated for what was seen; what adaptive drawing does to them is measured in
`benchmarks/stability_placing.py`. A flip rate never goes without its k.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

from obverse.core.errors import MisuseError
from obverse.stability.findings import Counted, Estimate, Placement, Spread
from obverse.stability.meaning import Meaning
from obverse.stability.placing import place
from obverse.stability.records import Behaviour, Settings
from obverse.stats.exact import allowed_error

METHOD = "anytime interval of π"


def spread(
    counted: Counted,
    settings: Settings,
    *,
    entropies: Sequence[float | None] = (),
    meaning: Meaning | None = None,
    placement: Placement | None = None,
) -> Spread:
    """All measures of spread of one prompt; what cannot be known is None, and `missing` says why.

    `entropies` are the mean token entropies of the draws that gave an answer, None where the target has none;
    `placement` saves working it out again.
    """
    placement = placement or place(counted, settings)
    behaviour, why_no_mode = modal(counted)
    k = settings.attempts
    tokens, why_no_tokens = token_entropy(entropies, settings)
    missing = dict(meaning.missing) if meaning else dict.fromkeys(("clusters", "semantic", "distance"), "not asked for")
    missing |= {name: why for name, why in (("modal", why_no_mode), ("tokens", why_no_tokens)) if why}
    missing |= dict.fromkeys(("modal_share", "flip", "entropy"), _nothing(counted)) if not counted.scored else {}
    if k < 2:
        missing["flip"] = "one draw has nothing to disagree with"
    return Spread(
        modal=behaviour,
        modal_share=modal_share(counted, placement) if counted.scored else None,
        k=k,
        flip=flip_rate(counted, k, placement) if counted.scored and k > 1 else None,
        entropy=outcome_entropy(counted, placement) if counted.scored else None,
        clusters=meaning.clusters if meaning else None,
        semantic=meaning.semantic if meaning else None,
        distance=meaning.distance if meaning else None,
        tokens=tokens,
        missing=missing,
    )


def modal(counted: Counted) -> tuple[Behaviour | None, str]:
    """What most scored draws did, or None and why: nothing scored, or a tie."""
    if not counted.scored:
        return None, _nothing(counted)
    if counted.refused == counted.complied:
        return None, f"a tie: {counted.refused} of {counted.scored} each"
    return ("refuse" if counted.refused > counted.complied else "comply"), ""


def modal_share(counted: Counted, placement: Placement) -> Estimate:
    """max(π, 1 - π): the probability of what the prompt mostly gets. The share seen is too high on average near a half."""
    seen = max(counted.refused, counted.complied) / counted.scored if counted.scored > 1 else None
    low, high = carried(lambda rate: max(rate, 1 - rate), placement, turns_at=0.5)
    return Estimate(estimate=seen, low=low, high=high, n=counted.scored, method=METHOD)


def flip_rate(counted: Counted, k: int, placement: Placement) -> Estimate:
    """1 - π^k - (1 - π)^k: the probability that k draws do not all agree.

    The point is the U-statistic 1 - [C(c,k) + C(r,k)] / C(n,k), the share of the sets of k among the scored draws that do not
    agree (Hoeffding, Ann. Math. Statist. 19, 1948): unbiased for a number of draws fixed first. None with fewer than k.
    """
    if k < 2:
        raise MisuseError(f"`{k}` draws cannot disagree", code="B103", hint="a flip rate needs at least 2 attempts")
    low, high = carried(lambda rate: 1 - rate**k - (1 - rate) ** k, placement, turns_at=0.5)
    n, c, r = counted.scored, counted.complied, counted.refused
    seen = 1 - (math.comb(c, k) + math.comb(r, k)) / math.comb(n, k) if n >= k else None
    return Estimate(
        estimate=seen, low=low, high=high, n=n, method=METHOD,
        note="" if seen is not None else f"a point needs {k} scored draws",
    )  # fmt: skip


def outcome_entropy(counted: Counted, placement: Placement) -> Estimate:
    """-π ln π - (1 - π) ln(1 - π) in nats: the plug-in with Miller's correction (m - 1) / 2n (1955), at most ln 2.

    Without it the plug-in is too low by about 1/2n where both behaviours occur; with it, it is still too low where one of
    them is rare.
    """
    low, high = carried(binary_entropy, placement, turns_at=0.5)
    n = counted.scored
    seen = None
    if n > 1:
        both = counted.refused > 0 and counted.complied > 0
        seen = min(math.log(2), binary_entropy(counted.complied / n) + (1 / (2 * n) if both else 0.0))
    return Estimate(estimate=seen, low=low, high=high, n=n, method=f"Miller–Madow; {METHOD}")


def token_entropy(entropies: Sequence[float | None], settings: Settings) -> tuple[Estimate | None, str]:
    """The mean over draws of the mean entropy of their tokens, in nats, with Student's interval; or None and why.

    A mean of means: each draw weighs the same, however long. The interval is for a number of draws fixed first and for
    means that are nearly normal; it is not anytime-valid, since entropy has no bound that would be of use.
    """
    seen = [value for value in entropies if value is not None]
    if not seen:
        return None, "the target gives no log-probabilities" if entropies else "no answers"
    if any(not 0 <= value < math.inf for value in seen):
        wrong = next(value for value in seen if not 0 <= value < math.inf)
        raise MisuseError(f"the entropy `{wrong}` is not a number from 0", code="B104")
    without = len(entropies) - len(seen)
    note = f"{without} of {len(entropies)} answers have none" if without else ""
    low, high = _student(seen, allowed_error(settings.confidence))
    return Estimate(
        estimate=math.fsum(seen) / len(seen) if len(seen) > 1 else None,
        low=low, high=high, n=len(seen), method="Student's t, not anytime", note=note,
    ), ""  # fmt: skip


def binary_entropy(rate: float) -> float:
    """The entropy of two outcomes of which one has this probability, in nats."""
    return math.fsum(-p * math.log(p) for p in (rate, 1 - rate) if 0 < p < 1)


def carried(
    function: Callable[[float], float], placement: Placement, *, turns_at: float | None = None
) -> tuple[float, float]:
    """The range of a function of π over the interval of π that holds whatever the missing draws may have been.

    The function is monotone, or monotone on either side of `turns_at`.
    """
    ends = [function(placement.worst_low), function(placement.worst_high)]
    if turns_at is not None and placement.worst_low < turns_at < placement.worst_high:
        ends.append(function(turns_at))
    return min(ends), max(ends)


def _student(values: Sequence[float], error: float) -> tuple[float, float | None]:
    if len(values) < 2:
        return 0.0, None
    from scipy.special import stdtrit

    n = len(values)
    mean = math.fsum(values) / n
    deviation = math.sqrt(math.fsum((value - mean) ** 2 for value in values) / (n - 1))
    reach = float(stdtrit(n - 1, 1 - error / 2)) * deviation / math.sqrt(n)
    return max(0.0, mean - reach), mean + reach


def _nothing(counted: Counted) -> str:
    if not counted.all:
        return "no draws"
    return f"none of {counted.all} draws has a behaviour ({counted.unscored} unscored, {counted.error} errors)"
