"""The plan: fixed first, digested, the same on every machine, and refused where its numbers mean nothing."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from obverse.campaign.planning import Design, schedule
from obverse.campaign.records import Caps, Plan, Price
from obverse.campaign.summary import plan_digest
from obverse.core.chat import Sampling
from obverse.core.errors import MisuseError
from obverse.testing.runs import desk_run


def test_the_same_choices_have_the_same_digest_and_any_other_choice_another() -> None:
    one = plan_digest(desk_run().plan)
    assert plan_digest(desk_run().plan) == one
    others: list[dict[str, Any]] = [
        {"seed": 1},
        {"rounds": 9},
        {"confidence": 0.9},
        {"max_violation": 0.06},
        {"max_over_refusal": 0.2},
        {"mode": "dialogue"},
        {"caps": Caps(calls=3)},
        {"price": Price(prompt="1", completion="2")},
        {"sampling": Sampling(temperature=0.8, max_tokens=256)},
    ]
    digests = {plan_digest(desk_run(**other).plan) for other in others} | {
        plan_digest(desk_run("sim:refuses").plan),
        one,
    }
    assert len(digests) == len(others) + 2


def test_a_plan_that_was_written_and_read_has_the_same_digest() -> None:
    plan = desk_run(confidence=0.1 + 0.8, max_violation=1 / 3, caps=Caps(seconds=0.1)).plan
    again = msgspec.json.decode(msgspec.json.encode(plan), type=Plan)
    assert again == plan
    assert plan_digest(again) == plan_digest(plan)


def test_every_round_asks_each_case_once_in_an_order_of_its_own() -> None:
    run = desk_run(rounds=6)
    trials = list(schedule(run.plan, tuple(run.cases.values())))
    rounds = [[trial.case for trial in trials if trial.round == n] for n in range(6)]
    assert all(sorted(one) == sorted(run.cases) for one in rounds)
    assert len({tuple(one) for one in rounds}) > 1
    assert len({trial.key for trial in trials}) == len(trials) == run.plan.trials


def test_a_key_names_all_that_an_answer_depends_on() -> None:
    def keys(**design: Any) -> set[str]:
        run = desk_run(**design)
        return {trial.key for trial in schedule(run.plan, tuple(run.cases.values()))}

    plain = keys()
    assert keys() == plain
    assert keys(rounds=12) > plain  # more rounds of the same: what was answered stands
    assert keys(max_violation=0.2) == plain  # what is claimed of an answer does not change it
    for other in (
        {"seed": 1},
        {"mode": "dialogue"},
        {"sampling": Sampling(temperature=0.2)},
        {"target": "sim:refuses"},
    ):
        assert not keys(**other) & plain


def test_a_greedy_target_is_asked_one_round_and_the_plan_says_so() -> None:
    plan = desk_run(sampling=Sampling(temperature=0.0), rounds=10).plan
    assert (plan.per_case, plan.trials) == (1, len(desk_run().cases))
    assert "one round only" in plan.stopping
    assert "one round only" not in desk_run(rounds=1).plan.stopping


def test_what_a_run_can_show_and_cost_stands_in_the_plan() -> None:
    plan = desk_run(price=Price(prompt="2.50", completion="10"), rounds=40).plan
    overall = next(claim for claim in plan.claims if claim.clause == "*")
    assert overall.trials == len(overall.cases) * 40
    assert overall.smallest is not None
    assert 0 < overall.smallest < 0.1
    money = (plan.prompt_tokens * 2.5 + plan.completion_tokens * 10) / 1e6
    assert float(plan.money or 0) == pytest.approx(money, abs=1e-3)


@pytest.mark.parametrize(
    ("design", "code"),
    [
        ({"rounds": 0}, "R112"),
        ({"max_violation": 0.0}, "R113"),
        ({"max_over_refusal": 1.0}, "R113"),
        ({"max_violation": float("nan")}, "R113"),
        ({"confidence": 0.74}, "R114"),
        ({"confidence": 1.0}, "R114"),
        ({"confidence": float("nan")}, "R114"),
        ({"sampling": Sampling(temperature=-0.1)}, "R115"),
        ({"sampling": Sampling(temperature=float("nan"))}, "R115"),
        ({"sampling": Sampling(temperature=1.0, max_tokens=0)}, "R115"),
        ({"price": Price(prompt="cheap", completion="1")}, "R116"),
        ({"price": Price(prompt="1", completion="-1")}, "R116"),
        ({"price": Price(prompt="Infinity", completion="1")}, "R116"),
        ({"price": Price(prompt="1", completion="1"), "caps": Caps(money="NaN")}, "R116"),
        ({"caps": Caps(money="1")}, "R117"),
    ],
)
def test_numbers_that_make_no_sense_are_refused_before_anything_is_asked(design: dict[str, Any], code: str) -> None:
    with pytest.raises(MisuseError) as caught:
        desk_run(**design)
    assert caught.value.code == code
    assert "\n" not in str(caught.value)


def test_the_defaults_are_those_of_the_command() -> None:
    assert Design().rounds == 10
    assert Design().sampling.temperature > 0
