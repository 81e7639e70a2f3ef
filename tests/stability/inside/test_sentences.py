from __future__ import annotations

from collections import Counter

import pytest

from obverse.stability.inside.sentences import LIKELY, POSSIBLE, Square, sentences
from obverse.stability.inside.words import GROUPS

SETS = {"possible": POSSIBLE, "likely": LIKELY}


@pytest.mark.parametrize("name", SETS)
def test_no_word_tells_the_two_kinds_apart(name: str) -> None:
    words: dict[tuple[int, int], Counter[str]] = {}
    for one in sentences(SETS[name]):
        words.setdefault((one.square, one.sense), Counter()).update(one.text.replace(".", "").split())
    for square in range(len(SETS[name])):
        assert words[square, 0] == words[square, 1]


@pytest.mark.parametrize("name", SETS)
def test_there_are_forty_pairs_or_more_over_many_topics(name: str) -> None:
    made = list(sentences(SETS[name]))
    assert len(made) >= 80
    assert sum(one.sense for one in made) * 2 == len(made)
    assert len({one.text for one in made}) == len(made)
    assert all(number == 8 for number in Counter(one.topic for one in made).values())
    assert len({one.topic for one in made}) >= 9
    assert not any("{" in one.text for one in made)


def test_a_square_has_its_two_good_sentences_on_the_diagonal() -> None:
    square = Square(topic="t", text="{0} {1}", first=("a", "b"), second=("1", "2"))
    assert [(one.text, one.sense) for one in sentences((square,))] == [("a 1", 1), ("a 2", 0), ("b 1", 0), ("b 2", 1)]


def test_groups_of_words_do_not_overlap() -> None:
    every = [word.lower() for words in GROUPS.values() for word in words]
    assert len(every) == len(set(every))
