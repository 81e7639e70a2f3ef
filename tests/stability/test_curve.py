"""Curves beside an integral over the priors by quasi-random numbers, on simulated prompts of known curve, and where there is none."""

from __future__ import annotations

import math
from functools import cache

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import special
from scipy.stats import qmc

from obverse.core.errors import MisuseError
from obverse.stability import curve as curve_module
from obverse.stability.curve import RISE, _posterior, _rise, fit, fit_pool
from obverse.stability.records import Settings

SETTINGS = Settings()
LADDER = (0.0, 0.25, 0.5, 0.75, 1.0)


def one(points, prompt: str | None = "p"):
    return fit(points, ladder="typos", prompt=prompt, kind="case", settings=SETTINGS)


def points(complied, scored, ladder=LADDER):
    return [(x, k, n) for x, k, n in zip(ladder, complied, scored)]


@cache
def drawn_from_the_priors(log2: int = 16):
    """(direction, threshold, width, lower, upper, overdispersion), evenly over the priors as the page words them."""
    u = qmc.Sobol(6, seed=1).random_base2(log2)
    x = np.linspace(-0.5, 1.5, 20001)
    beyond = np.clip(np.maximum(-x, x - 1) / 0.5, 0, 1)
    below = np.cumsum(1 + np.cos(np.pi * beyond))
    threshold = np.interp(u[:, 1], below / below[-1], x)
    width = np.exp(np.log(0.23) + u[:, 2] * np.log(1.7 / 0.23)) - 0.2
    lapses = special.betaincinv(1, 5, u[:, 3:5])
    return (
        np.where(u[:, 0] < 0.5, 1, -1),
        threshold,
        width,
        lapses[:, 0],
        lapses[:, 1],
        special.betaincinv(1, 5, u[:, 5]),
    )


def log_beta_binomial(k, n, p, eta):
    """Up to the binomial coefficient, by the gamma function."""
    precision = 1 / eta**2 - 1
    p = np.clip(p, 1e-9, 1 - 1e-9)
    return special.betaln(k + p * precision, n - k + (1 - p) * precision) - special.betaln(
        p * precision, (1 - p) * precision
    )


def by_integration(data):
    """The probability of a boundary, and the quantiles of threshold and width given one."""
    direction, threshold, width, lower, upper, eta = drawn_from_the_priors()

    def curve(x):
        rising = special.expit(direction * 2 * math.log(3) * (x - threshold) / width)
        return lower + np.maximum(1 - lower - upper, 0) * rising

    logs = sum(log_beta_binomial(k, n, curve(x), eta) for x, k, n in data)
    flat_rate = np.sin((np.arange(400) + 0.5) / 400 * np.pi / 2) ** 2
    some = eta[:256, None]
    flat = sum(log_beta_binomial(k, n, flat_rate[None, :], some) for _, k, n in data)
    top = max(logs.max(), flat.max())
    weights, plain = np.exp(logs - top), np.exp(flat - top).mean()
    is_boundary = np.abs(curve(1.0) - curve(0.0)) >= RISE
    boundary = weights[is_boundary].mean() * is_boundary.mean() / (weights.mean() + plain)

    def quantiles(values):
        order = np.argsort(values[is_boundary])
        below = np.cumsum(weights[is_boundary][order])
        return [float(values[is_boundary][order][np.searchsorted(below, q * below[-1])]) for q in (0.025, 0.5, 0.975)]

    return boundary, quantiles(threshold), quantiles(width)


DATA = {
    "few draws a rung": points((0, 0, 1, 2, 2), (12, 2, 2, 2, 2)),
    "many draws": points((0, 2, 9, 15, 16), (16,) * 5),
    "falling": points((23, 7, 4, 1, 0), (24, 8, 8, 8, 8)),
    "a high floor": points((6, 3, 5, 8, 8), (24, 8, 8, 8, 8)),
    "flat": points((0, 0, 0, 0, 0), (12, 2, 2, 2, 2)),
    "wavering": points((12, 4, 5, 3, 4), (24, 8, 8, 8, 8)),
    "a gentle change": points((3, 8, 12, 14, 18), (24,) * 5),
    "variants": [*points((1, 0, 4, 5, 6), (24, 6, 6, 6, 6)), (0.5, 1, 6), (0.5, 6, 6), (0.75, 3, 6)],
}


@pytest.mark.parametrize("name", DATA)
def test_the_posterior_is_that_of_an_integral_over_the_priors(name) -> None:
    data = sorted(DATA[name])
    boundary, threshold, width = by_integration(data)
    posterior = _posterior(data, sorted({x for x, _, _ in data}))
    found = posterior.is_curve * posterior.weights[np.abs(_rise(posterior.grid)) >= RISE].sum()
    assert found == pytest.approx(boundary, abs=0.03)
    curve = one(data)
    if curve.verdict == "fitted":
        assert (curve.threshold.low, curve.threshold.estimate, curve.threshold.high) == pytest.approx(
            threshold, abs=0.03
        )
        assert (curve.width.low, curve.width.estimate, curve.width.high) == pytest.approx(width, rel=0.15, abs=0.01)


