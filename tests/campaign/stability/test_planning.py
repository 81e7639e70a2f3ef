"""The plan: fixed and digested before anything is asked, and refused in one line where it makes no sense."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from obverse.campaign.stability.planning import LADDERS, check_run, plan_stability, points_of
from obverse.campaign.stability.records import StabilityPlan
from obverse.core.errors import MisuseError
from obverse.stability.ladders.build import ladders
from obverse.stability.records import BASE, Prompt, Settings
from obverse.testing.boundary_runs import QUICK, desk_boundary, desk_population

PROMPTS = desk_population(4).prompts


def plan(prompts: tuple[Prompt, ...] = PROMPTS, settings: Settings = QUICK, **changed: Any) -> StabilityPlan:
    given: dict[str, Any] = {"policy": {}, "target": "t", "fingerprint": "t 1", "judges": ["a=1"], **changed}
    return plan_stability(prompts, ladders(prompts, settings), settings, **given)


def test_L18_population_rungs_stopping_rule_marks_seed_and_judges_are_digested_before_the_first_draw() -> None:
    first = plan()
    assert plan().digest == first.digest
    others = [
        plan(prompts=PROMPTS[:-1]),
        plan(settings=msgspec.structs.replace(QUICK, seed=1)),
        plan(settings=msgspec.structs.replace(QUICK, refuse_below=0.2)),
        plan(settings=msgspec.structs.replace(QUICK, most=41)),
        plan(settings=msgspec.structs.replace(QUICK, ladders=("typos",))),
        plan(settings=msgspec.structs.replace(QUICK, inside=True)),
        plan(judges=["a=2"]),
        plan(fingerprint="t 2"),
        plan(rewriter="openai:m"),
        plan(policy={"digest": "sha256:0"}),
    ]
    assert len({first.digest, *(other.digest for other in others)}) == 1 + len(others)


def test_a_plan_says_how_many_draws_are_made_at_most() -> None:
    found = plan()
    rungs = sum(len(ladder.rungs) for ladder in ladders(PROMPTS, QUICK))
    assert (found.prompts, found.points) == (len(PROMPTS), len(PROMPTS) + rungs)
    assert (found.base_draws, found.rung_draws) == (len(PROMPTS) * QUICK.most, rungs * QUICK.per_rung)
    assert found.draws == found.base_draws + found.rung_draws


def test_a_plan_survives_being_written_down() -> None:
    assert msgspec.json.decode(msgspec.json.encode(plan()), type=StabilityPlan) == plan()


def test_the_points_are_the_prompts_as_they_are_and_then_their_rungs_together() -> None:
    points = points_of(PROMPTS, ladders(PROMPTS, QUICK), QUICK)
    base, rest = points[: len(PROMPTS)], points[len(PROMPTS) :]
    assert [point.prompt for point in base] == [prompt.id for prompt in PROMPTS]
    assert all(point.adaptive and point.rung.ladder == BASE and point.rung.strength == 0 for point in base)
    assert not any(point.adaptive for point in rest)
    order = [point.prompt for point in rest]
    assert order == sorted(order, key=[prompt.id for prompt in PROMPTS].index)
    hot = [point for point in rest if point.rung.ladder == "temperature"]
    assert {point.temperature for point in hot} != {QUICK.temperature}


WRONG = {
    "an unknown ladder": ({"ladders": ("typo",)}, "B501", "did you mean `typos`?"),
    "an unknown ladder like none": ({"ladders": ("xyzzy",)}, "B501", "known: `typos`"),
    "a ladder twice": ({"ladders": ("typos", "typos")}, "B502", ""),
    "no levels": ({"levels": 0}, "B503", "at least 1"),
    "no variants": ({"variants": 0}, "B503", "at least 1"),
    "no draws of a rung": ({"per_rung": 0}, "B503", "at least 1"),
    "no attempts": ({"attempts": 0}, "B503", "at least 1"),
    "no tokens": ({"max_tokens": 0}, "B503", "at least 1"),
    "a temperature below 0": ({"temperature": -0.1}, "B504", "from 0"),
    "no temperature": ({"temperature": float("nan")}, "B504", "from 0"),
    "least above most": ({"least": 50}, "B102", ""),
    "least 0": ({"least": 0}, "B102", ""),
    "marks crossed": ({"refuse_below": 0.9, "comply_above": 0.1}, "B101", ""),
    "a mark at 0": ({"refuse_below": 0.0}, "B101", ""),
}


@pytest.mark.parametrize(("changed", "code", "hint"), WRONG.values(), ids=WRONG)
def test_settings_that_make_no_sense_are_one_line(changed: dict[str, Any], code: str, hint: str) -> None:
    with pytest.raises(MisuseError) as caught:
        check_run(msgspec.structs.replace(QUICK, **changed))
    assert caught.value.code == code
    assert hint in (caught.value.hint or "")
    assert "\n" not in str(caught.value)


def test_the_ladders_that_are_known_are_those_of_the_room() -> None:
    check_run(msgspec.structs.replace(QUICK, ladders=LADDERS))


def test_nothing_to_ask_is_said() -> None:
    with pytest.raises(MisuseError, match="nothing to ask") as caught:
        plan(prompts=())
    assert caught.value.code == "B505"


def test_two_prompts_of_one_name_are_refused() -> None:
    with pytest.raises(MisuseError, match="two prompts are called") as caught:
        plan_stability([PROMPTS[0], PROMPTS[0]], [], QUICK, policy={}, target="t", fingerprint="t", judges=[])
    assert caught.value.code == "B506"


def test_a_greedy_plan_draws_each_point_once_and_says_so() -> None:
    greedy = desk_boundary(settings=msgspec.structs.replace(QUICK, temperature=0.0, ladders=("typos",))).plan
    assert greedy.draws == greedy.points
    assert "temperature 0" in greedy.stopping
