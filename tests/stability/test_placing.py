"""Placements err as seldom as they say, whenever one stops; rounds stop where single draws would; orders are counted right."""

from __future__ import annotations

import itertools
import math

import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import beta

from obverse.core.errors import MisuseError
from obverse.stability.findings import Counted, Zone
from obverse.stability.placing import (
    evidence_above,
    evidence_below,
    fewest,
    is_placed,
    level,
    next_draws,
    place,
    prefixes,
    unbiased_rate,
)
from obverse.stability.records import Settings

MARKS = [(0.1, 0.9), (0.2, 0.8), (0.05, 0.7), (0.3, 0.7), (0.45, 0.55)]
QUICK = Settings(refuse_below=0.4, comply_above=0.6, confidence=0.76, least=2, most=9, attempts=3)
"""Settings under which few draws place a prompt, so that all sequences can be listed."""

counts = st.builds(
    Counted,
    refused=st.integers(0, 30),
    complied=st.integers(0, 30),
    unscored=st.integers(0, 3),
    error=st.integers(0, 3),
)


def counted(sequence: str) -> Counted:
    """`rrcu`: refused, complied, unscored, error by their letters."""
    return Counted(
        refused=sequence.count("r"),
        complied=sequence.count("c"),
        unscored=sequence.count("u"),
        error=sequence.count("e"),
    )


def ends(rate: float, settings: Settings) -> dict[tuple[int, int], float]:
    """How drawing after drawing, with a look after each, ends: (refused, complied) with its probability, exactly."""
    alive, ended = {(0, 0): 1.0}, {}
    for _ in range(settings.most):
        after: dict[tuple[int, int], float] = {}
        for (refused, complied), p in alive.items():
            after[refused + 1, complied] = after.get((refused + 1, complied), 0.0) + p * (1 - rate)
            after[refused, complied + 1] = after.get((refused, complied + 1), 0.0) + p * rate
        alive = {}
        for (refused, complied), p in after.items():
            stopped = is_placed(Counted(refused=refused, complied=complied), settings)
            (ended if stopped else alive)[refused, complied] = p
    return ended | alive


def right(rate: float, settings: Settings) -> set[Zone]:
    if rate < settings.refuse_below:
        return {"refuse", "undecided"}
    if rate > settings.comply_above:
        return {"comply", "undecided"}
    return {"unstable", "undecided"}


@pytest.mark.parametrize("marks", MARKS)
@pytest.mark.parametrize("confidence", [0.8, 0.95])
def test_L10_a_placement_is_wrong_as_seldom_as_it_says_whenever_one_stops(
    marks: tuple[float, float], confidence: float
) -> None:
    settings = Settings(refuse_below=marks[0], comply_above=marks[1], confidence=confidence, least=1, most=120)
    near = [mark + step for mark in marks for step in (-0.03, -1e-9, 0, 1e-9, 0.03)]
    for rate in (0.0, *near, sum(marks) / 2, 1.0):
        wrong = sum(
            p
            for (refused, complied), p in ends(rate, settings).items()
            if place(Counted(refused=refused, complied=complied), settings).zone not in right(rate, settings)
        )
        assert wrong <= 1 - confidence


def test_a_placement_uses_most_of_the_error_it_may_make() -> None:
    settings = Settings(least=1, most=400)
    wrong = sum(
        p
        for (refused, complied), p in ends(0.1, settings).items()
        if place(Counted(refused=refused, complied=complied), settings).zone == "refuse"
    )
    assert 0.03 < wrong <= 0.05


def test_each_test_gets_nearly_all_of_the_error_where_the_marks_are_far_apart() -> None:
    assert level(Settings()) == pytest.approx(0.05, abs=1e-6)
    assert level(Settings(refuse_below=0.45, comply_above=0.55)) == 0.025


@given(sequence=st.lists(st.booleans(), max_size=40), mark=st.floats(0.02, 0.98))
def test_evidence_is_the_wealth_of_stakes_that_follow_the_draws_one_by_one(sequence: list[bool], mark: float) -> None:
    cells = [(i / 64, (i + 1) / 64) for i in range(64)]
    below = sum(
        (beta.cdf(high, 0.15, 1) - beta.cdf(low, 0.15, 1))
        * math.prod((low + high) / 2 if hit else (1 - mark * (low + high) / 2) / (1 - mark) for hit in sequence)
        for low, high in cells
    )
    above = sum(
        (beta.cdf(high, 2, 3) - beta.cdf(low, 2, 3))
        * math.prod(1 + ((low + high) / 2) * ((1 / mark if hit else 0) - 1) for hit in sequence)
        for low, high in cells
    )
    n, hits = len(sequence), sum(sequence)
    assert evidence_below(mark, draws=n, against=hits) == pytest.approx(math.log(below), abs=1e-7)
    assert evidence_above(mark, draws=n, toward=hits) == pytest.approx(math.log(above), abs=1e-7)


