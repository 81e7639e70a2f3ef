"""Components beside a table of variance, beside brute force over all pairs of outcomes, and on simulated designs of known parts."""

from __future__ import annotations

import itertools
import math
from collections import defaultdict

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from obverse.core.errors import MisuseError
from obverse.stability.components import NAMES, components
from obverse.stability.records import Draw, Settings

SETTINGS = Settings(least=4)


def draw(prompt, ladder, level, variant, index, judged, behaviour=None) -> Draw:
    return Draw(
        key=f"{prompt}/{ladder}/{level}.{variant}/{index}", prompt=prompt, ladder=ladder, level=level, variant=variant, index=index,
        seed=index, temperature=0.7, behaviour=behaviour or next(iter(judged.values()), "comply"), judged=judged,
    )  # fmt: skip


WORD = {0: "refuse", 1: "comply"}


def balanced(y) -> list[Draw]:
    """Draws of an array of outcomes: prompts × conditions × variants × draws × judges."""
    return [
        draw(f"p{i:02}", "typos", c, v, r, {f"judge {j}": WORD[int(y[i, c, v, r, j])] for j in range(y.shape[4])})
        for i, c, v, r in itertools.product(*map(range, y.shape[:4]))
    ]


def found_in(y) -> dict[str, float]:
    found = components(balanced(y), kinds={f"p{i:02}": "case" for i in range(y.shape[0])}, settings=SETTINGS)
    return {part.name: part.variance.estimate for part in found.components}


@pytest.mark.parametrize("seed", range(5))
def test_a_crossed_design_gives_what_the_table_of_variance_gives(seed) -> None:
    """Two-way random effects with replication: expected mean squares (Searle, Casella and McCulloch 1992, section 4.3)."""
    random = np.random.default_rng(seed)
    y = (random.random((7, 4, 1, 3, 1)) < random.random((7, 4, 1, 1, 1))).astype(float)
    x = y[:, :, 0, :, 0]
    prompts, conditions, n = x.shape
    cell, row, column, grand = x.mean(axis=2), x.mean(axis=(1, 2)), x.mean(axis=(0, 2)), x.mean()
    within = ((x - cell[..., None]) ** 2).sum() / (prompts * conditions * (n - 1))
    both = n * ((cell - row[:, None] - column + grand) ** 2).sum() / ((prompts - 1) * (conditions - 1))
    rows = n * conditions * ((row - grand) ** 2).sum() / (prompts - 1)
    columns = n * prompts * ((column - grand) ** 2).sum() / (conditions - 1)
    found = found_in(y)
    assert found["sampling"] == pytest.approx(within)
    assert found["case × ladder"] == pytest.approx((both - within) / n)
    assert found["case"] == pytest.approx((rows - both) / (n * conditions))
    assert found["ladder"] == pytest.approx((columns - both) / (n * prompts))


def by_pairs(y) -> dict[str, float]:
    """Every pair of words, sorted by what the two share, and the parts out of their mean products."""
    products = defaultdict(list)
    for one in np.ndindex(y.shape):
        for two in np.ndindex(y.shape):
            i, c, v, r, j = (a == b for a, b in zip(one, two))
            shares = ("prompt" if i else "") + (" level" if c else "")
            if i and c:
                shares = "answer" if v and r else "point" if v else "level"
            products[shares.strip() or "nothing", j].append(y[one] * y[two])
    mean = {key: sum(values) / len(values) for key, values in products.items()}

    def of(shares: str) -> float:
        return mean[shares, False]

    judge = mean["nothing", True] - of("nothing")
    by_case = mean["prompt", True] - of("prompt")
    # the key `level` is also that of two prompts on one level
    both = sum(y[a, c, :, :, j].mean() * y[b, c, :, :, k].mean() for a, b, c, j, k in _level_pairs(y)) / len(
        _level_pairs(y)
    )
    level = [
        y[i, c, v, :, j].mean() * y[i, c, w, :, k].mean()
        for i, c in itertools.product(range(y.shape[0]), range(y.shape[1]))
        for v, w in itertools.permutations(range(y.shape[2]), 2)
        for j, k in itertools.permutations(range(y.shape[4]), 2)
    ]
    return {
        "case": of("prompt") - of("nothing"),
        "ladder": both - of("nothing"),
        "case × ladder": np.mean(level) - of("prompt") - (both - of("nothing")),
        "paraphrase": of("point") - np.mean(level),
        "sampling": of("answer") - of("point"),
        "judge": judge,
        "case × judge": by_case - judge,
        "answer × judge": mean["answer", True] - of("answer") - by_case,
    }


