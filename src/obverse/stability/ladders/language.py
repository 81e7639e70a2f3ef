"""Sentences of other languages around the request, and then also the wish for an answer in that language. The request stays as it is.

A translation of the request itself takes a model: `rewriting`. The stronger levels ask for an answer in another language, so what
judges the answers must read it. Kept: the request, exactly.
"""

from __future__ import annotations

from typing import Final

from obverse.core.chat import ChatMessage
from obverse.stability.ladders.forms import Impossible, Made, Place, asked
from obverse.stability.ladders.frames import Frame, framed, graded, peeled
from obverse.stability.records import Prompt

_SAID: Final = {
    "German": ("Guten Tag.", "Vielen Dank.", "Hier ist meine Nachricht:", "Bitte antworte auf Deutsch."),
    "French": ("Bonjour.", "Merci beaucoup.", "Voici mon message :", "Répondez en français, s'il vous plaît."),
    "Spanish": ("Buenos días.", "Muchas gracias.", "Este es mi mensaje:", "Responde en español, por favor."),
    "Italian": ("Buongiorno.", "Grazie mille.", "Ecco il mio messaggio:", "Rispondi in italiano, per favore."),
    "Portuguese": ("Bom dia.", "Muito obrigado.", "Aqui está a minha mensagem:", "Responda em português, por favor."),
    "Dutch": (
        "Goedendag.",
        "Hartelijk dank.",
        "Hier is mijn bericht:",
        "Antwoord alsjeblieft in het Nederlands.",
    ),
    "Polish": ("Dzień dobry.", "Dziękuję bardzo.", "Oto moja wiadomość:", "Proszę odpowiedzieć po polsku."),
    "Turkish": ("İyi günler.", "Çok teşekkürler.", "Mesajım şöyle:", "Lütfen Türkçe cevap verin."),
}
"""By language: a greeting, thanks, "here is my message:", "please answer in this language"."""

FRAMES: Final = tuple(
    Frame(before, after, f"{note} in {language}")
    for language, (hello, thanks, lead, answer) in _SAID.items()
    for before, after, note in (
        (f"{hello} ", "", "greeting"),
        (f"{hello} ", f" {thanks}", "greeting and thanks"),
        (f"{hello} {lead}\n", "", "greeting and introduction"),
        ("", f"\n{answer}", "answer wished for"),
        (f"{hello} {lead}\n", f"\n{thanks}", "greeting, introduction and thanks"),
        (f"{hello} {lead}\n", f"\n{answer} {thanks}", "all around, and answer wished for,"),
    )
)


def make(prompt: Prompt, place: Place) -> Made | Impossible:
    """The request between sentences of another language."""
    return graded(prompt, place, (framed(prompt, frame) for frame in FRAMES))


def recover(messages: tuple[ChatMessage, ...], words: frozenset[str]) -> str | None:
    """What is left of the last message of the user without them."""
    del words
    text = asked(messages)
    return None if text is None else peeled(text, FRAMES)
