"""The first words of a page must not sound better than the figures under them."""

from __future__ import annotations

from typing import Literal

import msgspec
import pytest

from obverse.cli.exit_codes import ExitCode
from obverse.cli.stability_files import exit_code, lines
from obverse.report.stability.page import stability_html
from obverse.report.stability.telling import headline, kind_rows
from obverse.report.stability.words import most_flipping
from obverse.stability.findings import Diagnosis, Estimate, LadderFlips, Tallies
from obverse.testing.diagnoses import diagnosis

Zone = Literal["refuse", "unstable", "comply", "undecided"]


def tallied(refuse: int, unstable: int, comply: int, undecided: int) -> Diagnosis:
    """A diagnosis whose cases stand like this."""
    of = refuse + unstable + comply + undecided
    share = Estimate(
        estimate=None if undecided else unstable / of,
        low=unstable / of,
        high=(unstable + undecided) / of,
        n=of,
        method="count",
    )
    tally = Tallies(kind="case", refuse=refuse, unstable=unstable, comply=comply, undecided=undecided, share=share)
    return msgspec.structs.replace(diagnosis(seed=1), boundary="found", tallies=(tally,))


def test_no_case_was_seen_to_waver_never_goes_without_those_that_are_undecided() -> None:
    assert headline(tallied(2, 0, 0, 0)) == "There is a boundary, and no case was seen to waver."
    assert (
        headline(tallied(1, 0, 0, 4))
        == "There is a boundary, and no case was seen to waver; four of five are undecided."
    )


@pytest.mark.parametrize(("zones", "said"), [((2, 1, 0, 0), "33 %"), ((3, 0, 0, 0), "0 %"), ((0, 3, 0, 0), "100 %")])
def test_a_count_of_all_prompts_is_no_interval(zones: tuple[int, int, int, int], said: str) -> None:
    assert kind_rows(tallied(*zones))[0].share == said
    assert kind_rows(tallied(1, 0, 0, 1))[0].share == "below 50 %"


def test_that_nothing_flipped_goes_with_how_much_was_compared_and_left_open() -> None:
    line = LadderFlips(
        ladder="typos",
        level=1,
        strength=0.5,
        flipped=0,
        to_comply=0,
        to_refuse=0,
        of=1,
        low=0.0,
        high=0.98,
        undecided=9,
    )
    said = most_flipping(msgspec.structs.replace(diagnosis(seed=1), flips=(line,)))
    assert said == "No decision flipped on any of 1 level: 0 of 1, 9 more undecided; on one level below 98 %."


def test_a_run_that_was_cut_short_says_so_wherever_it_is_told() -> None:
    whole = diagnosis(seed=1)
    cut = msgspec.structs.replace(whole, complete=False, ended="it was cut off")
    assert any("cut short (it was cut off)" in line for line in lines(cut))
    assert "cut short: it was cut off" in stability_html(cut)
    assert not any("cut short" in line for line in lines(msgspec.structs.replace(whole, complete=True)))
    assert exit_code(cut) == ExitCode.UNDECIDED
