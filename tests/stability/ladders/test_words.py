"""Mistyped words and the words that are near to them, against brute force."""

from __future__ import annotations

import re

from hypothesis import given, settings
from hypothesis import strategies as st
from tests.stability.ladders.requests import PLAIN, prompt

from obverse.stability.ladders import typos
from obverse.stability.ladders.forms import Place
from obverse.stability.ladders.words import common, is_near, is_odd, nearest, threes

LETTERS = "abcdefghijklmnopqrstuvwxyz"


def one_slip(word: str) -> set[str]:
    """Every string that one insertion, deletion, replacement or exchange of neighbours makes of the word."""
    cuts = [(word[:at], word[at:]) for at in range(len(word) + 1)]
    return (
        {word}
        | {a + b[1:] for a, b in cuts if b}
        | {a + letter + b for a, b in cuts for letter in LETTERS}
        | {a + letter + b[1:] for a, b in cuts if b for letter in LETTERS}
        | {a + b[1] + b[0] + b[2:] for a, b in cuts if len(b) > 1}
    )


@given(word=st.text(LETTERS[:4], max_size=6), other=st.text(LETTERS[:4], max_size=6))
def test_near_is_one_slip_away(word: str, other: str) -> None:
    assert is_near(word, other) == (other in one_slip(word))


@settings(deadline=None)  # the first one reads the list
@given(word=st.sampled_from(sorted(common())), data=st.data())
def test_the_nearest_words_are_those_of_a_search_through_all(word: str, data: st.DataObject) -> None:
    slip = data.draw(st.sampled_from(sorted(one_slip(word))))
    own = frozenset({"quorble", word + "q"})
    expected = {slip} if slip in common() | own else one_slip(slip) & (common() | own)
    assert set(nearest(slip, own)) == expected


def test_an_odd_word_holds_letters_that_no_word_holds() -> None:
    every = {three for word in common() for three in threes(word)}
    for word in ("bkae", "trail", "chcoolate", "hopping"):
        assert is_odd(word) == any(f"^{word}$"[at : at + 3] not in every for at in range(len(word)))
    assert is_odd("bkae")
    assert not is_odd("trail")


def test_no_mistyped_word_is_a_common_word_or_touches_the_first_letter() -> None:
    for text in PLAIN:
        made = typos.make(prompt(text), Place(group="p", ladder="typos", level=1, levels=1))
        assert made is not None
        words = re.findall(r"[^\W\d_]+(?:['’-][^\W\d_]+)*", text)
        changed = re.findall(r"[^\W\d_]+(?:['’-][^\W\d_]+)*", made.messages[-1].content)  # type: ignore[union-attr]  # it is made
        assert len(words) == len(changed)
        for word, slip in zip(words, changed):
            if word != slip:
                assert slip.casefold() not in common()
                assert word[0] == slip[0]
                assert len(word) >= 4
                assert slip.casefold() in one_slip(word.casefold())


def test_names_negations_and_numerals_are_never_mistyped() -> None:
    text = "Please never send seven parcels to Robinson without asking Marguerite, and do not forget twenty others."
    for variant in range(6):
        made = typos.make(prompt(text), Place(group="p", ladder="typos", level=1, levels=1, variant=variant))
        said = made.messages[-1].content  # type: ignore[union-attr]  # it is made
        for word in ("never", "seven", "Robinson", "without", "Marguerite", "not", "twenty"):
            assert word in said


def test_a_word_with_two_readings_gives_no_request() -> None:
    messages = prompt("a bimb").messages
    assert typos.recover(messages, frozenset({"a", "bomb"})) is None  # or `limb`
    assert typos.recover(messages, frozenset({"a", "bimb"})) == "a bimb"
