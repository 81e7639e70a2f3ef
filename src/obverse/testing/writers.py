"""Scripted writers for `cases.realise`: one that does what it is asked, and one for each way to change what a text says.

They are the two poles of the round trip: what the faithful one writes must pass, what a liar writes must not.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from typing import Final

from obverse.cases.labellers import Label
from obverse.cases.prompt import message_in
from obverse.cases.talk import known_labels
from obverse.core.chat import ChatMessage, Completion, Sampling
from obverse.core.verdicts import Truth
from obverse.policy.ast import JudgedTerm
from obverse.policy.checked import REFUSES, Checked

Rewrite = Callable[[str, int], str]
"""Message, seed → what is written."""

_AROUND: Final = (
    "Hello again. {text} Thanks a lot.", "Good evening. {text} All the best.", "Just this, then. {text} Bye for now.",
    "Right. {text} That would be all.",
)  # fmt: skip
_ANSWER: Final = "Most people find that two of them are enough, and that it is open until six."
_FILLERS: Final = ("Anyway, that is it.", "And that's the message.", "Enough for today.", "Have a good one.")
_WORD = re.compile(r"(?<!\w)[^\W\d_]+(?!\w)")
_MOST = 0.6
_EXACT = re.compile(r"[\w.+-]*[\d@][\w.@+-]*")


class ScriptedWriter:
    """A writer that does to each message what its script says; it keeps count of what it was asked."""

    def __init__(self, rewrite: Rewrite, name: str = "scripted") -> None:
        self._rewrite = rewrite
        self._name = name
        self.asked = 0

    def fingerprint(self) -> str:
        """Its name."""
        return f"writer:{self._name}"

    async def complete(self, messages: Sequence[ChatMessage], *, sampling: Sampling) -> Completion:
        """What the script makes of the message in the prompt."""
        self.asked += 1
        return Completion(text=self._rewrite(message_in(messages) or "", sampling.seed))


class AttentiveLabeller:
    """A labeller that knows the examples by heart: true where more words of one of yes stand in the text than of one of no.

    Never in doubt, so only for texts that were made from the examples; what it says of others means nothing.
    """

    identity = "labeller:attentive"

    def __init__(self, *models: str) -> None:
        self.models = frozenset(models)

    async def label(self, term: JudgedTerm, text: str) -> Label:
        """Whether most of an example of yes is in it, and less of any of no."""
        yes, no = (max((_share(text, example) for example in kind), default=0.0) for kind in (term.yes, term.no))
        return Label(truth=Truth.of(yes >= _MOST and yes > no))


def _share(text: str, example: str) -> float:
    """How much of the words of the example the text has."""
    words = set(_WORD.findall(example.lower()))
    return len(words & set(_WORD.findall(text.lower()))) / len(words) if words else 0.0


def faithful(text: str, seed: int) -> str:
    """The message with other small talk around it: every label and every literal as it was."""
    chosen = sum(map(ord, text)) + seed
    return f"{_AROUND[chosen % len(_AROUND)].format(text=text)} {_FILLERS[chosen // 4 % len(_FILLERS)]}"


def liars(checked: Checked) -> Mapping[str, Rewrite]:
    """Name → a script that changes what a message says; each answers the same, faithful to nothing else."""
    return {
        "says another thing": lambda text, seed: _another(checked, text, seed),
        "drops what is exact": lambda text, seed: faithful(_EXACT.sub("it", text), seed) if _EXACT.search(text) else "",
        "brings in a number": lambda text, seed: faithful(f"{text} My number is {seed + 4711}.", seed),
        "answers instead": _always("Here is what you can do about it:\n1. Wait.\n2. Ask {text}"),
        "answers it": lambda text, seed: faithful(_ANSWER, seed) if "?" in text else "",
        "denies it": _always("It is not me who asks this, and I do not want to know: {text}"),
        "turns it round": _turned_round,
        "reports it": _always("The user asks this: {text}"),
        "says it in another language": _always("Das möchte ich Ihnen gern auf Deutsch sagen, wenn ich darf."),
        "says it again": _always("{text}"),
        "says nothing": _always(""),
    }


def _turned_round(text: str, seed: int) -> str:
    """The message as a question to the user, where it speaks of one of them only."""
    turned = re.sub(r"\b(?:I|we|me|us)\b", "you", re.sub(r"\b(?:[Mm]y|[Oo]ur)\b", "your", text))
    return turned if turned != text and "you" not in text else _always("")(text, seed)


def _always(form: str) -> Rewrite:
    def rewrite(text: str, seed: int) -> str:
        del seed
        return form.replace("{text}", text)

    return rewrite


def _another(checked: Checked, text: str, seed: int) -> str:
    """An example whose labels are not those of the message: of no for what is true of it, else of yes."""
    labels = known_labels(checked, "message", text)
    terms = [term for term in checked.judged.values() if term.subject == "message" and term.full_name != REFUSES]
    for term in terms[seed % max(1, len(terms)) :] + terms:
        for example in term.no if labels.get(term.full_name) else term.yes:
            if known_labels(checked, "message", example) != labels:
                return faithful(example, seed)
    return ""
