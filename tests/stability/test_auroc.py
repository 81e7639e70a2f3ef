"""AUROC beside pair counting, its interval beside a textbook DeLong and simulation, recall beside counting."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import special  # noqa: F401  # loaded before the first deadline runs

from obverse.core.errors import MisuseError
from obverse.stability.auroc import auroc, difference, flagged, mid_ranks, threshold_at

SCORED = st.lists(st.tuples(st.integers(-4, 4), st.booleans()), min_size=2, max_size=25)


def by_pairs(scores, positive, strata=None):
    """The area by counting pairs."""
    strata = strata or ["one"] * len(scores)
    won = [
        1.0 if a > b else 0.5 if a == b else 0.0
        for a, ours, s in zip(scores, positive, strata)
        for b, theirs, t in zip(scores, positive, strata)
        if ours and not theirs and s == t
    ]
    return sum(won) / len(won) if won else None


def delong(scores, positive):
    """The variance as the paper writes it: structural components, by comparing all pairs."""
    ours = [s for s, p in zip(scores, positive) if p]
    theirs = [s for s, p in zip(scores, positive) if not p]
    psi = np.array([[1.0 if a > b else 0.5 if a == b else 0.0 for b in theirs] for a in ours])
    return psi.mean(axis=1).var(ddof=1) / len(ours) + psi.mean(axis=0).var(ddof=1) / len(theirs)


@given(SCORED)
def test_the_area_is_the_share_of_pairs_in_order(pairs) -> None:
    scores, positive = zip(*pairs)
    found, slow = auroc(scores, positive), by_pairs(scores, positive)
    if slow is None:
        assert found.estimate is None
        assert (found.low, found.high, found.n) == (0.0, 1.0, 0)
        assert found.note
    else:
        assert found.estimate == pytest.approx(slow)
        assert found.low <= slow + 1e-9
        assert found.high >= slow - 1e-9


@given(SCORED)
def test_the_interval_is_delongs_on_the_logit_scale(pairs) -> None:
    scores, positive = zip(*pairs)
    if min(sum(positive), len(positive) - sum(positive)) < 2:
        return
    area, variance = by_pairs(scores, positive), delong(scores, positive)
    if variance < 1e-12 or area in {0.0, 1.0}:
        return
    found = auroc(scores, positive)
    step = 1.959964 * math.sqrt(variance) / (area * (1 - area))
    assert found.low == pytest.approx(1 / (1 + math.exp(-(math.log(area / (1 - area)) - step))), abs=1e-6)


@given(SCORED, st.integers(0, 3))
def test_with_strata_only_pairs_within_one_count(pairs, shift) -> None:
    scores, positive = zip(*pairs)
    strata = [str((i + shift) % 3) for i in range(len(pairs))]
    slow = by_pairs(scores, positive, strata)
    found = auroc(scores, positive, strata=strata).estimate
    assert found == (None if slow is None else pytest.approx(slow))


def test_each_score_its_own_cluster_is_nearly_delong() -> None:
    random = np.random.default_rng(3)
    positive = random.random(300) < 0.4
    scores = random.normal(size=300) + positive
    plain, clustered = auroc(scores, positive), auroc(scores, positive, clusters=[str(i) for i in range(300)])
    assert clustered.low == pytest.approx(plain.low, abs=0.002)
    assert clustered.high == pytest.approx(plain.high, abs=0.002)


def test_clusters_that_repeat_a_score_do_not_narrow_the_interval() -> None:
    random = np.random.default_rng(4)
    positive = random.random(40) < 0.5
    scores = random.normal(size=40) + positive
    names = [str(i) for i in range(40)]
    once = auroc(scores, positive, clusters=names)
    often = auroc(np.repeat(scores, 5), np.repeat(positive, 5), clusters=np.repeat(names, 5).tolist())
    assert often.high - often.low == pytest.approx(once.high - once.low, rel=1e-6)


def test_L10_perfect_order_is_no_certainty() -> None:
    found = auroc([1, 2, 3, 4], [False, False, True, True])
    assert found.estimate == 1.0
    assert found.high == 1.0
    assert found.low < 0.7


def test_the_interval_holds_the_truth_about_as_often_as_it_says() -> None:
    random, hits, rounds = np.random.default_rng(5), 0, 400
    truth = 0.7602  # Φ(1/√2)
    for _ in range(rounds):
        scores = np.concatenate([random.normal(1, 1, 15), random.normal(0, 1, 40)])
        found = auroc(scores, [True] * 15 + [False] * 40)
        hits += found.low <= truth <= found.high
    assert hits / rounds > 0.92


@given(SCORED, st.floats(0, 0.5))
def test_the_threshold_is_the_lowest_that_keeps_the_false_alarms(pairs, fpr) -> None:
    scores, positive = zip(*pairs)
    at = threshold_at(scores, positive, fpr=fpr)
    negatives = [s for s, p in zip(scores, positive) if not p]
    if not negatives:
        assert at == math.inf
        return
    assert sum(s > at for s in negatives) <= fpr * len(negatives) + 1e-9
    lower = max((s for s in negatives if s < at), default=None)
    if lower is not None:
        assert sum(s > lower for s in negatives) > fpr * len(negatives)


def test_a_share_has_clopper_and_pearsons_interval() -> None:
    found = flagged([True] * 3 + [False] * 9, [True] * 10 + [False] * 2)
    assert (found.estimate, found.n) == (0.3, 10)
    assert found.low == pytest.approx(0.0667, abs=1e-4)
    assert found.high == pytest.approx(0.6525, abs=1e-4)
    assert flagged([True], [False]).estimate is None


def test_ranks_share_their_mean() -> None:
    assert mid_ranks([3.0, 1.0, 3.0, 2.0]).tolist() == [3.5, 1.0, 3.5, 2.0]


@pytest.mark.parametrize(
    ("scores", "positive", "clusters", "code"),
    [([1.0], [True, False], None, "B201"), ([math.nan, 1.0], [True, False], None, "B202"), ([1.0], [True], [], "B203")],
)
def test_what_cannot_be_scored_is_named(scores, positive, clusters, code) -> None:
    with pytest.raises(MisuseError) as caught:
        auroc(scores, positive, clusters=clusters)
    assert caught.value.code == code


@given(st.lists(st.tuples(st.integers(-4, 4), st.integers(-4, 4), st.booleans()), min_size=4, max_size=25))
def test_a_difference_has_the_variance_that_the_paper_gives_it(rows) -> None:
    """DeLong's covariance, by comparing all pairs."""
    first, second, positive = zip(*rows)
    found = difference(first, second, positive)
    if min(sum(positive), len(positive) - sum(positive)) < 2:
        return
    psi = [
        np.array(
            [
                [1.0 if a > b else 0.5 if a == b else 0.0 for b, q in zip(x, positive) if not q]
                for a, p in zip(x, positive)
                if p
            ]
        )
        for x in (first, second)
    ]
    gap = psi[1] - psi[0]
    variance = gap.mean(axis=1).var(ddof=1) / gap.shape[0] + gap.mean(axis=0).var(ddof=1) / gap.shape[1]
    assert found.estimate == pytest.approx(gap.mean())
    if variance > 1e-12:
        assert found.high == pytest.approx(min(gap.mean() + 1.959964 * math.sqrt(variance), 1.0), abs=1e-6)
    else:
        assert found.note
