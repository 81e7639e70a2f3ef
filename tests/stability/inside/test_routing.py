"""Routing follows topic: the test must not find harm in that, and must find harm where it is."""

from __future__ import annotations

import math
from itertools import product

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from obverse.stability.inside.folds import Folds, Missing
from obverse.stability.inside.nested import nested
from obverse.stability.inside.ranking import ranked
from obverse.stability.inside.routing import Pairs, adjusted, js, likeness, pairs, routed


def shares(weights: list[int]) -> list[float]:
    total = sum(weights)
    return [weight / total for weight in weights]


WEIGHTS = st.lists(st.integers(0, 9), min_size=3, max_size=3).filter(any).map(shares)


@given(WEIGHTS, WEIGHTS)
def test_the_divergence_is_the_mean_of_two_relative_entropies(one: list[float], two: list[float]) -> None:
    def relative(first: list[float], second: list[float]) -> float:
        return sum(p * math.log(p / q) for p, q in zip(first, second) if p > 0)

    middle = [(p + q) / 2 for p, q in zip(one, two)]
    slow = (relative(one, middle) + relative(two, middle)) / 2
    found = float(js(np.array(one), np.array(two)))
    assert found == pytest.approx(slow, abs=1e-12)
    assert 0 <= found <= math.log(2) + 1e-12
    assert found == pytest.approx(float(js(np.array(two), np.array(one))), abs=1e-15)


def drawn(rng: np.random.Generator, groups: int, *, layers: int = 3, experts: int = 4, harm: float = 0.0) -> Pairs:
    """Topics of their own for each group, noise of each prompt, and as much of harm on the first expert of the last layer."""
    topic = rng.standard_normal((groups, layers, experts)) * 1.5

    def softmax(values: np.ndarray) -> np.ndarray:
        return np.exp(values) / np.exp(values).sum(axis=-1, keepdims=True)

    own = topic + 0.4 * rng.standard_normal(topic.shape)
    own[:, -1, 0] += harm
    benign = topic + 0.4 * rng.standard_normal(topic.shape)
    return Pairs(
        groups=tuple(f"g{place}" for place in range(groups)), harmful=softmax(own), benign=softmax(benign),
        layers=tuple(range(1, layers + 1)),
    )  # fmt: skip


def enumerated(found: Pairs) -> tuple[list[float], list[float]]:
    """p and the mean under swaps of each layer, by all swaps one by one."""
    count, layers = len(found.groups), len(found.layers)
    values: list[list[float]] = [[] for _ in range(layers)]
    for swap in product((False, True), repeat=count):
        first = np.array([found.benign[g] if swap[g] else found.harmful[g] for g in range(count)]).mean(axis=0)
        second = np.array([found.harmful[g] if swap[g] else found.benign[g] for g in range(count)]).mean(axis=0)
        for layer in range(layers):
            values[layer].append(float(js(first[layer], second[layer])))
    p = [sum(value >= all_[0] - 1e-12 for value in all_) / len(all_) for all_ in values]
    return p, [sum(all_) / len(all_) for all_ in values]


@pytest.mark.parametrize("seed", range(3))
def test_the_permutation_is_the_full_enumeration_for_few_groups(seed: int) -> None:
    found = drawn(np.random.default_rng(seed), 7, harm=0.6)
    p, null = enumerated(found)
    lines = routed(found, seed=0).lines
    assert [line.p for line in lines] == pytest.approx(p)
    assert [line.null for line in lines] == pytest.approx(null)
    assert [line.divergence for line in lines] == pytest.approx(
        js(found.harmful.mean(axis=0), found.benign.mean(axis=0)).tolist()
    )


def test_random_swaps_come_near_to_all_of_them() -> None:
    found = drawn(np.random.default_rng(4), 13, harm=0.3)
    p, _ = enumerated(found)
    assert [line.p for line in routed(found, seed=1).lines] == pytest.approx(p, abs=0.025)


def test_p_is_uniform_where_routing_follows_the_topic_only_and_small_where_it_follows_harm() -> None:
    rng = np.random.default_rng(11)
    null = [line.p for _ in range(150) for line in routed(drawn(rng, 15), seed=0, swaps=199).lines]
    for level in (0.05, 0.2, 0.5, 0.8):
        assert abs(sum(p <= level for p in null) / len(null) - level) < 0.07
    power = [routed(drawn(rng, 15, harm=0.8), seed=0, swaps=199).lines for _ in range(20)]
    assert sum(lines[-1].q <= 0.05 for lines in power) >= 17
    assert sum(lines[0].q <= 0.05 for lines in power) <= 4


