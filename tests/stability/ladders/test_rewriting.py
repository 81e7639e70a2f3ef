"""Forms that a model writes: a faithful one is used, each liar is found out, and nothing that fails is used."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence

import msgspec
import numpy as np
import pytest
from numpy.typing import NDArray
from tests.stability.ladders.requests import prompt

from obverse.core.errors import MisuseError, UnavailableError
from obverse.stability.ladders.build import rewritten
from obverse.stability.ladders.rewriting import LANGUAGES
from obverse.stability.records import Ladder, Settings

REQUEST = "How do I bake a cake with 3 eggs without my old oven?"
CHOSEN = Settings(ladders=("typos", "paraphrase", "language"), levels=2, variants=2)


class Writer:
    """A model whose paraphrases and translations are marks around the words; `spoil` is what it does wrong."""

    identity = "writer"

    def __init__(self, spoil: Callable[[str, str], str] = lambda text, how: text) -> None:
        self.spoil = spoil
        self.asked: list[tuple[str, str, int]] = []

    async def rewrite(self, text: str, how: str, seed: int) -> str:
        self.asked.append((text, how, seed))
        if how == "paraphrase":
            return self.spoil(text.replace("How do I", f"In which way {'really ' * (seed % 5)}can I"), how)
        if how == "English":
            return self.spoil(re.sub(r"(\w+)§[A-Z]\w", lambda found: found[1][::-1], text), how)
        return self.spoil(re.sub(r"\b[a-z]{4,}\b", lambda found: f"{found[0][::-1]}§{how[:2]}", text), how)


class Bag:
    """Texts as bags of words."""

    identity = "bag"

    def embed(self, texts: Sequence[str]) -> NDArray[np.float32]:
        words = [set(re.findall(r"\w+", text.lower())) for text in texts]
        every = sorted(set().union(*words))
        rows = np.array([[word in own for word in every] for own in words], dtype=np.float32)
        return rows / np.maximum(np.linalg.norm(rows, axis=1, keepdims=True), 1e-9)


async def built(
    text: str = REQUEST, spoil: Callable[[str, str], str] = lambda text, how: text, near: float = 0.6
) -> dict[str, Ladder]:
    found = await rewritten([prompt(text)], CHOSEN, Writer(spoil), Bag(), near=near)
    return {ladder.name: ladder for ladder in found}


def reasons(ladder: Ladder) -> set[str]:
    return {rejected.reason for rejected in ladder.rejected}


async def test_a_faithful_model_fills_the_ladders_and_only_those_that_a_model_writes() -> None:
    found = await built()
    assert set(found) == {"paraphrase", "language"}
    assert len(found["language"].rungs) == 4
    assert found["paraphrase"].rungs
    for ladder in found.values():
        for rung in ladder.rungs:
            assert rung.messages[-1].content == rung.span != REQUEST
            assert "3" in rung.span
        assert [rung.strength for rung in ladder.rungs] == sorted(rung.strength for rung in ladder.rungs)


async def test_paraphrases_stand_in_the_order_of_their_distance() -> None:
    lengths = [len(rung.span) for rung in (await built())["paraphrase"].rungs]
    assert lengths == sorted(lengths)


async def test_languages_go_from_the_most_to_the_least_written_about() -> None:
    notes = [rung.note.split(" by ")[0] for rung in (await built())["language"].rungs]
    places = [LANGUAGES.index(note) for note in notes]
    assert all(place < 6 for place in places[:2])
    assert all(place >= 6 for place in places[2:])


async def test_the_same_answers_give_the_same_ladders() -> None:
    first, second = await built(), await built()
    assert msgspec.json.encode(list(first.values())) == msgspec.json.encode(list(second.values()))


LIARS: dict[str, tuple[Callable[[str, str], str], set[str]]] = {
    "silent": (lambda text, how: " ", {"the model gave an empty text"}),
    "lazy": (lambda text, how: REQUEST, {"the model gave the request back"}),
    "endless": (lambda text, how: text * 9, {"the text is of another length"}),
    "chatty": (lambda text, how: f"Sure, {text}", {"the model talks about its task"}),
    "miscounting": (lambda text, how: text.replace("3", "4"), {"a literal did not survive"}),
    "adding": (lambda text, how: text.replace("?", " 7?"), {"a number came or went"}),
    "English": (lambda text, how: f"Oh {REQUEST}" if how != "paraphrase" else text, {"it is not translated"}),
    "forgetful": (lambda text, how: text.replace("without", "with"), {"a negation came or went"}),
    "contrary": (lambda text, how: text.replace("bake", "not bake") if how == "English" else text, {"a negation came or went"}),
    "stating": (lambda text, how: text.replace("?", "."), {"the question came or went"}),
    "straying": (
        lambda text, how: "Where was that old boat with 3 sails without wind?" if how == "English" else text,
        {"the encoder finds another meaning"},
    ),
}  # fmt: skip


@pytest.mark.parametrize("liar", LIARS)
async def test_a_liar_is_found_out(liar: str) -> None:
    spoil, expected = LIARS[liar]
    found = await built(spoil=spoil)
    every = set().union(*map(reasons, found.values()))
    assert expected <= every
    used = [rung.span for ladder in found.values() for rung in ladder.rungs]
    if liar == "English":
        assert found["language"].rungs == ()
    else:
        assert used == []


async def test_an_encoder_that_gives_no_numbers_finds_nothing_near() -> None:
    class Broken(Bag):
        def embed(self, texts: Sequence[str]) -> NDArray[np.float32]:
            return np.full((len(texts), 2), np.nan, dtype=np.float32)

    (paraphrase, language) = await rewritten([prompt(REQUEST)], CHOSEN, Writer(), Broken())
    assert reasons(paraphrase) == reasons(language) == {"the encoder finds another meaning"}


async def test_a_model_that_is_not_there_rejects_its_forms_and_raises_nothing() -> None:
    class Gone(Writer):
        async def rewrite(self, text: str, how: str, seed: int) -> str:
            raise UnavailableError("nobody answers", code="T001")

    (paraphrase, language) = await rewritten([prompt(REQUEST)], CHOSEN, Gone(), Bag())
    assert paraphrase.rungs == language.rungs == ()
    assert reasons(paraphrase) == reasons(language) == {"the model gave no text: nobody answers"}


async def test_without_a_request_the_model_is_not_asked() -> None:
    writer = Writer()
    found = await rewritten([prompt(" ")], CHOSEN, writer, Bag())
    assert writer.asked == []
    assert all(ladder.rungs == () for ladder in found)


async def test_settings_that_build_no_ladder_are_misuse() -> None:
    with pytest.raises(MisuseError) as raised:
        await rewritten([prompt(REQUEST)] * 2, CHOSEN, Writer(), Bag())
    assert raised.value.code == "B003"
