from __future__ import annotations

import itertools
import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import false_discovery_control, spearmanr

from obverse.core.errors import MisuseError
from obverse.stability.gradient_ratio import (
    TOLERANCE,
    GradientRow,
    GradientWarning,
    matched,
    spearman,
    warning,
)

LENGTHS = st.lists(st.integers(1, 12), max_size=6)


def rows(
    seed: int,
    count: int,
    *,
    times: float = 1.0,
    loss_times: float = 1.0,
    slope: float = 0.5,
    layers: int = 3,
    longest: int = 40,
) -> list[GradientRow]:
    """Rows whose norms are `times` × loss^slope × length^-1/2 × noise: the ratio and what is beyond the loss are known."""
    random = np.random.default_rng(seed)
    made = []
    for line in range(count):
        tokens = int(random.integers(5, longest))
        loss = loss_times * math.exp(random.normal(0, 0.4))
        common = random.normal(0, 0.2)
        norms = [times * loss**slope * tokens**-0.5 * math.exp(common + random.normal(0, 0.1)) for _ in range(layers)]
        made.append(GradientRow(line=line, tokens=tokens, loss=loss, norms=tuple(norms)))
    return made


def told(first: list[GradientRow], second: list[GradientRow], **more: object) -> GradientWarning:
    return warning(first, second, model="m", **{"draws": 400, "flips": 999, **more})


@given(LENGTHS, LENGTHS)
def test_there_are_as_many_pairs_as_there_can_be(first: list[int], second: list[int]) -> None:
    """Against every way to pair."""

    def fits(a: int, b: int) -> bool:
        return max(first[a], second[b]) <= TOLERANCE * min(first[a], second[b])

    def most(left: tuple[int, ...], right: frozenset[int]) -> int:
        if not left:
            return 0
        rest = left[1:]
        return max([most(rest, right)] + [1 + most(rest, right - {b}) for b in right if fits(left[0], b)])

    pairs = matched(first, second)
    assert all(fits(a, b) for a, b in pairs)
    assert len({a for a, _ in pairs}) == len({b for _, b in pairs}) == len(pairs)
    assert len(pairs) == most(tuple(range(len(first))), frozenset(range(len(second))))


@given(st.lists(st.tuples(st.integers(0, 5), st.integers(0, 5)), min_size=3, max_size=9))
def test_spearman_is_scipys(pairs: list[tuple[int, int]]) -> None:
    first, second = zip(*pairs, strict=True)
    found = spearman(first, second)
    if len(set(first)) == 1 or len(set(second)) == 1:
        assert found is None
    else:
        assert found == pytest.approx(spearmanr(first, second).statistic, abs=1e-9)


def test_ratio_and_p_are_those_of_all_sign_flips() -> None:
    """The geometric mean by hand, and the p-value over all 2^n flips."""
    suspect, benign = rows(1, 12, times=1.2), rows(2, 12)
    found = told(suspect, benign, flips=20_000)
    pairs = matched([row.tokens for row in suspect], [row.tokens for row in benign])
    assert found.pairs == len(pairs) >= 6
    for line in (found.total, *found.layers):
        logs = [
            math.log(suspect[a].norms[line.layer - 1] / benign[b].norms[line.layer - 1])
            if line.layer
            else math.log(math.hypot(*suspect[a].norms) / math.hypot(*benign[b].norms))
            for a, b in pairs
        ]
        assert line.ratio.estimate == pytest.approx(math.exp(sum(logs) / len(logs)))
        reached = [
            abs(sum(sign * log for sign, log in zip(signs, logs, strict=True))) >= abs(sum(logs)) - 1e-9
            for signs in itertools.product((-1, 1), repeat=len(logs))
        ]
        assert line.p == pytest.approx(sum(reached) / len(reached), abs=0.02)


def test_what_is_beyond_the_loss_is_the_intercept_of_least_squares() -> None:
    suspect, benign = rows(3, 30, times=1.2, loss_times=2.0), rows(4, 30)
    found = told(suspect, benign)
    pairs = matched([row.tokens for row in suspect], [row.tokens for row in benign])
    y = [math.log(suspect[a].norms[1] / benign[b].norms[1]) for a, b in pairs]
    x = [
        [1.0, math.log(suspect[a].loss / benign[b].loss), math.log(suspect[a].tokens / benign[b].tokens)]
        for a, b in pairs
    ]
    wanted = np.linalg.lstsq(np.array(x), np.array(y), rcond=None)[0][0]
    assert found.layers[1].beyond.estimate == pytest.approx(math.exp(wanted))


def test_a_ratio_that_the_loss_explains_is_said_to_be_so() -> None:
    found = told(rows(5, 60, loss_times=4.0, slope=1.0), rows(6, 60, slope=1.0))
    assert found.verdict == "larger"
    assert found.total.p is not None
    assert found.total.p < 0.01
    assert "at equal loss no difference is shown" in found.says
    assert "the loss alone tells the two sets apart better" in found.says
    assert found.correlations["loss"] is not None
    assert found.correlations["loss"] > 0.5


