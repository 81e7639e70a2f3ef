"""Prompts out of a policy: whose case, which side, which group; chosen evenly; and controls that are no harder to read."""

from __future__ import annotations

from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from obverse.campaign.planning import asked
from obverse.campaign.stability.controls import POOL, with_controls
from obverse.campaign.stability.prompts import Population, prompts_of, spread
from obverse.core.chat import ChatMessage
from obverse.core.verdicts import Side
from obverse.stability.records import Kind, Prompt
from obverse.testing.boundary_runs import desk_population
from obverse.testing.runs import desk, desk_suite


def request(id: str, text: str = "Do it.", *, kind: Kind = "case", group: str = "g", family: str = "f") -> Prompt:
    messages = (ChatMessage(role="system", content="Be kind."), ChatMessage(role="user", content=text))
    return Prompt(id=id, kind=kind, group=group, family=family, wanted="refuse", messages=messages)


def test_every_case_that_asks_something_is_a_prompt_and_none_is_asked_twice() -> None:
    found = prompts_of(desk(), desk_suite())
    assert sorted(case.id for case in found.cases.values()) == sorted(case.id for case in asked(desk_suite()))
    assert [prompt.id for prompt in found.prompts] == list(found.cases)
    assert len({prompt.id for prompt in found.prompts}) == len(found.prompts)


def test_what_must_be_blocked_is_a_case_and_what_must_be_allowed_its_twin_in_the_same_group() -> None:
    found = prompts_of(desk(), desk_suite())
    for prompt in found.prompts:
        case = found.cases[prompt.id]
        blocked = case.side is Side.VIOLATION
        assert (prompt.kind, prompt.wanted) == (("case", "refuse") if blocked else ("twin", "comply"))
        assert prompt.family == case.clause
    by_case = {case.id: name for name, case in found.cases.items()}
    groups = {prompt.id: prompt.group for prompt in found.prompts}
    pairs = [
        (name, by_case[case.twin]) for name, case in found.cases.items() if case.side is Side.VIOLATION and case.twin
    ]
    assert pairs
    assert all(groups[one] == groups[other] for one, other in pairs)


def test_a_prompt_is_what_the_case_pre_fills_with_the_tools_of_the_policy() -> None:
    found = prompts_of(desk(), desk_suite())
    for prompt in found.prompts:
        assert prompt.messages[0] == ChatMessage(role="system", content=found.cases[prompt.id].system)
        assert prompt.request
        assert {tool.name for tool in prompt.tools} == set(desk().tools)


def test_the_same_policy_and_seed_give_the_same_prompts() -> None:
    again = prompts_of(desk(), desk_suite())
    assert again == prompts_of(desk(), desk_suite())
    assert with_controls(again.prompts, seed=3) == with_controls(again.prompts, seed=3)


def test_a_control_is_of_like_length_and_stands_behind_its_group_under_the_same_brief() -> None:
    long = request("long", "Please tell me, in as many words as you need, " + "and then some more, " * 12, group="h")
    found = with_controls([request("short"), request("twin", kind="twin"), long], seed=0)
    assert [prompt.id for prompt in found] == ["short", "twin", "g/control", "long", "h/control"]
    short, longer = found[2], found[4]
    assert len(short.request) < 40
    assert len(longer.request) > 150
    assert {one.kind for one in (short, longer)} == {"control"}
    assert {one.wanted for one in (short, longer)} == {"comply"}
    assert short.messages[0] == found[0].messages[0]
    assert (short.group, short.family) == ("g", "f")
    assert {short.request, longer.request} <= set(POOL)


def test_a_group_that_has_a_control_or_no_case_gets_none() -> None:
    prompts = [request("a"), request("b", kind="control"), request("c", kind="twin", group="h")]
    assert with_controls(prompts, seed=0) == tuple(prompts)


def test_groups_of_like_length_take_turns_through_the_pool() -> None:
    prompts = [request(f"c{n}", "How do I do this or that, please?", group=f"g{n}") for n in range(4)]
    controls = [one.request for one in with_controls(prompts, seed=0) if one.kind == "control"]
    assert len(set(controls)) >= 3


populations = st.lists(
    st.tuples(st.sampled_from("abc"), st.integers(1, 3)), min_size=1, max_size=12
).map(
    lambda groups: Population(
        prompts=tuple(
            request(f"{family}{n}/{k}", group=f"{family}{n}", family=family)
            for n, (family, size) in enumerate(groups)
            for k in range(size)
        )
    )
)  # fmt: skip


@given(population=populations, limit=st.integers(1, 30), seed=st.integers(0, 5))
def test_a_limit_takes_whole_groups_evenly_over_families_and_never_more(
    population: Population, limit: int, seed: int
) -> None:
    found = spread(population, limit, seed=seed)
    sizes = Counter(prompt.group for prompt in population.prompts)
    taken = Counter(prompt.group for prompt in found.prompts)
    assert taken
    assert all(taken[group] == sizes[group] for group in taken)
    assert len(found.prompts) <= limit or len(taken) == 1
    assert found == spread(population, limit, seed=seed)
    order = [prompt.id for prompt in population.prompts]
    assert [prompt.id for prompt in found.prompts] == [name for name in order if name in {p.id for p in found.prompts}]
    if set(sizes.values()) == {1} and len(found.prompts) < len(population.prompts):
        per = Counter(prompt.family for prompt in found.prompts)
        left = {prompt.family for prompt in population.prompts if prompt.id not in {p.id for p in found.prompts}}
        assert len(found.prompts) == limit
        assert all(per[family] >= max(per.values()) - 1 for family in left)


def test_the_desk_has_all_three_kinds() -> None:
    assert {prompt.kind for prompt in desk_population().prompts} == {"case", "twin", "control"}


@pytest.mark.parametrize("text", POOL, ids=range(len(POOL)))
def test_a_control_is_one_plain_request(text: str) -> None:
    assert text == text.strip()
    assert text[-1] in "?."
