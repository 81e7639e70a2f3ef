"""What a person sees of text that others wrote: nothing hides, steers or imitates the page."""

from __future__ import annotations

import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from obverse.guard.approvals.sight import WIDTH, framed, runs_backwards, seen, seen_line
from obverse.policy.looks import skeleton

MADE_VISIBLE = {
    "a Cyrillic letter in a Latin word": ("pаypal", "pа⟨U+0430⟩ypal"),
    "a word of look-alikes alone": ("аср", "а⟨U+0430⟩с⟨U+0441⟩р⟨U+0440⟩"),
    "writing from right to left": ("a\u202eb", "a⟨U+202E⟩b"),
    "no width": ("a\u200bb", "a⟨U+200B⟩b"),
    "a blank that does not break": ("a\u00a0b", "a⟨U+00A0⟩b"),
    "an escape of a terminal": ("\x1b[2J", "⟨U+001B⟩[2J"),
    "a carriage return": ("a\rb", "a⟨U+000D⟩b"),
    "a tab": ("a\tb", "a⟨U+0009⟩b"),
    "letters of full width": ("ｒｍ", "ｒ⟨U+FF52⟩ｍ⟨U+FF4D⟩"),
    "an accent apart from its letter": ("cafe\u0301", "cafe⟨U+0301⟩"),
    "a stroke over a letter": ("n\u0338o", "n⟨U+0338⟩o"),
    "another dash": ("rm –rf", "rm –⟨U+2013⟩rf"),
    "digits of another script": ("٣", "٣⟨U+0663⟩"),
    "half a character": ("\ud800", "⟨U+D800⟩"),
    "a tag": ("a\U000e0041", "a⟨U+E0041⟩"),
    "what is not assigned": ("\U0003fffd", "⟨U+3FFFD⟩"),
    "a blank without a shape": ("ㅤ", "⟨U+3164⟩"),
    "our own marks": ("│⟪cut⟫⟨U+0041⟩", "⟨U+2502⟩⟨U+27EA⟩cut⟨U+27EB⟩⟨U+27E8⟩U+0041⟨U+27E9⟩"),
}


@pytest.mark.parametrize(("text", "shown"), MADE_VISIBLE.values(), ids=MADE_VISIBLE)
def test_what_hides_or_passes_for_something_else_is_written_out(text: str, shown: str) -> None:
    assert seen(text) == shown


@pytest.mark.parametrize(
    "text",
    ["plain text\nof two lines", "naïve café — “so”", "Привет", "日本語、はい", "नमस्ते", "Ελλάδα", "مرحبا", "Straße"],
)
def test_what_people_write_stays_as_it_is(text: str) -> None:
    assert seen(text) == text


OURS = set("⟨⟩⟪⟫│┆")


@given(st.text())
def test_nothing_steers_and_nothing_is_ours(text: str) -> None:
    shown = seen(text)
    plain = "".join(shown.split("⟨U+")[0:1] + [part.partition("⟩")[2] for part in shown.split("⟨U+")[1:]])
    assert not OURS & set(plain)
    for character in plain.replace("\n", ""):
        assert unicodedata.category(character) not in {"Cc", "Cf", "Cs", "Cn", "Co", "Zl", "Zp"}
        assert character == " " or not character.isspace()


@given(st.text(), st.text())
def test_two_texts_that_are_not_equal_are_not_shown_alike(one: str, other: str) -> None:
    assert one == other or seen(one) != seen(other)


@given(st.text(alphabet="aаpр\u200b\u0301e"), st.text(alphabet="aаpр\u200b\u0301e"))
def test_two_texts_that_look_alike_are_not_shown_alike(one: str, other: str) -> None:
    assert one == other or skeleton(seen(one)) != skeleton(seen(other))


@given(st.text(), st.none() | st.integers(4, 200))
def test_no_line_of_the_text_begins_where_a_line_of_ours_does(text: str, limit: int | None) -> None:
    for line in framed(text, limit):
        assert line.startswith(("  │ ", "  ┆ ", "  ⟪", "   all of it: "))
        assert "\n" not in line


@given(st.text())
def test_no_line_is_wider_than_a_screen(text: str) -> None:
    for line in framed(text):
        cells = sum(2 if unicodedata.east_asian_width(one) in "WF" else 1 for one in line)
        marks = sum(1 for one in line if unicodedata.combining(one))
        assert cells - marks <= WIDTH


@given(st.text(alphabet=st.characters(codec="ascii", exclude_characters="\n")))
def test_wrapping_drops_nothing(text: str) -> None:
    assert "".join(line[4:] for line in framed(text)) == seen(text)


def test_what_is_cut_is_said_with_length_and_digest() -> None:
    import hashlib

    text = "a" * 300 + "b" * 700
    lines = framed(text, 100)
    assert lines[-3] == "  ⟪900 of 1,000 characters are not shown here"
    assert lines[-2] == f"   all of it: sha256:{hashlib.sha256(text.encode()).hexdigest()}⟫"
    assert lines[-1] == f"  │ {'b' * 25}"


def test_a_text_cannot_say_that_it_was_cut() -> None:
    fake = "\n".join(framed("a" * 500, 100))
    assert "⟪" not in "".join(framed(fake))


def test_a_list_shows_blanks_that_nobody_sees() -> None:
    assert seen_line(" pay  now ") == "⟨U+0020⟩pay ⟨U+0020⟩now⟨U+0020⟩"
    assert seen_line("a\nb") == "a⟨U+000A⟩b"
    assert seen_line("abcdef", 3) == "abc…⟪3 more⟫"


def test_letters_from_right_to_left_are_named() -> None:
    assert runs_backwards("pay مرحبا")
    assert not runs_backwards("pay привет 日本")
