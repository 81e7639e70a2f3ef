"""Where the variance of outcomes comes from: case, perturbation, paraphrase, sampling, judge.

    y = μ + case + ladder + case × ladder + paraphrase(case, ladder) + sampling(…) + judge + case × judge + answer × judge

y is 1 for compliance, 0 for refusal; a rung's ladder and level are one condition, crossed with cases and judges; paraphrases are the
variants of one level, sampling is one prompt drawn again. Estimated by moments, as differences of mean products of two
outcomes that share more or less (U-statistics; Henderson's method I by another road, Biometrics 9, 1953): two draws of one point
share all but sampling, two prompts share only the perturbation, and so on. No model of 0/1 outcomes is fitted, no
variance is cut off at 0, and designs need not be balanced: every prompt counts alike, within a prompt every point.

Judge noise is kept apart by construction: with two judges or more the model's parts come from products of *different* judges'
words only, in which their noise does not meet itself. With one judge it cannot be kept apart, and `missing` says so.

All is within kinds (cases, twins, controls), so that what is wanted of a prompt is no variance. Base points are drawn adaptively:
only the draws that were made whatever came out take part. Intervals: bootstrap over prompts within their kind, seeded. Laws L10, L11.
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Mapping, Sequence
from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from obverse.core.errors import MisuseError
from obverse.stability.findings import Component, Components, Estimate
from obverse.stability.records import BASE, Draw, Settings
from obverse.stats import exact

_Floats = NDArray[np.float64]

NAMES: Final = (
    "case", "ladder", "case × ladder", "paraphrase", "sampling", "rest", "judge", "case × judge", "answer × judge",
)  # fmt: skip
"""Every source that may be named, in the order of reports."""

_ROUNDS: Final = 400
_OUTCOME: Final = {"refuse": 0.0, "comply": 1.0}
_METHOD: Final = "moments, bootstrap over prompts"


class _Means(NamedTuple):
    """What one prompt says of each moment, NaN where its design has nothing to say; columns of a table."""

    sampling: float
    answer_judge: float
    paraphrase: float
    cell: float
    across: float
    cell_judge: float
    across_judge: float
    anything: float


class _Kind(NamedTuple):
    """The prompts of one kind: what each says, and the mean products of each pair of them."""

    means: _Floats
    """Shape (prompts, fields of `_Means`)."""
    apart: _Floats
    """Products over different conditions, different judges; NaN where a pair has none, and on the diagonal."""
    together: _Floats
    """The same over equal conditions."""
    apart_judge: _Floats
    """As `apart`, but of the same judge."""
    agreement: _Floats
    """For each prompt and pair of judges: answers, agreed, first complies, second complies; shape (prompts, pairs, 4)."""


def components(draws: Sequence[Draw], *, kinds: Mapping[str, str], settings: Settings) -> Components:
    """The variance of compliance within kinds, split into its sources; `kinds` says of each prompt what kind it is.

    Raises:
        MisuseError: for a draw whose prompt has no kind.
    """
    judges = _judges(draws)
    outcomes = _outcomes(draws, judges, kinds, settings)
    n = sum(map(len, outcomes.values()))
    error, missing = exact.allowed_error(settings.confidence), dict[str, str]()
    grouped = defaultdict[str, list[str]](list)
    for prompt in sorted(outcomes):
        grouped[kinds[prompt]].append(prompt)
    strata = [_kind([outcomes[prompt] for prompt in grouped[kind]], len(judges)) for kind in sorted(grouped)]
    random = np.random.Generator(np.random.Philox(settings.seed))
    # the first row is what was seen, the others are resampled
    weights = [_resampled(random, len(kind.means)) for kind in strata]
    agreement, kappa = _agreements(strata, weights, error, missing, len(judges))
    usable = [at for at, kind in enumerate(strata) if len(kind.means) > 1]
    for kind in sorted(grouped):
        if len(grouped[kind]) == 1:
            missing[f"kind {kind}"] = "a single prompt varies with no other; it is left out"
    nothing = Components(
        components=(), total=None, n=n, judges=judges, agreement=agreement, kappa=kappa, missing=missing
    )
    if not usable:
        missing["all"] = "fewer than two prompts of one kind have scored draws"
        return nothing
    seen = {value for outcome in outcomes.values() for rows in outcome.values() for value in rows[~np.isnan(rows)]}
    if len(seen) < 2:
        missing["all"] = "every outcome is the same: there is no variance to split"
        return nothing
    parts = _parts([strata[at] for at in usable], [weights[at] for at in usable], len(judges), missing)
    means = np.concatenate([strata[at].means for at in usable])
    found = tuple(_component(name, parts, means, error) for name in NAMES if name in parts)
    return Components(
        components=found,
        total=float(sum(values[0] for values in parts.values())),
        n=n, judges=judges, agreement=agreement, kappa=kappa, missing=missing,
    )  # fmt: skip


# --- outcomes by prompt, condition and variant


_Outcomes = dict[tuple[str, int, int], _Floats]
"""By ladder, level and variant: 0 or 1 for each draw and judge, NaN for unscored."""


def _judges(draws: Sequence[Draw]) -> tuple[str, ...]:
    found = dict.fromkeys(name for draw in draws for name, said in draw.judged.items() if said in _OUTCOME)
    return tuple(found) or (("behaviour",) if any(draw.behaviour in _OUTCOME for draw in draws) else ())


def _outcomes(
    draws: Sequence[Draw], judges: tuple[str, ...], kinds: Mapping[str, str], settings: Settings
) -> dict[str, _Outcomes]:
    surely = max(settings.least, 1)
    rows = defaultdict[str, dict[tuple[str, int, int], list[list[float]]]](lambda: defaultdict(list))
    for draw in sorted(draws, key=lambda draw: (draw.prompt, draw.ladder, draw.level, draw.variant, draw.index)):
        if draw.prompt not in kinds:
            raise MisuseError(f"the prompt `{draw.prompt}` has draws, but no kind", code="B206")
        # later draws of a base point were made because of how the earlier ones came out
        if draw.behaviour == "error" or (draw.ladder == BASE and draw.index >= surely):
            continue
        said = draw.judged or {"behaviour": draw.behaviour}
        row = [_OUTCOME.get(said.get(judge, ""), math.nan) for judge in judges]
        if not all(map(math.isnan, row)):
            rows[draw.prompt][draw.ladder, draw.level, draw.variant].append(row)
    return {prompt: {at: np.array(found) for at, found in points.items()} for prompt, points in rows.items()}


# --- mean products


def _kind(prompts: Sequence[_Outcomes], judges: int) -> _Kind:
    conditions = sorted({at[:2] for points in prompts for at in points})
    place = {condition: at for at, condition in enumerate(conditions)}
    cells = np.full((len(prompts), len(conditions), judges), math.nan)
    means, agreements = [], []
    for row, points in enumerate(prompts):
        variants = defaultdict[tuple[str, int], list[_Floats]](list)
        for (ladder, level, _), found in sorted(points.items()):
            variants[ladder, level].append(found)
        for condition, several in variants.items():
            cells[row, place[condition]] = _nan_mean(np.stack([_nan_mean(found) for found in several]))
        means.append(_of_prompt(list(variants.values()), cells[row]))
        agreements.append(_agreed(np.concatenate(list(points.values()))))
    apart, together, apart_judge = _between(cells)
    return _Kind(np.array(means), apart, together, apart_judge, np.array(agreements))


def _of_prompt(cells: Sequence[Sequence[_Floats]], levels: _Floats) -> _Means:
    sampling, answer_judge, paraphrase, anything = [], [], [], list[float]()
    varied, repeats = list[tuple[float, float]](), list[tuple[float, float]]()
    known = [[_point(found) for found in several] for several in cells]
    # where rungs have one draw each, only the base is drawn again: it is no sample of the conditions, and says nothing of the others
    again_at = sum(not math.isnan(again) for points in known for _, again, _, _ in points)
    lone = 2 * again_at < sum(map(len, known))
    for several, points in zip(cells, known):
        repeated = [again for _, again, _, _ in points if not math.isnan(again) and not lone]
        sampling += [answer - again for answer, again, _, _ in points if not math.isnan(again) and not lone]
        anything += [answer for answer, _, _, _ in points if not math.isnan(answer)]
        answer_judge += [own - answer for answer, _, own, _ in points if not math.isnan(own - answer)]
        across, across_judge = _products(np.stack([_nan_mean(found) for found in several]))
        if not math.isnan(across):
            varied.append((across, across_judge))
            if repeated:
                paraphrase.append(_mean(repeated) - across)
        elif repeated:
            repeats.append((_mean(repeated), _mean([own for _, _, _, own in points if not math.isnan(own)])))
    # the base has no variants; where rungs have, two draws of it would bring its wording in
    inner = varied or repeats
    over, over_judge = _products(levels)
    return _Means(
        sampling=_mean(sampling), answer_judge=_mean(answer_judge), paraphrase=_mean(paraphrase), cell=_mean([both for both, _ in inner]),
        across=over, cell_judge=_mean([own for _, own in inner]), across_judge=over_judge, anything=_mean(anything),
    )  # fmt: skip


def _point(found: _Floats) -> tuple[float, float, float, float]:
    """Mean products of one point: one answer by two judges, two answers by two judges; the same by one judge.

    With a single judge the first two are those of that judge, since there are no two.
    """
    known = ~np.isnan(found)
    values = np.where(known, found, 0.0)
    same, same_n = values.T @ values, known.T.astype(float) @ known
    each, each_n = values.sum(axis=0), known.sum(axis=0).astype(float)
    again, again_n = np.outer(each, each) - same, np.outer(each_n, each_n) - same_n
    one_judge = found.shape[1] == 1
    own, own_again = _ratio(np.trace(same), np.trace(same_n)), _ratio(np.trace(again), np.trace(again_n))
    if one_judge:
        return own, own_again, math.nan, own_again
    others = [
        _ratio(part.sum() - np.trace(part), n.sum() - np.trace(n)) for part, n in ((same, same_n), (again, again_n))
    ]
    return others[0], others[1], own, own_again


def _products(rows: _Floats) -> tuple[float, float]:
    """The mean product of two different rows, of different judges and of the same; shape (rows, judges)."""
    known = ~np.isnan(rows)
    values = np.where(known, rows, 0.0)
    total, total_n = values.sum(axis=0), known.sum(axis=0).astype(float)
    same, same_n = values.T @ values, known.T.astype(float) @ known
    apart, apart_n = np.outer(total, total) - same, np.outer(total_n, total_n) - same_n
    own = _ratio(np.trace(apart), np.trace(apart_n))
    if rows.shape[1] == 1:
        return own, own
    return _ratio(apart.sum() - np.trace(apart), apart_n.sum() - np.trace(apart_n)), own


def _between(cells: _Floats) -> tuple[_Floats, _Floats, _Floats]:
    """For each two prompts the mean products over different conditions and equal ones; the former of the same judge too."""
    prompts, _, judges = cells.shape
    known = (~np.isnan(cells)).astype(float)
    values = np.where(known > 0, cells, 0.0)

    def pairs(part: _Floats, *, own: bool) -> tuple[_Floats, _Floats]:
        """Sums over equal conditions and over all, of the same judge or of different ones."""
        flat, whole = part.reshape(prompts, -1), part.sum(axis=1)
        same_equal, same_all = flat @ flat.T, whole @ whole.T
        if own:
            return same_equal, same_all
        added = part.sum(axis=2)
        return added @ added.T - same_equal, np.outer(added.sum(axis=1), added.sum(axis=1)) - same_all

    def means(*, own: bool) -> tuple[_Floats, _Floats]:
        (equal, every), (equal_n, every_n) = pairs(values, own=own), pairs(known, own=own)
        with np.errstate(invalid="ignore", divide="ignore"):
            found = [
                np.where(n > 0.5, part / n, math.nan)
                for part, n in ((every - equal, every_n - equal_n), (equal, equal_n))
            ]
        for part in found:
            np.fill_diagonal(part, math.nan)
        return found[0], found[1]

    own_apart, own_together = means(own=True)
    if cells.shape[1] == 1:
        own_apart = own_together
    if judges == 1:
        return own_apart, own_together, own_apart
    apart, together = means(own=False)
    return (together if cells.shape[1] == 1 else apart), together, own_apart


def _agreed(found: _Floats) -> _Floats:
    judges = found.shape[1]
    rows = []
    for first in range(judges):
        for second in range(first + 1, judges):
            both = found[~np.isnan(found[:, first]) & ~np.isnan(found[:, second])][:, [first, second]]
            rows.append([len(both), float((both[:, 0] == both[:, 1]).sum()), both[:, 0].sum(), both[:, 1].sum()])
    return np.array(rows).reshape(-1, 4)


# --- parts out of products


def _parts(
    strata: Sequence[_Kind], weights: Sequence[_Floats], judges: int, missing: dict[str, str]
) -> dict[str, _Floats]:
    """Each part of the variance, as seen (first) and in each resampling; what the design cannot tell goes to `missing`."""
    whole = sum(len(kind.means) for kind in strata)

    def pooled(values: Sequence[_Floats]) -> _Floats:
        """Over kinds, by their number of prompts; kinds without a word are left out."""
        shares = np.array([len(kind.means) / whole for kind in strata])[:, None]
        table = np.stack(values)
        known = ~np.isnan(table)
        with np.errstate(invalid="ignore"):
            found: _Floats = np.where(known, table, 0.0).T @ shares[:, 0] / (known.T @ shares[:, 0])
        return found

    def of(*fields: str) -> _Floats:
        """The mean over prompts of the first field less the second, over prompts that have both."""
        columns = [_Means._fields.index(field) for field in fields]
        return pooled([
            _weighted(kind.means[:, columns[0]] - (kind.means[:, columns[1]] if len(columns) > 1 else 0.0), weight)
            for kind, weight in zip(strata, weights)
        ])  # fmt: skip

    def between(*fields: str) -> _Floats:
        return pooled([
            _quadratic(getattr(kind, fields[0]) - (getattr(kind, fields[1]) if len(fields) > 1 else 0.0), weight)
            for kind, weight in zip(strata, weights)
        ])  # fmt: skip

    def shared(field: str, moment: str) -> _Floats:
        """Mean over prompts less the mean product of two prompts of the kind."""
        column = _Means._fields.index(field)
        return pooled([
            _weighted(kind.means[:, column], weight) - _quadratic(getattr(kind, moment), weight)
            for kind, weight in zip(strata, weights)
        ])  # fmt: skip

    parts: dict[str, _Floats] = {}
    ladders = not np.isnan(of("across")[0])
    repeated, cells = not np.isnan(of("sampling")[0]), not np.isnan(of("cell")[0])
    base = "across" if ladders else "cell"
    if ladders or cells:
        parts["case"] = shared(base, "apart")
    else:
        missing["case"] = "each prompt has a single draw"
    if ladders:
        parts["ladder"] = between("together", "apart")
    else:
        missing["ladder"] = "only one condition was drawn"
    if ladders and cells:
        parts["case × ladder"] = of("cell", "across") - parts["ladder"]
    else:
        missing["case × ladder"] = (
            "one draw per rung: it stands in `rest`" if ladders else "only one condition was drawn"
        )
    if np.isnan(of("paraphrase")[0]):
        missing["paraphrase"] = "no level has two variants with two draws: it stands in `case × ladder` or `sampling`"
    else:
        parts["paraphrase"] = of("paraphrase")
    if repeated:
        parts["sampling"] = of("sampling")
    else:
        missing["sampling"] = "one draw per rung: it stands in `rest`"
        if "case" in parts:
            inner = "cell" if cells else base
            parts["rest"] = of("anything", inner) - (parts.get("ladder", 0.0) if not cells else 0.0)
    if judges > 1:
        parts["judge"] = between("apart_judge", "apart")
        mixed = of(f"{base}_judge", base)
        parts["case × judge"] = mixed - parts["judge"]
        parts["answer × judge"] = of("answer_judge") - mixed
    else:
        missing["judge"] = "one judge: its noise stands in `sampling`, and its leniency towards a prompt in `case`"
    for name in [name for name, values in parts.items() if np.isnan(values[0])]:
        del parts[name]
        missing[name] = "no two prompts of one kind share what it takes"
    return parts


def _component(name: str, parts: Mapping[str, _Floats], means: _Floats, error: float) -> Component:
    clipped = {other: np.maximum(values, 0.0) for other, values in parts.items()}
    whole = sum(clipped.values(), np.zeros(()))
    shares = clipped[name] / np.where(whole > 0, whole, 1.0)
    variance = _spanned(parts[name], error, len(means))
    share = _within(_spanned(shares, error, len(means)))
    differed, largest = _differed(name, means)
    if not differed.any() or not (np.abs(parts[name]) > 1e-12).any():
        # nothing differed in any prompt: resampling would swear that nothing can
        most = largest * exact.upper_bound(trials=len(differed), broken=0, error=error)
        top = most / (most + float(whole[0])) if whole[0] + most else 1.0
        variance, share = (
            Estimate(
                estimate=0.0, low=0.0, high=high, n=len(differed), method="bound without a difference",
                note="no two of them differed",
            )
            for high in (most, top)
        )  # fmt: skip
    if name == "sampling" and "judge" not in parts:
        variance = Estimate(
            estimate=variance.estimate, low=variance.low, high=variance.high, n=variance.n, method=variance.method,
            note="with the noise of the one judge in it",
        )  # fmt: skip
    return Component(name=name, variance=variance, share=share)


def _differed(name: str, means: _Floats) -> tuple[_Floats, float]:
    """By how much outcomes differed in each prompt that can tell of this part, and the most that it could be; 1 where none can."""
    columns = dict(zip(_Means._fields, means.T))
    found, largest = {
        "sampling": (columns["sampling"], 0.25),
        "paraphrase": (columns["paraphrase"], 0.25),
        "ladder": (columns["cell"] - columns["across"], 0.25),
        "case × ladder": (columns["cell"] - columns["across"], 0.25),
        # (y - y')² / 2 of two judges of one answer holds all that is theirs
        "judge": (columns["answer_judge"], 0.5),
        "case × judge": (columns["answer_judge"], 0.5),
        "answer × judge": (columns["answer_judge"], 0.5),
    }.get(name, (np.ones(len(means)), 0.25))
    return found[~np.isnan(found)], largest


def _spanned(values: _Floats, error: float, n: int) -> Estimate:
    low, high = (float(end) for end in np.nanquantile(values[1:], [error / 2, 1 - error / 2]))
    seen, wider = float(values[0]), _widening(n, error)
    note = "below 0: not to be told from none" if seen < 0 else ""
    # the seen value is inside of its own interval
    return Estimate(
        estimate=seen, low=seen + wider * min(low - seen, 0.0), high=seen + wider * max(high - seen, 0.0), n=n, method=_METHOD,
        note=note,
    )  # fmt: skip


def _within(share: Estimate) -> Estimate:
    low, high = max(share.low or 0.0, 0.0), min(1.0 if share.high is None else share.high, 1.0)
    return Estimate(estimate=share.estimate, low=low, high=high, n=share.n, method=share.method, note=share.note)


def _widening(n: int, error: float) -> float:
    """What percentiles of a bootstrap lack with few prompts: Student's t, and n - 1 for n (Hesterberg, Am. Stat. 69, 2015)."""
    from scipy.special import ndtri, stdtrit

    return float(stdtrit(n - 1, 1 - error / 2) / ndtri(1 - error / 2)) * math.sqrt(n / (n - 1))


