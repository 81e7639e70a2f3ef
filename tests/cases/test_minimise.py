"""The fewest items: exact where that can be proved, and never without a bound."""

from __future__ import annotations

from itertools import combinations

from hypothesis import given, settings
from hypothesis import strategies as st

from obverse.cases.minimise import minimise

ITEMS = st.dictionaries(
    st.sampled_from([f"item {n}" for n in range(8)]),
    st.frozensets(st.sampled_from([f"element {n}" for n in range(9)]), max_size=5),
    max_size=8,
)


def covers_all(covers: dict[str, frozenset[str]], needs: dict[str, list[str]], chosen: tuple[str, ...]) -> bool:
    covered = frozenset[str]().union(*(covers[name] for name in chosen))
    company = all(set(needs[name]) & {*chosen} for name in chosen if name in needs)
    return company and covered == frozenset[str]().union(*covers.values())


def smallest(covers: dict[str, frozenset[str]], needs: dict[str, list[str]]) -> int:
    """By trying every choice."""
    sizes = (n for n in range(len(covers) + 1) for some in combinations(covers, n) if covers_all(covers, needs, some))
    return next(sizes)


@settings(max_examples=60, deadline=None)
@given(ITEMS, st.data())
def test_the_choice_is_the_smallest_that_covers_all_and_keeps_company(
    covers: dict[str, frozenset[str]], data: st.DataObject
) -> None:
    names = sorted(covers)
    needs = {name: data.draw(st.lists(st.sampled_from(names), min_size=1)) for name in names[::3]}
    exact, greedy = minimise(covers, needs=needs), minimise(covers, needs=needs, cells=0)
    best = smallest(covers, needs)
    assert exact.exact
    assert len(exact.chosen) == exact.lower_bound == best
    assert covers_all(covers, needs, exact.chosen)
    assert covers_all(covers, needs, greedy.chosen)
    assert greedy.lower_bound <= best <= len(greedy.chosen)
    assert greedy.exact <= (len(greedy.chosen) == best)


def test_of_equal_items_the_first_is_chosen() -> None:
    same = frozenset({"x"})
    assert minimise({"b": same, "a": same}, cells=0).chosen == ("b",)


def test_greedy_takes_too_many_where_the_minimum_is_known() -> None:
    """The classical trap: one long item tempts, two others cover all."""
    covers = {"long": frozenset("cdef"), "upper": frozenset("abc" + "d"), "lower": frozenset("ef" + "gh")}
    covers |= {"left": frozenset("abcd"), "right": frozenset("efgh")}
    found = minimise(covers)
    assert (len(found.chosen), found.exact) == (2, True)


def test_what_is_kept_stays_and_is_counted() -> None:
    covers = {"a": frozenset("x"), "b": frozenset("x"), "idle": frozenset[str]()}
    assert minimise(covers, kept=("idle", "b")).chosen == ("b", "idle")


def test_nothing_to_cover_is_covered_by_nothing() -> None:
    assert minimise({}) == minimise({"idle": frozenset()})
    assert minimise({}).exact


def test_a_hard_instance_within_little_effort_says_how_far_off_it_may_be() -> None:
    covers = {f"{n}": frozenset(f"{n * k % 101}" for k in (1, 2, 5, 7, 11)) for n in range(1, 101)}
    found = minimise(covers, effort=1)
    assert 20 <= found.lower_bound <= len(found.chosen)
    assert covers_all(covers, {}, found.chosen)
    assert minimise(covers, effort=1) == found
