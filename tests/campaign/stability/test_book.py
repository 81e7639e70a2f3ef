"""What is due next: never what is held, every base point until the rule says enough, the same whatever order answers came in."""

from __future__ import annotations

import random
from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from obverse.campaign.stability.book import DrawBook, counted
from obverse.campaign.stability.keys import Due, Keys, seed_of
from obverse.campaign.stability.planning import points_of
from obverse.core.chat import ChatMessage
from obverse.stability.findings import Counted
from obverse.stability.placing import is_placed, next_draws
from obverse.stability.records import Behaviour, Draw, Ladder, Point, Prompt, Rung, Settings

SETTINGS = Settings(ladders=("typos",), levels=2, per_rung=3, least=4, most=40)


def prompt(id: str) -> Prompt:
    messages = (ChatMessage(role="user", content=f"Do {id}."),)
    return Prompt(id=id, kind="case", group=id, family="f", wanted="refuse", messages=messages)


def ladder(name: str) -> Ladder:
    rungs = tuple(
        Rung(
            ladder="typos", level=n, strength=n / 2, messages=(ChatMessage(role="user", content=f"D{'o' * n} {name}."),)
        )
        for n in (1, 2)
    )
    return Ladder(name="typos", prompt=name, rungs=rungs)


PROMPTS = [prompt(name) for name in "abc"]
POINTS = points_of(PROMPTS, [ladder(name) for name in "abc"], SETTINGS)
KEYS = Keys(fingerprint="t", seed=0, max_tokens=48, prompts={one.id: one for one in PROMPTS})


def book(points: tuple[Point, ...] = POINTS, settings: Settings = SETTINGS) -> DrawBook:
    return DrawBook(points, KEYS, settings)


def draw(due: Due, behaviour: Behaviour, points: tuple[Point, ...] = POINTS) -> Draw:
    point = next(one for one in points if one.name == due.point)
    return Draw(
        key=due.key, prompt=due.case, ladder=point.rung.ladder, level=point.rung.level, index=due.index, seed=due.seed,
        temperature=point.temperature, behaviour=behaviour, error="time-out" if behaviour == "error" else None,
    )  # fmt: skip


def played(behaviour: Callable[[Due], Behaviour], *, shuffle: int | None = None, most: int = 1) -> list[Draw]:
    """Every draw that comes of asking what is due until nothing is, answered in some order."""
    held, rng = book(), random.Random(shuffle)
    while due := held.next(most):
        assert not {one.key for one in due} & held.keys
        if shuffle is not None:
            rng.shuffle(due)
            due = due[: rng.randint(1, len(due))]  # as if it were cut off here
        for one in due:
            held.add(draw(one, behaviour(one)))
    return list(held.draws())


def by_share(complies: float, missing: float = 0.0) -> Callable[[Due], Behaviour]:
    def behaviour(due: Due) -> Behaviour:
        drawn = random.Random(f"{due.point}/{due.index}").random()
        return "unscored" if drawn > 1 - missing else "comply" if drawn < complies else "refuse"

    return behaviour


@given(complies=st.floats(0, 1), missing=st.floats(0, 0.3), shuffle=st.integers(0, 10_000), most=st.integers(1, 100))
def test_L19_what_is_drawn_does_not_depend_on_the_order_of_answers_or_on_where_it_was_cut(
    complies: float, missing: float, shuffle: int, most: int
) -> None:
    behaviour = by_share(complies, missing)
    assert played(behaviour, shuffle=shuffle, most=most) == played(behaviour)


@given(complies=st.floats(0, 1), missing=st.floats(0, 0.3))
def test_drawing_in_rounds_ends_where_looking_after_each_draw_would(complies: float, missing: float) -> None:
    behaviour = by_share(complies, missing)
    ends = {point.prompt: 0 for point in POINTS}
    for point in POINTS:  # the slow reference: one draw, then a look
        if not point.adaptive:
            continue
        seen: list[Draw] = []
        while len(seen) < SETTINGS.most and not (len(seen) >= SETTINGS.least and is_placed(counted(seen), SETTINGS)):
            due = KEYS.due(point, len(seen))
            seen.append(draw(due, behaviour(due)))
        ends[point.prompt] = len(seen)
    drawn = [one for one in played(behaviour) if one.ladder == "base"]
    assert {name: sum(one.prompt == name for one in drawn) for name in ends} == ends


