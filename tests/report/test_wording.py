"""Figures are said with their interval and their number, and never tighter than they are."""

from __future__ import annotations

import pytest
from tests.report.sim import claim

from obverse.campaign.records import Tally
from obverse.report.visible import one_line, shown, visible
from obverse.report.wording import (
    count,
    interval,
    listed,
    moment,
    plain_percent,
    rate,
    rough_interval,
    seconds,
    short,
    spelled,
    tally,
)  # fmt: skip

INTERVALS = {
    "inside": (0.0814, 0.2251, "8.1 % to 23 %"),
    "from nothing": (0.0, 0.0295, "below 3.0 %"),
    "up to all": (0.29, 1.0, "above 29 %"),
    "anything": (0.0, 1.0, "anything from 0 % to 100 %"),
    "not known": (None, None, "no interval"),
}


@pytest.mark.parametrize(("low", "high", "said"), INTERVALS.values(), ids=INTERVALS)
def test_an_interval_is_rounded_outward(low: float | None, high: float | None, said: str) -> None:
    assert interval(low, high) == said


def test_a_lower_end_next_to_nothing_is_not_spelled_out_in_small_places() -> None:
    assert rough_interval(0.00002, 0.07) == "up to 7.0 %"
    assert rough_interval(0.01, 0.07) == "1.0 % to 7.0 %"


def test_none_broken_is_said_as_the_bound_that_it_proves() -> None:
    assert rate(claim(broken=0, n=100)).endswith("(95 %, 0 of 100)")
    assert rate(claim(broken=0, n=100)).startswith("below ")


def test_without_data_there_is_no_figure() -> None:
    assert rate(claim(broken=0, n=0)) == "no data"


def test_small_words() -> None:
    assert (plain_percent(0.05), plain_percent(0.001), plain_percent(0.975)) == ("5 %", "0.1 %", "97.5 %")
    assert (count(1, "case"), count(1240, "trial")) == ("1 case", "1,240 trials")
    assert (spelled(2), spelled(13)) == ("two", "13")
    assert (listed([]), listed(["a"]), listed(["a", "b", "c"])) == ("", "a", "a, b and c")
    assert (seconds(0.42), seconds(59.6), seconds(200), seconds(7500)) == (
        "0.4 s",
        "1 min 0 s",
        "3 min 20 s",
        "2 h 5 min",
    )
    assert short("sha256:0123456789abcdef") == "sha256:0123456789ab"
    assert tally(Tally(broken=3, kept=80)) == "3 broken, 80 kept"
    assert tally(Tally()) == "not tried"


def test_times_are_utc_and_no_number_is_too_large() -> None:
    assert moment(1_715_785_200_000) == "2024-05-15 15:00:00 UTC"
    assert moment(1_715_785_200_250) == "2024-05-15 15:00:00.250 UTC"
    assert moment(10**18) == f"{10**18} ms"


VISIBLE = {
    "plain": ("plain – ü 你好 مرحبا\n\t", "plain – ü 你好 مرحبا\n\t"),
    "windows lines": ("a\r\nb\rc", "a\nb⟨U+000D⟩c"),
    "direction": ("abc\u202ecba\u2066", "abc⟨U+202E⟩cba⟨U+2066⟩"),
    "control": ("\x1b[2J\x00\x9b", "⟨U+001B⟩[2J⟨U+0000⟩⟨U+009B⟩"),
    "no width": ("pass\u200bword\ufeff", "pass⟨U+200B⟩word⟨U+FEFF⟩"),
    "tags": ("a\U000e0041", "a⟨U+E0041⟩"),
    "half a character": ("a\ud800", "a⟨U+D800⟩"),
}


@pytest.mark.parametrize(("text", "seen"), VISIBLE.values(), ids=VISIBLE)
def test_what_hides_or_steers_is_written_out(text: str, seen: str) -> None:
    assert visible(text) == seen


def test_a_long_text_is_cut_and_says_how_much_is_missing() -> None:
    assert shown("x" * 100_000, 8_000).cut == "92,000 of 100,000 characters are not shown here"
    assert len(shown("x" * 100_000, 8_000).text) == 8_000
    assert shown("short", 8_000).cut is None


def test_one_line_stays_one_line() -> None:
    assert one_line("a\n  b\tc") == "a b c"
    assert one_line("x" * 200, 100) == "x" * 100 + "…"
