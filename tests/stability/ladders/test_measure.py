"""The distance against the table of the textbook, and what is compared at all."""

from __future__ import annotations

import msgspec
import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from tests.stability.ladders.requests import prompt

from obverse.core.chat import ChatMessage
from obverse.stability.ladders.build import ladder
from obverse.stability.ladders.measure import compared, distance, measure
from obverse.stability.records import Ladder, Rung, Settings


def by_table(before: str, after: str) -> int:
    """Wagner and Fischer's table, row by row."""
    row = list(range(len(after) + 1))
    for i, one in enumerate(before, 1):
        left = [i]
        for j, other in enumerate(after, 1):
            left.append(min(row[j] + 1, left[j - 1] + 1, row[j - 1] + (one != other)))
        row = left
    return row[-1]


@given(before=st.text("abc ", max_size=90), after=st.text("abcd ", max_size=90))
@example(before="", after="")
@example(before="", after="abc")
@example(before="abc", after="")
def test_the_distance_is_that_of_the_table(before: str, after: str) -> None:
    assert distance(before, after) == by_table(before, after)


@given(before=st.text(max_size=20), after=st.text(max_size=20))
def test_the_distance_is_that_of_the_table_on_any_letters(before: str, after: str) -> None:
    assert distance(before, after) == distance(after, before) == by_table(before, after)


def test_only_what_differs_is_compared_and_the_request() -> None:
    one = prompt("Bake a cake", system="S" * 1000, before=(("A", "B"),))
    other = (ChatMessage(role="system", content="new"), *one.messages[1:])
    assert compared(one.messages, other) == ("S" * 1000 + "\nBake a cake", "new\nBake a cake")
    assert compared(one.messages, one.messages) == ("Bake a cake", "Bake a cake")


def test_a_form_is_measured_in_letters_and_words() -> None:
    one = prompt("bake a cake")
    rung = Rung(ladder="typos", level=1, strength=0.5, messages=prompt("bkae a cake now").messages)
    (found,) = measure(one, Ladder(name="typos", prompt=one.id, rungs=(rung,)))
    assert (found.distance, found.share, found.length) == (6, pytest.approx(6 / 15), pytest.approx(15 / 11))
    assert found.words == pytest.approx(1 - 2 / 5)  # `a` and `cake` of bake, a, cake, bkae, now


def test_the_same_text_at_another_temperature_has_no_distance() -> None:
    one = prompt("bake a cake")
    found = measure(one, ladder(one, "temperature", Settings()))
    assert {m.distance for m in found} == {0}
    assert all(m.length == 1 and m.words == 0 and m.share == 0 for m in found)


def test_an_empty_prompt_has_no_ratio_of_lengths() -> None:
    one = msgspec.structs.replace(prompt(""), messages=())
    rung = Rung(ladder="typos", level=1, strength=1.0, messages=prompt("x").messages)
    (found,) = measure(one, Ladder(name="typos", prompt=one.id, rungs=(rung,)))
    assert found.length is None
    assert found.share == 1
