"""Covering arrays, checked by trying every row that there is."""

from __future__ import annotations

from itertools import combinations, product

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from obverse.cases.arrays import Model, covering_array, tuples_of
from obverse.core.errors import MisuseError


def every_row(model: Model) -> list[tuple[int, ...]]:
    """All rows that break no constraint."""
    rows = product(*(range(count) for count in model.values))
    return [row for row in rows if not any(all(row[f] == v for f, v in one) for one in model.never)]


def in_rows(rows: list[tuple[int, ...]], strength: int) -> set[tuple[tuple[int, int], ...]]:
    return {some for row in rows for some in combinations(tuple(enumerate(row)), strength)}


@st.composite
def models(draw: st.DrawFn) -> Model:
    values = tuple(draw(st.lists(st.integers(1, 4), min_size=2, max_size=5)))
    literals = [(factor, value) for factor, count in enumerate(values) for value in range(count)]
    never = draw(
        st.lists(st.lists(st.sampled_from(literals), min_size=1, max_size=3, unique_by=lambda one: one[0]), max_size=4)
    )
    strength = draw(st.integers(1, min(3, len(values))))
    return Model(values=values, strength=strength, never=tuple(tuple(one) for one in never))


@settings(max_examples=80, deadline=None, derandomize=True, database=None)
@given(models())
def test_what_can_occur_together_does_and_the_rest_is_named(model: Model) -> None:
    possible = in_rows(every_row(model), model.strength)
    if not possible:
        with pytest.raises(MisuseError, match="no row satisfies"):
            covering_array(model)
        return
    array = covering_array(model, work=20_000)
    assert in_rows(list(array.rows), model.strength) == possible  # every one of them, and no forbidden row
    assert set(array.impossible) == set(tuples_of(model)) - possible
    assert all(row in every_row(model) for row in array.rows)


SIZES = {"3^4": ((3,) * 4, 9), "3^13": ((3,) * 13, 17), "2^20": ((2,) * 20, 9), "5 4 3 2": ((5, 4, 3, 2), 20)}


@pytest.mark.parametrize("name", SIZES)
def test_arrays_are_about_as_small_as_they_are_known_to_be(name: str) -> None:
    values, most = SIZES[name]
    assert len(covering_array(Model(values=values), work=300_000).rows) <= most


def test_the_same_model_and_seed_give_the_same_array() -> None:
    model = Model(values=(4, 3, 3, 2, 2), never=(((0, 1), (1, 2)),))
    assert covering_array(model, seed=5, work=50_000) == covering_array(model, seed=5, work=50_000)


def test_one_value_after_the_other_is_an_array_of_strength_one() -> None:
    assert len(covering_array(Model(values=(4, 2, 3), strength=1)).rows) == 4


def test_constraints_that_follow_from_others_are_kept_too() -> None:
    """a=0 needs b=0, and b=0 needs c=0: so a=0 never meets c=1, which no constraint says."""
    model = Model(values=(2, 2, 2), never=(((0, 0), (1, 1)), ((1, 0), (2, 1))))
    assert ((0, 0), (2, 1)) in covering_array(model).impossible


@pytest.mark.parametrize(
    "model", [Model(values=(2, 2), strength=3), Model(values=(2, 0)), Model(values=(40,) * 100, strength=3)]
)
def test_a_model_that_makes_no_sense_or_is_too_large_is_refused_at_once(model: Model) -> None:
    with pytest.raises(MisuseError) as caught:
        covering_array(model)
    assert caught.value.hint