def test_a_posterior_that_is_narrower_than_the_grid_is_laid_anew() -> None:
    random = np.random.default_rng(6)
    rates = curve_of(0.52, 0.25)
    data = [(x, int(random.binomial(60, rate)), 60) for _ in range(8) for x, rate in zip(LADDER, rates)]
    curve = one(data)
    assert curve.verdict == "fitted"
    assert curve.threshold.low < 0.52 < curve.threshold.high
    assert curve.threshold.high - curve.threshold.low < 0.06
    assert curve.width.low < 0.25 < curve.width.high
    nodes = _posterior(sorted(data), LADDER).grid.threshold.nodes
    assert nodes[1] - nodes[0] < 0.02


NO_THRESHOLD = {
    "refuses": (points((0,) * 5, (24, 2, 2, 2, 2)), "flat", "refuses all along"),
    "complies": (points((24, 2, 2, 2, 2), (24, 2, 2, 2, 2)), "flat", "complies all along"),
    "wavers": (points((18,) * 5, (40,) * 5), "flat", "wavers all along the ladder, complying at a rate near 0.45"),
    "too few to say": (points((2, 1, 1, 1, 2), (4, 2, 2, 2, 2)), "undecided", "a boundary has probability"),
    "beyond the ladder": (points((0, 0, 3, 11, 23), (40,) * 5), "undecided", "outside the ladder"),
    "hardly looked at the top": ([(0.0, 0, 40), (1.0, 0, 2)], "undecided", "a boundary has probability"),
    "nothing scored": (points((0,) * 5, (0,) * 5), "undecided", "nothing was scored"),
    "one strength": ([(0.0, 3, 4), (0.0, 1, 4), (1.0, 0, 0)], "undecided", "scored at one strength only"),
    "no points": ([], "undecided", "nothing was scored"),
}


@pytest.mark.parametrize("name", NO_THRESHOLD)
def test_no_threshold_is_invented_where_there_is_none(name) -> None:
    data, verdict, why = NO_THRESHOLD[name]
    found = one(data)
    assert found.verdict == verdict, found.why
    assert why in found.why
    assert (found.threshold, found.width, found.slope, found.direction) == (None, None, None, None)


def test_many_draws_are_counted_as_few_are() -> None:
    """The gamma function on one side of the limit, products on the other."""
    for count in (curve_module._MANY, curve_module._MANY + 1):
        precision = curve_module._PRECISIONS[:, None]
        by_products = np.log(precision * curve_module._RATES + np.arange(count)[:, None, None]).sum(axis=0)
        assert curve_module._rising(count) == pytest.approx(by_products, rel=1e-9, abs=1e-6)


def test_a_ladder_that_goes_up_and_down_again_has_no_threshold() -> None:
    assert one(points((0, 8, 8, 8, 0), (8,) * 5)).verdict != "fitted"


def test_the_other_way_round_is_the_other_direction() -> None:
    rising = one(points((0, 1, 3, 8, 8), (8,) * 5))
    mirrored = one(points((8, 8, 3, 1, 0), (8,) * 5))
    swapped = one(points((8, 7, 5, 0, 0), (8,) * 5))
    assert (rising.direction, mirrored.direction, swapped.direction) == (1, -1, -1)
    assert mirrored.threshold.estimate == pytest.approx(1 - rising.threshold.estimate, abs=1e-6)
    assert mirrored.width.estimate == pytest.approx(rising.width.estimate)
    assert swapped.threshold.estimate == pytest.approx(rising.threshold.estimate, abs=0.01)
    assert swapped.slope.low == pytest.approx(-rising.slope.high, rel=0.02)


COUNTS = st.lists(
    st.tuples(st.sampled_from((*LADDER, 0.1, 0.9)), st.integers(0, 12), st.integers(0, 12)).map(
        lambda row: (row[0], min(row[1:]), max(row[1:]))
    ),
    max_size=8,
)


@settings(deadline=None, max_examples=60)
@given(COUNTS)
def test_L10_figures_stand_only_beside_a_fit_and_are_in_order(data) -> None:
    found = one(data)
    figures = (found.threshold, found.width, found.slope)
    assert (found.verdict == "fitted") == all(figure is not None for figure in figures)
    assert (found.verdict == "fitted") == (found.direction is not None)
    assert found.why
    if found.verdict == "fitted":
        assert all(
            map(math.isfinite, [end for figure in figures for end in (figure.low, figure.estimate, figure.high)])
        )
        assert all(figure.low <= figure.estimate <= figure.high for figure in figures)
        assert 0 <= found.threshold.low <= found.threshold.high <= 1
    assert sum(scored for _, _, scored in found.points) == sum(scored for _, _, scored in data)
    assert all(0 <= low <= middle <= high <= 1 for _, low, middle, high in found.band)


