from __future__ import annotations

import math

import numpy as np
import pytest

from obverse.stability.inside.attention import share, spread
from obverse.stability.inside.lexical import lens, margin
from obverse.stability.ports import Reading


def test_the_margin_is_a_difference_of_log_probabilities_or_nothing() -> None:
    assert margin(Reading(id="x", tokens=1, logits={"refusal": -1.0, "compliance": -3.5})) == 2.5
    assert margin(Reading(id="x", tokens=1, logits={"refusal": -1.0})) is None
    assert margin(Reading(id="x", tokens=1, logits={"refusal": -math.inf, "compliance": -1.0})) is None


def test_the_lens_adds_probabilities() -> None:
    words = {"refusal": np.log([0.1, 0.2]).astype(np.float32), "hazard": np.log([0.3, 0.1]).astype(np.float32)}
    found = lens(Reading(id="x", tokens=1, words=words))
    assert found is not None
    assert np.exp(found) == pytest.approx(np.array([[0.1, 0.2], [0.3, 0.1], [0.4, 0.3]]), rel=1e-5)
    assert lens(Reading(id="x", tokens=1, words={"refusal": words["refusal"]})) is None
    assert lens(Reading(id="x", tokens=1, words={**words, "hazard": np.array([np.nan, 0], dtype=np.float32)})) is None


def test_even_attention_is_one_at_every_length_and_a_short_span_has_none() -> None:
    for length in (2, 5, 90):
        even = np.full((3, 4), math.log(length), dtype=np.float32)
        found = spread(Reading(id="x", tokens=99, span=(1, 1 + length), attention=even))
        assert found == pytest.approx(np.ones(3))
    assert spread(Reading(id="x", tokens=9, span=(1, 2), attention=np.zeros((3, 4), dtype=np.float32))) is None
    assert spread(Reading(id="x", tokens=9, span=(1, 4))) is None
    heads = np.array([[0.2, 0.4], [0.6, 0.6]], dtype=np.float32)
    assert share(Reading(id="x", tokens=9, weight=heads)) == pytest.approx(np.array([0.3, 0.6]))
    assert share(Reading(id="x", tokens=9)) is None