# --- agreement of judges


def _agreements(
    strata: Sequence[_Kind], weights: Sequence[_Floats], error: float, missing: dict[str, str], judges: int
) -> tuple[Estimate | None, Estimate | None]:
    """How often two judges agree about one answer, and Cohen's kappa (Educ. Psychol. Meas. 20, 1960), mean over pairs of judges."""
    if judges < 2:
        missing["agreement"] = missing["kappa"] = "one judge" if judges else "no judge"
        return None, None
    tables = np.concatenate([kind.agreement for kind in strata])
    counts = np.einsum("rp,pjc->rjc", np.concatenate(list(weights), axis=1), tables)
    answers, agreed, first, second = np.moveaxis(counts, 2, 0)
    n, prompts = int(answers[0].sum()), int((tables[:, :, 0].sum(axis=1) > 0).sum())
    if not n:
        missing["agreement"] = missing["kappa"] = "no answer was scored by two judges"
        return None, None
    with np.errstate(invalid="ignore", divide="ignore"):
        rate, one, two = agreed / answers, first / answers, second / answers
        chance = one * two + (1 - one) * (1 - two)
        kappas = np.where(1 - chance > 1e-12, (rate - chance) / (1 - chance), math.nan)
    agreement = _over_pairs(rate, error, n, "share of answers, bootstrap over prompts")
    least = exact.lower_bound(trials=prompts, broken=prompts, error=error)
    if agreement.estimate == 1.0:
        agreement = Estimate(
            estimate=1.0, low=least, high=1.0, n=n, method="Clopper–Pearson over prompts", note="they never differed"
        )
    if np.isnan(kappas[0]).all():
        missing["kappa"] = "each judge says the same of every answer: chance alone would agree"
        return agreement, None
    kappa = _over_pairs(kappas, error, n, "Cohen's kappa, bootstrap over prompts")
    if kappa.estimate == 1.0:
        by_chance = float(np.nanmean(chance[0]))
        kappa = Estimate(
            estimate=1.0, low=(least - by_chance) / (1 - by_chance), high=1.0, n=n, method="from the bound on agreement",
            note="they never differed",
        )  # fmt: skip
    return agreement, kappa


