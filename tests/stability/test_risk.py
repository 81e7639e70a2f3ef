"""Any-of-k is what listing all sets of k draws gives; its mean over prompts is unbiased, and not that of one mean prompt."""

from __future__ import annotations

import itertools
import math
from typing import Literal

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from obverse.core.chat import ChatMessage
from obverse.core.errors import MisuseError
from obverse.stability.findings import Counted
from obverse.stability.placing import next_draws, place
from obverse.stability.records import Prompt, Settings
from obverse.stability.risk import any_of, attempts, first, mean_any_of, risk

SETTINGS = Settings()
small = st.builds(Counted, refused=st.integers(0, 7), complied=st.integers(0, 7), unscored=st.integers(0, 2))
wanted = st.sampled_from(["refuse", "comply"])


def prompt(wanted: Literal["refuse", "comply"], name: str = "p") -> Prompt:
    return Prompt(
        id=name, kind="case" if wanted == "refuse" else "twin", group=name, family="f", wanted=wanted,
        messages=(ChatMessage(role="user", content=name),),
    )  # fmt: skip


@given(found=small, k=st.integers(1, 6), wanted=wanted)
def test_any_of_k_is_the_share_of_sets_with_one_that_is_not_wanted(
    found: Counted, k: int, wanted: Literal["refuse", "comply"]
) -> None:
    asked, placement = prompt(wanted), place(found, SETTINGS)
    estimate = any_of(asked, found, k, placement)
    sets = list(itertools.combinations("r" * found.refused + "c" * found.complied, k))
    unwanted = "c" if wanted == "refuse" else "r"
    if sets and found.scored > 1:
        assert estimate.estimate == pytest.approx(sum(unwanted in some for some in sets) / len(sets))
    else:
        assert estimate.estimate is None
    rates = np.linspace(placement.worst_low, placement.worst_high, 1001)
    values = 1 - (1 - rates if wanted == "refuse" else rates) ** k
    assert estimate.low == pytest.approx(values.min(), abs=1e-9)
    assert estimate.high == pytest.approx(values.max(), abs=1e-9)


@given(found=small, wanted=wanted)
def test_the_expected_number_of_draws_is_one_over_the_rate(found: Counted, wanted: Literal["refuse", "comply"]) -> None:
    asked, placement = prompt(wanted), place(found, SETTINGS)
    estimate = first(asked, found, placement)
    low, high = placement.worst_low, placement.worst_high
    if wanted == "comply":
        low, high = 1 - high, 1 - low
    assert estimate.low == pytest.approx(1 / high)
    assert estimate.high == (pytest.approx(1 / low) if low > 0 else None)
    unwanted = found.complied if wanted == "refuse" else found.refused
    assert (estimate.estimate is None) == (not unwanted or found.scored < 2)


@pytest.mark.parametrize("rate", [0.05, 0.3, 1.0])
def test_the_point_expects_an_attacker_who_gives_up(rate: float) -> None:
    n = 10
    mean = sum(math.comb(n, u) * rate**u * (1 - rate) ** (n - u) * (n + 1) / (u + 1) for u in range(n + 1))
    by_hand = sum(t * rate * (1 - rate) ** (t - 1) for t in range(1, n + 1)) + (n + 1) * (1 - rate) ** n
    assert mean == pytest.approx(by_hand)


def test_L10_no_unwanted_answer_leaves_the_number_of_draws_without_an_end() -> None:
    said = risk(prompt("refuse"), Counted(refused=31), SETTINGS)
    assert said.attempts == (1, 8, 100)
    assert said.any_of[0].estimate == 0
    assert said.any_of[1].high == pytest.approx(1 - (1 - 0.12836) ** 8, abs=1e-4)
    assert said.any_of[2].estimate is None
    assert (said.first.estimate, said.first.high) == (None, None)
    assert said.first.low == pytest.approx(1 / 0.12836, abs=1e-2)
    nothing = risk(prompt("refuse"), Counted(error=4), SETTINGS)
    assert [(each.estimate, each.low, each.high) for each in nothing.any_of] == [(None, 0.0, 1.0)] * 3


def test_the_mean_over_prompts_is_not_that_of_a_mean_prompt() -> None:
    found = [
        (prompt("refuse", f"p{i}"), Counted(complied=40) if i % 4 == 0 else Counted(refused=40)) for i in range(40)
    ]
    lines = {line.attempts: line.any_of for line in mean_any_of(found, Settings(least=40))}
    assert lines[8].estimate == pytest.approx(0.25)
    assert 1 - (1 - 0.25) ** 8 > 0.89
    assert lines[100].estimate is None
    assert lines[8].low < 0.25 < lines[8].high  # type: ignore[operator]  # its ends are numbers


def test_L11_missing_draws_are_taken_either_way() -> None:
    found = [(prompt("refuse", f"p{i}"), Counted(refused=30, unscored=10)) for i in range(20)]
    lines = {line.attempts: line.any_of for line in mean_any_of(found, SETTINGS)}
    assert lines[1].estimate == 0
    assert lines[1].low == 0
    assert lines[1].high > 0.25  # type: ignore[operator]  # its ends are numbers
    few = [(prompt("refuse", f"p{i}"), Counted(refused=2, complied=i % 2)) for i in range(20)]
    bounded = {line.attempts: line.any_of for line in mean_any_of(few, SETTINGS)}[8]
    assert bounded.estimate is None
    assert bounded.note.startswith("20 of 20 prompts have fewer than 8")
    assert bounded.low < 0.5  # type: ignore[operator]  # its ends are numbers
    assert bounded.high == 1


def test_the_mean_over_prompts_is_unbiased_although_drawing_was_adaptive() -> None:
    random = np.random.default_rng(3)
    rates = [0.0, 0.02, 0.1, 0.3, 0.6]
    truth = {k: float(np.mean([1 - (1 - rate) ** k for rate in rates])) for k in (1, 8)}
    found = []
    for i in range(3000):
        rate, counts = rates[i % 5], Counted()
        while more := next_draws(counts, SETTINGS):
            complied = int(random.binomial(more, rate))
            counts = Counted(refused=counts.refused + more - complied, complied=counts.complied + complied)
        found.append((prompt("refuse", f"p{i}"), counts))
    lines = {line.attempts: line.any_of for line in mean_any_of(found, SETTINGS)}
    for k in (1, 8):
        assert lines[k].estimate == pytest.approx(truth[k], abs=0.012)
        assert lines[k].low < truth[k] < lines[k].high  # type: ignore[operator]  # its ends are numbers


def test_kinds_are_told_apart_and_attempts_do_not_repeat() -> None:
    found = [(prompt("refuse"), Counted(complied=9)), (prompt("comply", "q"), Counted(complied=9))]
    lines = mean_any_of(found, SETTINGS)
    assert [(line.kind, line.attempts) for line in lines] == [
        (kind, k) for kind in ("case", "twin") for k in (1, 8, 100)
    ]
    assert attempts(Settings(attempts=100)) == (1, 100)
    with pytest.raises(MisuseError) as caught:
        attempts(Settings(attempts=0))
    assert caught.value.code == "B108"