def test_a_ratio_beyond_the_loss_is_found() -> None:
    found = told(rows(7, 60, times=1.6), rows(8, 60))
    assert found.verdict == "larger"
    assert found.total.beyond.low is not None
    assert found.total.beyond.low > 1.2
    ps = [layer.p_beyond for layer in found.layers]
    assert [layer.q_beyond for layer in found.layers] == pytest.approx(list(false_discovery_control(ps)))
    assert all(layer.q_beyond is not None and layer.q_beyond < 0.05 for layer in found.layers)
    assert "they tell the two sets apart better than the loss alone" in found.says


def test_short_answers_are_no_suspects() -> None:
    """Norms fall with length: without matching, short answers would look twice as steep."""
    short, long = rows(9, 60, longest=12), rows(10, 200, longest=60)
    plain = math.exp(np.mean([math.log(row.total) for row in short]) - np.mean([math.log(row.total) for row in long]))
    found = told(short, long)
    assert plain > 1.4
    assert found.total.ratio.estimate == pytest.approx(1.0, abs=0.2)
    assert found.total.beyond.estimate == pytest.approx(1.0, abs=0.1)


def test_too_few_pairs_leave_it_undecided() -> None:
    found = told(rows(11, 4), rows(12, 40))
    assert (found.verdict, found.total.p, found.total.ratio.estimate) == ("undecided", None, None)
    assert found.says.startswith("not known: ")
    apart = told(
        [GradientRow(line=1, tokens=100, loss=1.0, norms=(1.0,))] * 9,
        [GradientRow(line=1, tokens=2, loss=1.0, norms=(1.0,))] * 9,
    )
    assert apart.verdict == "undecided"
    assert apart.pairs == 0
    nothing = told([], [])
    assert nothing.verdict == "undecided"
    assert nothing.layers == ()


def test_with_few_pairs_nothing_is_said_of_equal_loss() -> None:
    same = [GradientRow(line=1, tokens=10, loss=1.0 + place, norms=(1.0 + place,)) for place in range(8)]
    larger = [GradientRow(line=1, tokens=10, loss=1.0 + place, norms=(3.0 + 3 * place,)) for place in range(8)]
    found = told(larger, same)
    assert found.verdict == "larger"
    assert found.total.ratio.estimate == pytest.approx(3.0)
    assert (found.total.beyond.estimate, found.total.p_beyond) == (None, None)
    assert "at equal loss not known: 8 pairs" in found.says


def test_losses_that_do_not_overlap_are_said_to_be_extrapolated() -> None:
    apart, near = (told(rows(21, 30, loss_times=times), rows(22, 30)) for times in (30.0, 1.5))
    assert any("extrapolated" in note for note in apart.notes)
    assert not any("extrapolated" in note for note in near.notes)


def test_rows_without_norms_are_counted_apart() -> None:
    broken = GradientRow(line=9, tokens=0, error="too long")
    found = told([*rows(13, 20), broken, broken], rows(14, 20))
    assert found.suspect == 20
    assert found.left_out == {"too long": 2}


def test_the_same_rows_on_both_sides_show_nothing_and_are_no_fault() -> None:
    same = rows(15, 12)
    found = told(same, same)
    assert found.verdict == "not shown"
    assert found.total.ratio.estimate == pytest.approx(1.0)
    assert found.total.p == 1.0
    constant = [GradientRow(line=1, tokens=5, loss=1.0, norms=(2.0, 2.0))] * 8
    assert told(constant, constant).verdict == "not shown"


def test_rows_of_two_models_are_refused() -> None:
    with pytest.raises(MisuseError, match="different numbers of layers"):
        told(rows(1, 8, layers=2), rows(1, 8, layers=3))
    with pytest.raises(MisuseError, match="confidence"):
        told(rows(1, 8), rows(1, 8), confidence=1.0)


def test_the_best_layer_is_chosen_on_other_examples() -> None:
    """Of forty layers of noise one always looks good; on examples that did not choose it, it does not."""
    areas = []
    for seed in range(20):
        random = np.random.default_rng(seed)
        made = [
            GradientRow(line=0, tokens=10, loss=1.0, norms=tuple(np.exp(random.normal(size=40)))) for _ in range(60)
        ]
        lines = {line.name: line for line in told(made[:30], made[30:], draws=20, flips=20).detectors}
        areas.append(lines["best layer"].auroc.estimate)
    assert np.mean(areas) == pytest.approx(0.5, abs=0.05)


@pytest.mark.slow
def test_intervals_cover_and_p_values_are_even() -> None:
    """200 pairs of sets, 20 rows each, of a known ratio."""
    covered = beyond = small = small_beyond = 0
    for seed in range(200):
        found = told(
            rows(2 * seed + 1000, 20, times=1.3, layers=1), rows(2 * seed + 1001, 20, layers=1), flips=199, draws=500
        )
        ratio, rest = found.total.ratio, found.total.beyond
        covered += ratio.low <= 1.3 <= ratio.high
        beyond += rest.low <= 1.3 <= rest.high
        none = told(rows(2 * seed + 5000, 20, layers=1), rows(2 * seed + 5001, 20, layers=1), flips=199, draws=20)
        small += none.total.p <= 0.1
        small_beyond += none.total.p_beyond <= 0.1
    assert covered >= 180
    assert beyond >= 180
    assert 8 <= small <= 33
    assert 8 <= small_beyond <= 36