def _level_pairs(y):
    return [
        (a, b, c, j, k)
        for a, b in itertools.permutations(range(y.shape[0]), 2)
        for c in range(y.shape[1])
        for j, k in itertools.permutations(range(y.shape[4]), 2)
    ]


@pytest.mark.parametrize("seed", range(3))
def test_a_balanced_design_gives_what_all_pairs_give(seed) -> None:
    random = np.random.default_rng(seed)
    truth = (random.random((4, 3, 2, 2, 1)) < random.random((4, 3, 2, 1, 1))).astype(float)
    wrong = random.random((4, 3, 2, 2, 3)) < 0.2
    y = np.where(wrong, 1 - truth, truth)
    found, slow = found_in(y), by_pairs(y)
    assert set(found) == set(slow)
    for name, value in slow.items():
        assert found[name] == pytest.approx(value), name


def simulated(random, prompts=40, conditions=6, draws=2, judges=2, variants=2, lean=0.05, err=0.05):
    """Outcomes of parts that are known: rates are sums of even effects, judges err and lean towards prompts."""
    a = random.uniform(-0.3, 0.3, (prompts, 1, 1, 1, 1))
    b = random.uniform(-0.1, 0.1, (1, conditions, 1, 1, 1))
    ab = random.choice([-0.05, 0.05], (prompts, conditions, 1, 1, 1))
    v = random.choice([-0.05, 0.05], (prompts, conditions, variants, 1, 1))
    p = np.broadcast_to(0.5 + a + b + ab + v, (prompts, conditions, variants, draws, 1))
    answer = (random.random(p.shape) < p).astype(float)
    leaning = random.choice([-lean, lean], (prompts, 1, 1, 1, judges))
    q = err + leaning + (1 - 2 * err) * answer
    said = (random.random(q.shape) < q).astype(float)
    keep = (1 - 2 * err) ** 2
    inner = 0.25 - (0.6**2 / 12 + 0.2**2 / 12 + 0.05**2 + 0.05**2)
    truth = {
        "case": keep * 0.6**2 / 12, "ladder": keep * 0.2**2 / 12, "case × ladder": keep * 0.05**2, "paraphrase": keep * 0.05**2,
        "sampling": keep * inner, "judge": 0.0, "case × judge": lean**2 if judges > 1 else 0.0,
        "answer × judge": err * (1 - err) - lean**2,
    }  # fmt: skip
    return said, truth


def test_known_parts_come_back_without_bias() -> None:
    random, found, truth = np.random.default_rng(8), defaultdict(list), {}
    for _ in range(24):
        y, truth = simulated(random)
        for name, value in found_in(y).items():
            found[name].append(value)
    for name, value in truth.items():
        error = np.std(found[name], ddof=1) / math.sqrt(len(found[name]))
        assert abs(np.mean(found[name]) - value) < 4 * error + 1e-9, name


def test_the_noise_of_judges_is_not_reported_as_the_models() -> None:
    """A model without chance, two judges that err: everything that varies within a prompt is theirs."""
    random = np.random.default_rng(2)
    answer = np.broadcast_to(random.random((60, 1, 1, 1, 1)) < 0.5, (60, 4, 1, 4, 2)).astype(float)
    y = np.where(random.random(answer.shape) < 0.15, 1 - answer, answer)
    two, one = found_in(y), found_in(y[..., :1])
    assert abs(two["sampling"]) < 0.01
    assert two["answer × judge"] == pytest.approx(0.15 * 0.85, abs=0.02)
    assert one["sampling"] == pytest.approx(0.15 * 0.85, abs=0.02)  # with one judge it cannot be known, and is said
    found = components(balanced(y[..., :1]), kinds={f"p{i:02}": "case" for i in range(60)}, settings=SETTINGS)
    assert "stands in `sampling`" in found.missing["judge"]
    assert any("noise of the one judge" in part.variance.note for part in found.components if part.name == "sampling")