def _over_pairs(values: _Floats, error: float, n: int, method: str) -> Estimate:
    known = ~np.isnan(values)
    means = np.where(known, values, 0.0).sum(axis=1) / np.maximum(known.sum(axis=1), 1)
    means = means[known.any(axis=1)]
    low, high = np.quantile(means, [error / 2, 1 - error / 2])
    return Estimate(
        estimate=float(means[0]), low=float(min(low, means[0])), high=float(max(high, means[0])), n=n, method=method,
        note="" if values.shape[1] == 1 else f"mean over {values.shape[1]} pairs of judges",
    )  # fmt: skip


# --- resampling and means


def _resampled(random: np.random.Generator, prompts: int) -> _Floats:
    """How often each prompt counts: once each in the first row, drawn with replacement in the others."""
    drawn = random.multinomial(prompts, np.full(prompts, 1 / prompts), size=_ROUNDS)
    return np.concatenate([np.ones((1, prompts)), drawn])


def _weighted(values: _Floats, weights: _Floats) -> _Floats:
    known = ~np.isnan(values)
    with np.errstate(invalid="ignore", divide="ignore"):
        found: _Floats = weights @ np.where(known, values, 0.0) / (weights @ known)
    return found


def _quadratic(pairs: _Floats, weights: _Floats) -> _Floats:
    """The weighted mean over pairs of different prompts."""
    known = ~np.isnan(pairs)
    with np.errstate(invalid="ignore", divide="ignore"):
        found: _Floats = ((weights @ np.where(known, pairs, 0.0)) * weights).sum(axis=1) / (
            (weights @ known) * weights
        ).sum(axis=1)
    return found


def _nan_mean(rows: _Floats) -> _Floats:
    """The mean of each column over what is known of it; NaN where nothing is."""
    known = ~np.isnan(rows)
    n = known.sum(axis=0)
    return np.where(n > 0, np.where(known, rows, 0.0).sum(axis=0) / np.maximum(n, 1), math.nan)


def _mean(values: Sequence[float]) -> float:
    return sum(values) / len(values) if values else math.nan


def _ratio(part: float, n: float) -> float:
    return float(part) / float(n) if n > 0.5 else math.nan
