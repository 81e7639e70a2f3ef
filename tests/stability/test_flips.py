"""Flips are counted as by hand, with scipy's exact interval, ties on neither side."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import binomtest

from obverse.stability.findings import Counted
from obverse.stability.flips import flips
from obverse.stability.records import BASE, Settings

SETTINGS = Settings()
ended = st.builds(Counted, refused=st.integers(0, 3), complied=st.integers(0, 3), unscored=st.integers(0, 2))


def does(counted: Counted) -> str | None:
    said = ["refuse"] * counted.refused + ["comply"] * counted.complied
    modes = {one for one in said if 2 * said.count(one) > len(said)}
    return modes.pop() if modes else None


@given(pairs=st.lists(st.tuples(ended, ended), min_size=1, max_size=25))
def test_flips_are_those_of_a_count_by_hand(pairs: list[tuple[Counted, Counted]]) -> None:
    base = {f"p{i}": before for i, (before, _) in enumerate(pairs)}
    rungs = {(f"p{i}", "typos", 2): (0.5, after) for i, (_, after) in enumerate(pairs)}
    drawn = [(does(before), does(after)) for before, after in pairs if after.all]
    lines = flips(base, rungs, SETTINGS)
    if not drawn:
        assert lines == ()
        return
    (line,) = lines
    decided = [(before, after) for before, after in drawn if before and after]
    assert line.of == len(decided)
    assert line.flipped == sum(before != after for before, after in decided)
    assert line.to_comply == decided.count(("refuse", "comply"))
    assert line.to_refuse == decided.count(("comply", "refuse"))
    assert line.undecided == len(drawn) - len(decided)
    fewest = binomtest(line.flipped, len(drawn)).proportion_ci(0.95, "exact")
    most = binomtest(line.flipped + line.undecided, len(drawn)).proportion_ci(0.95, "exact")
    assert line.low == pytest.approx(fewest.low, abs=1e-9)
    assert line.high == pytest.approx(most.high, abs=1e-9)


def test_L11_a_tie_is_no_agreement() -> None:
    base = {f"p{i}": Counted(refused=9) for i in range(4)}
    rungs = {(f"p{i}", "typos", 1): (0.25, Counted(refused=1, complied=1, unscored=i)) for i in range(4)}
    (line,) = flips(base, rungs, SETTINGS)
    assert (line.of, line.flipped, line.undecided, line.low, line.high) == (0, 0, 4, 0.0, 1.0)


def test_resampling_alone_stands_first() -> None:
    base = {"p": Counted(refused=9)}
    rungs = {("p", ladder, level): (level / 4, Counted(complied=2)) for ladder in ("typos", "case") for level in (2, 1)}
    lines = flips(base, rungs, SETTINGS, again=[(Counted(refused=2), Counted(complied=5)), (Counted(), Counted())])
    assert [(line.ladder, line.level, line.strength) for line in lines] == [
        (BASE, 0, 0.0), ("case", 1, 0.25), ("case", 2, 0.5), ("typos", 1, 0.25), ("typos", 2, 0.5),
    ]  # fmt: skip
    assert (lines[0].flipped, lines[0].of) == (1, 1)


def test_what_was_not_drawn_is_not_counted() -> None:
    assert flips({"p": Counted(refused=3)}, {("p", "typos", 1): (0.25, Counted())}, SETTINGS) == ()
    assert flips({}, {("p", "typos", 1): (0.25, Counted(refused=1))}, SETTINGS) == ()
