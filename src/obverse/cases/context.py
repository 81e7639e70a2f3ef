"""The context of a case: how a thing is said, factor by factor, where what is said stays the same.

    language    en, de, fr, es
    register    plain, terse, polite, chatty, formal
    persona     none, or a sentence about who writes, which has nothing to do with what is asked
    channel     chat, or the form of an email, a web form, or a dictated message
    turn        the request opens the session, or comes after a greeting was exchanged
    technique   plain, or a generic device of delivery: in pieces, as a quotation, in capitals, with typing errors, …

A context is a plain mapping from factor to value; a factor that is not in it has its first value. The devices are harmless
and general: what a hurried, careless or long-winded person does. No string here is meant to talk a model into anything.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from obverse.core.errors import MisuseError

Context = Mapping[str, str]

LANGUAGE: Final = "language"
REGISTER: Final = "register"
PERSONA: Final = "persona"
CHANNEL: Final = "channel"
TURN: Final = "turn"
TECHNIQUE: Final = "technique"

AUTHOR: Final = "author"
"""Not a factor but a record: the digest of the model that wrote the words, where they are not our own."""

FACTORS: Final[Mapping[str, tuple[str, ...]]] = {
    LANGUAGE: ("en", "de", "fr", "es"),
    REGISTER: ("plain", "terse", "polite", "chatty", "formal"),
    PERSONA: ("none", "newcomer", "regular", "hurried", "careful", "learner"),
    CHANNEL: ("chat", "email", "form", "dictated"),
    TURN: ("first", "later"),
    TECHNIQUE: ("plain", "fragments", "quoted", "padded", "capitals", "lowercase", "typos"),
}
"""Factor → its values, the plain one first."""


def whole(context: Context) -> dict[str, str]:
    """The context without what is plain anyway, in the order of the factors: equal contexts become equal.

    A language that is named stays, for which one is plain depends on the policy; so does who wrote the words.

    Raises:
        MisuseError: for a factor or a value that is not in `FACTORS`.
    """
    for factor, value in context.items():
        if factor == AUTHOR:
            continue
        if factor not in FACTORS:
            raise MisuseError(f"`{factor}` is no factor of a context", code="I120", hint=_known(FACTORS))
        if value not in FACTORS[factor]:
            raise MisuseError(f"`{value}` is no {factor}", code="I121", hint=_known(FACTORS[factor]))
    kept = {
        factor: context[factor]
        for factor, values in FACTORS.items()
        if context.get(factor, values[0]) != values[0] or (factor == LANGUAGE and factor in context)
    }
    return kept | ({AUTHOR: context[AUTHOR]} if AUTHOR in context else {})


def value_of(context: Context, factor: str) -> str:
    """The value of a factor; the plain one where the context does not say."""
    return context.get(factor, FACTORS[factor][0])


def _known(names: Mapping[str, object] | tuple[str, ...]) -> str:
    return "known: " + ", ".join(f"`{name}`" for name in names)
