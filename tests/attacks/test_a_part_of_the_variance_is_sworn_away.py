"""A part of which nothing was seen is not a part that is not there: resampling what never differed swears to exactly 0."""

from __future__ import annotations

import numpy as np
import pytest

from obverse.stability.components import components
from obverse.stability.findings import Components
from obverse.stability.records import Behaviour, Draw, Settings


def split(prompts: int, *, alike: bool = False) -> Components:
    """Prompts that never change, on each of three rungs; two judges that always agree. `alike` are all of one kind."""
    draws = []
    for prompt in range(prompts):
        behaviour: Behaviour = "comply" if prompt % 2 else "refuse"
        draws += [
            Draw(
                key=f"{prompt}/{level}/{index}", prompt=f"p{prompt}", ladder="typos", level=level, index=index, seed=index,
                temperature=0.7, behaviour=behaviour, judged={"first": behaviour, "second": behaviour},
            )
            for level in (1, 2, 3)
            for index in (0, 1)
        ]  # fmt: skip
    return components(
        draws, kinds={f"p{i}": "twin" if alike and i % 2 else "case" for i in range(prompts)}, settings=Settings()
    )


@pytest.mark.parametrize("name", ["ladder", "case × ladder", "sampling", "judge", "case × judge", "answer × judge"])
def test_what_never_differed_in_a_few_prompts_has_room_above_0(name: str) -> None:
    for prompts, room in ((6, 0.3), (60, 0.05)):
        part = next(one for one in split(prompts).components if one.name == name)
        assert part.variance.estimate == 0
        assert part.variance.high is not None
        assert 0.01 < part.variance.high < room
        assert part.share.high is not None
        assert part.share.high > 0.03
        assert "no two of them differed" in part.share.note


def test_cases_that_all_refuse_and_twins_that_all_comply_may_still_differ_among_themselves() -> None:
    part = next(one for one in split(12, alike=True).components if one.name == "case")
    assert part.variance.estimate == 0
    assert part.variance.high is not None
    assert part.variance.high > 0.05


def test_a_base_that_is_drawn_again_says_nothing_of_rungs_that_are_not() -> None:
    """With one draw a rung, two draws of the base stood for two draws of anything: an interaction far below 0 came of it."""
    random = np.random.default_rng(3)
    draws = []
    for prompt in range(40):
        own = random.normal(-4, 1.5)
        for ladder, level, often in (("base", 0, 4), *(("typos", level, 1) for level in (1, 2, 3, 4))):
            rate = 1 / (1 + np.exp(-own - 2 * level))
            draws += [
                Draw(
                    key=f"{prompt}/{level}/{index}", prompt=f"p{prompt}", ladder=ladder, level=level, index=index, seed=index,
                    temperature=0.7, behaviour="comply" if random.random() < rate else "refuse",
                )
                for index in range(often)
            ]  # fmt: skip
    found = components(draws, kinds={f"p{i}": "case" for i in range(40)}, settings=Settings())
    assert "one draw per rung" in found.missing["sampling"]
    assert {"case", "ladder", "rest"} <= {one.name for one in found.components}
    assert all(one.variance.high is not None and one.variance.high > 0 for one in found.components)
