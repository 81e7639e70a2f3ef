"""Two runs over the same prompts, paired by prompt: did compliance move, which way, and is it shown?

Prompts are paired by id *and* content, so that a prompt that was reworded between runs is no pair. The mean difference of a kind is over its
prompts, each counting alike, with rates freed of what adaptive drawing does to them (`placing.unbiased_rate`). Beside it stand

    the interval   Student's t over groups of prompts, never narrower than the chance of the draws alone makes it
    p              sign flips of whole groups, all of them or 20,000 seeded: were the two runs the same, each difference might as
                   well have had the other sign (Fisher 1935; Good, Permutation Tests, section 3.2)

A kind has `moved` when Holm's procedure over kinds accepts its p and the interval is beyond 0. The target of inference are these
prompts, not prompts that nobody wrote. Single prompts get the interval that two anytime-valid intervals leave. Laws L10, L11.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Final, Literal, TypeAlias

import msgspec
import numpy as np
from numpy.typing import NDArray

from obverse.stability.findings import Comparison, Diagnosis, Estimate, PairedChange, Placement, PromptFinding
from obverse.stability.placing import unbiased_rate
from obverse.stability.records import Settings
from obverse.stats import exact
from obverse.stats.family import holm

_Floats = NDArray[np.float64]
Verdict: TypeAlias = Literal["moved to comply", "moved to refuse", "not shown"]

_ALL_FLIPS: Final = 13
"""Up to so many groups every assignment of signs is tried."""
_FLIPS: Final = 20_000


def compare(first: Diagnosis, second: Diagnosis) -> Comparison:
    """What changed from the first to the second, per prompt and per kind; what could not be compared stands in `missing`."""
    one, two = ({each.prompt.id: each for each in run.prompts} for run in (first, second))
    both = [
        (one[id], two[id]) for id in sorted(one.keys() & two.keys()) if one[id].prompt.content == two[id].prompt.content
    ]
    settings = first.settings, second.settings
    error = exact.allowed_error(min(each.confidence for each in settings))
    moved, p, groups = dict[str, Estimate](), dict[str, float | None](), dict[str, int]()
    for kind in sorted({each.prompt.kind for each, _ in both}):
        pairs = [(a, b) for a, b in both if a.prompt.kind == kind and _scored(a) and _scored(b)]
        moved[kind], p[kind] = _moved(pairs, settings, error)
        groups[kind] = len({a.prompt.group for a, _ in pairs})
    few = _too_few(groups, error)
    return Comparison(
        first=first.target, second=second.target, same_model=first.fingerprint == second.fingerprint,
        pairs=tuple(
            PairedChange(
                prompt=a.prompt.id, kind=a.prompt.kind, first=a.placement, second=b.placement,
                difference=_of_prompt(a.placement, b.placement),
            )
            for a, b in both
        ),
        moved=moved, p=p, verdict=_verdicts(moved, p, error), widths=_widths(first, second),
        missing=(*few.values(), *_missing(first, second, one, two)),
        too_few=tuple(few),
    )  # fmt: skip


def _moved(
    pairs: Sequence[tuple[PromptFinding, PromptFinding]], settings: tuple[Settings, Settings], error: float
) -> tuple[Estimate, float | None]:
    """The mean difference of one kind with its interval, and its p-value."""
    if not pairs:
        return Estimate(
            estimate=None, low=-1.0, high=1.0, n=0, method="paired by prompt", note="no pair was scored"
        ), None
    differences = np.array([_rate(b, settings[1]) - _rate(a, settings[0]) for a, b in pairs])
    groups = np.unique([a.prompt.group for a, _ in pairs], return_inverse=True)[1]
    low, high, method = _interval(differences, groups, [_noise(a) + _noise(b) for a, b in pairs], error)
    middle = float(differences.mean())
    found = Estimate(
        estimate=middle, low=max(low, -1.0), high=min(high, 1.0), n=len(pairs), method=method, note=_unscored(pairs)
    )
    sums: _Floats = np.bincount(groups, weights=differences).astype(np.float64)
    return found, _sign_flips(sums[np.abs(sums) > 1e-12], settings[0].seed)


def _rate(finding: PromptFinding, settings: Settings) -> float:
    counted = finding.placement.counted
    # whole numbers of draws drawn by another rule have no such correction, and need none
    found = unbiased_rate(counted, settings)
    return counted.complied / counted.scored if found is None else found


def _noise(finding: PromptFinding) -> float:
    """The variance of a rate by chance alone; never 0, since draws that all agreed may yet differ (Jeffreys' prior)."""
    counted = finding.placement.counted
    smoothed = (counted.complied + 0.5) / (counted.scored + 1)
    return smoothed * (1 - smoothed) / counted.scored


def _interval(
    differences: _Floats, groups: NDArray[np.intp], noise: Sequence[float], error: float
) -> tuple[float, float, str]:
    from scipy.special import ndtri, stdtrit

    n, middle = len(differences), float(differences.mean())
    sums = np.bincount(groups, weights=differences - middle)
    many = len(sums)
    reach = float(ndtri(1 - error / 2)) * math.sqrt(sum(noise)) / n
    method = "the draws' own chance"
    if many > 1:
        spread = math.sqrt(float((sums**2).sum()) * many / (many - 1)) / n
        over_groups = float(stdtrit(many - 1, 1 - error / 2)) * spread
        if over_groups > reach:
            reach, method = over_groups, "Student's t over groups"
    return middle - reach, middle + reach, f"paired by prompt, {method}"


def _sign_flips(sums: _Floats, seed: int) -> float:
    """How often random signs give a sum as far from 0 as the one seen, or farther; 1 where nothing differed."""
    many = len(sums)
    if not many:
        return 1.0
    seen = abs(float(sums.sum())) - 1e-9
    if many <= _ALL_FLIPS:
        signs = np.array([[1 - 2 * (number >> bit & 1) for bit in range(many)] for number in range(2**many)])
        return float((np.abs(signs @ sums) >= seen).mean())
    random, hits = np.random.Generator(np.random.Philox(seed)), 0
    for _ in range(_FLIPS // 1000):
        signs = random.integers(0, 2, (1000, many)) * 2 - 1
        hits += int((np.abs(signs @ sums) >= seen).sum())
    # the signs as seen are one of the assignments: without it p could be 0 (Phipson and Smyth, SAGMB 9, 2010)
    return (hits + 1) / (_FLIPS + 1)


def _verdicts(moved: Mapping[str, Estimate], p: Mapping[str, float | None], error: float) -> dict[str, Verdict]:
    tested = {kind: value for kind, value in p.items() if value is not None}
    accepted = holm([-math.log(value) for value in tested.values()], error=error)
    shown = {kind for kind, (enough, _) in zip(tested, accepted) if enough}
    found = dict[str, Verdict]()
    for kind, estimate in moved.items():
        if kind in shown and (estimate.low or 0.0) > 0:
            found[kind] = "moved to comply"
        elif kind in shown and (estimate.high or 0.0) < 0:
            found[kind] = "moved to refuse"
        else:
            found[kind] = "not shown"
    return found


def _too_few(groups: Mapping[str, int], error: float) -> dict[str, str]:
    """Kinds of which no move can be shown, whatever comes out, and why: of them `not shown` says nothing."""
    # Holm's procedure asks this of the smallest p; once it accepted another kind it asks for less, and may accept this one too
    asked = error / max(sum(many > 0 for many in groups.values()), 1)
    return {
        kind: f"{kind}s: {many} groups of prompts cannot show a move: p is {2 / 2**many:.2g} at least, {asked:.2g} is asked for"
        if many
        else f"{kind}s: nothing was scored in both runs"
        for kind, many in groups.items()
        if 2 / 2**many > asked
    }


def _of_prompt(first: Placement, second: Placement) -> Estimate:
    """Second less first. Each of the two intervals holds with its confidence; both together with what is left of the two."""
    one, two = first.rate, second.rate
    known = one.estimate is not None and two.estimate is not None

    def end(value: float | None, otherwise: float) -> float:
        return otherwise if value is None else value

    return Estimate(
        estimate=(two.estimate or 0.0) - (one.estimate or 0.0) if known else None,
        low=end(two.low, 0.0) - end(one.high, 1.0),
        high=end(two.high, 1.0) - end(one.low, 0.0),
        n=min(one.n, two.n),
        method="difference of two anytime-valid intervals",
        note="" if known else "nothing was scored in one of the runs",
    )


def _scored(finding: PromptFinding) -> bool:
    return finding.placement.counted.scored > 0


def _unscored(pairs: Sequence[tuple[PromptFinding, PromptFinding]]) -> str:
    """What the mean would be were all that is not scored refused, or complied with; empty if all is scored (L11)."""
    counts = [(a.placement.counted, b.placement.counted) for a, b in pairs]
    lost = sum(each.all - each.scored for pair in counts for each in pair)
    if not lost:
        return ""
    low = sum(b.complied / b.all - (a.all - a.refused) / a.all for a, b in counts) / len(counts)
    high = sum((b.all - b.refused) / b.all - a.complied / a.all for a, b in counts) / len(counts)
    return f"{lost} draws were not scored: {low:+.2f} to {high:+.2f} at worst"


def _widths(first: Diagnosis, second: Diagnosis) -> tuple[tuple[str, str, Estimate | None, Estimate | None], ...]:
    """The widths of pooled curves that at least one of the runs has."""
    one, two = (
        {(curve.ladder, curve.kind): curve.width for curve in run.curves if curve.prompt is None}
        for run in (first, second)
    )
    return tuple(
        (*key, one.get(key), two.get(key)) for key in sorted(one.keys() | two.keys()) if one.get(key) or two.get(key)
    )


def _missing(
    first: Diagnosis, second: Diagnosis, one: Mapping[str, PromptFinding], two: Mapping[str, PromptFinding]
) -> tuple[str, ...]:
    said = []
    for here, there, which in ((one, two, "first"), (two, one, "second")):
        alone = sorted(here.keys() - there.keys())
        if alone:
            said.append(f"only in the {which} run: {_listed(alone)}")
    reworded = sorted(id for id in one.keys() & two.keys() if one[id].prompt.content != two[id].prompt.content)
    if reworded:
        said.append(f"of one name, but not the same messages: {_listed(reworded)}")
    unscored = sorted(
        id for id in one.keys() & two.keys() if id not in reworded and not (_scored(one[id]) and _scored(two[id]))
    )
    if unscored:
        said.append(f"nothing scored in one of the runs: {_listed(unscored)}")
    if first.policy != second.policy:
        said.append("the two runs are of different policies")
    settings = [msgspec.to_builtins(run.settings) for run in (first, second)]
    said += [
        f"different settings: `{name}` was {settings[0][name]} and {settings[1][name]}"
        for name in settings[0]
        if settings[0][name] != settings[1][name]
    ]
    judges = [sorted(f"{judge.name} ({judge.identity})" for judge in run.judges) for run in (first, second)]
    if judges[0] != judges[1]:
        said.append(f"different judges: {_listed(judges[0])} and {_listed(judges[1])}; a difference may be theirs")
    for run, which in ((first, "first"), (second, "second")):
        if not run.complete:
            said.append(f"the {which} run was cut short ({run.ended})")
    if first.fingerprint == second.fingerprint:
        said.append("both runs are of the same model: what differs is chance, or settings")
    return tuple(said)


def _listed(names: Sequence[str]) -> str:
    if not names:
        return "none"
    return ", ".join(f"`{name}`" for name in names[:8]) + (f" and {len(names) - 8} more" if len(names) > 8 else "")
