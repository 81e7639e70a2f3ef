"""How different texts are: known figures for texts that are known to be alike or not."""

from __future__ import annotations

import math
from collections.abc import Sequence

import pytest
from tests.cases.texts import library_suite

from obverse.cases.diversity import by_language, diversity, figures, texts_of


class Letters:
    """An encoder of which the vectors are known: one axis for each first letter."""

    identity = "letters"

    def encode(self, text: str) -> Sequence[float]:
        return [float(text[:1] == letter) for letter in "abc"]


def test_no_ngram_twice_is_as_diverse_as_it_gets() -> None:
    found = diversity(["one two three", "four five six"])
    assert (found.distinct_1, found.distinct_2, found.distinct_3) == (1, 1, 1)
    assert (found.texts, found.words) == (2, 6)


def test_a_repeated_word_counts_once() -> None:
    found = diversity(["a b a b", "a b"])
    assert found.distinct_1 == pytest.approx(2 / 6, abs=1e-4)
    assert found.distinct_2 == pytest.approx(2 / 4, abs=1e-4)


def test_equal_texts_are_one_text() -> None:
    assert diversity(["a b", "a b"]).texts == 1


def test_three_ways_apart_are_three_effective_texts() -> None:
    found = diversity(["a1", "b1", "c1"], Letters())
    assert (found.distance, found.vendi) == (1.0, pytest.approx(3.0))
    assert found.encoder == "letters"


def test_two_that_mean_the_same_and_one_that_does_not() -> None:
    found = diversity(["a1", "a2", "b1"], Letters())
    assert found.distance == pytest.approx(2 / 3, abs=1e-4)
    assert found.vendi == pytest.approx(math.exp(-(2 / 3) * math.log(2 / 3) - (1 / 3) * math.log(1 / 3)), abs=1e-4)


def test_no_number_stands_for_absence() -> None:
    empty, one = diversity([]), diversity(["a b c"], Letters())
    assert (empty.distinct_1, empty.distance, empty.vendi) == (None, None, None)
    assert (one.distinct_1, one.distance, one.vendi) == (1.0, None, None)


def test_so_many_texts_are_taken_whatever_their_order() -> None:
    texts = [f"text number {n} of {n % 7}" for n in range(50)]
    assert diversity(texts, at_most=20) == diversity(texts[::-1], at_most=20)
    assert diversity(texts, at_most=20).texts == 20


def test_a_suite_is_measured_by_language() -> None:
    cases = library_suite().cases
    assert list(by_language(cases, "en")) == ["en"]
    assert figures(cases, "en")["en"].texts == len(texts_of(cases))
