"""What kind of act a message is, as far as its words show: does it ask, report, deny, and who speaks to whom?

A labeller compares what texts are about; an answer, a report and a denial are about the same as the question. These tests of
words stand beside it. They are strict on purpose: a good text that they refuse costs one attempt, a bad one that passes is a
case whose labels are untrue. What they cannot see: irony, a denial without a word of denial, a change of voice in Spanish,
where verbs carry the person.
"""

from __future__ import annotations

import re
from typing import Final

_ASKS: Final = re.compile(
    r"\?|\b(?:please|(?:tell|give|show|send|let|help|advise|inform) (?:me|us)|i(?:'d| would) (?:like|love|appreciate)|"
    r"i(?:'m| am) (?:wondering|asking|looking)|i (?:wonder|want|need)|bitte|ich (?:möchte|würde|brauche|frage)|"
    r"merci de|s'il vous|je (?:voudrais|veux|souhaite)|por favor|quisiera|quiero|necesito|me (?:puede|podría))\b",
    re.I,
)
_REPORTS: Final = re.compile(
    r"\b(?:the|this|a|an)\s+(?:user|customer|client|sender|person|message|text|author)(?:'s)?\s+(?:is |are |was |has |had )?"
    r"(?:ask|want|say|said|state|request|need|inquir|contain|require|seem|express)"
    r"|\b(?:der|die|ein|eine)\s+(?:nutzer|benutzer|kunde|nachricht)\w*\s+(?:fragt|möchte|will|sagt|bittet|enthält)"
    r"|\b(?:l['’]utilisateur|le client|la cliente|ce message)\s+(?:demande|veut|dit|souhaite|contient)"
    r"|\b(?:el|la|este)\s+(?:usuari[oa]|cliente|mensaje)\s+(?:pregunta|quiere|dice|pide|contiene)",
    re.I,
)
_DENIES: Final = re.compile(
    r"\b(?:not?|never|none|nothing|nobody|neither|nor|cannot|without|unable|\w+n['’]t|ignore|disregard|"
    r"nicht|kein\w*|nie|niemals|nichts|niemand|ohne|nein|"
    r"ne|pas|jamais|rien|sans|non|aucune?|nunca|nada|nadie|sin|ning[uú]n\w*|jamás|tampoco)\b|\bn['’](?=\w)",
    re.I,
)
_SPEAKS: Final = r"i|my|mine|we|our|ours|ich|mein\w*|wir|unser\w*|je|mon|mes|nous|notre|nos"
_FIRST: Final = re.compile(rf"\b(?:{_SPEAKS}|me|myself|us|mich|mir|uns|moi)\b|\b[jm]['’](?=\w)", re.I)
_SPEAKER: Final = re.compile(rf"\b(?:{_SPEAKS})\b|\bj['’](?=\w)", re.I)
"""Who speaks of what is theirs: `Could you tell me …` may become `Could you say …`, `Can I …` may not become `Can you …`."""

_SECOND: Final = re.compile(
    r"\b(?:you|your|yours|du|dich|dir|dein\w*|ihnen|tu|toi|vous|votre|vos)\b|(?<!^)(?<![.!?]\s)\bSie\b", re.I | re.M
)


def asks(text: str) -> bool:
    """Whether a text asks something, or for something."""
    return _ASKS.search(text) is not None


def reports(source: str, text: str) -> bool:
    """Whether a text speaks of the user, where its source did not."""
    return _REPORTS.search(text) is not None and _REPORTS.search(source) is None


def negates(source: str, text: str) -> bool:
    """Whether a text has more words of denial than its source, or fewer."""
    return len(_DENIES.findall(text)) != len(_DENIES.findall(source))


def turns_round(source: str, text: str) -> bool:
    """Whether `I` became `you`, or `you` became `we`: whose question it is has changed."""
    was_mine, was_yours = _FIRST.search(source) is not None, _SECOND.search(source) is not None
    mine, yours = _FIRST.search(text) is not None, _SECOND.search(text) is not None
    if yours and not mine:
        return _SPEAKER.search(source) is not None or (was_mine and not was_yours)
    return mine and not yours and was_yours and not was_mine
