"""Families are held out whole, and each fold can say something."""

from __future__ import annotations

from collections import defaultdict

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from obverse.stability.inside.folds import LEAST_FOLDS, MOST_FOLDS, Folds, Missing, folds

KINDS = ("harmful", "harmless")


@given(st.lists(st.tuples(st.integers(0, 11), st.sampled_from([-1, 0, 1])), max_size=120))
def test_families_stay_whole_and_every_fold_holds_both_kinds(drawn: list[tuple[int, int]]) -> None:
    families = [f"f{family}" for family, _ in drawn]
    labels = np.array([label for _, label in drawn], dtype=np.int64)
    found = folds(families, labels, what=KINDS)
    if isinstance(found, Missing):
        assert "too few" in found.reason
        return
    assert LEAST_FOLDS <= found.count <= MOST_FOLDS
    places = defaultdict(set)
    for family, place in zip(families, found.of.tolist()):
        places[family].add(place)
    assert all(len(place) == 1 for place in places.values())
    for fold in range(found.count):
        assert {0, 1} <= set(labels[found.of == fold].tolist())


def test_families_of_one_kind_each_can_still_be_held_out() -> None:
    families = [f"bad{place % 5}" for place in range(20)] + [f"good{place % 4}" for place in range(20)]
    found = folds(families, np.array([1] * 20 + [0] * 20), what=KINDS)
    assert isinstance(found, Folds)
    assert found.count == 4


@pytest.mark.parametrize(
    ("families", "labels", "reason"),
    [
        (["a", "b", "c"] * 10, [1] * 28 + [0] * 2, "2 harmless, at least 6"),
        (["a", "b"] * 20, [0, 1, 1, 0] * 10, "only 2 folds would hold both harmful and harmless"),
        ([], [], "0 harmful"),
    ],
    ids=["too few prompts", "too few families", "nothing"],
)
def test_too_little_is_missing_with_its_reason(families: list[str], labels: list[int], reason: str) -> None:
    found = folds(families, np.array(labels, dtype=np.int64), what=KINDS)
    assert isinstance(found, Missing)
    assert reason in found.reason


def test_the_folds_do_not_depend_on_the_order_of_the_prompts() -> None:
    rng = np.random.default_rng(5)
    families = [f"f{number}" for number in rng.integers(0, 7, 80)]
    labels = rng.integers(0, 2, 80)
    order = rng.permutation(80)
    first = folds(families, labels, what=KINDS)
    second = folds([families[place] for place in order], labels[order], what=KINDS)
    assert isinstance(first, Folds)
    assert isinstance(second, Folds)
    assert (first.of[order] == second.of).all()