def test_the_false_discovery_rate_holds_over_layers() -> None:
    rng = np.random.default_rng(12)
    any_found = [min(line.q for line in routed(drawn(rng, 12, layers=8), seed=0).lines) <= 0.1 for _ in range(60)]
    assert sum(any_found) / 60 <= 0.22


@given(st.lists(st.floats(0.0, 1.0), min_size=1, max_size=12))
def test_q_is_the_smallest_rate_at_which_the_step_up_procedure_rejects(p: list[float]) -> None:
    found = adjusted(np.array(p))
    for place, value in enumerate(p):
        slow = min(min(1.0, other * len(p) / sum(one <= other for one in p)) for other in p if other >= value)
        assert found[place] == pytest.approx(slow)


def test_groups_without_a_partner_and_dense_layers_are_left_out() -> None:
    rng = np.random.default_rng(0)
    rows: list[np.ndarray | None] = []
    groups, labels = [], []
    for group in range(7):
        for label in (0, 1):
            row = rng.random((3, 4)).astype(np.float32)
            row[0] = np.nan  # a dense layer
            rows.append(row)
            groups.append(f"g{group}")
            labels.append(label)
    rows += [rng.random((3, 4)).astype(np.float32), None]
    found = pairs(rows, [*groups, "alone", "alone"], np.array([*labels, 1, 0]))
    assert isinstance(found, Pairs)
    assert found.layers == (2, 3)
    assert "alone" not in found.groups
    assert np.allclose(found.harmful.sum(axis=-1), 1)


def test_too_few_pairs_are_missing_since_no_p_could_be_small() -> None:
    rows = [np.full((1, 2), 0.5, dtype=np.float32)] * 10
    found = pairs(rows, [f"g{place // 2}" for place in range(10)], np.tile([0, 1], 5))
    assert isinstance(found, Missing)
    assert "5 groups" in found.reason
    nowhere = pairs([row * np.nan for row in rows] * 2, [f"g{place // 2}" for place in range(20)], np.tile([0, 1], 10))
    assert isinstance(nowhere, Missing)
    assert "no layer" in nowhere.reason


def test_likeness_is_learnt_from_pairs_of_the_training_prompts_only() -> None:
    found = drawn(np.random.default_rng(3), 10, harm=2.0)
    shares = np.concatenate([found.harmful, found.benign])
    labels, groups = np.repeat([1, 0], 10), [*found.groups, *found.groups]
    train = np.tile(np.arange(10) < 7, 2)
    train[0] = False  # its twin is left alone
    scores = likeness(shares, labels, groups)(train)[:, :, 0]
    benign, harmful = found.benign[1:7].mean(axis=0), found.harmful[1:7].mean(axis=0)
    for row in range(20):
        for layer in range(3):
            slow = js(shares[row, layer], benign[layer]) - js(shares[row, layer], harmful[layer])
            assert scores[row, layer] == pytest.approx(float(slow))
    assert scores[:10, 2].mean() > scores[10:, 2].mean()
    alone = likeness(shares, labels, [f"own{row}" for row in range(20)])(train)
    assert np.isfinite(alone).all()


def test_likeness_is_held_out_and_a_half_where_routing_follows_topic() -> None:
    by = Folds(of=np.tile(np.repeat(np.arange(4), 6), 2), labels=np.repeat([1, 0], 24), count=4)
    areas = []
    for seed in range(20):
        found = drawn(np.random.default_rng(40 + seed), 24)
        shares = np.concatenate([found.harmful, found.benign])
        areas.append(ranked(nested(likeness(shares, by.labels, [*found.groups] * 2), by).chosen, by, confidence=0.95))
    assert abs(sum(one.estimate for one in areas) / 20 - 0.5) < 0.06
    assert sum(one.low <= 0.5 <= one.high for one in areas) >= 17


def test_readings_in_f32_count_as_exactly_as_in_f64() -> None:
    found = drawn(np.random.default_rng(3), 8)
    rows = [row for pair in zip(found.harmful, found.benign) for row in pair]
    groups = [name for name in found.groups for _ in range(2)]
    labels = np.array([1, 0] * 8)
    single = pairs([row.astype(np.float32) for row in rows], groups, labels)
    double = pairs(rows, groups, labels)
    assert isinstance(single, Pairs)
    assert isinstance(double, Pairs)
    assert single.harmful.dtype == np.float64
    assert np.allclose(single.harmful, double.harmful, atol=1e-6)
    assert np.allclose(single.harmful.sum(axis=-1), 1, atol=1e-12)