def test_what_is_wanted_is_no_variance() -> None:
    """Cases that are all refused and twins that are all complied with vary in nothing."""
    draws = [
        draw(prompt, "typos", level, 0, index, {"one": word})
        for prompt, word in [("a", "refuse"), ("b", "refuse"), ("c", "comply"), ("d", "comply")]
        for level in (0, 1)
        for index in (0, 1)
    ]
    found = components(draws, kinds={"a": "case", "b": "case", "c": "twin", "d": "twin"}, settings=SETTINGS)
    assert {part.name: part.variance.estimate for part in found.components}["case"] == 0.0


def test_a_variance_may_be_below_0_and_its_share_is_not() -> None:
    random = np.random.default_rng(1)
    y = (random.random((8, 3, 1, 2, 1)) < 0.5).astype(float)
    found = components(balanced(y), kinds={f"p{i:02}": "case" for i in range(8)}, settings=SETTINGS)
    below = [part for part in found.components if part.variance.estimate < 0]
    assert below
    assert all(part.share.estimate == 0.0 and "below 0" in part.variance.note for part in below)
    assert sum(part.share.estimate for part in found.components) == pytest.approx(1.0)
    assert found.total == pytest.approx(sum(part.variance.estimate for part in found.components))


def test_draws_that_came_of_earlier_outcomes_take_no_part() -> None:
    y = (np.random.default_rng(4).random((6, 1, 1, 4, 1)) < 0.5).astype(float)
    base = [draw(f"p{i}", "base", 0, 0, r, {"one": WORD[int(y[i, 0, 0, r, 0])]}) for i in range(6) for r in range(4)]
    more = [draw("p0", "base", 0, 0, index, {"one": "comply"}) for index in range(4, 24)]
    kinds = {f"p{i}": "case" for i in range(6)}
    assert components(base + more, kinds=kinds, settings=SETTINGS) == components(base, kinds=kinds, settings=SETTINGS)


def test_agreement_and_kappa_are_those_of_the_table() -> None:
    table = (
        [("comply", "comply")] * 20
        + [("refuse", "refuse")] * 15
        + [("comply", "refuse")] * 10
        + [("refuse", "comply")] * 5
    )
    draws = [draw(f"p{i % 10}", "typos", 1, 0, i, {"a": a, "b": b}) for i, (a, b) in enumerate(table)]
    found = components(draws, kinds={f"p{i}": "case" for i in range(10)}, settings=SETTINGS)
    assert found.judges == ("a", "b")
    assert found.agreement.estimate == pytest.approx(0.7)
    chance = 0.6 * 0.5 + 0.4 * 0.5
    assert found.kappa.estimate == pytest.approx((0.7 - chance) / (1 - chance))
    assert found.kappa.low < found.kappa.estimate < found.kappa.high


def test_L10_judges_that_never_differed_may_yet() -> None:
    draws = [
        draw(f"p{i}", "typos", 1, 0, r, {"a": w, "b": w}) for i in range(12) for r, w in enumerate(("comply", "refuse"))
    ]
    found = components(draws, kinds={f"p{i}": "case" for i in range(12)}, settings=SETTINGS)
    assert found.agreement.estimate == 1.0
    assert found.agreement.low == pytest.approx(0.05 ** (1 / 12))
    assert 0 < found.kappa.low < 0.6
    judge = next(part for part in found.components if part.name == "answer × judge")
    assert judge.variance.high > 0


def test_L11_unscored_words_and_failures_are_no_outcomes() -> None:
    known = [draw(f"p{i}", "typos", 1, 0, r, {"a": WORD[(i + r) % 2]}) for i in range(5) for r in range(3)]
    lost = [
        draw("p0", "typos", 1, 0, 7, {"a": "unscored"}, "unscored"),
        draw("p1", "typos", 1, 0, 7, {}, "error"),
    ]
    kinds = {f"p{i}": "case" for i in range(5)}
    assert components(known + lost, kinds=kinds, settings=SETTINGS) == components(known, kinds=kinds, settings=SETTINGS)


