"""What must stand word for word, and how its place is followed through changes."""

from __future__ import annotations

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.stability.ladders.requests import TEXTS

from obverse.stability.ladders.edits import Change, changed, moved
from obverse.stability.ladders.literals import exact, kept, literals, negations
from obverse.stability.ladders.sentences import first_sentence


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("Pay $12.50, then 10%.", ("$12.50", "10%")),
        ("Order K7QX2M of 2026-01-05 at 10:30.", ("K7QX2M", "2026-01-05", "10:30")),
        ("See https://a.org/x?y=z#f, ok", ("https://a.org/x?y=z#f",)),
        ("Mail a.b+c@d-e.org now", ("a.b+c@d-e.org",)),
        ('Say "good morning" to him', ('"good morning"',)),
        ("Say 'good morning', don't shout", ("'good morning'",)),
        ("the neighbours' dog and the cats' food", ()),
        ("Run `ls -l` in ./src/my_file.txt", ("`ls -l`", "./src/my_file.txt")),
        ("```\na b\n``` and", ("```\na b\n```",)),
        ("```\nnever closed", ("```\nnever closed",)),
        ("so:\n    x = y\nend", ("    x = y",)),
        ("{name} <tag> [slot] @you #tag", ("{name}", "<tag>", "[slot]", "@you", "#tag")),
        ("NATO and iPhone, my_name, a.b(), f()", ("NATO", "iPhone", "my_name", "a.b()", "f()")),
        ("WHY DO YOU SHOUT", ()),
        ("WHY 12", ("12",)),
        ("„Hallo“ und «bon» und 「は」", ("„Hallo“", "«bon»", "「は」")),
        ("", ()),
    ],
)
def test_what_must_stand_word_for_word(text: str, found: tuple[str, ...]) -> None:
    assert literals(text) == found


@given(TEXTS)
def test_places_of_literals_stand_in_order_and_apart(text: str) -> None:
    places = exact(text)
    assert all(0 <= start < end <= len(text) for start, end in places)
    assert all(end <= start for (_, end), (start, _) in itertools.pairwise(places))
    assert kept(text, text)


@pytest.mark.parametrize(
    ("text", "is_kept"),
    [
        ("12 eggs for B2", True),
        ("B2 12", False),
        ("for B2, 12 eggs", False),
        ("112 eggs for B2", False),
        ("(12) eggs: B2!", True),
        ("1 2 B2", False),
    ],
)
def test_literals_are_kept_in_their_order(text: str, is_kept: bool) -> None:
    assert kept("12 eggs, B2", text) is is_kept


def test_words_that_turn_a_meaning_round() -> None:
    assert negations("No, I DON'T. Not without you, unless nobody cannot") == (
        "no", "don't", "not", "without", "unless", "nobody", "cannot",
    )  # fmt: skip
    assert negations("another note, known knots; nonetheless") == ()


@given(
    text=st.text("ab ", min_size=1, max_size=20),
    ends=st.lists(st.integers(0, 20), max_size=8, unique=True),
    new=st.text("xyz", max_size=3),
    span=st.tuples(st.integers(0, 20), st.integers(0, 20)),
)
def test_a_span_moves_with_the_changes_around_and_in_it(
    text: str, ends: list[int], new: str, span: tuple[int, int]
) -> None:
    cuts = sorted(min(end, len(text)) for end in ends)
    changes = [Change(start, end, new) for start, end in zip(cuts[::2], cuts[1::2]) if start < end]
    first, last = sorted(min(end, len(text)) for end in span)
    after = changed(text, changes)
    # Independently: each letter carries where it came from, replaced ones where their first letter stood.
    pieces: list[tuple[str, int, int]] = []
    done = 0
    for start, end, put in changes:
        pieces += [(text[at], at, at + 1) for at in range(done, start)] + [(put, start, end)]
        done = end
    pieces += [(text[at], at, at + 1) for at in range(done, len(text))]
    inside = "".join(put for put, start, end in pieces if start < last and end > first)
    start, end = moved(first, last, changes)
    assert "".join(put for put, _, _ in pieces) == after
    if first < last:
        assert after[start:end] == inside


@pytest.mark.parametrize(
    ("text", "first"),
    [
        ("One. Two.", "One."),
        ("Ask Dr. Smith. Then go.", "Ask Dr. Smith."),
        ("Take approx. 5 eggs. Mix.", "Take approx. 5 eggs."),
        ("no end", "no end"),
        ("line\nother", "line"),
        ('Say "One. Two." to him. Go', 'Say "One. Two." to him.'),
        ("What?! Really?", "What?!"),
        ("e.g. this one. That", "e.g. this one."),
        ("", ""),
    ],
)
def test_the_first_sentence_ends_where_it_ends(text: str, first: str) -> None:
    found, rest = first_sentence(text)
    assert found == first
    assert found + rest == text