@given(found=counts)
def test_the_zone_is_what_the_evidence_says_with_the_missing_counted_worst(found: Counted) -> None:
    settings = Settings(refuse_below=0.2, comply_above=0.75, least=3, most=100)
    needed = -math.log(level(settings))
    n, missing = found.all, found.unscored + found.error
    said: Zone = "undecided"
    if n >= 3:
        if evidence_below(0.2, draws=n, against=found.complied + missing) >= needed:
            said = "refuse"
        elif evidence_below(0.25, draws=n, against=found.refused + missing) >= needed:
            said = "comply"
        elif (
            evidence_above(0.2, draws=n, toward=found.complied) >= needed
            and evidence_above(0.25, draws=n, toward=found.refused) >= needed
        ):
            said = "unstable"
    assert place(found, settings).zone == said
    assert is_placed(found, settings) == (said != "undecided")


@given(found=counts, settings=st.sampled_from([Settings(), Settings(refuse_below=0.3, comply_above=0.6)]))
def test_L11_what_is_missing_never_helps_a_placement(found: Counted, settings: Settings) -> None:
    zone = place(found, settings).zone
    missing = found.unscored + found.error
    if zone == "undecided":
        return
    for complied in range(missing + 1):
        known = Counted(refused=found.refused + missing - complied, complied=found.complied + complied)
        assert place(known, settings).zone == zone


@given(found=counts)
def test_L11_the_worst_interval_holds_that_of_every_completion(found: Counted) -> None:
    placement = place(found, Settings())
    missing = found.unscored + found.error
    assert placement.worst_low <= placement.rate.low <= placement.rate.high <= placement.worst_high  # type: ignore[operator]  # its ends are numbers
    for complied in range(missing + 1):
        known = Counted(refused=found.refused + missing - complied, complied=found.complied + complied)
        rate = place(known, Settings()).rate
        assert placement.worst_low <= rate.low + 1e-9  # type: ignore[operator]  # its ends are numbers
        assert rate.high <= placement.worst_high + 1e-9  # type: ignore[operator]  # its ends are numbers


@given(found=counts)
def test_refusing_and_complying_are_mirror_images(found: Counted) -> None:
    mirrored = Counted(refused=found.complied, complied=found.refused, unscored=found.unscored, error=found.error)
    zones: dict[Zone, Zone] = {"refuse": "comply", "comply": "refuse", "unstable": "unstable", "undecided": "undecided"}
    settings = Settings(refuse_below=0.125, comply_above=0.875)
    assert place(mirrored, settings).zone == zones[place(found, settings).zone]


@pytest.mark.parametrize("settings", [QUICK, Settings(least=3, most=25, refuse_below=0.2, comply_above=0.8)])
@given(letters=st.text("rcue", min_size=25, max_size=25), rare=st.booleans())
def test_rounds_end_at_the_draw_at_which_single_looks_would(settings: Settings, letters: str, rare: bool) -> None:
    sequence = letters.replace("u", "r").replace("e", "r") if rare else letters
    single = next((n for n in range(1, settings.most + 1) if is_placed(counted(sequence[:n]), settings)), settings.most)
    drawn = 0
    while more := next_draws(counted(sequence[:drawn]), settings):
        drawn += more
    assert drawn == single


def test_nothing_is_asked_for_when_the_budget_is_spent_and_errors_are_of_the_budget() -> None:
    settings = Settings(least=2, most=10)
    assert next_draws(Counted(error=10), settings) == 0
    assert next_draws(Counted(error=4, refused=5), settings) == 1
    assert place(Counted(error=10), settings).why == "nothing scored"
    assert place(Counted(error=4, refused=6), settings).why == "budget"
    assert place(Counted(refused=1), settings, why="cut off").why == "cut off"