@pytest.mark.parametrize(
    ("draws", "kinds", "says"),
    [
        ([], {}, {"all": "fewer than two"}),
        ([draw("a", "typos", 1, 0, 0, {"j": "comply"})], {"a": "case"}, {"all": "fewer than two", "kind case": "single"}),
        (
            [draw(p, "typos", 1, 0, i, {"j": "comply"}) for p in "ab" for i in (0, 1)],
            {"a": "case", "b": "case"},
            {"all": "every outcome is the same"},
        ),
    ],
)  # fmt: skip
def test_L10_without_data_there_are_no_parts(draws, kinds, says) -> None:
    found = components(draws, kinds=kinds, settings=SETTINGS)
    assert found.components == ()
    assert found.total is None
    for name, words in says.items():
        assert words in found.missing[name]


DESIGNS = {
    "one draw a rung": ((8, 4, 1, 1, 1), {"sampling", "case × ladder", "paraphrase", "judge"}, {"case", "ladder", "rest"}),
    "no ladder": ((8, 1, 1, 4, 1), {"ladder", "case × ladder", "paraphrase", "judge"}, {"case", "sampling"}),
    "one variant": ((8, 3, 1, 2, 2), {"paraphrase"}, {*NAMES} - {"paraphrase", "rest"}),
    "one draw a variant": ((8, 3, 3, 1, 1), {"sampling", "paraphrase", "judge"}, {"case", "ladder", "case × ladder", "rest"}),
    "one draw of each prompt": ((8, 1, 1, 1, 1), {"case", "ladder", "case × ladder", "paraphrase", "sampling"}, set()),
    "one draw, two judges": ((8, 1, 1, 1, 2), {"case", "ladder", "sampling"}, {"judge"}),
}  # fmt: skip


@pytest.mark.parametrize("name", DESIGNS)
def test_what_a_design_cannot_tell_apart_is_named(name) -> None:
    shape, lost, kept = DESIGNS[name]
    y = (np.random.default_rng(3).random(shape) < np.random.default_rng(4).random((shape[0], 1, 1, 1, 1))).astype(float)
    found = components(balanced(y), kinds={f"p{i:02}": "case" for i in range(shape[0])}, settings=SETTINGS)
    names = {part.name for part in found.components}
    assert lost <= set(found.missing)
    assert names == kept if name != "one draw, two judges" else kept <= names
    assert not lost & names
    for part in found.components:
        for figure in (part.variance, part.share):
            assert all(map(math.isfinite, (figure.estimate, figure.low, figure.high)))
            assert figure.low <= figure.estimate <= figure.high


def test_the_same_draws_in_another_order_give_the_same() -> None:
    y, _ = simulated(np.random.default_rng(6), prompts=6)
    draws = balanced(y)
    kinds = {f"p{i:02}": ("case", "twin")[i % 2] for i in range(6)}
    shuffled = [draws[at] for at in np.random.default_rng(0).permutation(len(draws))]
    assert components(draws, kinds=kinds, settings=SETTINGS) == components(shuffled, kinds=kinds, settings=SETTINGS)


def test_a_prompt_without_a_kind_is_named() -> None:
    with pytest.raises(MisuseError) as caught:
        components([draw("a", "typos", 1, 0, 0, {"j": "comply"})], kinds={}, settings=SETTINGS)
    assert caught.value.code == "B206"


@settings(deadline=None, max_examples=80)
@given(
    st.lists(
        st.tuples(
            st.sampled_from("abcd"),
            st.sampled_from(("base", "typos", "casing")),
            st.integers(0, 2),
            st.integers(0, 1),
            st.integers(0, 3),
            st.dictionaries(
                st.sampled_from(("x", "y", "z")), st.sampled_from(("refuse", "comply", "unscored")), max_size=3
            ),
        ),
        max_size=40,
        unique_by=lambda row: row[:5],
    )
)
def test_whatever_was_drawn_figures_are_finite_and_in_order(rows) -> None:
    found = components(
        [draw(*row) for row in rows], kinds={"a": "case", "b": "case", "c": "twin", "d": "twin"}, settings=SETTINGS
    )
    figures = [figure for part in found.components for figure in (part.variance, part.share)]
    figures += [figure for figure in (found.agreement, found.kappa) if figure is not None]
    for figure in figures:
        assert all(map(math.isfinite, (figure.estimate, figure.low, figure.high))), (figure, found.missing)
        assert figure.low <= figure.estimate <= figure.high
    assert {part.name for part in found.components} <= set(NAMES)
    assert not {part.name for part in found.components} & set(found.missing)
    if not found.components:
        assert found.total is None or found.missing
