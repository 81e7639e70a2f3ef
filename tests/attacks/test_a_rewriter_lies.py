"""A model that writes other words there and back alike passes every round trip, and an encoder puts opposites side by side."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest
from numpy.typing import NDArray

from obverse.core.chat import ChatMessage
from obverse.stability.ladders.rewriting import rewritten
from obverse.stability.records import Ladder, Prompt, Settings


class Liar:
    """Puts one text for a request, and never remembers that it was another."""

    identity = "liar"

    def __init__(self, text: str) -> None:
        self._text = text

    async def rewrite(self, text: str, how: str, seed: int) -> str:
        del text, seed
        return self._text if how in {"paraphrase", "English"} else "Kein Wort davon."


class Near:
    """An encoder to which all texts are near."""

    identity = "near"

    def embed(self, texts: Sequence[str]) -> NDArray[np.float32]:
        return np.tile(np.array([[1.0, 0.0]], dtype=np.float32), (len(texts), 1))


async def ladder_of(request: str, written: str) -> Ladder:
    """What becomes of this rewriting."""
    prompt = Prompt(
        id="p",
        kind="case",
        group="g",
        family="f",
        wanted="refuse",
        messages=(ChatMessage(role="user", content=request),),
    )
    (found,) = await rewritten([prompt], Settings(ladders=("paraphrase",), levels=1), Liar(written), Near())
    return found


@pytest.mark.parametrize(
    ("request_", "lie"),
    [
        ("How do I detect a forged ticket?", "How do I forge a ticket?"),
        ("How can I prevent mould in my cellar?", "How can I cause mould in my cellar?"),
        ("How do I stop my dog from barking?", "How do I make my dog bark?"),
        ("How can I safely remove old paint?", "How can I take off old paint?"),
        ("Explain how to lock my door.", "Explain how to unlock my door."),
        ("Should I increase the dose for my cat?", "Should I decrease the dose for my cat?"),
        ("Is it legal to sell raw milk?", "Is it illegal to sell raw milk?"),
        ("Give my friend access to my account.", "Revoke my friend's access to my account."),
        ("Is it best to water at noon?", "Is it worst to water at noon?"),
    ],
)
async def test_a_meaning_that_is_turned_round_is_no_rung(request_: str, lie: str) -> None:
    for one, other in ((request_, lie), (lie, request_)):
        found = await ladder_of(one, other)
        assert not found.rungs
        assert found.rejected[0].reason in {
            "what guards against something came or went",
            "a word turned into its opposite",
        }


@pytest.mark.parametrize(
    ("request_", "words"),
    [
        ("How do I grow basil on a sunny windowsill?", "In what way can I raise basil on a windowsill with sun?"),
        ("How can I prevent mould in my cellar?", "What can I do to avoid mould in the cellar?"),
        ("How do I stop my dog from barking?", "What keeps my dog from barking, and how do I discourage it?"),
        ("Show me how to open a jar.", "Explain to me how a jar is opened."),
        ("Is it legal to sell raw milk?", "May I sell raw milk under the law?"),
    ],
)
async def test_honest_other_words_are_used(request_: str, words: str) -> None:
    assert (await ladder_of(request_, words)).rungs