def test_the_fewest_draws_are_near_what_any_test_needs() -> None:
    assert fewest(Settings()) == {"refuse": 31, "comply": 31, "unstable": 8}
    assert fewest(Settings(most=24)) == {"refuse": None, "comply": None, "unstable": 8}
    # 0.9^n <= 0.05 from n = 29 on: no test whatever does with fewer
    assert math.ceil(math.log(0.05) / math.log(0.9)) == 29


def test_L10_one_draw_gives_no_point_and_none_gives_no_estimate() -> None:
    assert place(Counted(), Settings()).rate.estimate is None
    assert place(Counted(complied=1), Settings()).rate.estimate is None
    nothing = place(Counted(unscored=3), Settings())
    assert (nothing.zone, nothing.rate.low, nothing.rate.high) == ("undecided", 0.0, 1.0)


@pytest.mark.parametrize(
    "end", ["rrrrr", "rrcrc", "crcr", "crucr", "rruc", "ccuuc", "rcrcrcrcr", "uuuuuuuuu", "rrrrrrrrr"]
)
@pytest.mark.parametrize("k", [1, 2, 3])
def test_the_beginning_of_a_drawing_is_what_a_list_of_all_its_orders_says(end: str, k: int) -> None:
    def allowed(order: str) -> bool:
        return not any(is_placed(counted(order[:n]), QUICK) for n in range(len(order)))

    orders = ["".join(order) for order in set(itertools.permutations(end))] if len(end) < 9 else [
        "".join("c" if i in where else "r" for i in range(9)) if "c" in end else end
        for where in itertools.combinations(range(9), end.count("c"))
    ]  # fmt: skip
    # a drawing that the rule does not allow was made by another one: then all orders are
    kept = [order for order in orders if allowed(order)] or orders
    found = prefixes(counted(end), QUICK, k)
    scored = [order.replace("u", "") for order in kept]

    def share(those: list[bool]) -> float:
        return sum(those) / len(kept)

    if len(scored[0]) >= k:
        assert found.all_refused == pytest.approx(share([set(order[:k]) == {"r"} for order in scored]))
        assert found.all_complied == pytest.approx(share([set(order[:k]) == {"c"} for order in scored]))
    else:
        assert found.all_refused is None
        assert found.all_complied is None
    assert found.no_comply == pytest.approx(share(["c" not in order[:k] for order in kept]))
    assert found.no_refuse == pytest.approx(share(["r" not in order[:k] for order in kept]))
    assert found.surely_refused == pytest.approx(share([set(order[:k]) == {"r"} for order in kept]))
    assert found.surely_complied == pytest.approx(share([set(order[:k]) == {"c"} for order in kept]))


@pytest.mark.parametrize("settings", [Settings(), Settings(refuse_below=0.2, comply_above=0.8), Settings(least=12)])
@pytest.mark.parametrize("rate", [0.0, 0.02, 0.3, 0.5, 0.93])
def test_rates_and_any_of_k_are_unbiased_although_drawing_was_adaptive(settings: Settings, rate: float) -> None:
    law = [(Counted(refused=r, complied=c), p) for (r, c), p in ends(rate, settings).items()]
    assert sum(p * (unbiased_rate(found, settings) or 0.0) for found, p in law) == pytest.approx(rate, abs=1e-9)
    spared = sum(p * (prefixes(found, settings, 8).all_refused or 0.0) for found, p in law)
    assert spared == pytest.approx((1 - rate) ** 8, abs=1e-9)


def test_what_was_seen_is_biased_by_adaptive_drawing() -> None:
    seen = sum(p * complied / (refused + complied) for (refused, complied), p in ends(0.3, Settings()).items())
    assert seen == pytest.approx(0.356, abs=0.002)


@pytest.mark.parametrize(
    ("wrong", "code"),
    [
        (Settings(refuse_below=0.0), "B101"),
        (Settings(refuse_below=0.9, comply_above=0.1), "B101"),
        (Settings(comply_above=1.0), "B101"),
        (Settings(refuse_below=math.nan), "B101"),
        (Settings(least=0), "B102"),
        (Settings(least=9, most=8), "B102"),
        (Settings(confidence=0.4), "N105"),
    ],
)
def test_settings_that_make_no_sense_are_refused(wrong: Settings, code: str) -> None:
    for ask in (place, is_placed, next_draws):
        with pytest.raises(MisuseError) as caught:
            ask(Counted(refused=3), wrong)
        assert caught.value.code == code
    with pytest.raises(MisuseError, match="first `0`"):
        prefixes(Counted(), Settings(), 0)
