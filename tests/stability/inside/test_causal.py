"""A cause is claimed where there is one, and not where a direction only goes along."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import binomtest

from obverse.stability.inside.causal import CONTROLS, Bench, candidates, controls, cost, edits, interventions, sign_test
from obverse.stability.inside.folds import Folds, Missing, folds

PROMPTS = {"families": 8, "groups": 6}


def bench(model, *, drawn: bool = False) -> Bench:
    def refuses(prompt, text):
        return "refuse" if "can't" in text else "comply"

    return Bench(
        model=model, answers=model if drawn else None, refuses=refuses if drawn else None, seed=1, max_tokens=8,
        told=lambda number: None,
    )  # fmt: skip


def setting(model, prompts):
    states = np.stack([model.stack(prompt.id) for prompt in prompts])
    labels = np.array([int(prompt.wanted == "refuse") for prompt in prompts])
    by = folds([prompt.family for prompt in prompts], labels, what=("harmful", "harmless"))
    assert isinstance(by, Folds)
    return states, by


@pytest.mark.parametrize("drawn", [False, True], ids=["margin", "answers"])
def test_a_direction_on_which_refusal_hangs_is_shown_to_be_a_cause(planted, some_prompts, drawn: bool) -> None:
    model, prompts = planted(strength=8.0), some_prompts(**PROMPTS)
    states, by = setting(model, prompts)
    rows = interventions(bench(model, drawn=drawn), prompts, states, by, confidence=0.95)
    assert not isinstance(rows, Missing)
    ablate, add, patch = rows
    assert (ablate.before, ablate.of) == (24, 24)
    assert ablate.after <= 3
    assert ablate.control is not None
    assert ablate.control >= 18
    assert (add.before, patch.before) == (0, 24)
    assert add.after >= 20
    assert patch.after <= 3
    for row in rows:
        assert "a cause is shown" in row.note
        assert ("judged" in row.note) == drawn
        assert len(row.controls) == CONTROLS
        assert row.p is not None
        assert row.p < 0.01


def test_a_direction_that_only_goes_along_is_no_cause(planted, some_prompts) -> None:
    model, prompts = planted(strength=8.0, causal=False), some_prompts(**PROMPTS)
    states, by = setting(model, prompts)
    rows = interventions(bench(model), prompts, states, by, confidence=0.95)
    assert not isinstance(rows, Missing)
    assert [(row.before, row.after) for row in rows] == [(24, 24), (0, 0), (24, 24)]
    assert all("no cause is shown" in row.note and row.p == 1.0 for row in rows)


def test_the_cost_is_what_is_read_at_most(planted, some_prompts) -> None:
    model, prompts = planted(strength=8.0), some_prompts(**PROMPTS)
    states, by = setting(model, prompts)
    interventions(bench(model), prompts, states, by, confidence=0.95)
    assert 0 < model.asked <= cost(by)


def test_prompts_that_cannot_be_told_leave_the_count(planted, some_prompts) -> None:
    prompts = some_prompts(**PROMPTS)
    model = planted(strength=8.0)
    states, by = setting(model, prompts)
    model.bad = {prompt.id: "context overflow" for prompt in prompts if prompt.id.endswith("g0/case")}
    rows = interventions(bench(model), prompts, states, by, confidence=0.95)
    assert not isinstance(rows, Missing)
    assert rows[0].of == 20
    assert "4 of 24 could not be told" in rows[0].note
    silent = planted(words=False)
    none = interventions(bench(silent), prompts, states, by, confidence=0.95)
    assert isinstance(none, Missing)
    assert "margin" in none.reason


def test_controls_are_unit_vectors_across_the_direction_and_repeat() -> None:
    rng = np.random.default_rng(0)
    states = rng.standard_normal((20, 9)).astype(np.float32)
    vector = np.eye(9, dtype=np.float32)[2]
    labels = np.tile([0, 1, -1, 1], 5)
    made = controls(states, labels, vector, seed=4)
    assert len(made) == CONTROLS
    for one in made:
        assert np.linalg.norm(one) == pytest.approx(1, abs=1e-5)
        assert abs(float(one @ vector)) < 1e-6
    assert all(np.array_equal(one, two) for one, two in zip(made, controls(states, labels, vector, seed=4)))
    assert not np.array_equal(made[0], controls(states, labels, vector, seed=5)[0])


def test_a_patch_puts_the_component_where_it_should_be() -> None:
    vector = np.array([0.6, 0.8, 0.0], dtype=np.float32)
    state = np.array([3.0, -1.0, 2.0])
    for edit in edits("patch", vector, 2, 9.0, 0.25):
        along = np.array(edit.vector)
        assert edit.layers == (2,)
        state = state - (state @ along) * along if edit.kind == "ablate" else state + edit.scale * along
    assert float(state @ vector) == pytest.approx(0.25, abs=1e-6)
    assert state[2] == 2.0
    [add] = edits("add", vector, 2, 9.0, 0.25)
    assert (add.kind, add.scale, add.layers) == ("add", 9.0, (2,))
    [ablate] = edits("ablate", vector, 2, 9.0, 0.25)
    assert ablate.layers is None


@given(st.integers(0, 20), st.integers(0, 20))
def test_the_sign_test_is_the_binomial_tail(better: int, worse: int) -> None:
    slow = 1.0 if better + worse == 0 else binomtest(better, better + worse, 0.5, alternative="greater").pvalue
    assert sign_test(better, worse) == pytest.approx(slow)


@pytest.mark.parametrize("layers", [1, 2, 6, 24, 30, 80])
def test_candidates_lie_within_the_model(layers: int) -> None:
    tried = candidates(layers)
    assert 1 <= len(tried) <= 8
    assert all(1 <= layer <= layers for layer in tried)
