"""Clusters are scipy's, entropies have the bias that is stated, distances are those of a loop; encoders that fail are named."""

from __future__ import annotations

import itertools
import math
from collections import Counter
from collections.abc import Sequence

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray
from scipy.cluster.hierarchy import fcluster, linkage
from scipy.spatial.distance import squareform

from obverse.core.errors import MisuseError, UnavailableError
from obverse.stability.meaning import distances, entropy_of, linked, meaning
from obverse.stability.records import Settings

SETTINGS = Settings()


class Letters:
    """Counts letters: texts of the same letters mean the same."""

    identity = "letters/1"

    def embed(self, texts: Sequence[str]) -> NDArray[np.float32]:
        rows = np.array([[0.01 + text.count(letter) for letter in "abcdefgh"] for text in texts], dtype=np.float32)
        return rows / np.linalg.norm(rows, axis=1, keepdims=True)


class Broken:
    identity = "broken/1"

    def __init__(self, rows: NDArray[np.float32]) -> None:
        self.rows = rows

    def embed(self, texts: Sequence[str]) -> NDArray[np.float32]:
        return self.rows


@given(seed=st.integers(0, 10_000), n=st.integers(2, 14), near=st.floats(0.05, 1.5))
def test_clusters_are_those_of_scipys_complete_linkage(seed: int, n: int, near: float) -> None:
    vectors = np.random.default_rng(seed).normal(size=(n, 4))
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    far = np.clip(1 - vectors @ vectors.T, 0, 2)
    np.fill_diagonal(far, 0)
    theirs = fcluster(linkage(squareform(far, checks=False), "complete"), near, "distance")
    ours = linked(far, near)
    assert {(one, other) for one, other in itertools.combinations(range(n), 2) if ours[one] == ours[other]} == {
        (one, other) for one, other in itertools.combinations(range(n), 2) if theirs[one] == theirs[other]
    }
    assert all(far[i, j] <= near for i in range(n) for j in range(n) if ours[i] == ours[j])
    firsts = [ours.index(cluster) for cluster in range(max(ours) + 1)]
    assert firsts == sorted(firsts), "numbered by first member"


@given(sizes=st.lists(st.integers(1, 9), min_size=1, max_size=6))
def test_entropy_is_zhangs_sum_of_products(sizes: list[int]) -> None:
    n = sum(sizes)
    slow = sum(
        (size / n) * sum(math.prod(1 - (size - 1) / (n - 1 - j) for j in range(v)) / v for v in range(1, n - size + 1))
        for size in sizes
    )
    assert entropy_of(sizes) == pytest.approx(min(slow, math.log(n)), abs=1e-9)


def test_the_bias_of_the_entropy_is_the_stated_one() -> None:
    law, n = [0.5, 0.3, 0.2], 6
    mean = sum(
        math.prod(law[i] for i in drawn) * sum_of(Counter(drawn)) for drawn in itertools.product(range(3), repeat=n)
    )
    bias = -sum(sum(p * (1 - p) ** j for p in law) / j for j in range(n, 2_000))
    assert mean == pytest.approx(-sum(p * math.log(p) for p in law) + bias, abs=1e-9)


def sum_of(counts: Counter[int]) -> float:
    """The estimator as it stands in the docstring, without the ceiling."""
    n = counts.total()
    return sum(size / n * sum(1 / j for j in range(size, n)) for size in counts.values())


@given(texts=st.lists(st.text("abcdefgh", max_size=6), min_size=2, max_size=9))
def test_the_distance_is_the_mean_over_pairs(texts: list[str]) -> None:
    rows = [Letters().embed([text])[0].astype(float) for text in texts]
    pairs = [
        1 - float(one @ other) / math.sqrt(float(one @ one) * float(other @ other))
        for one, other in itertools.combinations(rows, 2)
    ]
    found = meaning(texts, SETTINGS, embeds=Letters())
    assert found.distance is not None
    assert found.distance.estimate == pytest.approx(sum(pairs) / len(pairs), abs=1e-5)
    assert found.distance.low <= found.distance.estimate + 1e-9  # type: ignore[operator]  # its ends are numbers
    assert found.distance.estimate <= found.distance.high + 1e-9  # type: ignore[operator]  # its ends are numbers


def test_two_meanings_among_many_words() -> None:
    texts = ["aaab", "aaa", "gggh", "aaabb", "gghgg", "aab"]
    found = meaning(texts, SETTINGS, embeds=Letters())
    assert found.clusters == 2
    assert found.semantic is not None
    assert found.semantic.estimate == pytest.approx(entropy_of([4, 2]))
    assert found.semantic.high is None
    assert meaning(["aaa"] * 12, SETTINGS, embeds=Letters()).clusters == 1
    alike = meaning(["aaa"] * 12, SETTINGS, embeds=Letters())
    assert alike.semantic is not None
    assert (alike.semantic.estimate, alike.semantic.low) == (0.0, 0.0)


def test_entailment_may_tell_meanings_apart_instead() -> None:
    def entails(one: str, other: str) -> bool:
        return set(other) <= set(one)

    found = meaning(["ab", "ba", "a", "b"], SETTINGS, embeds=None, entails=entails)
    assert found.clusters == 3
    assert found.distance is None
    assert found.missing == {"distance": "no encoder"}
    assert found.semantic is not None
    assert "bidirectional entailment" in found.semantic.method


def test_L10_fewer_than_two_answers_have_no_spread() -> None:
    assert meaning(["a"], SETTINGS, embeds=Letters()).missing["semantic"] == "needs two answers, there are 1"
    assert meaning(["a", "b"], SETTINGS, embeds=None).missing["semantic"] == "no encoder"


@pytest.mark.parametrize("share", [0.5, 0.9])
def test_the_lower_bound_holds_and_rises(share: float) -> None:
    random = np.random.default_rng(7)
    truth = -share * math.log(share) - (1 - share) * math.log(1 - share)
    missed = 0
    for _ in range(200):
        texts = ["aaa" if random.random() < share else "ggg" for _ in range(24)]
        low = meaning(texts, SETTINGS, embeds=Letters()).semantic.low  # type: ignore[union-attr]  # it is there
        missed += low > truth  # type: ignore[operator]  # its ends are numbers
    assert missed <= 10


@pytest.mark.parametrize(
    "rows",
    [
        np.zeros((2, 3), dtype=np.float32),
        np.full((2, 3), np.nan, dtype=np.float32),
        np.ones((3, 3), dtype=np.float32),
        np.ones(2, dtype=np.float32),
    ],
)
def test_an_encoder_that_fails_is_named(rows: NDArray[np.float32]) -> None:
    with pytest.raises(UnavailableError, match="broken/1"):
        distances(["a", "b"], Broken(rows))


def test_a_threshold_that_is_no_distance_is_refused() -> None:
    with pytest.raises(MisuseError) as caught:
        meaning(["a", "b"], SETTINGS, embeds=Letters(), near=2.5)
    assert caught.value.code == "B105"
