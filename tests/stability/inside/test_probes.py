"""The probe against another optimiser in the original space."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.optimize import minimize

from obverse.core.errors import MisuseError
from obverse.stability.inside.probes import STRENGTHS, logistic, probe, reduced


def primal(features: np.ndarray, target: np.ndarray, strength: float) -> np.ndarray:
    """The textbook objective and its gradient by BFGS."""

    def loss(weights: np.ndarray) -> tuple[float, np.ndarray]:
        margins = target * (features @ weights[:-1] + weights[-1])
        pull = -strength * target / (1 + np.exp(margins))
        value = 0.5 * weights[:-1] @ weights[:-1] + strength * np.log1p(np.exp(-margins)).sum()
        return value, np.append(weights[:-1] + features.T @ pull, pull.sum())

    return minimize(loss, np.zeros(features.shape[1] + 1), jac=True, method="BFGS", options={"gtol": 1e-9}).x


@pytest.mark.parametrize("width", [3, 40], ids=["fewer features than prompts", "more features than prompts"])
def test_the_probe_is_the_penalised_logistic_regression(width: int) -> None:
    rng = np.random.default_rng(width)
    states = (rng.standard_normal((30, 2, width)) * rng.uniform(0.1, 9, width) + 4).astype(np.float32)
    labels = np.tile([0, 1], 15)
    states[:, 1, 0] += labels * 6
    train = np.arange(30) < 22
    scores = probe(states, labels)(train)
    for layer in range(2):
        values = states[:, layer].astype(float)
        scaled = (values - values[train].mean(axis=0)) / values[train].std(axis=0) / np.sqrt(width)
        for place, strength in enumerate(STRENGTHS):
            weights = primal(scaled[train], np.where(labels[train] == 1, 1.0, -1.0), strength)
            assert np.allclose(scores[:, layer, place], scaled @ weights[:-1] + weights[-1], atol=2e-4)


def test_a_constant_feature_does_not_count() -> None:
    values = np.random.default_rng(0).standard_normal((10, 3))
    values[:, 1] = 7.0
    rows = np.ones(10, dtype=bool)
    assert np.isfinite(reduced(values, rows, 64)).all()
    assert reduced(values, rows, 64).shape[1] == 2


def test_the_components_that_are_kept_are_the_largest() -> None:
    values = np.random.default_rng(0).standard_normal((40, 20))
    rows = np.arange(40) < 30
    whole, part = reduced(values, rows, 64), reduced(values, rows, 4)
    assert np.allclose(np.abs(whole[:, -4:]), np.abs(part))


def test_perfectly_separable_prompts_have_an_end_and_one_kind_alone_has_none() -> None:
    features = np.array([[-2.0], [-1.0], [1.0], [2.0]])
    weights = logistic(features, np.array([-1.0, -1.0, 1.0, 1.0]), strength=10.0)
    assert np.isfinite(weights).all()
    with pytest.raises(MisuseError, match="B401"):
        logistic(features, np.ones(4), strength=1.0)
