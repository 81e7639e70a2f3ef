"""What a writer is told: the message, how to say it, and what must stay true. Nothing of the rules."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Final

from obverse.cases.roundtrip import Task
from obverse.core.chat import ChatMessage

TEMPLATE: Final = 1
"""Goes up when the words change; the messages themselves are part of the key of a recorded answer."""

_LANGUAGES: Final = {"en": "English", "de": "German", "fr": "French", "es": "Spanish"}
_REGISTERS: Final = {
    "plain": "plainly", "terse": "very briefly", "polite": "very politely", "chatty": "casually, like to a friend",
    "formal": "formally, like in a business letter",
}  # fmt: skip
_PERSONAS: Final = {
    "none": "a customer", "newcomer": "a customer who writes for the first time",
    "regular": "a customer of many years", "hurried": "a customer in a hurry",
    "careful": "a customer who wants to be exact", "learner": "a customer who is still learning the language",
}  # fmt: skip
_TASK = """\
You rewrite messages that customers send. You never answer them. Write the message again in other words, as {persona} would \
say it: in {language}, {register}. Keep its meaning, leave nothing out, add nothing. Write only the new message."""

_SHOTS: Final = {
    "en": (("Can I pay by card?", "Do you take card payments?"),
           ("My parcel 4417 is late and I am annoyed.", "I'm not happy that parcel 4417 still hasn't come.")),
    "de": (("Kann ich mit Karte zahlen?", "Nehmen Sie auch Karten?"),
           ("Mein Paket 4417 ist zu spät und ich ärgere mich.", "Es ärgert mich, dass Paket 4417 noch nicht da ist.")),
    "fr": (("Puis-je payer par carte ?", "Vous prenez la carte ?"),
           ("Mon colis 4417 est en retard et cela m'agace.", "Je suis fâché que le colis 4417 ne soit pas encore arrivé.")),
    "es": (("¿Puedo pagar con tarjeta?", "¿Aceptan tarjetas?"),
           ("Mi paquete 4417 llega tarde y estoy molesto.", "Me molesta que el paquete 4417 no haya llegado todavía.")),
}  # fmt: skip
"""Messages and how they might be rewritten: a small model answers a question unless it is shown what is meant."""

_MESSAGE: Final = "Message: "


def prompt(task: Task) -> tuple[ChatMessage, ...]:
    """The request, with two that were answered before it; the same bytes for the same task."""
    told = _TASK.format(
        persona=_PERSONAS[task.persona], language=_LANGUAGES[task.language], register=_REGISTERS[task.register]
    )
    lines = [told]
    if task.literals:
        kept = ", ".join(json.dumps(one, ensure_ascii=False) for one in task.literals)
        lines.append(f"Keep exactly as they are: {kept}")
    for wanted, said in ((True, "Must be true of the new message"), (False, "Must not be true of it")):
        found = [term.definition for term, value in task.labels if value is wanted]
        if wanted and task.request is not None:
            found.append(task.request.definition)
        if found:
            lines.append(f"{said}: {' '.join(found)}")
    shots = zip(_SHOTS[task.source_language], _SHOTS[task.language], strict=True)
    shown = [
        pair
        for (source, _), (_, told) in shots
        for pair in (_asked(source), ChatMessage(role="assistant", content=told))
    ]
    return ChatMessage(role="system", content="\n".join(lines)), *shown, _asked(task.source)


def _asked(message: str) -> ChatMessage:
    return ChatMessage(role="user", content=_MESSAGE + json.dumps(message, ensure_ascii=False))


def message_in(messages: Sequence[ChatMessage]) -> str | None:
    """The message that such a prompt asks to rewrite; None in any other prompt."""
    first = messages[-1].content.split("\n")[0] if messages else ""
    if not first.startswith(_MESSAGE):
        return None
    text = json.loads(first.removeprefix(_MESSAGE))
    return text if isinstance(text, str) else None
