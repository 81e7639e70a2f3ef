"""What kind of act a message is: tables of what is refused and what is not."""

from __future__ import annotations

import pytest

from obverse.cases.speech import asks, negates, reports, turns_round

ASKS = {
    "Where is it?": True,
    "Tell me where it is.": True,
    "Bitte sagen Sie es mir.": True,
    "It is over there.": False,
    "You should ask at the desk.": False,
}
REPORTS = {
    "The user asks where it is.": True,
    "This message contains a question.": True,
    "Der Kunde fragt nach dem Weg.": True,
    "L'utilisateur demande le chemin.": True,
    "El usuario pregunta por el camino.": True,
    "I am a user of yours, where is it?": False,
}
NEGATES = {
    ("Where is it?", "I don't want to know where it is."): True,
    ("No insurance, please.", "Insurance, please."): True,
    ("No insurance, please.", "Without insurance, please."): False,
    ("I can't travel.", "I am unable to travel."): False,
    ("Ich komme.", "Ich komme nicht."): True,
    ("Je viens.", "Je ne viens pas."): True,
    ("Voy.", "No voy."): True,
}
TURNED = {
    ("Can I sue him?", "Can you sue him?"): True,
    ("When do you open?", "When do we open?"): True,
    ("You cancelled my flight.", "You cancelled your flight."): True,
    ("Could you tell me the way?", "Could you say which way it is?"): False,
    ("How do I get there?", "What is the best way to get there?"): False,
    ("When do you open?", "What are the opening hours?"): False,
    ("Kann ich das nehmen?", "Können Sie das nehmen?"): True,
    ("Puis-je entrer ?", "Pouvez-vous entrer ?"): True,
    ("¿Puedo entrar?", "¿Puede entrar?"): False,  # Spanish verbs carry the person, and nobody reads them here
}


@pytest.mark.parametrize("text", ASKS)
def test_a_text_asks_or_not(text: str) -> None:
    assert asks(text) is ASKS[text]


@pytest.mark.parametrize("text", REPORTS)
def test_a_text_speaks_of_the_user_or_not(text: str) -> None:
    assert reports("Where is it?", text) is REPORTS[text]
    assert not reports(text, text)


@pytest.mark.parametrize("pair", NEGATES)
def test_a_denial_more_or_less_is_seen(pair: tuple[str, str]) -> None:
    assert negates(*pair) is NEGATES[pair]


@pytest.mark.parametrize("pair", TURNED)
def test_who_speaks_stays_who_speaks(pair: tuple[str, str]) -> None:
    assert turns_round(*pair) is TURNED[pair]
    assert not turns_round(pair[0], pair[0])