def test_each_rung_gets_its_draws_and_each_prompt_at_least_the_least() -> None:
    drawn = played(by_share(0.5))
    for point in POINTS:
        mine = [
            one
            for one in drawn
            if (one.prompt, one.ladder, one.level) == (point.prompt, point.rung.ladder, point.rung.level)
        ]
        assert [one.index for one in mine] == list(range(len(mine)))
        assert len(mine) >= SETTINGS.least if point.adaptive else len(mine) == SETTINGS.per_rung


def test_a_wave_holds_every_base_point_that_is_open_and_rungs_up_to_its_size() -> None:
    first = book().next(13)
    base = [one for one in first if one.point.split("/")[1] == "base"]
    each = next_draws(Counted(), SETTINGS)
    assert len(base) == 3 * each
    assert len(book().next(1)) == 3 * each
    assert len(book().next(3 * each + 1)) == 3 * each + SETTINGS.per_rung


def test_what_is_of_another_plan_or_was_counted_is_passed_over() -> None:
    held = book()
    due = held.next(1)[0]
    held.add(draw(due, "comply"))
    held.add(draw(due, "refuse"))
    held.add(draw(Due("another", "a", due.point, 7, 1), "refuse"))
    assert [one.behaviour for one in held.draws()] == ["comply"]
    assert held.answered == 1


def test_failures_are_counted_by_kind_and_are_no_answers() -> None:
    held = book()
    for one in held.next(1)[:2]:
        held.add(draw(one, "error"))
    assert (held.answered, dict(held.errors)) == (0, {"time-out": 2})
    assert counted(held.draws()) == Counted(error=2)


def test_what_is_left_counts_down_to_nothing() -> None:
    held, left = book(), []
    while due := held.next(1000):
        for one in due:
            held.add(draw(one, "comply"))
        left.append(held.left())
    assert left == sorted(left, reverse=True)
    assert left[-1] == 0 < left[0]
    assert held.is_settled


def test_at_temperature_0_each_point_is_drawn_once() -> None:
    greedy = Settings(ladders=("typos",), temperature=0.0)
    points = points_of(PROMPTS, [ladder(name) for name in "abc"], greedy)
    held = DrawBook(points, KEYS, greedy)
    due = held.next(1000)
    assert len(due) == len(points)
    for one in due:
        held.add(draw(one, "comply", points))
    assert held.next(1000) == []


def test_keys_and_seeds_differ_between_points_and_draws_and_follow_from_content() -> None:
    dues = [KEYS.due(point, index) for point in POINTS for index in range(point.draws)]
    assert len({due.key for due in dues}) == len(dues)
    assert len({due.seed for due in dues}) == len(dues)
    again = Keys(fingerprint="t", seed=0, max_tokens=48, prompts={one.id: one for one in PROMPTS})
    assert [again.due(point, 1) for point in POINTS] == [KEYS.due(point, 1) for point in POINTS]


OTHER = {
    "another target": {"fingerprint": "u", "seed": 0, "max_tokens": 48},
    "another seed": {"fingerprint": "t", "seed": 1, "max_tokens": 48},
    "more tokens": {"fingerprint": "t", "seed": 0, "max_tokens": 49},
}


@pytest.mark.parametrize("changed", OTHER.values(), ids=OTHER)
def test_what_an_answer_depends_on_is_in_its_key(changed: dict[str, object]) -> None:
    other = Keys(**changed, prompts={one.id: one for one in PROMPTS})  # type: ignore[arg-type]  # of the table
    assert other.due(POINTS[0], 0).key != KEYS.due(POINTS[0], 0).key


def test_a_seed_is_31_bits() -> None:
    assert all(0 <= seed_of(n, "p", n) < 2**31 for n in range(200))
