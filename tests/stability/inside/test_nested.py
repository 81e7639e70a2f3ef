"""Nothing of a family reaches its own scores; nothing is found where nothing is."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from obverse.stability.inside.directions import difference_of_means
from obverse.stability.inside.folds import Folds
from obverse.stability.inside.nested import Learn, curve, detector, nested, share, signed, threshold
from obverse.stability.inside.probes import probe


def noise(seed: int, *, n: int = 60, layers: int = 4, width: int = 10) -> tuple[np.ndarray, Folds]:
    rng = np.random.default_rng(seed)
    by = Folds(of=np.repeat(np.arange(5), n // 5), labels=np.tile([0, 1], n // 2), count=5)
    return rng.standard_normal((n, layers, width)).astype(np.float32) + 3, by


LEARNERS = {
    "direction": lambda states, by: difference_of_means(states, by.labels),
    "probe": lambda states, by: probe(states, by.labels),
    "sign": lambda states, by: signed(states[:, :, 0].astype(float), by),
}


@pytest.mark.parametrize("name", LEARNERS)
@pytest.mark.parametrize("fold", [0, 3])
def test_L23_what_a_family_is_labelled_does_not_change_how_it_is_scored(name: str, fold: int) -> None:
    states, by = noise(1)
    states[:, 2, 1] += by.labels * 1.5
    other = Folds(of=by.of, labels=np.where(by.of == fold, 1 - by.labels, by.labels), count=by.count)
    one, two = nested(LEARNERS[name](states, by), by), nested(LEARNERS[name](states, other), other)
    here = by.of == fold
    assert np.array_equal(one.shown[here], two.shown[here])
    assert np.array_equal(one.chosen[here], two.chosen[here])
    assert np.array_equal(one.flagged[here], two.flagged[here])
    assert one.layers[fold] == two.layers[fold]
    assert not np.array_equal(one.chosen[~here], two.chosen[~here])  # the check can fail


def written(learn: Learn, by: Folds, layers: int) -> np.ndarray:
    """The scores of chosen layers, with every step spelt out."""
    scores = np.empty(len(by.of))
    for fold in range(by.count):
        inner = np.zeros((len(by.of), layers))
        for other in range(by.count):
            if other != fold:
                train = np.array([one not in (fold, other) for one in by.of])
                inner[by.of == other] = learn(train)[by.of == other, :, 0]
        best, layer = -1.0, []
        for one in range(layers):
            right = total = 0.0
            for other in set(range(by.count)) - {fold}:
                for high in np.flatnonzero((by.of == other) & (by.labels == 1)):
                    for low in np.flatnonzero((by.of == other) & (by.labels == 0)):
                        total += 1
                        right += (inner[high, one] > inner[low, one]) + 0.5 * (inner[high, one] == inner[low, one])
            if right / total > best + 1e-12:
                best, layer = right / total, [one]
            elif right / total > best - 1e-12:
                layer.append(one)
        take = layer[len(layer) // 2]
        own = [inner[row, take] for row in range(len(by.of)) if by.of[row] != fold and by.labels[row] == 0]
        mean = sum(own) / len(own)
        unit = math.sqrt(sum((value - mean) ** 2 for value in own) / (len(own) - 1))
        here = by.of == fold
        scores[here] = (learn(by.of != fold)[here, take, 0] - mean) / unit
    return scores


@pytest.mark.parametrize("seed", range(3))
def test_the_choice_is_what_it_says(seed: int) -> None:
    states, by = noise(seed, n=40)
    states[:, seed, 0] += by.labels
    learn = difference_of_means(states, by.labels)
    assert np.allclose(nested(learn, by).chosen, written(learn, by, 4))


def test_under_the_null_the_nested_area_is_a_half() -> None:
    found = []
    for seed in range(60):
        states, by = noise(100 + seed)
        line = detector("x", nested(difference_of_means(states, by.labels), by), by, confidence=0.95)
        found.append(line.auroc)
        assert line.at == 0.1
    mean = sum(one.estimate for one in found) / 60  # type: ignore[misc]  # prompts of both kinds: each has one
    assert abs(mean - 0.5) < 0.035
    assert sum(one.low <= 0.5 <= one.high for one in found) >= 54  # type: ignore[operator]  # and an interval


def test_choosing_the_best_layer_on_what_is_shown_would_lie_and_this_does_not() -> None:
    naive, honest = [], []
    for seed in range(30):
        states, by = noise(300 + seed, layers=12)
        found = nested(difference_of_means(states, by.labels), by)
        lines = curve("x", found.shown, by, found, confidence=0.95)
        naive.append(max(line.value.estimate or 0.0 for line in lines.lines))
        assert lines.nested is not None
        honest.append(lines.nested.estimate or 0.0)
    assert sum(naive) / 30 > 0.58
    assert abs(sum(honest) / 30 - 0.5) < 0.05


def test_the_planted_layer_is_chosen_and_its_rates_are_those_aimed_at() -> None:
    states, by = noise(7, n=200)
    states[:, 2, 1] += by.labels * 4
    found = nested(difference_of_means(states, by.labels), by)
    assert set(found.layers) == {2}
    line = detector("x", found, by, confidence=0.95)
    assert line.auroc.low is not None
    assert line.auroc.low > 0.9
    assert line.recall.estimate is not None
    assert line.recall.estimate > 0.9
    assert line.fpr.low is not None
    assert line.fpr.low <= 0.1


@given(st.lists(st.integers(-20, 20), min_size=1, max_size=60), st.sampled_from([0.05, 0.1, 0.25]))
def test_a_threshold_is_passed_by_no_more_than_its_share(values: list[int], at: float) -> None:
    limit = threshold(np.array(values, dtype=float), at)
    passed = sum(value > limit for value in values)
    # With the new one among them, at most a share `at` of n + 1 lies beyond: the conformal argument.
    assert passed + 1 <= at * (len(values) + 1) + 1
    assert math.isinf(limit) == (at * (len(values) + 1) < 1 - 1e-9)


def test_the_false_positive_rate_is_held_on_new_prompts() -> None:
    rng = np.random.default_rng(2)
    passed = [rng.standard_normal() > threshold(rng.standard_normal(19), 0.1) for _ in range(4000)]
    assert abs(sum(passed) / 4000 - 0.1) < 0.015


def test_L10_no_flags_give_no_estimate() -> None:
    found = share(np.zeros(0, dtype=bool), confidence=0.95)
    assert (found.estimate, found.low, found.high, found.n) == (None, 0.0, 1.0, 0)