def test_order_and_empty_rungs_change_nothing() -> None:
    data = [*points((0, 1, 3, 8, 8), (8,) * 5), (0.5, 2, 8), (0.3, 0, 0)]
    assert one(data) == one(data[::-1]) == one(data[:-1])


def curve_of(threshold, width, lapse=0.02, ladder=LADDER):
    x = np.array(ladder)
    return lapse + (1 - 2 * lapse) * special.expit(2 * math.log(3) * (x - threshold) / width)


def test_flat_prompts_are_hardly_ever_fitted() -> None:
    """Of flat prompts, steady or wavering, with rungs that differ by more than chance or not, at most 2 % get a threshold."""
    random, fitted, rounds = np.random.default_rng(1), 0, 0
    for rate in (0.05, 0.3, 0.5, 0.8):
        for shared in (math.inf, 10.0):
            for _ in range(12):
                rates = np.full(5, rate) if math.isinf(shared) else random.beta(rate * shared, (1 - rate) * shared, 5)
                counts = random.binomial((24, 4, 4, 4, 4), rates).tolist()
                fitted += one(points(counts, (24, 4, 4, 4, 4))).verdict == "fitted"
                rounds += 1
    assert fitted <= 0.02 * rounds


def test_the_threshold_lies_in_its_interval_about_as_often_as_it_says() -> None:
    random, held, width_held, fitted = np.random.default_rng(2), 0, 0, 0
    for _ in range(100):
        threshold, width = random.uniform(0.25, 0.75), random.uniform(0.05, 0.4)
        counts = random.binomial((24, 8, 8, 8, 8), curve_of(threshold, width)).tolist()
        found = one(points(counts, (24, 8, 8, 8, 8)))
        if found.verdict == "fitted":
            fitted += 1
            held += found.threshold.low <= threshold <= found.threshold.high
            width_held += found.width.low <= width <= found.width.high
    assert fitted > 70
    assert held / fitted > 0.92
    assert width_held / fitted > 0.92


def population(random, prompts, center, spread, width, share=1.0):
    found = {}
    for number in range(prompts):
        if random.random() < share:
            rates = curve_of(random.normal(center, spread), width)
        else:
            rates = np.full(5, random.beta(0.5, 0.5))
        found[str(number)] = points(random.binomial((8, 2, 2, 2, 2), rates).tolist(), (8, 2, 2, 2, 2))
    return found


def test_a_pool_knows_one_prompts_width_from_how_prompts_differ() -> None:
    by_prompt = population(np.random.default_rng(3), 40, 0.5, 0.25, 0.08)
    pool = fit_pool(by_prompt, ladder="typos", kind="case", settings=SETTINGS)
    naive = one([point for each in by_prompt.values() for point in each], prompt=None)
    assert pool.verdict == naive.verdict == "fitted"
    assert pool.width.low < 0.08 < pool.width.high < naive.width.estimate
    assert pool.threshold.low < 0.5 < pool.threshold.high
    assert "standard deviation" in pool.why
    assert "the width holds the differences between prompts too" in naive.why
    assert (pool.prompt, pool.direction, pool.points, pool.band) == (None, 1, naive.points, naive.band)
    assert pool.slope.estimate == pytest.approx(math.log(3) / 2 / pool.width.estimate)


def test_a_pool_of_flat_prompts_is_flat_whatever_their_rates() -> None:
    by_prompt = population(np.random.default_rng(4), 30, 0.5, 0.2, 0.1, share=0.0)
    pool = fit_pool(by_prompt, ladder="typos", kind="case", settings=SETTINGS)
    assert pool.verdict == "flat"
    assert "have a threshold within the ladder" in pool.why
    assert pool.threshold is None


def test_two_prompts_are_no_population() -> None:
    by_prompt = population(np.random.default_rng(5), 2, 0.5, 0.1, 0.1)
    pool = fit_pool(by_prompt, ladder="typos", kind="case", settings=SETTINGS)
    assert (pool.verdict, pool.threshold) == ("undecided", None)
    assert "too few for a population" in pool.why
    assert fit_pool({}, ladder="typos", kind="case", settings=SETTINGS).verdict == "undecided"


@pytest.mark.parametrize(
    ("bad", "code"), [((1.2, 0, 1), "B204"), ((math.nan, 0, 1), "B204"), ((0.5, 2, 1), "B205"), ((0.5, -1, 1), "B205")]
)
def test_points_that_cannot_be_are_named(bad, code) -> None:
    for call in (lambda: one([bad]), lambda: fit_pool({"p": [bad]}, ladder="typos", kind="case", settings=SETTINGS)):
        with pytest.raises(MisuseError) as caught:
            call()
        assert caught.value.code == code
