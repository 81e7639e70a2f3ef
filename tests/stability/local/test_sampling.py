from __future__ import annotations

import itertools
import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

torch = pytest.importorskip("torch")

from obverse.stability.local.sampling import choose, numbers  # noqa: E402  # behind the skip


def slowly(logits: list[float], temperature: float, uniform: float) -> tuple[int, float, float]:
    """Token, log-probability, entropy, with Python's own numbers."""
    top = max(logits)
    weights = [math.exp((each - top) / (temperature or 1.0)) for each in logits]
    total = math.fsum(weights)
    shares = [each / total for each in weights]
    entropy = -math.fsum(share * math.log(share) for share in shares if share > 0)
    if not temperature:
        token = logits.index(top)
    else:
        passed = list(itertools.accumulate(shares))
        token = next((at for at, each in enumerate(passed) if each > uniform), len(shares) - 1)
    return token, math.log(shares[token]), entropy


@settings(max_examples=150, deadline=None)
@given(
    seed=st.integers(0, 2**32),
    size=st.sampled_from([1, 2, 5, 255, 256, 257, 700]),
    temperature=st.sampled_from([0.0, 0.1, 0.7, 1.0, 3.0]),
    spread=st.sampled_from([0.1, 3.0, 20.0]),
)
def test_a_token_and_its_figures_are_those_of_the_slow_way(
    seed: int, size: int, temperature: float, spread: float
) -> None:
    generator = np.random.default_rng(seed)
    logits = (generator.normal(size=(3, size)) * spread).astype(np.float32)
    uniforms = generator.random(3)
    chosen = choose(torch.from_numpy(logits.copy()), [temperature] * 3, uniforms.tolist())
    for row in range(3):
        token, logprob, entropy = slowly(logits[row].tolist(), temperature, float(uniforms[row]))
        assert not chosen.bad[row]
        assert chosen.entropies[row] == pytest.approx(entropy, abs=2e-4)
        if chosen.tokens[row] == token:
            assert chosen.logprobs[row] == pytest.approx(logprob, abs=2e-4)
        else:  # the number stands within rounding of the border between two tokens
            shares = torch.from_numpy(logits[row] / (temperature or 1)).double().softmax(-1).cumsum(-1)
            assert float((shares - uniforms[row]).abs().min()) < 1e-5


def test_draws_follow_the_distribution() -> None:
    logits = torch.tensor([[0.0, 1.0, 2.0, -torch.inf, 0.5]]).repeat(20000, 1)
    drawn = choose(logits, [1.0] * 20000, np.random.default_rng(1).random(20000).tolist()).tokens
    shares = logits[0].softmax(-1).numpy()
    counts = np.bincount(drawn, minlength=5)
    assert counts[3] == 0
    expected = shares * 20000
    chi = float((((counts - expected) ** 2)[[0, 1, 2, 4]] / expected[[0, 1, 2, 4]]).sum())
    assert chi < 16.27  # 0.999 of chi-squared with 3 degrees of freedom


def test_a_row_without_numbers_is_bad_and_the_others_are_not() -> None:
    logits = torch.zeros(4, 300)
    logits[0, 5] = torch.nan
    logits[1, 7] = torch.inf
    logits[2] = -torch.inf
    logits[3, 9] = 60.0
    chosen = choose(logits, [1.0] * 4, [0.5] * 4)
    assert chosen.bad == [True, True, True, False]
    assert chosen.tokens[3] == 9
    assert chosen.entropies[3] == pytest.approx(0.0, abs=1e-6)


@pytest.mark.parametrize("seed", [0, 1, 2**63, 2**200, -5])
def test_the_numbers_of_a_seed_do_not_depend_on_how_many_are_asked_for(seed: int) -> None:
    assert numbers(seed, 50)[:7].tolist() == numbers(seed, 7).tolist()
    assert numbers(seed, 7).tolist() != numbers(seed + 1, 7).tolist()


def test_a_number_at_the_very_end_takes_a_token_that_has_weight() -> None:
    logits = torch.full((1, 600), -torch.inf)
    logits[0, 3] = 0.0
    logits[0, 400] = 0.0
    assert choose(logits, [1.0], [1 - 2**-53]).tokens == [400]
    assert choose(logits, [1.0], [0.0]).tokens == [3]
