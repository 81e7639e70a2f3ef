"""The words of messages and replies: from the yes and no examples of the terms, so that what is said has known labels.

A text carries the label true of each predicate of which it holds a yes-example, and false of all others of its kind: the
examples of different predicates are taken to be about different things. Where a policy contradicts that, `check` says so.
Examples may be in any language: a text takes those of one language, that of most of them unless another is asked for.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence

from obverse.cases.choice import pick
from obverse.cases.phrases.books import book
from obverse.cases.records import Said
from obverse.cases.tongues import main_language, spoken
from obverse.core.verdicts import Truth
from obverse.policy.ast import Clause, JudgedTerm
from obverse.policy.checked import REFUSES, Checked
from obverse.policy.operations import reading

_CONSENT = re.compile(r"(^|_)(yes|confirm\w*|agree\w*|approv\w*|consent\w*|accept\w*|go_ahead)(_|$)")
_VERBS = {
    "is": "be", "has": "have", "does": "do", "says": "say", "gives": "give", "goes": "go", "discusses": "discuss",
    "discloses": "disclose", "promises": "promise", "teaches": "teach", "expresses": "express", "uses": "use",
}  # fmt: skip
_STOP_WORDS = frozenset(
    ["the", "and", "user", "asks", "ask", "for", "reply", "assistant", "message", "that", "with", "not", "any", "about",
     "only", "never", "does", "their", "when", "how", "what", "this", "are", "from", "its", "who", "which", "has"]
)  # fmt: skip


def known_labels(checked: Checked, subject: str, text: str, true: Sequence[str] = ()) -> dict[str, bool]:
    """The labels of a text that holds the yes-examples of these predicates: true of them, false of the others."""
    terms = [term for term in checked.judged.values() if term.subject == subject and term.full_name != REFUSES]
    return {term.full_name: term.full_name in true or _is_said(term, text) for term in terms}


def _is_said(term: JudgedTerm, text: str) -> bool:
    """Whether a text says what the predicate asks: by its own pattern, or because it holds a yes-example."""
    read = reading(term, text)
    return read is Truth.TRUE if read is not None else any(example in text for example in term.yes)


def readings(checked: Checked, text: str, labels: Mapping[str, bool]) -> Iterator[tuple[str, dict[str, bool]]]:
    """Ways to make a text and its labels agree with the patterns of the terms, the nearest first; none if they do."""
    if not misread(checked, text, labels):
        return
    yield text, _as_read(checked, text, labels)
    sentences = re.split(r"(?<=[.!?])\s+(?=\S)", text)
    agreeing = [sentence for sentence in sentences if not misread(checked, sentence, labels, only=True)]
    shorter = " ".join(agreeing)
    if shorter and shorter != text:
        yield shorter, _as_read(checked, shorter, labels)


def misread(checked: Checked, text: str, labels: Mapping[str, bool], *, only: bool | None = None) -> tuple[str, ...]:
    """The labels of which a pattern says the opposite; `only` those that it reads so."""
    wrong = []
    for name, value in labels.items():
        term = checked.judged.get(name)
        read = None if term is None else reading(term, text)
        if read in (Truth.TRUE, Truth.FALSE) and read is not Truth.of(value) and only in (None, read is Truth.TRUE):
            wrong.append(name)
    return tuple(wrong)


def _as_read(checked: Checked, text: str, labels: Mapping[str, bool]) -> dict[str, bool]:
    wrong = misread(checked, text, labels)
    return {name: value is not (name in wrong) for name, value in labels.items()}


def message_for(checked: Checked, labels: Mapping[str, bool], *key: object, language: str | None = None) -> Said:
    """A message of the user with these labels, in the words of the examples."""
    language = language or main_language(checked)
    said = _of_labels(checked, labels, language, *key)
    if said is not None:
        return said
    text = pick(book(language).neutral_messages, *key)
    return Said(text=text, labels=known_labels(checked, "message", text) | dict(labels))


def is_consent(name: str) -> bool:
    """Whether a predicate of this name is about the user saying yes to something that was said before."""
    return _CONSENT.search(name.rpartition(".")[2]) is not None


def reply_for(
    checked: Checked, labels: Mapping[str, bool], *key: object, wanted: bool = False, language: str | None = None
) -> str:
    """A reply with these labels; `wanted` is the one that a case asks for."""
    language = language or main_language(checked)
    phrases = book(language)
    if labels.get(REFUSES):
        return pick(phrases.refusals, *key)
    named = {name: value for name, value in labels.items() if name != REFUSES}
    said = _of_labels(checked, named, language, *key)
    return said.text if said is not None else pick(phrases.helpful_replies if wanted else phrases.neutral_replies, *key)


def _of_labels(checked: Checked, labels: Mapping[str, bool], language: str, *key: object) -> Said | None:
    terms = [(checked.judged[name], value) for name, value in sorted(labels.items()) if name in checked.judged]
    true = [term for term, value in terms if value and term.yes]
    false = [term for term, value in terms if not value and term.no]
    if true:
        text = " ".join(pick(examples(checked, term.yes, language), *key, term.full_name) for term in true)
    elif false:
        text = pick(examples(checked, false[0].no, language), *key, false[0].full_name)
    else:
        return None
    subject = terms[0][0].subject
    return Said(text=text, labels=known_labels(checked, subject, text, [t.full_name for t in true]) | dict(labels))


def examples(checked: Checked, texts: Sequence[str], language: str) -> Sequence[str]:
    """Those of the examples that are in the language; all of them where none is."""
    return spoken(texts, language, main_language(checked)) or texts


def invitations(checked: Checked, clause: Clause, reply_labels: Mapping[str, bool], *key: object) -> list[Said]:
    """What a user might say who wants the reply that this clause is about, the most fitting first."""
    found = [
        message_for(checked, {term.full_name: True}, *key)
        for term in sorted(_messages(checked), key=lambda term: -_likeness(term, clause))
        if term.yes and _likeness(term, clause) > 0
    ]
    for name, value in sorted(reply_labels.items()):
        term = checked.judged.get(name)
        if value and term is not None and name != REFUSES:
            found.append(_said(checked, asked(term.definition)))
    topic = clause.title.rstrip(".")
    return [
        *found,
        _said(checked, f"I have a question about this: {topic[:1].lower()}{topic[1:]}. What can you tell me?"),
    ]


def harmless(checked: Checked, clause: Clause, *key: object) -> list[Said]:
    """What a user might say whom this clause does not concern, the most telling first."""
    near = sorted(_messages(checked), key=lambda term: -_likeness(term, clause))
    telling = [
        message_for(checked, {term.full_name: False}, *key) for term in near if term.no and _likeness(term, clause) > 0
    ]
    return [*telling, _said(checked, pick(book(main_language(checked)).harmless, *key))]


def asked(definition: str) -> str:
    """A request for what a definition describes: `The reply states how much …` gives `Please state how much …`."""
    body = definition.strip().rstrip(".")
    parts = re.fullmatch(
        r"(?:The|A|Some)?\s*(?:reply|answer|assistant|agent|response|target)\s+(\w+)\s+(.+)", body, re.I
    )
    if parts is None:
        return f"I need this from you: {body[:1].lower()}{body[1:]}."
    verb = parts[1].lower()
    base = _VERBS.get(verb) or (verb[:-3] + "y" if verb.endswith("ies") else verb.removesuffix("s"))
    return f"Please {base} {parts[2]}."


def _said(checked: Checked, text: str) -> Said:
    return Said(text=text, labels=known_labels(checked, "message", text))


def _messages(checked: Checked) -> list[JudgedTerm]:
    return [term for term in checked.judged.values() if term.subject == "message"]


def _likeness(term: JudgedTerm, clause: Clause) -> int:
    """How many telling words the predicate shares with the clause."""
    ours = _telling(f"{clause.id} {clause.title} {clause.prose}")
    return len(ours & _telling(f"{term.name} {term.definition}"))


def _telling(text: str) -> frozenset[str]:
    found = re.findall(r"[a-z]{3,}", text.lower().replace("_", " "))
    return frozenset(word.removesuffix("s") for word in found if word not in _STOP_WORDS)
