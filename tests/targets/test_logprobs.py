"""Means over what an endpoint lists, against distributions that are known whole; and what it does when it lists nothing."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from obverse.targets.logprobs import measured


def tokens(distributions: list[list[float]], listed: int) -> list[dict[str, Any]]:
    """What a server says of these distributions: the first token was drawn, so many alternatives are listed."""
    told = []
    for shares in distributions:
        logs = [math.log(share) for share in shares]
        order = sorted(range(len(logs)), key=lambda one: -logs[one])[:listed]
        top = [{"token": f"t{one}", "logprob": logs[one]} for one in order]
        told.append({"token": "t0", "logprob": logs[0], "top_logprobs": top})
    return told


shares = st.lists(st.floats(1e-3, 1.0), min_size=2, max_size=12).map(lambda raw: [one / sum(raw) for one in raw])


@given(distributions=st.lists(shares, min_size=1, max_size=5), temperature=st.sampled_from([0.3, 0.7, 1.0, 1.5]))
def test_of_whole_distributions_the_entropy_is_that_of_what_was_sampled_from(
    distributions: list[list[float]], temperature: float
) -> None:
    found = measured(tokens(distributions, 12), temperature)
    tempered = [np.asarray(one) ** (1 / temperature) for one in distributions]
    expected = [float(-(q := one / one.sum()) @ np.log(q)) for one in tempered]
    assert found.entropy == pytest.approx(np.mean(expected), abs=1e-9)
    assert found.logprob == pytest.approx(np.mean([math.log(one[0]) for one in distributions]))
    assert found.missing == ""


def test_lists_that_leave_much_out_give_no_entropy_and_say_how_much() -> None:
    found = measured(tokens([[0.5, 0.3, 0.1, 0.05, 0.05]], 2), 1.0)
    assert found.entropy is None
    assert found.missing == "the alternatives that the endpoint lists cover 80% of the mass on average"
    assert found.logprob == pytest.approx(math.log(0.5))


def test_a_low_temperature_sharpens_what_is_listed_so_that_it_covers_more() -> None:
    told = tokens([[0.9, 0.06, 0.02, 0.01, 0.01]], 3)
    assert measured(told, 1.0).entropy is None
    assert measured(told, 0.5).entropy == pytest.approx(
        -sum(q * math.log(q) for q in np.asarray([0.81, 0.0036, 0.0004, 0.0001, 0.0001]) / 0.8142), abs=2e-3
    )


NONE = {
    "nothing": (None, "without log-probabilities"),
    "an empty list": ([], "without log-probabilities"),
    "another form": ([{"text": "a"}], "not of the usual form"),
    "no numbers": ([{"token": "a", "logprob": "much", "top_logprobs": []}], "not of the usual form"),
    "not a number": ([{"token": "a", "logprob": math.nan, "top_logprobs": []}], "that are none"),
    "above zero": ([{"token": "a", "logprob": 3.0, "top_logprobs": []}], "that are none"),
}


@pytest.mark.parametrize(("told", "why"), NONE.values(), ids=NONE)
def test_what_is_no_list_of_probabilities_is_said_so(told: Any, why: str) -> None:
    found = measured(told, 0.7)
    assert (found.entropy, found.logprob) == (None, None)
    assert why in found.missing


def test_greedy_answers_have_no_entropy() -> None:
    found = measured(tokens([[0.9, 0.1]], 2), 0.0)
    assert (found.entropy, found.missing) == (None, "nothing was sampled: temperature 0")


@pytest.mark.parametrize("temperature", [0.001, 0.7, 1.0, 2.0])
def test_extremes_are_no_crash(temperature: float) -> None:
    told = [{"token": "a", "logprob": -9999.0, "top_logprobs": [{"token": "b", "logprob": -0.1}]}]
    assert measured(told, temperature).logprob == -9999.0
    assert measured([{"token": "a", "logprob": -9999.0, "top_logprobs": []}], temperature).entropy is None
