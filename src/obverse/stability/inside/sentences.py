"""Our own harmless sentences, possible and impossible, likely and unlikely: data, nothing else.

Each square has two places of two fillings: two of its four sentences make sense together, the two crossed ones do not. So both
kinds hold the same words equally often, and whoever only looks at words, or at how rare they are, is at chance (held by a test).
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

import msgspec


class Square(msgspec.Struct, frozen=True, kw_only=True):
    """`text` with `{0}` and `{1}`: filled with the first of both, or the second of both, it is possible (or likely), crossed not."""

    topic: str
    text: str
    first: tuple[str, str]
    second: tuple[str, str]


class Sentence(msgspec.Struct, frozen=True, kw_only=True):
    """`sense` is 1 for possible or likely, 0 for the crossed one. `square` numbers its square."""

    topic: str
    square: int
    sense: int
    text: str


def _squares(*rows: tuple[str, str, str, str, str, str]) -> tuple[Square, ...]:
    return tuple(Square(topic=row[0], text=row[1], first=row[2:4], second=row[4:6]) for row in rows)


POSSIBLE: Final = _squares(
    ("kitchen", "In the {0} the water turned to {1}.", "kettle on the flame", "freezer", "steam", "ice"),
    ("kitchen", "He {0} the {1} before lunch.", "drank", "sliced", "juice", "carrot"),
    ("weather", "The long {0} made the ground {1}.", "rain", "drought", "wet", "dry"),
    ("weather", "The puddle {0} in the {1}.", "froze", "evaporated", "bitter cold", "desert heat"),
    ("travel", "They crossed the {0} {1}.", "ocean", "desert", "by ship", "on camels"),
    ("travel", "The {0} travelled {1}.", "aeroplane", "submarine", "above the clouds", "on the sea floor"),
    ("garden", "Out of the {0} grew {1}.", "acorn", "egg", "an oak", "a chick"),
    ("garden", "She {0} the {1} in the morning.", "watered", "oiled", "seedlings", "hinges of the gate"),
    ("office", "He {0} the {1} this morning.", "e-mailed", "sharpened", "report", "pencil"),
    ("office", "The {0} {1}.", "calculator", "kettle", "added the numbers", "heated the water"),
    ("body", "She {0} the {1} all evening.", "hummed", "wore", "tune", "scarf"),
    ("body", "She {0} the {1} and rested.", "swallowed", "climbed", "pill", "hill"),
    ("animals", "The {0} {1}.", "trout", "eagle", "breathed through its gills", "spread its wings"),
    ("animals", "The {0} {1} this morning.", "cow", "hen", "gave milk", "laid an egg"),
    ("sport", "She {0} the {1} with ease.", "kicked", "solved", "ball", "riddle"),
    ("sport", "He {0} the {1} three times.", "lifted", "shouted", "barbell", "slogan"),
    ("time", "She {0} {1}.", "arrived", "will arrive", "yesterday", "tomorrow"),
    ("time", "The day {0} Monday is {1}.", "before", "after", "Sunday", "Tuesday"),
    ("numbers", "A {0} has {1} corners.", "triangle", "square", "three", "four"),
    ("numbers", "Half of {0} is {1}.", "ten", "twelve", "five", "six"),
)

LIKELY: Final = _squares(
    ("kitchen", "She spread {0} on the {1}.", "butter", "paint", "toast", "fence"),
    ("kitchen", "He ate the {0} with {1}.", "soup", "steak", "a spoon", "a knife and fork"),
    ("weather", "In {0} the villagers in the Alps {1}.", "July", "January", "swam in the lake", "shovelled snow"),
    ("weather", "When it {0}, she {1} her umbrella.", "began to rain", "stopped raining", "opened", "closed"),
    ("travel", "They {0} to {1}.", "flew", "strolled", "another continent", "the corner shop"),
    ("travel", "She took the {0} to {1}.", "tram", "ferry", "the town hall", "the island"),
    ("garden", "He cut the {0} with {1}.", "lawn", "hedge", "a mower", "shears"),
    ("garden", "She kept the {0} in the {1}.", "tomato seedlings", "old wine", "greenhouse", "cellar"),
    ("office", "The {0} {1}.", "manager", "toddler", "signed the contract", "sucked her thumb"),
    ("office", "At {0} the office was {1}.", "ten in the morning", "three in the night", "full of people", "deserted"),
    ("health", "The {0} {1}.", "dentist", "barber", "pulled a tooth", "trimmed a beard"),
    ("health", "She felt {0} after {1}.", "tired", "rested", "a sleepless night", "a long sleep"),
    ("animals", "The {0} {1}.", "dog", "cat", "fetched the stick", "climbed the curtain"),
    ("animals", "The {0} looked after the {1}.", "shepherd", "beekeeper", "lambs", "hives"),
    ("sport", "The {0} weighed {1}.", "jockey", "wrestler", "fifty kilos", "a hundred and thirty kilos"),
    ("sport", "The {0} {1}.", "champion", "beginner", "won easily", "came last"),
    ("shopping", "The {0} cost {1}.", "diamond ring", "loaf of bread", "nine thousand euros", "three euros"),
    ("shopping", "She paid for the {0} with {1}.", "chewing gum", "house", "a few coins", "a mortgage"),
    ("school", "The {0} {1}.", "first-grader", "professor", "learnt to spell", "lectured on quantum physics"),
    ("school", "The {0} {1} after dinner.", "pupil", "teacher", "did her homework", "marked the exams"),
    ("home", "He {0} in the {1}.", "slept", "cooked", "bedroom", "kitchen"),
    ("home", "She hung the {0} {1}.", "picture", "coat", "on the wall", "in the wardrobe"),
)


def sentences(squares: tuple[Square, ...]) -> Iterator[Sentence]:
    """The four sentences of each square."""
    for number, square in enumerate(squares):
        for one in (0, 1):
            for two in (0, 1):
                text = square.text.format(square.first[one], square.second[two])
                yield Sentence(topic=square.topic, square=number, sense=int(one == two), text=text)
